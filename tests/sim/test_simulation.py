"""Simulations against a slow reference, for any number of threads and any layout of lanes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_reference import simulate

from neurosim import graph as g
from neurosim import sim, units
from neurosim.errors import RangeError

DT = 1e-3


def net_of(sizes, synapses, inputs, cells, precision="float64"):
    """A network of populations ``cells`` (None: a source whose spikes are ``inputs``) and explicit synapses."""
    net = sim.Network(dt=DT, precision=precision)
    names = []
    for k, (unit, n) in enumerate(zip(cells, sizes, strict=True)):
        if unit is None:
            steps, neurons = np.nonzero(inputs[k])
            names.append(net.spike_times(n, steps * DT, neurons, name=f"p{k}"))
        else:
            names.append(net.population(unit, n, name=f"p{k}"))
            if k in inputs:
                net.current(names[k], inputs[k])
        net.probe(names[k])
    for source, target, port, pre, post, weight, delay in synapses:
        net.connect(
            names[source], names[target], rule=sim.Explicit(pre, post), weight=weight, delay=np.asarray(delay) * DT,
            port=cells[target].ports[port],
        )  # fmt: skip
    return net


def spikes_of(simulation, count):
    found = []
    for k in range(count):
        s = simulation.spikes(f"p{k}")
        found.append([(round(t / DT), int(i)) for t, i in zip(s.times, s.neurons, strict=True)])
    return found


@st.composite
def networks(draw):
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    cells = [None, units.LIF(tau_mem=10e-3), draw(st.sampled_from([units.LIF(), units.CubaLIF(), units.IF()]))]
    sizes = [draw(st.integers(1, 90)), draw(st.integers(1, 200)), draw(st.integers(1, 70))]
    steps = draw(st.integers(1, 40))
    synapses = []
    for _ in range(draw(st.integers(0, 4))):
        source, target = int(rng.integers(0, 3)), int(rng.integers(1, 3))
        count = int(rng.integers(0, 300))
        pre, post = rng.integers(0, sizes[source], count), rng.integers(0, sizes[target], count)
        order = np.lexsort((post, pre))
        weight = rng.integers(-64, 128, count) / 256  # sums are exact, so the order of additions plays no part
        delay = rng.integers(1, draw(st.sampled_from([2, 9, 70])), count)
        synapses.append((source, target, 0, pre[order], post[order], weight, delay))
    inputs = {0: rng.random((steps, sizes[0])) < 0.2, 1: rng.integers(0, 64, (steps, sizes[1])) / 256}
    return sizes, synapses, inputs, cells, steps


@settings(max_examples=30, deadline=None)
@given(networks())
def test_random_networks_equal_the_slow_reference_for_any_number_of_threads(network):
    sizes, synapses, inputs, cells, steps = network
    want, states = simulate(DT, cells, sizes, synapses, inputs, steps)
    for threads in (1, 2, 3):
        simulation = net_of(sizes, synapses, inputs, cells).build(threads).run(steps * DT)
        assert spikes_of(simulation, 3) == want
        for k in (1, 2):
            got = simulation.state(f"p{k}")
            np.testing.assert_array_equal(list(got.values()), states[k])


@settings(max_examples=15, deadline=None)
@given(networks(), st.integers(1, 39))
def test_a_run_in_two_parts_equals_one_run(network, cut):
    sizes, synapses, inputs, cells, steps = network
    want = spikes_of(net_of(sizes, synapses, inputs, cells).run(steps * DT, threads=1), 3)
    parts = net_of(sizes, synapses, inputs, cells).build(2)
    parts.run(min(cut, steps) * DT).run(max(0, steps - cut) * DT)
    assert spikes_of(parts, 3) == want


def poisson_net(precision="float32", seed=3):
    net = sim.Network(dt=1e-4, seed=seed, precision=precision)
    cells = net.population(units.LIF(tau_mem=20e-3), 500, name="cells")
    net.poisson(cells, rate=4000.0, weight=0.02)
    net.connect(cells, cells, rule=sim.FixedInDegree(50), weight=sim.Normal(0.01, 0.002), delay=sim.Normal(2e-3, 5e-4))
    net.probe(cells)
    return net


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_spike_trains_do_not_depend_on_the_number_of_threads(precision):
    runs = [poisson_net(precision).run(0.2, threads=n).spikes("cells") for n in (1, 2, 3)]
    assert len(runs[0]) > 500
    for other in runs[1:]:
        np.testing.assert_array_equal(runs[0].times, other.times)
        np.testing.assert_array_equal(runs[0].neurons, other.neurons)


def test_another_seed_gives_another_train():
    a, b = (poisson_net(seed=s).run(0.1, threads=1).spikes("cells") for s in (1, 2))
    assert len(a) != len(b) or (a.neurons != b.neurons).any()


@pytest.mark.parametrize("rate", [50.0, 2000.0, 9e4, 2e6])
@pytest.mark.parametrize("per_neuron", [False, True])
def test_poisson_input_has_the_mean_and_variance_of_campbells_theorem(rate, per_neuron):
    """tau dv/dt = -v + jumps w of a Poisson process: mean w r tau, variance w^2 r tau / 2 for small dt."""
    tau, weight, dt, n = 10e-3, 0.1, 1e-4, 2000
    net = sim.Network(dt=dt, seed=5, precision="float64")
    cells = net.population(units.LIF(tau_mem=tau, v_threshold=1e9), n, name="cells")
    net.poisson(cells, np.full(n, rate) if per_neuron else rate, weight)
    v = net.run(20 * tau, threads=2).state("cells")["v"]
    decay = np.exp(-dt / tau)
    mean, variance = weight * rate * dt / (1 - decay), weight**2 * rate * dt / (1 - decay**2)
    assert abs(v.mean() - mean) < 5 * np.sqrt(variance / n)
    assert abs(v.var() - variance) < 5 * variance * np.sqrt((2 + 2 / (rate * tau)) / n)


def test_delays_of_one_and_of_ten_thousand_steps_arrive_when_due():
    net = sim.Network(dt=1e-4)
    source = net.spike_times(1, [0.0], [0])
    cells = net.population(units.IF(), 2, name="cells")
    net.connect(source, cells, rule=sim.Explicit([0, 0], [0, 1]), weight=[2.0, 2.0], delay=[1e-4, 1.0])
    net.probe(cells)
    spikes = net.run(1.1, threads=2).spikes("cells")
    np.testing.assert_allclose(spikes.times[:1], 1e-4)
    assert list(spikes.neurons[np.isclose(spikes.times, 1.0)]) == [1]


def test_populations_above_65536_and_empty_ones():
    n = 70_000
    net = sim.Network(dt=DT)
    source = net.spike_times(2, [0.0, 0.0], [0, 1])
    cells = net.population(units.IF(), n, name="cells")
    none = net.population(units.IF(), 0, name="none")
    net.connect(source, cells, rule=sim.Explicit([0, 1], [1, n - 1]), weight=2.0)
    net.connect(cells, none, rule=sim.AllToAll(), weight=1.0)
    net.probe(cells)
    for threads in (1, 2):
        spikes = net.run(2 * DT, threads=threads).spikes("cells")
        assert list(spikes.neurons) == [1, n - 1]


def test_states_are_recorded_of_the_neurons_asked_for_in_their_order():
    net = sim.Network(dt=DT, precision="float64")
    cells = net.population(units.LIF(v_threshold=1e9), 200, name="cells", v=np.arange(200.0))
    probe = net.probe(cells, "v", neurons=[150, 3, 70], every=2)
    times, values = net.run(9 * DT, threads=3).trace(probe)
    decay = np.exp(-DT / 20e-3)
    np.testing.assert_allclose(times, np.arange(0, 9, 2) * DT)
    np.testing.assert_allclose(values, decay ** (1 + np.arange(0, 9, 2))[:, None] * np.array([150.0, 3.0, 70.0]))


def test_a_state_probe_that_names_no_neurons_records_all_of_them():
    cells = g.Population.of("cells", units.LIF(v_threshold=1e9), 200, DT, initial={"v": np.arange(200.0)})
    graph = g.Graph(DT, (cells,), probes=(g.StateProbe("cells", "v"),), precision="float64")
    _, values = sim.Simulation(graph, threads=3).run(2 * DT).trace(0)
    np.testing.assert_allclose(values, np.exp(-DT / 20e-3) ** np.array([[1], [2]]) * np.arange(200.0))


def test_a_state_beyond_all_numbers_stops_with_population_neuron_and_time():
    net = sim.Network(dt=DT)
    cells = net.population(units.LIF(), 5, name="cells")
    net.current(cells, np.array([0, 0, 3e38, 0, 0]))
    with pytest.raises(RangeError, match=r"v of neuron 2 of population 'cells' is .* between 0 s and"):
        net.run(0.1, threads=1)


def test_bad_calls_are_refused():
    net = sim.Network(dt=DT)
    cells = net.population(units.LIF(), 5, name="cells")
    with pytest.raises(RangeError, match=r"seconds: must not be negative"):
        net.run(-1.0)
    with pytest.raises(RangeError, match=r"delay: 0.0001 s is below one time step"):
        net.connect(cells, cells, rule=sim.OneToOne(), delay=1e-4)
    with pytest.raises(RangeError, match=r"unknown population 'cell'.*cells"):
        net.connect("cell", cells, rule=sim.OneToOne())
    with pytest.raises(RangeError, match="threads"):
        net.build(threads=0)
    with pytest.raises(RangeError, match="no spike probe on 'cells'"):
        net.run(0.0).spikes("cells")


def test_a_network_that_does_not_fit_into_memory_is_refused_before_it_is_built():
    net = sim.Network()
    cells = net.population(units.LIF(), 4_000_000)
    net.connect(cells, cells, rule=sim.Bernoulli(0.5), weight=sim.Normal(1.0, 0.1))
    with pytest.raises(RangeError, match=r"needs about \d+\.\d GiB, \d+\.\d GiB are free"):
        net.build()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_spikes_without_delay_arrive_in_their_own_step_in_the_order_of_the_populations(threads):
    from neurosim.graph import Explicit, Graph, Population, Projection, SpikeProbe, SpikeSource

    parts = [SpikeSource("p0", 130, np.array([1]), np.array([129]))]
    parts += [Population.of(f"p{k}", units.IF(v_threshold=0.5), 130, DT) for k in (1, 2)]
    mirror = Explicit(np.arange(130), np.arange(130)[::-1].copy())
    joins = [Projection(f"j{k}", f"p{k}", f"p{k + 1}", "x", mirror, 1.0, 0) for k in (0, 1)]
    graph = Graph(DT, tuple(parts), tuple(joins), (), tuple(SpikeProbe(f"p{k}") for k in range(3)))
    simulation = sim.Simulation(graph, threads).run(3 * DT)
    assert spikes_of(simulation, 3) == [[(1, 129)], [(1, 0)], [(1, 129)]]
    with pytest.raises(RangeError, match=r"comes after 'p1'"):
        Graph(DT, (parts[0], parts[2], parts[1]), (joins[1],))


def swept(rate=4000.0, tau=20e-3, weight=0.01, seed=3, n=300):
    net = sim.Network(dt=1e-4, seed=seed)
    cells = net.population(units.LIF(tau_mem=tau), n, name="cells")
    net.poisson(cells, rate=rate, weight=0.02)
    net.connect(cells, cells, rule=sim.FixedInDegree(50), weight=weight, delay=sim.Normal(2e-3, 5e-4), name="fixed")
    net.connect(
        cells, cells, rule=sim.Bernoulli(0.1), weight=0.005, delay=1e-3, plasticity=sim.PairSTDP(), name="plastic"
    )
    net.probe(cells)
    return net


@pytest.mark.parametrize(
    ("change", "shared"),
    [
        ({"rate": 5000.0}, True),
        ({"tau": 10e-3}, True),
        ({"weight": 0.02}, False),
        ({"seed": 4}, False),
        ({"n": 301}, False),
    ],
)
def test_a_sweep_shares_synapses_that_stay_the_same_and_changes_no_result(change, shared):
    before = swept().build(2).run(0.05)
    again, anew = swept(**change).build(2, like=before).run(0.05), swept(**change).build(2).run(0.05)
    assert (again.lanes[0].projections[0] is before.lanes[0].projections[0]) == shared
    assert again.lanes[0].projections[1] is not before.lanes[0].projections[1]  # its weights change
    np.testing.assert_array_equal(again.spikes("cells").neurons, anew.spikes("cells").neurons)
    np.testing.assert_array_equal(again.synapses_of("plastic").weight, anew.synapses_of("plastic").weight)


def test_a_sweep_over_numbers_uses_one_compiled_loop():
    kernels = [swept(rate=4000.0 + k, tau=(5 + k) * 1e-3, weight=0.1 * k, n=100 + k).build(1)._kernel for k in range(3)]
    assert kernels[0] is kernels[1] is kernels[2]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layout", ["csr", "dense", "auto"])
def test_a_source_may_repeat_a_spike_within_a_step(threads, layout):
    """As the events of a camera do on a coarse grid: each counts, far more than there are channels."""
    rng = np.random.default_rng(0)
    times, channels = np.sort(rng.integers(0, 5, 700)) * DT, rng.integers(0, 3, 700)
    net = sim.Network(dt=DT, precision="float64")
    source = net.spike_times(3, times, channels, name="source")
    cells = net.population(units.IF(v_threshold=1e9), 130, name="cells")
    net.connect(source, cells, rule=sim.AllToAll(), weight=sim.Uniform(1.0, 1.0), layout=layout)
    net.probe(source)
    simulation = net.build(threads).run(0.01)
    assert (simulation.state("cells")["v"] == 700).all() and len(simulation.spikes("source")) == 700
    twice = sim.feed(simulation, {source: (np.zeros(2000, int), np.zeros(2000, int))}).run(0.01)
    assert (twice.state("cells")["v"] == 2000).all() and (twice.spikes("source").neurons == 0).sum() == 2000


@pytest.mark.parametrize("given", [{"neurons": [1]}, {"every": 2}])
def test_a_probe_of_spikes_records_all_of_them(given):
    net = sim.Network(dt=DT)
    cells = net.population(units.IF(), 3, name="cells")
    with pytest.raises(RangeError, match=r"Network.probe: spikes are recorded of all neurons in every step, got"):
        net.probe(cells, "spikes", **given)
