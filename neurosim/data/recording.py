"""`Recording`: spikes, signals and intervals of one session, on the stretches of time where it is defined.

The arrays may lie in memory or in a file; slicing changes the domain only, and nothing is read before it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.data.intervals import Intervals
from neurosim.errors import RangeError, ShapeError, check_number

Array = NDArray[Any]


class Stored(Protocol):
    """What an array must offer: numpy's and h5py's do."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    def __getitem__(self, which: Any) -> Any: ...


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spikes of a population of units.

    Args:
        times: (S,) seconds, ascending.
        units: (S,) whole numbers in 0..n_units-1, of the unit that fired.
        n_units: how many units; those that never fire count.
        table: what is known of each unit, (n_units,) per column, such as ``area=`` or ``quality=``.

    Raises:
        ShapeError: lengths or types that do not fit.
        RangeError: times not finite or not ascending, or a unit out of range; the message has the first.
    """

    times: Stored
    units: Stored
    n_units: int
    table: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("times", "units"):
            if not hasattr(getattr(self, name), "dtype"):
                object.__setattr__(self, name, np.asarray(getattr(self, name)))
        if len(self.times.shape) != 1 or self.times.shape != self.units.shape:
            raise ShapeError(f"Spikes.units: must have one entry per time, {self.times.shape}, got {self.units.shape}.")
        if np.dtype(self.units.dtype).kind not in "iu" and self.units.shape[0]:
            raise ShapeError(f"Spikes.units: must be whole numbers, got {self.units.dtype}.")
        for name, values in self.table.items():
            if np.shape(values)[:1] != (self.n_units,):
                raise ShapeError(
                    f"Spikes.table[{name!r}]: must have {self.n_units} entries, one per unit, got {np.shape(values)}."
                )
        if isinstance(self.times, np.ndarray):
            self._check(self.times, np.asarray(self.units), 0)

    def _check(self, times: Array, units: Array, first: int) -> None:
        """Raise unless these spikes, from number ``first`` on, are in order; those of a file when they are read."""
        if (wrong := np.flatnonzero(~np.isfinite(times))).size:
            raise RangeError(f"Spikes.times[{first + wrong[0]}]: must be finite, got {times[wrong[0]]}.")
        if (wrong := np.flatnonzero(np.diff(times) < 0)).size:
            k = int(wrong[0]) + 1
            raise RangeError(
                f"Spikes.times[{first + k}]: must ascend, got {times[k]:g} s after {times[k - 1]:g} s. Sort times and "
                "units together."
            )
        if (wrong := np.flatnonzero((units < 0) | (units >= self.n_units))).size:
            k = int(wrong[0])
            raise RangeError(f"Spikes.units[{first + k}]: must be in 0..{self.n_units - 1}, got {units[k]}.")

    def between(self, start: float, end: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Times [s] and units of the spikes in ``start <= t < end``; nothing else is read, but for a binary search."""
        a, b = _search(self.times, start), _search(self.times, end)
        times, units = np.asarray(self.times[a:b], np.float64), np.asarray(self.units[a:b], np.int64)
        if not isinstance(self.times, np.ndarray):
            self._check(times, units, a)
        return times, units

    def select(self, units: ArrayLike) -> Spikes:
        """The units of a mask or of ascending numbers, counted anew from 0; reads all spikes."""
        kept = np.flatnonzero(units) if np.asarray(units).dtype == bool else np.asarray(units, np.int64)
        if kept.size and (kept.min() < 0 or kept.max() >= self.n_units or (np.diff(kept) <= 0).any()):
            raise RangeError(f"Spikes.select.units: must ascend in 0..{self.n_units - 1}, got {units!r}.")
        number = np.full(self.n_units, -1)
        number[kept] = np.arange(kept.size)
        new = number[np.asarray(self.units[:], np.int64)]
        table = {name: np.asarray(values)[kept] for name, values in self.table.items()}
        return Spikes(np.asarray(self.times[:])[new >= 0], new[new >= 0], kept.size, table)


