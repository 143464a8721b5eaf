"""Layers without state: linear, convolution, pooling, shape, normalisation."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from neurosim.errors import UnsupportedError
from neurosim.nn.layer import Layer, State, Stateless, check_features, check_input, check_state

IMAGES = "T, B, C, H, W"


class Linear(Stateless, nn.Linear):
    """``torch.nn.Linear`` over time: x (T, B, ..., in_features) -> y (T, B, ..., out_features)."""

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:  # type: ignore[override]
        """x (T, B, ..., in_features) to y; the state is None."""
        del state
        check_input(self, x)
        check_features(self, x, -1, self.in_features, "T, B, ..., features")
        return nn.functional.linear(x, self.weight, self.bias), None


class _Images(Stateless):
    def check(self, x: Tensor) -> None:
        check_input(self, x, 5, IMAGES)


class Conv2d(_Images, nn.Conv2d):  # type: ignore[misc]
    """``torch.nn.Conv2d`` over time: x (T, B, C, H, W) -> y (T, B, C', H', W')."""

    def check(self, x: Tensor) -> None:
        super().check(x)
        check_features(self, x, 2, self.in_channels, IMAGES)


class AvgPool2d(_Images, nn.AvgPool2d):  # type: ignore[misc]
    """Mean over windows: x (T, B, C, H, W) -> y (T, B, C, H', W')."""


class SumPool2d(_Images, nn.AvgPool2d):  # type: ignore[misc]
    """Sum over windows, which keeps spike counts: x (T, B, C, H, W) -> y (T, B, C, H', W')."""

    def __init__(self, kernel_size: int, stride: int | None = None, padding: int = 0) -> None:
        super().__init__(kernel_size, stride, padding, divisor_override=1)


class MaxPool2d(_Images, nn.MaxPool2d):
    """Maximum over windows (of spikes: whether any is there): x (T, B, C, H, W) -> y (T, B, C, H', W')."""


class AdaptiveAvgPool2d(_Images, nn.AdaptiveAvgPool2d):  # type: ignore[misc]
    """Mean over as many windows as the output has: x (T, B, C, H, W) -> y (T, B, C, h, w)."""


class Flatten(Layer):
    """Join all axes behind time and batch: x (T, B, ...) -> y (T, B, N)."""

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """x (T, B, ...) to (T, B, N); the state is None."""
        del state
        check_input(self, x)
        return x.reshape(x.shape[0], x.shape[1], -1), None


class BatchNorm1d(Stateless, nn.BatchNorm1d):  # type: ignore[misc]
    """Batch normalisation with statistics over time and batch: x (T, B, N) -> y (T, B, N); see `fold_norms`."""

    def check(self, x: Tensor) -> None:
        check_input(self, x, 3, "T, B, N")
        check_features(self, x, 2, self.num_features, "T, B, N")


class BatchNorm2d(_Images, nn.BatchNorm2d):  # type: ignore[misc]
    """Batch normalisation with statistics over time and batch: x (T, B, C, H, W) -> y alike; see `fold_norms`."""

    def check(self, x: Tensor) -> None:
        super().check(x)
        check_features(self, x, 2, self.num_features, IMAGES)


class Dropout(Layer):
    """Dropout with one mask for all time steps, kept in the state so that chunks share it.

    Args:
        p: probability that an element is zeroed in training; the rest is divided by 1 - p.

    Shape:
        x (T, B, ...) -> y (T, B, ...); state: mask (B, ...) in training, None in evaluation.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = nn.Dropout(p).p

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Apply one mask to all steps of ``x``."""
        check_input(self, x)
        if not self.training or self.p == 0:
            return x, None
        mask = nn.functional.dropout(torch.ones_like(x[0]), self.p, True) if state is None else state
        check_state(self, "mask", mask, x.shape[1:])
        return x * mask, mask

    def extra_repr(self) -> str:
        return f"p={self.p}"


def plain_weights(layer: nn.Module) -> nn.Module:
    """``layer`` itself, its parametrised weights made ordinary ones; safe for a copy.

    torch's ``remove_parametrizations`` deletes them from the class too, which a copy shares with the original.
    """
    if nn.utils.parametrize.is_parametrized(layer):
        values = {name: getattr(layer, name).detach().clone() for name in layer.parametrizations}  # type: ignore[union-attr]
        layer.__class__ = type(layer).__bases__[0]
        del layer.parametrizations
        for name, value in values.items():
            layer.register_parameter(name, nn.Parameter(value))
    return layer


def fold_norm(layer: nn.Module, norm: nn.Module) -> nn.Module:
    """A copy of ``layer`` (Linear or Conv2d) that does what ``layer`` followed by ``norm`` does in evaluation.

    Raises:
        UnsupportedError: not a linear or convolution layer followed by a batch norm with running statistics.
    """
    if not isinstance(layer, (nn.Linear, nn.Conv2d)) or not isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)):
        raise UnsupportedError(f"fold_norm: folds a batch norm into Linear or Conv2d, got {layer} and {norm}.")
    if norm.running_mean is None or norm.running_var is None:
        raise UnsupportedError("fold_norm: the batch norm keeps no running statistics, so it cannot be folded.")
    folded = copy.deepcopy(layer)
    with torch.no_grad():
        scale = torch.rsqrt(norm.running_var + norm.eps)
        scale = scale * norm.weight if norm.affine else scale
        shift = (norm.bias if norm.affine else 0) - norm.running_mean * scale
        folded.weight.mul_(scale.view(-1, *[1] * (layer.weight.dim() - 1)))
        bias = shift if layer.bias is None else layer.bias * scale + shift
        folded.bias = nn.Parameter(bias.detach().clone())
    return folded
