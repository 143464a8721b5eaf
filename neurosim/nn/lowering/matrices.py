"""Linear layers as sparse matrices over flattened neurons, in float64; found without running the layer where possible.

A matrix is a coalesced sparse tensor (outputs, inputs). Entries that are zero are left out.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neurosim.errors import NotLowerableError

Shape = tuple[int, ...]
Affine = tuple[Tensor, Tensor | None, Shape]  # matrix, bias (outputs,), shape of the output
POOLS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
MAX_POOLS = (nn.MaxPool2d, nn.AdaptiveMaxPool2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
LINEAR = (nn.Linear, nn.Conv2d, *POOLS, *NORMS)
AT_ONCE = 256  # impulses that are sent through a pool together


def affine(layer: nn.Module, shape: Shape) -> Affine:
    """Matrix and bias of one of the `LINEAR` layers for input of ``shape`` (without time and batch)."""
    if isinstance(layer, nn.Linear):
        return _linear(layer, shape)
    if isinstance(layer, nn.Conv2d):
        return _conv(layer, shape)
    if isinstance(layer, NORMS):
        return _norm(layer, shape)
    return pool(layer, shape)


def sparse(rows: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    """The matrix with these entries; entries at one place add up."""
    rows, columns, values = (t.reshape(-1) for t in torch.broadcast_tensors(rows, columns, values))  # type: ignore[no-untyped-call]
    kept = values != 0
    return torch.sparse_coo_tensor(
        torch.stack([rows[kept], columns[kept]]), values[kept].double(), size, check_invariants=False
    ).coalesce()


def identity(size: int) -> Tensor:
    """The matrix that changes nothing."""
    i = torch.arange(size)
    return sparse(i, i, torch.ones(size), (size, size))


def product(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b``; torch's own warns that it is unfinished."""
    (rows, middle), (inner, columns) = a.indices(), b.indices()
    start = torch.searchsorted(inner, torch.arange(b.shape[0] + 1))  # where the entries of each row of b begin
    first, count = start[middle], start[middle + 1] - start[middle]
    of = torch.repeat_interleave(torch.arange(len(middle)), count)  # entry of a
    other = torch.arange(len(of)) - (count.cumsum(0) - count)[of] + first[of]  # entry of b
    return sparse(rows[of], columns[other], a.values()[of] * b.values()[other], (a.shape[0], b.shape[1]))


def pool(layer: nn.Module, shape: Shape) -> Affine:
    """Matrix of a pool, which treats all channels alike; of a max pool: which inputs are in which window."""
    channels, height, width = shape
    inputs, rows, columns, values = height * width, [], [], []
    kind: Any = next(kind for kind in (*POOLS, *MAX_POOLS) if isinstance(layer, kind))
    out: Shape = ()
    for first in range(0, inputs, AT_ONCE):
        impulses = torch.eye(inputs, dtype=torch.float64)[first : first + AT_ONCE].view(-1, 1, height, width)
        y = kind.forward(layer, impulses)
        out = tuple(y.shape[2:])
        found = y.flatten(1).nonzero()
        columns.append(found[:, 0] + first)
        rows.append(found[:, 1])
        values.append(y.flatten(1)[found[:, 0], found[:, 1]])
    c = torch.arange(channels).unsqueeze(1)
    size = math.prod(out)
    matrix = sparse(
        c * size + torch.cat(rows), c * inputs + torch.cat(columns), torch.cat(values),
        (channels * size, channels * inputs),
    )  # fmt: skip
    return matrix, None, (channels, *out)


def _linear(layer: nn.Linear, shape: Shape) -> Affine:
    weight, lead = layer.weight.detach(), math.prod(shape[:-1])
    o, i = weight.nonzero().unbind(1)
    b = torch.arange(lead).unsqueeze(1)
    outputs, inputs = weight.shape
    matrix = sparse(b * outputs + o, b * inputs + i, weight[o, i], (lead * outputs, lead * inputs))
    bias = None if layer.bias is None else layer.bias.detach().double().repeat(lead)
    return matrix, bias, (*shape[:-1], outputs)


def _conv(layer: nn.Conv2d, shape: Shape) -> Affine:
    channels, height, width = shape
    # an image of pixel numbers (from 1), padded as the layer pads, tells which pixel each weight of each window sees
    pixels = torch.arange(1, height * width + 1, dtype=torch.float64).view(1, 1, height, width)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    pixels = F.pad(pixels, layer._reversed_padding_repeated_twice, mode=mode)
    windows = F.unfold(pixels, layer.kernel_size, layer.dilation, stride=layer.stride)[0].long()
    sides = zip(pixels.shape[2:], layer.kernel_size, layer.dilation, layer.stride, strict=True)
    out = tuple((n - d * (k - 1) - 1) // s + 1 for n, k, d, s in sides)
    place, window = (windows > 0).nonzero().unbind(1)
    pixel, count = windows[place, window] - 1, windows.shape[1]
    weight = layer.weight.detach().flatten(2)
    o = torch.arange(layer.out_channels).view(-1, 1, 1)
    i = o // (layer.out_channels // layer.groups) * weight.shape[1] + torch.arange(weight.shape[1]).view(1, -1, 1)
    matrix = sparse(
        o * count + window, i * height * width + pixel, weight[:, :, place],
        (layer.out_channels * count, channels * height * width),
    )  # fmt: skip
    bias = None if layer.bias is None else layer.bias.detach().double().repeat_interleave(count)
    return matrix, bias, (layer.out_channels, *out)


def _norm(layer: nn.Module, shape: Shape) -> Affine:
    assert isinstance(layer, NORMS)
    if layer.running_mean is None or layer.running_var is None:
        raise NotLowerableError(
            "a batch norm without running statistics looks at the whole batch, which a stream of events does not "
            "have. Train it with track_running_stats=True."
        )
    scale = torch.rsqrt(layer.running_var.double() + layer.eps)
    shift = -layer.running_mean.double() * scale
    if layer.affine:
        scale, shift = scale * layer.weight.detach(), shift * layer.weight.detach() + layer.bias.detach()
    pixels = math.prod(shape[1:])
    i = torch.arange(math.prod(shape))
    return sparse(i, i, scale.repeat_interleave(pixels), (len(i), len(i))), shift.repeat_interleave(pixels), shape
