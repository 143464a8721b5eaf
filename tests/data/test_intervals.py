"""Interval algebra against sets of whole numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.data.intervals import Intervals
from neurosim.errors import RangeError, ShapeError

GRID = 40
pairs = st.lists(st.tuples(st.integers(0, GRID), st.integers(0, 9)).map(lambda p: (p[0], p[0] + p[1])), max_size=8)


def made(of):
    return Intervals([a for a, _ in of], [b for _, b in of])


def cells(of):
    """The unit cells k..k+1 that intervals with whole ends cover."""
    return {k for a, b in of for k in range(a, b)}


def covered(intervals):
    return cells(zip(intervals.start.astype(int), intervals.end.astype(int), strict=True))


@given(pairs, pairs)
def test_algebra_is_that_of_sets(a, b):
    x, y = made(a), made(b)
    for found, expected in ((x | y, cells(a) | cells(b)), (x & y, cells(a) & cells(b)), (x - y, cells(a) - cells(b))):
        assert covered(found) == expected
        assert found == found.merged() and (found.start[1:] > found.end[:-1]).all() and (found.end > found.start).all()
        assert found.duration == len(expected)
    assert [bool(set(range(*p)) & cells(b)) for p in a] == x.overlaps(y).tolist()
    assert x.duration == len(cells(a))


@given(pairs, pairs)
def test_inside_and_contain(a, b):
    x, y = made(a), made(b)
    filled = [k for k, (low, high) in enumerate(a) if high > low]
    assert [set(range(*a[k])) <= cells(b) for k in filled] == x.inside(y)[filled].tolist()
    t = np.arange(-1, GRID + 11) + 0.5
    assert x.contain(t).tolist() == [math.floor(v) in cells(a) for v in t]
    assert x.contain(np.arange(GRID)).tolist() == [k in cells(a) for k in range(GRID)], "half open"


def test_columns_follow_their_intervals():
    trials = Intervals([0, 5, 2], [1, 6, 3], choice=[1, 0, 1], name=["a", "b", "c"])
    assert trials.where(choice=1).columns["name"].tolist() == ["a", "c"]
    assert trials[1].start.tolist() == [5] and len(trials[:2]) == 2 and len(trials[[True, False, True]]) == 2
    assert trials.widened(0.5, 1).end.tolist() == [2, 7, 4] and "choice" in trials.widened(1).columns
    assert trials.widened(-2).end.tolist() == [2, 7, 4], "never shorter than nothing"
    both = Intervals.joined([trials, Intervals([9], [9], choice=[0])])
    assert both.columns["choice"].tolist() == [1, 0, 1, 0] and "name" not in both.columns
    assert repr(both) == "Intervals(4, 0 to 9 s, choice)" and len(Intervals.joined([])) == 0
    assert trials != both and trials == trials[:] and trials != 3


def test_windows():
    trials = Intervals([0, 10, 20], [1.0, 10.35, 20.05])
    windows = trials.windows(0.1)
    assert windows.columns["interval"].tolist() == [0] * 10 + [1] * 3, "0.1 ten times is 1, whatever the rounding"
    np.testing.assert_allclose(windows.end - windows.start, 0.1)
    assert trials.windows(0.1, 0.05).columns["interval"].tolist() == [0] * 19 + [1] * 6
    assert len(Intervals().windows(1)) == 0


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: Intervals([0, 1], [1]), ShapeError, r"Intervals\.end: must have 2 entries, .* got 1"),
    (lambda: Intervals([0], [1], x=[1, 2]), ShapeError, r"Intervals\.x: must have 1 entries"),
    (lambda: Intervals([0], [1], x=3), ShapeError, "one value"),
    (lambda: Intervals([0, 3], [1, 2]), RangeError, r"end\[1\]: must not be before its start, 3 s, got 2 s"),
    (lambda: Intervals([0, math.nan], [1, 2]), RangeError, r"start\[1\]: must be finite, in seconds, got nan"),
    (lambda: Intervals([0], [math.inf]), RangeError, r"end\[0\]: must be finite"),
    (lambda: Intervals(["a"], [1]), ShapeError, "must be numbers in seconds"),
    (lambda: Intervals([[0]], [[1]]), ShapeError, r"must have the shape \(N,\), got \(1, 1\)"),
    (lambda: Intervals([0], [1]).where(choice=1), RangeError, r"no column 'choice'; there are \[\]"),
    (lambda: Intervals([0], [1]).windows(0), RangeError, r"windows\.length: must be > 0 s"),
    (lambda: Intervals([0], [1]).windows(1, -1), RangeError, r"windows\.step: must be > 0 s"),
    (lambda: Intervals([0], [1]).widened(math.nan), RangeError, r"widened\.before: must be a finite number"),
])  # fmt: skip
def test_bad_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
