"""How well a dendrite correlates with the error of its unit, and the gradient of that."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from neurosim.errors import RangeError, ShapeError

NORMALISED, RAW = "normalised", "raw"
OBJECTIVES = (NORMALISED, RAW)
ROUNDING = 8  # in units of the precision: a spread this much smaller than the mean is no spread


class Statistics(nn.Module):
    """Means, variances and covariance of a dendrite d and the error e of its unit, for C units.

    Running over batches with ``decay``, without the bias of a start at zero; ``decay = 0`` is the last batch alone.
    A batch is centred with the running means, itself included.

    Args:
        units: C.
        decay: weight of the past, 0..1 (1 excluded).
        like: tensor whose dtype and device are used.
    """

    seen: Tensor
    mean_d: Tensor
    mean_e: Tensor
    var_d: Tensor
    var_e: Tensor
    cov: Tensor

    def __init__(self, units: int, decay: float, like: Tensor) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64, device=like.device))
        for name in ("mean_d", "mean_e", "var_d", "var_e", "cov"):
            self.register_buffer(name, like.new_zeros(units))

    @torch.no_grad()
    def update(self, d: Tensor, e: Tensor) -> None:
        """Take in a batch of d and e, (P, C) each."""
        self.seen += 1
        share = (1 - self.decay) / (1 - self.decay ** int(self.seen))
        self.mean_d.lerp_(d.mean(0), share)
        self.mean_e.lerp_(e.mean(0), share)
        d, e = d - self.mean_d, e - self.mean_e
        self.var_d.lerp_(d.square().mean(0), share)
        self.var_e.lerp_(e.square().mean(0), share)
        self.cov.lerp_((d * e).mean(0), share)

    @property
    def scale(self) -> Tensor:
        """(C,) 1 / (std d * std e); 0 where d or e does not vary beyond rounding, so that rho is 0 there."""
        eps = ROUNDING * torch.finfo(self.cov.dtype).eps
        varies = (self.var_d > (eps * self.mean_d) ** 2) & (self.var_e > (eps * self.mean_e) ** 2)
        product = self.var_d.sqrt() * self.var_e.sqrt()  # of the variances it would underflow for small errors
        varies &= product > 0
        return torch.where(varies, 1 / torch.where(varies, product, torch.ones_like(product)), 0.0)

    @property
    def rho(self) -> Tensor:
        """(C,) correlation coefficient; 0 before the first batch and where it is undefined."""
        return self.cov * self.scale

    def slope(self, d: Tensor, e: Tensor, objective: str) -> Tensor:
        """(P, C) derivative by d of the sum over units of the objective, the statistics held fixed.

        For the statistics of the batch itself (``decay = 0``) this is the exact derivative, through the mean and the
        variance of d too.
        """
        d, e, sign = d - self.mean_d, e - self.mean_e, self.cov.sign()
        if objective == RAW:
            return sign * e * (self.scale > 0)
        # (std of an error can be tiny: multiply small by large before anything else)
        inverse = torch.where(self.scale > 0, 1 / self.var_d.clamp(min=torch.finfo(d.dtype).tiny), 0.0)
        return sign * (e * self.scale - d * (self.rho * inverse)) / len(d)


class Learn(torch.autograd.Function):
    """y as it is; on the way back, the error of y gives candidates the gradient of minus their objective.

    ``apply(y, rows, objective, statistics, *d)``: ``rows`` makes (P, C) of an error in the shape of y, every d is (P,
    C). An optimiser that goes down therefore makes the objective grow.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, rows: Any, objective: str, statistics: list[Statistics], *d: Tensor) -> Tensor:
        ctx.rows, ctx.objective, ctx.statistics = rows, objective, statistics
        ctx.save_for_backward(*d)
        return y.clone()  # not a view, which torch.nn.ReLU(inplace=True) could not change

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        e = ctx.rows(g)
        if not bool(torch.isfinite(e).all()):
            raise RangeError("CascadeDendrites: the error of the layer has nan or inf; is the loss finite?")
        slopes = []
        for statistics, d in zip(ctx.statistics, ctx.saved_tensors, strict=True):
            if d.shape != e.shape:
                raise ShapeError(f"CascadeDendrites: dendrites {tuple(d.shape)} do not fit errors {tuple(e.shape)}.")
            statistics.update(d, e)
            slopes.append(-statistics.slope(d, e, ctx.objective))
        return g, None, None, None, *slopes
