"""Taking events away and adding some: noise filters, and their opposite as augmentation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurosim.data.transforms.base import Fixed, Random
from neurosim.events import Events

LONG_AGO = -(2**62)  # us; stays clear of overflow when subtracted from a timestamp


@dataclass(frozen=True)
class Denoise(Fixed[Events]):
    """Background activity filter: keep events that a neighbour supports.

    An event is kept if one of the four adjacent pixels (either polarity; not the diagonals, not the pixel itself) fired
    less than ``filter_us`` before. Dropped events support others too. All pixels count as having fired at t = 0, so
    everything before ``filter_us`` is kept if the pixel has a neighbour.

    Args:
        filter_us: how long an event supports its neighbours [us], >= 1.

    Source: the background activity filter of Delbruck 2008, Frame-free dynamic digital vision, in the form of Tonic's
    Denoise, to which it is equal (checked in the tests): four neighbours, every pixel alive at t = 0.

    Example:
        >>> events = Events(t=[50, 53, 90], x=[1, 2, 1], y=[0, 0, 0], p=[0, 1, 0], sensor_size=(4, 2, 2))
        >>> Denoise(filter_us=10)(events).t
        array([53])
    """

    filter_us: int

    def __post_init__(self) -> None:
        self._whole("filter_us", 1)

    def _apply(self, events: Events) -> Events:
        from neurosim.kernels.events import supported

        width, height, _ = events.sensor_size
        last = np.full((height + 2, width + 2), LONG_AGO, np.int64)
        last[1:-1, 1:-1] = 0
        keep = np.empty(len(events), np.bool_)
        supported(events.t, events.x, events.y, self.filter_us, last, keep)
        return events.take(keep)


@dataclass(frozen=True)
class RemoveHotPixels(Fixed[Events]):
    """Remove all events of pixels that fire too fast on average.

    A pixel with n events (of all polarities) fires at (n - 1) / (t1 - t0), from the first to the last event of the
    recording; pixels above ``max_rate_hz`` are removed. A recording without duration is left as it is.

    Args:
        max_rate_hz: highest mean rate of a pixel [Hz], > 0.
    """

    max_rate_hz: float

    def __post_init__(self) -> None:
        self._positive("max_rate_hz")

    def _apply(self, events: Events) -> Events:
        if events.duration == 0:
            return events
        pixel = events.y.astype(np.int64) * events.sensor_size[0] + events.x
        count = np.bincount(pixel)
        hot = (count - 1) > self.max_rate_hz * events.duration * 1e-6
        return events.take(~hot[pixel])


@dataclass(frozen=True)
class DropEvents(Random):
    """Drop each event independently with probability ``p``.

    Source: Gu et al. 2021, EventDrop, doi:10.24963/ijcai.2021/97, "random drop", with independent draws.
    """

    p: float

    def __post_init__(self) -> None:
        self._number("p", 0, 1)

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        return events.take(rng.random(len(events)) >= self.p)


@dataclass(frozen=True)
class DropByTime(Random):
    """Drop all events in a random stretch of time.

    Args:
        fraction: length of the stretch as a part of the recording, 0..1.

    Source: Gu et al. 2021, EventDrop, doi:10.24963/ijcai.2021/97, "drop by time".
    """

    fraction: float

    def __post_init__(self) -> None:
        self._number("fraction", 0, 1)

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        ticks = events.duration + 1  # the last event's microsecond belongs to the recording
        length = int(self.fraction * ticks)
        start = events.t[:1] + rng.integers(ticks - length + 1)
        return events.take((events.t < start) | (events.t >= start + length))


@dataclass(frozen=True)
class DropByArea(Random):
    """Drop all events in a random rectangle with the sensor's proportions.

    Args:
        fraction: area of the rectangle as a part of the sensor's, 0..1; sides are rounded to whole pixels.

    Source: Gu et al. 2021, EventDrop, doi:10.24963/ijcai.2021/97, "drop by area".
    """

    fraction: float

    def __post_init__(self) -> None:
        self._number("fraction", 0, 1)

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        outside = np.zeros(len(events), np.bool_)
        for column, extent in ((events.x, events.sensor_size[0]), (events.y, events.sensor_size[1])):
            side = round(extent * self.fraction**0.5)
            start = rng.integers(extent - side + 1)
            outside |= (column < start) | (column >= start + side)
        return events.take(outside)


@dataclass(frozen=True)
class UniformNoise(Random):
    """Add ``n`` events spread evenly over pixels, polarities and the time between first and last event.

    A recording without events has no such time and is left as it is.
    """

    n: int

    def __post_init__(self) -> None:
        self._whole("n", 0)

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        if len(events) == 0:
            return events
        t = np.concatenate([events.t, rng.integers(events.t[0], events.t[-1] + 1, self.n)])
        order = np.argsort(t, kind="stable")
        x, y, p = (
            np.concatenate([column, rng.integers(bound, size=self.n)])[order]
            for column, bound in zip((events.x, events.y, events.p), events.sensor_size, strict=True)
        )
        return Events(t[order], x, y, p, events.sensor_size)
