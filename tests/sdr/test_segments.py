"""Segments driven by events: against sets and dense windows, and against the theory of their reliability."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.errors import RangeError, ShapeError
from neurosim.sdr import (
    SDR,
    DendriticSegment,
    PoiraziNeuron,
    Power,
    SDRArray,
    Segments,
    Sigmoid,
    Step,
    Threshold,
    k_means,
    theory,
)
from neurosim.sdr import segments as module

N = 12


@st.composite
def layers(draw):
    cells = st.sets(st.integers(0, N - 1), min_size=2, max_size=6)
    synapses = [SDR(N, sorted(draw(cells))) for _ in range(draw(st.integers(1, 5)))]
    return Segments(synapses, draw(st.integers(1, 2)), draw(st.integers(1, 4)))


@st.composite
def streams(draw):
    ticks = sorted(draw(st.lists(st.integers(-3, 12), max_size=40)))
    return np.array(ticks, int), np.array([draw(st.integers(0, N - 1)) for _ in ticks], int)


def fired_by_windows(segments, ticks, cells):
    """Slow: for every tick, the set of cells with an event in the window."""
    found = []
    for now in np.unique(ticks):
        fresh = set(cells[ticks == now].tolist())
        recent = set(cells[(ticks <= now) & (ticks > now - segments.window)].tolist())
        for k, synapses in enumerate(segments.synapses):
            mine = set(synapses.sparse.tolist())
            if mine & fresh and len(mine & recent) >= segments.theta:
                found.append((int(now), k, len(mine & recent)))
    return found


def rows(fired):
    assert (fired.ticks.dtype, fired.segments.dtype, fired.counts.dtype) == (np.int64, np.int32, np.int32)
    return list(zip(*(a.tolist() for a in fired), strict=True))


@given(layers(), streams())
def test_events_fire_what_windows_fire(segments, stream):
    fired, state = segments.run(*stream)
    assert rows(fired) == fired_by_windows(segments, *stream)
    if len(stream[0]):
        recent = set(stream[1][stream[0] > stream[0][-1] - segments.window].tolist())
        assert state.counts.tolist() == [len(recent & set(s.sparse.tolist())) for s in segments.synapses]


@given(layers(), streams(), st.integers(-4, 13))
def test_a_stream_may_be_cut_between_ticks(segments, stream, at):
    ticks, cells = stream
    whole, end = segments.run(ticks, cells)
    first, state = segments.run(ticks[ticks < at], cells[ticks < at])
    kept = [a.copy() for a in state[:5]]
    second, last = segments.run(ticks[ticks >= at], cells[ticks >= at], state)
    assert rows(first) + rows(second) == rows(whole)
    assert all(np.array_equal(a, b) for a, b in zip(last, end, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(kept, state, strict=False))  # a state may be used again


@given(layers(), streams())
def test_output_may_take_any_number_of_calls(segments, stream):
    expected, usual = rows(segments.run(*stream)[0]), module.ROOM
    try:
        module.ROOM = 1
        assert rows(segments.run(*stream)[0]) == expected
    finally:
        module.ROOM = usual


@given(layers(), st.sets(st.integers(0, N - 1)))
def test_one_tick_is_a_count_of_the_overlap(segments, cells):
    sdr = SDR(N, sorted(cells))
    counts = segments.counts(sdr)
    assert counts.tolist() == [s.overlap(sdr) for s in segments.synapses] and counts.dtype == np.int32
    assert segments.active(sdr).sparse.tolist() == np.flatnonzero(counts >= segments.theta).tolist()
    fired, _ = segments.run(np.zeros(len(cells), int), sorted(cells))
    assert fired.segments.tolist() == [k for k in segments.active(sdr).sparse.tolist() if counts[k]]


def test_the_event_layer_counts_what_rows_of_bits_count():
    """Monte Carlo of the paper: 2e5 random SDRs of 128 of 500 cells on 24 synapses, theta 12: 7.368e-03."""
    n, a, s, theta, trials = 500, 128, 24, 12, 200_000
    p = theory.false_match(n, a, s, theta)
    array = SDRArray.random(n, trials, sparsity=a / n, seed=2)
    segment = SDR.random(n, sparsity=s / n, rng=1)
    matches = array.matches(segment, theta)
    sigma = math.sqrt(p * (1 - p) / trials)
    assert abs(matches / trials - p) < 4 * sigma
    assert abs(matches / trials - theory.false_match(n, a, s, theta + 1)) > 20 * sigma  # the check can fail

    cells = np.concatenate([sdr.sparse for sdr in array])
    fired, _ = Segments([segment], theta).run(np.repeat(np.arange(trials), a), cells)
    overlaps = array.overlaps(segment)
    assert fired.ticks.tolist() == np.flatnonzero(overlaps >= theta).tolist() and len(fired.ticks) == matches
    assert fired.counts.tolist() == overlaps[overlaps >= theta].tolist()


@pytest.mark.parametrize(("theta", "published"), [(3, 0.964839), (4, 0.134632), (5, 0.00285), (6, 1.7e-05)])
def test_a_set_of_500_stored_patterns_errs_as_published(theta, published):
    """n = 100, w = 7, 500 patterns; published of a simulation of 1e6 trials. Here a fresh set for each 200 trials."""
    sets, trials = 50, 200
    stored = SDRArray.random(100, 500 * sets, sparsity=0.07, seed=3)
    probes = SDRArray.random(100, trials * sets, sparsity=0.07, seed=3, stream=1)
    wrong = 0
    for k in range(sets):
        segments = Segments([stored[500 * k + i] for i in range(500)], theta)
        wrong += sum(segments.active(probes[trials * k + i]).active > 0 for i in range(trials))
    p = theory.set_false_match(100, 7, 7, theta, 500)
    # both simulations scatter; that of the paper used one set of patterns
    assert abs(wrong / (sets * trials) - p) < 4 * math.sqrt(p * (1 - p) / (sets * trials)) + 3e-4
    assert published == pytest.approx(p, rel=0.03, abs=4e-6)
    assert published < theory.set_false_match_bound(100, 7, 7, theta, 500) * 1.01


@pytest.mark.parametrize("lost", [45, 64])
@pytest.mark.parametrize("theta", [12, 16])
def test_noise_is_missed_as_the_theory_says(lost, theta):
    n, a, s, trials = 2000, 128, 30, 4000
    rng, p = np.random.default_rng(4), theory.false_negative(128, 30, lost, theta)
    pattern = SDR.random(n, sparsity=a / n, rng=rng)
    segments = DendriticSegment(s, theta).learn([pattern] * 1, 1, rng)
    missed = sum(segments.active(pattern.subsample(a - lost, rng)).active == 0 for _ in range(trials))
    assert abs(missed / trials - p) < 4 * math.sqrt(p * (1 - p) / trials)


def test_a_fresh_segment_samples_each_pattern():
    rng = np.random.default_rng(0)
    patterns = [SDR.random(400, sparsity=0.05, rng=rng) for _ in range(6)]
    segments = DendriticSegment(s=8, theta=5).learn(patterns, 10, rng=1)
    assert len(segments) == 6 and segments.theta == 5
    assert all(s.active == 8 == s.overlap(p) for s, p in zip(segments.synapses, patterns, strict=True))
    again = DendriticSegment(s=8, theta=5).learn(patterns, 10, rng=1)
    assert again.synapses == segments.synapses


def test_with_more_patterns_than_segments_groups_share_one():
    rng = np.random.default_rng(0)
    cores = [SDR(300, np.arange(20 * k, 20 * k + 20)) for k in range(4)]
    patterns = [core.noise(0.2, rng) for core in cores for _ in range(10)]
    segments = DendriticSegment(s=12, theta=8).learn(patterns, 4, rng=2)
    owner = [int(segments.counts(core).argmax()) for core in cores]
    assert sorted(owner) == [0, 1, 2, 3]
    assert all(segments.synapses[k].overlap(core) == 12 for k, core in zip(owner, cores, strict=True))
    assert all(segments.active(p).active == 1 for p in patterns)


def test_k_means_finds_groups_and_leaves_none_empty():
    rng = np.random.default_rng(1)
    cores = [SDR(200, np.arange(15 * k, 15 * k + 15)) for k in range(3)]
    patterns = [cores[k % 3].noise(0.2, rng) for k in range(30)]
    best = min((k_means(patterns, 3, seed) for seed in range(5)), key=lambda g: within(patterns, g))
    assert all(len({best[k], best[k + 3]}) == 1 for k in range(27)) and len(set(best.tolist())) == 3
    for count in (1, 7, 30):
        group = k_means(patterns, count, 0)
        assert sorted(set(group.tolist())) == list(range(count))
    same = k_means([cores[0]] * 5, 3, 0)
    assert sorted(set(same.tolist())) == [0, 1, 2]
    rounds = [within(patterns, k_means(patterns, 5, 3, rounds=r)) for r in range(1, 8)]
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(rounds))  # no round makes it worse


def within(patterns, group):
    dense = np.array([p.dense.ravel() for p in patterns], float)
    return sum(((dense[group == k] - dense[group == k].mean(0)) ** 2).sum() for k in set(group.tolist()))


def test_neurons_sum_their_segments():
    segments = Segments([SDR(20, np.arange(5)), SDR(20, np.arange(3, 9)), SDR(20, np.arange(15, 20))], theta=3)
    sdr = SDR(20, [0, 3, 4, 5, 15])
    counts = np.array([3, 3, 1])
    assert segments.counts(sdr).tolist() == counts.tolist()
    assert PoiraziNeuron(segments).drive(sdr) == 2.0
    assert PoiraziNeuron(segments, Threshold()).drive(sdr) == 6.0
    assert PoiraziNeuron(segments, Power(3.0)).drive(sdr) == 27 + 27 + 1
    assert PoiraziNeuron(segments, Power()).drive(sdr) == 2 * 3.0**10 + 1
    sigmoid = PoiraziNeuron(segments, Sigmoid(center=2.5, scale=2.0))
    assert sigmoid.drive(sdr) == pytest.approx((1 / (1 + np.exp(2.0 * (2.5 - counts)))).sum())
    assert Sigmoid() == Sigmoid(11.5, 5.0) and Sigmoid(0.0, 1e6)(counts, 3).tolist() == [1.0] * 3


@given(layers(), st.sets(st.integers(0, N - 1)))
def test_a_step_is_the_or_of_segments(segments, cells):
    sdr = SDR(N, sorted(cells))
    fires = any(s.overlap(sdr) >= segments.theta for s in segments.synapses)
    assert PoiraziNeuron(segments, Step()).fires(sdr) == PoiraziNeuron(segments, Threshold()).fires(sdr) == fires
    if fires:
        assert PoiraziNeuron(segments, Power()).fires(sdr) and PoiraziNeuron(segments, Sigmoid()).fires(sdr)
    assert not PoiraziNeuron(segments, Step(), fires_at=len(segments) + 1.0).fires(sdr)


def test_a_step_neuron_matches_as_often_as_its_segments_together():
    n, a, s, theta, k = 400, 40, 20, 6, 10
    segments = DendriticSegment(s, theta).learn([SDR.random(n, sparsity=a / n, rng=i) for i in range(k)], k, 5)
    p = theory.any_of(theory.false_match(n, a, s, theta), k)
    trials = SDRArray.random(n, 20_000, sparsity=a / n, seed=9)
    wrong = sum(PoiraziNeuron(segments).fires(sdr) for sdr in trials)
    assert abs(wrong / 20_000 - p) < 4 * math.sqrt(p * (1 - p) / 20_000) + 0.02 * p


S = Segments([SDR(9, [1, 2, 3])], theta=2)
P = SDR(9, [1, 2, 3])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: DendriticSegment(0, 1), RangeError, "DendriticSegment.s: must be a whole number in 1"),
        (lambda: DendriticSegment(10, 0), RangeError, "DendriticSegment.theta: must be a whole number in 1..10, got 0"),
        (lambda: DendriticSegment(10, 11), RangeError, "theta: must be a whole number in 1..10, got 11"),
        (lambda: DendriticSegment(10, 2.5), RangeError, "theta: must be a whole number in 1..10, got 2.5"),
        (lambda: DendriticSegment(-3, 2), RangeError, "DendriticSegment.s: must be"),
        (lambda: DendriticSegment(10, 5, window=0), RangeError, "window: must be a whole number in 1"),
        (lambda: DendriticSegment(4, 2).sample(P, 0), RangeError, "at least s = 4 active cells, got 3"),
        (lambda: DendriticSegment(3, 2).learn([], 2, 0), ShapeError, "patterns: must be a list of SDRs, at least one"),
        (lambda: DendriticSegment(3, 2).learn([P, SDR(8, [1, 2, 3])], 2, 0), ShapeError, r"dimensions \(9,\), got"),
        (lambda: DendriticSegment(3, 2).learn([P], 0, 0), RangeError, "count: must be a whole number in 1"),
        (lambda: DendriticSegment(3, 2).learn([P], 1, None), RangeError, "rng: must be"),
        (lambda: DendriticSegment(4, 2).learn([P, P], 1, 0), RangeError, "a group has 3 cells, fewer than s = 4"),
        (lambda: Segments([], 1), ShapeError, r"Segments.synapses: must be a list of SDRs, at least one, got \[\]"),
        (lambda: Segments([P, [1]], 1), ShapeError, r"SDR of dimensions \(9,\), got list"),
        (lambda: Segments([P], 0), RangeError, "Segments.theta: must be a whole number in 1"),
        (lambda: Segments([P, SDR(9, [1])], 2), RangeError, "at most the synapses of each segment, 1, got 2"),
        (lambda: Segments([P], 2, window=0), RangeError, "Segments.window: must be a whole number in 1"),
        (lambda: S.counts(SDR(8)), ShapeError, r"Segments.counts: must be an SDR of dimensions \(9,\), got \(8,\)"),
        (lambda: S.active([1]), ShapeError, "got list"),
        (lambda: S.run([0, 1], [1]), ShapeError, r"cells: must be one per tick \(2\), got 1"),
        (lambda: S.run([0], [9]), RangeError, r"cells\[0\]: must be in 0..8, got 9"),
        (lambda: S.run([0], [-1]), RangeError, r"cells\[0\]: must be in 0..8, got -1"),
        (lambda: S.run([0.5], [1]), ShapeError, "ticks: must be an array of integers"),
        (lambda: S.run([1, 0], [1, 1]), RangeError, r"ticks\[1\]: must not decrease, got 0 after 1"),
        (lambda: S.run([4], [1], S.run([4], [1])[1]), RangeError, r"must be after the last tick .*, 4, got 4"),
        (lambda: S.run([4], [1], Segments([P, P], 2).run([0], [1])[1]), ShapeError, "got one of 2 segments"),
        (lambda: k_means([P], 2, 0), RangeError, "k_means: count: must be a whole number in 1..1, got 2"),
        (lambda: Power(0.0), RangeError, "Power.exponent: must be > 0, got 0.0"),
        (lambda: Sigmoid(scale=-1.0), RangeError, "Sigmoid.scale: must be > 0, got -1.0"),
        (lambda: Sigmoid(center=math.nan), RangeError, "Sigmoid.center: must be a finite number"),
        (lambda: PoiraziNeuron(S, fires_at=0.0), RangeError, "PoiraziNeuron.fires_at: must be > 0, got 0.0"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