@dataclass(frozen=True, eq=False)
class Signal:
    """Regular samples: sample k is at ``start + k / rate``.

    Args:
        values: (T, C).
        rate: Hz.
        start: time of the first sample [s].
        channels: (C,) names, or none.

    Raises:
        ShapeError, RangeError: values that are not (T, C), a rate that is not above 0, names that do not fit.
    """

    values: Stored
    rate: float
    start: float = 0.0
    channels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not hasattr(self.values, "dtype"):
            object.__setattr__(self, "values", np.asarray(self.values))
        if len(self.values.shape) != 2:
            raise ShapeError(f"Signal.values: must be (T, C), got {self.values.shape}.")
        check_number("Signal.rate", self.rate)
        check_number("Signal.start", self.start)
        if self.rate <= 0:
            raise RangeError(f"Signal.rate: must be > 0 Hz, got {self.rate!r}.")
        if self.channels and len(self.channels) != self.values.shape[1]:
            raise ShapeError(
                f"Signal.channels: must have {self.values.shape[1]} names, one per channel, got {len(self.channels)}."
            )

    @property
    def extent(self) -> Intervals:
        """From the first sample to one period after the last."""
        return Intervals([self.start], [self.start + self.values.shape[0] / self.rate])

    def between(self, start: float, end: float) -> tuple[NDArray[np.float64], Array]:
        """Times [s] and values of the samples in ``start <= t < end``; nothing else is read."""
        a, b = (self._first(t) for t in (start, end))
        return self.start + np.arange(a, b) / self.rate, np.asarray(self.values[a:b])

    def _first(self, t: float) -> int:
        """Number of the first sample at or after ``t``; a millionth of a period of rounding is forgiven."""
        return int(np.clip(np.ceil((t - self.start) * self.rate - 1e-6), 0, self.values.shape[0]))


