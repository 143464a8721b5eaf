"""A `Linear` and the `Spiking` behind it as one: some time steps of both at a time, while they are in the cache.

The result is that of one after the other (matrix products of other sizes may differ in the last bits). `Sequential`
joins the two where plain tensors pass between them and nobody looks on: no hook, no compiler, no autocast.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from neurosim.nn import ops, workspace
from neurosim.nn.layer import PerStep
from neurosim.nn.linear import Linear
from neurosim.nn.spiking import Spiking

PIECE = 2**18  # neuron-steps: what a matrix product writes and the unit reads stays in the second-level cache
LEAST = 4 * PIECE  # with fewer, one after the other is as fast
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def joinable(layer: nn.Module, following: nn.Module | None, x: Any) -> nn.Linear | None:
    """The linear layer that ``layer`` is, if it and the layer behind it may run as one on ``x``."""
    linear: Any = layer.module if isinstance(layer, PerStep) else layer
    if type(linear) not in (Linear, nn.Linear) or type(following) is not Spiking or not isinstance(x, Tensor):
        return None
    tensors = [t for t in (x, *linear._parameters.values()) if t is not None]
    if torch.is_autocast_enabled("cpu") or not ops.direct(*tensors) or any(map(_watched, (layer, linear, following))):
        return None
    plain = x.dtype in ops.DTYPES and x.dtype == linear.weight.dtype and x.dim() > 2
    fits = plain and x.shape[-1] == linear.in_features and len(following.unit.ports) == 1
    return linear if fits and x.shape[:-1].numel() * linear.out_features >= LEAST else None


def run_joined(linear: nn.Linear, spiking: Spiking, x: Tensor, state: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """What ``spiking(linear(x), state)`` returns."""
    like = x.new_empty(1).expand(*x.shape[:-1], linear.out_features)  # what the linear layer would return
    c = spiking.coefficients(like.shape[2:], x.dtype)
    start = spiking.start(state, spiking.unit.state, like)
    chunk = spiking.chunk(x, linear.weight, c, start, *(() if linear.bias is None else (linear.bias,)))
    inputs = (x, linear.weight, linear.bias, c, start, spiking._k, spiking._text, chunk)
    y, end = _LinearSpiking.apply(*inputs)  # type: ignore[no-untyped-call]
    return y, dict(zip(spiking.unit.state, end.unbind(), strict=True))


def _watched(module: nn.Module) -> bool:
    return "forward" in module.__dict__ or any(getattr(module, name) for name in HOOKS)


def _pieces(steps: int, size: int) -> list[tuple[int, int]]:
    """Stretches of time steps; each starts at a marked state."""
    length = ops.CHUNK * max(1, PIECE // (ops.CHUNK * size))
    return [(a, min(steps, a + length)) for a in range(0, steps, length)]


class _LinearSpiking(torch.autograd.Function):
    """``neurosim::spiking`` of ``x @ weight.T + bias``, and its gradient."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, c: Tensor, start: Tensor, k: list[float],
        program: str, chunk: int,
    ) -> Any:  # fmt: skip
        steps, n = len(x), len(weight)
        rows, batch = x.reshape(-1, x.shape[-1]), x.shape[1:-1].numel()
        current, y = workspace.empty((*x.shape[:-1], n), x.dtype), workspace.empty((*x.shape[:-1], n), x.dtype)
        end, marks = start.clone(memory_format=torch.contiguous_format), ops.new_marks(steps, start, chunk)
        advance = ops.advancing(current.unsqueeze(0), c, end, y, marks, program, chunk)
        flat, across = current.view(-1, n), weight.t()
        for a, b in _pieces(steps, batch * n):
            part, out = rows[a * batch : b * batch], flat[a * batch : b * batch]
            if bias is None:
                torch.mm(part, across, out=out)
            else:
                torch.addmm(bias, part, across, out=out)
            advance(a, b)
        ops.check_finite(current.unsqueeze(0), end)
        ctx.k, ctx.program, ctx.chunk, ctx.shape = k, program, chunk, x.shape
        ctx.save_for_backward(rows, weight, c, current, marks)
        ctx.set_materialize_grads(False)
        return y, end

    @staticmethod
    def backward(ctx: Any, gy: Tensor | None, gend: Tensor | None) -> Any:
        rows, weight, c, current, marks = ctx.saved_tensors
        gy = torch.zeros_like(current) if gy is None else gy
        gend = marks.new_zeros(marks.shape[1:]) if gend is None else gend
        tensors = (rows, weight, c, current, marks, gy, gend)
        gx, *others = ops.once(_backward, *tensors, ctx.k, ctx.program, ctx.chunk, ctx.needs_input_grad[:4])
        return None if gx is None else gx.view(ctx.shape), *others, None, None, None


def _backward(
    rows: Tensor, weight: Tensor, c: Tensor, current: Tensor, marks: Tensor, gy: Tensor, gend: Tensor, k: list[float],
    program: str, chunk: int, needed: tuple[bool, ...],
) -> Any:  # fmt: skip
    """Gradients of x, weight, bias, c and the start state; None for those of the first four that are not needed."""
    n, batch, gs = len(weight), len(rows) // len(current), gend.clone(memory_format=torch.contiguous_format)
    gx = torch.empty_like(rows) if needed[0] else None
    gw = torch.zeros_like(weight) if needed[1] else None
    gb = weight.new_zeros(n) if needed[2] else None
    gc, sums = torch.zeros_like(c) if needed[3] else None, ops.new_sums(c, gs)
    retreat = ops.retreating(current.unsqueeze(0), c, marks, gy, gs, sums, k, program, chunk, needed[3])
    pieces = _pieces(len(current), batch * n)
    g = workspace.empty((pieces[0][1], *current.shape[1:]), rows.dtype)  # dL/d(current) of a piece, in the cache
    for a, b in reversed(pieces):
        retreat(a, b, g[: b - a].unsqueeze(0))
        pulled, given = g[: b - a].view(-1, n), slice(a * batch, b * batch)
        if gx is not None:
            torch.mm(pulled, weight, out=gx[given])
        if gw is not None:
            gw.addmm_(pulled.t(), rows[given])
        if gb is not None:
            gb += pulled.sum(0)
        if gc is not None:
            gc += ops.added(sums, c)
    return gx, gw, gb, gc, gs
