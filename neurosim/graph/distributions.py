"""How weights and delays are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from neurosim.errors import RangeError
from neurosim.graph.base import number

Draw = tuple[str, float, float, float, float]  # kind, a, b, low, high: the fields of neurosim.kernels.connect.Draw


class Distribution:
    """Base of the distributions of weights, and of delays in seconds. Values outside low..high are clipped to it."""

    kind: ClassVar[str] = ""
    low: float
    high: float

    def _scaled(self, factor: float) -> tuple[float, float]:
        """The two numbers of the law of ``factor`` times this variable."""
        raise NotImplementedError

    def draw(self) -> Draw:
        """What the kernels draw from."""
        return (self.kind, *self._scaled(1.0), self.low, self.high)

    def draw_steps(self, dt: float) -> Draw:
        """What the kernels draw delays from: in steps of ``dt`` [s]; its bounds, which must be finite, become whole."""
        return (self.kind, *self._scaled(1 / dt), float(round(self.low / dt)), float(round(self.high / dt)))

    def _bounds(self) -> None:
        name = type(self).__name__
        for bound in ("low", "high"):
            value = getattr(self, bound)
            infinite = isinstance(value, float) and math.isinf(value) and (value < 0) == (bound == "low")
            object.__setattr__(self, bound, float(value) if infinite else number(f"{name}.{bound}", value))
        if self.low > self.high:
            raise RangeError(f"{name}: low must be <= high, got {self.low!r} and {self.high!r}.")


@dataclass(frozen=True)
class _Bell(Distribution):
    mean: float
    sd: float
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        name = type(self).__name__
        object.__setattr__(self, "mean", number(f"{name}.mean", self.mean))
        object.__setattr__(self, "sd", number(f"{name}.sd", self.sd, low=0))
        self._bounds()


@dataclass(frozen=True)
class Normal(_Bell):
    """Normal with ``mean`` and ``sd``, clipped to ``low..high``."""

    kind: ClassVar = "normal"

    def _scaled(self, factor: float) -> tuple[float, float]:
        return self.mean * factor, self.sd * factor


@dataclass(frozen=True)
class LogNormal(_Bell):
    """exp of a normal with ``mean`` and ``sd`` (those of the logarithm), clipped to ``low..high``."""

    kind: ClassVar = "lognormal"

    def _scaled(self, factor: float) -> tuple[float, float]:
        return self.mean + math.log(factor), self.sd


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform between ``low`` and ``high``."""

    low: float
    high: float
    kind: ClassVar = "uniform"

    def __post_init__(self) -> None:
        number("Uniform.low", self.low), number("Uniform.high", self.high)  # infinite bounds clip, but span no range
        self._bounds()

    def _scaled(self, factor: float) -> tuple[float, float]:
        return self.low * factor, self.high * factor


DISTRIBUTIONS: tuple[type[Distribution], ...] = (Normal, Uniform, LogNormal)
