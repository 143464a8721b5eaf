"""Tripartite connectivity: statistics, pools, blocks, what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import sim, units
from neurosim.errors import RangeError, ShapeError

Rule = sim.TripartiteBernoulli


def draw(rule, sources, targets, thirds, same=False, seed=0):
    return rule.draw(sources, targets, thirds, same, np.random.default_rng(seed))


@pytest.mark.parametrize(("p", "q"), [(0.1, 0.5), (0.9, 0.05), (0.003, 1.0)])
def test_counts_are_binomial_within_four_sigma(p, q):
    sources, targets, thirds, pool = 300, 200, 50, 4
    pre, post, third = draw(Rule(p, q, pool), sources, targets, thirds)
    pairs = sources * targets
    assert abs(len(pre) - pairs * p) < 4 * np.sqrt(pairs * p * (1 - p))
    with_third = (third >= 0).sum()
    assert abs(with_third - len(pre) * q) <= 4 * np.sqrt(len(pre) * q * (1 - q))
    for side, size in ((pre, sources), (post, targets)):  # every row and column is binomial too
        counts, mean = np.bincount(side, minlength=size), len(pre) / size
        assert abs(((counts - mean) ** 2 / mean).mean() - (1 - p)) < 6 / np.sqrt(size)


def test_members_of_a_pool_and_targets_have_equal_chances():
    _, post, third = draw(Rule(0.5, 1.0, 5), 400, 100, 10)
    members = [np.unique(third[post == j]) for j in range(100)]
    assert {len(m) for m in members} == {5}  # 200 draws from each pool of five
    shares = np.concatenate([np.bincount(third[post == j], minlength=10)[m] for j, m in enumerate(members)])
    assert abs(shares - 40).max() < 5 * np.sqrt(200 * 0.2 * 0.8)
    uses = np.bincount(np.concatenate(members), minlength=10)
    assert uses.sum() == 500 and abs(uses - 50).max() < 4 * np.sqrt(100 * 0.5 * 0.5)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_synapses_are_different_pairs_and_pools_are_respected(data):
    sources, targets = data.draw(st.integers(0, 30)), data.draw(st.integers(1, 30))
    kind = data.draw(st.sampled_from(["random", "one", "many"]))
    size = 1 if kind == "one" else data.draw(st.integers(2 if kind == "many" else 1, 5))
    thirds = {"random": data.draw(st.integers(size, 40)), "many": targets * size}.get(kind, 0)
    if kind == "one":
        thirds = data.draw(st.sampled_from([n for n in range(1, targets + 1) if targets % n == 0]))
    same = data.draw(st.booleans()) and sources == targets
    autapses = data.draw(st.booleans())
    p, q = data.draw(st.sampled_from([0.0, 0.3, 1.0])), data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    rule = Rule(p, q, size, "random" if kind == "random" else "block", autapses)
    pre, post, third = draw(rule, sources, targets, thirds, same, data.draw(st.integers(0, 99)))
    assert len(set(zip(pre.tolist(), post.tolist(), strict=True))) == len(pre)
    assert ((pre >= 0) & (pre < sources) & (post >= 0) & (post < targets) & (third < thirds)).all()
    if p == 1:
        assert len(pre) == sources * targets - (sources if same and not autapses else 0)
    if p == 0:
        assert not len(pre)
    assert not (same and not autapses and (pre == post).any())
    assert (third >= 0).all() if q == 1 else True
    assert (third == -1).all() if q == 0 else True
    mine = third >= 0
    if kind == "one":
        assert (third[mine] == post[mine] // (targets // thirds)).all()
    if kind == "many":
        assert (third[mine] // size == post[mine]).all()
    for j in range(targets):
        assert len(np.unique(third[mine & (post == j)])) <= size


def network(seed=1, rule=None, thirds=20, **more):
    net = sim.Network(dt=1e-3, seed=seed, precision="float64")
    source = net.poisson_source(40, 20.0, name="source")
    cells = net.population(units.CurrentPort(units.CurrentLIF(synapse="delta")), 40, name="cells")
    glia = net.population(units.LiRinzel(delta_ip3=0.5), thirds, name="glia")
    names = net.connect_tripartite(
        source, cells, glia, rule=rule or Rule(0.2, 0.5, 4), primary={"weight": 0.1, "name": "primary"},
        third_out={"weight": 0.5, "port": "current", "delay": 2e-3}, **more,
    )  # fmt: skip
    return net, names


def test_three_ordinary_projections_result():
    net, names = network()
    graph = net.graph()
    one, there, back = (graph.projection(name) for name in names)
    assert [(p.source, p.target, p.signal) for p in (one, there, back)] == [
        ("source", "cells", "spikes"), ("source", "glia", "spikes"), ("glia", "cells", "i_sic"),
    ]  # fmt: skip
    assert len(there.rule) == len(back.rule) > 0  # a cell that takes part twice is connected twice
    pairs = list(zip(one.rule.pre.tolist(), one.rule.post.tolist(), strict=True))
    through = list(zip(there.rule.pre.tolist(), back.rule.post.tolist(), strict=True))
    assert set(through) <= set(pairs) and len(set(through)) == len(through)
    np.testing.assert_array_equal(there.rule.post, back.rule.pre)
    assert net.run(0.05, threads=2).synapses == len(pairs) + 2 * len(through)


def test_the_seed_and_nothing_else_decides():
    rules = [[p.rule for p in network(seed)[0].graph().projections] for seed in (1, 1, 2)]
    assert rules[0] == rules[1] != rules[2]
    twice = network()[0]
    again = {"rule": Rule(0.2, 0.5, 4), "third_out": {"port": "current"}}
    second = twice.connect_tripartite("source", "cells", "glia", **again)
    assert twice.graph().projection(second[0]).rule != rules[0][0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rule(1.5, 0.5), r"TripartiteBernoulli\.p_primary: must be in 0\.\.1, got 1.5"),
        (lambda: Rule(0.5, -0.1), r"TripartiteBernoulli\.p_third: must be in 0\.\.1, got -0.1"),
        (lambda: Rule(float("nan"), 0.5), r"p_primary: must be a finite number"),
        (lambda: Rule(0.5, 0.5, 0), r"pool_size: must be a whole number in 1"),
        (lambda: Rule(0.5, 0.5, 2.0), r"pool_size: must be a whole number"),
        (lambda: Rule(0.5, 0.5, 2, "blocks"), r"pool_type: must be one of.*Did you mean 'block'"),
        (lambda: Rule(0.5, 0.5, autapses=1), r"autapses: must be True or False"),
        (lambda: network(rule=Rule(0.5, 0.5, 21)), r"pool_size: must be at most the 20 third cells there are, got 21"),
        (lambda: network(rule=Rule(0.5, 0.5, 1, "block"), thirds=30), "of the 30 third cells as targets, got 40"),
        (lambda: network(rule=Rule(0.5, 0.5, 2, "block")), "need 80 third cells for 40 targets, got 20"),
        (lambda: network(rule=Rule(0.5, 0.5, 1, "block"), thirds=0), "a multiple of the 0 third cells"),
        (lambda: network(rule=sim.Bernoulli(0.5)), r"connect_tripartite\.rule: must be TripartiteBernoulli"),
        (lambda: network()[0].connect_tripartite("source", "cells", "gli", rule=Rule(0.5, 0.5)), "Did you mean 'glia'"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(make, message):
    with pytest.raises((RangeError, ShapeError), match=message):
        make()


def test_any_seed_of_a_graph_will_do_and_others_are_refused():
    network(seed=2**64 - 1)
    with pytest.raises(RangeError, match=r"Network\.seed: must be a whole number in 0"):
        network(seed=-1)


def test_third_cells_that_spike_send_spikes():
    net = sim.Network(dt=1e-3)
    names = [net.population(units.LIF(), 10) for _ in range(3)]
    made = net.connect_tripartite(*names, rule=Rule(0.5, 0.5, 2))
    assert {net.graph().projection(name).signal for name in made} == {"spikes"}
