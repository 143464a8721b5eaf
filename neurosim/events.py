"""`Events`: a recording of an event camera, silicon cochlea or tactile sensor, sorted and validated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError

STRUCTURED = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one recording, in the order of time.

    Args:
        t: (N,) int64 timestamps [us], not negative, never decreasing.
        x: (N,) uint16 column, ``0 <= x < width``.
        y: (N,) uint16 row, ``0 <= y < height``.
        p: (N,) uint8 polarity (or channel), ``0 <= p < polarities``; 1 is ON.
        sensor_size: ``(width, height, polarities)``, as in Tonic.

    Raises:
        ShapeError: columns of different lengths, or not one-dimensional.
        RangeError: unsorted or negative timestamps, coordinates outside the sensor.

    Example:
        >>> e = Events(t=[0, 10], x=[1, 2], y=[0, 0], p=[1, 0], sensor_size=(4, 2, 2))
        >>> len(e), e.duration
        (2, 10)
    """

    t: NDArray[np.int64]
    x: NDArray[np.uint16]
    y: NDArray[np.uint16]
    p: NDArray[np.uint8]
    sensor_size: tuple[int, int, int]

    def __post_init__(self) -> None:
        size = tuple(int(n) for n in self.sensor_size)
        if len(size) != 3 or min(size) < 1 or max(size) > 65536:
            raise RangeError(
                f"Events.sensor_size: must be (width, height, polarities), each in 1..65536, got {self.sensor_size!r}."
            )
        object.__setattr__(self, "sensor_size", size)
        object.__setattr__(self, "t", _column("t", self.t, np.int64))
        n = len(self.t)
        for name, bound, dtype in zip("xyp", size, (np.uint16, np.uint16, np.uint8), strict=True):
            column = _column(name, getattr(self, name), None)
            if len(column) != n:
                raise ShapeError(f"Events.{name}: must have one entry per timestamp ({n}), got {len(column)}.")
            _check_bounds(name, column, bound)
            object.__setattr__(self, name, np.ascontiguousarray(column, dtype=dtype))
        _check_sorted(self.t)

    def __len__(self) -> int:
        return len(self.t)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Events):
            return NotImplemented
        return self.sensor_size == other.sensor_size and all(
            np.array_equal(getattr(self, c), getattr(other, c)) for c in "txyp"
        )

    def __repr__(self) -> str:
        w, h, p = self.sensor_size
        span = f"{self.t[0]}..{self.t[-1]} us" if len(self) else "empty"
        return f"Events({len(self)} events, {w}x{h}x{p}, {span})"

    @property
    def duration(self) -> int:
        """Time from the first to the last event [us]; 0 when empty."""
        return int(self.t[-1] - self.t[0]) if len(self) else 0

    def take(self, index: Any) -> Events:
        """Events chosen by a mask, slice or sorted index array."""
        return Events(self.t[index], self.x[index], self.y[index], self.p[index], self.sensor_size)

    def between(self, start: int, stop: int) -> Events:
        """Events with ``start <= t < stop`` [us]; timestamps are kept."""
        first, last = np.searchsorted(self.t, [start, stop])
        return self.take(slice(first, last))

    def from_zero(self) -> Events:
        """The same events with the first one at t = 0."""
        return self if not len(self) else Events(self.t - self.t[0], self.x, self.y, self.p, self.sensor_size)

    def to_structured(self) -> NDArray[np.void]:
        """Structured array with fields x, y, t, p, as Tonic uses."""
        out = np.empty(len(self), STRUCTURED)
        for name in "xytp":
            out[name] = getattr(self, name)
        return out

    @classmethod
    def from_structured(cls, array: NDArray[np.void], sensor_size: tuple[int, int, int]) -> Events:
        """Events from a structured array with fields t, p, x and (unless the sensor is a line) y."""
        names = array.dtype.names or ()
        if missing := [n for n in ("t", "x", "p") if n not in names]:
            raise ShapeError(f"Events.from_structured: fields {missing} are missing, got {list(names)}.")
        y = array["y"] if "y" in names else np.zeros(len(array), np.uint16)
        return cls(array["t"], array["x"], y, array["p"], sensor_size)

    @classmethod
    def empty(cls, sensor_size: tuple[int, int, int]) -> Events:
        """A recording without events."""
        none = np.empty(0, np.int64)
        return cls(none, none, none, none, sensor_size)  # type: ignore[arg-type]


def _column(name: str, values: Any, dtype: Any) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ShapeError(f"Events.{name}: must be one-dimensional, got shape {array.shape}.")
    if array.size == 0:
        return np.empty(0, dtype or np.int64)
    if array.dtype.kind == "f" and not np.all(np.isfinite(array) & (array == np.floor(array))):
        raise RangeError(f"Events.{name}: must be whole numbers (timestamps are in us), got {array.dtype} fractions.")
    if array.dtype.kind not in "iubf":
        raise ShapeError(f"Events.{name}: must be an integer array, got dtype {array.dtype}.")
    return np.ascontiguousarray(array, dtype=dtype) if dtype is not None else array


def _check_bounds(name: str, column: NDArray[Any], bound: int) -> None:
    if column.size and (int(column.min()) < 0 or int(column.max()) >= bound):
        bad = int(np.flatnonzero((column < 0) | (column >= bound))[0])
        raise RangeError(f"Events.{name}: must be in 0..{bound - 1} on this sensor, got {column[bad]} at index {bad}.")


def _check_sorted(t: NDArray[np.int64]) -> None:
    if t.size and t[0] < 0:
        raise RangeError(f"Events.t: timestamps must not be negative, got {t[0]} us at index 0.")
    if t.size > 1 and np.any(back := t[1:] < t[:-1]):
        i = int(np.argmax(back)) + 1
        raise RangeError(
            f"Events.t: timestamps must not decrease, got {t[i]} us after {t[i - 1]} us at index {i}. "
            "Sort them first: order = np.argsort(t, kind='stable')."
        )
