"""`PlateauLIF`: a soma and dendritic branches on which coincident input starts a plateau potential."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neurosim.errors import RangeError, check_positive, check_seconds
from neurosim.units.base import Contract, Decay, Unit, Values, decay_factor
from neurosim.units.ops import maximum, where

MOST_BRANCHES = 64


@dataclass(frozen=True)
class PlateauLIF(Unit):
    """Leaky integrate-and-fire soma, tau_mem dv/dt = -v + x_soma, whose threshold is nearer while a branch is up.

    Input to a branch is counted: the first into a closed branch opens it for ``window``, and what arrives within it is
    added up. Where the count reaches ``coincident`` a plateau begins in that step and lasts ``plateau``; the branch
    closes, and a new count that is reached begins the plateau anew. A spike is v + boost (branches up) > v_threshold;
    then v = 0, and plateaus go on. A plateau alone never fires; soma input too small by itself fires during one.

    Args:
        tau_mem: membrane time constant of the soma [s], or `Decay` per step.
        v_threshold: firing threshold of the soma.
        coincident: count that starts a plateau (reached, not exceeded): active synapses, if these have weight 1.
        window: how long a count goes on [s], rounded to whole steps, at least one; the opening step is the first.
        plateau: length of a plateau [s], rounded to whole steps, at least one; the triggering step is the first.
        boost: what a plateau lowers the threshold by, > 0 and below v_threshold.
        branches: number of dendritic branches, each with a port and a plateau of its own.

    Shape:
        ports soma, dend (T, B, N) (with several branches soma, dend_0, dend_1, ...) -> spikes (T, B, N) in {0, 1};
        state v, and of each branch count, open and up, the last two in steps that are left (B, N).

    Raises:
        RangeError: a parameter that is not positive, boost not below v_threshold; a window or plateau shorter than
            half a step, or as a parameter to train.

    Note: a count that is reached has no slope, so soma weights train with a surrogate and branch weights do not.
    Source: our formulation; plateaus by NMDA receptors are reviewed in Antic et al. 2010, doi:10.1002/jnr.22444, and
    Major, Larkum & Schiller 2013, doi:10.1146/annurev-neuro-062111-150343.
    """

    tau_mem: float | Decay = 20e-3
    v_threshold: float = 1.0
    coincident: float = 4.0
    window: float = 5e-3
    plateau: float = 100e-3
    boost: float = 0.6
    branches: int = 1
    contract: ClassVar = Contract("exact", "one", "to value", comparison="v + boost > v_threshold")  # type: ignore[misc]

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("v_threshold", "coincident", "boost"):
            check_positive(f"PlateauLIF.{name}", getattr(self, name))
        for name in ("window", "plateau"):
            check_seconds(f"PlateauLIF.{name}", getattr(self, name))
        if not self.boost < self.v_threshold:
            raise RangeError(
                f"PlateauLIF.boost: must be below v_threshold = {self.v_threshold:g}, or a plateau fires by itself, "
                f"got {self.boost:g}."
            )
        if not isinstance(self.branches, int) or not 1 <= self.branches <= MOST_BRANCHES:
            raise RangeError(
                f"PlateauLIF.branches: must be a whole number in 1..{MOST_BRANCHES}, got {self.branches!r}."
            )

    @property
    def ports(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("soma", *(f"dend{end}" for end in self._ends()))

    @property
    def state(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("v", *(f"{name}{end}" for end in self._ends() for name in ("count", "open", "up")))

    coeffs: ClassVar = ("decay", "theta", "coincident", "window", "plateau", "boost")

    def _ends(self) -> tuple[str, ...]:
        return ("",) if self.branches == 1 else tuple(f"_{k}" for k in range(self.branches))

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        lengths = (_steps(f"PlateauLIF.{name}", getattr(self, name), dt) for name in ("window", "plateau"))
        return decay_factor(self.tau_mem, dt, exp), self.v_threshold, self.coincident, *lengths, self.boost

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        decay, theta, coincident, window, plateau, boost = c
        v = decay * s[0] + x[0]
        after: list[Any] = []
        ups = 0.0 * v
        for k in range(self.branches):
            count, left, up = s[1 + 3 * k : 4 + 3 * k]
            x_in = x[1 + k]
            going = left > 0.0
            count = where(going, count + x_in, x_in)
            left = where(going, left - 1.0, where(x_in == 0.0, 0.0 * left, window - 1.0))
            reached = count >= coincident
            up = where(reached, plateau, maximum(up - 1.0, 0.0))
            # a count of which no step is left starts anew anyway: it is put back, so that silence looks the same always
            closed = reached | (left <= 0.0)
            after += (where(closed, 0.0 * count, count), where(reached, 0.0 * left, left), up)
            ups = where(up > 0.0, ups + 1.0, ups)
        return (v, *after), v + boost * ups - theta

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        del c
        return ((1 - z) * s[0], *s[1:])

    def quiet(self, s: Values, c: Values) -> Any:
        _, theta, coincident, _, _, boost = c
        # the soma decays towards 0, and no branch goes up but those that are, or whose count is there
        ups = 0.0 * s[0]
        for k in range(self.branches):
            count, _, up = s[1 + 3 * k : 4 + 3 * k]
            ups = where((up > 0.0) | (count >= coincident), ups + 1.0, ups)
        return (maximum(s[0], 0.0) + boost * ups - theta <= 0.0) & (boost >= 0.0) & (coincident > 0.0)


def _steps(where_: str, seconds: Any, dt: float) -> Any:
    """A period, or an array of periods [s], in whole steps."""
    if not isinstance(seconds, (int, float, np.ndarray)):
        raise RangeError(f"{where_}: is a whole number of steps, so it has no gradient to train with.")
    steps = np.rint(np.asarray(seconds, float) / dt)
    if (steps < 1).any():
        least = float(np.min(seconds))
        raise RangeError(f"{where_}: {least:g} s is less than half a step of dt = {dt:g} s.")
    return steps if steps.ndim else float(steps)
