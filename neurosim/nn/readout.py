"""`Readout`: what a network says after all time steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neurosim.errors import ShapeError, check_choice
from neurosim.nn.layer import Layer, check_input, check_state
from neurosim.nn.spiking import Spiking
from neurosim.units import LI, Unit

MODES = ("mean", "last", "max", "count", "membrane")


class Readout(Layer):
    """Reduce time: x (T, B, C) -> y (B, C), over all steps seen since the state began.

    Args:
        mode: "mean" over time, "last" step, "max" over time, "count" (sum, the spike count), or "membrane": the
            mean over time of the membrane of ``unit``, a leaky integrator fed by x.
        unit: the integrator of mode "membrane".
        dt: time step [s] of that integrator.

    Shape:
        x (T, B, ...) -> y (B, ...); state: what has been accumulated, so that chunks give what the whole gives.
    """

    def __init__(self, mode: str = "mean", unit: Unit | None = None, dt: float = 1e-3) -> None:
        super().__init__()
        check_choice("Readout.mode", mode, MODES)
        self.mode = mode
        self.integrator = Spiking(unit or LI(), dt=dt, output="v") if mode == "membrane" else None

    def forward(self, x: Tensor, state: dict[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        """Reduce ``x`` over time, going on from ``state``."""
        check_input(self, x)
        if state is not None and set(state) != {"total", "steps", "inner"}:
            raise ShapeError(f"Readout: state must be a dict with total, steps and inner, got {list(state)}.")
        before, steps, inner = (state["total"], state["steps"], state["inner"]) if state else (None, 0, None)
        if before is not None:
            check_state(self, "total", before, x.shape[1:])
        if self.integrator is not None:
            x, inner = self.integrator(x, inner)
        steps = steps + x.shape[0]
        if self.mode == "last":
            total = x[-1]
        elif self.mode == "max":
            total = x.amax(0) if before is None else torch.maximum(before, x.amax(0))
        else:
            total = x.sum(0) if before is None else before + x.sum(0)
        y = total / steps if self.mode in ("mean", "membrane") else total
        return y, {"total": total, "steps": steps, "inner": inner}

    def extra_repr(self) -> str:
        return f"mode={self.mode!r}"
