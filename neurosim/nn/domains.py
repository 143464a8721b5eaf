"""`AstroLayer`: neurons with weights, and astrocytes that watch over several of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurosim.errors import RangeError, ShapeError, UnsupportedError, check_number
from neurosim.kernels.pool import run_ranges
from neurosim.nn import ops, workspace
from neurosim.nn.astro import SLOWNESS, SURROGATE, count, learned, spread_evenly
from neurosim.nn.layer import check_features, check_input
from neurosim.nn.spiking import UnitLayer
from neurosim.units import AstroLIF

STRONGEST = 0.5  # coupling at which a domain is as much its neighbours as itself


class AstroLayer(UnitLayer):
    """Neurons with input weights, recurrent weights and astrocytes of which each watches over a domain of neurons.

    At step t the neurons get ``weight x[t] + recurrent z[t - 1] + bias``, and the astrocyte of a domain

        a_post mean(z[t - 1]) + a_pre mean(|weight| x[t]) / in_features

    over the neurons of the domain; a_post and a_pre are those of the unit, see `neurosim.units.AstroLIF`. Before that,
    astrocytes that are coupled by gap junctions mix what is left of their traces: c becomes c + coupling (A c - c), A
    the adjacency with rows of sum 1.

    Args:
        in_features: number of inputs; with a_pre, of spikes.
        n: number of neurons.
        unit: the unit; when lam trains, it starts spread over the domains instead of at that of the unit.
        domains: a number of domains of consecutive neurons and equal size, or the domain of every neuron, counted from
            0. Default: one per neuron.
        coupling: strength of the gap junctions, 0 to 0.5.
        adjacency: (D, D), at least 0: which domains touch; needed with coupling.
        recurrent: size of the initial recurrent weight, which is orthogonal; None for no recurrent weight.
        learn: as for `Spiking`. Default: all that acts; one lam per domain, the rest one per neuron.
        **options: as for `Spiking` (dt, surrogate, detach_reset). Default surrogate: ``FastSigmoid(5.0)``.

    Shape:
        x (T, B, in_features) -> spikes (T, B, n); weight (n, in_features), recurrent (n, n), row = target; bias (n,);
        state: dict of (B, n), the unit's states and "z", the spikes of the step before. c is one copy per neuron.

    Raises:
        RangeError: an empty domain or one out of range, a coupling outside 0..0.5 or without adjacency.
        ShapeError: lam of another shape than one per domain, other parameters that do not fit the neurons.

    Source: our formulation; see `neurosim.units.AstroLIF`.

    Example:
        >>> import torch
        >>> from neurosim import nn
        >>> layer = nn.AstroLayer(8, 6, domains=[0, 0, 0, 1, 1, 1])
        >>> layer(torch.ones(20, 2, 8))[0].shape
        torch.Size([20, 2, 6])
    """

    member: Tensor
    sizes: Tensor
    matrix: Tensor

    def __init__(
        self,
        in_features: int,
        n: int,
        unit: AstroLIF | None = None,
        *,
        domains: int | Sequence[int] | None = None,
        coupling: float = 0.0,
        adjacency: Any = None,
        recurrent: float | None = 0.2,
        learn: Sequence[str] | Mapping[str, Sequence[int]] | None = None,
        **options: Any,
    ) -> None:
        unit = AstroLIF() if unit is None else unit
        if not isinstance(unit, AstroLIF):
            raise UnsupportedError(f"AstroLayer.unit: needs an AstroLIF, got {unit!r}.")
        member = _members(domains, count("AstroLayer.n", n))
        size = int(member.max()) + 1
        names = learned(unit) if learn is None else learn
        shapes = names if isinstance(names, Mapping) else {k: (size,) if k == "lam" else (n,) for k in names}
        for name in {"a_post", "a_pre"} & set(shapes):
            raise RangeError(f"AstroLayer.learn: {name} does not train here.")
        if tuple(shapes.get("lam", ())) not in ((), (size,)):
            raise ShapeError(f"AstroLayer.learn: lam must be one per domain ({size},), got {tuple(shapes['lam'])}.")
        # the kernel sums up what drives an astrocyte and hands it over at the port
        options = {"surrogate": SURROGATE, **options}
        super().__init__(replace(unit, a_post=0.0, a_pre=1.0), learn=shapes, **options)
        if self.output != "spikes":
            raise UnsupportedError(f"AstroLayer.output: must be 'spikes', got {self.output!r}.")
        self.in_features, self.n = count("AstroLayer.in_features", in_features), n
        self.a_post, self.a_pre = unit.a_post, unit.a_pre
        sizes = torch.bincount(member, minlength=size).double()
        self.register_buffer("member", member, persistent=False)
        self.register_buffer("sizes", sizes, persistent=False)
        self.coupling = _coupling(coupling, adjacency)
        self.register_buffer("matrix", _mixing(self.coupling, adjacency, size), persistent=False)
        self.weight = nn.Parameter(torch.empty(n, in_features))
        self.bias = nn.Parameter(torch.empty(n))
        bound = 1 / math.sqrt(in_features)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)
        self.recurrent = None if recurrent is None else nn.Parameter(torch.empty(n, n))
        if self.recurrent is not None:
            check_number("AstroLayer.recurrent", recurrent)
            nn.init.orthogonal_(self.recurrent, recurrent)  # type: ignore[arg-type]
        if shapes.get("lam"):
            spread_evenly(self.raw_lam, SLOWNESS)  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        coupled = f", coupling={self.coupling}" if self.coupling else ""
        drive = f"a_post={self.a_post}, a_pre={self.a_pre}"
        return f"{self.in_features}, {self.n}, domains={len(self.sizes)}, {drive}{coupled}, {super().extra_repr()}"

    def parameter_values(self) -> dict[str, Tensor]:
        """The trained parameters of the unit, one per neuron or one for all."""
        values = super().parameter_values()
        if values.get("lam") is not None and values["lam"].dim():
            values["lam"] = values["lam"][self.member]
        return values

    def presynaptic(self, dtype: torch.dtype) -> Tensor | None:
        """What an input spike adds to the drive of each domain, (D, in_features); None without a_pre."""
        if self.a_pre == 0:
            return None
        total = self.weight.new_zeros(len(self.sizes), self.in_features)
        total = total.index_add(0, self.member, self.weight.abs())
        return (total * (self.a_pre / self.in_features) / self.sizes.unsqueeze(1)).to(dtype)

    def shares(self, dtype: torch.dtype) -> Tensor:
        """What a spike of a neuron adds to the drive of its domain, (D,)."""
        share: Tensor = self.a_post / self.sizes
        return share.to(dtype)

    def ports_at(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Input of the unit's ports in one step, each (B, n), for x (B, in_features) and the spikes before, (B, n)."""
        current = nn.functional.linear(x, self.weight, self.bias)
        current = current if self.recurrent is None else current + nn.functional.linear(z, self.recurrent)
        total = z.new_zeros(len(z), len(self.sizes)).index_add(1, self.member, z)
        drive, pre = total * self.shares(z.dtype), self.presynaptic(z.dtype)
        drive = drive if pre is None else drive + nn.functional.linear(x, pre)
        return current, drive[:, self.member]

    def forward(self, x: Tensor, state: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Run all time steps; see the class."""
        check_input(self, x, 3, f"T, B, {self.in_features}")
        check_features(self, x, 2, self.in_features, f"T, B, {self.in_features}")
        names, dtype = (*self.unit.state, "z"), x.dtype
        currents = nn.functional.linear(x, self.weight.to(dtype), self.bias.to(dtype))
        pre = self.presynaptic(dtype)
        drive = x.new_zeros(*x.shape[:2], len(self.sizes)) if pre is None else nn.functional.linear(x, pre)
        weight = x.new_empty(0, 0) if self.recurrent is None else self.recurrent.to(dtype)
        c, start = self.coefficients((self.n,), dtype), self.start(state, names, currents)
        fixed = self.member, self.shares(dtype), (1 / self.sizes).to(dtype), self.matrix.to(dtype)
        chunk = self.chunk(currents, drive, weight, c, start)
        y, end = _run(currents.contiguous(), drive.contiguous(), weight, c, start, fixed, self._k, self._text, chunk)
        return y, dict(zip(names, end.unbind(), strict=True))


def _members(domains: Any, n: int) -> Tensor:
    """The domain of every neuron, (n,) int64."""
    if domains is None:
        return torch.arange(n)
    if isinstance(domains, int) and not isinstance(domains, bool):
        if not 1 <= domains <= n or n % domains:
            raise RangeError(f"AstroLayer.domains: {n} neurons do not split into {domains} domains of equal size.")
        return torch.arange(n) // (n // domains)
    found = np.asarray(domains)
    if found.shape != (n,) or not np.issubdtype(found.dtype, np.integer):
        raise ShapeError(
            f"AstroLayer.domains: must be a number, or {n} whole numbers, one per neuron, got {domains!r}."
        )
    if (found < 0).any():
        raise RangeError(f"AstroLayer.domains: are counted from 0, got {int(found.min())}.")
    if found.max() >= n or len(empty := np.setdiff1d(np.arange(int(found.max()) + 1), found)):
        missing = f"domain {int(empty[0])} has none" if found.max() < n else f"got {int(found.max())} of {n} neurons"
        raise RangeError(f"AstroLayer.domains: every domain up to the last must have a neuron, {missing}.")
    return torch.from_numpy(found.astype(np.int64))


def _coupling(coupling: Any, adjacency: Any) -> float:
    check_number("AstroLayer.coupling", coupling)
    if not 0 <= coupling <= STRONGEST:
        raise RangeError(f"AstroLayer.coupling: must be in 0..{STRONGEST}, got {coupling!r}.")
    if (coupling > 0) != (adjacency is not None):
        raise RangeError("AstroLayer.coupling: coupling and adjacency go together; give both or neither.")
    return float(coupling)


def _mixing(coupling: float, adjacency: Any, size: int) -> Tensor:
    """(D, D) by which the traces of domains are multiplied, float64; (0, 0) when they are not coupled."""
    if adjacency is None:
        return torch.empty(0, 0, dtype=torch.float64)
    a = torch.as_tensor(adjacency, dtype=torch.float64)
    if a.shape != (size, size):
        raise ShapeError(f"AstroLayer.adjacency: must be ({size}, {size}), one row per domain, got {tuple(a.shape)}.")
    if not bool((torch.isfinite(a) & (a >= 0)).all()):
        raise RangeError("AstroLayer.adjacency: must be finite and at least 0.")
    rows = a.sum(1, keepdim=True)
    alone = rows.squeeze(1) == 0  # touches none: stays as it is
    a = torch.where(alone.unsqueeze(1), torch.eye(size, dtype=torch.float64), a / rows.clamp_min(1e-300))
    return (1 - coupling) * torch.eye(size, dtype=torch.float64) + coupling * a


def _run(*inputs: Any) -> Any:
    if torch.compiler.is_compiling():  # no decorator: it would import the compiler, which takes a second
        return torch.compiler.disable(_Astro.apply)(*inputs)  # type: ignore[no-untyped-call]
    return _Astro.apply(*inputs)  # type: ignore[no-untyped-call]


class _Astro(torch.autograd.Function):
    """The fused kernels of the layer."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, drive: Tensor, weight: Tensor, c: Tensor, state: Tensor, fixed: Any, k: Any, program: str,
        chunk: int,
    ) -> Any:  # fmt: skip
        steps, batch, size = x.shape
        y, end = workspace.empty(x.shape, x.dtype), state.clone(memory_format=torch.contiguous_format)
        marks = ops.new_marks(steps, state, chunk)
        forward = ops._kernel("astro_forward", program, x, c).forward
        arrays = [ops._array(a) for a in (x, drive, weight.t(), *fixed, c)]
        arrays += [end.numpy(), y.numpy(), marks.numpy()]
        run_ranges(lambda a, b: forward(*arrays, chunk, a, b), batch, steps * batch * size, torch.get_num_threads())
        ops.check_finite(x.unsqueeze(0), end)
        ctx.k, ctx.program, ctx.chunk = k, program, chunk
        ctx.save_for_backward(x, drive, weight, c, state[-1], y, marks, *fixed)
        ctx.set_materialize_grads(False)
        return y, end

    @staticmethod
    def backward(ctx: Any, gy: Tensor | None, gend: Tensor | None) -> Any:
        x, drive, weight, c, z0, y, marks, *fixed = ctx.saved_tensors
        gy = torch.zeros_like(x) if gy is None else gy
        gend = marks.new_zeros(marks.shape[1:]) if gend is None else gend
        learn = ctx.needs_input_grad[3]
        inputs = x, drive, weight, c, fixed, marks, gy, gend
        gx, gdrive, gc, gs = ops.once(_pull, *inputs, ctx.k, ctx.program, ctx.chunk, learn)
        gw = None
        if ctx.needs_input_grad[2]:
            gw = gx.flatten(0, 1).t() @ torch.cat([z0.unsqueeze(0), y[:-1]]).flatten(0, 1)
        return gx, gdrive, gw, gc if learn else None, gs, None, None, None, None


def _pull(
    x: Tensor, drive: Tensor, weight: Tensor, c: Tensor, fixed: Any, marks: Tensor, gy: Tensor, gend: Tensor, k: Any,
    program: str, chunk: int, learn: bool,
) -> Any:  # fmt: skip
    batch, size = x.shape[1:]
    gx, gdrive = workspace.empty(x.shape, x.dtype), torch.empty_like(drive)
    gs, gc = gend.clone(memory_format=torch.contiguous_format), c.new_zeros((c.shape[0], batch, size))
    backward = ops._kernel("astro_backward", program, x, c, learn).backward
    arrays = [ops._array(a) for a in (x, drive, weight.t(), weight, *fixed, c, marks, gy)]
    outputs = [np.asarray(k, gx.numpy().dtype), gs.numpy(), gx.numpy(), gdrive.numpy(), gc.numpy()]
    run_ranges(lambda a, b: backward(*arrays, *outputs, chunk, a, b), batch, x.numel(), torch.get_num_threads())
    return gx, gdrive, (gc.sum((1, 2)).unsqueeze(1) if c.shape[1] == 1 else gc.sum(1)), gs
