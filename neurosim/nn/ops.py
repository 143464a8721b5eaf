"""The fused kernels as torch operators: ``neurosim::spiking`` and ``neurosim::recurrent``, with autograd and fakes.

Operators carry the unit as the text of its `Program`, so that ``torch.compile`` sees constants and an exported graph
runs where only neurosim is imported. They are registered with ``Library.define``: ``torch.library.custom_op`` would
import the whole compiler at its first call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurosim.errors import RangeError, UnsupportedError
from neurosim.kernels.codegen import BLOCK
from neurosim.kernels.pool import run_ranges
from neurosim.kernels.trace import Program
from neurosim.nn import workspace

CHUNK = 32  # steps between marked states: the backward pass recomputes this many at a time, in cache
DTYPES = {torch.float32: "float32", torch.float64: "float64"}

_library: Any = torch.library.Library("neurosim", "DEF")  # type: ignore[no-untyped-call]
_library.define(
    "spiking(Tensor x, Tensor c, Tensor state, float[] k, str program, int chunk) -> (Tensor, Tensor, Tensor)"
)
_library.define(
    "spiking_backward(Tensor x, Tensor c, Tensor marks, Tensor gy, Tensor gend, float[] k, str program, int chunk, "
    "bool learn) -> (Tensor, Tensor, Tensor)"
)
_library.define(
    "recurrent(Tensor x, Tensor weight, Tensor c, Tensor state, float[] k, str program, int chunk) "
    "-> (Tensor, Tensor, Tensor)"
)
_library.define(
    "recurrent_backward(Tensor x, Tensor weight, Tensor c, Tensor marks, Tensor gy, Tensor gend, float[] k, "
    "str program, int chunk, bool learn) -> (Tensor, Tensor, Tensor)"
)


def _kernel(template: str, program: str, x: Tensor, c: Tensor, learn: bool = False) -> Any:
    from neurosim.kernels.instantiate import instantiate  # Numba is imported at the first call, not at import

    if x.dtype not in DTYPES:
        raise UnsupportedError(f"x: the fused kernels take float32 or float64, got {x.dtype}. Convert: x.float().")
    return instantiate(template, Program.from_text(program), DTYPES[x.dtype], learn, uniform=c.shape[1] == 1)


def _array(x: Tensor) -> Any:
    return x.detach().contiguous().numpy()


def _spiking(x: Tensor, c: Tensor, state: Tensor, k: list[float], program: str, chunk: int) -> Any:
    del k
    _, steps, size = x.shape
    y, end = workspace.empty((steps, size), x.dtype), state.clone()
    marks = x.new_empty((_marks(steps, chunk), *state.shape))
    forward = _kernel("dense_forward", program, x, c).forward
    inputs, arrays = tuple(_array(x)), [_array(c), end.numpy(), y.numpy(), marks.numpy()]
    run_ranges(lambda a, b: forward(inputs, *arrays, chunk, a, b), _blocks(size), steps * size, torch.get_num_threads())
    _check_finite(x.unbind(), end)
    return y, end, marks


def _spiking_backward(
    x: Tensor, c: Tensor, marks: Tensor, gy: Tensor, gend: Tensor, k: list[float], program: str, chunk: int, learn: bool
) -> Any:
    _, steps, size = x.shape
    # a gradient that is the same at every step (of a mean over time) stays one row, however long the recording
    gy = (gy[:1] if gy.stride(0) == 0 else gy).contiguous()
    gx, gs = workspace.empty(x.shape, x.dtype), gend.clone(memory_format=torch.contiguous_format)
    gc = c.new_zeros((c.shape[0], _blocks(size) if c.shape[1] == 1 else size))
    backward = _kernel("dense_backward", program, x, c, learn).backward
    inputs, outputs = tuple(_array(x)), tuple(gx.numpy())
    arrays = [_array(c), _array(marks), gy.numpy(), np.asarray(k, inputs[0].dtype), gs.numpy(), outputs, gc.numpy()]
    run_ranges(
        lambda a, b: backward(inputs, *arrays, chunk, a, b), _blocks(size), steps * size, torch.get_num_threads()
    )
    return gx, gc.view(c.shape[0], gc.shape[1] // c.shape[1], c.shape[1]).sum(1), gs


def _recurrent(x: Tensor, weight: Tensor, c: Tensor, state: Tensor, k: list[float], program: str, chunk: int) -> Any:
    del k
    steps, batch, size = x.shape
    y, end = workspace.empty(x.shape, x.dtype), state.clone()
    marks = x.new_empty((_marks(steps, chunk), *state.shape))
    forward = _kernel("recurrent_forward", program, x, c).forward
    arrays = [_array(x), _array(weight.t()), _array(c), end.numpy(), y.numpy(), marks.numpy()]
    run_ranges(lambda a, b: forward(*arrays, chunk, a, b), batch, steps * batch * size, torch.get_num_threads())
    _check_finite([x], end)
    return y, end, marks


def _recurrent_backward(
    x: Tensor, weight: Tensor, c: Tensor, marks: Tensor, gy: Tensor, gend: Tensor, k: list[float], program: str,
    chunk: int, learn: bool,
) -> Any:  # fmt: skip
    batch, size = x.shape[1:]
    gx, gs = workspace.empty(x.shape, x.dtype), gend.clone(memory_format=torch.contiguous_format)
    gc = c.new_zeros((c.shape[0], batch, size))
    backward = _kernel("recurrent_backward", program, x, c, learn).backward
    arrays = [_array(a) for a in (x, weight.t(), weight, c, marks, gy)]
    outputs = [np.asarray(k, gx.numpy().dtype), gs.numpy(), gx.numpy(), gc.numpy()]
    run_ranges(lambda a, b: backward(*arrays, *outputs, chunk, a, b), batch, x.numel(), torch.get_num_threads())
    return gx, (gc.sum((1, 2)).unsqueeze(1) if c.shape[1] == 1 else gc.sum(1)), gs


def _blocks(size: int) -> int:
    return (size + BLOCK - 1) // BLOCK


def _marks(steps: int, chunk: int) -> int:
    return (steps + chunk - 1) // chunk if chunk else 0


def _check_finite(x: Sequence[Tensor], end: Tensor) -> None:
    """Whatever is not finite stays in the state, so looking at the last state is enough to know."""
    last = end.numpy()
    with np.errstate(all="ignore"):
        if np.isfinite(last.sum()) or np.isfinite(last).all():
            return
    for port, values in enumerate(x):
        if len(bad := torch.nonzero(~torch.isfinite(values))):
            step, *where = bad[0].tolist()
            raise RangeError(
                f"x: every input must be finite, got {values[tuple(bad[0].tolist())].item()} at time step {step}, "
                f"index {where}{f' of port {port}' if len(x) > 1 else ''}."
            )
    raise RangeError("the state grew beyond the range of numbers (inf or nan): the input or dt is too large.")


_library.impl("spiking", _spiking, "CPU")
_library.impl("spiking_backward", _spiking_backward, "CPU")
_library.impl("recurrent", _recurrent, "CPU")
_library.impl("recurrent_backward", _recurrent_backward, "CPU")


@torch.library.register_fake("neurosim::spiking", lib=_library)  # type: ignore[untyped-decorator]
def _(x: Tensor, c: Tensor, state: Tensor, k: list[float], program: str, chunk: int) -> Any:
    marks = x.new_empty((_marks(x.shape[1], chunk), *state.shape))
    return torch.empty_like(x[0], memory_format=torch.contiguous_format), torch.empty_like(state), marks


@torch.library.register_fake("neurosim::spiking_backward", lib=_library)  # type: ignore[untyped-decorator]
def _(x: Any, c: Tensor, marks: Any, gy: Tensor, gend: Tensor, k: Any, program: str, chunk: int, learn: bool) -> Any:
    gx = torch.empty_like(x, memory_format=torch.contiguous_format)
    return gx, torch.empty_like(c, memory_format=torch.contiguous_format), torch.empty_like(gend)


@torch.library.register_fake("neurosim::recurrent", lib=_library)  # type: ignore[untyped-decorator]
def _(x: Tensor, weight: Tensor, c: Tensor, state: Tensor, k: list[float], program: str, chunk: int) -> Any:
    marks = x.new_empty((_marks(x.shape[0], chunk), *state.shape))
    return torch.empty_like(x, memory_format=torch.contiguous_format), torch.empty_like(state), marks


@torch.library.register_fake("neurosim::recurrent_backward", lib=_library)  # type: ignore[untyped-decorator]
def _(x: Tensor, weight: Tensor, c: Tensor, marks: Any, gy: Any, gend: Tensor, k: Any, program: str, chunk: int,
      learn: bool) -> Any:  # fmt: skip
    return torch.empty_like(x), torch.empty_like(c), torch.empty_like(gend)


class _Spiking(torch.autograd.Function):
    """Gradient of ``neurosim::spiking``; an autograd kernel dispatches faster than ``register_autograd``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, c: Tensor, state: Tensor, k: list[float], program: str, chunk: int) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            y, end, marks = torch.ops.neurosim.spiking(x, c, state, k, program, chunk)
        ctx.k, ctx.program, ctx.chunk = k, program, chunk
        ctx.save_for_backward(x, c, marks)
        ctx.mark_non_differentiable(marks)
        ctx.set_materialize_grads(False)
        return y, end, marks

    @staticmethod
    def backward(ctx: Any, gy: Tensor | None, gend: Tensor | None, gmarks: Any) -> Any:
        x, c, marks = ctx.saved_tensors
        gy = torch.zeros_like(x[0]) if gy is None else gy
        gend = marks.new_zeros(marks.shape[1:]) if gend is None else gend
        learn = ctx.needs_input_grad[1]
        gx, gc, gs = torch.ops.neurosim.spiking_backward(x, c, marks, gy, gend, ctx.k, ctx.program, ctx.chunk, learn)
        return gx, gc if learn else None, gs, None, None, None


