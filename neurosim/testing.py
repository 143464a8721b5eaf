"""Conformance checks: what neurosim promises of every unit, to be run on your own.

    >>> from neurosim import testing, units
    >>> testing.check_declaration(units.LIF())

`check_unit` runs them all; each raises AssertionError that names the unit and says what differs. The oracles are
independent of the kernels: NumPy and float64 torch autograd run the unit's own functions in a plain loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurosim.kernels.reference import heaviside, reference
from neurosim.kernels.trace import Program, trace
from neurosim.nn.lowering.equality import Difference, Equality, verify_equal
from neurosim.nn.ops import CHUNK
from neurosim.units import SuperSpike, Surrogate, Unit

__all__ = [
    "CHECKS", "Difference", "Equality", "Spike", "check_adjoint", "check_declaration", "check_float32",
    "check_forward", "check_quiet", "check_recurrent", "check_unit", "verify_equal",
]  # fmt: skip

Array = NDArray[Any]
STEPS, BATCH, NEURONS = 97, 7, 347  # no multiple of a chunk (32) or a block (2048); enough for two threads
DRIVES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
LEAST_RATE = 0.01  # spikes per step below which a comparison of spikes says little


def check_unit(unit: Unit, *, dt: float = 1e-3, drive: float | None = None) -> None:
    """Run every check on ``unit``: declaration, forward, adjoint, recurrent, float32 and quiet.

    Args:
        dt: time step [s].
        drive: scale of the random input; default: the smallest that makes the unit fire.

    Raises:
        AssertionError: the first promise that does not hold.
    """
    for check in CHECKS:
        check(unit, dt=dt, drive=drive)


def check_declaration(unit: Unit, *, dt: float = 1e-3, drive: float | None = None) -> None:
    """Names, coefficients, rest and functions agree, and ``repr`` shows the contract."""
    del drive
    program, who = _program(unit), type(unit).__name__
    _demand(len(unit.coefficients(dt)) == program.coeffs, f"{who}: coefficients() and coeffs differ in length.")
    _demand(len(unit.initial()) == program.states, f"{who}: initial() and state differ in length.")
    _demand(str(unit.contract) in repr(unit), f"{who}: repr does not show the contract.")
    _demand(Program.from_text(program.text()) == program, f"{who}: the program does not survive its text.")


def check_forward(unit: Unit, *, dt: float = 1e-3, drive: float | None = None) -> None:
    """E0: the fused kernel equals the reference bit for bit, in float32 and float64, on one thread and on two.

    Units that use exp, log or sqrt are compared step by step within rounding: their last bit is the library's.
    """
    program = _program(unit)
    for dtype in (np.float32, np.float64):
        for period in (1, NEURONS):
            c, s, x = _setting(unit, dt, drive, STEPS, BATCH, period if period > 1 else 0, NEURONS, dtype)
            if "math." in program.step + program.reset:
                _compare_steps(unit, program, x, c, s)
                continue
            want, end = _run_reference(unit, x, c, s)
            _demand(unit.output != "spikes" or want.mean() > LEAST_RATE, f"{type(unit).__name__}: does not fire.")
            for threads in (1, 2):
                got, got_end = _run_kernel(program, x, c, s, threads)
                _same(unit, f"output ({dtype.__name__}, {threads} threads)", got, want)
                _same(unit, f"end state ({dtype.__name__}, {threads} threads)", got_end, end)


def check_adjoint(
    unit: Unit, *, dt: float = 1e-3, drive: float | None = None, surrogate: Surrogate | None = None,
    detach_reset: bool = False, output: str | None = None,
) -> None:  # fmt: skip
    """The fused backward pass equals float64 autograd of the unit's own functions, to 1e-10.

    Compared are the gradients of input, coefficients (per layer and per neuron) and start state, for random gradients
    of the output and of the end state.
    """
    surrogate = surrogate or SuperSpike()
    output = unit.output if output is None else output
    program, n, batch = trace(unit, surrogate, output, detach_reset), 9, 2
    for per_neuron in (False, True):
        c, s, x = _setting(unit, dt, drive, 70, batch, n if per_neuron else 0, n, np.float64)
        leaves = [torch.tensor(a, requires_grad=True) for a in (*x, c, s)]
        *xs, c_, s_ = leaves
        y, end = _torch_reference(unit, xs, _columns(c_, batch), s_, surrogate, detach_reset, output)
        g, g_end = (torch.randn(a.shape, generator=_generator(), dtype=torch.float64) for a in (y, end))
        want = torch.autograd.grad((y * g).sum() + (end * g_end).sum(), leaves, allow_unused=True)
        k = list(surrogate.parameters())
        y_, end_, _ = torch.ops.neurosim.spiking(torch.stack(xs), c_, s_, k, program.text(), CHUNK)
        got = torch.autograd.grad((y_ * g).sum() + (end_ * g_end).sum(), leaves)
        for name, a, b in zip([*unit.ports, "coefficients", "start state"], got, want, strict=True):
            _close(unit, f"gradient of {name} ({surrogate}, detach_reset={detach_reset})", a, b)


def check_recurrent(unit: Unit, *, dt: float = 1e-3, drive: float | None = None) -> None:
    """A recurrent layer equals a plain loop: forward bit for bit, gradients to 1e-10. Units it rejects pass."""
    program, n, batch, steps = _program(unit), 37, 3, 70
    if unit.output != "spikes" or len(unit.ports) != 1 or "math." in program.step + program.reset:
        return
    surrogate = SuperSpike()
    for dtype in (np.float32, np.float64):
        c, s, (x,) = _setting(unit, dt, drive, steps, batch, n, n, dtype)
        scale = float(np.abs(x).mean()) / n
        weight = _rng().normal(0, 3 * scale, (n, n)).astype(dtype)
        x, state = x.reshape(steps, batch, n), np.concatenate([s, np.zeros_like(s[:1])]).reshape(-1, batch, n)
        leaves = [torch.tensor(a, requires_grad=dtype is np.float64) for a in (x, weight, c, state)]
        y, end, _ = torch.ops.neurosim.recurrent(*leaves, list(surrogate.parameters()), program.text(), CHUNK)
        want, want_end = _loop(unit, x, weight, c, state)
        _demand(want.mean() > LEAST_RATE, f"{type(unit).__name__}: does not fire in a recurrent layer.")
        _same(unit, f"recurrent output ({dtype.__name__})", y.detach().numpy(), want)
        _same(unit, f"recurrent end state ({dtype.__name__})", end.detach().numpy(), want_end)
    g, g_end = (torch.randn(a.shape, generator=_generator(), dtype=torch.float64) for a in (y, end))
    got = torch.autograd.grad((y * g).sum() + (end * g_end).sum(), leaves)
    y, end = _torch_loop(unit, surrogate, leaves)
    wanted = torch.autograd.grad((y * g).sum() + (end * g_end).sum(), leaves)
    for name, a, b in zip(("input", "weight", "coefficients", "start state"), got, wanted, strict=True):
        _close(unit, f"recurrent gradient of {name}", a, b)


def check_float32(unit: Unit, *, dt: float = 1e-3, drive: float | None = None) -> None:
    """In float32 no variable of step, reset, slope or adjoint is float64 (it would halve the speed and round twice)."""
    del dt, drive
    from neurosim.kernels.inspect import types_in_float32

    for function, kinds in types_in_float32(_program(unit)).items():
        wide = sorted(k for k in kinds if "float64" in k)
        _demand(not wide, f"{type(unit).__name__}.{function}: leaves float32: {wide}.")


def check_quiet(unit: Unit, *, dt: float = 1e-3, drive: float | None = None) -> None:
    """A state that ``quiet`` accepts never spikes without input: random states, 300 silent steps, float32."""
    c, s, x = _setting(unit, dt, drive, 20, 200, 0, 20, np.float32)
    states = [s, _run_reference(unit, x, c, s)[1]]
    states += [s + _rng().normal(0, scale, s.shape).astype(np.float32) for scale in (0.1, 1.0, 10.0, 100.0)]
    states += [np.broadcast_to(c.max(), s.shape).astype(np.float32)]  # on the threshold, where it is the largest
    with np.errstate(all="ignore"):
        s = np.concatenate(states, axis=1)
        s = s[:, np.broadcast_to(unit.quiet(tuple(s), tuple(c)), s.shape[1:])]
        silent = [np.zeros((300, s.shape[1]), np.float32) for _ in unit.ports]
        if s.shape[1] and _program(unit).spiking:
            spikes = _run_reference(unit, silent, c, s, "spikes")[0]
            bad = np.argwhere(spikes > 0)
            _demand(not len(bad), f"{type(unit).__name__}.quiet: accepts {s[:, bad[0][1]] if len(bad) else ''}, "
                                  f"which spikes after {bad[0][0] if len(bad) else 0} silent steps.")  # fmt: skip


CHECKS: tuple[Callable[..., None], ...] = (
    check_declaration, check_forward, check_adjoint, check_recurrent, check_float32, check_quiet,
)  # fmt: skip


class Spike(torch.autograd.Function):
    """Heaviside forward, the surrogate's slope backward."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, surrogate: Surrogate) -> Tensor:
        """1 where u > 0."""
        ctx.save_for_backward(u)
        ctx.surrogate = surrogate
        return (u > 0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, gz: Tensor) -> Any:
        """Slope at u."""
        (u,) = ctx.saved_tensors
        k = tuple(u.new_tensor(v) for v in ctx.surrogate.parameters())
        return gz * ctx.surrogate.slope(u, k), None


