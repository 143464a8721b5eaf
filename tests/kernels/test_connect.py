"""The making of synapses: every rule against its definition, and every lane against the whole."""

import itertools
import math
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neurosim.kernels import connect as module
from neurosim.kernels import draws
from neurosim.kernels.connect import drawn, to_rows
from neurosim.kernels.connect import listed as given_one_by_one
from neurosim.kernels.draws import Draw

RULES = ("all_to_all", "one_to_one", "bernoulli", "fixed_in_degree", "fixed_out_degree", "fixed_total")
DRAWN = [  # rule, numbers: each goes through several batches of 16,384 synapses
    ("bernoulli", {"p": 0.5}),
    ("fixed_in_degree", {"n": 150}),
    ("fixed_in_degree", {"n": 150, "multapses": False}),
    ("fixed_out_degree", {"n": 61}),
    ("fixed_out_degree", {"n": 61, "multapses": False}),
    ("fixed_total", {"n": 50_001}),
    ("fixed_total", {"n": 50_001, "multapses": False}),
]
LARGE = [("all_to_all", {}), *DRAWN]
WEIGHTS = (0.5, Draw("normal", 1.0, 0.5, 0.0, 2.0), Draw("uniform", -1.0, 3.0), Draw("lognormal", 0.0, 1.0, 0.0, 4.0))
DELAYS = (1, 7, Draw("normal", 5.0, 3.0, 1, 12), Draw("uniform", 2.0, 6.0, 3, 6), Draw("lognormal", 1.0, 0.5, 2, 2))


def make(rule, numbers, sources, targets, weight=0.5, delay=1, first=0, count=None, seed=1, stream=0, dtype="float32"):
    count = targets if count is None else count
    made = drawn(rule, numbers, sources, targets, first, count, weight, delay, seed, stream)
    return to_rows(made, sources, count, dtype)


def connect_arrays(pre, post, weight, delay, sources, first, count, dtype="float32"):
    return to_rows(given_one_by_one(pre, post, weight, delay, first, count), sources, count, dtype)


def listed(rows, first=0):
    """Source, delay, target and weight of every synapse, in the order of the rows."""
    sizes = np.diff(rows.start)
    row = np.repeat(np.arange(sizes.size), sizes)
    weight = rows.weight if rows.weight.size == rows.target.size else np.repeat(rows.weight, rows.target.size)
    return row // rows.spread, rows.base + row % rows.spread, rows.target.astype(np.int64) + first, weight


def check_form(rows, sources, count):
    assert rows.start.size == sources * rows.spread + 1
    assert rows.start[0] == 0
    assert rows.start[-1] == rows.target.size
    assert (np.diff(rows.start) >= 0).all()
    assert rows.target.dtype == (np.uint16 if count <= 65_536 else np.uint32)
    assert rows.start.dtype == np.int32
    assert (rows.target < count).all()


def check_lanes(build, sources, cuts):
    """Lanes cut at ``cuts`` hold the synapses of the whole, each row in the same order."""
    whole = build(cuts[0], cuts[-1] - cuts[0])
    check_form(whole, sources, cuts[-1] - cuts[0])
    every = listed(whole, cuts[0])
    seen = 0
    for low, high in itertools.pairwise(cuts):
        lane = build(low, high - low)
        check_form(lane, sources, high - low)
        mine = (every[2] >= low) & (every[2] < high)
        for part, expected in zip(listed(lane, low), every, strict=True):
            np.testing.assert_array_equal(part, expected[mine])
        seen += lane.target.size
    assert seen == whole.target.size
    return every


def check_rule(rule, numbers, sources, targets, source, target):
    """What a rule promises of every single network."""
    own = numbers["same"] and not numbers["autapses"] and rule != "one_to_one"
    if own:
        assert not (source == target).any()
    if rule not in ("fixed_in_degree", "fixed_out_degree", "fixed_total") or not numbers["multapses"]:
        assert np.unique(source * max(targets, 1) + target).size == source.size
    if rule == "all_to_all":
        assert source.size == sources * targets - own * sources
    elif rule == "one_to_one":
        assert (source == target).all()
        assert source.size == sources
    elif rule == "fixed_in_degree":
        assert (np.bincount(target, minlength=targets) == numbers["n"]).all()
    elif rule == "fixed_out_degree":
        assert (np.bincount(source, minlength=sources) == numbers["n"]).all()
    elif rule == "fixed_total":
        assert source.size == numbers["n"]


