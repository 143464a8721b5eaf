"""Plastic synapses against sums over pairs of spikes, closed forms, and themselves on other threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plastic_reference import rewarded_weight, weight_after

from neurosim import sim, units
from neurosim.errors import RangeError
from neurosim.graph import Graph
from neurosim.graph.plasticity import PAIRINGS

DT = 1e-3
RULES = [
    sim.PairSTDP(w_max=2.0, a_plus=0.03, a_minus=0.04),
    sim.PairSTDP(pairing="nearest", mu_plus=1.0, mu_minus=1.0, a_plus=0.1, a_minus=0.1, w_min=-1.0),
    sim.PairSTDP(mu_plus=0.4, mu_minus=0.3, tau_plus=15e-3, tau_minus=40e-3, a_plus=0.1, a_minus=0.1),
    sim.TripletSTDP(),
    sim.TripletSTDP(pairing="nearest", a2_plus=0.01, a3_plus=0.05, a3_minus=0.02),
    sim.VogelsSprekeler(eta=0.02, rate=8.0),
    sim.VogelsSprekeler(eta=-0.02, rate=8.0, w_min=-1.0, w_max=1.0),
]


def driven(rule, pre, post, *, delay=1, rewards=(), seed=0, precision="float64", n=(6, 5)):
    """A net whose postsynaptic cells fire when told to: the plastic input is far below the threshold."""
    net = sim.Network(dt=DT, precision=precision, seed=seed)
    source = net.spike_times(n[0], np.asarray(pre[0]) * DT, pre[1], name="source")
    order = net.spike_times(n[1], np.asarray(post[0]) * DT, post[1], name="order")
    net.spike_times(1, np.asarray(rewards) * DT, np.zeros(len(rewards), int), name="reward")
    cells = net.population(units.LIF(v_threshold=1e6, v_reset=0.0), n[1], name="cells")
    net.connect(order, cells, rule=sim.OneToOne(), weight=1e8)
    every, i = np.divmod(np.arange(n[0] * n[1]), n[1])
    delays = np.full(len(i), delay) if np.ndim(delay) == 0 else np.asarray(delay)
    net.connect(
        source, cells, rule=sim.Explicit(every, i), weight=0.5, delay=delays * DT, plasticity=rule, name="plastic"
    )
    for p in (source, cells):
        net.probe(p)
    return net


def trains(simulation, population, n):
    spikes = simulation.spikes(population)
    return [spikes.times[spikes.neurons == k] for k in range(n)]


def drawn(rng, n, steps, p):
    fired = rng.random((steps, n)) < p
    return np.nonzero(fired)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(RULES), st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(1, 3), st.booleans())
def test_weights_follow_the_sums_over_pairs_of_spikes(rule, seed, back, threads, together):
    """Also of spikes from both sides in one step, and for any split of the delay in axonal and dendritic parts."""
    rng, n = np.random.default_rng(seed), (6, 5)
    rule = type(rule)(**{**rule.__dict__, "dendritic_delay": back * DT})
    pre, post = drawn(rng, n[0], 150, 0.04), drawn(rng, n[1], 150, 0.04)
    delay = np.full(30, max(back, 1) + 2) if together else rng.integers(max(back, 1), back + 9, 30)
    simulation = driven(rule, pre, post, delay=delay).build(threads).run(0.2)
    found = simulation.synapses_of("plastic")
    before, after = trains(simulation, "source", n[0]), trains(simulation, "cells", n[1])
    assert sum(map(len, after)) >= len(post[0]) * 0.9
    for i, j, w, d in zip(found.pre, found.post, found.weight, found.delay, strict=True):
        axonal = np.round((d - back * DT) / DT) * DT
        at_synapse = np.round((before[i] + axonal) / DT) * DT, np.round((after[j] + back * DT) / DT) * DT
        assert w == pytest.approx(weight_after(rule, *at_synapse, 0.5), abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2), st.sampled_from([0.0, 0.3]), st.sampled_from(PAIRINGS))
def test_reward_turns_eligibility_into_weight(seed, back, baseline, pairing):
    rng, n, end = np.random.default_rng(seed), (3, 2), 0.4
    rule = sim.RewardSTDP(
        "reward", modulator_delay=2 * DT, tau_eligibility=0.05, tau_modulator=0.03, a_plus=0.2, a_minus=0.15,
        w_min=-50.0, w_max=50.0, baseline=baseline, pairing=pairing, dendritic_delay=back * DT,
    )  # fmt: skip
    pre, post, rewards = drawn(rng, 3, 300, 0.03), drawn(rng, 2, 300, 0.03), np.flatnonzero(rng.random(300) < 0.03)
    simulation = driven(rule, pre, post, delay=4, rewards=rewards, n=n).build(2).run(end)
    found = simulation.synapses_of("plastic")
    before, after = trains(simulation, "source", 3), trains(simulation, "cells", 2)
    for i, j, w in zip(found.pre, found.post, found.weight, strict=True):
        # the kernels handle what happens at the synapse one dendritic delay later, the reward at once
        sides = before[i] + 4 * DT, after[j] + 2 * back * DT
        want = rewarded_weight(rule, *(np.round(s / DT) * DT for s in sides), (rewards + 2) * DT, 0.5, end, DT)
        assert w == pytest.approx(want, abs=2e-3 * max(1.0, abs(want - 0.5)))


def test_weights_stay_in_their_bounds_and_reach_them():
    rng = np.random.default_rng(1)
    pre, post = drawn(rng, 6, 400, 0.2), drawn(rng, 5, 400, 0.2)
    for signs, edge in (((0.5, 0.0), 1.0), ((0.0, 0.5), 0.0)):
        rule = sim.PairSTDP(a_plus=signs[0], a_minus=signs[1])
        weights = driven(rule, pre, post).run(0.4).synapses_of("plastic").weight
        assert (weights == edge).all()


def test_a_spike_is_transmitted_with_the_weight_it_finds():
    """Post before pre: the first arrival still brings the old weight, the second the lowered one."""
    rule = sim.PairSTDP(a_minus=0.2, tau_minus=20e-3)
    net = sim.Network(dt=DT, precision="float64")
    source, order = net.spike_times(1, np.array([5, 9]) * DT, [0, 0]), net.spike_times(1, [2 * DT], [0])
    cells = net.population(units.IF(v_threshold=1e6, v_reset=0.0), 1, name="cells")
    net.connect(order, cells, rule=sim.OneToOne(), weight=1e8)
    net.connect(source, cells, rule=sim.OneToOne(), weight=0.5, plasticity=rule, name="plastic")
    probe = net.probe(cells, "v")
    simulation = net.run(12 * DT)
    v = simulation.trace(probe)[1][:, 0]
    fired, first, second = 3, 6, 10
    lowered = 0.5 - 0.2 * np.exp(-(first - fired) * DT / 20e-3)
    np.testing.assert_allclose(v[[first - 1, first, second]], [0.0, 0.5, 0.5 + lowered], rtol=1e-12)


@pytest.mark.parametrize(("use", "rec", "facil"), [(0.5, 0.1, 0.0), (0.15, 0.05, 0.4), (1.0, 0.3, 0.0)])
def test_short_term_plasticity_reaches_its_closed_form(use, rec, facil):
    """A regular train of interval T: u and R of the n-th spike, and the limits they tend to."""
    period, count, weight = 20, 60, 2.0
    net = sim.Network(dt=DT, precision="float64")
    times = np.arange(count) * period
    source = net.spike_times(1, times * DT, np.zeros(count, int))
    cells = net.population(units.IF(v_threshold=1e9), 3, name="cells")
    rule = sim.TsodyksMarkram(U=use, tau_rec=rec, tau_facil=facil)
    net.connect(source, cells, rule=sim.AllToAll(), weight=weight, plasticity=rule, delay=3 * DT)
    probe = net.probe(cells, "v")
    v = net.run((count * period + 5) * DT).trace(probe)[1]
    arrived = np.diff(v[:, 1], prepend=0.0)[times + 3]
    np.testing.assert_allclose(arrived.sum(), v[-1, 2], rtol=1e-12)  # nothing arrives in between
    left, kept = np.exp(-period * DT / rec), np.exp(-period * DT / facil) if facil else 0.0
    n = np.arange(count)
    u_limit = use / (1 - (1 - use) * kept)
    u = u_limit + (use - u_limit) * ((1 - use) * kept) ** n
    if not facil:  # then u is constant and R has a closed form too
        r_limit = (1 - left) / (1 - (1 - use) * left)
        r = r_limit + (1 - r_limit) * ((1 - use) * left) ** n
        np.testing.assert_allclose(arrived, weight * u * r, rtol=1e-10)
    r_limit = (1 - left) / (1 - (1 - u_limit) * left)
    np.testing.assert_allclose(arrived[-1], weight * u_limit * r_limit, rtol=1e-6)
    assert arrived[0] == weight * use


def recurrent(rule, seed=4):
    net = sim.Network(dt=1e-4, seed=seed)
    cells = net.population(units.LIF(tau_mem=20e-3), 150, name="cells")
    net.poisson(cells, rate=3000.0, weight=0.02)
    other = net.poisson_source(70, 40.0, name="reward")
    for pre, delay in ((cells, sim.Normal(3e-3, 1e-3, low=1e-3, high=6e-3)), (other, 2e-3)):
        net.connect(
            pre, cells, rule=sim.FixedOutDegree(20), weight=0.01, delay=delay, plasticity=rule, name=f"from {pre}"
        )
        net.probe(f"from {pre}", "weights", every=77)
    net.probe(cells)
    return net


@pytest.mark.parametrize(
    "rule",
    [
        sim.PairSTDP(w_max=0.05, dendritic_delay=1e-3), sim.TripletSTDP(w_max=0.05, a2_plus=0.01),
        sim.VogelsSprekeler(eta=1e-3), sim.RewardSTDP("reward", w_max=0.05, tau_eligibility=0.013),
        sim.TsodyksMarkram(tau_rec=0.1, tau_facil=0.05),
    ],
    ids=lambda rule: type(rule).__name__,
)  # fmt: skip
def test_plastic_networks_do_not_depend_on_threads_and_survive_a_checkpoint(rule, tmp_path):
    whole = recurrent(rule).run(0.1, threads=1)
    assert len(whole.spikes("cells")) > 100
    recurrent(rule).run(0.0437, threads=3).save(tmp_path / "c.npz")
    again = sim.Simulation.restore(recurrent(rule).graph(), tmp_path / "c.npz", 2).run(0.1 - 0.0437)
    for other in (recurrent(rule).run(0.1, threads=2), recurrent(rule).run(0.1, threads=3), again):
        for name in ("from cells", "from reward"):
            a, b = whole.synapses_of(name), other.synapses_of(name)
            for field in ("pre", "post", "weight", "delay"):
                np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
        np.testing.assert_array_equal(whole.spikes("cells").neurons, other.spikes("cells").neurons)
        np.testing.assert_array_equal(whole.spikes("cells").times, other.spikes("cells").times)
        for probe in (0, 1):
            np.testing.assert_array_equal(whole.trace(probe)[1], other.trace(probe)[1])
    if not isinstance(rule, sim.TsodyksMarkram):
        assert (whole.synapses_of("from cells").weight != np.float32(0.01)).mean() > 0.5
        times, values = whole.trace(0)
        np.testing.assert_allclose(times, np.arange(13) * 77e-4)
        assert values.shape == (13, 3000) and (values[0] == np.float32(0.01)).all()


def test_given_spikes_start_plastic_synapses_anew():
    rng = np.random.default_rng(2)
    pre, post = drawn(rng, 6, 100, 0.1), drawn(rng, 5, 100, 0.1)
    simulation = driven(sim.PairSTDP(), pre, post).build(2).run(0.1)
    first = simulation.synapses_of("plastic").weight
    sim.feed(simulation, {"source": pre, "order": post}).run(0.1)
    np.testing.assert_array_equal(simulation.synapses_of("plastic").weight, first)


@pytest.mark.parametrize("rule", [*RULES, sim.RewardSTDP("reward"), sim.TsodyksMarkram()], ids=repr)
def test_plastic_graphs_are_saved_and_loaded(rule, tmp_path):
    net = driven(rule, ([1], [0]), ([2], [0]))
    net.probe("plastic", "weights", neurons=[3, 1], every=5)
    net.graph().save(tmp_path / "g.h5")
    assert Graph.load(tmp_path / "g.h5") == net.graph()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sim.PairSTDP(tau_plus=20), "tau_plus.*seconds"),
        (lambda: sim.PairSTDP(w_min=1.0), r"w_min: must be below w_max, got 1\.0 and 1\.0"),
        (lambda: sim.PairSTDP(pairing="al"), "pairing: must be one of 'all', 'nearest'.*Did you mean 'all'"),
        (lambda: sim.PairSTDP(mu_plus=-1), "mu_plus: must be >= 0"),
        (lambda: sim.TripletSTDP(a3_plus=np.nan), "a3_plus: must be a finite number"),
        (lambda: sim.TsodyksMarkram(U=1.5), r"U: must be in 0\.\.1, got 1\.5"),
        (lambda: sim.VogelsSprekeler(rate=-1), "rate: must be >= 0"),
        (lambda: sim.RewardSTDP(""), "modulator: must be text"),
        (lambda: driven(sim.PairSTDP(w_max=0.4), ([1], [0]), ([1], [0])), r"weight: must start in 0\.\.0\.4.*got 0\.5"),
        (lambda: recurrent(sim.PairSTDP(w_max=0.001)), "weight: must start in"),
        (
            lambda: driven(sim.PairSTDP(dendritic_delay=5e-3), ([1], [0]), ([1], [0])).graph(),
            "dendritic_delay: must be at most the shortest delay of 0.001 s, got 0.005 s",
        ),
        (
            lambda: driven(sim.RewardSTDP("rewards"), ([1], [0]), ([1], [0])).graph(),
            "modulator: no population is called 'rewards'.*Did you mean 'reward'",
        ),
        (
            lambda: driven(sim.RewardSTDP("reward", modulator_delay=1e-4), ([1], [0]), ([1], [0])).graph(),
            "modulator_delay: must be at least one step",
        ),
    ],
)
def test_bad_plasticity_is_refused(make, message):
    with pytest.raises(RangeError, match=message):
        make()


def test_weights_drawn_without_bounds_are_refused():
    net = sim.Network()
    source, cells = net.poisson_source(3, 10.0), net.population(units.LIF(), 2)
    with pytest.raises(RangeError, match=r"got -inf\.\.inf. Write low=, high="):
        net.connect(source, cells, rule=sim.AllToAll(), weight=sim.Normal(0.5, 0.1), plasticity=sim.PairSTDP())


def test_a_probe_of_weights_needs_a_projection():
    net = sim.Network()
    net.probe("nothing", "weights")
    with pytest.raises(RangeError, match="no projection is called 'nothing'"):
        net.graph()


def test_a_probe_of_synapses_that_do_not_exist_is_refused():
    net = driven(sim.PairSTDP(), ([1], [0]), ([2], [0]))
    net.probe("plastic", "weights", neurons=[3, 30])
    with pytest.raises(RangeError, match=r"WeightProbe 'plastic'.synapses: must be below 30, .*got 30"):
        net.run(0.01)
