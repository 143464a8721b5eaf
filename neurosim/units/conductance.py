"""`ConductanceLIF`: integrate-and-fire with synaptic conductances."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from neurosim.errors import RangeError, check_choice, check_positive
from neurosim.units.base import Contract, Unit, Values
from neurosim.units.conventions import check_spiking, comparison, distance, has_wait, held_steps, hold
from neurosim.units.lif import membrane_reset
from neurosim.units.ops import exp as exp_
from neurosim.units.synapses import (
    KINDS,
    PORTS,
    advance,
    strengths,
    synapse_coefficients,
    synapse_coeffs,
    synapse_state,
)

SMALLEST_CAPACITANCE = 1e-3  # pF; less is a number meant in nF or F


def check_capacitance(where: str, value: float) -> None:
    """Raise `RangeError` unless ``value`` is a membrane capacitance in pF."""
    check_positive(where, value)
    if value < SMALLEST_CAPACITANCE:
        raise RangeError(f"{where}: {value!r} pF is no neuron; capacitances are in pF (200e-12 F is 200).")


def relax(v: Any, total: Any, drive: Any, h: Any) -> Any:
    """Solution after ``h`` of dv/dt = drive - total v, both held: exponential Euler."""
    end = drive / total
    return end + (v - end) * exp_(-h * total)


@dataclass(frozen=True)
class ConductanceLIF(Unit):
    """LIF with two conductances, c_mem dv/dt = g_leak (v_leak - v) + g_exc (e_exc - v) + g_inh (e_inh - v) + i_const.

    Conductances are solved exactly, v by exponential Euler (exact for conductances held over the step), of order 1.
    At a spike v = v_reset, and v is held for the refractory period. Voltages are mV, conductances nS, the capacitance
    pF and the current pA, as in the papers; the defaults are benchmark 1 (COBA) of Brette et al. 2007.

    Args:
        synapse: "exponential" (x is a jump of the conductance [nS]) or "alpha" (a conductance with peak x).
        c_mem: membrane capacitance [pF].
        g_leak: leak conductance [nS].
        v_leak, e_exc, e_inh: reversal potentials of leak and synapses [mV].
        tau_exc, tau_inh: synaptic time constants [s].
        v_threshold, v_reset: firing threshold and membrane after a spike [mV].
        refractory: absolute refractory period [s], rounded to whole steps; 0 for none.
        i_const: constant input current [pA].
        convention: "neurosim", "nest" (iaf_cond_exp and iaf_cond_alpha, which integrate v with an adaptive step) or
            "brian2" (its exponential_euler); see `neurosim.units.conventions`.

    Shape:
        ports exc, inh (T, B, N) [nS], both positive -> spikes (T, B, N) in {0, 1}; state g_exc, g_inh (alpha:
        rise_exc, g_exc, rise_inh, g_inh), v, and wait if refractory > 0 (B, N).

    Raises:
        RangeError: refractory as a parameter to train; it is a whole number of steps.

    Note: not `quiet`: a conductance left from earlier input can still drive v to threshold.
    Source: Brette et al. 2007, doi:10.1007/s10827-007-0038-6, benchmark 1, after Vogels & Abbott 2005.
    """

    synapse: str = "exponential"
    c_mem: float = 200.0
    g_leak: float = 10.0
    v_leak: float = -60.0
    e_exc: float = 0.0
    e_inh: float = -80.0
    tau_exc: float = 5e-3
    tau_inh: float = 10e-3
    v_threshold: float = -50.0
    v_reset: float = -60.0
    refractory: float = 5e-3
    i_const: float = 0.0
    convention: str = "neurosim"
    ports: ClassVar = PORTS

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("ConductanceLIF.synapse", self.synapse, KINDS)
        check_capacitance("ConductanceLIF.c_mem", self.c_mem)
        check_positive("ConductanceLIF.g_leak", self.g_leak)
        check_spiking(self, "v_threshold")

    @property
    def state(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*synapse_state(self.synapse, "g"), "v", *(("wait",) if has_wait(self.refractory) else ()))

    @property
    def coeffs(self) -> tuple[str, ...]:  # type: ignore[override]
        steps = ("steps",) if has_wait(self.refractory) else ()
        membrane = ("h", "g_leak", "drive", "e_exc", "e_inh", "theta", "v_reset")
        return (*synapse_coeffs(self.synapse), *membrane, *steps)

    @property
    def contract(self) -> Contract:  # type: ignore[override]
        test = comparison("v_threshold", self.convention)
        return Contract("exponential euler", "conductance", "to value", refractory=self.refractory, comparison=test)

    def initial(self) -> tuple[float, ...]:
        return tuple(self.v_leak if name == "v" else 0.0 for name in self.state)

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        steps = held_steps("ConductanceLIF.refractory", self.refractory, dt, self.convention)
        return (
            *synapse_coefficients(self.synapse, (self.tau_exc, self.tau_inh), dt, exp),
            1e3 * dt / self.c_mem,  # ms/pF = 1/nS
            self.g_leak, self.g_leak * self.v_leak + self.i_const, self.e_exc, self.e_inh,
            self.v_threshold, self.v_reset, *steps,
        )  # fmt: skip

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        syn, v, wait, k = self._parts(s, c)
        acting, syn = advance(self.synapse, self.convention, syn, x, c[: len(synapse_coeffs(self.synapse))])
        exc, inh = strengths(self.synapse, acting)
        moved = relax(v, k["g_leak"] + exc + inh, k["drive"] + exc * k["e_exc"] + inh * k["e_inh"], k["h"])
        v, u, wait = hold(moved, distance(moved, k["theta"], self.convention), v, wait)
        return (*syn, v, *wait), u

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        syn, v, wait, k = self._parts(s, c)
        return (*syn, membrane_reset(v, z, None, k["v_reset"], True), *(left + z * k["steps"] for left in wait))

    def _parts(self, s: Values, c: Values) -> tuple[Values, Any, Values, dict[str, Any]]:
        n = len(synapse_state(self.synapse, "g"))
        return s[:n], s[n], s[n + 1 :], dict(zip(self.coeffs, c, strict=True))