@st.composite
def projections(draw):
    rule = draw(st.sampled_from(RULES))
    same = draw(st.booleans())
    sources = draw(st.integers(0, 30))
    targets = sources if same or rule == "one_to_one" else draw(st.integers(0, 30))
    numbers = {"same": same, "autapses": draw(st.booleans()), "multapses": draw(st.booleans())}
    own = int(same and not numbers["autapses"] and sources > 0)
    choices = {
        "fixed_in_degree": sources - own,
        "fixed_out_degree": targets - own,
        "fixed_total": (sources - own) * targets,
    }
    if rule == "bernoulli":
        numbers["p"] = draw(st.floats(0, 1))
    elif rule in choices:
        most = choices[rule]
        numbers["n"] = draw(st.integers(0, most if not numbers["multapses"] else 40 if most else 0))
    return rule, numbers, sources, targets


@settings(max_examples=200)
@given(projections(), st.data(), st.sampled_from(WEIGHTS), st.sampled_from(DELAYS), st.integers(0, 2**64 - 1))
def test_every_network_obeys_its_rule_and_is_the_same_for_any_lanes(projection, data, weight, delay, seed):
    rule, numbers, sources, targets = projection
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, targets), max_size=2))), targets]

    def build(first, count):
        batch, streams = data.draw(st.sampled_from((64, 16384))), data.draw(st.sampled_from((1, 5, 1024)))
        with mock.patch.object(module, "BATCH", batch), mock.patch.object(module, "STREAMS", streams):
            return make(rule, numbers, sources, targets, weight, delay, first, count, seed)

    source, delays, target, weights = check_lanes(build, sources, cuts)
    check_rule(rule, numbers, sources, targets, source, target)
    for values, law in ((delays, delay), (weights, weight)):
        low, high = (law.low, law.high) if isinstance(law, Draw) else (law, law)
        assert ((values >= low) & (values <= high)).all()


@pytest.mark.parametrize(("rule", "numbers"), LARGE)
@pytest.mark.parametrize("own", [False, True])
def test_large_networks_obey_their_rule_and_are_the_same_for_any_lanes(rule, numbers, own):
    numbers = {"autapses": False, "multapses": True} | numbers | {"same": own}
    sources, targets = (400, 400) if own else (2500, 301)

    def build(first, count):
        return make(rule, numbers, sources, targets, WEIGHTS[3], DELAYS[2], first, count)

    for cuts in ([0, targets], [0, 128, targets], [0, 100, 101, targets]):
        source, _, target, _ = check_lanes(build, sources, cuts)
    check_rule(rule, numbers, sources, targets, source, target)
    assert source.size > 16_384


def test_lanes_built_side_by_side_are_those_built_in_turn():
    def build(first):
        return make("fixed_total", {"n": 300_000}, 500, 600, WEIGHTS[1], DELAYS[2], first, 200)

    with ThreadPoolExecutor(3) as pool:
        side_by_side = list(pool.map(build, (0, 200, 400)))
    for first, lane in zip((0, 200, 400), side_by_side, strict=True):
        for part, expected in zip(lane, build(first), strict=True):
            np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize(("rule", "numbers"), DRAWN)
def test_networks_repeat_by_seed_and_differ_by_seed_and_stream(rule, numbers):
    one, again, seed, stream = (
        make(rule, numbers, 1000, 301, seed=seed, stream=stream) for seed, stream in ((5, 2), (5, 2), (6, 2), (5, 3))
    )
    np.testing.assert_array_equal(one.target, again.target)
    for other in (seed, stream):
        pairs = [set(zip(*np.stack(listed(rows))[[0, 2]].astype(int).tolist(), strict=True)) for rows in (one, other)]
        chance = len(pairs[0]) * len(pairs[1]) / 301_000  # pairs two independent networks have in common
        assert abs(len(pairs[0] & pairs[1]) - chance) < 6 * math.sqrt(chance)


