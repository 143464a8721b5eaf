"""Connections whose probability falls with distance: against the kernel's formula, lanes, files, bad input."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import graph as g
from neurosim import sim, units
from neurosim.errors import RangeError, ShapeError
from neurosim.sim.layouts import listed

PROFILES = {  # of the distance in units of the scale
    "gaussian": lambda u: np.exp(-(u**2) / 2),
    "exponential": lambda u: np.exp(-u),
    "boxcar": lambda u: (u <= 1.0).astype(float),
}


def graph_of(rule, here, there=None, weight=1.0, delay=1, seed=1):
    """Sources at ``here`` and cells at ``there``; None: cells at ``here``, connected to themselves."""
    cells = g.Population.of("cells", units.LIF(), len(here if there is None else there), 1e-4,
                            positions=here if there is None else there)  # fmt: skip
    if there is None:
        populations, source = (cells,), "cells"
    else:
        populations, source = (g.PoissonSource("source", len(here), 5.0, here), cells), "source"
    link = g.Projection("link", source, "cells", "x", rule, weight, delay)
    return g.Graph(1e-4, populations, (link,), seed=seed)


def pairs_of(graph, cuts=None):
    """Sources, targets, weights and delays of all synapses, made in lanes cut at ``cuts``; in the order of pairs."""
    size, found = graph.population("cells").size, []
    for low, high in itertools.pairwise(cuts or [0, size]):
        start, target, weight, _, base, spread = listed(graph, 0, low, high - low)
        row = np.repeat(np.arange(start.size - 1), np.diff(start))
        weight = np.broadcast_to(weight, target.shape)
        found.append((row // spread, target.astype(int) + low, weight, base + row % spread))
    source, target, weight, delay = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((source, target))
    return source[order], target[order], weight[order], delay[order]


def distances(here, there, extent=None):
    """(N, M), by trying all images of points in a box."""
    shifts = [0.0] if extent is None else np.arange(-1, 2)
    sides = np.zeros(here.shape[1]) if extent is None else np.asarray(extent)
    images = [np.array(shift) * sides for shift in itertools.product(shifts, repeat=here.shape[1])]
    return np.min([np.linalg.norm(here[:, None] - there[None] + shift, axis=2) for shift in images], axis=0)


def check_probability(kernel, scale, p_max, apart, exists, bins=12):
    """In bins of distance, the connections number as many as the formula says, within 4 standard deviations."""
    p = p_max * PROFILES[kernel](apart / scale)
    edges = np.quantile(apart, np.linspace(0, 1, bins + 1))
    bin_of = np.clip(np.searchsorted(edges, apart, side="right") - 1, 0, bins - 1)
    for k in range(bins):
        mine = bin_of == k
        expected, sd = p[mine].sum(), math.sqrt((p[mine] * (1 - p[mine])).sum())
        assert abs(exists[mine].sum() - expected) <= 4 * sd + 1e-6, (k, exists[mine].sum(), expected, sd)


@pytest.mark.parametrize("extent", [None, 1e-3])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("kernel", PROFILES)
def test_pairs_exist_with_the_probability_of_their_distance(kernel, dimensions, extent, rng):
    here, there = rng.uniform(0, 1e-3, (900, dimensions)), rng.uniform(0, 1e-3, (500, dimensions))
    sides = None if extent is None else (extent,) * dimensions
    rule = sim.DistanceDependent(kernel, scale=2.5e-4, p_max=0.7, extent=sides)
    source, target, _, _ = pairs_of(graph_of(rule, here, there))
    exists = np.zeros((900, 500), bool)
    exists[source, target] = True
    assert exists.sum() == len(source)  # no pair twice
    check_probability(kernel, 2.5e-4, 0.7, distances(here, there, sides), exists)


def test_without_p_max_below_one_near_neurons_are_surely_connected_and_nothing_beyond_the_radius(rng):
    here = rng.uniform(0, 1e-3, (400, 2))
    apart = distances(here, here)
    source, target, _, _ = pairs_of(graph_of(sim.DistanceDependent("boxcar", scale=1e-4), here))
    wanted = np.nonzero((apart <= 1e-4).T)
    np.testing.assert_array_equal((target, source), wanted)
    rule = sim.DistanceDependent("gaussian", scale=1.0, radius=3e-4)  # flat over the whole sheet, but cut
    source, target, _, _ = pairs_of(graph_of(rule, here))
    assert apart[source, target].max() <= 3e-4
    assert len(source) == pytest.approx((apart <= 3e-4).sum(), rel=1e-3)


def test_neighbours_on_a_lattice_are_within_their_distance_in_spite_of_rounding():
    ring = np.arange(100)[:, None] * 1e-4
    rule = sim.DistanceDependent("boxcar", scale=3e-4, extent=(100e-4,), autapses=False)
    source, target, _, _ = pairs_of(graph_of(rule, ring))
    step = (source - target + 50) % 100 - 50
    assert sorted(set(step.tolist())) == [-3, -2, -1, 1, 2, 3] and len(source) == 600


@pytest.mark.parametrize("autapses", [True, False])
def test_autapses_are_a_switch(autapses, rng):
    here = rng.uniform(0, 1e-3, (300, 3))
    rule = sim.DistanceDependent("exponential", 1e-4, autapses=autapses)
    source, target, _, _ = pairs_of(graph_of(rule, here))
    assert (source == target).sum() == (300 if autapses else 0)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_synapses_weights_and_delays_do_not_depend_on_the_lanes(data):
    draw = data.draw
    dimensions, sources, targets = draw(st.integers(1, 3)), draw(st.integers(0, 60)), draw(st.integers(0, 200))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    here = rng.uniform(-1, 1, (sources, dimensions))
    there = None if draw(st.booleans()) else rng.uniform(-1, 1, (targets, dimensions))
    rule = sim.DistanceDependent(
        draw(st.sampled_from(sorted(PROFILES))), draw(st.floats(1e-3, 3)), draw(st.floats(0, 1)),
        draw(st.none() | st.floats(0.01, 2)), draw(st.none() | st.just((2.0,) * dimensions)), draw(st.booleans()),
    )  # fmt: skip
    graph = graph_of(rule, here, there, sim.Normal(0.0, 1.0), sim.Uniform(1e-4, 9e-4), draw(st.integers(0, 2**64 - 1)))
    size = graph.population("cells").size
    cuts = [0, *sorted(draw(st.lists(st.integers(0, size), max_size=3))), size]
    for whole, lanes in zip(pairs_of(graph), pairs_of(graph, cuts), strict=True):
        np.testing.assert_array_equal(lanes, whole)


def test_more_synapses_than_a_batch_holds(rng):
    here = rng.uniform(0, 1, (300, 2))
    graph = graph_of(sim.DistanceDependent("gaussian", 1e5), here)  # in effect all pairs
    source, target, _, _ = pairs_of(graph, [0, 128, 300])
    np.testing.assert_array_equal((target, source), np.indices((300, 300)).reshape(2, -1))


def test_another_seed_is_another_network(rng):
    here = rng.uniform(0, 1, (200, 2))
    a, b, again = (pairs_of(graph_of(sim.DistanceDependent("gaussian", 0.2), here, seed=s))[:2] for s in (1, 2, 1))
    np.testing.assert_array_equal(a, again)
    assert len(a[0]) != len(b[0]) or not np.array_equal(a, b)


@pytest.mark.parametrize("extent", [None, (1.0, 1.0)])
@pytest.mark.parametrize("kernel", PROFILES)
def test_the_expected_number_of_synapses_is_close_to_that_made(kernel, extent, rng):
    here = rng.uniform(0, 1, (800, 2))
    graph = graph_of(sim.DistanceDependent(kernel, 0.1, 0.5, extent=extent, autapses=False), here)
    p = 0.5 * PROFILES[kernel](distances(here, here, extent) / 0.1) * ~np.eye(800, dtype=bool)
    assert graph.synapses("link") == pytest.approx(p.sum(), rel=0.1)
    few = graph_of(sim.DistanceDependent(kernel, 0.1, 0.5, extent=extent, autapses=False), here[:50])
    assert few.synapses("link") == pytest.approx(p[:50, :50].sum(), rel=1e-9)  # all targets are summed


def test_a_network_with_positions_runs_is_stored_and_is_the_same_on_any_number_of_threads(tmp_path, rng):
    net = sim.Network(dt=1e-4, seed=2)
    sheet = rng.uniform(0, 1e-3, (400, 2))
    cells = net.population(units.LIF(), 400, positions=sheet, name="cells")
    noise = net.poisson_source(100, 500.0, positions=sheet[:100])
    given = net.spike_times(2, [1e-3, 2e-3], [0, 1], positions=sheet[:2])
    near = sim.DistanceDependent("exponential", 1e-4, 0.8, radius=5e-4, extent=(1e-3, 1e-3), autapses=False)
    net.connect(noise, cells, rule=sim.DistanceDependent("gaussian", 2e-4), weight=0.2)
    net.connect(given, cells, rule=sim.DistanceDependent("boxcar", 2e-4), weight=0.5)
    net.connect(cells, cells, rule=near, weight=0.02, delay=1e-3)
    net.probe(cells)
    graph = net.graph()
    graph.save(tmp_path / "sheet.graph")
    again = g.Graph.load(tmp_path / "sheet.graph")
    assert again == graph and again.projections[2].rule == near
    np.testing.assert_array_equal(again.population("cells").positions, sheet)
    runs = [sim.Simulation(which, n).run(0.05).spikes("cells") for which, n in ((graph, 1), (again, 2), (again, 3))]
    assert len(runs[0]) > 500
    for other in runs[1:]:
        np.testing.assert_array_equal(other.times, runs[0].times)
        np.testing.assert_array_equal(other.neurons, runs[0].neurons)


SHEET, LINE = np.zeros((5, 2)), np.zeros((5, 1))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: sim.DistanceDependent("gauss", 1.0), RangeError, r"kernel: must be one of.*Did you mean 'gaussian'"),
        (lambda: sim.DistanceDependent("boxcar", 0.0), RangeError, r"scale: must be at least 1e-12 m, got 0"),
        (lambda: sim.DistanceDependent("boxcar", -1.0), RangeError, r"scale: must be at least"),
        (lambda: sim.DistanceDependent("boxcar", math.nan), RangeError, r"scale: must be a finite number"),
        (lambda: sim.DistanceDependent("boxcar", 1.0, 1.1), RangeError, r"p_max: must be in 0..1, got 1.1"),
        (lambda: sim.DistanceDependent("boxcar", 1.0, radius=0), RangeError, r"radius: must be at least"),
        (lambda: sim.DistanceDependent("boxcar", 1.0, extent=1.0), ShapeError, r"extent: must be a length per dim"),
        (lambda: sim.DistanceDependent("boxcar", 1.0, extent=(1, 0)), RangeError, r"extent\[1\]: must be at least"),
        (lambda: sim.DistanceDependent("boxcar", 1.0, autapses=2), RangeError, r"autapses: must be True or False"),
        (lambda: g.PoissonSource("a", 5, 1.0, np.zeros((4, 2))), ShapeError, r"must be \(5, D\).*got \(4, 2\)"),
        (lambda: g.PoissonSource("a", 5, 1.0, np.zeros((5, 4))), ShapeError, r"D = 1, 2 or 3, got \(5, 4\)"),
        (lambda: g.PoissonSource("a", 5, 1.0, np.zeros(5)), ShapeError, r"'a'.positions: must have 2 dimensions"),
        (lambda: g.PoissonSource("a", 1, 1.0, [[0, math.inf]]), RangeError, r"positions\[0, 1\]: must be finite"),
        (lambda: g.PoissonSource("a", 2, 1.0, [[0, 0], [0, 2e6]]), RangeError, r"positions\[1\]: must be within 1e"),
        (lambda: g.SpikeSource("a", 5, [], [], SHEET[:2]), ShapeError, r"SpikeSource 'a'.positions"),
        (lambda: g.Population.of("a", units.LIF(), 5, 1e-4, positions=SHEET[:2]), ShapeError, r"'a'.positions"),
        (lambda: graph_of(sim.DistanceDependent("boxcar", 1.0), SHEET, LINE), ShapeError, r"got 2 \(source\), 1 \(tar"),
        (
            lambda: graph_of(sim.DistanceDependent("boxcar", 1.0, extent=(1, 1, 1)), SHEET),
            ShapeError, r"Projection 'link'.rule: .*got 2 \(source\), 2 \(target\), 3 \(extent\)",
        ),
    ],
)  # fmt: skip
def test_bad_rules_and_positions_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_population_without_positions_is_named():
    net = sim.Network()
    cells = net.population(units.LIF(), 5, positions=SHEET)
    other = net.population(units.LIF(), 5)
    net.connect(cells, other, rule=sim.DistanceDependent("boxcar", 1.0))
    with pytest.raises(RangeError, match=r"DistanceDependent needs positions, the target population has none"):
        net.graph()
