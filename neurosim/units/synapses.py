"""Excitatory and inhibitory synapses, exponential or alpha, solved exactly; a part of several units."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from neurosim.units.base import Values
from neurosim.units.ops import where

PORTS = ("exc", "inh")
KINDS = ("exponential", "alpha")
TERMS = 15  # of the series below: the first one left out is 0.5**15 / 15! of the sum


def synapse_state(kind: str, letter: str) -> tuple[str, ...]:
    """Names of the states: ``i_exc, i_inh`` for letter "i"; alpha has a ``rise_...`` before each, other kinds none."""
    each = {"exponential": (letter,), "alpha": ("rise", letter)}.get(kind, ())
    return tuple(f"{name}_{port}" for port in PORTS for name in each)


def synapse_coeffs(kind: str) -> tuple[str, ...]:
    """Names of the numbers that `advance` takes."""
    each = {"exponential": ("decay",), "alpha": ("decay", "climb")}.get(kind, ())
    return tuple(f"{name}_{port}" for port in PORTS for name in each)


def synapse_coefficients(kind: str, taus: Sequence[Any], dt: float, exp: Callable[[Any], Any]) -> Values:
    """The numbers of `synapse_coeffs` for the time constants of both ports [s]."""
    decays = [exp(-dt / tau) for tau in taus]
    if kind == "alpha":  # tau di/dt = e rise - i, tau drise/dt = -rise: x in `rise` gives a current with peak x at tau
        return tuple(n for tau, decay in zip(taus, decays, strict=True) for n in (decay, math.e * dt / tau * decay))
    return tuple(decays) if kind == "exponential" else ()


def advance(kind: str, convention: str, s: Values, x: Values, c: Values) -> tuple[Values, Values]:
    """One step of both synapses: the states that act on the membrane during the step, and those after it."""
    if convention == "neurosim":
        acting = _arrive(kind, s, x)
        return acting, _decay(kind, acting, c)
    return s, _arrive(kind, _decay(kind, s, c), x)


def strengths(kind: str, s: Values) -> Values:
    """The two currents or conductances among the states."""
    return s[1::2] if kind == "alpha" else s


def _arrive(kind: str, s: Values, x: Values) -> Values:
    if kind == "alpha":
        (rise_exc, exc, rise_inh, inh), (x_exc, x_inh) = s, x
        return rise_exc + x_exc, exc, rise_inh + x_inh, inh
    return tuple(i + x_i for i, x_i in zip(s, x, strict=True)) if kind == "exponential" else s


def _decay(kind: str, s: Values, c: Values) -> Values:
    if kind == "alpha":
        (rise_exc, exc, rise_inh, inh), (decay_exc, climb_exc, decay_inh, climb_inh) = s, c
        return (
            decay_exc * rise_exc, decay_exc * exc + climb_exc * rise_exc,
            decay_inh * rise_inh, decay_inh * inh + climb_inh * rise_inh,
        )  # fmt: skip
    return tuple(decay * i for decay, i in zip(c, s, strict=True))


def membrane_gains(kind: str, dt: float, tau_mem: Any, taus: Sequence[Any], exp: Callable[[Any], Any]) -> Values:
    """What a membrane, tau_mem dv/dt = -v + i, reaches in one step from 1 in each state of `synapse_state`.

    Source: Rotter & Diesmann 1999, doi:10.1007/s004220050570, eqs. for exponential and alpha currents; written here
    with functions that are smooth where tau_mem equals a synaptic time constant.
    """
    gains: list[Any] = []
    for tau in taus:
        current, rise = _gains(dt, tau_mem, tau, exp)
        gains += {"exponential": (current,), "alpha": (rise, current)}.get(kind, ())
    return tuple(gains)


def _gains(dt: float, tau_mem: Any, tau_syn: Any, exp: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Membrane after ``dt`` from a current and from a rise of 1 at the step's start.

    With a = dt / tau_mem, b = dt / tau_syn and d = a - b they are a exp(-a) phi and e a b exp(-a) psi, where
    phi = (exp(d) - 1) / d and psi = ((d - 1) exp(d) + 1) / d^2. Near d = 0 both cancel: series there.
    """
    a, b = dt / tau_mem, dt / tau_syn
    d = a - b
    close = (d < 0.5) & (d > -0.5)
    near, far = where(close, d, 0.0), where(close, 1.0, d)  # finite where not chosen too, or its gradient is nan
    phi, psi = 0.0, 0.0
    for k in reversed(range(TERMS)):
        phi, psi = phi * near + 1 / math.factorial(k + 1), psi * near + 1 / (math.factorial(k) * (k + 2))
    mem, syn = exp(-a), exp(-b)
    current = where(close, mem * phi, (syn - mem) / far)
    rise = where(close, mem * psi, (syn * (far - 1) + mem) / (far * far))
    return a * current, math.e * a * b * rise
