"""Splits cover what they should, and leakage is found wherever it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.data.intervals import Intervals
from neurosim.data.partition import by_block, by_trial, check_fitted, check_split, leave_one_out
from neurosim.errors import LeakageError, RangeError, ShapeError

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}


def test_blocks_share_out_the_time_that_there_is():
    domain = Intervals([0, 50, 200], [40, 80, 230])  # 100 s
    parts = by_block(domain, SHARES)
    assert [round(p.duration, 9) for p in parts.values()] == [70, 10, 20]
    assert parts["train"] == Intervals([0, 50], [40, 80]) and parts["test"].end.tolist() == [230]
    assert (parts["train"] | parts["validation"] | parts["test"]) == domain
    apart = by_block(domain, {"train": 0.5, "test": 0.5}, gap=10)
    assert apart["train"].duration == pytest.approx(45) and apart["test"].duration == pytest.approx(45)
    check_split(apart, reach=5)


@given(st.integers(3, 40), st.integers(0, 99), st.booleans())
def test_trials_are_dealt_out_whole(n, seed, grouped):
    trials = Intervals(np.arange(n), np.arange(n) + 0.5, number=np.arange(n))
    together = np.arange(n) % 7 % n if grouped else None
    parts = by_trial(trials, SHARES, seed, together)
    numbers = [p.columns["number"].tolist() for p in parts.values()]
    assert (
        sorted(k for part in numbers for k in part) == list(range(n))
        and all(numbers)
        and all(k == sorted(k) for k in numbers)
    )
    if grouped:
        kinds = [set(together[k].tolist()) for k in numbers]
        assert not (kinds[0] & kinds[1] or kinds[0] & kinds[2] or kinds[1] & kinds[2])
    elif n >= 10:
        assert abs(len(numbers[0]) - 0.7 * n) <= 1
    again = by_trial(trials, SHARES, seed, together)
    assert all(again[name] == part for name, part in parts.items())


def test_all_trials_are_equally_likely_in_every_part():
    trials = Intervals(np.arange(10), np.arange(10) + 0.5, number=np.arange(10))
    times = np.zeros(10)
    for seed in range(2000):
        times[by_trial(trials, {"train": 0.8, "test": 0.2}, seed)["test"].columns["number"]] += 1
    assert abs(times - 400).max() < 4.5 * np.sqrt(2000 * 0.2 * 0.8)


def test_one_subject_is_left_out_at_a_time():
    folds = list(leave_one_out(["b", "a", "b", "c"]))
    assert [(name, others.tolist(), own.tolist()) for name, others, own in folds] == [
        ("b", [1, 3], [0, 2]), ("a", [0, 2, 3], [1]), ("c", [0, 1, 2], [3]),
    ]  # fmt: skip


def test_leakage_is_found():
    trials = Intervals([0, 2, 4], [1.5, 3.5, 5.5])
    check_split({"train": trials[:2], "test": trials[2:]}, reach=0.5)
    with pytest.raises(LeakageError, match=r"'train' and 'test' share 0\.1 s with the 0\.6 s .* first at 3\.4 s"):
        check_split({"train": trials[:2], "test": trials[2:]}, reach=0.6)
    windows = Intervals([0], [10]).windows(1.0, 0.5)  # cut first, then dealt out: neighbours share half a window
    with pytest.raises(LeakageError, match=r"share .* Split before cutting windows"):
        by_trial(windows, {"train": 0.5, "test": 0.5}, seed=0)
    parts = by_block(Intervals([0], [10]), {"train": 0.5, "test": 0.5})
    check_split({name: part.windows(1.0, 0.5) for name, part in parts.items()})
    check_fitted(parts["train"], parts["test"])
    with pytest.raises(LeakageError, match=r"normalisation was fitted on 5 s of what is evaluated, first at 5 s"):
        check_fitted(Intervals([0], [10]), parts["test"])
    with pytest.raises(LeakageError, match="unit selection was fitted"):
        check_fitted(parts["test"], parts["test"], "unit selection")


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: by_block(Intervals([0], [1]), {"a": 0.5, "b": 0.6}), RangeError, "must add up to 1"),
    (lambda: by_block(Intervals([0], [1]), {"a": 1.5, "b": -0.5}), RangeError, r"shares\['b'\]: must be > 0"),
    (lambda: by_block(Intervals([0], [1]), {"a": 0.5, "b": 0.5}, gap=1), RangeError, r"gap: must be >= 0 and leave"),
    (lambda: by_block(Intervals(), {"a": 1.0}), RangeError, "leave something of 0 s"),
    (lambda: by_trial(Intervals([0], [1]), SHARES, 0), RangeError, "1 trials or groups do not fill 3 parts"),
    (lambda: by_trial(Intervals([0], [1]), {"a": 1.0}, 0, [1, 2]), ShapeError, r"must have 1 entries"),
    (lambda: list(leave_one_out(["a", "a"])), RangeError, r"two different groups or more, got \['a'\]"),
])  # fmt: skip
def test_bad_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
