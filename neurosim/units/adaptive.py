"""Units with a second, slow variable: adaptation and Izhikevich's recovery."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from neurosim.errors import check_choice
from neurosim.units.base import Contract, Decay, Unit, Values, decay_factor, discretisation_of
from neurosim.units.lif import GAINS


@dataclass(frozen=True)
class AdLIF(Unit):
    """Adaptive LIF: tau_mem dv/dt = -v + x - w, tau_adapt dw/dt = -w + a v; v -= v_threshold, w += b at a spike.

    Each equation is solved exactly with the other variable held over the step. Not quiet: w below zero can lift v
    above threshold without input.

    Args:
        tau_mem: membrane time constant [s], or `Decay` per step.
        tau_adapt: adaptation time constant [s], or `Decay` per step.
        a: coupling of w to v; below zero the unit resonates.
        b: jump of w at a spike.
        v_threshold: firing threshold.
        gain: "leak" multiplies x - w by 1 - decay; "one" adds it in each step.

    Shape:
        x (T, B, N) -> spikes (T, B, N) in {0, 1}; state v, w (B, N).

    Source: Bittar & Garner 2022, doi:10.3389/fnins.2022.865897, eqs. 4-5; here w jumps in the spiking step, there one
    step later.
    """

    tau_mem: float | Decay = 20e-3
    tau_adapt: float | Decay = 100e-3
    a: float = 0.2
    b: float = 0.4
    v_threshold: float = 1.0
    gain: str = "leak"
    state: ClassVar = ("v", "w")
    coeffs: ClassVar = ("decay", "gain", "rho", "a", "b", "theta")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(f"{type(self).__name__}.gain", self.gain, GAINS)

    @property
    def contract(self) -> Contract:  # type: ignore[override]
        rule = discretisation_of(self.tau_mem, "exact")
        return Contract(f"{rule} per equation", self.gain, "subtract")

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        decay, rho = decay_factor(self.tau_mem, dt, exp), decay_factor(self.tau_adapt, dt, exp)
        gain = 1.0 if self.gain == "one" else 1 - decay
        return decay, gain, rho, (1 - rho) * self.a, self.b, self.v_threshold

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        (v, w), (x_in,), (decay, gain, rho, a, _, theta) = s, x, c
        v_new = decay * v + gain * (x_in - w)
        return (v_new, rho * w + a * v), v_new - theta

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        (v, w), (_, _, _, _, b, theta) = s, c
        return v - z * theta, w + z * b


@dataclass(frozen=True)
class Izhikevich(Unit):
    """Izhikevich's simple model: dv/dt = 0.04 v^2 + 5 v + 140 - u + x, du/dt = a (b v - u), in mV and ms.

    At v > v_threshold: v = v_reset, u += d. Forward Euler with the layer's ``dt`` (use 1e-3 s or less). Voltages are
    millivolts and rates per millisecond, as in the paper, because its numbers are fitted in those units.

    Args:
        a: rate of recovery [1/ms].
        b: coupling of recovery to v.
        v_reset: membrane after a spike [mV] (the paper's c).
        d: jump of recovery at a spike [mV/ms].
        v_threshold: spike peak [mV].

    Shape:
        x (T, B, N) [mV/ms] -> spikes (T, B, N) in {0, 1}; state v [mV], u [mV/ms] (B, N).

    Source: Izhikevich 2003, doi:10.1109/TNN.2003.820440, eqs. 1-3; one Euler step of dt where the paper's script takes
    two half steps of v.
    """

    a: float = 0.02
    b: float = 0.2
    v_reset: float = -65.0
    d: float = 8.0
    v_threshold: float = 30.0
    state: ClassVar = ("v", "u")
    coeffs: ClassVar = ("dt", "a_dt", "b", "v_reset", "d", "theta")

    contract: ClassVar = Contract("euler", "dt", "to value")  # type: ignore[misc]

    def initial(self) -> tuple[float, ...]:
        return self.v_reset, self.b * self.v_reset

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        del exp
        dt_ms = dt * 1e3
        return dt_ms, dt_ms * self.a, self.b, self.v_reset, self.d, self.v_threshold

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        (v, u), (x_in,), (dt, a_dt, b, _, _, theta) = s, x, c
        v_new = v + dt * (0.04 * v * v + 5.0 * v + 140.0 - u + x_in)
        return (v_new, u + a_dt * (b * v - u)), v_new - theta

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        (v, u), (_, _, _, v_reset, d, _) = s, c
        return (1 - z) * v + z * v_reset, u + z * d
