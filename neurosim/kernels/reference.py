"""The oracle: a unit's own functions in a plain loop over time, on NumPy arrays or torch tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from neurosim.units.base import Unit


def heaviside(u: Any) -> Any:
    """1 where u > 0, else 0, in the dtype of ``u``."""
    return (u > 0) * (u * 0 + 1)


def reference(
    unit: Unit,
    x: Sequence[Any],
    c: Sequence[Any],
    state: Sequence[Any],
    output: str = "spikes",
    spike: Callable[[Any], Any] = heaviside,
    detach: Callable[[Any], Any] | None = None,
) -> tuple[list[Any], tuple[Any, ...]]:
    """Run ``unit`` step by step.

    Args:
        x: T entries, each a tuple with one array per port.
        c: coefficients, one scalar or array each.
        state: one array per state, at the start.
        output: "spikes" or the name of a state.
        spike: spike of u; for gradients, a function whose backward pass is a surrogate slope.
        detach: applied to the spike that enters the reset (``torch.Tensor.detach`` for a detached reset).

    Returns:
        T outputs, and the state at the end.
    """
    s, c = tuple(state), tuple(c)
    y = []
    for x_t in x:
        s, u = unit.step(s, tuple(x_t), c)
        z = s[0] * 0 if u is None else spike(u)
        s = unit.reset(s, z if detach is None else detach(z), c)
        y.append(z if output == "spikes" else s[unit.state.index(output)])
    return y, s
