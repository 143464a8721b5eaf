"""Projections that carry a state: against the slow reference, over threads, checkpoints and files; what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_reference import simulate

from neurosim import graph as g
from neurosim import sim, units
from neurosim.errors import FormatError, RangeError, UnsupportedError

DT = 1e-3
CELLS = [None, units.LiRinzel(delta_ip3=0.5, tau_ip3=0.1), units.CurrentPort(units.CurrentLIF(v_reset=None))]
SIGNAL = units.LiRinzel.state.index


def wiring(rng, sizes, ends, count, longest):
    """Explicit synapses, each pair at most once, by source and target; weights and delays."""
    pairs = rng.choice(sizes[ends[0]] * sizes[ends[1]], min(count, sizes[ends[0]] * sizes[ends[1]]), replace=False)
    pre, post = np.divmod(np.sort(pairs), sizes[ends[1]])
    return pre, post, rng.normal(0.3, 0.2, len(pre)), rng.integers(1, longest + 1, len(pre))


def astrocytes(seed, sizes, longest, steps, precision="float64"):
    """Input spikes to astrocytes and cells; astrocytes act on cells through i_sic and on each other through ip3."""
    rng = np.random.default_rng(seed)
    spikes = rng.random((steps, sizes[0])) < 0.2
    pre, post, weight, delay = wiring(rng, sizes, (0, 1), 60, longest)
    synapses = [(0, 1, 0, pre, post, np.ceil(256 * abs(weight)) / 256, delay)]  # sums of spikes are exact
    graded = [
        (1, 2, 2, *wiring(rng, sizes, (1, 2), 90, longest), SIGNAL("i_sic")),
        (1, 1, 1, *wiring(rng, sizes, (1, 1), 30, longest), SIGNAL("ip3")),
        (2, 2, 0, *wiring(rng, sizes, (2, 2), 30, longest), CELLS[2].state.index("v")),
    ]
    net = sim.Network(dt=DT, precision=precision)
    moments, neurons = np.nonzero(spikes)
    names = [net.spike_times(sizes[0], moments * DT, neurons, name="p0")]
    names += [net.population(CELLS[k], sizes[k], name=f"p{k}", **({"ca": 0.5} if k == 1 else {})) for k in (1, 2)]
    for source, target, port, *listed, state in [(*s, None) for s in synapses] + graded:
        signal = "spikes" if state is None else CELLS[source].state[state]
        net.connect(
            names[source], names[target], rule=sim.Explicit(*listed[:2]), weight=listed[2], delay=listed[3] * DT,
            port=CELLS[target].ports[port], signal=signal,
        )  # fmt: skip
    for name in (names[0], names[2]):
        net.probe(name)
    start = {1: [np.full(sizes[1], v) for v in (units.LiRinzel.ip3_0, 0.5, 0.793, 0.0)]}
    return net, (DT, CELLS, sizes, synapses, {0: spikes}, steps), start, graded


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 9), st.integers(1, 150), st.integers(1, 140)),
    st.sampled_from([1, 5, 40]),
    st.integers(1, 50),
)
def test_random_networks_with_graded_projections_equal_the_slow_reference_bit_for_bit(
    dtype, seed, sizes, longest, steps
):
    net, arguments, start, graded = astrocytes(seed, sizes, longest, steps, np.dtype(dtype).name)
    want, states = simulate(*arguments, dtype=dtype, initial=start, graded=graded)
    for threads in (1, 2, 3):
        simulation = net.build(threads).run(steps * DT)
        for k in (1, 2):
            np.testing.assert_array_equal(list(simulation.state(f"p{k}").values()), states[k])
        found = [(round(t / DT), int(i)) for t, i in zip(*vars(simulation.spikes("p2")).values(), strict=True)]
        assert found == want[2]


def big():
    return astrocytes(5, (8, 150, 140), 5, 300)[0]


def test_the_current_of_astrocytes_makes_cells_fire_that_are_silent_without_it():
    simulation = big().run(0.3, threads=1)
    assert len(simulation.spikes("p2")) > 100
    graph = big().graph()
    kept = tuple(p for p in graph.projections if p.signal != "i_sic")
    without = g.Graph(DT, graph.populations, kept, probes=graph.probes, precision="float64")
    assert len(sim.Simulation(without, 1).run(0.3).spikes("p2")) == 0


@pytest.mark.parametrize("threads", [(1, 3), (2, 1)])
@pytest.mark.parametrize("cut", [1e-3, 0.0371])
def test_a_restored_simulation_goes_on_as_if_it_had_never_stopped(tmp_path, threads, cut):
    whole = big().run(0.1, threads=1)
    big().run(cut, threads=threads[0]).save(tmp_path / "c.npz")
    again = sim.Simulation.restore(big().graph(), tmp_path / "c.npz", threads[1]).run(0.1 - round(cut, 3))
    assert again.step == whole.step
    for name in ("p1", "p2"):
        for state, values in whole.state(name).items():
            np.testing.assert_array_equal(again.state(name)[state], values)
    with np.load(tmp_path / "c.npz") as file:
        np.savez(tmp_path / "less.npz", **{n: file[n] for n in file.files if n != "signal 1"})
    with pytest.raises(FormatError, match=r"lacks \['signal 1'\]"):
        sim.Simulation.restore(big().graph(), tmp_path / "less.npz")


def test_feeding_again_forgets_the_values_under_way():
    simulation = big().run(0.05, threads=1)
    source = big().graph().populations[0]
    fed = sim.feed(simulation, {"p0": (source.steps, source.neurons)}).run(0.05)
    anew = big().run(0.05, threads=1)
    np.testing.assert_array_equal(fed.state("p2")["v"], anew.state("p2")["v"])


def test_a_value_arrives_after_its_delay_and_nothing_before_the_first():
    """IF neurons add up what the state of others was: v_b(t) = sum of v_a(s), s <= t - delay; v_a(s) = s + 1."""
    net = sim.Network(dt=DT, precision="float64")
    a, b = (net.population(units.IF(v_threshold=1e9), 2, name=n) for n in "ab")
    net.current(a, [1.0, 0.0])
    net.connect(a, b, rule=sim.Explicit([0, 0], [0, 1]), weight=[1.0, 0.5], delay=[1e-3, 3e-3], signal="v")
    probe = net.probe(b, "v")
    for threads in (1, 2):
        _, v = net.run(8e-3, threads=threads).trace(probe)
        sums = np.cumsum(np.arange(9))
        np.testing.assert_array_equal(v[:, 0], sums[np.arange(8)])
        np.testing.assert_array_equal(v[:, 1], 0.5 * sums[np.maximum(np.arange(8) - 2, 0)])


def test_rules_and_small_weights_work_as_for_spikes():
    net = sim.Network(dt=DT, seed=3, precision="float64")
    a = net.population(units.LIF(v_threshold=1e9), 100, name="a")
    net.current(a, 1.0)
    b = [net.population(units.LIF(v_threshold=1e9), 90, name=f"b{k}") for k in range(2)]
    law = sim.Normal(0.1, 0.05, low=-0.1, high=0.3)
    first = net.connect(a, b[0], rule=sim.FixedInDegree(7), weight=law, delay=2e-3, signal="v", weight_type="int8")
    net.connect(a, b[1], rule=sim.AllToAll(), weight=0.01, signal="v")
    one, three = (net.run(0.02, threads=n) for n in (1, 3))
    for name in b:
        np.testing.assert_array_equal(one.state(name)["v"], three.state(name)["v"])
    synapses = one.synapses_of(first)
    sums = np.bincount(synapses.post, synapses.weight, 90)
    np.testing.assert_allclose(one.state(b[0])["v"] / one.state(b[0])["v"][0], sums / sums[0], rtol=1e-12)
    assert one.synaptic_events() == 0  # of spikes


def test_files_keep_the_signal_and_are_of_the_oldest_version_that_can_hold_them(tmp_path):
    graph = big().graph()
    graph.save(tmp_path / "new.graph")
    assert g.Graph.load(tmp_path / "new.graph") == graph
    assert b"version 2" in (tmp_path / "new.graph").read_bytes()[:40]
    plain = g.Graph(DT, graph.populations, graph.projections[:1])
    plain.save(tmp_path / "old.graph")
    assert b"version 1" in (tmp_path / "old.graph").read_bytes()[:40]
    assert g.Graph.load(tmp_path / "old.graph") == plain


def connect(**given):
    net = sim.Network(dt=DT)
    glia, cells = net.population(units.LiRinzel(), 3, name="glia"), net.population(units.LIF(), 3, name="cells")
    noise = net.poisson_source(3, 1.0, name="noise")
    ends = {"glia": glia, "cells": cells, "noise": noise}
    pre = ends[given.pop("pre", "glia")]
    net.connect(pre, cells, **{"rule": sim.OneToOne(), "signal": "i_sic", **given})
    return net.graph()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"signal": "i_sci"}, RangeError, r"signal: no state of 'glia' is called 'i_sci'.*Did you mean 'i_sic'"),
        ({"signal": "spikes"}, RangeError, r"source: 'glia' never spikes.*signal= one of its states \('ip3'"),
        ({"signal": ""}, RangeError, r"signal: must be text that is not empty"),
        ({"pre": "noise", "signal": "v"}, RangeError, r"signal: no state of 'noise' is called 'v'; there are none"),
        ({"layout": "one_to_one"}, UnsupportedError, r"signal: .*state 'i_sic' needs layout='csr' and no plasticity"),
        ({"plasticity": sim.PairSTDP()}, UnsupportedError, "needs layout='csr' and no plasticity"),
        ({"delay": 0.0}, RangeError, "delay: 0 s is below one time step"),
        ({"weight": float("nan")}, RangeError, "weight: must be a finite number"),
    ],
)
def test_what_cannot_be_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        connect(**given)


def test_a_graph_refuses_a_graded_projection_without_delay():
    cells = [g.Population.of(n, units.LIF(), 3, DT) for n in "ab"]
    with pytest.raises(RangeError, match=r"delay: the value of a state arrives after one step .* got 0"):
        g.Graph(DT, tuple(cells), (g.Projection("j", "a", "b", "x", g.OneToOne(), 1.0, 0, signal="v"),))


def test_a_stream_refuses_graded_projections():
    net = sim.Network(dt=DT)
    source, cells = net.spike_times(1, [], []), net.population(units.LIF(), 1)
    net.connect(source, cells, rule=sim.OneToOne())
    net.connect(cells, cells, rule=sim.OneToOne(), signal="v", name="leak")
    for grid in (True, False):
        with pytest.raises(UnsupportedError, match=r"projections of states have no place in a stream.*'leak'"):
            sim.Stream(net.graph(), grid=grid)
