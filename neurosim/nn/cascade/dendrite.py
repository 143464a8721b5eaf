"""`Dendrite`: one graded node for every unit of a layer."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.errors import RangeError, ShapeError, UnsupportedError, check_choice, check_positive
from neurosim.nn.cascade.correlation import NORMALISED, OBJECTIVES, Statistics
from neurosim.nn.layer import Layer

PHI = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu}
SCALES = ("parent", "one")


@dataclass(frozen=True)
class Growth:
    """How new dendrites are drawn and trained.

    Args:
        objective: "normalised" (the correlation coefficient, which compares across layers; our formulation) or "raw"
            (the covariance summed over samples, of Fahlman & Lebiere).
        decay: of the running means and covariances per batch; 0 takes those of each batch alone, for full batches.
        candidates: dendrites trained side by side; each unit keeps the one that correlates best.
        multiplier: size of the initial weights, normally distributed.
        scale: "parent" multiplies them by the mean absolute weight of the layer, "one" does not.

    Raises:
        RangeError: a value outside what is said above.
    """

    objective: str = NORMALISED
    decay: float = 0.99
    candidates: int = 1
    multiplier: float = 1.0
    scale: str = "parent"

    def __post_init__(self) -> None:
        check_choice("Growth.objective", self.objective, OBJECTIVES)
        check_choice("Growth.scale", self.scale, SCALES)
        check_positive("Growth.multiplier", self.multiplier)
        if isinstance(self.decay, bool) or not isinstance(self.decay, (int, float)) or not 0 <= self.decay < 1:
            raise RangeError(f"Growth.decay: must be in 0..1 without 1, got {self.decay!r}.")
        if isinstance(self.candidates, bool) or not isinstance(self.candidates, int) or self.candidates < 1:
            raise RangeError(f"Growth.candidates: must be a whole number >= 1, got {self.candidates!r}.")


class Dendrite(nn.Module):
    """d(x) = phi(V * x + c + sum_k u_k d_k(x)), with V of the layer's own shape and one c and u_k per unit.

    Args:
        template: the layer; a copy of it has V as its weight, and c as its bias if it has one.
        units: C, units of the layer.
        before: dendrites that this one sees.
        phi: "tanh", "sigmoid" or "relu".
        axis: of the units in the output, negative.
    """

    def __init__(self, template: nn.Module, units: int, before: int, phi: str, axis: int) -> None:
        super().__init__()
        self.phi, self.axis = phi, axis
        self.layer = copy.deepcopy(template)
        like: Any = self.layer.weight
        has_bias = getattr(self.layer, "bias", None) is not None
        self.c = None if has_bias else nn.Parameter(like.detach().new_zeros(units))
        self.u = nn.Parameter(like.detach().new_zeros(before, units)) if before else None

    def forward(self, x: Tensor, before: list[Tensor]) -> Tensor:
        """Activity in the shape of the layer's output, given that of the dendrites before."""
        y: Any = self.layer(x)
        if isinstance(self.layer, Layer):
            y, state = y
            if state is not None:
                raise UnsupportedError(
                    f"CascadeDendrites: a copy of {type(self.layer).__name__} has a state of its own, which a dendrite "
                    "does not carry. Wrap layers without state."
                )
        if self.c is not None:
            y = y + along(self.c, y, self.axis)
        if self.u is not None:
            for u, d in zip(self.u, before, strict=True):
                y = y + along(u, y, self.axis) * d
        active: Tensor = PHI[self.phi](y)
        return active

    def extra_repr(self) -> str:
        return f"phi={self.phi!r}"


class Candidate(Dendrite):
    """A dendrite that is being trained, with the statistics of that."""

    def __init__(self, template: nn.Module, units: int, before: int, phi: str, axis: int, decay: float) -> None:
        super().__init__(template, units, before, phi, axis)
        self.statistics = Statistics(units, decay, self.layer.weight.detach())  # type: ignore[operator]

    @torch.no_grad()
    def draw(self, generator: torch.Generator, size: float) -> None:
        """Draw V, c and u from a normal distribution of this standard deviation."""
        for p in self.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * size)


@torch.no_grad()
def best_of(candidates: list[Candidate], into: Dendrite, units: int) -> Tensor:
    """Fill a dendrite with the candidate of the largest ``|rho|`` of each unit; (C,) their rho."""
    rho = torch.stack([c.statistics.rho for c in candidates])  # (K, C)
    winner = rho.abs().argmax(0)
    several = [dict(c.named_parameters()) for c in candidates]
    for name, p in into.named_parameters():
        axis = unit_axis(into, name, p, units)
        stacked = torch.stack([c[name].movedim(axis, 0) for c in several])  # (K, C, ...)
        p.copy_(stacked[winner, torch.arange(units, device=winner.device)].movedim(0, axis))
    return rho.gather(0, winner.unsqueeze(0))[0]


def unit_axis(dendrite: Dendrite, name: str, p: Tensor, units: int) -> int:
    """Axis of a parameter that runs over units: the last of u, the first of V and c."""
    axis = 1 if name == "u" else 0
    if p.shape[axis] != units:
        raise UnsupportedError(
            f"Growth.candidates: {name} {tuple(p.shape)} of a {type(dendrite.layer).__name__} has no row for each of "
            f"its {units} units, so units cannot choose among candidates. Use candidates=1."
        )
    return axis


def along(values: Tensor, y: Tensor, axis: int) -> Tensor:
    """(C,) shaped to multiply ``y`` along its ``axis`` (negative)."""
    if y.dim() < -axis or y.shape[axis] != len(values):
        raise ShapeError(
            f"CascadeDendrites.output_axes: the layer has {len(values)} units, but its output {tuple(y.shape)} has "
            f"{y.shape[axis] if y.dim() >= -axis else 'nothing'} at axis {axis}."
        )
    return values.view(-1, *[1] * (-axis - 1))
