"""How synapses change: rules for long-term plasticity by spike times, and short-term plasticity.

Every rule splits the delay of a synapse: `dendritic_delay` is what a postsynaptic spike needs from the soma back to
the synapse and what the input needs from there to the soma; the rest of the delay is axonal. With
``dendritic_delay=0`` all of the delay is axonal, as in Brian2; with the whole delay it is as in NEST.

A presynaptic spike is transmitted with the weight it finds, then changes it. One that reaches the synapse in the same
step as a postsynaptic spike counts as before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neurosim.errors import RangeError, check_choice, check_seconds
from neurosim.graph.base import number, text
from neurosim.graph.distributions import Distribution

PAIRINGS = ("all", "nearest")
Numbers = tuple[float, ...]


class Plasticity:
    """Base of the rules."""

    kind: ClassVar[str] = ""  # which kernels carry it out
    dendritic_delay: float = 0.0

    @property
    def taus(self) -> Numbers:
        """Time constants [s] of what a kernel lets decay."""
        raise NotImplementedError

    def numbers(self) -> Numbers:
        """All other numbers its kernel needs."""
        raise NotImplementedError

    def dendritic_steps(self, dt: float) -> int:
        """The dendritic part of the delay in steps of ``dt`` [s]."""
        return round(self.dendritic_delay / dt)

    def check_weights(self, where: str, weight: Any) -> None:
        """Raise `RangeError` unless initial weights lie in the rule's range."""

    def _check(self, *seconds: str) -> None:
        name = type(self).__name__
        for field in seconds:
            check_seconds(f"{name}.{field}", getattr(self, field))
        object.__setattr__(self, "dendritic_delay", number(f"{name}.dendritic_delay", self.dendritic_delay, low=0))


class _Bounded(Plasticity):
    """A rule whose weights stay in w_min..w_max."""

    w_min: float
    w_max: float
    pairing: str = "all"

    def _check_bounds(self, *numbers: str) -> None:
        name = type(self).__name__
        for field in (*numbers, "w_min", "w_max"):
            object.__setattr__(self, field, number(f"{name}.{field}", getattr(self, field)))
        if not self.w_min < self.w_max:
            raise RangeError(f"{name}.w_min: must be below w_max, got {self.w_min!r} and {self.w_max!r}.")
        check_choice(f"{name}.pairing", self.pairing, PAIRINGS)

    def check_weights(self, where: str, weight: Any) -> None:
        if isinstance(weight, Distribution):
            low, high = weight.low, weight.high
        else:
            values = np.asarray(weight)
            low, high = (float(values.min()), float(values.max())) if values.size else (self.w_min, self.w_max)
        if not self.w_min <= low <= high <= self.w_max:
            hint = " Write low=, high= of the distribution." if isinstance(weight, Distribution) else ""
            raise RangeError(
                f"{where}.weight: must start in {self.w_min:g}..{self.w_max:g} (w_min..w_max of its plasticity), "
                f"got {low:g}..{high:g}.{hint}"
            )

    def _numbers(
        self,
        plus: tuple[float, float],
        minus: tuple[float, float],
        fixed: float = 0.0,
        mu: tuple[float, float] = (0, 0),
    ) -> Numbers:
        """Changes by pairs and triplets, by each presynaptic spike alone, and by w; the range; 1 to add up traces."""
        return (*plus, *minus, fixed, *mu, self.w_min, self.w_max, float(self.pairing == "all"))