@pytest.mark.parametrize("weight", WEIGHTS[1:])
def test_weights_and_delays_differ_by_seed_and_stream_and_are_independent(weight):
    def drawn(seed, stream):
        _, delay, _, weights = listed(make("all_to_all", {}, 1, 20_000, weight, DELAYS[2], seed=seed, stream=stream))
        return weights, delay

    (weights, delay), (seed, _), (stream, _) = drawn(1, 1), drawn(2, 1), drawn(1, 2)
    for other in (np.sort(seed), np.sort(stream)):
        assert not np.array_equal(np.sort(weights), other)
    assert abs(np.corrcoef(weights, delay)[0, 1]) < 5 / math.sqrt(weights.size)


@pytest.mark.parametrize("p", [1e-9, 1e-3, 0.02, 0.3, 0.97])
@pytest.mark.parametrize("own", [False, True])
def test_bernoulli_makes_each_pair_with_probability_p(p, own):
    n = 1500
    source, _, target, _ = listed(make("bernoulli", {"p": p, "same": own, "autapses": False}, n, n))
    width = n - own
    assert abs(source.size - width * n * p) <= 5 * math.sqrt(width * n * p * (1 - p)) + 1
    for degree in (np.bincount(source, minlength=n), np.bincount(target, minlength=n)):
        assert np.abs(degree - width * p).max() <= 6 * math.sqrt(width * p * (1 - p)) + 2
    if p == 0.02:
        law = stats.binom(width, p)
        observed = np.bincount(np.clip(np.bincount(target, minlength=n), 18, 42) - 18, minlength=25)
        expected = n * np.diff(law.cdf(np.arange(18, 42)), prepend=0, append=1)
        assert stats.chisquare(observed, expected).pvalue > 1e-4


@pytest.mark.parametrize(("p", "synapses"), [(0.0, 0), (1.0, 12)])
def test_bernoulli_of_probability_zero_and_one(p, synapses):
    assert make("bernoulli", {"p": p}, 3, 4).target.size == synapses


@pytest.mark.parametrize(
    ("rule", "n"), [("fixed_in_degree", 2000), ("fixed_out_degree", 3000), ("fixed_total", 60_000)]
)
@pytest.mark.parametrize("own", [False, True])
def test_with_repetition_all_pairs_are_equally_likely(rule, n, own):
    sources, targets = (24, 24) if own else (30, 20)
    numbers = {"n": n, "same": own, "autapses": False}
    source, _, target, _ = listed(make(rule, numbers, sources, targets))
    pairs = np.bincount(source * targets + target, minlength=sources * targets)
    if own:
        assert not pairs[:: targets + 1].any()
        pairs = np.delete(pairs, slice(None, None, targets + 1))
    assert stats.chisquare(pairs).pvalue > 1e-4


@pytest.mark.parametrize(("rule", "n", "chance"), [
    ("fixed_in_degree", 2, 2 / 4), ("fixed_out_degree", 3, 3 / 5), ("fixed_total", 7, 7 / 20),
    ("fixed_total", 19, 19 / 20),
])  # fmt: skip
def test_without_repetition_all_pairs_are_equally_likely(rule, n, chance):
    times, pairs = 3000, np.zeros(20)
    for seed in range(times):
        source, _, target, _ = listed(make(rule, {"n": n, "multapses": False}, 4, 5, seed=seed))
        pairs[source * 5 + target] += 1
    assert pairs.sum() == times * chance * 20
    assert np.abs(pairs - times * chance).max() < 4.5 * math.sqrt(times * chance * (1 - chance))


def test_too_few_trials_are_drawn_again(monkeypatch):
    made, real = [], module._bernoulli

    def short_at_first(lane, p, attempt=0):
        made.append(attempt)
        yield from real(lane, p if attempt == 2 else p / 100, attempt)

    monkeypatch.setattr(module, "_bernoulli", short_at_first)
    assert make("fixed_total", {"n": 500, "multapses": False}, 60, 70).target.size == 500
    assert set(made) == {0, 1, 2}


def test_subsets_are_equally_likely():
    chosen = [tuple(draws.subset(6, 3, np.uint64(seed), np.uint64(0)).tolist()) for seed in range(8000)]
    kinds, times = np.unique(chosen, axis=0, return_counts=True)
    assert len(kinds) == 20
    assert stats.chisquare(times).pvalue > 1e-4
    assert draws.subset(7, 7, np.uint64(0), np.uint64(0)).tolist() == list(range(7))


