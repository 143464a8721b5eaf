"""`Refractory`: a wrapper that gives any unit an absolute refractory period."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from neurosim.errors import RangeError, check_seconds
from neurosim.units.base import Contract, Unit, Values
from neurosim.units.ops import where

NEVER = -1e30  # distance to threshold while refractory: no spike, and every surrogate slope vanishes


@dataclass(frozen=True)
class Refractory(Unit):
    """Any unit, held at its reset state and deaf to input for ``refractory`` seconds after a spike.

    Args:
        unit: the unit to wrap; it must spike.
        refractory: period [s]; rounded to whole steps of the layer's dt, at least one.

    Shape:
        as the wrapped unit, with one more state, ``wait`` (B, N): steps left.
    """

    unit: Unit
    refractory: float = 2e-3

    def __post_init__(self) -> None:
        if not isinstance(self.unit, Unit):
            raise RangeError(f"Refractory.unit: must be a unit, got {self.unit!r}.")
        if isinstance(self.unit, Refractory):
            raise RangeError("Refractory.unit: already has a refractory period; use the longer one alone.")
        if self.unit.output != "spikes":
            raise RangeError(f"Refractory.unit: {type(self.unit).__name__} never spikes.")
        check_seconds("Refractory.refractory", self.refractory)

    @property
    def ports(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.unit.ports

    @property
    def state(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self.unit.state, "wait")

    @property
    def coeffs(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self.unit.coeffs, "steps")

    @property
    def contract(self) -> Contract:  # type: ignore[override]
        return replace(self.unit.contract, refractory=self.refractory)

    def initial(self) -> tuple[float, ...]:
        return (*self.unit.initial(), 0.0)

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        if not isinstance(self.refractory, (int, float)):
            raise RangeError("Refractory.refractory: is a whole number of steps, so it has no gradient to train with.")
        steps = float(round(self.refractory / dt))
        if steps < 1:
            raise RangeError(f"Refractory.refractory: {self.refractory:g} s is less than half a step of dt = {dt:g} s.")
        return (*self.unit.coefficients(dt, exp), steps)

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        *inner, wait = s
        moved, u = self.unit.step(tuple(inner), x, c[:-1])
        free = wait <= 0.0
        held = tuple(where(free, new, old) for new, old in zip(moved, inner, strict=True))
        return (*held, where(free, wait, wait - 1.0)), where(free, u, NEVER)

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        *inner, wait = s
        return (*self.unit.reset(tuple(inner), z, c[:-1]), wait + z * c[-1])

    def quiet(self, s: Values, c: Values) -> Any:
        *inner, wait = s
        return self.unit.quiet(tuple(inner), c[:-1]) & (wait <= 0.0)
