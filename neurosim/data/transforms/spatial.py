"""Where events are: crops, downsampling, flips, shifts, rotation. What leaves the sensor is removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.transforms.base import Fixed, Random, cells
from neurosim.errors import RangeError, check_choice
from neurosim.events import Events

Grid = NDArray[Any]  # coordinates on the way to another pixel: signed integers or fractions


@dataclass(frozen=True)
class Crop(Fixed[Events]):
    """Events inside a rectangle, which becomes the sensor.

    Args:
        x: left column of the rectangle.
        y: top row of the rectangle.
        size: its ``(width, height)``.

    Raises:
        RangeError: the rectangle reaches beyond the sensor.
    """

    x: int
    y: int
    size: tuple[int, int]

    def __post_init__(self) -> None:
        self._whole("x", 0)
        self._whole("y", 0)
        self._size("size")

    def _apply(self, events: Events) -> Events:
        width, height, _ = events.sensor_size
        if self.x + self.size[0] > width or self.y + self.size[1] > height:
            raise RangeError(
                f"Crop: {self.size} (width, height) at x={self.x}, y={self.y} reaches beyond the sensor, "
                f"{(width, height)}."
            )
        return _crop(events, self.x, self.y, self.size)


@dataclass(frozen=True)
class CentreCrop(Fixed[Events]):
    """Events inside a rectangle in the middle of the sensor (rounded towards the top left).

    Args:
        size: ``(width, height)`` of the rectangle.

    Raises:
        RangeError: the rectangle is larger than the sensor.
    """

    size: tuple[int, int]

    def __post_init__(self) -> None:
        self._size("size")

    def _apply(self, events: Events) -> Events:
        free_x, free_y = _room(self, events)
        return _crop(events, free_x // 2, free_y // 2, self.size)


@dataclass(frozen=True)
class RandomCrop(Random):
    """Events inside a rectangle at a random place.

    Args:
        size: ``(width, height)`` of the rectangle.

    Raises:
        RangeError: the rectangle is larger than the sensor.
    """

    size: tuple[int, int]

    def __post_init__(self) -> None:
        self._size("size")

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        free_x, free_y = _room(self, events)
        return _crop(events, int(rng.integers(free_x + 1)), int(rng.integers(free_y + 1)), self.size)


@dataclass(frozen=True)
class Downsample(Fixed[Events]):
    """Fewer, larger pixels; timestamps stay. Give one of ``factor`` and ``size``.

    Args:
        factor: pixels of the sensor per new pixel and axis; x becomes x // factor, a remainder at the right or bottom
            becomes a smaller pixel.
        size: new ``(width, height)``; x becomes x * width // sensor width.
        duplicates: events of equal time, pixel and polarity are kept as they are ("keep"), or the first of them
            stands for all ("merge").

    Raises:
        RangeError: none or both of ``factor`` and ``size``, or ``size`` larger than the sensor.

    Example:
        >>> events = Events(t=[3, 3], x=[4, 5], y=[0, 1], p=[1, 1], sensor_size=(8, 4, 2))
        >>> Downsample(factor=2, duplicates="merge")(events)
        Events(1 events, 4x2x2, 3..3 us)
    """

    factor: int | None = None
    size: tuple[int, int] | None = None
    duplicates: str = "keep"

    def __post_init__(self) -> None:
        if (self.factor is None) == (self.size is None):
            raise RangeError(f"Downsample: give one of factor and size, got factor={self.factor}, size={self.size}.")
        if self.factor is not None:
            self._whole("factor", 1)
        if self.size is not None:
            self._size("size")
        check_choice("Downsample.duplicates", self.duplicates, ("keep", "merge"))

    def _apply(self, events: Events) -> Events:
        width, height, polarities = events.sensor_size
        if self.factor is not None:
            new = (-(-width // self.factor), -(-height // self.factor))
            column, row = np.arange(width) // self.factor, np.arange(height) // self.factor
        else:
            _room(self, events)
            new = self.size or (width, height)  # __post_init__ saw to it that there is a size
            column, row = np.arange(width) * new[0] // width, np.arange(height) * new[1] // height
        x, y = column.astype(np.uint16)[events.x], row.astype(np.uint16)[events.y]
        smaller = Events(events.t, x, y, events.p, (*new, polarities))
        return _merged(smaller) if self.duplicates == "merge" else smaller


@dataclass(frozen=True)
class FlipX(Random):
    """Mirror left and right with probability ``p``."""

    p: float = 0.5

    def __post_init__(self) -> None:
        self._number("p", 0, 1)

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        if rng.random() >= self.p:
            return events
        return Events(
            events.t, events.sensor_size[0] - 1 - events.x.astype(int), events.y, events.p, events.sensor_size
        )


@dataclass(frozen=True)
class FlipY(Random):
    """Mirror top and bottom with probability ``p``."""

    p: float = 0.5

    def __post_init__(self) -> None:
        self._number("p", 0, 1)

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        if rng.random() >= self.p:
            return events
        return Events(
            events.t, events.x, events.sensor_size[1] - 1 - events.y.astype(int), events.p, events.sensor_size
        )


@dataclass(frozen=True)
class Shift(Fixed[Events]):
    """Move all events by ``dx`` columns (right) and ``dy`` rows (down); what leaves the sensor is removed."""

    dx: int
    dy: int

    def __post_init__(self) -> None:
        self._whole("dx")
        self._whole("dy")

    def _apply(self, events: Events) -> Events:
        return _moved(events, events.x.astype(np.int64) + self.dx, events.y.astype(np.int64) + self.dy)


@dataclass(frozen=True)
class Centre(Fixed[Events]):
    """Move all events so that their median column and row lie in the middle of the sensor.

    For recordings of one thing wherever it is: the median stays put under scattered noise. What leaves the sensor is
    removed.
    """

    def _apply(self, events: Events) -> Events:
        if not len(events):
            return events
        width, height, _ = events.sensor_size
        dx, dy = width // 2 - int(np.median(events.x)), height // 2 - int(np.median(events.y))
        return _moved(events, events.x.astype(np.int64) + dx, events.y.astype(np.int64) + dy)


@dataclass(frozen=True)
class RandomTranslate(Random):
    """Move all events by at most ``max_dx`` columns and ``max_dy`` rows; what leaves the sensor is removed."""

    max_dx: int
    max_dy: int

    def __post_init__(self) -> None:
        self._whole("max_dx", 0)
        self._whole("max_dy", 0)

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        dx = rng.integers(-self.max_dx, self.max_dx + 1)
        dy = rng.integers(-self.max_dy, self.max_dy + 1)
        return _moved(events, events.x + dx, events.y + dy)


@dataclass(frozen=True)
class RandomRotate(Random):
    """Rotate about the middle of the sensor by a random angle.

    Events go to the nearest pixel; what leaves the sensor is removed. Positive angles turn counter-clockwise in an
    image whose y axis points down.

    Args:
        degrees: the angle is uniform in -degrees..degrees.
    """

    degrees: float

    def __post_init__(self) -> None:
        self._number("degrees", 0, 180)

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        return rotated(events, rng.uniform(-self.degrees, self.degrees))


@dataclass(frozen=True)
class RandomScale(Random):
    """Zoom about the middle of the sensor by a random factor.

    Events go to the nearest pixel; what leaves the sensor is removed. Factors above 1 leave gaps between pixels.

    Args:
        low: smallest factor, > 0.
        high: largest factor, >= low.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        self._positive("low")
        self._number("high", self.low)

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        factor = rng.uniform(self.low, self.high)
        dx, dy, x0, y0 = _from_centre(events)
        return _moved(events, x0 + factor * dx, y0 + factor * dy)