@dataclass(frozen=True, eq=False)
class Recording:
    """One session.

    Args:
        spikes, signals, intervals: by name; intervals are trials, stimuli, seizures.
        domain: where the recording is defined; default: from the first to the last spike, sample or interval.
        about: what is known of the session, such as ``subject=`` and ``session=``.

    Raises:
        RangeError: a domain beyond a signal, trials outside the domain (of the whole recording), or a name twice.

    Example:
        >>> import numpy as np
        >>> spikes = Spikes(np.array([0.1, 0.2, 1.5]), np.array([0, 1, 0]), 2)
        >>> recording = Recording({"units": spikes}, domain=Intervals([0], [2]))
        >>> recording[0:1].counts("units", 0.5)[1].tolist()
        [[1, 1], [0, 0]]
    """

    spikes: Mapping[str, Spikes] = field(default_factory=dict)
    signals: Mapping[str, Signal] = field(default_factory=dict)
    intervals: Mapping[str, Intervals] = field(default_factory=dict)
    domain: Intervals | None = None
    about: Mapping[str, str | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [*self.spikes, *self.signals, *self.intervals]
        if len(set(names)) < len(names):
            raise RangeError(f"Recording: every name must be there once, got {names}.")
        domain = self._extent() if self.domain is None else self.domain.merged()
        object.__setattr__(self, "domain", domain)
        for name, signal in self.signals.items():
            if (domain - signal.extent.widened(1e-9, 1e-9)).duration > 0:
                raise RangeError(
                    f"Recording.domain: must lie within signal {name!r}, {_told(signal.extent)}, got {_told(domain)}. "
                    "Do their clocks agree?"
                )
        for name, given in self.intervals.items():
            if (outside := np.flatnonzero(~given.inside(domain.widened(1e-9, 1e-9)))).size:
                k = int(outside[0])
                raise RangeError(
                    f"Recording.intervals[{name!r}]: {given.start[k]:g} to {given.end[k]:g} s (number {k}) is outside "
                    f"the domain, {_told(domain)}. Leave it out, or correct its clock."
                )

    def _extent(self) -> Intervals:
        ends = [(s.extent.start[0], s.extent.end[0]) for s in self.signals.values()]
        ends += [(i.start.min(), i.end.max()) for i in self.intervals.values() if len(i)]
        for s in self.spikes.values():
            if n := s.times.shape[0]:
                ends.append((float(s.times[0]), np.nextafter(float(s.times[n - 1]), np.inf)))
        return Intervals([min(a for a, _ in ends)], [max(b for _, b in ends)]) if ends else Intervals()

    def __repr__(self) -> str:
        parts = [f"{n}: {s.n_units} units, {s.times.shape[0]} spikes" for n, s in self.spikes.items()]
        parts += [f"{n}: {s.values.shape[1]} channels at {s.rate:g} Hz" for n, s in self.signals.items()]
        parts += [f"{n}: {len(i)}" for n, i in self.intervals.items()]
        return f"Recording({'; '.join(parts)}; {_told(self._where)})"

    @property
    def _where(self) -> Intervals:
        assert self.domain is not None
        return self.domain

    def restricted(self, to: Intervals) -> Recording:
        """The same recording on less of its domain; intervals that are not inside as a whole are gone."""
        domain = self._where & to
        kept = {name: given[given.inside(domain)] for name, given in self.intervals.items()}
        return replace(self, domain=domain, intervals=kept)

    def __getitem__(self, stretch: slice) -> Recording:
        """``recording[start:end]``: the stretch start <= t < end [s]."""
        if not isinstance(stretch, slice) or stretch.step is not None:
            raise ShapeError(f"Recording[...]: takes recording[start:end] in seconds, got {stretch!r}.")
        if not len(self._where):
            return self
        start = self._where.start[0] if stretch.start is None else stretch.start
        end = self._where.end[-1] if stretch.stop is None else stretch.stop
        return self.restricted(Intervals([start], [end]))

    def pieces(self) -> Iterator[Recording]:
        """Each stretch of the domain as a recording of its own."""
        for k in range(len(self._where)):
            yield self.restricted(self._where[k])

    def counts(self, name: str, bin_width: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Starts of bins (T,) [s] and spike counts (T, n_units) in all whole bins of the domain.

        Every stretch of the domain has bins of its own from its start; what is left at its end is no bin.

        Raises:
            RangeError: an unknown name, or ``bin_width`` <= 0.
        """
        spikes = self._named(self.spikes, name)
        bins = self._where.windows(bin_width)
        counts = np.zeros((len(bins), spikes.n_units), np.int64)
        for k in range(len(self._where)):
            rows = np.flatnonzero(bins.columns["interval"] == k)
            if not rows.size:
                continue
            times, units = spikes.between(self._where.start[k], bins.end[rows[-1]])
            at = np.searchsorted(bins.start[rows], times, side="right") - 1
            np.add.at(counts, (rows[at], units), 1)
        return bins.start, counts

    def samples(self, name: str) -> tuple[NDArray[np.float64], Array]:
        """Times (T,) [s] and values (T, C) of a signal in the domain."""
        signal = self._named(self.signals, name)
        parts = [signal.between(a, b) for a, b in zip(self._where.start, self._where.end, strict=True)]
        if not parts:
            return np.empty(0), np.empty((0, signal.values.shape[1]), signal.values.dtype)
        return np.concatenate([t for t, _ in parts]), np.concatenate([v for _, v in parts])

    @staticmethod
    def _named(among: Mapping[str, Any], name: str) -> Any:
        if name not in among:
            raise RangeError(f"Recording: there is no {name!r} here, only {list(among)}.")
        return among[name]


def _told(domain: Intervals) -> str:
    if not len(domain):
        return "nothing"
    pieces = f" in {len(domain)} pieces" if len(domain) > 1 else ""
    return f"{domain.start[0]:g} to {domain.end[-1]:g} s{pieces}"


def _search(times: Stored, t: float) -> int:
    """Number of the first time at or after ``t``: numpy's search, one entry at a time where the array is in a file."""
    if isinstance(times, np.ndarray):
        return int(np.searchsorted(times, t))
    low, high = 0, times.shape[0]
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if times[middle] < t else (low, middle)
    return low
