"""Layouts and weight types: the same network gives the same numbers, bit for bit, however its synapses are kept."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from slow_reference import simulate

from neurosim import sim, units
from neurosim.errors import RangeError, ShapeError
from neurosim.graph import Graph, Population, Projection
from neurosim.kernels.weights import weight_at
from neurosim.sim.layouts import connect_lane

DT = 1e-3
UNIT = units.LIF(tau_mem=10e-3)
THIRD = 1 / 3  # no sum of it is exact
NORMAL, UNIFORM = sim.Normal(0.05, 0.1, low=-1.0, high=1.0), sim.Uniform(-0.2, 0.31)
SOURCES, TARGETS = st.integers(0, 200), st.integers(0, 600)


def run(rule, weight, layout, sizes, delay=1, threads=1, steps=30, seed=0, precision="float32", own=None, **more):
    """A source and cells, joined by ``rule``, and ``own`` (another rule on the same port) among the cells."""
    rng = np.random.default_rng(seed)
    net = sim.Network(dt=DT, seed=seed, precision=precision)
    at, neurons = np.nonzero(rng.random((steps, sizes[0])) < 0.3)
    source = net.spike_times(sizes[0], at * DT, neurons, name="source")
    cells = net.population(UNIT, sizes[1], name="cells", v=rng.random(sizes[1]))
    net.connect(source, cells, rule=rule, weight=weight, delay=delay * DT, layout=layout, **more)
    if own is not None:
        net.connect(cells, cells, rule=own, weight=weight, delay=2 * delay * DT, layout=layout, **more)
    net.current(cells, THIRD / 4)
    net.probe(source)
    net.probe(cells)
    return net.build(threads).run((steps + 2 * delay) * DT)


def check_same(a, b):
    x, y = a.spikes("cells"), b.spikes("cells")
    np.testing.assert_array_equal(x.times, y.times)
    np.testing.assert_array_equal(x.neurons, y.neurons)
    np.testing.assert_array_equal(a.state("cells")["v"], b.state("cells")["v"])
    assert (a.synapses, a.synaptic_events()) == (b.synapses, b.synaptic_events())


def check(rule, weight, layout, sizes, own=None, delay=1, seed=0, **more):
    want = run(rule, weight, "csr", sizes, delay, 1, seed=seed, own=own, **more)
    for threads in (1, 2, 3):
        check_same(run(rule, weight, layout, sizes, delay, threads, seed=seed, own=own, **more), want)


@settings(max_examples=15, deadline=None)
@given(SOURCES, TARGETS, st.floats(0, 1), st.booleans(), st.sampled_from([THIRD, -0.1, 0.0]), st.integers(1, 9))
def test_bits_equal_csr(sources, targets, p, own_too, weight, delay):
    check(sim.Bernoulli(p), weight, "bits", (sources, targets), sim.Bernoulli(p / 4, own_too), delay)


def test_more_than_255_arrivals_in_one_step_are_all_counted():
    want, found = (run(sim.AllToAll(), 1e-3 / 3, k, (900, 70), precision="float64") for k in ("csr", "bits"))
    check_same(found, want)
    assert want.synaptic_events() > 255 * 70 * 30


@settings(max_examples=15, deadline=None)
@given(
    SOURCES, TARGETS, st.floats(0, 1), st.sampled_from(["float", "float16", "int8"]),
    st.sampled_from([NORMAL, UNIFORM]), st.integers(1, 9),
)  # fmt: skip
def test_dense_equals_csr(sources, targets, p, weight_type, weight, delay):
    own = sim.AllToAll(autapses=False)
    check(sim.Bernoulli(p), weight, "dense", (sources, targets), own, delay, weight_type=weight_type)


@settings(max_examples=15, deadline=None)
@given(TARGETS, st.sampled_from(["float", "float16", "int8"]), st.sampled_from([NORMAL, UNIFORM, THIRD]))
def test_one_to_one_equals_csr(size, weight_type, weight):
    weight_type = "float" if isinstance(weight, float) else weight_type
    check(sim.OneToOne(), weight, "one_to_one", (size, size), sim.OneToOne(), weight_type=weight_type)


@st.composite
def convolutions(draw):
    groups = draw(st.integers(1, 2))
    two = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, dilation, stride = draw(two), draw(two), draw(two)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    size = [draw(st.integers(n, 9)) for n in reach]
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    shape = (groups * draw(st.integers(1, 3)), *size)
    return sim.Convolution(shape, groups * draw(st.integers(1, 4)), kernel, stride, padding, dilation, groups)


@settings(max_examples=15, deadline=None)
@given(convolutions(), st.sampled_from(["float", "float16", "int8"]), st.integers(0, 99))
def test_convolution_equals_csr(rule, weight_type, seed):
    kernel = np.random.default_rng(seed).normal(0.05, 0.2, rule.kernel_shape)
    sizes = [int(np.prod(s)) for s in (rule.shape, rule.out_shape)]
    check(rule, kernel, "convolution", sizes, seed=seed, weight_type=weight_type)


@settings(max_examples=15, deadline=None)
@given(
    SOURCES, st.integers(50, 600), st.integers(0, 49), st.booleans(), st.booleans(),
    st.sampled_from([THIRD, NORMAL, UNIFORM]), st.integers(0, 99),
)  # fmt: skip
def test_synapses_drawn_again_are_those_of_csr(sources, targets, n, autapses, multapses, weight, seed):
    own = sim.FixedOutDegree(n, autapses, multapses)
    check(sim.AllToAll(), weight, "procedural", (sources, targets), own, seed=seed)


def test_rows_drawn_again_longer_than_the_buffers():
    for multapses in (True, False):
        rule = sim.FixedOutDegree(2500, multapses=multapses)
        check_same(run(rule, NORMAL, "procedural", (3, 3000), threads=2), run(rule, NORMAL, "csr", (3, 3000)))


def synapses_of(rule, sizes, weight, delay):
    """Arrays of a rule for the slow reference."""
    if isinstance(rule, sim.Convolution):
        pre, post, place = rule.expand()
        weight = np.ravel(weight)[place]
    elif isinstance(rule, sim.Explicit):
        pre, post = rule.pre, rule.post
    else:
        pre, post = np.divmod(np.arange(sizes[0] * sizes[1]), sizes[1])
    return 0, 1, 0, pre, post, np.broadcast_to(weight, pre.shape), np.full(pre.shape, delay)


@pytest.mark.parametrize("layout", ["csr", "bits", "dense", "convolution"])
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_layouts_equal_the_slow_reference(layout, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    delay, steps = data.draw(st.integers(1, 5)), 25
    if layout == "convolution":
        rule = data.draw(convolutions())
        sizes = [int(np.prod(s)) for s in (rule.shape, rule.out_shape)]
        weight = rng.integers(-64, 128, rule.kernel_shape) / 256  # sums are exact
    else:
        sizes = [data.draw(st.integers(1, 20)), data.draw(st.integers(1, 90))]
        pre, post = np.nonzero(rng.random(sizes) < 0.4)
        rule = sim.Explicit(pre, post)
        weight = 0.25 if layout == "bits" else rng.integers(-64, 128, len(pre)) / 256
    spikes = rng.random((steps, sizes[0])) < 0.2
    current = rng.integers(0, 64, (steps, sizes[1])) / 256
    fired, states = simulate(
        DT, [None, UNIT], sizes, [synapses_of(rule, sizes, weight, delay)], {0: spikes, 1: current}, steps
    )
    for threads in (1, 2, 3):
        net = sim.Network(dt=DT, precision="float64")
        at, neurons = np.nonzero(spikes)
        net.spike_times(sizes[0], at * DT, neurons, name="source")
        net.population(UNIT, sizes[1], name="cells")
        net.connect("source", "cells", rule=rule, weight=weight, delay=delay * DT, layout=layout)
        net.current("cells", current)
        net.probe("cells")
        simulation = net.build(threads).run(steps * DT)
        found = simulation.spikes("cells")
        assert list(zip(np.round(found.times / DT).astype(int), found.neurons, strict=True)) == fired[1]
        np.testing.assert_array_equal(simulation.state("cells")["v"], states[1][0])
        assert simulation.synapses == len(synapses_of(rule, sizes, weight, delay)[3])


CELLS = [Population.of(name, UNIT, 1000, DT) for name in "ab"]


@pytest.mark.parametrize(
    ("rule", "weight", "more", "each"),
    [
        (sim.FixedInDegree(100), 1.0, {}, 2),
        (sim.FixedInDegree(100), NORMAL, {}, 6),
        (sim.FixedInDegree(100), NORMAL, {"weight_type": "float16"}, 4),
        (sim.FixedInDegree(100), NORMAL, {"weight_type": "int8"}, 3),
        (sim.AllToAll(), NORMAL, {"weight_type": "int8"}, 1),
        (sim.AllToAll(), NORMAL, {}, 4),
        (sim.AllToAll(), NORMAL, {"layout": "procedural"}, 0),
        (sim.AllToAll(), 1.0, {}, 1 / 8),
        (sim.OneToOne(), NORMAL, {}, 4),
        (sim.OneToOne(), 1.0, {}, 0),
    ],
)
def test_memory_is_estimated_and_is_what_the_arrays_take(rule, weight, more, each):
    graph = Graph(DT, CELLS, [Projection("p", "a", "b", "x", rule, weight, 1, **more)])
    free = Graph(DT, CELLS, [Projection("p", "a", "b", "x", sim.FixedInDegree(0), 1.0, 1, layout="csr")])
    tables = 1024 * 1001 // 8 - 10**6 // 8 if each == 1 / 8 else 0  # rows of 512 bits, and an empty one
    estimate = graph.memory_bytes() - free.memory_bytes() + 4 * 1001
    synapses = graph.synapses("p")
    is_csr = isinstance(rule, sim.FixedInDegree)
    assert estimate == pytest.approx(each * synapses + tables + is_csr * 4 * 1001, abs=2)
    (lane,) = sim.Simulation(graph, 1).lanes
    assert lane.projections[0].size == synapses

    def held(value):
        return sum(map(held, value)) if isinstance(value, tuple) else getattr(value, "nbytes", 0)

    assert abs(held(lane.projections[0].arguments) - estimate) < 40_000  # planes and buffers beside


@pytest.mark.parametrize("layout", ["csr", "dense"])
@pytest.mark.parametrize("weight_type", ["float16", "int8"])
def test_weights_of_a_type_are_floats_of_its_values(layout, weight_type):
    """float16 and int8 times the scale, in float32: the same spikes and states as those numbers given as floats."""
    rng = np.random.default_rng(1)
    pre, post = np.nonzero(rng.random((120, 150)) < 0.5)
    weight = rng.normal(0.02, 0.1, len(pre))
    weight[:3] = (0.0, 3e-7, -2e-6)  # below the normal numbers of float16
    if weight_type == "float16":
        values, more = weight.astype(np.float16).astype(np.float32), {}
    else:
        scale = 0.6 / 127
        values, more = np.rint(weight / np.float32(scale)).astype(np.float32) * np.float32(scale), {"scale": scale}
    rule, sizes = sim.Explicit(pre, post), (120, 150)
    check_same(
        run(rule, weight, layout, sizes, weight_type=weight_type, threads=2, **more), run(rule, values, "csr", sizes)
    )


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_every_finite_float16_is_read_as_what_it_is(precision):
    every = np.arange(2**16, dtype=np.uint16)
    every = every[np.isfinite(every.view(np.float16))]

    @njit
    def read(weight, scale):
        out = np.empty(len(weight), scale.dtype)
        for i in range(len(weight)):
            out[i] = weight_at(weight, i, scale)
        return out

    found, want = read(every, np.ones(1, precision)), every.view(np.float16).astype(precision)
    np.testing.assert_array_equal(found, want)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(want))


def test_delays_of_ten_thousand_steps_two_projections_on_one_port_and_self_connections():
    own = sim.AllToAll()  # with autapses
    check(sim.Bernoulli(0.5), 0.02, "bits", (20, 30), own, delay=5000)  # and 10,000 among the cells
    check(sim.AllToAll(), UNIFORM, "dense", (20, 30), own, delay=5000)
    check(sim.OneToOne(), THIRD, "one_to_one", (30, 30), sim.OneToOne(), delay=5000)
    check(sim.AllToAll(), THIRD, "procedural", (20, 30), sim.FixedOutDegree(7), delay=5000)


@pytest.mark.parametrize(
    ("layout", "rule", "sizes"),
    [
        ("bits", sim.Bernoulli(0.3), (3, 70_001)), ("dense", sim.Bernoulli(0.3), (3, 70_001)),
        ("one_to_one", sim.OneToOne(), (70_001, 70_001)), ("procedural", sim.FixedOutDegree(999), (3, 70_001)),
        ("convolution", sim.Convolution((1, 260, 270), 1, (3, 3), padding=(1, 1)), (70_200, 70_200)),
    ],
)  # fmt: skip
def test_populations_above_65536(layout, rule, sizes):
    weight = np.full((1, 1, 3, 3), THIRD) if layout == "convolution" else THIRD
    want, found = (run(rule, weight, kind, sizes, threads=n, steps=4) for kind, n in (("csr", 1), (layout, 2)))
    check_same(found, want)
    assert want.spikes("cells").neurons.max() > 65_536


@pytest.mark.parametrize(
    ("layout", "rule"),
    [
        ("bits", sim.Bernoulli(0.5)), ("dense", sim.AllToAll()), ("procedural", sim.AllToAll()),
        ("one_to_one", sim.OneToOne()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sizes", [(0, 0), (5, 0), (0, 5)])
def test_empty_populations(layout, rule, sizes):
    sizes = (sizes[1], sizes[1]) if layout == "one_to_one" else sizes
    check(rule, THIRD, layout, sizes)


def test_a_checkpoint_restores_every_layout(tmp_path):
    for layout, rule, weight in (("bits", sim.Bernoulli(0.3), 0.1), ("dense", sim.AllToAll(), NORMAL),
                                 ("procedural", sim.FixedOutDegree(9, multapses=False), NORMAL)):  # fmt: skip

        def cells(threads, rule=rule, weight=weight, layout=layout):
            net = sim.Network(dt=DT, seed=4)
            cells = net.population(UNIT, 150, name="cells")
            net.poisson(cells, 300.0, 0.3)
            net.connect(cells, cells, rule=rule, weight=weight, delay=7 * DT, layout=layout)
            net.probe(cells)
            return net.build(threads)

        want = cells(1).run(0.1)
        cells(2).run(0.043).save(tmp_path / "half")
        check_same(sim.Simulation.restore(want.graph, tmp_path / "half", 3).run(0.057), want)


@settings(max_examples=50, deadline=None)
@given(convolutions(), st.data())
def test_out_degrees_of_a_lane_of_a_convolution_are_those_of_its_synapses(rule, data):
    sizes = [int(np.prod(s)) for s in (rule.shape, rule.out_shape)]
    cells = [Population.of(name, UNIT, n, DT) for name, n in zip("ab", sizes, strict=True)]
    link = Projection("p", "a", "b", "x", rule, np.ones(rule.kernel_shape), 1)
    first = data.draw(st.integers(0, sizes[1]))
    count = data.draw(st.integers(0, sizes[1] - first))
    lane = connect_lane(Graph(DT, cells, [link]), 0, first, count)
    pre, post, _ = rule.expand()
    assert len(pre) == rule.expected(*sizes, False)
    mine = (post >= first) & (post < first + count)
    np.testing.assert_array_equal(lane.degrees(), np.bincount(pre[mine], minlength=sizes[0]))
    assert lane.size == mine.sum()


def test_a_convolution_must_fit_its_populations_and_drawn_weights_their_type():
    link = Projection("p", "a", "b", "x", sim.Convolution((1, 3, 3), 1, (2, 2)), np.ones((1, 1, 2, 2)), 1)
    with pytest.raises(ShapeError, match=r"source of .* is \(1, 3, 3\), 9 neurons, got 1000"):
        Graph(DT, CELLS, [link])
    wide = Projection("p", "a", "b", "x", sim.AllToAll(), sim.Normal(0, 1e6), 1, weight_type="float16")
    with pytest.raises(RangeError, match=r"'p'\.weight: .* is beyond what float16 holds"):
        sim.Simulation(Graph(DT, CELLS, [wide]), 1)
    tiny = Projection("p", "a", "b", "x", sim.AllToAll(), NORMAL, 1, weight_type="int8", scale=1e-60)
    with pytest.raises(RangeError, match="is 0 in float32"):
        Graph(DT, CELLS, [tiny])


JOINS = ((0, 1), (0, 2), (1, 1), (1, 2), (2, 1))  # all on port x: two or three projections on one, one to itself


@st.composite
def small_graphs(draw, layouts):
    """Sizes, spikes of the source, currents, and a projection (pre, post, weight, delay) for each of `JOINS`."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    longest = draw(st.sampled_from([1, 5, 40, 10_000]))
    most = 90 if longest < 10_000 else 6
    sizes = [draw(st.integers(0, most)) for _ in range(3)]
    steps = 30 + 2 * longest if longest == 10_000 else 45
    links = []
    for (source, target), layout in zip(JOINS, layouts, strict=True):
        pre, post = np.nonzero(rng.random((sizes[source], sizes[target])) < rng.choice([0.0, 0.2, 1.0]))
        weight = rng.integers(-32, 64, len(pre)) / 128 * (rng.random(len(pre)) < 0.8)  # sums are exact; some are zero
        delay = int(rng.integers(1, longest + 1)) if rng.random() < 0.5 else longest
        links.append((pre, post, 0.125 if layout == "bits" else weight, delay))
    spikes = (rng.random((steps, sizes[0])) < 0.2) & (np.arange(steps) < 30)[:, None]
    current = [rng.integers(1, 8, n) / 64 for n in sizes]  # never 0: numbers that are not normal are 0 in the loop
    return sizes, spikes, current, links


