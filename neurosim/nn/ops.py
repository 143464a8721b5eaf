"""The fused kernels as torch operators: ``neurosim::spiking`` and ``neurosim::recurrent``, with autograd and fakes.

Operators carry the unit as the text of its `Program`, so that ``torch.compile`` sees constants and an exported graph
runs where only neurosim is imported. They are registered with ``Library.define``: ``torch.library.custom_op`` would
import the whole compiler at its first call. Layers call `spiking` and `recurrent`, which go past the dispatcher when
nothing but autograd would look at the call: each trip through it to Python and back costs more than a small kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
PLAIN = (Tensor, torch.nn.Parameter)
Stretch = Callable[[int, int], None]

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


def spiking(*inputs: Any) -> Any:
    """``torch.ops.neurosim.spiking``, straight to the kernel where that is the same."""
    return _Spiking.apply(*inputs) if direct(*inputs[:3]) else torch.ops.neurosim.spiking(*inputs)  # type: ignore[no-untyped-call]


def recurrent(*inputs: Any) -> Any:
    """``torch.ops.neurosim.recurrent``, straight to the kernel where that is the same."""
    return _Recurrent.apply(*inputs) if direct(*inputs[:4]) else torch.ops.neurosim.recurrent(*inputs)  # type: ignore[no-untyped-call]


def direct(*tensors: Tensor) -> bool:
    """Whether these are plain CPU tensors in eager mode: no compiler, tracer, dispatch mode or transform looks on."""
    return (
        not torch.compiler.is_compiling()
        and not torch._C._len_torch_dispatch_stack()
        and torch._C._functorch.maybe_current_level() is None
        and all(type(t) in PLAIN and t.is_cpu for t in tensors)
    )


def _kernel(template: str, program: str, x: Tensor, c: Tensor, learn: bool = False) -> Any:
    from neurosim.kernels.instantiate import instantiate  # Numba is imported at the first call, not at import

    if x.dtype not in DTYPES:
        raise UnsupportedError(f"x: the fused kernels take float32 or float64, got {x.dtype}. Convert: x.float().")
    return instantiate(template, Program.from_text(program), DTYPES[x.dtype], learn, uniform=c.shape[1] == 1)


def _array(x: Tensor) -> Any:
    return (x.detach() if x.requires_grad else x).contiguous().numpy()


def _flat(x: Tensor, kept: int) -> Any:
    """The tensor as an array whose first ``kept`` axes stay; the others, of the neurons, become one."""
    array = _array(x)
    return array.reshape(*array.shape[:kept], math.prod(array.shape[kept:]))


def _spiking(x: Tensor, c: Tensor, state: Tensor, k: list[float], program: str, chunk: int) -> Any:
    del k
    y, end = workspace.empty(x.shape[1:], x.dtype), state.clone(memory_format=torch.contiguous_format)
    marks = new_marks(x.shape[1], state, chunk)
    advancing(x, c, end, y, marks, program, chunk)(0, x.shape[1])
    check_finite(x, end)
    return y, end, marks


def advancing(x: Tensor, c: Tensor, state: Tensor, y: Tensor, marks: Tensor, program: str, chunk: int) -> Stretch:
    """A function that takes ``state`` through steps of ``x`` and writes the output and the marked states, in place.

    It is called with the first step, a multiple of ``chunk``, and the last; x, state, y, marks are contiguous.
    """
    forward = _kernel("dense_forward", program, x, c).forward
    inputs, values, end, out, kept = _flat(x, 2), _array(c), _flat(state, 1), _flat(y, 1), _flat(marks, 2)

    def run(first: int, last: int) -> None:
        part, y_part, mark = tuple(inputs[:, first:last]), out[first:last], kept[first // chunk :] if chunk else kept
        run_ranges(
            lambda a, b: forward(part, values, end, y_part, mark, chunk, a, b),
            _blocks(end.shape[1]), y_part.size, torch.get_num_threads(),
        )  # fmt: skip

    return run


def _spiking_backward(
    x: Tensor, c: Tensor, marks: Tensor, gy: Tensor, gend: Tensor, k: list[float], program: str, chunk: int, learn: bool
) -> Any:
    gx, gs = workspace.empty(x.shape, x.dtype), gend.clone(memory_format=torch.contiguous_format)
    gc = new_sums(c, gs)
    retreating(x, c, marks, gy, gs, gc, k, program, chunk, learn)(0, x.shape[1], gx)
    return gx, added(gc, c) if learn else torch.zeros_like(c), gs


def retreating(
    x: Tensor, c: Tensor, marks: Tensor, gy: Tensor, gs: Tensor, gc: Tensor, k: list[float], program: str, chunk: int,
    learn: bool,
) -> Any:  # fmt: skip
    """A function that pulls ``gs``, in place, and ``gy`` back through steps of ``x``.

    It is called with the first step, a multiple of ``chunk``, the last, and dL/dx of these to write; it writes ``gc``.
    """
    # a gradient that is the same at every step (of a mean over time) stays one row, however long the recording
    gy = gy[:1] if gy.stride(0) == 0 else gy
    backward = _kernel("dense_backward", program, x, c, learn).backward
    inputs, values, kept, given, start, sums = (
        _flat(x, 2), _array(c), _flat(marks, 2), _flat(gy, 1), _flat(gs, 1), gc.numpy()
    )  # fmt: skip
    slope = np.asarray(k, inputs.dtype)

    def run(first: int, last: int, gx: Tensor) -> None:
        part, mark, pulled = tuple(inputs[:, first:last]), kept[first // chunk :], tuple(_flat(gx, 2))
        due = given[first:last] if len(given) > 1 else given
        run_ranges(
            lambda a, b: backward(part, values, mark, due, slope, start, pulled, sums, chunk, a, b),
            _blocks(start.shape[1]), pulled[0].size * len(pulled), torch.get_num_threads(),
        )  # fmt: skip

    return run


def new_sums(c: Tensor, state: Tensor) -> Tensor:
    """Memory for dL/dc of each block of neurons, or of each neuron."""
    size = state[0].numel()
    return c.new_zeros((c.shape[0], _blocks(size) if c.shape[1] == 1 else size))


def added(sums: Tensor, c: Tensor) -> Tensor:
    """dL/dc of the sums that a backward pass has written."""
    return sums.view(c.shape[0], -1, c.shape[1]).sum(1)


def _recurrent(x: Tensor, weight: Tensor, c: Tensor, state: Tensor, k: list[float], program: str, chunk: int) -> Any:
    del k
    steps, batch, size = x.shape
    y, end = workspace.empty(x.shape, x.dtype), state.clone(memory_format=torch.contiguous_format)
    marks = new_marks(steps, state, chunk)
    forward = _kernel("recurrent_forward", program, x, c).forward
    arrays = [_array(x), _array(weight.t()), _array(c), end.numpy(), y.numpy(), marks.numpy()]
    run_ranges(lambda a, b: forward(*arrays, chunk, a, b), batch, steps * batch * size, torch.get_num_threads())
    check_finite(x.unsqueeze(0), end)
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


def new_marks(steps: int, state: Tensor, chunk: int) -> Tensor:
    """Memory for the states that the backward pass starts from."""
    return state.new_empty(((steps + chunk - 1) // chunk if chunk else 0, *state.shape))


def check_finite(x: Tensor, end: Tensor) -> None:
    """Whatever is not finite stays in the state, so looking at the last state is enough to know."""
    if math.isfinite(end.sum().item()) or torch.isfinite(end).all():
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
    marks = new_marks(x.shape[1], state, chunk)
    return torch.empty_like(x[0], memory_format=torch.contiguous_format), torch.empty_like(state), marks


@torch.library.register_fake("neurosim::spiking_backward", lib=_library)  # type: ignore[untyped-decorator]
def _(x: Any, c: Tensor, marks: Any, gy: Tensor, gend: Tensor, k: Any, program: str, chunk: int, learn: bool) -> Any:
    gx = torch.empty_like(x, memory_format=torch.contiguous_format)
    return gx, torch.empty_like(c, memory_format=torch.contiguous_format), torch.empty_like(gend)


@torch.library.register_fake("neurosim::recurrent", lib=_library)  # type: ignore[untyped-decorator]
def _(x: Tensor, weight: Tensor, c: Tensor, state: Tensor, k: list[float], program: str, chunk: int) -> Any:
    marks = new_marks(x.shape[0], state, chunk)
    return torch.empty_like(x, memory_format=torch.contiguous_format), torch.empty_like(state), marks


@torch.library.register_fake("neurosim::recurrent_backward", lib=_library)  # type: ignore[untyped-decorator]
def _(x: Tensor, weight: Tensor, c: Tensor, marks: Any, gy: Any, gend: Tensor, k: Any, program: str, chunk: int,
      learn: bool) -> Any:  # fmt: skip
    return torch.empty_like(x), torch.empty_like(c), torch.empty_like(gend)


def once(run: Any, *inputs: Any) -> Any:
    """``run(*inputs)``; with ``create_graph=True``, a derivative of its results is an error and not a silent zero."""
    if not torch.is_grad_enabled():
        return run(*inputs)
    # the leaf ties every result to _Once, also where the gradient that comes in is a constant
    return _Once.apply(torch.empty(0, requires_grad=True), run, *inputs)  # type: ignore[no-untyped-call]


class _Once(torch.autograd.Function):
    """First derivatives that refuse to be differentiated."""

    @staticmethod
    def forward(ctx: Any, leaf: Tensor, run: Any, *inputs: Any) -> Any:
        return run(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise UnsupportedError(
            "a second derivative through a fused layer was asked for (create_graph=True, then another gradient); "
            "its kernels have first derivatives only. Differentiate once, or write the layer as a loop in torch."
        )


class _Spiking(torch.autograd.Function):
    """Gradient of ``neurosim::spiking``; an autograd kernel dispatches faster than ``register_autograd``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, c: Tensor, state: Tensor, k: list[float], program: str, chunk: int) -> Any:
        if direct(x, c, state):
            y, end, marks = _spiking(x, c, state, k, program, chunk)
        else:
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
        run = _spiking_backward if direct(x, c, marks, gy, gend) else torch.ops.neurosim.spiking_backward
        gx, gc, gs = once(run, x, c, marks, gy, gend, ctx.k, ctx.program, ctx.chunk, learn)
        return gx, gc if learn else None, gs, None, None, None


class _Recurrent(torch.autograd.Function):
    """Gradient of ``neurosim::recurrent``."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, c: Tensor, state: Tensor, k: list[float], program: str, chunk: int
    ) -> Any:
        if direct(x, weight, c, state):
            y, end, marks = _recurrent(x, weight, c, state, k, program, chunk)
        else:
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
        run = _recurrent_backward if direct(x, weight, c, marks, gy) else torch.ops.neurosim.recurrent_backward
        gx, gc, gs = once(run, x, weight, c, marks, gy, gend, ctx.k, ctx.program, ctx.chunk, learn)
        before = torch.cat([z0.unsqueeze(0), y[:-1]]).flatten(0, 1)
        return gx, gx.flatten(0, 1).t() @ before, gc if learn else None, gs, None, None, None


_library.impl("spiking", lambda *inputs: _Spiking.apply(*inputs), "Autograd")  # type: ignore[no-untyped-call]
_library.impl("recurrent", lambda *inputs: _Recurrent.apply(*inputs), "Autograd")  # type: ignore[no-untyped-call]
