"""`Intervals`: stretches of time, each with what is known of it, and their algebra."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.errors import RangeError, ShapeError, check_number

Array = NDArray[Any]


class Intervals:
    """Half-open stretches ``start <= t < end`` [s] in the order given, with columns of one entry for each.

    Args:
        start, end: (N,) seconds, finite, ``end >= start``. They may overlap, as trials and stimuli do.
        **columns: (N,) what is known of each, such as ``choice=``.

    Raises:
        ShapeError: lengths that differ.
        RangeError: a time that is not finite, or an end before its start.

    Example:
        >>> trials = Intervals([0, 2, 4], [1, 3, 5], choice=[1, 0, 1])
        >>> len(trials.where(choice=1)), (trials & Intervals([0.5], [4.5])).duration
        (2, 2.0)
    """

    def __init__(self, start: ArrayLike = (), end: ArrayLike = (), **columns: ArrayLike) -> None:
        self.start, self.end = (_times(f"Intervals.{n}", v) for n, v in (("start", start), ("end", end)))
        self.columns: dict[str, Array] = {name: np.asarray(values) for name, values in columns.items()}
        for name, values in {"end": self.end, **self.columns}.items():
            if values.shape[:1] != self.start.shape:
                got = f"{len(values)}" if values.ndim else "one value"
                raise ShapeError(f"Intervals.{name}: must have {len(self.start)} entries, one per start, got {got}.")
        if (wrong := np.flatnonzero(self.end < self.start)).size:
            k = int(wrong[0])
            raise RangeError(
                f"Intervals.end[{k}]: must not be before its start, {self.start[k]:g} s, got {self.end[k]:g} s."
            )

    def __len__(self) -> int:
        return len(self.start)

    def __repr__(self) -> str:
        extent = f", {self.start.min():g} to {self.end.max():g} s" if len(self) else ""
        return f"Intervals({len(self)}{extent}{', ' if self.columns else ''}{', '.join(self.columns)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Intervals) or self.columns.keys() != other.columns.keys():
            return NotImplemented if not isinstance(other, Intervals) else False
        pairs = [(self.start, other.start), (self.end, other.end)]
        pairs += [(values, other.columns[name]) for name, values in self.columns.items()]
        return all(np.array_equal(a, b) for a, b in pairs)

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, which: Any) -> Intervals:
        """Those of a slice, a mask or indices, with their columns."""
        if isinstance(which, (int, np.integer)):
            which = [which]
        return Intervals(self.start[which], self.end[which], **{n: v[which] for n, v in self.columns.items()})

    def where(self, **values: Any) -> Intervals:
        """Those whose columns have these values."""
        kept = np.ones(len(self), bool)
        for name, value in values.items():
            if name not in self.columns:
                raise RangeError(f"Intervals.where: no column {name!r}; there are {list(self.columns)}.")
            kept &= self.columns[name] == value
        return self[kept]

    @property
    def duration(self) -> float:
        """Seconds that at least one of them covers."""
        one = self.merged()
        return float((one.end - one.start).sum())

    def merged(self) -> Intervals:
        """The same stretches of time, ascending, none that touch each other, none empty, without columns."""
        order = np.argsort(self.start, kind="stable")
        start, end = self.start[order], np.maximum.accumulate(self.end[order]) if len(self) else self.end
        filled = end > start
        start, end = start[filled], end[filled]
        first = np.append(True, start[1:] > end[:-1])[: len(start)]
        last = np.append(first[1:], True)[: len(start)]
        return Intervals(start[first], end[last])

    def __or__(self, other: Intervals) -> Intervals:
        """Time in either, merged."""
        return Intervals(np.append(self.start, other.start), np.append(self.end, other.end)).merged()

    def __and__(self, other: Intervals) -> Intervals:
        """Time in both, merged."""
        return _sweep(self.merged(), other.merged(), 2)

    def __sub__(self, other: Intervals) -> Intervals:
        """Time in this and not in the other, merged."""
        mine, theirs = self.merged(), other.merged()
        if not len(mine):
            return mine
        low, high = mine.start[0], mine.end[-1]
        inside = theirs & Intervals([low], [high])
        return mine & Intervals(np.append(low, inside.end), np.append(inside.start, high))

    def overlaps(self, other: Intervals) -> NDArray[np.bool_]:
        """(N,) whether each shares time with any of ``other``; an empty one shares none."""
        one = other.merged()
        following = np.searchsorted(one.end, self.start, side="right")  # the first that ends after the start
        found = np.append(one.start, math.inf)[following] < self.end
        return found & (self.end > self.start)

    def inside(self, other: Intervals) -> NDArray[np.bool_]:
        """(N,) whether each lies in ``other`` as a whole."""
        one = other.merged()
        following = np.searchsorted(one.end, self.start, side="right")
        start, end = np.append(one.start, math.inf)[following], np.append(one.end, math.inf)[following]
        return np.asarray((start <= self.start) & (self.end <= end))

    def contain(self, t: ArrayLike) -> NDArray[np.bool_]:
        """Whether each of the times ``t`` [s] lies in any of them."""
        one, times = self.merged(), np.asarray(t, np.float64)
        at = np.searchsorted(one.start, times, side="right") - 1
        return np.asarray((at >= 0) & (times < np.append(one.end, -math.inf)[at]))

    def widened(self, before: float = 0.0, after: float = 0.0) -> Intervals:
        """Each longer by so many seconds at its ends (shorter where negative, but never below nothing)."""
        check_number("Intervals.widened.before", before)
        check_number("Intervals.widened.after", after)
        start = self.start - before
        return Intervals(start, np.maximum(self.end + after, start), **self.columns)

    def windows(self, length: float, step: float | None = None) -> Intervals:
        """Windows of ``length`` seconds, every ``step`` (default: side by side), each whole in one interval.

        Column ``interval`` says in which.
        """
        step = length if step is None else step
        for name, value in (("length", length), ("step", step)):
            check_number(f"Intervals.windows.{name}", value)
            if value <= 0:
                raise RangeError(f"Intervals.windows.{name}: must be > 0 s, got {value!r}.")
        room = (self.end - self.start - length) / step
        counts = np.where(room > -1e-9, np.floor(room + 1e-9) + 1, 0).astype(np.int64)  # rounding takes no window away
        which = np.repeat(np.arange(len(self)), counts)
        number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        start = self.start[which] + number * step
        return Intervals(start, start + length, interval=which)

    @classmethod
    def joined(cls, parts: Iterable[Intervals]) -> Intervals:
        """All of them, one after the other, with the columns that all have."""
        parts = list(parts)
        if not parts:
            return cls()
        shared = [name for name in parts[0].columns if all(name in p.columns for p in parts)]
        columns: Mapping[str, Array] = {name: np.concatenate([p.columns[name] for p in parts]) for name in shared}
        return cls(np.concatenate([p.start for p in parts]), np.concatenate([p.end for p in parts]), **columns)


def _times(where: str, values: ArrayLike) -> NDArray[np.float64]:
    try:
        times = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{where}: must be numbers in seconds, got {values!r}.") from error
    if times.ndim != 1:
        raise ShapeError(f"{where}: must have the shape (N,), got {times.shape}.")
    if (wrong := np.flatnonzero(~np.isfinite(times))).size:
        raise RangeError(f"{where}[{wrong[0]}]: must be finite, in seconds, got {times[wrong[0]]}.")
    times.flags.writeable = False
    return times


def _sweep(a: Intervals, b: Intervals, depth: int) -> Intervals:
    """Where at least ``depth`` of two merged sets are open."""
    edges = np.concatenate([a.start, b.start, a.end, b.end])
    change = np.repeat([1, -1], [len(a) + len(b), len(a) + len(b)])
    order = np.lexsort((change, edges))  # at equal times the end comes first: half open
    opened = np.cumsum(change[order])
    at = np.flatnonzero((opened >= depth) & (np.append(0, opened[:-1]) < depth))
    edges = edges[order]
    return Intervals(edges[at], edges[at + 1])
