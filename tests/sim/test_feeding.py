"""A simulation that is used again equals a new one."""

import numpy as np
import pytest

from neurosim import sim, units
from neurosim.errors import RangeError


def build(steps, neurons, threads=1):
    net = sim.Network(dt=1e-3, seed=3)
    source = net.spike_times(20, np.asarray(steps) * 1e-3, neurons, name="given")
    cells = net.population(units.CubaLIF(), 150, name="cells")
    noise = net.poisson_source(30, 50.0)
    net.connect(source, cells, rule=sim.FixedInDegree(5), weight=0.3, delay=3e-3)
    net.connect(noise, cells, rule=sim.FixedInDegree(3), weight=0.2)
    net.connect(cells, cells, rule=sim.FixedInDegree(5), weight=0.05, delay=2e-3)
    net.current(cells, 0.01)
    net.probe(cells)
    net.probe(cells, "v", neurons=[1, 140])
    net.probe(cells, "rate", every=7)
    return net.build(threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_fed_again_it_does_what_a_new_simulation_does(threads):
    rng = np.random.default_rng(0)
    first, second = (np.sort(rng.integers(0, 40, 200)) for _ in range(2))
    a, b = rng.integers(0, 20, (2, 200))
    simulation = build(first, a, threads).run(0.0405)
    sim.feed(simulation, {"given": (second, b)}).run(0.05)
    wanted = build(second, b).run(0.05)
    assert len(wanted.spikes("cells")) > 100
    np.testing.assert_array_equal(simulation.spikes("cells").times, wanted.spikes("cells").times)
    np.testing.assert_array_equal(simulation.spikes("cells").neurons, wanted.spikes("cells").neurons)
    for probe in (1, 2):
        np.testing.assert_array_equal(simulation.trace(probe)[1], wanted.trace(probe)[1])
    assert simulation.step == 50 and simulation.graph.population("given").steps.tolist() == second.tolist()


def test_only_given_spikes_can_be_replaced():
    simulation = build([0], [0])
    with pytest.raises(RangeError, match="'cells' must be a SpikeSource"):
        sim.feed(simulation, {"cells": ([0], [0])})
    with pytest.raises(RangeError, match="neurons"):
        sim.feed(simulation, {"given": ([0], [20])})
    with pytest.raises(RangeError, match="no population is called 'gives'"):
        sim.feed(simulation, {"gives": ([0], [0])})