def rotated(events: Events, degrees: float) -> Events:
    """Events turned counter-clockwise about the middle of the sensor; what leaves it is removed."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    dx, dy, x0, y0 = _from_centre(events)
    return _moved(events, x0 + cos * dx + sin * dy, y0 - sin * dx + cos * dy)


def _room(transform: CentreCrop | RandomCrop | Downsample, events: Events) -> tuple[int, int]:
    """Columns and rows by which the sensor is larger than ``transform.size``."""
    assert transform.size is not None  # Downsample calls only with a size
    free = (events.sensor_size[0] - transform.size[0], events.sensor_size[1] - transform.size[1])
    if min(free) < 0:
        raise RangeError(
            f"{type(transform).__name__}.size: {transform.size} (width, height) is larger than the sensor, "
            f"{events.sensor_size[:2]}."
        )
    return free


def _crop(events: Events, x: int, y: int, size: tuple[int, int]) -> Events:
    left, top = events.x.astype(np.int64) - x, events.y.astype(np.int64) - y
    return _moved(events, left, top, (*size, events.sensor_size[2]))


def _moved(events: Events, x: Grid, y: Grid, size: tuple[int, int, int] | None = None) -> Events:
    """Events at the pixels nearest to (x, y), without those outside the sensor of ``size``."""
    size = size or events.sensor_size
    x, y = np.rint(x), np.rint(y)
    inside = (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])
    return Events(events.t[inside], x[inside].astype(np.uint16), y[inside].astype(np.uint16), events.p[inside], size)


def _from_centre(events: Events) -> tuple[Grid, Grid, float, float]:
    x0, y0 = (events.sensor_size[0] - 1) / 2, (events.sensor_size[1] - 1) / 2
    return events.x - x0, events.y - y0, x0, y0


def _merged(events: Events) -> Events:
    from neurosim.kernels.events import first_of_instant

    keep = np.empty(len(events), np.bool_)
    last = np.full(int(np.prod(events.sensor_size)), -1, np.int64)
    first_of_instant(events.t, cells(events), last, keep)
    return events.take(keep)
