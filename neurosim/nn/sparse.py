"""Sparse weights: each output unit keeps a fixed random part of its inputs; training cannot bring the others back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from neurosim.errors import RangeError, UnsupportedError, check_number
from neurosim.nn.linear import Conv2d, Linear


class Mask(nn.Module):
    """A parametrisation: the weight where the mask is true, else zero; neither value nor gradient passes elsewhere."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        """Weights that exist."""
        return weight * self.mask

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Assigned weights lose what does not exist."""
        return weight * self.mask


def random_mask(outputs: int, fan_in: int, sparsity: float, where: str, allow_extremes: bool = False) -> Tensor:
    """(outputs, fan_in), true at round((1 - sparsity) * fan_in) random inputs of every output (torch's generator).

    Raises:
        RangeError: sparsity outside 0..1 or, unless ``allow_extremes``, one that keeps all inputs or none.
    """
    check_number(f"{where}.sparsity", sparsity)
    inside = 0 <= sparsity <= 1 if allow_extremes else 0 < sparsity < 1
    if not inside:
        ends = "in 0..1" if allow_extremes else "above 0 and below 1 (allow_extremes=True admits both)"
        raise RangeError(f"{where}.sparsity: must be {ends}, got {sparsity!r}.")
    kept = round((1 - sparsity) * fan_in)
    if kept == 0 and not allow_extremes:
        raise RangeError(f"{where}.sparsity: {sparsity!r} leaves none of {fan_in} inputs. Choose a lower one.")
    chosen = torch.rand(outputs, fan_in).argsort(1)[:, :kept]
    return torch.zeros(outputs, fan_in, dtype=torch.bool).scatter_(1, chosen, True)


def sparsify(layer: Any, sparsity: float, *, allow_extremes: bool = False) -> Any:
    """Give a linear or convolution layer sparse weights, in place.

    Every output unit keeps round((1 - sparsity) * fan_in) inputs, drawn at random once. Weights and bias are scaled by
    sqrt(fan_in / kept), so that torch's initial weights have the size that suits the inputs that are left. Lowering
    makes synapses of the kept weights only.

    Args:
        layer: `Linear`, `Conv2d`, or torch's.
        sparsity: share of the inputs that goes, above 0 and below 1.
        allow_extremes: admit 0 and 1.

    Returns:
        The layer.

    Raises:
        RangeError: see `random_mask`.
        UnsupportedError: another layer, or one that has been made sparse already.

    Source: nupic.torch's sparse weights; there a hook zeroes weights after each update, here they have no gradient.
    """
    if not isinstance(layer, (nn.Linear, nn.Conv2d)):
        raise UnsupportedError(f"sparsify: makes Linear and Conv2d layers sparse, got {type(layer).__name__}.")
    if _masks(layer):
        raise UnsupportedError("sparsify: the layer is sparse already. Make a new one.")
    weight = layer.weight
    mask = random_mask(len(weight), weight[0].numel(), sparsity, type(layer).__name__, allow_extremes)
    kept = int(mask[0].sum())
    with torch.no_grad():
        for p in (weight, layer.bias):
            if p is not None and kept:
                p.mul_((mask.shape[1] / kept) ** 0.5)
    parametrize.register_parametrization(layer, "weight", Mask(mask.view_as(weight).to(weight.device)))
    return layer


def density_of(layer: nn.Module) -> float:
    """Share of the inputs that each output unit of a layer has: 1 for a dense one."""
    masks = _masks(layer)
    return float(masks[0].mask.double().mean()) if masks else 1.0


def _masks(layer: nn.Module) -> list[Mask]:
    return [p for p in getattr(getattr(layer, "parametrizations", None), "weight", ()) if isinstance(p, Mask)]


class SparseLinear(Linear):
    """`Linear` whose output units keep round((1 - sparsity) * in_features) random inputs; see `sparsify`.

    Args:
        in_features: inputs.
        out_features: outputs.
        sparsity: share of the inputs that goes, above 0 and below 1.
        bias: whether there is one.
        allow_extremes: admit a sparsity of 0 and 1.

    Shape:
        x (T, B, ..., in_features) -> y (T, B, ..., out_features); state: None.

    Raises:
        RangeError: see `sparsify`.

    Example:
        >>> from neurosim import nn
        >>> int((nn.SparseLinear(10, 4, sparsity=0.7).weight != 0).sum())
        12
    """

    def __init__(
        self, in_features: int, out_features: int, sparsity: float, bias: bool = True, *, allow_extremes: bool = False
    ) -> None:
        super().__init__(in_features, out_features, bias)
        sparsify(self, sparsity, allow_extremes=allow_extremes)


class SparseConv2d(Conv2d):
    """`Conv2d` whose output channels keep round((1 - sparsity) * fan_in) random kernel weights; see `sparsify`.

    Args:
        in_channels: channels of x.
        out_channels: channels of y.
        kernel_size: side of the kernel [px].
        sparsity: share of the kernel weights that goes, above 0 and below 1.
        stride: [px].
        padding: [px].
        bias: whether there is one.
        allow_extremes: admit a sparsity of 0 and 1.

    Shape:
        x (T, B, C, H, W) -> y (T, B, C', H', W'); state: None.

    Raises:
        RangeError: see `sparsify`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, sparsity: float, *, stride: int = 1,
        padding: int = 0, bias: bool = True, allow_extremes: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, bias=bias)
        sparsify(self, sparsity, allow_extremes=allow_extremes)
