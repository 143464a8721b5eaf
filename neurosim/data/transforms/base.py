"""What every transform is: a frozen dataclass that is called with events and knows its own configuration."""

from __future__ import annotations

import dataclasses
import operator
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError, check_number
from neurosim.events import Events

Result = TypeVar("Result")
Frames = NDArray[Any]
LARGEST = 2**62  # keeps sums of a parameter and a timestamp inside int64


class Transform(ABC):
    """A step from `Events` (or frames) to events or frames. Subclasses are frozen dataclasses."""

    @property
    @abstractmethod
    def random(self) -> bool:
        """Whether calls draw from ``rng``; such results must not be cached."""

    @abstractmethod
    def __call__(self, events: Any, rng: np.random.Generator | None = None) -> Any:
        """Apply to ``events``; random transforms need ``rng``, the others ignore it."""

    def to_config(self) -> dict[str, Any]:
        """JSON-able ``{"name": ..., parameter: value}``; `from_config` gives back an equal transform."""
        config: dict[str, Any] = {"name": type(self).__name__}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            config[field.name] = _plain(getattr(self, field.name))
        return config

    def _whole(self, name: str, least: int | None = None) -> None:
        """Check that the parameter ``name`` is a whole number, at least ``least``, and store it as int."""
        value = whole(f"{type(self).__name__}.{name}", getattr(self, name), least)
        object.__setattr__(self, name, value)

    def _number(self, name: str, least: float, most: float = np.inf) -> None:
        """Check that the parameter ``name`` is a finite number in ``least..most`` and store it as float."""
        where, value = f"{type(self).__name__}.{name}", getattr(self, name)
        value = value.item() if isinstance(value, np.generic) else value
        check_number(where, value)
        if not least <= value <= most:
            limits = f">= {least:g}" if np.isinf(most) else f"in {least:g}..{most:g}"
            raise RangeError(f"{where}: must be {limits}, got {value!r}.")
        object.__setattr__(self, name, float(value))

    def _positive(self, name: str) -> None:
        self._number(name, 0.0)
        if getattr(self, name) == 0:
            raise RangeError(f"{type(self).__name__}.{name}: must be > 0, got 0.")

    def _size(self, name: str) -> None:
        """Check that the parameter ``name`` is (width, height), both at least one pixel."""
        where, value = f"{type(self).__name__}.{name}", getattr(self, name)
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise RangeError(f"{where}: must be (width, height), got {value!r}.")
        object.__setattr__(self, name, tuple(whole(where, n, 1) for n in value))


class Fixed(Transform, Generic[Result]):
    """A transform of `Events` without randomness: equal events give equal results."""

    @property
    def random(self) -> bool:
        """Always false."""
        return False

    def __call__(self, events: Events, rng: np.random.Generator | None = None) -> Result:
        """Apply to ``events``; ``rng`` is ignored, so that fixed and random transforms are called alike."""
        check_events(self, events)
        return self._apply(events)

    @abstractmethod
    def _apply(self, events: Events) -> Result: ...


class Random(Transform):
    """A transform from `Events` to `Events` that draws from ``rng``: the same seed gives the same result."""

    @property
    def random(self) -> bool:
        """Always true."""
        return True

    def __call__(self, events: Events, rng: np.random.Generator | None = None) -> Events:
        """Apply to ``events`` with random numbers from ``rng``.

        Raises:
            RangeError: no ``np.random.Generator`` was given.
        """
        check_events(self, events)
        return self._apply(events, check_rng(type(self).__name__, rng))

    @abstractmethod
    def _apply(self, events: Events, rng: np.random.Generator) -> Events: ...


def check_events(transform: Transform, events: Any) -> None:
    """Raise `ShapeError` unless ``events`` is an `Events`."""
    if not isinstance(events, Events):
        given = f"{type(events).__name__} {getattr(events, 'shape', '')}".strip()
        raise ShapeError(
            f"{type(transform).__name__}: takes Events, got {given}. Transforms of events come before the one that "
            "makes frames; structured arrays go through Events.from_structured."
        )


def check_rng(name: str, rng: Any) -> np.random.Generator:
    """Return ``rng``, or raise `RangeError` that tells how to make one."""
    if not isinstance(rng, np.random.Generator):
        raise RangeError(
            f"{name}: is random and needs a generator at the call, got rng={rng!r}. "
            "Pass rng=np.random.default_rng(seed)."
        )
    return rng


def whole(where: str, value: Any, least: int | None = None) -> int:
    """``value`` as int, or `RangeError` unless it is a whole number and at least ``least``."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, (bool, np.bool_)):
        raise RangeError(f"{where}: must be a whole number, got {value!r} ({type(value).__name__}).")
    if least is not None and number < least:
        raise RangeError(f"{where}: must be >= {least}, got {number}.")
    if abs(number) >= LARGEST:
        raise RangeError(f"{where}: must be below 2**62, got {number}.")
    return number


def cells(events: Events) -> NDArray[np.int64]:
    """(N,) index of each event in a flattened (P, H, W) array."""
    width, height, _ = events.sensor_size
    flat: NDArray[np.int64] = (events.p.astype(np.int64) * height + events.y) * width + events.x
    return flat


def _plain(value: Any) -> Any:
    if isinstance(value, Transform):
        return value.to_config()
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value
