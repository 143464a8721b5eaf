"""When input enters a time step, what counts as a threshold crossing, and how long a neuron is held.

Simulators agree on the equations of a neuron and differ in these; two of them fire spike for spike alike only if all
three are the same. The units of this package that serve simulation take ``convention``:

=========== ============================== ================ ================== =============================
convention  currents and conductances      threshold        jumps of v (delta) updates held after a spike
=========== ============================== ================ ================== =============================
"neurosim"  x acts from the step's start   v > v_threshold  before the test    round(refractory / dt)
"nest"      x is added at the step's end   v >= v_threshold before the test    round(refractory / dt)
"brian2"    x is added at the step's end   v > v_threshold  after the test     round(refractory / dt) - 1
=========== ============================== ================ ================== =============================

A held membrane loses its jumps (in Brian2 that is what ``(unless refractory)`` does); currents and conductances go on
and take input while it is held. All of it was compared, spike for spike, with NEST 3.10.0 and Brian2 2.9.0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim.errors import RangeError, check_choice, check_seconds
from neurosim.units.base import Values
from neurosim.units.ops import where
from neurosim.units.refractory import NEVER

CONVENTIONS = ("neurosim", "nest", "brian2")
TINY = 1e-30  # added to a distance that is not negative, so that u > 0 at v = theta; lost in any larger distance


def comparison(threshold: str, convention: str) -> str:
    """The contract's words for the threshold test."""
    return f"v >= {threshold}" if convention == "nest" else f"v > {threshold}"


def distance(v: Any, theta: Any, convention: str) -> Any:
    """``u``: above zero exactly where there is a spike, with slope 1 in ``v`` everywhere."""
    u = v - theta
    return where(v < theta, u, u + TINY) if convention == "nest" else u


def hold(moved: Any, u: Any, v: Any, wait: Values) -> tuple[Any, Any, Values]:
    """``v, u, wait`` after an update to ``moved`` that a refractory neuron leaves out; ``wait`` is (): it never is."""
    if not wait:
        return moved, u, wait
    (left,) = wait
    free = left <= 0.0
    return where(free, moved, v), where(free, u, NEVER), (where(free, left, left - 1.0),)


def has_wait(refractory: Any) -> bool:
    """Whether a unit with this period counts held steps in a state ``wait``."""
    return not (isinstance(refractory, (int, float)) and refractory == 0)


def held_steps(where_: str, refractory: Any, dt: float, convention: str) -> Values:
    """The coefficient ``steps``: updates to hold after a spike, for a period or an array of periods [s]; () for none.

    Raises:
        RangeError: a period is shorter than half a step, or a tensor.
    """
    if not has_wait(refractory):
        return ()
    if not isinstance(refractory, (int, float, np.ndarray)):
        raise RangeError(f"{where_}: is a whole number of steps, so it has no gradient to train with.")
    periods = np.asarray(refractory, float)
    steps = np.rint(periods / dt)
    if (short := (steps < 1) & (periods > 0)).any():
        least = periods[short].min()
        raise RangeError(f"{where_}: {least:g} s is less than half a step of dt = {dt:g} s.")
    steps = np.maximum(steps - 1, 0) if convention == "brian2" else steps
    return (steps if steps.ndim else float(steps),)


def check_spiking(unit: Any, threshold: str) -> None:
    """Raise `RangeError` unless convention, refractory period and reset of ``unit`` make sense together.

    Args:
        threshold: name of the field a reset must stay below.
    """
    name = type(unit).__name__
    check_choice(f"{name}.convention", unit.convention, CONVENTIONS)
    if unit.refractory != 0:
        check_seconds(f"{name}.refractory", unit.refractory)
    theta = getattr(unit, threshold)
    if unit.v_reset is not None and not unit.v_reset < theta:
        raise RangeError(f"{name}.v_reset: must be below {threshold} = {theta:g}, got {unit.v_reset:g}.")
