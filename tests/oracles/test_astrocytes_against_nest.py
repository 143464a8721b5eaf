"""The astrocyte, its current and tripartite connectivity against NEST, which runs in an environment of its own."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim import sim, units

pytestmark = [pytest.mark.oracle, pytest.mark.slow]

DT = 0.1  # ms


@pytest.mark.parametrize("delay", [1, 7])
def test_calcium_and_the_current_in_the_neuron_are_those_of_nest(ask, delay):
    time, input_steps = 4000.0, np.arange(500, 35_000, 900)
    given = {"ip3_0": 0.3, "delta_ip3": 0.02, "sic_scale": 2.0, "ca": 0.1, "ip3": 0.6}
    theirs = ask(
        "nest_astrocyte", **given, input=input_steps, weight=1.5, weight_out=3.0, delay=delay, dt=DT, time=time
    )
    net = sim.Network(dt=DT * 1e-3, precision="float64")
    unit = units.LiRinzel(ip3_0=0.3, delta_ip3=0.02, sic_scale=2.0, convention="nest")
    glia = net.population(unit, 1, ca=0.1, ip3=0.6)
    # a membrane that forgets in a step holds what the port was given in it
    cell = net.population(units.LI(tau_mem=units.Decay(0.0), gain="one"), 1)
    source = net.spike_times(1, input_steps * DT * 1e-3, np.zeros(len(input_steps), int))
    net.connect(source, glia, rule=sim.OneToOne(), weight=1.5, delay=DT * 1e-3)
    net.connect(glia, cell, rule=sim.OneToOne(), weight=3.0, delay=delay * DT * 1e-3, signal="i_sic")
    probes = {"IP3": net.probe(glia, "ip3"), "Ca_astro": net.probe(glia, "ca"), "h_IP3R": net.probe(glia, "h")}
    probe = net.probe(cell, "v")
    ours = net.run(time * 1e-3, threads=1)
    for name, number in probes.items():
        np.testing.assert_allclose(ours.trace(number)[1][theirs["steps IP3"], 0], theirs[name], rtol=1e-9, err_msg=name)
    current = ours.trace(probe)[1][:, 0]
    kept = theirs["steps I_SIC"]
    assert (theirs["I_SIC"] > 5).mean() > 0.2
    np.testing.assert_array_equal(current[kept] > 0, theirs["I_SIC"] > 0)
    np.testing.assert_allclose(current[kept], theirs["I_SIC"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("kind", "size", "third"), [("random", 5, 60), ("block", 1, 40), ("block", 3, 600)])
def test_tripartite_connections_are_counted_as_nest_counts_them(ask, kind, size, third):
    numbers = {"p_primary": 0.2, "p_third": 0.4, "pool_size": size, "pool_type": kind}
    theirs = ask("nest_tripartite", **numbers, pre=300, post=200, third=third, seed=3, dt=DT)
    pre, post, mine = sim.TripartiteBernoulli(**numbers).draw(300, 200, third, False, np.random.default_rng(1))
    ours = {"primary": np.stack([pre, post])}
    pre, post, mine = (a[mine >= 0] for a in (pre, post, mine))
    ours |= {"third_in": np.stack([pre, mine]), "third_out": np.stack([mine, post])}
    pairs = 300 * 200
    for found in (theirs, ours):
        assert abs(found["primary"].shape[1] - 0.2 * pairs) < 4 * np.sqrt(pairs * 0.2 * 0.8)
        assert abs(found["third_in"].shape[1] - 0.08 * pairs) < 4 * np.sqrt(pairs * 0.08 * 0.92)
        assert found["third_in"].shape == found["third_out"].shape
    pools = [{j: set(f["third_out"][0][f["third_out"][1] == j].tolist()) for j in range(200)} for f in (theirs, ours)]
    for pool in pools:
        assert max(map(len, pool.values())) == size
    if kind == "block":  # the same blocks, up to members that were never drawn
        whole = [{j: {j * third // 200 + i for i in range(size)} for j in range(200)}] * 2
        assert all(pool[j] <= block[j] for pool, block in zip(pools, whole, strict=True) for j in range(200))