def built(sizes, spikes, current, links, layouts, threads):
    net = sim.Network(dt=DT, precision="float64")
    at, neurons = np.nonzero(spikes)
    net.spike_times(sizes[0], at * DT, neurons, name="0")
    for k in (1, 2):
        net.population(UNIT, sizes[k], name=f"{k}")
        net.probe(f"{k}")
        net.current(f"{k}", current[k])
    for (source, target), (pre, post, weight, delay), layout in zip(JOINS, links, layouts, strict=True):
        rule = sim.Explicit(pre, post)
        net.connect(f"{source}", f"{target}", rule=rule, weight=weight, delay=delay * DT, layout=layout)
    return net.build(threads)


@pytest.mark.parametrize(
    "layouts",
    [("csr",) * 5, ("bits",) * 5, ("dense",) * 5, ("bits", "dense", "csr", "bits", "dense")],
    ids=["csr", "bits", "dense", "mixed"],
)
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_random_graphs_equal_the_slow_reference_in_any_layout_and_after_a_restart(tmp_path_factory, layouts, data):
    graph = data.draw(small_graphs(layouts))
    sizes, spikes, current, links = graph
    steps = len(spikes)
    synapses = [
        (*ends, 0, pre, post, np.broadcast_to(weight, pre.shape), np.full(pre.shape, delay))
        for ends, (pre, post, weight, delay) in zip(JOINS, links, strict=True)
    ]
    inputs = {0: spikes} | {k: np.tile(current[k], (steps, 1)) for k in (1, 2)}
    fired, states = simulate(DT, [None, UNIT, UNIT], sizes, synapses, inputs, steps)

    def check(simulation):
        for k in (1, 2):
            found = simulation.spikes(f"{k}")
            assert list(zip(np.round(found.times / DT).astype(int), found.neurons, strict=True)) == fired[k]
            np.testing.assert_array_equal(simulation.state(f"{k}")["v"], states[k][0])

    for threads in (1, 2, 3):
        check(built(*graph, layouts, threads).run(steps * DT))
    cut, path = data.draw(st.integers(0, steps)), tmp_path_factory.mktemp("restart") / "checkpoint"
    half = built(*graph, layouts, 2).run(cut * DT)
    half.save(path)
    check(sim.Simulation.restore(half.graph, path, 3).run((steps - cut) * DT))
