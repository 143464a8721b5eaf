"""Layers of images as convolutions of spikes: their synapses share a small kernel instead of being listed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.graph import Convolution
from neurosim.nn.lowering.matrices import Shape, affine, pool, sparse

FULL = 0.25  # part of a kernel that must not be zero: a pruned one has fewer synapses when they are listed
Pair = tuple[int, int]


@dataclass(frozen=True)
class Filter:
    """A linear map that is a convolution; kernel: (outputs, inputs of a group, height, width), float64."""

    rule: Convolution
    kernel: Tensor

    def matrix(self) -> Tensor:
        """The same map as a sparse matrix."""
        pre, post, place = (torch.from_numpy(a) for a in self.rule.expand())
        size = math.prod(self.rule.out_shape), math.prod(self.rule.shape)
        return sparse(post, pre, self.kernel.flatten()[place], size)


Map = Tensor | Filter


def entries(m: Map) -> Tensor:
    """A map as a sparse matrix."""
    return m.matrix() if isinstance(m, Filter) else m


def linear(layer: nn.Module, shape: Shape) -> tuple[Map, Tensor | None, Shape]:
    """As `affine`, with a filter instead of the matrix where the layer is one."""
    found: Filter | None = None
    if isinstance(layer, nn.Conv2d) and len(shape) == 3:
        left, right, top, bottom = layer._reversed_padding_repeated_twice
        if layer.padding_mode == "zeros" and left == right and top == bottom:
            found = _filter(layer, shape, layer.weight.detach().double(), (top, left), layer.groups)
        if found is not None and layer.bias is not None:
            pixels = math.prod(found.rule.out_shape[1:])
            return found, layer.bias.detach().double().repeat_interleave(pixels), found.rule.out_shape
    elif isinstance(layer, nn.AvgPool2d):
        padding, size = _two(layer.padding), _two(layer.kernel_size)
        if not layer.ceil_mode and (layer.count_include_pad or layer.divisor_override or padding == (0, 0)):
            found = _window(layer, shape, 1 / (layer.divisor_override or math.prod(size)))
    return (found, None, found.rule.out_shape) if found is not None else affine(layer, shape)


def max_pool(layer: nn.Module, shape: Shape) -> tuple[Map, Shape]:
    """Which inputs are in which window, 1 each."""
    if isinstance(layer, nn.MaxPool2d) and not layer.ceil_mode:
        found = _window(layer, shape, 1.0)
        return found, found.rule.out_shape
    matrix, _, out = pool(layer, shape)
    return matrix, out


def _window(layer: Any, shape: Shape, value: float) -> Filter:
    """All channels alike, a kernel of one value."""
    kernel = torch.full((shape[0], 1, *_two(layer.kernel_size)), value, dtype=torch.float64)
    found = _filter(layer, shape, kernel, _two(layer.padding), shape[0])
    assert found is not None
    return found


def _filter(layer: Any, shape: Shape, kernel: Tensor, padding: Pair, groups: int) -> Filter | None:
    if float((kernel != 0).double().mean()) < FULL:
        return None
    channels, height, width = shape
    stride, dilation = _two(layer.stride), _two(getattr(layer, "dilation", 1))
    size = int(kernel.shape[2]), int(kernel.shape[3])
    rule = Convolution((channels, height, width), len(kernel), size, stride, padding, dilation, groups)
    return Filter(rule, kernel)


def _two(value: Any) -> Pair:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))