def _spike(surrogate: Surrogate) -> Callable[[Tensor], Tensor]:
    return lambda u: Spike.apply(u, surrogate)  # type: ignore[no-untyped-call]


def _program(unit: Unit) -> Program:
    return trace(unit, SuperSpike(), unit.output)


def _demand(holds: Any, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _setting(
    unit: Unit, dt: float, drive: float | None, steps: int, batch: int, period: int, n: int, dtype: Any
) -> tuple[Array, Array, list[Array]]:
    """Coefficients (K, 1) or (K, period), a start state (S, M) near rest, input (T, M) per port that makes it fire."""
    rng, size = _rng(), batch * n
    c = np.array(unit.coefficients(dt), float)[:, None]
    c = (c * (1 + 0.01 * rng.random((len(c), period))) if period else c).astype(dtype)
    rest = np.array(unit.initial(), float)[:, None]
    s = (rest + 0.1 * (1 + 0.1 * abs(rest)) * rng.normal(size=(len(rest), size))).astype(dtype)
    noise = rng.normal(0.3, 1.0, (len(unit.ports), steps, size))
    for scale in DRIVES if drive is None else (drive,):
        x = [p.astype(dtype) for p in noise * scale]
        if not _program(unit).spiking:
            return c, s, x
        rate = _run_reference(unit, x, c, s, "spikes")[0].mean()
        if rate > 2 * LEAST_RATE:
            return c, s, x
    raise AssertionError(f"{type(unit).__name__}: does not fire for random input; give a stronger ``drive``.")


def _columns(c: Any, batch: int) -> list[Any]:
    """Coefficients as columns that broadcast over (M,)."""
    return [
        row if len(row) == 1 else row.repeat(batch) if isinstance(row, Tensor) else np.tile(row, batch) for row in c
    ]


def _run_reference(
    unit: Unit, x: Sequence[Array], c: Array, s: Array, output: str | None = None
) -> tuple[Array, Array]:
    columns = _columns(c, s.shape[1] // c.shape[1] if c.shape[1] > 1 else 1)
    with np.errstate(all="ignore"):
        y, end = reference(
            unit, list(zip(*x, strict=True)), columns, list(s), unit.output if output is None else output
        )
    return np.stack(y), np.stack([np.broadcast_to(e, s.shape[1:]) for e in end])


def _run_kernel(program: Program, x: Sequence[Array], c: Array, s: Array, threads: int = 1) -> tuple[Array, Array]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        xs = torch.from_numpy(np.stack([p.T for p in x])).transpose(1, 2)  # not contiguous: columns lie together
        y, end, _ = torch.ops.neurosim.spiking(xs, torch.from_numpy(c), torch.from_numpy(s), [], program.text(), 0)
    finally:
        torch.set_num_threads(before)
    return y.numpy(), end.numpy()


def _compare_steps(unit: Unit, program: Program, x: Sequence[Array], c: Array, s: Array) -> None:
    tolerance = 16 * float(np.finfo(s.dtype).eps)
    for t in range(len(x[0])):
        x_t = [p[t : t + 1] for p in x]
        (want, end), (got, got_end) = _run_reference(unit, x_t, c, s), _run_kernel(program, x_t, c, s)
        agree = want[0] == got[0] if program.output < 0 else np.ones(s.shape[1], bool)
        _demand(agree.mean() > 0.999, f"{type(unit).__name__}: spikes of step {t} differ from the reference.")
        error = abs(got_end - end)[:, agree] / (1 + abs(end).max(1, keepdims=True))
        _demand(error.max() < tolerance, f"{type(unit).__name__}: state at step {t} is off by {error.max():.2g}.")
        s = end


def _same(unit: Unit, what: str, got: Array, want: Array) -> None:
    if got.dtype != want.dtype:
        raise AssertionError(
            f"{type(unit).__name__}: {what} is {got.dtype}, the reference {want.dtype}: where(condition, 1.0, 0.0) has "
            "no type of its own; make one side a value, as in where(condition, 1.0 + 0.0 * v, 0.0)."
        )
    if len(bad := np.argwhere(got != want)):
        at = tuple(bad[0].tolist())
        raise AssertionError(
            f"{type(unit).__name__}: {what} differs at {at}: {got[at]!r}, reference {want[at]!r} ({len(bad)} differ)."
        )


def _close(unit: Unit, what: str, got: Tensor, want: Tensor | None) -> None:
    wanted = torch.zeros_like(got) if want is None else want
    scale = float(wanted.abs().max()) or 1.0
    error = float((got - wanted).abs().max()) / scale
    _demand(error < 1e-10, f"{type(unit).__name__}: {what} is off by {error:.2g} of its largest value.")


def _torch_reference(
    unit: Unit, x: Sequence[Tensor], c: Sequence[Tensor], s: Tensor, surrogate: Surrogate, detach: bool, output: str
) -> tuple[Tensor, Tensor]:
    steps = list(zip(*(p.unbind(0) for p in x), strict=True))
    cut = Tensor.detach if detach else None
    y, end = reference(unit, steps, c, s.unbind(0), output, _spike(surrogate), cut)
    return torch.stack(y), torch.stack(end)


def _loop(unit: Unit, x: Array, weight: Array, c: Array, state: Array) -> tuple[Array, Array]:
    """Recurrent reference; currents are added in ascending order of the source, as the kernel does."""
    s, z, y = tuple(state[:-1]), state[-1], []
    with np.errstate(all="ignore"):
        for current in x:
            for j in range(len(weight)):
                current = current + z[:, j : j + 1] * weight[:, j]
            s, u = unit.step(s, (current,), tuple(c))
            z = heaviside(u)
            s = unit.reset(s, z, tuple(c))
            y.append(z)
    return np.stack(y), np.stack([*s, z])


def _torch_loop(unit: Unit, surrogate: Surrogate, leaves: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    x, weight, c, state = leaves
    s, z, y = state[:-1].unbind(0), state[-1], []
    for current in x.unbind(0):
        s, u = unit.step(s, (current + z @ weight.t(),), c.unbind(0))
        z = _spike(surrogate)(u)
        s = unit.reset(s, z, c.unbind(0))
        y.append(z)
    return torch.stack(y), torch.stack([*s, z])
