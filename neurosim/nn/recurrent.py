"""`Recurrent`: units that feed back on themselves, in one fused scan."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.errors import UnsupportedError, check_choice
from neurosim.nn import ops
from neurosim.nn.layer import check_features, check_input
from neurosim.nn.spiking import UnitLayer
from neurosim.units import Unit


class Recurrent(UnitLayer):
    """Units with a dense recurrent weight: the input at step t is ``x[t] + weight @ spikes[t - 1]``.

    Args:
        unit: a spiking unit with one port.
        n: number of neurons.
        init: "orthogonal" scaled by ``scale``, or "uniform" in +-scale / sqrt(n).
        scale: size of the initial weight.
        **options: as for `Spiking` (dt, surrogate, learn, shape, detach_reset).

    Shape:
        x (T, B, n) -> spikes (T, B, n); weight (n, n), row = target; state: dict of (B, n), the unit's states and "z",
        the spikes of the step before.

    Raises:
        UnsupportedError: a unit that never spikes or has several ports.
    """

    def __init__(self, unit: Unit, n: int, *, init: str = "orthogonal", scale: float = 0.2, **options: Any) -> None:
        super().__init__(unit, **options)
        check_choice("Recurrent.init", init, ("orthogonal", "uniform"))
        if self.output != "spikes" or len(unit.ports) != 1:
            raise UnsupportedError(f"Recurrent: needs a spiking unit with one port, got {unit}.")
        self.n = n
        self.weight = nn.Parameter(torch.empty(n, n))
        if init == "orthogonal":
            nn.init.orthogonal_(self.weight, scale)
        else:
            nn.init.uniform_(self.weight, -scale / math.sqrt(n), scale / math.sqrt(n))

    def forward(self, x: Tensor, state: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Run all time steps; see the class."""
        check_input(self, x, 3, f"T, B, {self.n}")
        check_features(self, x, 2, self.n, f"T, B, {self.n}")
        names = (*self.unit.state, "z")
        c = self.coefficients((self.n,), x.dtype)
        start = self.start(state, names, x)
        chunk = self.chunk(x, self.weight, c, start)
        y, end, _ = ops.recurrent(x.contiguous(), self.weight.to(x.dtype), c, start, self._k, self._text, chunk)
        return y, dict(zip(names, end.unbind(), strict=True))
