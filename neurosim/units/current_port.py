"""`CurrentPort`: a wrapper that gives a neuron a port for a current that is held over each step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neurosim.errors import RangeError
from neurosim.units.adex import AdEx
from neurosim.units.base import Contract, Unit, Values
from neurosim.units.conductance import ConductanceLIF
from neurosim.units.current import CurrentLIF
from neurosim.units.hodgkin_huxley import HodgkinHuxley

# which coefficient i_const is a summand of; its factor there is r_mem, of units that have one
ENTERS: dict[type[Unit], str] = {CurrentLIF: "rest", ConductanceLIF: "drive", AdEx: "i_const", HodgkinHuxley: "drive"}


@dataclass(frozen=True)
class CurrentPort(Unit):
    """A neuron with one more port, ``current``: what comes in is added to its ``i_const`` for that step.

    For input that has a value at every step, such as the slow inward current of astrocytes
    (``connect(..., signal="i_sic", port="current")``) or `Network.current`.

    Args:
        unit: a `CurrentLIF`, `ConductanceLIF`, `AdEx` or `HodgkinHuxley`.

    Shape:
        as the wrapped unit, with the port current (T, B, N) in the unit of its i_const.

    Raises:
        RangeError: another unit.
    """

    unit: Unit

    def __post_init__(self) -> None:
        if type(self.unit) not in ENTERS:
            names = ", ".join(kind.__name__ for kind in ENTERS)
            raise RangeError(f"CurrentPort.unit: must be one of {names}, which have i_const, got {self.unit!r}.")

    @property
    def ports(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self.unit.ports, "current")

    @property
    def state(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.unit.state

    @property
    def coeffs(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self.unit.coeffs, "per_current")

    @property
    def contract(self) -> Contract:  # type: ignore[override]
        return self.unit.contract

    def initial(self) -> tuple[float, ...]:
        return self.unit.initial()

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        return (*self.unit.coefficients(dt, exp), getattr(self.unit, "r_mem", 1.0))

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        at = self.unit.coeffs.index(ENTERS[type(self.unit)])
        raised = (*c[:at], c[at] + c[-1] * x[-1], *c[at + 1 : -1])
        return self.unit.step(s, x[:-1], raised)

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        return self.unit.reset(s, z, c[:-1])

    def quiet(self, s: Values, c: Values) -> Any:
        return self.unit.quiet(s, c[:-1])
