"""`HodgkinHuxley`: sodium and potassium channels after Traub & Miles, with synaptic conductances."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from neurosim.errors import check_choice, check_positive
from neurosim.units.base import Contract, Unit, Values
from neurosim.units.conductance import check_capacitance, relax
from neurosim.units.conventions import CONVENTIONS, comparison, distance
from neurosim.units.ops import exp as exp_
from neurosim.units.ops import where
from neurosim.units.refractory import NEVER
from neurosim.units.synapses import (
    KINDS,
    PORTS,
    advance,
    strengths,
    synapse_coefficients,
    synapse_coeffs,
    synapse_state,
)

CHANNELS = ("v", "m", "h", "n")


@dataclass(frozen=True)
class HodgkinHuxley(Unit):
    """Hodgkin-Huxley neuron with Traub-Miles channels and two synaptic conductances (COBAHH).

    c_mem dv/dt = g_leak (v_leak - v) + g_na m^3 h (e_na - v) + g_k n^4 (e_k - v) + g_exc (e_exc - v)
    + g_inh (e_inh - v) + i_const. Exponential Euler for v and for the gates, each with the others held over the step;
    synapses exactly. There is no reset: a spike is an upward crossing of v_threshold, one per action potential.
    Voltages are mV, conductances nS, the capacitance pF and the current pA, as in the papers; the defaults are
    benchmark 3 of Brette et al. 2007. Use a ``dt`` of 0.1 ms or less.

    Args:
        synapse: "exponential" (x is a jump of the conductance [nS]) or "alpha" (a conductance with peak x).
        c_mem: membrane capacitance [pF].
        g_leak, g_na, g_k: conductance of the leak, and of the channels when all are open [nS].
        v_leak, e_na, e_k, e_exc, e_inh: reversal potentials [mV].
        v_shift: voltage that the channels' rate functions are relative to [mV] (the paper's V_T).
        tau_exc, tau_inh: synaptic time constants [s].
        v_threshold: membrane whose upward crossing is a spike [mV].
        i_const: constant input current [pA].
        convention: "neurosim", "nest" or "brian2" (its exponential_euler), see `neurosim.units.conventions`. NEST's hh
            models integrate with an adaptive step and report the peak of v; Brian2 tells action potentials apart by a
            refractory period.

    Shape:
        ports exc, inh (T, B, N) [nS], both positive -> spikes (T, B, N) in {0, 1}; state g_exc, g_inh (alpha:
        rise_exc, g_exc, rise_inh, g_inh), v, m, h, n (B, N).

    Note: not `quiet`: the membrane can fire from its own currents.
    Source: Brette et al. 2007, doi:10.1007/s10827-007-0038-6, benchmark 3 (COBAHH), rates after Traub & Miles 1991.
    """

    synapse: str = "exponential"
    c_mem: float = 200.0
    g_leak: float = 10.0
    g_na: float = 20000.0
    g_k: float = 6000.0
    v_leak: float = -65.0
    e_na: float = 50.0
    e_k: float = -90.0
    e_exc: float = 0.0
    e_inh: float = -80.0
    v_shift: float = -63.0
    tau_exc: float = 5e-3
    tau_inh: float = 10e-3
    v_threshold: float = -20.0
    i_const: float = 0.0
    convention: str = "neurosim"
    ports: ClassVar = PORTS

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("HodgkinHuxley.synapse", self.synapse, KINDS)
        check_choice("HodgkinHuxley.convention", self.convention, CONVENTIONS)
        check_capacitance("HodgkinHuxley.c_mem", self.c_mem)
        for name in ("g_leak", "g_na", "g_k"):
            check_positive(f"HodgkinHuxley.{name}", getattr(self, name))

    @property
    def state(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*synapse_state(self.synapse, "g"), *CHANNELS)

    @property
    def coeffs(self) -> tuple[str, ...]:  # type: ignore[override]
        membrane = ("h", "dt", "g_leak", "drive", "g_na", "e_na", "g_k", "e_k", "e_exc", "e_inh", "v_shift", "theta")
        return (*synapse_coeffs(self.synapse), *membrane)

    @property
    def contract(self) -> Contract:  # type: ignore[override]
        test = f"{comparison('v_threshold', self.convention)} and was not"
        return Contract("exponential euler", "conductance", "none", "never", comparison=test)

    def initial(self) -> tuple[float, ...]:
        gates = (a / (a + b) for a, b in rates(self.v_leak - self.v_shift))
        return (*(0.0 for _ in synapse_state(self.synapse, "g")), self.v_leak, *gates)

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        return (
            *synapse_coefficients(self.synapse, (self.tau_exc, self.tau_inh), dt, exp),
            1e3 * dt / self.c_mem,  # ms/pF = 1/nS
            1e3 * dt, self.g_leak, self.g_leak * self.v_leak + self.i_const, self.g_na, self.e_na, self.g_k, self.e_k,
            self.e_exc, self.e_inh, self.v_shift, self.v_threshold,
        )  # fmt: skip

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        k = dict(zip(self.coeffs, c, strict=True))
        (*syn, v, m, h, n), theta = s, k["theta"]
        acting, after = advance(self.synapse, self.convention, tuple(syn), x, c[: len(synapse_coeffs(self.synapse))])
        exc, inh = strengths(self.synapse, acting)
        na, kd = k["g_na"] * (m * m * m * h), k["g_k"] * (n * n * (n * n))
        total = k["g_leak"] + exc + inh + na + kd
        drive = k["drive"] + exc * k["e_exc"] + inh * k["e_inh"] + na * k["e_na"] + kd * k["e_k"]
        moved = relax(v, total, drive, k["h"])
        opening = zip((m, h, n), rates(v - k["v_shift"]), strict=True)
        gates = tuple(relax(gate, a + b, a, k["dt"]) for gate, (a, b) in opening)
        before = v < theta if self.convention == "nest" else v <= theta
        return (*after, moved, *gates), where(before, distance(moved, theta, self.convention), NEVER)


def rates(v: Any) -> tuple[tuple[Any, Any], ...]:
    """Opening and closing rates [1/ms] of m, h and n at ``v`` [mV] above v_shift."""
    return (
        (0.32 * 4.0 * _linear_over_exp((13.0 - v) / 4.0), 0.28 * 5.0 * _linear_over_exp((v - 40.0) / 5.0)),
        (0.128 * exp_((17.0 - v) / 18.0), 4.0 / (1.0 + exp_((40.0 - v) / 5.0))),
        (0.032 * 5.0 * _linear_over_exp((15.0 - v) / 5.0), 0.5 * exp_((10.0 - v) / 40.0)),
    )


def _linear_over_exp(x: Any) -> Any:
    """``x / (exp(x) - 1)``, which is 1 at 0: by its series where the difference cancels."""
    close = (x < 0.1) & (x > -0.1)
    far, q = where(close, 1.0, x), x * x
    series = 1.0 - 0.5 * x + q * (1 / 12 - q * (1 / 720 - q * (1 / 30240)))
    return where(close, series, far / (exp_(far) - 1.0))
