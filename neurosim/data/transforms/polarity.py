"""Which polarity events have. For signed frames see `SignedPolarity`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurosim.data.transforms.base import Fixed, Random
from neurosim.errors import RangeError
from neurosim.events import Events


@dataclass(frozen=True)
class MergePolarity(Fixed[Events]):
    """All events on a sensor with a single polarity, 0.

    Example:
        >>> MergePolarity()(Events(t=[1, 2], x=[0, 0], y=[0, 0], p=[0, 1], sensor_size=(1, 1, 2)))
        Events(2 events, 1x1x1, 1..2 us)
    """

    def _apply(self, events: Events) -> Events:
        return Events(events.t, events.x, events.y, np.zeros_like(events.p), (*events.sensor_size[:2], 1))


@dataclass(frozen=True)
class SelectPolarity(Fixed[Events]):
    """Events of one polarity, on a sensor with a single polarity.

    Args:
        polarity: the one to keep; 1 is ON.

    Raises:
        RangeError: the sensor has no such polarity.
    """

    polarity: int

    def __post_init__(self) -> None:
        self._whole("polarity", 0)

    def _apply(self, events: Events) -> Events:
        most = events.sensor_size[2] - 1
        if self.polarity > most:
            raise RangeError(f"SelectPolarity.polarity: must be in 0..{most} on this sensor, got {self.polarity}.")
        return MergePolarity()(events.take(events.p == self.polarity))


@dataclass(frozen=True)
class FlipPolarity(Random):
    """Swap ON and OFF with probability ``p``.

    Raises:
        RangeError: the sensor has not two polarities.
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        self._number("p", 0, 1)

    def _apply(self, events: Events, rng: np.random.Generator) -> Events:
        polarity = flipped("FlipPolarity", events)
        if rng.random() >= self.p:
            return events
        return Events(events.t, events.x, events.y, polarity, events.sensor_size)


def flipped(where: str, events: Events) -> NDArray[np.uint8]:
    """Polarities with ON and OFF swapped."""
    if events.sensor_size[2] != 2:
        raise RangeError(f"{where}: ON and OFF need a sensor of 2 polarities, got {events.sensor_size[2]}.")
    swapped: NDArray[np.uint8] = 1 - events.p
    return swapped