@dataclass(frozen=True)
class PairSTDP(_Bounded):
    """Spike-timing dependent plasticity by pairs of spikes.

    With x(t), y(t) traces that jump by 1 at pre- and postsynaptic spikes, R = w_max - w_min:
    post: ``w += R a_plus x ((w_max - w) / R)^mu_plus``; pre: ``w -= R a_minus y ((w - w_min) / R)^mu_minus``; then w is
    kept in w_min..w_max.

    Args:
        tau_plus, tau_minus: of x and y [s].
        a_plus, a_minus: change by one pair at once, in parts of R.
        mu_plus, mu_minus: 0: additive; 1: multiplicative; between: power law.
        pairing: "all" pairs of spikes, or each spike with the "nearest" one before it (traces are set to 1).
        dendritic_delay: [s].

    Raises:
        RangeError: a number out of its range.

    Source: Song, Miller and Abbott 2000, doi:10.1038/78829; Guetig et al. 2003, doi:10.1523/JNEUROSCI.23-09-03697.2003.
    """

    tau_plus: float = 20e-3
    tau_minus: float = 20e-3
    a_plus: float = 0.01
    a_minus: float = 0.0105
    mu_plus: float = 0.0
    mu_minus: float = 0.0
    w_min: float = 0.0
    w_max: float = 1.0
    pairing: str = "all"
    dendritic_delay: float = 0.0
    kind: ClassVar = "stdp"

    def __post_init__(self) -> None:
        self._check("tau_plus", "tau_minus")
        self._check_bounds("a_plus", "a_minus")
        for field in ("mu_plus", "mu_minus"):
            object.__setattr__(self, field, number(f"PairSTDP.{field}", getattr(self, field), low=0))

    @property
    def taus(self) -> Numbers:
        return self.tau_plus, self.tau_plus, self.tau_minus, self.tau_minus

    def numbers(self) -> Numbers:
        scale = self.w_max - self.w_min
        return self._numbers((scale * self.a_plus, 0.0), (scale * self.a_minus, 0.0), mu=(self.mu_plus, self.mu_minus))


@dataclass(frozen=True)
class TripletSTDP(_Bounded):
    """Plasticity by pairs and triplets of spikes, additive, kept in w_min..w_max.

    Post: ``w += R r1 (a2_plus + a3_plus o2)``; pre: ``w -= R o1 (a2_minus + a3_minus r2)``; traces r of pre- and o of
    postsynaptic spikes, r2 and o2 taken just before the spike, R = w_max - w_min.

    Args:
        tau_plus, tau_x: of r1 and r2 [s].
        tau_minus, tau_y: of o1 and o2 [s].
        a2_plus, a3_plus, a2_minus, a3_minus: changes in parts of R; default: fit to visual cortex, all pairs.
        pairing: "all" or "nearest".
        dendritic_delay: [s].

    Raises:
        RangeError: a number out of its range.

    Source: Pfister and Gerstner 2006, doi:10.1523/JNEUROSCI.1425-06.2006, table 4.
    """

    tau_plus: float = 16.8e-3
    tau_minus: float = 33.7e-3
    tau_x: float = 101e-3
    tau_y: float = 125e-3
    a2_plus: float = 5e-10
    a3_plus: float = 6.2e-3
    a2_minus: float = 7e-3
    a3_minus: float = 2.3e-4
    w_min: float = 0.0
    w_max: float = 1.0
    pairing: str = "all"
    dendritic_delay: float = 0.0
    kind: ClassVar = "stdp"

    def __post_init__(self) -> None:
        self._check("tau_plus", "tau_minus", "tau_x", "tau_y")
        self._check_bounds("a2_plus", "a3_plus", "a2_minus", "a3_minus")

    @property
    def taus(self) -> Numbers:
        return self.tau_plus, self.tau_x, self.tau_minus, self.tau_y

    def numbers(self) -> Numbers:
        scale = self.w_max - self.w_min
        return self._numbers(
            (scale * self.a2_plus, scale * self.a3_plus), (scale * self.a2_minus, scale * self.a3_minus)
        )


@dataclass(frozen=True)
class VogelsSprekeler(_Bounded):
    """Homeostatic plasticity of inhibitory synapses: drives the target's rate to ``rate``.

    Traces x, y of pre- and postsynaptic spikes with one ``tau``. Pre: ``w += eta (y - 2 rate tau)``; post:
    ``w += eta x``; then w is kept in w_min..w_max. Inhibition whose weights are negative (current-based units): give
    w_min < w_max <= 0 and a negative eta.

    Args:
        eta: learning rate, in units of the weight.
        rate: of the target neurons [Hz].
        tau: [s].
        dendritic_delay: [s].

    Raises:
        RangeError: a number out of its range.

    Source: Vogels, Sprekeler et al. 2011, doi:10.1126/science.1211095.
    """

    eta: float = 0.005
    rate: float = 5.0
    tau: float = 20e-3
    w_min: float = 0.0
    w_max: float = 1.0
    dendritic_delay: float = 0.0
    kind: ClassVar = "stdp"

    def __post_init__(self) -> None:
        self._check("tau")
        self._check_bounds("eta")
        object.__setattr__(self, "rate", number("VogelsSprekeler.rate", self.rate, low=0))

    @property
    def taus(self) -> Numbers:
        return self.tau, self.tau, self.tau, self.tau

    def numbers(self) -> Numbers:
        return self._numbers((self.eta, 0.0), (-self.eta, 0.0), fixed=2 * self.eta * self.rate * self.tau)