class _Recurrent(torch.autograd.Function):
    """Gradient of ``neurosim::recurrent``."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, c: Tensor, state: Tensor, k: list[float], program: str, chunk: int
    ) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            y, end, marks = torch.ops.neurosim.recurrent(x, weight, c, state, k, program, chunk)
        ctx.k, ctx.program, ctx.chunk = k, program, chunk
        ctx.save_for_backward(x, weight, c, state[-1], y, marks)
        ctx.mark_non_differentiable(marks)
        ctx.set_materialize_grads(False)
        return y, end, marks

    @staticmethod
    def backward(ctx: Any, gy: Tensor | None, gend: Tensor | None, gmarks: Any) -> Any:
        x, weight, c, z0, y, marks = ctx.saved_tensors
        gy = torch.zeros_like(x) if gy is None else gy
        gend = marks.new_zeros(marks.shape[1:]) if gend is None else gend
        learn = ctx.needs_input_grad[2]
        gx, gc, gs = torch.ops.neurosim.recurrent_backward(
            x, weight, c, marks, gy, gend, ctx.k, ctx.program, ctx.chunk, learn
        )
        before = torch.cat([z0.unsqueeze(0), y[:-1]]).flatten(0, 1)
        return gx, gx.flatten(0, 1).t() @ before, gc if learn else None, gs, None, None, None


_library.impl("spiking", lambda *inputs: _Spiking.apply(*inputs), "Autograd")  # type: ignore[no-untyped-call]
_library.impl("recurrent", lambda *inputs: _Recurrent.apply(*inputs), "Autograd")  # type: ignore[no-untyped-call]
