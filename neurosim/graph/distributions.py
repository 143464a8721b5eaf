"""How weights and delays are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from neurosim.errors import RangeError, check_choice
from neurosim.graph.base import number

Draw = tuple[str, float, float, float, float, bool]  # kind, a, b, low, high, redraw: the fields of kernels.draws.Draw
RAREST = 0.01  # share of draws that must fall inside, where those outside are drawn again


class Distribution:
    """Base of the distributions of weights, and of delays in seconds."""

    kind: ClassVar[str] = ""
    low: float
    high: float

    @property
    def redraws(self) -> bool:
        """Whether draws outside low..high are drawn again, not set to the nearer end."""
        return False

    def _scaled(self, factor: float) -> tuple[float, float]:
        """The two numbers of the law of ``factor`` times this variable."""
        raise NotImplementedError

    def draw(self) -> Draw:
        """What the kernels draw from."""
        return (self.kind, *self._scaled(1.0), self.low, self.high, self.redraws)

    def draw_steps(self, dt: float) -> Draw:
        """What the kernels draw delays from: in steps of ``dt`` [s]; its bounds, which must be finite, become whole."""
        ends = float(round(self.low / dt)), float(round(self.high / dt))
        return (self.kind, *self._scaled(1 / dt), *ends, self.redraws)

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
    outside: str = "clip"

    def __post_init__(self) -> None:
        name = type(self).__name__
        object.__setattr__(self, "mean", number(f"{name}.mean", self.mean))
        object.__setattr__(self, "sd", number(f"{name}.sd", self.sd, low=0))
        self._bounds()
        check_choice(f"{name}.outside", self.outside, ("clip", "redraw"))
        if self.redraws and not (share := self._inside()) >= RAREST:
            raise RangeError(
                f"{name}.outside: 'redraw' needs at least {RAREST:.0%} of the draws in low..high, got {share:.2%} in "
                f"{self.low:g}..{self.high:g}. Use 'clip', or other bounds."
            )

    @property
    def redraws(self) -> bool:
        return self.outside == "redraw"

    def _inside(self) -> float:
        """Probability of a draw in low..high."""
        low, high = self.low, self.high
        if isinstance(self, LogNormal):
            low, high = (math.log(x) if x > 0 else -math.inf for x in (low, high))
        if self.sd == 0.0:
            return float(low <= self.mean <= high)
        below = [0.5 * math.erfc((self.mean - x) / (self.sd * math.sqrt(2.0))) for x in (low, high)]
        return below[1] - below[0]


@dataclass(frozen=True)
class Normal(_Bell):
    """Normal with ``mean`` and ``sd``.

    Args:
        mean, sd: of a weight, or of a delay [s].
        low, high: the range; without, all numbers.
        outside: what becomes of a draw outside the range: "clip": it is set to the nearer end; "redraw": it is drawn
            again until it falls inside (a truncated normal, as `nest.math.redraw`). Delays are rounded to steps first.

    Raises:
        RangeError: a number that is not finite, sd < 0, low > high, or "redraw" where below 1 % of the draws fit.
    """

    kind: ClassVar = "normal"

    def _scaled(self, factor: float) -> tuple[float, float]:
        return self.mean * factor, self.sd * factor


@dataclass(frozen=True)
class LogNormal(_Bell):
    """exp of a normal with ``mean`` and ``sd`` (those of the logarithm); low, high and outside as in `Normal`."""

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
