"""`LiRinzel`: the calcium of an astrocyte, and the slow inward current it gives to neurons."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from neurosim.errors import RangeError, check_choice, check_number, check_positive
from neurosim.units.base import Contract, Unit, Values
from neurosim.units.ops import log_from_one, maximum, minimum, where

MOST_SUBSTEPS = 64
AT_REST = 0.073, 0.793  # calcium [uM] and the share of channels that can open, at the default parameters
NANO = 1e3  # nM per uM


@dataclass(frozen=True)
class LiRinzel(Unit):
    """Astrocyte after Li & Rinzel: IP3 that spikes raise, calcium that it lets out of the store, and a current.

    tau_ip3 dip3/dt = ip3_0 - ip3, and ip3 += delta_ip3 x for input x;
    dca/dt = channel - pump + leak + flux, with er = (ca_tot - ca) / ratio_er,
    channel = ratio_er rate_ip3r (ip3 / (ip3 + kd_ip3_1) ca / (ca + kd_act) h)^3 (er - ca),
    leak = ratio_er rate_leak (er - ca), pump = rate_serca ca^2 / (km_serca^2 + ca^2);
    dh/dt = k_inh kd_inh (ip3 + kd_ip3_1) / (ip3 + kd_ip3_2) (1 - h) - k_inh ca h;
    i_sic = sic_scale ln y where y = (ca - sic_threshold) in nM is above 1, else 0.

    ip3 is solved exactly, ca and h by classical Runge-Kutta. Concentrations are uM, times s, the current pA. Use a
    ``dt`` of 10 ms or less. It never spikes: the layer's output is i_sic, and in a simulation
    ``connect(..., signal="i_sic")`` brings it to neurons. It does not train: the adjoint of four nested stages is too
    large to derive.

    Args:
        substeps: Runge-Kutta steps in one time step, 1..64.
        ca_tot: all calcium, by volume of the cytosol [uM]; ca is kept in 0..ca_tot.
        ip3_0: IP3 at rest [uM]; below zero it is held at zero.
        kd_ip3_1, kd_ip3_2: dissociation constants of IP3 [uM].
        kd_act, kd_inh: dissociation constants of calcium, activating and inhibiting [uM].
        km_serca: half-activation of the pump [uM].
        k_inh: binding rate of inhibiting calcium [1/(uM s)].
        rate_ip3r, rate_leak: of the channels and the leak [1/s].
        rate_serca: of the pump [uM/s].
        ratio_er: volume of the store relative to the cytosol's.
        tau_ip3: time constant of IP3 [s].
        delta_ip3: rise of IP3 by an input of 1 [uM].
        sic_threshold: calcium above which there is a current [uM].
        sic_scale: current at y = e [pA].
        convention: "neurosim" (x raises IP3 at the start of its step) or "nest" (astrocyte_lr_1994, which has an
            adaptive step: at the end).

    Shape:
        ports x (T, B, N), flux (T, B, N) [uM/s] -> i_sic (T, B, N); state ip3, ca, h, i_sic (B, N).

    Raises:
        RangeError: a parameter that is not positive, delta_ip3, sic_threshold or ip3_0 below zero.

    Source: Li & Rinzel 1994, doi:10.1006/jtbi.1994.1041, in the form, with the parameters and the current of NEST's
    astrocyte_lr_1994 (after Nadkarni & Jung 2003, doi:10.1103/PhysRevLett.91.268101). Clipping ip3 at 0 is ours.
    """

    substeps: int = 1
    ca_tot: float = 2.0
    ip3_0: float = 0.16
    kd_ip3_1: float = 0.13
    kd_ip3_2: float = 0.9434
    kd_act: float = 0.08234
    kd_inh: float = 1.049
    km_serca: float = 0.1
    k_inh: float = 0.2
    rate_ip3r: float = 6.0
    rate_leak: float = 0.11
    rate_serca: float = 0.9
    ratio_er: float = 0.185
    tau_ip3: float = 7.142
    delta_ip3: float = 2e-4
    sic_threshold: float = 0.19669
    sic_scale: float = 1.0
    convention: str = "neurosim"
    ports: ClassVar = ("x", "flux")
    state: ClassVar = ("ip3", "ca", "h", "i_sic")
    coeffs: ClassVar = (
        "dt", "half", "keep_half", "keep", "ip3_0", "kd_1", "kd_2", "kd_act", "bind", "k_inh", "km2", "ca_tot", "ratio",
        "channel", "leak", "pump", "delta", "sic_threshold", "sic_scale",
    )  # fmt: skip
    output: ClassVar = "i_sic"
    trains: ClassVar = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("LiRinzel.convention", self.convention, ("neurosim", "nest"))
        if not isinstance(self.substeps, int) or not 1 <= self.substeps <= MOST_SUBSTEPS:
            raise RangeError(f"LiRinzel.substeps: must be a whole number in 1..{MOST_SUBSTEPS}, got {self.substeps!r}.")
        may_be_zero = ("ip3_0", "delta_ip3", "sic_threshold", "sic_scale")
        for name in (f.name for f in fields(self) if f.name not in ("substeps", "convention")):
            value, where_ = getattr(self, name), f"LiRinzel.{name}"
            if name not in may_be_zero:
                check_positive(where_, value)
            elif name != "sic_scale" and value < 0:
                raise RangeError(f"{where_}: must be >= 0, got {value!r}.")
            check_number(where_, value)

    @property
    def contract(self) -> Contract:  # type: ignore[override]
        entry = "the end" if self.convention == "nest" else "the start"
        return Contract("rk4", f"delta_ip3, at {entry} of the step", "none", "never", comparison="never")

    def initial(self) -> tuple[float, ...]:
        return self.ip3_0, *AT_REST, 0.0

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        h = dt / self.substeps
        return (
            h, 0.5 * h, exp(-0.5 * h / self.tau_ip3), exp(-h / self.tau_ip3), self.ip3_0, self.kd_ip3_1, self.kd_ip3_2,
            self.kd_act, self.k_inh * self.kd_inh, self.k_inh, self.km_serca * self.km_serca, self.ca_tot,
            self.ratio_er, self.ratio_er * self.rate_ip3r, self.ratio_er * self.rate_leak, self.rate_serca,
            self.delta_ip3, self.sic_threshold, self.sic_scale,
        )  # fmt: skip

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        (ip3, ca, h, _), (x_in, flux), k = s, x, dict(zip(self.coeffs, c, strict=True))
        if self.convention == "neurosim":
            ip3 = ip3 + k["delta"] * x_in
        for _ in range(self.substeps):
            ip3, ca, h = _advance(maximum(ip3, 0.0), ca, h, flux, k)
        if self.convention == "nest":
            ip3 = ip3 + k["delta"] * x_in
        y = (ca - k["sic_threshold"]) * NANO
        i_sic = where(y > 1.0, k["sic_scale"] * log_from_one(maximum(y, 1.0)), 0.0 * y)
        return (ip3, ca, h, i_sic), None


def _advance(ip3: Any, ca: Any, h: Any, flux: Any, k: dict[str, Any]) -> tuple[Any, Any, Any]:
    """One Runge-Kutta step; IP3, which nothing here acts on, is known at its stages."""
    above = ip3 - k["ip3_0"]
    middle, end = k["ip3_0"] + above * k["keep_half"], k["ip3_0"] + above * k["keep"]

    def change(rates: tuple[Any, Any], ca: Any, h: Any) -> tuple[Any, Any]:
        opening, unbinding = rates
        ca = minimum(maximum(ca, 0.0), k["ca_tot"])
        gate = opening * (ca / (ca + k["kd_act"])) * h
        out = (k["ca_tot"] - ca) / k["ratio"] - ca
        pumped = k["pump"] * (ca * ca) / (k["km2"] + ca * ca)
        dca = (k["channel"] * (gate * gate * gate) + k["leak"]) * out - pumped + flux
        return dca, unbinding * (1.0 - h) - k["k_inh"] * ca * h

    at_start, at_middle, at_end = (_rates(i, k) for i in (ip3, middle, end))
    ca1, h1 = change(at_start, ca, h)
    ca2, h2 = change(at_middle, ca + k["half"] * ca1, h + k["half"] * h1)
    ca3, h3 = change(at_middle, ca + k["half"] * ca2, h + k["half"] * h2)
    ca4, h4 = change(at_end, ca + k["dt"] * ca3, h + k["dt"] * h3)
    ca = ca + k["dt"] * (ca1 + 2.0 * (ca2 + ca3) + ca4) / 6.0
    return end, minimum(maximum(ca, 0.0), k["ca_tot"]), h + k["dt"] * (h1 + 2.0 * (h2 + h3) + h4) / 6.0


def _rates(ip3: Any, k: dict[str, Any]) -> tuple[Any, Any]:
    """Share of channels that IP3 has opened, and the rate at which inhibiting calcium leaves [1/s]."""
    bound = ip3 + k["kd_1"]
    return ip3 / bound, k["bind"] * bound / (ip3 + k["kd_2"])