@dataclass(frozen=True)
class RewardSTDP(_Bounded):
    """Pair STDP that waits for reward: spike pairs change an eligibility c, a modulator n turns it into weight.

    ``dw/dt = c (n - baseline)``, ``dc/dt = -c / tau_eligibility``, ``dn/dt = -n / tau_modulator``. Post:
    ``c += R a_plus x``; pre: ``c -= R a_minus y``; a spike of the modulator population: ``n += 1``. Between spikes all
    of it is integrated exactly; w is kept in w_min..w_max whenever a spike reaches the synapse.

    Args:
        modulator: name of the population whose spikes are the reward.
        modulator_delay: of those spikes [s].
        tau_plus, tau_minus: of the traces x and y [s].
        a_plus, a_minus: change of c [1/s] by one pair at once, in parts of R = w_max - w_min.
        tau_eligibility, tau_modulator: [s].
        baseline: of the modulator.
        pairing: "all" or "nearest".
        dendritic_delay: [s].

    Raises:
        RangeError: a number out of its range.

    Source: Izhikevich 2007, doi:10.1093/cercor/bhl152; event-driven form: Potjans, Morrison and Diesmann 2010,
    doi:10.3389/fncom.2010.00141.
    """

    modulator: str
    modulator_delay: float = 1e-3
    tau_plus: float = 20e-3
    tau_minus: float = 20e-3
    a_plus: float = 0.01
    a_minus: float = 0.015
    tau_eligibility: float = 1.0
    tau_modulator: float = 0.2
    baseline: float = 0.0
    w_min: float = 0.0
    w_max: float = 1.0
    pairing: str = "all"
    dendritic_delay: float = 0.0
    kind: ClassVar = "reward"

    def __post_init__(self) -> None:
        text("RewardSTDP.modulator", self.modulator)
        self._check("tau_plus", "tau_minus", "tau_eligibility", "tau_modulator", "modulator_delay")
        self._check_bounds("a_plus", "a_minus", "baseline")

    @property
    def taus(self) -> Numbers:
        return self.tau_plus, self.tau_plus, self.tau_minus, self.tau_minus

    def numbers(self) -> Numbers:
        scale = self.w_max - self.w_min
        return self._numbers((scale * self.a_plus, 0.0), (scale * self.a_minus, 0.0))

    def modulator_steps(self, dt: float) -> int:
        """Delay of the modulator's spikes in steps of ``dt`` [s]."""
        return round(self.modulator_delay / dt)


@dataclass(frozen=True)
class TsodyksMarkram(Plasticity):
    """Short-term depression and facilitation: a spike arrives with ``weight * u * R``.

    From one spike of a source to the next, dt later: ``R <- 1 + (R - R u - 1) exp(-dt / tau_rec)``,
    ``u <- U + u (1 - U) exp(-dt / tau_facil)``; the first spike finds u = U, R = 1. As it happens in the axon's
    terminal, no part of the delay is dendritic.

    Args:
        U: part of the resources that a first spike uses, in 0..1.
        tau_rec: recovery from depression [s].
        tau_facil: decay of facilitation [s]; 0: none.

    Raises:
        RangeError: a number out of its range.

    Source: Tsodyks, Pawelzik and Markram 1998, doi:10.1162/089976698300017502.
    """

    U: float = 0.5
    tau_rec: float = 0.8
    tau_facil: float = 0.0
    kind: ClassVar = "short_term"

    def __post_init__(self) -> None:
        check_seconds("TsodyksMarkram.tau_rec", self.tau_rec)
        for field in ("U", "tau_facil"):
            object.__setattr__(self, field, number(f"TsodyksMarkram.{field}", getattr(self, field), low=0))
        if self.U > 1:
            raise RangeError(f"TsodyksMarkram.U: must be in 0..1, got {self.U!r}.")

    @property
    def taus(self) -> Numbers:
        return self.tau_rec, self.tau_facil

    def numbers(self) -> Numbers:
        return (self.U,)


PLASTICITIES: tuple[type[Plasticity], ...] = (PairSTDP, TripletSTDP, VogelsSprekeler, RewardSTDP, TsodyksMarkram)
