"""Networks and single cells fire spike for spike as in Brian2 and NEST, which run in an environment of their own."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim import sim, units

pytestmark = [pytest.mark.oracle, pytest.mark.slow]

DT = 0.1  # ms
TIMES = ("tau_mem", "tau_exc", "tau_inh", "refractory")  # ms; neurosim takes seconds
CUBA = {
    "tau_mem": 20.0, "tau_exc": 5.0, "tau_inh": 10.0, "refractory": 5.0, "v_leak": -49.0, "v_threshold": -50.0,
    "v_reset": -60.0,
}  # fmt: skip
CAPACITANCE = 200.0  # pF, of NEST's cells


def in_seconds(given):
    return {name: value * 1e-3 if name in TIMES else value for name, value in given.items()}


def cuba_wiring(seed, longest):
    """Initial v and random synapses of 4,000 cells; every pair with 2 %, delays of 1 to ``longest`` steps."""
    rng = np.random.default_rng(seed)
    pre, post = np.nonzero(rng.random((4000, 4000)) < 0.02)
    delay = rng.integers(1, longest + 1, len(pre))
    return {"v": rng.uniform(-60.0, -50.0, 4000), "pre": pre, "post": post, "delay": delay, "inh": pre >= 3200}


def cuba_here(convention, wiring, weights, r_mem, time):
    """Steps and neurons of the spikes in ``time`` ms."""
    net = sim.Network(dt=DT * 1e-3, precision="float64")
    cells = net.population(
        units.CurrentLIF(**in_seconds(CUBA), r_mem=r_mem, convention=convention), 4000, v=wiring["v"]
    )
    for port, mine in (("exc", ~wiring["inh"]), ("inh", wiring["inh"])):
        net.connect(
            cells, cells, rule=sim.Explicit(wiring["pre"][mine], wiring["post"][mine]), weight=weights[port],
            delay=wiring["delay"][mine] * DT * 1e-3, port=port,
        )  # fmt: skip
    net.probe(cells)
    return spikes_of(net.run(time * 1e-3, threads=2), cells)


def spikes_of(simulation, cells):
    spikes = simulation.spikes(cells)
    return np.rint(spikes.times / (DT * 1e-3)).astype(int), spikes.neurons


def assert_same_spikes(ours, theirs):
    """(steps, neurons) of both, sorted by step, then neuron; names the first spike that differs."""
    ours = list(zip(*map(np.ndarray.tolist, ours), strict=True))
    theirs = list(zip(theirs["steps"].tolist(), theirs["neurons"].tolist(), strict=True))
    same = next((k for k, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    assert ours == theirs, (
        f"{len(ours)} and {len(theirs)} spikes, the first {same} are the same; then (step, neuron) "
        f"{ours[same : same + 1]} here, {theirs[same : same + 1]} there"
    )


@pytest.mark.parametrize("longest", [1, 15])
def test_cuba_is_brian2s_spike_for_spike_for_one_second(ask, longest):
    wiring = cuba_wiring(seed=longest, longest=longest)
    theirs = ask("brian2_cuba", **CUBA, **wiring, w_exc=1.62, w_inh=-9.0, dt=DT, time=1000.0)
    assert len(theirs["steps"]) > 10_000
    assert_same_spikes(cuba_here("brian2", wiring, {"exc": 1.62, "inh": -9.0}, 1.0, 1000.0), theirs)


@pytest.mark.parametrize("longest", [1, 15])
def test_cuba_is_nests_spike_for_spike_for_one_second(ask, longest):
    wiring = cuba_wiring(seed=longest, longest=longest)
    theirs = ask("nest_cuba", **CUBA, **wiring, w_exc=1.62, w_inh=-9.0, capacitance=CAPACITANCE, dt=DT, time=1000.0)
    assert len(theirs["steps"]) > 10_000
    per_mv = CAPACITANCE / CUBA["tau_mem"]  # pA
    weights = {"exc": 1.62 * per_mv, "inh": -9.0 * per_mv}
    assert_same_spikes(cuba_here("nest", wiring, weights, 1.0 / per_mv, 1000.0), theirs)


CELL = {"tau_mem": 20.0, "tau_exc": 2.0, "tau_inh": 10.0, "v_leak": -70.0, "v_threshold": -55.0, "v_reset": -65.0}
CURRENT = np.array([0.0, 100.0, 190.0, 250.0, 400.0, 800.0])  # pA
REFRACTORY = np.array([2.0, 2.0, 0.1, 1.0, 5.0, 13.7])  # ms


def cells_here(synapse, input_steps, weight, delay, time):
    """Steps, neurons and the trace of v of cells with CURRENT and REFRACTORY and the given spikes as input."""
    r_mem = CELL["tau_mem"] / CAPACITANCE
    unit = units.CurrentLIF(synapse=synapse, **in_seconds(CELL), refractory=2e-3, r_mem=r_mem, convention="nest")
    net = sim.Network(dt=DT * 1e-3, precision="float64")
    each = {"i_const": CURRENT, "refractory": REFRACTORY * 1e-3}
    cells = net.population(unit, len(CURRENT), parameters=each)
    source = net.spike_times(1, input_steps * DT * 1e-3, np.zeros(len(input_steps), int))
    net.connect(source, cells, rule=sim.AllToAll(), weight=weight, delay=delay * DT * 1e-3, port="exc")
    net.probe(cells)
    probe = net.probe(cells, "v")
    simulation = net.run(time * 1e-3, threads=1)
    return spikes_of(simulation, cells), simulation.trace(probe)[1]


@pytest.mark.parametrize(("model", "synapse"), [("iaf_psc_delta", "delta"), ("iaf_psc_exp", "exponential")])
@pytest.mark.parametrize("spikes", [0, 300])
def test_constant_current_and_refractory_period_are_nests(ask, model, synapse, spikes):
    time, weight, delay = 500.0, 1.5 if synapse == "delta" else 300.0, 7
    input_steps = np.sort(np.random.default_rng(2).choice(np.arange(100, 4900), spikes, replace=False))
    theirs = ask(
        "nest_single_cells", model=model, **CELL, capacitance=CAPACITANCE, current=CURRENT, refractory=REFRACTORY,
        input=input_steps, weight=weight, delay=delay, dt=DT, time=time,
    )  # fmt: skip
    assert set(range(2, 6)) <= set(theirs["neurons"].tolist())
    ours, v = cells_here(synapse, input_steps, weight, delay, time)
    kept = theirs["steps"] < len(v)
    assert_same_spikes(ours, {name: theirs[name][kept] for name in ("steps", "neurons")})
    np.testing.assert_allclose(v, theirs["v"][: len(v)], rtol=0, atol=1e-10)