LAWS = {
    "normal": (Draw("normal", -2.0, 3.0), stats.norm(-2.0, 3.0)),
    "uniform": (Draw("uniform", -1.0, 4.0), stats.uniform(-1.0, 5.0)),
    "lognormal": (Draw("lognormal", 0.5, 0.7), stats.lognorm(0.7, scale=math.exp(0.5))),
}


@pytest.mark.parametrize("kind", LAWS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_follow_their_law(kind, dtype):
    draw, law = LAWS[kind]
    weight = make("all_to_all", {}, 500, 600, draw, dtype=dtype).weight
    assert weight.dtype == dtype
    assert stats.kstest(weight, law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("kind", LAWS)
def test_weights_outside_their_limits_are_set_to_the_nearer_one(kind):
    draw, law = LAWS[kind]
    low, high = law.ppf([0.1, 0.7])
    free = make("all_to_all", {}, 200, 300, draw, dtype="float64").weight
    limited = make("all_to_all", {}, 200, 300, draw._replace(low=low, high=high), dtype="float64").weight
    np.testing.assert_array_equal(limited, np.clip(free, low, high))
    assert abs((limited == low).mean() - 0.1) < 5 * math.sqrt(0.09 / limited.size)


@pytest.mark.parametrize("kind", ["normal", "lognormal"])
def test_weights_outside_their_limits_are_drawn_again(kind):
    draw, law = LAWS[kind]
    low, high = law.ppf([0.1, 0.5])
    free = make("all_to_all", {}, 200, 300, draw, dtype="float64").weight
    kept = draw._replace(low=low, high=high, redraw=True)
    redrawn = make("all_to_all", {}, 200, 300, kept, dtype="float64").weight
    inside = (free >= low) & (free <= high)
    np.testing.assert_array_equal(redrawn[inside], free[inside])
    assert stats.kstest(redrawn[~inside], lambda x: (law.cdf(x) - 0.1) / 0.4).pvalue > 1e-3
    rare = kept._replace(low=law.ppf(0.98), high=math.inf)  # hundreds of attempts
    assert stats.kstest(make("all_to_all", {}, 50, 60, rare).weight, lambda x: (law.cdf(x) - 0.98) / 0.02).pvalue > 1e-3


@pytest.mark.parametrize("draw", [
    Draw("normal", 15.0, 7.5, 1, 63), Draw("normal", 2.0, 4.0, 1, 3), Draw("uniform", 3.2, 9.9, 1, 12),
    Draw("uniform", 0.5, 4.5, 2, 4), Draw("lognormal", 2.0, 0.6, 1, 40),
    Draw("normal", 15.0, 7.5, 1, 63, True), Draw("normal", 2.0, 4.0, 1, 3, True),
    Draw("lognormal", 2.0, 0.6, 5, 9, True),
])  # fmt: skip
def test_delays_follow_their_law_rounded_to_steps_and_limited(draw):
    law = {
        "normal": stats.norm(draw.a, draw.b),
        "uniform": stats.uniform(draw.a, draw.b - draw.a),
        "lognormal": stats.lognorm(draw.b, scale=math.exp(draw.a)),
    }[draw.kind]
    rows = make("fixed_in_degree", {"n": 400}, 70, 500, delay=draw)
    _, delay, _, _ = listed(rows)
    assert (rows.base, rows.spread) == (draw.low, draw.high - draw.low + 1)
    steps = np.arange(draw.low, draw.high + 1)
    shares = np.diff(law.cdf(steps[:-1] + 0.5), prepend=0, append=1)
    if draw.redraw:
        shares = np.diff(law.cdf(np.append(steps, draw.high + 1) - 0.5))
    expected = delay.size * shares / shares.sum()
    observed = np.bincount(delay - draw.low, minlength=steps.size)
    assert not observed[expected == 0].any()
    common = expected > 5
    assert stats.chisquare(
        [*observed[common], observed[~common].sum() + 1], [*expected[common], expected[~common].sum() + 1]
    ).pvalue > 1e-4  # fmt: skip


@pytest.mark.parametrize("draw", [Draw("normal", 3.2, 0.0, 1, 9), Draw("uniform", 3.0, 3.0, 1, 9)])
def test_a_law_without_width_gives_one_delay(draw):
    _, delay, _, _ = listed(make("all_to_all", {}, 20, 20, delay=draw))
    assert set(delay) == {3}


@given(st.integers(0, 6), st.integers(1, 9), st.data())
def test_explicit_synapses_come_back_sorted_in_every_lane(sources, targets, data):
    n = data.draw(st.integers(0, 40)) if sources else 0

    def column(strategy):
        return np.array(data.draw(st.lists(strategy, min_size=n, max_size=n)), int)

    pre, post, delay = (
        column(st.integers(0, max(sources - 1, 0))),
        column(st.integers(0, targets - 1)),
        column(st.integers(2, 6)),
    )
    weight = np.arange(n) / 4

    def build(first, count):
        return connect_arrays(pre, post, weight, delay, sources, first, count, "float64")

    every = check_lanes(build, sources, [0, targets // 2, targets])
    order = np.lexsort((np.arange(n), delay, pre))
    for part, column in zip(every, (pre, delay, post, weight), strict=True):
        np.testing.assert_array_equal(part, column[order])


def test_explicit_synapses_of_one_weight_and_delay_in_several_batches(rng):
    pre, post = rng.integers(0, 70, 40_000).astype(np.uint16), rng.integers(0, 90, 40_000, dtype=np.uint8)
    rows = connect_arrays(pre, post, 0.25, 3, 70, 0, 90)
    assert (rows.base, rows.spread, rows.weight.tolist()) == (3, 1, [0.25])
    source, _, target, _ = listed(rows)
    order = np.argsort(pre, kind="stable")
    np.testing.assert_array_equal(source, pre[order])
    np.testing.assert_array_equal(target, post[order])


def test_blocks_of_more_rows_than_two_bytes_can_number(monkeypatch):
    monkeypatch.setattr(module, "STREAMS", 4)
    rows = make("fixed_out_degree", {"n": 300}, 100, 70, delay=Draw("uniform", 0.0, 4000.0, 1, 3000))
    source, delay, _, _ = listed(rows)
    assert (source == np.repeat(np.arange(100), 300)).all()
    assert abs((delay == 3000).mean() - 0.25) < 5 * math.sqrt(0.1875 / delay.size)
    assert np.abs(np.histogram(delay[delay < 3000], 10, (0.5, 3000.5))[0] - 2250).max() < 5 * math.sqrt(2250)


@pytest.mark.parametrize(("targets", "dtype"), [(65_536, np.uint16), (65_537, np.uint32)])
def test_targets_take_two_bytes_up_to_65536_of_them(targets, dtype):
    rows = make("one_to_one", {}, targets, targets)
    assert rows.target.dtype == dtype
    np.testing.assert_array_equal(rows.target, np.arange(targets))
    assert make("one_to_one", {}, targets, targets, first=1, count=65_535).target.dtype == np.uint16


def test_starts_take_eight_bytes_where_synapses_are_too_many_for_four(monkeypatch):
    short = make("fixed_total", {"n": 5000}, 30, 40, WEIGHTS[1], DELAYS[2])
    monkeypatch.setattr(module, "LARGEST_INT32", 4999)
    long = make("fixed_total", {"n": 5000}, 30, 40, WEIGHTS[1], DELAYS[2])
    assert (short.start.dtype, long.start.dtype) == (np.int32, np.int64)
    for part, expected in zip(long, short, strict=True):
        np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("multapses", [True, False])
def test_building_takes_little_memory_beside_the_synapses(multapses):
    def build():
        return make("fixed_total", {"n": 2_000_000, "multapses": multapses}, 2000, 3000, WEIGHTS[1], DELAYS[2])

    build()
    tracemalloc.start()
    try:
        rows = build()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    result = rows.start.nbytes + rows.target.nbytes + rows.weight.nbytes
    assert result == 4 * (2000 * 12 + 1) + 6 * 2_000_000
    assert peak < result + 2 * 2_000_000 + 4_000_000


@given(st.floats(1e-300, 1e300))
def test_log_is_that_of_the_library(x):
    assert draws.log(x) == pytest.approx(math.log(x), rel=1e-15, abs=5e-16)


@given(st.floats(-math.pi / 2, math.pi / 2))
def test_sine_is_that_of_the_library(x):
    assert draws.sine(x) == pytest.approx(math.sin(x), rel=1e-15, abs=5e-16)
