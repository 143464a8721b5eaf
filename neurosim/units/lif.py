"""Leaky and non-leaky integrate-and-fire units with linear dynamics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from neurosim.errors import check_choice
from neurosim.units.base import Contract, Decay, Unit, Values, decay_factor, discretisation_of
from neurosim.units.ops import where

DISCRETISATIONS = ("exact", "euler")
GAINS = ("one", "leak")


def membrane_reset(v: Any, z: Any, theta: Any, v_reset: Any, to_value: bool) -> Any:
    """Membrane after a spike: ``v - theta``, or exactly ``v_reset``."""
    return (1 - z) * v + z * v_reset if to_value else v - z * theta


def reset_word(v_reset: float | None) -> str:
    """The contract's word for a reset."""
    return "subtract" if v_reset is None else "to value"


@dataclass(frozen=True)
class IF(Unit):
    """Integrate-and-fire: dv/dt = x per step; v -= v_threshold (or v = v_reset) at a spike.

    Args:
        v_threshold: firing threshold.
        v_reset: membrane after a spike; None subtracts v_threshold.

    Shape:
        x (T, B, N) -> spikes (T, B, N) in {0, 1}; state v (B, N).
    """

    v_threshold: float = 1.0
    v_reset: float | None = None
    state: ClassVar = ("v",)
    coeffs: ClassVar = ("theta", "v_reset")

    @property
    def contract(self) -> Contract:  # type: ignore[override]
        return Contract("exact", "one", reset_word(self.v_reset))

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        del dt, exp
        return self.v_threshold, 0.0 if self.v_reset is None else self.v_reset

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        (v,), (x_in,), (theta, _) = s, x, c
        v = v + x_in
        return (v,), v - theta

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        (v,), (theta, v_reset) = s, c
        return (membrane_reset(v, z, theta, v_reset, self.v_reset is not None),)

    def quiet(self, s: Values, c: Values) -> Any:
        (v,), (theta, _) = s, c
        return v <= theta  # without input v never moves


@dataclass(frozen=True)
class LIF(Unit):
    """Leaky integrate-and-fire: tau_mem dv/dt = -(v - v_leak) + x; v -= v_threshold at a spike.

    Args:
        tau_mem: membrane time constant [s], or `Decay` per step.
        v_threshold: firing threshold.
        v_leak: resting potential.
        v_reset: membrane after a spike; None subtracts v_threshold.
        discretisation: "exact" (decay = exp(-dt / tau_mem)) or "euler" (1 - dt / tau_mem).
        gain: "one" adds x to v in each step (weights are voltage jumps); "leak" multiplies x by 1 - decay, the
            solution of the equation above for x held over the step.

    Shape:
        x (T, B, N) -> spikes (T, B, N) in {0, 1}; state v (B, N).

    Source: Gerstner & Kistler 2002, Spiking Neuron Models, section 4.1.
    """

    tau_mem: float | Decay = 20e-3
    v_threshold: float = 1.0
    v_leak: float = 0.0
    v_reset: float | None = None
    discretisation: str = "exact"
    gain: str = "one"
    state: ClassVar = ("v",)
    coeffs: ClassVar = ("decay", "gain", "drive", "theta", "v_reset")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(f"{type(self).__name__}.discretisation", self.discretisation, DISCRETISATIONS)
        check_choice(f"{type(self).__name__}.gain", self.gain, GAINS)

    @property
    def contract(self) -> Contract:  # type: ignore[override]
        return Contract(discretisation_of(self.tau_mem, self.discretisation), self.gain, reset_word(self.v_reset))

    def initial(self) -> tuple[float, ...]:
        return (self.v_leak,)

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        decay = decay_factor(self.tau_mem, dt, exp, self.discretisation)
        gain = 1.0 if self.gain == "one" else 1 - decay
        return decay, gain, (1 - decay) * self.v_leak, self.v_threshold, 0.0 if self.v_reset is None else self.v_reset

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        (v,), (x_in,), (decay, gain, drive, theta, _) = s, x, c
        v = decay * v + gain * x_in + drive
        return (v,), v - theta

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        (v,), (_, _, _, theta, v_reset) = s, c
        return (membrane_reset(v, z, theta, v_reset, self.v_reset is not None),)

    def quiet(self, s: Values, c: Values) -> Any:
        (v,), (decay, _, drive, theta, _) = s, c
        # rounding is monotone: if theta itself does not climb in a silent step, nothing below it can
        return (v <= theta) & (decay * theta + drive <= theta)


