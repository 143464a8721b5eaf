"""When events happen: reversal, jitter, scaling, shifting. Results are sorted again and never negative."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurosim.data.transforms.base import Random
from neurosim.data.transforms.polarity import flipped
from neurosim.errors import check_choice
from neurosim.events import Events


@dataclass(frozen=True)
class FlipTime(Random):
    """Run the recording backwards, between the same first and last timestamps, with probability ``p``.

    Args:
        p: probability.
        polarity: "flip" (an edge that appears backwards disappears: ON becomes OFF) or "keep". "flip" does nothing
            on a sensor with one polarity.

    Raises:
        RangeError: "flip" on a sensor with more than two polarities.
    """

    p: float = 0.5
    polarity: str = "flip"

    def __post_init__(self) -> None:
        self._number("p", 0, 1)
        check_choice("FlipTime.polarity", self.polarity, ("flip", "keep"))

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        swap = self.polarity == "flip" and events.sensor_size[2] > 1
        polarity = flipped("FlipTime", events) if swap else events.p
        if rng.random() >= self.p or len(events) == 0:
            return events
        t = (events.t[0] + events.t[-1] - events.t)[::-1]
        return Events(t, events.x[::-1], events.y[::-1], polarity[::-1], events.sensor_size)


@dataclass(frozen=True)
class TimeJitter(Random):
    """Move each timestamp by a normal deviate, rounded to whole us; below zero becomes zero.

    Args:
        std_us: standard deviation [us], 0..1e12.
    """

    std_us: float

    def __post_init__(self) -> None:
        self._number("std_us", 0, 1e12)

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        moved = events.t + np.rint(rng.normal(0.0, self.std_us, len(events))).astype(np.int64)
        return resorted(events, np.maximum(moved, 0))


@dataclass(frozen=True)
class TimeScale(Random):
    """Play slower or faster: times since the first event are multiplied by a random factor.

    Args:
        low: smallest factor, > 0.
        high: largest factor, low..1e6.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        self._positive("low")
        self._number("high", self.low, 1e6)

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        factor = rng.uniform(self.low, self.high)
        since = events.t - events.t[:1]
        t = events.t[:1] + np.rint(since * factor).astype(np.int64)
        return Events(t, events.x, events.y, events.p, events.sensor_size)


@dataclass(frozen=True)
class TimeShift(Random):
    """Delay the whole recording by a random time, uniform in ``0..max_us`` [us]."""

    max_us: int

    def __post_init__(self) -> None:
        self._whole("max_us", 0)

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        t = events.t + rng.integers(self.max_us + 1)
        return Events(t, events.x, events.y, events.p, events.sensor_size)


def resorted(events: Events, t: NDArray[np.int64]) -> Events:
    """The same events at new times ``t``, in the order of time; ties keep their order."""
    order = np.argsort(t, kind="stable")
    return Events(t[order], events.x[order], events.y[order], events.p[order], events.sensor_size)
