"""`CurrentLIF`: integrate-and-fire with delta, exponential or alpha currents, as in NEST and Brian2."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from neurosim.errors import check_choice, check_positive
from neurosim.units.base import Contract, Unit, Values
from neurosim.units.conventions import check_spiking, comparison, distance, has_wait, held_steps, hold
from neurosim.units.lif import membrane_reset, reset_word
from neurosim.units.synapses import (
    KINDS,
    PORTS,
    advance,
    membrane_gains,
    synapse_coefficients,
    synapse_coeffs,
    synapse_state,
)


@dataclass(frozen=True)
class CurrentLIF(Unit):
    """LIF with two synaptic currents: tau_mem dv/dt = -(v - v_leak) + r_mem (i_exc + i_inh + i_const).

    Solved exactly. At a spike v = v_reset, and v is held for the refractory period. Units of v and of currents are the
    user's: Brian2's CUBA has currents in mV and r_mem = 1; NEST has pA, so r_mem = tau_m / C_m in mV/pA, which is
    0.04 for 10 ms and 250 pF.

    Args:
        synapse: "delta" (x is a jump of v), "exponential" (x is a jump of the current, which decays) or "alpha" (a
            current with peak x, reached one synaptic time constant after x).
        tau_mem: membrane time constant [s].
        tau_exc, tau_inh: synaptic time constants [s]; a delta synapse has none.
        v_leak: resting potential.
        v_threshold: firing threshold.
        v_reset: membrane after a spike; None subtracts v_threshold.
        refractory: absolute refractory period [s], rounded to whole steps; 0 for none.
        r_mem: membrane resistance, unit of v per unit of current.
        i_const: constant input current.
        convention: "neurosim", "nest" (iaf_psc_delta, iaf_psc_exp, iaf_psc_alpha) or "brian2"; see
            `neurosim.units.conventions`.

    Shape:
        ports exc, inh (T, B, N), both added: inhibition is negative. -> spikes (T, B, N) in {0, 1}; state i_exc, i_inh
        (alpha: rise_exc, i_exc, rise_inh, i_inh; delta: none), v, and wait if refractory > 0 (B, N).

    Raises:
        RangeError: refractory as a parameter to train; it is a whole number of steps.

    Source: Rotter & Diesmann 1999, doi:10.1007/s004220050570. Brian2 itself rounds a refractory period that is no
    multiple of dt down.
    """

    synapse: str = "exponential"
    tau_mem: float = 20e-3
    tau_exc: float = 5e-3
    tau_inh: float = 10e-3
    v_leak: float = 0.0
    v_threshold: float = 1.0
    v_reset: float | None = 0.0
    refractory: float = 0.0
    r_mem: float = 1.0
    i_const: float = 0.0
    convention: str = "neurosim"
    ports: ClassVar = PORTS

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("CurrentLIF.synapse", self.synapse, ("delta", *KINDS))
        check_positive("CurrentLIF.r_mem", self.r_mem)
        check_spiking(self, "v_threshold")

    @property
    def state(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*synapse_state(self.synapse, "i"), "v", *(("wait",) if has_wait(self.refractory) else ()))

    @property
    def coeffs(self) -> tuple[str, ...]:  # type: ignore[override]
        gains = (f"gain_{name}" for name in synapse_state(self.synapse, "i"))
        steps = ("steps",) if has_wait(self.refractory) else ()
        return (*synapse_coeffs(self.synapse), *gains, "decay", "rest", "theta", "v_reset", *steps)

    @property
    def contract(self) -> Contract:  # type: ignore[override]
        gain = "one" if self.synapse == "delta" else "propagator"
        test = comparison("v_threshold", self.convention)
        return Contract("exact", gain, reset_word(self.v_reset), refractory=self.refractory, comparison=test)

    def initial(self) -> tuple[float, ...]:
        return tuple(self.v_leak if name == "v" else 0.0 for name in self.state)

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        taus = (self.tau_exc, self.tau_inh)
        gains = (self.r_mem * g for g in membrane_gains(self.synapse, dt, self.tau_mem, taus, exp))
        steps = held_steps("CurrentLIF.refractory", self.refractory, dt, self.convention)
        return (
            *synapse_coefficients(self.synapse, taus, dt, exp), *gains, exp(-dt / self.tau_mem),
            self.v_leak + self.r_mem * self.i_const, self.v_threshold, 0.0 if self.v_reset is None else self.v_reset,
            *steps,
        )  # fmt: skip

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        syn, v, wait, k = self._parts(s, c)
        acting, syn = advance(self.synapse, self.convention, syn, x, c[: len(synapse_coeffs(self.synapse))])
        moved = k["rest"] + (v - k["rest"]) * k["decay"]
        for name, current in zip(synapse_state(self.synapse, "i"), acting, strict=True):
            moved = moved + current * k[f"gain_{name}"]
        after = moved + (x[0] + x[1]) if self.synapse == "delta" else moved
        tested = moved if self.convention == "brian2" else after
        v, u, wait = hold(after, distance(tested, k["theta"], self.convention), v, wait)
        return (*syn, v, *wait), u

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        syn, v, wait, k = self._parts(s, c)
        v = membrane_reset(v, z, k["theta"], k["v_reset"], self.v_reset is not None)
        return (*syn, v, *(left + z * k["steps"] for left in wait))

    def quiet(self, s: Values, c: Values) -> Any:
        syn, v, _, k = self._parts(s, c)
        theta = k["theta"]
        # rounding is monotone: if theta itself does not climb in a silent step, nothing below it can, and currents
        # that are not positive stay so and only lower v
        top = k["rest"] + (theta - k["rest"]) * k["decay"]
        below = (v < theta) & (top < theta) if self.convention == "nest" else (v <= theta) & (top <= theta)
        for current in syn:
            below = below & (current <= 0.0)
        return below

    def _parts(self, s: Values, c: Values) -> tuple[Values, Any, Values, dict[str, Any]]:
        n = len(synapse_state(self.synapse, "i"))
        return s[:n], s[n], s[n + 1 :], dict(zip(self.coeffs, c, strict=True))
