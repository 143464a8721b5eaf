"""Projections delivered as one: the same input in the same order."""

import numpy as np
import pytest

from neurosim import sim, units
from neurosim.sim import simulation as engine
from neurosim.sim.bundles import deliveries
from neurosim.sim.networks import microcircuit


def net(seed=1):
    """Three populations with everything that can and cannot be bundled; weights whose sums round."""
    net, rng = sim.Network(dt=1e-4, seed=seed), np.random.default_rng(seed)
    noise = net.poisson_source(40, 60.0, name="noise")
    cells = [net.population(units.CurrentLIF(v_threshold=1.0, refractory=2e-3), n, name=f"c{n}") for n in (90, 1, 70)]
    empty = net.population(units.CurrentLIF(), 0, name="empty")
    plain = net.population(units.LIF(), 30, name="plain")
    drawn = {"weight": sim.Normal(0.3, 0.1), "delay": sim.Normal(2e-3, 1e-3, low=1e-4, high=6e-3)}
    for target in (*cells, empty, plain):
        for source in (noise, *cells):
            port = {} if target == plain else {"port": "exc" if source != "c70" else "inh"}
            net.connect(source, target, rule=sim.FixedInDegree(20 if target != empty else 0), **port, **drawn)
    pre, post = rng.integers(0, 40, 300), rng.integers(0, 90, 300)
    net.connect(noise, "c90", rule=sim.Explicit(pre, post), weight=rng.normal(0.1, 0.02, 300), delay=9e-3)
    net.connect(noise, "c70", rule=sim.AllToAll(), weight=sim.Uniform(0.0, 0.01), delay=1e-3)
    for target in (*cells, plain):
        net.probe(target)
    return net


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_bundles_change_no_spike_and_no_state(threads, monkeypatch):
    found = net().build(threads)
    assert max(map(len, found.deliveries)) >= 3
    found.run(0.15)
    monkeypatch.setattr(engine, "deliveries", lambda graph: [(k,) for k in range(len(graph.projections))])
    single = net().build(threads).run(0.15)
    assert sum(found.spike_counts().values()) > 100
    assert found.synapses == single.synapses and found.synaptic_events() == single.synaptic_events()
    for name in found.spike_counts():
        np.testing.assert_array_equal(found.spikes(name).times, single.spikes(name).times)
        np.testing.assert_array_equal(found.spikes(name).neurons, single.spikes(name).neurons)
        for state, values in found.state(name).items():
            np.testing.assert_array_equal(values, single.state(name)[state])


def test_every_projection_is_delivered_once_and_each_port_in_their_order():
    graph = net().graph()
    order = deliveries(graph)
    assert sorted(k for members in order for k in members) == list(range(len(graph.projections)))
    for target in {p.target for p in graph.projections}:
        for port in {p.port for p in graph.projections}:
            mine = [k for m in order for k in m if (p := graph.projections[k]).target == target and p.port == port]
            assert mine == sorted(mine)


def test_the_microcircuit_is_delivered_from_each_population_at_once():
    assert len(deliveries(microcircuit(scale=0.02).graph())) == 8


def test_a_sweep_shares_bundles():
    before = microcircuit(scale=0.01).build(2)
    other = microcircuit(scale=0.01)
    other.poisson("L4E", 100.0, 50.0)
    after = other.build(2, like=before)
    assert all(a.bundles[m] is b.bundles[m] for a, b in zip(before.lanes, after.lanes, strict=True) for m in a.bundles)
    again = other.build(2)
    np.testing.assert_array_equal(after.run(0.02).spikes("L4E").neurons, again.run(0.02).spikes("L4E").neurons)