@dataclass(frozen=True)
class CubaLIF(Unit):
    """Current-based LIF: tau_syn di/dt = -i + jumps of x; tau_mem dv/dt = -v + i; v -= v_threshold at a spike.

    Args:
        tau_syn: synaptic time constant [s], or `Decay` per step.
        tau_mem: membrane time constant [s], or `Decay` per step.
        v_threshold: firing threshold.
        v_reset: membrane after a spike; None subtracts v_threshold.
        gain: "one" adds the current i to v in each step (snnTorch's Synaptic); "leak" is the exact solution of the
            two equations for x arriving at the start of the step.

    Shape:
        x (T, B, N) -> spikes (T, B, N) in {0, 1}; state i_syn, v (B, N).

    Source: NIR's CubaLIF; propagators of Rotter & Diesmann 1999, doi:10.1007/s004220050570.
    """

    tau_syn: float | Decay = 5e-3
    tau_mem: float | Decay = 20e-3
    v_threshold: float = 1.0
    v_reset: float | None = None
    gain: str = "one"
    state: ClassVar = ("i_syn", "v")
    coeffs: ClassVar = ("alpha", "decay", "gain", "theta", "v_reset")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(f"{type(self).__name__}.gain", self.gain, GAINS)

    @property
    def contract(self) -> Contract:  # type: ignore[override]
        return Contract(discretisation_of(self.tau_mem, "exact"), self.gain, reset_word(self.v_reset))

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        alpha, decay = decay_factor(self.tau_syn, dt, exp), decay_factor(self.tau_mem, dt, exp)
        gain = 1.0 if self.gain == "one" else self._propagator(dt, alpha, decay, exp)
        return alpha, decay, gain, self.v_threshold, 0.0 if self.v_reset is None else self.v_reset

    def _propagator(self, dt: float, alpha: Any, decay: Any, exp: Callable[[Any], Any]) -> Any:
        """Membrane reached after ``dt`` from unit current: a exp(-a) (exp(d) - 1) / d, d = dt/tau_mem - dt/tau_syn."""
        if isinstance(self.tau_mem, Decay) or isinstance(self.tau_syn, Decay):
            return 1 - decay
        a, d = dt / self.tau_mem, dt / self.tau_mem - dt / self.tau_syn
        close = (d < 1e-4) & (d > -1e-4)  # equal time constants: the series of (exp(d) - 1) / d
        safe = where(close, 1.0, d)
        return a * decay * where(close, 1 + d / 2 + d * d / 6, (exp(safe) - 1) / safe)

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        (i_syn, v), (x_in,), (alpha, decay, gain, theta, _) = s, x, c
        i_syn = i_syn + x_in
        v = decay * v + gain * i_syn
        return (alpha * i_syn, v), v - theta

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        (i_syn, v), (_, _, _, theta, v_reset) = s, c
        return i_syn, membrane_reset(v, z, theta, v_reset, self.v_reset is not None)

    def quiet(self, s: Values, c: Values) -> Any:
        (i_syn, v), (_, decay, _, theta, _) = s, c
        # an inhibitory or absent current can only lower v, and without it v only decays
        return (v <= theta) & (i_syn <= 0) & (theta >= 0) & (decay * theta <= theta)


@dataclass(frozen=True)
class LI(Unit):
    """Leaky integrator, the readout: tau_mem dv/dt = -v + x, never spikes; the layer's output is v.

    Args:
        tau_mem: membrane time constant [s], or `Decay` per step.
        gain: "one" adds x in each step; "leak" multiplies it by 1 - decay (a running mean of x).

    Shape:
        x (T, B, N) -> v (T, B, N); state v (B, N).
    """

    tau_mem: float | Decay = 20e-3
    gain: str = "leak"
    state: ClassVar = ("v",)
    coeffs: ClassVar = ("decay", "gain")
    output: ClassVar = "v"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(f"{type(self).__name__}.gain", self.gain, GAINS)

    @property
    def contract(self) -> Contract:  # type: ignore[override]
        return Contract(discretisation_of(self.tau_mem, "exact"), self.gain, "none", "never", comparison="never")

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        decay = decay_factor(self.tau_mem, dt, exp)
        return decay, 1.0 if self.gain == "one" else 1 - decay

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        (v,), (x_in,), (decay, gain) = s, x, c
        return (decay * v + gain * x_in,), None

    def quiet(self, s: Values, c: Values) -> Any:
        (v,), (decay, _) = s, c
        del decay
        return v == v  # never spikes, whatever v is


@dataclass(frozen=True)
class DelayedResetLIF(Unit):
    """LIF whose reset acts one step late: v = beta v + x - r v_threshold, r the spike of the step before.

    Reproduces snnTorch 1.0.0's ``Leaky(beta)`` with its defaults (subtract, reset_delay=True) spike for spike;
    there the reset carries no gradient: use ``Spiking(unit, detach_reset=True)`` to train alike.

    Args:
        beta: decay per step, 0..1.
        v_threshold: firing threshold.

    Shape:
        x (T, B, N) -> spikes (T, B, N) in {0, 1}; state v, r (B, N).

    Source: snnTorch 1.0.0 documentation of Leaky.
    """

    beta: float = 0.9
    v_threshold: float = 1.0
    state: ClassVar = ("v", "r")
    coeffs: ClassVar = ("beta", "theta")

    contract: ClassVar = Contract("direct decay", "one", "subtract", "next step")  # type: ignore[misc]

    def __post_init__(self) -> None:
        super().__post_init__()
        Decay(self.beta)

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        del dt, exp
        return self.beta, self.v_threshold

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        (v, r), (x_in,), (beta, theta) = s, x, c
        v = beta * v + x_in - r * theta
        return (v, r), v - theta

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        (v, _), _ = s, c
        return v, z

    def quiet(self, s: Values, c: Values) -> Any:
        (v, r), (beta, theta) = s, c
        # a pending reset lowers v only if theta is not negative
        return (v <= theta) & (r >= 0) & (theta >= 0) & (beta * theta <= theta)
