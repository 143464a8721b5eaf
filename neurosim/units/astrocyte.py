"""A neuron with an astrocyte: a slow trace of its activity that changes what the neuron does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from neurosim.errors import RangeError, check_number, check_positive
from neurosim.units.base import Contract, Unit, Values
from neurosim.units.lif import membrane_reset, reset_word
from neurosim.units.ops import exp, log, maximum, tanh, where

ACTIONS = {"additive": "ka", "gain": "kg", "threshold": "kt"}  # what an astrocyte does, and by how much
NEAR = 0.01  # of two decay factors, between which the closed form of the membrane loses its digits


@dataclass(frozen=True)
class AstroLIF(Unit):
    """Leaky integrate-and-fire neuron with an astrocyte (astrocyte-modulated spiking unit); our formulation.

    The astrocyte keeps a slow, calcium-like trace c of what its neuron fired and of what came in at port "astro". In
    one step, with s the neuron's spike in the step before:

        c = lam c + (1 - lam) (a_post s + a_pre x_astro)
        v = beta v + x (1 + kg tanh(4 c)) + 4 ka c
        spike if v > v_threshold - 4 kt c

    With ka = kg = kt = 0, the start of training, it is ``LIF(tau_mem=Decay(beta), v_reset=0.0)``, bit for bit. c stays
    in 0..1 while a_pre is 0. Astrocytes that several neurons share are in `neurosim.nn.AstroLayer`.

    Args:
        lam: factor by which c shrinks in one step, 0 < lam < 1.
        beta: factor by which v shrinks in one step, 0 < beta < 1.
        ka: slow inward current per c (action "additive").
        kg: gain of the input (action "gain").
        kt: fall of the threshold per c (action "threshold").
        a_post: share of the neuron's own spikes in c.
        a_pre: share of the input of port "astro" in c; a unit with a_pre = 0 has no such port.
        v_threshold: firing threshold, > 0.
        v_reset: membrane after a spike; None subtracts v_threshold.
        mode: the actions, joined by "+": "additive", "gain", "threshold".

    Shape:
        x (T, B, N), and with a_pre also astro (T, B, N) -> spikes (T, B, N) in {0, 1}; state v, c (B, N), where c is
        already that of the next step as far as the neuron's own spikes go.

    Raises:
        RangeError: lam or beta not between 0 and 1, v_threshold not above 0, an unknown mode, or a factor of an action
            that is not in the mode.

    Source: our formulation of the idea of Shen et al. 2023, arXiv:2312.07625, whose equations are not public.
    """

    lam: float = 0.98
    beta: float = 0.9
    ka: float = 0.0
    kg: float = 0.0
    kt: float = 0.0
    a_post: float = 1.0
    a_pre: float = 0.0
    v_threshold: float = 1.0
    v_reset: float | None = 0.0
    mode: str = "additive+gain"
    state: ClassVar = ("v", "c")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("lam", "beta"):
            check_number(f"AstroLIF.{name}", getattr(self, name))
            if not 0 < getattr(self, name) < 1:
                raise RangeError(f"AstroLIF.{name}: must be between 0 and 1, got {getattr(self, name)!r}.")
        check_positive("AstroLIF.v_threshold", self.v_threshold)
        actions = self.mode.split("+") if isinstance(self.mode, str) else [self.mode]
        if len(set(actions)) != len(actions) or not set(actions) <= set(ACTIONS):
            raise RangeError(
                f"AstroLIF.mode: must be {', '.join(ACTIONS)}, or several of them joined by '+', got {self.mode!r}."
            )
        self._check_unused()

    def _check_unused(self) -> None:
        for action, name in ACTIONS.items():
            value = getattr(self, name)
            if action not in self._actions and not (isinstance(value, (int, float)) and value == 0):
                raise RangeError(
                    f"AstroLIF.{name}: has no part in mode {self.mode!r}, so it must stay 0 and cannot be trained, got "
                    f"{value!r}. Add {action!r} to the mode."
                )

    @property
    def _actions(self) -> tuple[str, ...]:
        return tuple(self.mode.split("+"))

    @property
    def ports(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("x", "astro") if self._has_port else ("x",)

    @property
    def _has_port(self) -> bool:
        return not (isinstance(self.a_pre, (int, float)) and self.a_pre == 0)

    @property
    def coeffs(self) -> tuple[str, ...]:  # type: ignore[override]
        factors = tuple(name for action, name in ACTIONS.items() if action in self._actions)
        return ("beta", "theta", "v_reset", "lam", "post", *(("pre",) if self._has_port else ()), *factors)

    @property
    def contract(self) -> Contract:  # type: ignore[override]
        return Contract("direct decay", "one", reset_word(self.v_reset))

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        del dt, exp
        self._check_unused()  # also when parameters train, which nobody has checked
        values = {
            "beta": self.beta, "theta": self.v_threshold, "v_reset": 0.0 if self.v_reset is None else self.v_reset,
            "lam": self.lam, "post": (1 - self.lam) * self.a_post, "pre": (1 - self.lam) * self.a_pre,
            "ka": 4 * self.ka, "kg": self.kg, "kt": 4 * self.kt,
        }  # fmt: skip
        return tuple(values[name] for name in self.coeffs)

    def _named(self, c: Values) -> dict[str, Any]:
        return dict(zip(self.coeffs, c, strict=True))

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        (v, calcium), k = s, self._named(c)
        if "pre" in k:
            calcium = calcium + k["pre"] * x[1]
        v = k["beta"] * v + (x[0] * (1.0 + k["kg"] * tanh(4.0 * calcium)) if "kg" in k else x[0])
        v = v + k["ka"] * calcium if "ka" in k else v
        return (v, calcium), v - k["theta"] + k["kt"] * calcium if "kt" in k else v - k["theta"]

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        (v, calcium), k = s, self._named(c)
        v = membrane_reset(v, z, k["theta"], k["v_reset"], self.v_reset is not None)
        return v, k["lam"] * calcium + k["post"] * z

    def quiet(self, s: Values, c: Values) -> Any:
        (v, calcium), k = s, self._named(c)
        theta, lam, beta = k["theta"], k["lam"], k["beta"]
        current = k["ka"] * calcium if "ka" in k else 0.0 * calcium
        help_ = k["kt"] * calcium / lam if "kt" in k else 0.0 * calcium
        # after n silent steps the membrane, seen from the threshold, is a beta^n + b lam^n, which has one maximum
        far = abs(lam - beta) > NEAR
        apart = where(far, lam - beta, NEAR + 0.0 * lam)
        a, b = v - current / apart, current / apart + help_
        rates = where(far, log(lam) - log(beta), NEAR + 0.0 * lam)
        slope = b * log(lam)  # of a subnormal b it is nothing too
        ratio = -(a * log(beta)) / where(slope == 0.0, 1.0 + 0.0 * b, slope)
        n = maximum(log(maximum(ratio, 1e-30)) / rates, 1.0)
        peak = maximum(a * exp(n * log(beta)) + b * exp(n * log(lam)), a * beta + b * lam)
        # of two factors that are nearly equal: v + current n m^(n - 1) at its largest, with m the larger factor
        m = maximum(lam, beta)
        other = maximum(v, 0.0) + maximum(help_, 0.0) - maximum(current, 0.0) / (2.718281828 * m * log(m))
        slack = 1e-6 * (abs(a) + abs(b) + theta) / (1.0 - m)  # rounding of as many steps as the memory is long
        falling = (current <= 0.0) & (help_ <= 0.0)  # nothing but the leak; rounding is monotone
        return (v <= theta) & (falling | (where(far, peak, other) + slack <= theta))
