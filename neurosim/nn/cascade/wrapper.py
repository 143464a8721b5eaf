"""`CascadeDendrites`: a layer with dendrites beside it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.errors import RangeError, ShapeError, UnsupportedError, check_choice, check_seconds
from neurosim.kernels.trace import trace
from neurosim.nn import ops
from neurosim.nn.cascade.correlation import Learn
from neurosim.nn.cascade.dendrite import PHI, Candidate, Dendrite, Growth, along, best_of
from neurosim.nn.cascade.kinds import node_axis, units_of, weighted
from neurosim.nn.layer import Layer, State, check_input, check_state
from neurosim.nn.recurrent import Recurrent
from neurosim.units import LI, Arctan

FIRST_T = -0.1  # times the sign of rho: a little against the error


class CascadeDendrites(nn.Module):
    """A layer y = W * x + b with M dendrites per unit: y + sum_m t_m d_m(x); made by `with_dendrites` or `perforate`.

    d_m(x) = phi(V_m * x + c_m + sum_{k<m} u_mk d_k(x)), see `Dendrite`. No gradient flows into a dendrite, nor through
    it to x: backwards it is a constant ("perforation"). `grow` starts candidates, which learn from the error of y
    whenever a loss goes backward in training mode, `settle` freezes the best of them as dendrite M + 1. Candidates do
    not act on y. A `neurosim.nn.PhaseScheduler` calls both.

    Of a torch module (``y = layer(x)``) every position and sample counts as a sample. Of a neurosim layer
    (``y, state = layer(x)``, time first) a sample is a trial: its error is summed over time, and what correlates with
    it is the mean over time of a dendrite that reads the input trace r[t] = a r[t - 1] + (1 - a) x[t],
    a = exp(-dt / tau), from rest. A layer with recurrent weights gets its dendrites added to its input current, so that
    its error is the surrogate gradient at the membrane.

    The state dict holds dendrites and candidates; loading one restores their number first.

    Attributes:
        main: the layer.
        dendrites: the frozen ones.
        t: weight (C,) of each of them, trained with the layer.
        candidates: those in training.

    Source: Brenner & Itti 2025, "Perforated Backpropagation", arXiv:2501.18018, for the phases and the wrapper; the
    covariance is that of Fahlman & Lebiere 1990, "The Cascade-Correlation Learning Architecture". Our formulation: the
    normalised objective, the first value of t, the use of time.
    """

    def __init__(self, main: nn.Module, axis: int, phi: str, max_dendrites: int, growth: Growth) -> None:
        super().__init__()
        self.main, self.axis, self.phi = main, axis, phi
        self.max_dendrites, self.growth = max_dendrites, growth
        self.units = units_of(main)
        self.timed = isinstance(main, Layer)
        self.dendrites, self.candidates, self.t = nn.ModuleList(), nn.ModuleList(), nn.ParameterList()
        self.register_load_state_dict_pre_hook(_restore_structure)  # type: ignore[no-untyped-call]

    @property
    def full(self) -> bool:
        """Whether it has as many dendrites as it may have."""
        return len(self.dendrites) >= self.max_dendrites

    @property
    def rho(self) -> Tensor:
        """(C,) correlation of each unit's best candidate so far.

        Raises:
            RangeError: no candidates are in training.
        """
        if not len(self.candidates):
            raise RangeError("CascadeDendrites.rho: there are no candidates; call grow() first.")
        candidates: Any = self.candidates
        rho = torch.stack([c.statistics.rho for c in candidates])
        return rho.gather(0, rho.abs().argmax(0, keepdim=True))[0]

    def grow(self, generator: torch.Generator) -> None:
        """Draw new candidates with a generator of the CPU; those of before are gone.

        Raises:
            RangeError: there are ``max_dendrites`` already.
        """
        if self.full:
            raise RangeError(f"CascadeDendrites.grow: there are {len(self.dendrites)} dendrites, max_dendrites allows "
                             f"{self.max_dendrites}.")  # fmt: skip
        template = weighted(self.main)
        size = self.growth.multiplier
        if self.growth.scale == "parent":
            size *= float(template.weight.detach().abs().mean())
        self._make_candidates(self.growth.candidates)
        for candidate in self.candidates:
            candidate.draw(generator, size)  # type: ignore[operator]

    def settle(self) -> Tensor:
        """Freeze the best candidate of every unit as the next dendrite, with t = -0.1 sign(rho); (C,) rho."""
        candidates: Any = list(self.candidates)
        if not candidates:
            raise RangeError("CascadeDendrites.settle: there are no candidates; call grow() first.")
        if len(candidates) == 1:
            rho: Tensor = candidates[0].statistics.rho
            self._append(like=candidates[0])
        else:
            rho = best_of(candidates, self._append(), self.units)
        with torch.no_grad():
            self.t[-1].copy_(FIRST_T * rho.sign())
        self.candidates = nn.ModuleList()
        return rho

    def activities(self, x: Tensor) -> list[Tensor]:
        """What each dendrite says to ``x`` (for a neurosim layer: its input trace), in the shape of the output."""
        d: list[Tensor] = []
        with torch.no_grad():
            x = x.detach()
            for dendrite in self.dendrites:
                d.append(dendrite(x, d))
        return d

    def add(self, y: Tensor, x: Tensor) -> Tensor:
        """y with what the dendrites make of x; in training, candidates will hear of the error of this sum."""
        d = self.activities(x)
        for t, activity in zip(self.t, d, strict=True):
            y = y + along(t, y, self.axis) * activity
        if len(self.candidates) and self.training and torch.is_grad_enabled():
            candidates: Any = self.candidates
            heard = [self._rows(c(x.detach(), d).mean(0) if self.timed else c(x.detach(), d)) for c in candidates]
            statistics = [c.statistics for c in candidates]
            learn: Any = Learn.apply
            y = learn(y, self._errors, self.growth.objective, statistics, *heard)
        return y

    def extra_repr(self) -> str:
        return f"phi={self.phi!r}, max_dendrites={self.max_dendrites}, {self.growth}"

    def _errors(self, g: Tensor) -> Tensor:
        return self._rows(g.sum(0) if self.timed else g)

    def _rows(self, y: Tensor) -> Tensor:
        """(samples and positions, C)."""
        return y.movedim(self.axis, -1).reshape(-1, self.units)

    def _make_candidates(self, count: int) -> None:
        made = [self._new(Candidate, len(self.dendrites), self.growth.decay) for _ in range(count)]
        self.candidates = nn.ModuleList(made)

    def _append(self, like: Dendrite | None = None) -> Dendrite:
        """One more dendrite, frozen, with the weights of ``like``."""
        dendrite: Dendrite = self._new(Dendrite, len(self.dendrites))
        if like is not None:
            given = dict(like.named_parameters())
            with torch.no_grad():
                for name, p in dendrite.named_parameters():
                    p.copy_(given[name])
        self.dendrites.append(dendrite.requires_grad_(False))
        self.t.append(nn.Parameter(weighted(self.main).weight.detach().new_zeros(self.units)))
        return dendrite

    def _new(self, kind: Any, before: int, *options: Any) -> Any:
        template = copy.deepcopy(weighted(self.main)).requires_grad_(True)
        return kind(template, self.units, before, self.phi, self.axis, *options).train(self.training)


class _OfModule(CascadeDendrites):
    """Around a torch module."""

    def forward(self, x: Tensor) -> Tensor:
        """As the module, with dendrites."""
        return self.add(self.main(x), x)


class _OfLayer(CascadeDendrites, Layer):
    """Around a neurosim layer; state: (state of the layer, input trace (B, ...) or None)."""

    def __init__(self, *args: Any, tau: float | None, dt: float) -> None:
        super().__init__(*args)
        self.tau, self.dt = tau, dt
        if tau is not None:
            self._text = trace(LI(tau), Arctan(), "v").text()

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """As the layer, with dendrites; see the class."""
        check_input(self, x)
        if state is not None and (not isinstance(state, tuple) or len(state) != 2):
            raise ShapeError(f"CascadeDendrites: state must be (state of the layer, input trace), got {state!r:.80}.")
        inner, before = (None, None) if state is None else state
        read, after = (x.detach(), None) if self.tau is None else self._filter(x.detach(), before)
        if isinstance(self.main, Recurrent):
            y, inner = self.main(self.add(x, read), inner)
            return y, (inner, after)
        y, inner = self.main(x, inner)
        return self.add(y, read), (inner, after)

    @torch.no_grad()
    def _filter(self, x: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """The input trace at every step, and at the last."""
        assert self.tau is not None
        if before is not None:
            check_state(self, "trace", before, x.shape[1:])
        start = torch.zeros_like(x[:1]) if before is None else before.unsqueeze(0)
        c = x.new_tensor(LI(self.tau).coefficients(self.dt)).unsqueeze(1)
        k = list(Arctan().parameters())
        read, end, _ = ops.spiking(x.contiguous().unsqueeze(0), c, start.contiguous(), k, self._text, 0)
        return read, end[0]

    def extra_repr(self) -> str:
        read = "" if self.tau is None else f", tau={self.tau:g} s, dt={self.dt:g} s"
        return super().extra_repr() + read


def with_dendrites(
    layer: nn.Module,
    output_axes: Sequence[int] | None = None,
    *,
    phi: str = "tanh",
    max_dendrites: int = 3,
    growth: Growth | None = None,
    tau: float | None = None,
    dt: float = 1e-3,
) -> CascadeDendrites:
    """One layer with room for dendrites, called as the layer is; it has none yet.

    Args:
        layer: a linear or convolution layer of torch or neurosim, `Recurrent`, any module that works with one
            ``weight`` (then ``output_axes`` is needed), or a Sequential of one of these and norms behind it: then
            dendrites are added behind the norms.
        output_axes: one number per axis of the output: 0 for the axis of the units, -1 for every other, as
            (-1, 0, -1, -1) for images (B, C, H, W). None: that of a layer of a known kind.
        phi: "tanh", "sigmoid" or "relu".
        max_dendrites: per unit.
        growth: how they are drawn and trained.
        tau: time constant [s] of the input trace that the dendrites of a neurosim layer read; None: the input itself.
        dt: time step [s] of that trace.

    Raises:
        RangeError: the axis of the units is not unique; the layer has dendrites already; a value out of range.
        UnsupportedError: a layer without weights of its own.

    Example:
        >>> import torch
        >>> from neurosim import nn
        >>> layer = nn.with_dendrites(torch.nn.Linear(4, 3))
        >>> layer.grow(torch.Generator().manual_seed(0))
        >>> layer(torch.rand(8, 4)).square().sum().backward()  # candidates learn, the layer's output is as it was
        >>> rho = layer.settle()
        >>> len(layer.dendrites), tuple(layer.t[0].shape)
        (1, (3,))
    """
    check_choice("with_dendrites.phi", phi, tuple(PHI))
    if isinstance(max_dendrites, bool) or not isinstance(max_dendrites, int) or max_dendrites < 0:
        raise RangeError(f"with_dendrites.max_dendrites: must be a whole number >= 0, got {max_dendrites!r}.")
    if any(isinstance(m, CascadeDendrites) for m in layer.modules()):
        raise RangeError(f"with_dendrites.layer: {type(layer).__name__} has dendrites already; wrap a layer once.")
    axis = node_axis(layer, output_axes)
    common = (layer, axis, phi, max_dendrites, growth or Growth())
    if not isinstance(layer, Layer):
        if tau is not None:
            raise UnsupportedError(
                f"with_dendrites.tau: a torch module has no time axis to trace, got {type(layer).__name__}. Use the "
                "layers of neurosim.nn, or tau=None."
            )
        return _OfModule(*common)
    if tau is not None:
        check_seconds("with_dendrites.tau", tau)
    check_seconds("with_dendrites.dt", dt)
    return _OfLayer(*common, tau=tau, dt=dt)


def _restore_structure(module: Any, state: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
    """Before a state is loaded: have as many dendrites and candidates as it has."""
    if not any(key.startswith(f"{prefix}main.") for key in state):
        return  # of something else: torch says what is missing
    dendrites, candidates = (_count(state, f"{prefix}{name}.") for name in ("dendrites", "candidates"))
    if dendrites > module.max_dendrites:
        raise RangeError(
            f"load_state_dict: {prefix.removesuffix('.') or 'the layer'} has {dendrites} dendrites in the state, "
            f"but max_dendrites is {module.max_dendrites}."
        )
    fits = len(module.dendrites) == dendrites
    while len(module.dendrites) < dendrites:
        module._append()
    module.dendrites, module.t = module.dendrites[:dendrites], module.t[:dendrites]
    if not fits or len(module.candidates) != candidates:
        module._make_candidates(candidates)


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    found = [key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)]
    return 1 + max((int(n) for n in found if n.isdigit()), default=-1)
