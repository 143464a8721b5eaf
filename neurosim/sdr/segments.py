"""Dendritic segments: each listens to a few cells and fires when enough of them are active together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError
from neurosim.graph.base import wholes
from neurosim.kernels import segments as kernels
from neurosim.sdr.checks import generator, whole
from neurosim.sdr.sdr import SDR

ROOM = 65536  # firings that one call of the kernel can write


@dataclass(frozen=True)
class DendriticSegment:
    """What a segment is like: it keeps ``s`` cells of a pattern and fires when ``theta`` of them are active.

    How often it is wrong is known in closed form: `theory.false_match`, `theory.false_negative`.

    Args:
        s: number of synapses, >= 1.
        theta: threshold [active synapses], 1..s.
        window: ticks a synapse stays active after an event, >= 1; 1 counts what is active in the same tick.

    Source: Ahmad and Hawkins, arXiv:1601.00720.
    """

    s: int
    theta: int
    window: int = 1

    def __post_init__(self) -> None:
        whole("DendriticSegment.s", self.s, 1)
        whole("DendriticSegment.theta", self.theta, 1, self.s)
        whole("DendriticSegment.window", self.window, 1)

    def sample(self, pattern: SDR, rng: int | np.random.Generator) -> SDR:
        """The synapses of one segment: ``s`` of the active cells of a pattern, all choices equally likely.

        Raises:
            RangeError: the pattern has fewer active cells.
        """
        if pattern.active < self.s:
            raise RangeError(
                f"DendriticSegment.sample: pattern must have at least s = {self.s} active cells, got {pattern.active}."
            )
        return pattern.subsample(self.s, rng)

    def learn(self, patterns: Sequence[SDR], count: int, rng: int | np.random.Generator) -> Segments:
        """Segments for ``patterns`` as HTM makes them: a fresh one for each, that samples its cells.

        Where there are more patterns than ``count`` segments, the patterns are put into ``count`` groups by k-means,
        and a segment keeps the cells that the most patterns of its group share.

        Args:
            patterns: of equal dimensions, at least one.
            count: largest number of segments, >= 1; with fewer patterns there are as many as patterns.
            rng: seed or generator.

        Raises:
            RangeError: a pattern or group with fewer than ``s`` cells.
        """
        rng, count = generator("DendriticSegment.learn: rng", rng), whole("DendriticSegment.learn: count", count, 1)
        dims = _dims_of("DendriticSegment.learn: patterns", patterns)
        if len(patterns) <= count:
            synapses = [self.sample(pattern, rng) for pattern in patterns]
        else:
            group = k_means(patterns, count, rng)
            members = [[p for p, g in zip(patterns, group, strict=True) if g == k] for k in range(count)]
            synapses = [SDR(dims, self._most_shared(m, rng)) for m in members if m]
        return Segments(synapses, self.theta, self.window)

    def _most_shared(self, patterns: Sequence[SDR], rng: np.random.Generator) -> NDArray[np.int64]:
        cells, shared = np.unique(np.concatenate([p.sparse for p in patterns]), return_counts=True)
        if len(cells) < self.s:
            raise RangeError(
                f"DendriticSegment.learn: patterns: a group has {len(cells)} cells, fewer than s = {self.s}."
            )
        order = np.lexsort((rng.random(len(cells)), -shared))  # equals by chance
        return np.sort(cells[order[: self.s]])


class SegmentState(NamedTuple):
    """What segments remember from one part of a stream to the next; made by `Segments.run` alone."""

    counts: NDArray[np.int32]  # (segments,) active synapses after the last tick
    last: NDArray[np.int64]  # (cells,) tick of the last event
    touched: NDArray[np.int64]  # (segments,) tick of the last event of any synapse
    ticks: NDArray[np.int64]  # events whose synapses are still active
    cells: NDArray[np.int32]
    tick: int  # last one


class Fired(NamedTuple):
    """Firings of segments, by tick, then by segment."""

    ticks: NDArray[np.int64]
    segments: NDArray[np.int32]
    counts: NDArray[np.int32]  # active synapses, at least the threshold


class Segments:
    """Segments on the cells of one population, driven by events.

    Args:
        synapses: for each segment, the cells it listens to; at least one segment, equal dimensions.
        theta: threshold [active synapses], >= 1 and not above the synapses of any segment.
        window: ticks a synapse stays active after an event, >= 1.

    Raises:
        RangeError: a threshold below 1 or above the number of synapses of a segment.
        ShapeError: no segment, or cells of different populations.

    Example:
        >>> segments = Segments([SDR(8, [0, 1, 2]), SDR(8, [2, 3, 4])], theta=2)
        >>> segments.counts(SDR(8, [0, 2, 7])).tolist(), segments.active(SDR(8, [0, 2, 7])).sparse.tolist()
        ([2, 1], [0])
    """

    def __init__(self, synapses: Sequence[SDR], theta: int, window: int = 1) -> None:
        self.dims = _dims_of("Segments.synapses", synapses)
        self.synapses = tuple(synapses)
        fewest = min(s.active for s in self.synapses)
        self.theta = whole("Segments.theta", theta, 1)
        if self.theta > fewest:
            raise RangeError(f"Segments.theta: must be at most the synapses of each segment, {fewest}, got {theta!r}.")
        self.window = whole("Segments.window", window, 1)
        cells = np.concatenate([s.sparse for s in self.synapses])
        owner = np.repeat(np.arange(len(self.synapses), dtype=np.int32), [s.active for s in self.synapses])
        size = self.synapses[0].size
        self._starts = np.concatenate(([0], np.cumsum(np.bincount(cells, minlength=size)))).astype(np.int64)
        self._targets = owner[np.argsort(cells, kind="stable")]

    def __len__(self) -> int:
        return len(self.synapses)

    def __repr__(self) -> str:
        return f"Segments({len(self)} on {self.dims}, {len(self._targets)} synapses, theta={self.theta})"

    def counts(self, sdr: SDR) -> NDArray[np.int32]:
        """(segments,) number of active synapses of each, for cells that are active in one tick.

        Raises:
            ShapeError: cells of another population; so for `active`.
        """
        _check_dims("Segments.counts", sdr, self.dims)
        counts = np.zeros(len(self), np.int32)
        kernels.count_events(sdr.sparse, self._starts, self._targets, counts)
        return counts

    def active(self, sdr: SDR) -> SDR:
        """The segments that fire for cells that are active in one tick."""
        return SDR(len(self), np.flatnonzero(self.counts(sdr) >= self.theta))

    def run(self, ticks: Any, cells: Any, state: SegmentState | None = None) -> tuple[Fired, SegmentState]:
        """Run a stream of events.

        A synapse is active at the tick of an event of its cell and the window - 1 ticks after it; more events of the
        cell in that time do not count twice. A segment fires at a tick that brings an event to any of its synapses and
        leaves at least theta of them active. Parts of a stream may be run one after the other, cut between ticks.

        Args:
            ticks: (events,) whole numbers, never decreasing.
            cells: (events,) flat index of each event's cell.
            state: of the part before, or None at the start.

        Raises:
            RangeError: ticks that decrease, or do not come after those of the part before; a cell out of range.
            ShapeError: columns of different lengths, or not of integers; a state of other segments.
        """
        ticks = wholes("Segments.run: ticks", ticks, -(2**61), 2**61, np.int64)
        cells = wholes("Segments.run: cells", cells, 0, self.synapses[0].size - 1)
        if len(ticks) != len(cells):
            raise ShapeError(f"Segments.run: cells: must be one per tick ({len(ticks)}), got {len(cells)}.")
        state = self._start() if state is None else state
        if len(state.counts) != len(self) or len(state.last) != self.synapses[0].size:
            raise ShapeError(f"Segments.run: state: must be that of {self!r}, got one of {len(state.counts)} segments.")
        if (back := ticks[1:] < ticks[:-1]).any():
            i = int(np.argmax(back)) + 1
            raise RangeError(f"Segments.run: ticks[{i}]: must not decrease, got {ticks[i]} after {ticks[i - 1]}.")
        if len(ticks) and ticks[0] <= state.tick:
            raise RangeError(
                f"Segments.run: ticks[0]: must be after the last tick of the part before, {state.tick}, got {ticks[0]}."
            )
        return self._run(ticks, cells, state)

    def _start(self) -> SegmentState:
        none = np.empty(0, np.int64)
        last, touched = (np.full(n, kernels.NEVER) for n in (self.synapses[0].size, len(self)))
        return SegmentState(np.zeros(len(self), np.int32), last, touched, none, none.astype(np.int32), kernels.NEVER)

    def _run(self, ticks: Any, cells: Any, state: SegmentState) -> tuple[Fired, SegmentState]:
        counts, last, touched = state.counts.copy(), state.last.copy(), state.touched.copy()
        place = np.array([len(state.ticks), 0])
        ticks, cells = np.concatenate((state.ticks, ticks)), np.concatenate((state.cells, cells))
        room = max(ROOM, len(self))
        found: list[tuple[NDArray[Any], ...]] = []
        while place[0] < len(ticks):
            out = (np.empty(room, np.int64), np.empty(room, np.int32), np.empty(room, np.int32))
            n = kernels.run_events(
                ticks, cells, self.window, self.theta, self._starts, self._targets, counts, last, touched, place, *out
            )
            found.append(tuple(a[:n] for a in out))
        kinds = (np.int64, np.int32, np.int32)
        columns = [np.concatenate([np.empty(0, kind), *(f[k] for f in found)]) for k, kind in enumerate(kinds)]
        tick = int(ticks[-1]) if len(ticks) else state.tick
        kept = slice(place[1], None)
        return Fired(*columns), SegmentState(counts, last, touched, ticks[kept].copy(), cells[kept].copy(), tick)


def k_means(
    patterns: Sequence[SDR], count: int, rng: int | np.random.Generator, rounds: int = 100
) -> NDArray[np.int64]:
    """Group of each pattern, 0..count - 1, after Lloyd's method on their dense forms, from ``count`` of the patterns.

    A group that loses its last pattern takes the one that is farthest from the centre of its own.

    Args:
        patterns: of equal dimensions, at least ``count``.
        count: number of groups, >= 1.
        rng: seed or generator.
        rounds: most of them; it stops when no pattern changes its group.
    """
    _dims_of("k_means: patterns", patterns)
    rng, count = generator("k_means: rng", rng), whole("k_means: count", count, 1, len(patterns))
    chosen = rng.choice(len(patterns), count, replace=False)
    centres = np.array([patterns[i].dense.ravel() for i in chosen], np.float64)
    group = np.full(len(patterns), -1)
    for _ in range(whole("k_means: rounds", rounds, 1)):
        inside = np.array([centres[:, p.sparse].sum(1) for p in patterns])
        active = np.array([p.active for p in patterns])
        distance = active[:, None] - 2.0 * inside + (centres**2).sum(1)
        new = distance.argmin(1)
        own = distance[np.arange(len(patterns)), new]
        for k in np.setdiff1d(np.arange(count), new):
            spare = np.flatnonzero(np.bincount(new, minlength=count)[new] > 1)
            far = spare[own[spare].argmax()]
            new[far], own[far] = k, 0.0
        if np.array_equal(new, group):
            break
        group = new
        centres[:] = 0.0
        for p, k in zip(patterns, group, strict=True):
            centres[k, p.sparse] += 1.0
        centres /= np.bincount(group, minlength=count)[:, None]
    return group


def _dims_of(where: str, sdrs: Sequence[SDR]) -> tuple[int, ...]:
    if len(sdrs) == 0 or not isinstance(sdrs[0], SDR):
        raise ShapeError(f"{where}: must be a list of SDRs, at least one, got {sdrs!r:.60}.")
    for sdr in sdrs:
        _check_dims(where, sdr, sdrs[0].dims)
    return sdrs[0].dims


def _check_dims(where: str, sdr: Any, dims: tuple[int, ...]) -> None:
    if not isinstance(sdr, SDR) or sdr.dims != dims:
        got = sdr.dims if isinstance(sdr, SDR) else type(sdr).__name__
        raise ShapeError(f"{where}: must be an SDR of dimensions {dims}, got {got}.")
