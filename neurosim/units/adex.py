"""`AdEx`: adaptive exponential integrate-and-fire."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neurosim.errors import RangeError, check_choice, check_positive
from neurosim.units.base import Contract, Unit, Values
from neurosim.units.conductance import check_capacitance
from neurosim.units.conventions import check_spiking, comparison, distance, has_wait, held_steps, hold
from neurosim.units.lif import membrane_reset
from neurosim.units.ops import exp as exp_
from neurosim.units.ops import minimum, where
from neurosim.units.synapses import PORTS, advance, synapse_coefficients, synapse_coeffs, synapse_state

METHODS = ("rk4", "exponential_euler")
SYNAPSES = ("none", "exponential")
STEEPEST = 60.0  # slope factors between v_threshold and v_peak: exp(60) leaves room in float32 for what multiplies it


@dataclass(frozen=True)
class AdEx(Unit):
    """Adaptive exponential integrate-and-fire neuron with current input.

    c_mem dv/dt = g_leak (v_leak - v) + g_leak slope exp((v - v_threshold) / slope) - w + i,
    tau_adapt dw/dt = a (v - v_leak) - w; at v > v_peak: v = v_reset, w += b. On the right, v counts as v_peak where it
    is above, which matters only within the step of a spike. Voltages are mV, conductances nS, the capacitance pF and
    currents pA, as in the paper, whose numbers are the defaults.

    Args:
        synapse: "none" (x is the current [pA], held over the step) or "exponential" (x is a jump of a current).
        method: "rk4" (classical Runge-Kutta, synaptic currents exact at its stages) or "exponential_euler" (leak and
            adaptation exact, with the exponential term, w and i held over the step; of order 1 and a quarter of the
            work). Spikes lie on the time grid with either.
        c_mem: membrane capacitance [pF].
        g_leak: leak conductance [nS].
        v_leak: resting potential [mV].
        v_threshold: where the spike takes off [mV] (the paper's V_T).
        slope: slope factor of the take-off [mV] (the paper's Delta_T).
        v_peak: where the spike is cut [mV].
        v_reset: membrane after a spike [mV].
        tau_adapt: time constant of w [s].
        a: coupling of w to v [nS].
        b: jump of w at a spike [pA].
        tau_exc, tau_inh: synaptic time constants [s]; synapse "none" has none.
        refractory: absolute refractory period [s], rounded to whole steps; v is held and w goes on. 0 for none.
        i_const: constant input current [pA].
        convention: "neurosim", "nest" (aeif_psc_exp, which has an adaptive step) or "brian2"; see
            `neurosim.units.conventions`; v_peak is the threshold.

    Shape:
        port x (T, B, N) [pA], or exc, inh, both added: inhibition is negative. -> spikes (T, B, N) in {0, 1}; state
        i_exc, i_inh (synapse "none": none), v, w, and wait if refractory > 0 (B, N).

    Raises:
        RangeError: v_peak is so many slopes above v_threshold that exp overflows; refractory as a parameter to train.

    Note: not `quiet`: w below zero or v above its saddle can fire without input.
    Source: Brette & Gerstner 2005, doi:10.1152/jn.00686.2005, eqs. 1-3 and the parameters of its figures.
    """

    synapse: str = "none"
    method: str = "rk4"
    c_mem: float = 281.0
    g_leak: float = 30.0
    v_leak: float = -70.6
    v_threshold: float = -50.4
    slope: float = 2.0
    v_peak: float = 20.0
    v_reset: float = -70.6
    tau_adapt: float = 144e-3
    a: float = 4.0
    b: float = 80.5
    tau_exc: float = 5e-3
    tau_inh: float = 10e-3
    refractory: float = 0.0
    i_const: float = 0.0
    convention: str = "neurosim"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("AdEx.synapse", self.synapse, SYNAPSES)
        check_choice("AdEx.method", self.method, METHODS)
        check_capacitance("AdEx.c_mem", self.c_mem)
        check_positive("AdEx.g_leak", self.g_leak)
        check_positive("AdEx.slope", self.slope)
        check_spiking(self, "v_peak")
        if self.v_peak - self.v_threshold > STEEPEST * self.slope:
            raise RangeError(
                f"AdEx.v_peak: must lie at most {STEEPEST:g} slopes above v_threshold = {self.v_threshold:g}, where "
                f"exp overflows, got {self.v_peak:g} with slope = {self.slope:g}; spike times hardly depend on v_peak."
            )

    @property
    def ports(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("x",) if self.synapse == "none" else PORTS

    @property
    def state(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*synapse_state(self.synapse, "i"), "v", "w", *(("wait",) if has_wait(self.refractory) else ()))

    @property
    def coeffs(self) -> tuple[str, ...]:  # type: ignore[override]
        rule: tuple[str, ...] = ("rho", "decay")
        if self.method == "rk4":
            rule = ("rho", *(("half_exc", "half_inh") if self.synapse != "none" else ()), "h", "rate")
        membrane = ("g_leak", "v_leak", "theta", "slope", "peak", "v_reset", "a", "b", "i_const")
        steps = ("steps",) if has_wait(self.refractory) else ()
        return (*synapse_coeffs(self.synapse), *rule, *membrane, *steps)

    @property
    def contract(self) -> Contract:  # type: ignore[override]
        test = comparison("v_peak", self.convention)
        rule = self.method.replace("_", " ")
        return Contract(rule, "dt / c_mem", "to value, w += b", refractory=self.refractory, comparison=test)

    def initial(self) -> tuple[float, ...]:
        return tuple(self.v_leak if name == "v" else 0.0 for name in self.state)

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        taus = (self.tau_exc, self.tau_inh)
        h = 1e3 * dt / self.c_mem  # ms/pF = 1/nS
        rule: Values = (exp(-h * self.g_leak),)
        if self.method == "rk4":
            rule = (*synapse_coefficients(self.synapse, taus, dt / 2, exp), h, dt / self.tau_adapt)
        steps = held_steps("AdEx.refractory", self.refractory, dt, self.convention)
        return (
            *synapse_coefficients(self.synapse, taus, dt, exp), exp(-dt / self.tau_adapt), *rule,
            self.g_leak, self.v_leak, self.v_threshold, self.slope, self.v_peak, self.v_reset, self.a, self.b,
            self.i_const, *steps,
        )  # fmt: skip

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        n, k = len(synapse_state(self.synapse, "i")), dict(zip(self.coeffs, c, strict=True))
        syn, (v, w), wait = s[:n], s[n : n + 2], s[n + 2 :]
        acting, after = advance(self.synapse, self.convention, syn, x, c[:n])
        start = k["i_const"] + (acting[0] + acting[1] if n else x[0])
        aim = k["a"] * (v - k["v_leak"])
        relaxed = aim + (w - aim) * k["rho"]  # w with the membrane held
        if self.method == "rk4":
            moved, w = _rk4(v, w, (start, *self._later(start, acting, k)), k)
            w = where(wait[0] <= 0.0, w, relaxed) if wait else w
        else:
            push = k["slope"] * exp_((minimum(v, k["peak"]) - k["theta"]) / k["slope"])
            end = k["v_leak"] + push + (start - w) / k["g_leak"]
            moved, w = end + (v - end) * k["decay"], relaxed
        v, u, wait = hold(moved, distance(moved, k["peak"], self.convention), v, wait)
        return (*after, v, w, *wait), u

    def _later(self, start: Any, acting: Values, k: dict[str, Any]) -> tuple[Any, Any]:
        """Input current in the middle and at the end of the step."""
        if not acting:
            return start, start
        exc, inh = acting
        middle, end = k["half_exc"] * exc + k["half_inh"] * inh, k["decay_exc"] * exc + k["decay_inh"] * inh
        return k["i_const"] + middle, k["i_const"] + end

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        n, k = len(synapse_state(self.synapse, "i")), dict(zip(self.coeffs, c, strict=True))
        syn, (v, w), wait = s[:n], s[n : n + 2], s[n + 2 :]
        v = membrane_reset(v, z, None, k["v_reset"], True)
        return (*syn, v, w + z * k["b"], *(left + z * k["steps"] for left in wait))


def _rk4(v: Any, w: Any, currents: Values, k: dict[str, Any]) -> tuple[Any, Any]:
    def change(v: Any, w: Any, i: Any) -> tuple[Any, Any]:
        push = k["g_leak"] * (k["v_leak"] - v + k["slope"] * exp_((v - k["theta"]) / k["slope"])) - w + i
        return k["h"] * push, k["rate"] * (k["a"] * (v - k["v_leak"]) - w)

    start, middle, end = currents
    v1, w1 = change(v, w, start)  # not above v_peak here: a spike resets it
    v2, w2 = change(minimum(v + 0.5 * v1, k["peak"]), w + 0.5 * w1, middle)
    v3, w3 = change(minimum(v + 0.5 * v2, k["peak"]), w + 0.5 * w2, middle)
    v4, w4 = change(minimum(v + v3, k["peak"]), w + w3, end)
    return v + (v1 + 2.0 * (v2 + v3) + v4) / 6.0, w + (w1 + 2.0 * (w2 + w3) + w4) / 6.0
