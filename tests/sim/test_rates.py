"""Rates that are counted as a network runs, against its spikes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import graph as g
from neurosim import sim, units
from neurosim.errors import RangeError
from neurosim.sim.checkpoint import collect
from neurosim.sim.recording import Rates

DT = 1e-3


def network(spikes=True, every=(1, 7, 64, 1000)):
    """A random network whose three populations have rate probes; with spike probes on all, or on none."""
    net = sim.Network(dt=DT, seed=4)
    cells = net.population(units.LIF(tau_mem=20e-3), 300, name="cells")
    given = net.spike_times(3, [0.0, 3 * DT, 3 * DT, 50 * DT], [0, 1, 2, 0], name="given")
    noise = net.poisson_source(70, 90.0, name="noise")
    net.connect(noise, cells, rule=sim.FixedInDegree(20), weight=0.1)
    probes = {name: [net.probe(name, "rate", every=n) for n in every] for name in (cells, given, noise)}
    if spikes:
        for name in probes:
            net.probe(name)
    return net, probes


def binned(simulation, name, every):
    """Rate per full bin, by counting spikes."""
    size, steps = simulation.graph.population(name).size, simulation.step // every * every
    found = np.rint(simulation.spikes(name).times / DT).astype(int)
    counts = np.bincount(found[found < steps], minlength=steps).reshape(-1, every).sum(1)
    return counts / (size * every * DT)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_rates_are_those_of_the_spikes_for_any_number_of_threads(threads):
    every = (1, 7, 64, 1000)
    net, probes = network(every=every)
    simulation = net.build(threads)
    for part in (0.001, 0.05, 0.0, 0.2, 0.013):  # bins cross the parts of a run
        simulation.run(part)
        for name, numbers in probes.items():
            for number, n in zip(numbers, every, strict=True):
                times, rate = simulation.trace(number)
                np.testing.assert_allclose(times, np.arange(simulation.step // n) * n * DT)
                np.testing.assert_allclose(rate, binned(simulation, name, n))
    assert len(simulation.spikes("cells")) > 200


def test_no_spike_is_kept_for_a_rate():
    (net, probes), (other, _) = network(spikes=False), network()
    simulation = net.run(0.3, threads=2)
    whole = other.run(0.3, threads=1)
    for numbers in probes.values():
        for number in numbers:
            np.testing.assert_array_equal(simulation.trace(number)[1], whole.trace(number)[1])
    assert simulation.spike_counts() == {} and collect(simulation).keys().isdisjoint(
        f"spike steps {k}" for k in range(3)
    )
    with pytest.raises(RangeError, match="no spike probe on 'cells'"):
        simulation.spikes("cells")


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=30), max_size=8), st.integers(1, 12))
def test_any_cut_of_a_run_gives_the_same_bins(parts, every):
    graph = g.Graph(DT, (g.PoissonSource("noise", 4, 1.0),), probes=(g.RateProbe("noise", every),))
    rates, step = Rates(graph), 0
    for part in parts:
        rates.add("noise", step, np.array(part))
        step += len(part)
        again = Rates(graph)
        again.put(rates.arrays())
        rates = again
    spikes = np.array([n for part in parts for n in part], int)[: step // every * every]
    np.testing.assert_allclose(rates.rate(0)[1], spikes.reshape(-1, every).sum(1) / (4 * every * DT))


def test_the_rate_of_a_poisson_source_is_its_own():
    net = sim.Network(dt=1e-4, seed=1)
    noise = net.poisson_source(1000, 40.0)
    probe = net.probe(noise, "rate", every=100)
    times, rate = net.run(2.0, threads=2).trace(probe)
    assert rate.shape == times.shape == (200,) and times[1] == pytest.approx(0.01)
    p = -np.expm1(-40.0 * 1e-4)  # at most one spike a step
    mean, sd = p / 1e-4, np.sqrt(p * (1 - p) / (1000 * 100)) / 1e-4
    assert abs(rate.mean() - mean) < 4 * sd / np.sqrt(200)
    assert abs(rate.std() - sd) < 4 * sd / np.sqrt(2 * 200)


def test_a_rate_that_makes_no_sense_is_refused():
    net = sim.Network(dt=DT)
    cells = net.population(units.LIF(), 5, name="cells")
    none = net.population(units.LIF(), 0, name="none")
    silent = net.population(units.LI(), 5, name="silent")
    for every in (0, -1, 1.5, True):
        with pytest.raises(RangeError, match=rf"RateProbe 'cells'.every: must be a whole number.*got {every}"):
            net.probe(cells, "rate", every=every)
    with pytest.raises(RangeError, match=r"Network.probe.neurons: a rate is that of the whole population, got \[1\]"):
        net.probe(cells, "rate", neurons=[1])
    for name, message in ((none, "needs at least one neuron, 'none' has none"), (silent, "'silent' never spikes")):
        with pytest.raises(RangeError, match=message):
            g.Graph(DT, net.graph().populations, probes=(g.RateProbe(name, 1),))
    with pytest.raises(RangeError, match="no population is called 'cell'"):
        g.Graph(DT, net.graph().populations, probes=(g.RateProbe("cell", 1),))
    probe = net.probe(cells, "rate", every=2)
    simulation = net.run(0.01)
    with pytest.raises(
        RangeError, match=r"probe 1 is no probe of a state, a rate or weights that has run; there are \[0\]"
    ):
        simulation.trace(probe + 1)
