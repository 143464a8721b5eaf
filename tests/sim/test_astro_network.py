"""The network of neurons and astrocytes: calcium rises, neurons fire more, and not without the astrocytes' current."""

from dataclasses import replace

import numpy as np
import pytest

from neurosim import sim
from neurosim.sim.networks import astro

SECONDS = 4.0


def without(graph):
    """The same network, the astrocytes' current with a weight of 0."""
    return replace(graph, projections=tuple(replace(p, weight=0.0) if p.graded else p for p in graph.projections))


def rates(simulation):
    """Spikes per second of an excitatory neuron in each second."""
    spikes = simulation.spikes("exc")
    return np.histogram(spikes.times, np.arange(SECONDS + 1))[0] / simulation.graph.population("exc").size


@pytest.fixture(scope="module")
def runs():
    graph = astro(scale=0.3).graph()
    return [sim.Simulation(g, 1).run(SECONDS) for g in (graph, without(graph))]


def test_astrocytes_raise_the_rate_and_without_their_current_nothing_changes(runs):
    with_, without_ = map(rates, runs)
    t, current = runs[0].trace(4)
    first = t[np.flatnonzero(current.any(axis=1))[0]] if current.any() else SECONDS
    early = [s.spikes("exc").neurons[s.spikes("exc").times < 0.5 * first] for s in runs]
    assert 0.2 < first < SECONDS and len(early[0]) > 100
    np.testing.assert_array_equal(*early)  # before calcium is up
    assert with_[2:].min() > 1.7 * without_[2:].max()
    assert without_[2:].mean() == pytest.approx(without_[0], rel=0.2)


def test_calcium_and_the_current_rise_together_in_all_astrocytes(runs):
    for simulation in runs:  # the current leads nowhere in the second, but is there
        (t, ca), (_, ip3), (_, current) = (simulation.trace(k) for k in (2, 3, 4))
        unit_threshold = 0.19669
        assert (ca[t < 0.3] < unit_threshold).all() and (current[t < 0.3] == 0).all()
        assert ((current > 0) == (1e3 * (ca - unit_threshold) > 1)).mean() > 0.999
        assert (ca[-1] > 2 * ca[0]).all() and (ip3[-1] > ip3[0]).all()


def test_an_astrocyte_serves_the_targets_whose_pool_it_is_in():
    graph = astro(scale=0.3).graph()
    for p in (p for p in graph.projections if p.graded):
        pools = [np.unique(p.rule.pre[p.rule.post == j]) for j in range(graph.population(p.target).size)]
        assert max(map(len, pools)) == 10


def test_results_do_not_depend_on_the_number_of_threads():
    one, three = (astro(scale=0.2).run(0.5, threads=n) for n in (1, 3))
    assert len(one.spikes("exc")) > 100
    np.testing.assert_array_equal(one.spikes("exc").neurons, three.spikes("exc").neurons)
    for name, values in one.state("astro").items():
        np.testing.assert_array_equal(values, three.state("astro")[name])
