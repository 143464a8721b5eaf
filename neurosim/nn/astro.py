"""Sequences with astrocytes: `AstroBlock` and `AstroSNN`, whose state does not grow with time."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.errors import RangeError, ShapeError, UnsupportedError
from neurosim.nn.layer import Layer, State, check_features, check_input
from neurosim.nn.linear import Linear
from neurosim.nn.sequential import Residual, Sequential
from neurosim.nn.spiking import Spiking
from neurosim.units import LI, LIF, AstroLIF, Decay, FastSigmoid, Surrogate, Unit
from neurosim.units.astrocyte import ACTIONS

SLOWNESS = (2.0, 6.0)  # logits of lam, spread over the astrocytes: time constants of 8 to 404 steps
MEMORY = (-2.0, 6.0)  # logits of the decay of a block's trace, spread over the features: from half a step to 404
SURROGATE = FastSigmoid(5.0)
TRACE = LI(tau_mem=Decay(0.98), gain="leak")
THRESHOLD = LIF(tau_mem=Decay(0.0))  # no memory: a spike where the input is above 1


def count(where: str, value: Any) -> int:
    """``value`` when it is a whole number of at least 1; else `RangeError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RangeError(f"{where}: must be a whole number of at least 1, got {value!r}.")
    return value


def learned(unit: Unit) -> tuple[str, ...]:
    """What trains of a unit unless something else is asked for: all that makes an `AstroLIF`, nothing of others."""
    if not isinstance(unit, AstroLIF):
        return ()
    return ("lam", "beta", *(name for action, name in ACTIONS.items() if action in unit.mode.split("+")))


def spread_evenly(raw: nn.Parameter, logits: tuple[float, float]) -> None:
    """Give factors that train logits from the first to the last."""
    with torch.no_grad():
        raw.copy_(torch.linspace(*logits, raw.numel()).view_as(raw))


class TimeMixing(Layer):
    """Spikes that gate what a slow trace takes in: y = W_o (sigmoid(r) C), C = lam C + (1 - lam) q v.

    k, v, r are linear in x and q are the spikes of ``unit`` for input k.

    Args:
        width: number of features.
        unit: spiking unit with one port; of an `AstroLIF` all that acts is trained per neuron, with lam spread.
        trace: leaky integrator for C; its decay trains per feature, unless it is 0 (no memory).
        surrogate: slope of the spikes.

    Shape:
        x (T, B, width) -> y (T, B, width); state: {"spikes": of the unit, "trace": of the trace}, each (B, width).
    """

    def __init__(self, width: int, unit: Unit, trace: Unit, surrogate: Surrogate) -> None:
        super().__init__()
        if len(unit.ports) != 1 or unit.output != "spikes":
            raise UnsupportedError(f"TimeMixing.unit: needs a spiking unit with one port, got {unit}.")
        if not isinstance(trace, LI) or not isinstance(trace.tau_mem, Decay):
            raise UnsupportedError(
                f"TimeMixing.trace: needs a leaky integrator such as LI(tau_mem=Decay(0.98)), got {trace}."
            )
        self.linear, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.spikes = Spiking(unit, surrogate=surrogate, learn=learned(unit), shape=(width,))
        memory = ("tau_mem",) if trace.tau_mem.per_step > 0 else ()
        self.trace = Spiking(trace, learn=memory, shape=(width,))
        for layer, name, logits in ((self.spikes, "lam", SLOWNESS), (self.trace, "tau_mem", MEMORY)):
            if name in layer.learn:
                spread_evenly(getattr(layer, f"raw_{name}"), logits)

    def forward(self, x: Tensor, state: dict[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        """Mix over time; see the class."""
        if state is not None and (not isinstance(state, dict) or set(state) != {"spikes", "trace"}):
            raise ShapeError(f"TimeMixing: state must be a dict with spikes and trace, got {state!r:.60}.")
        before = state or {"spikes": None, "trace": None}
        k, v, r = self.linear(x).chunk(3, -1)
        q, spikes = self.spikes(k, before["spikes"])
        c, trace = self.trace(q * v, before["trace"])
        return self.out(torch.sigmoid(r) * c), {"spikes": spikes, "trace": trace}


class SquaredReLU(nn.Module):
    """max(x, 0)^2."""

    def forward(self, x: Tensor) -> Tensor:
        """Element by element."""
        return torch.relu(x).square()


class AstroBlock(Sequential):
    """x + time mixing, then + channel mixing W2 spike(relu(W1 x)^2), each behind a layer norm; our formulation.

    Args:
        width: number of features.
        hidden: spiking units of the channel mixing; default twice the width.
        unit: that gates the time mixing; see `TimeMixing`. ``LIF(tau_mem=Decay(0.9), v_reset=0.0)`` is the block
            without astrocytes.
        trace: leaky integrator of the time mixing.
        surrogate: slope of all spikes.

    Shape:
        x (T, B, width) -> y (T, B, width); state: a tuple, O(width) numbers per sample whatever T.

    Raises:
        RangeError: width or hidden below 1; x holds nan or inf.
        ShapeError: x or the state does not fit.
        UnsupportedError: a unit with several ports, or that never spikes; a trace that is no leaky integrator.

    Source: our formulation of the block of Shen et al. 2023, arXiv:2312.07625, whose equations are not public.
    """

    def __init__(
        self,
        width: int,
        hidden: int | None = None,
        *,
        unit: Unit | None = None,
        trace: Unit = TRACE,
        surrogate: Surrogate = SURROGATE,
    ) -> None:
        count("AstroBlock.width", width)
        hidden = 2 * width if hidden is None else count("AstroBlock.hidden", hidden)
        mixing = TimeMixing(width, AstroLIF() if unit is None else unit, trace, surrogate)
        channels = (Linear(width, hidden), SquaredReLU(), Spiking(THRESHOLD, surrogate=surrogate),
                    Linear(hidden, width))  # fmt: skip
        super().__init__(Residual(nn.LayerNorm(width), mixing), Residual(nn.LayerNorm(width), *channels))
        self.width = width

    def forward(self, x: Tensor, state: State = None, context: Tensor | None = None) -> tuple[Tensor, State]:
        """Run all time steps; see the class."""
        check_input(self, x, 3, f"T, B, {self.width}")
        check_features(self, x, 2, self.width, f"T, B, {self.width}")
        return super().forward(x, state, context)


class AstroSNN(Sequential):
    """Blocks one after the other and a layer norm: a sequence model with O(T) time and O(width) state.

    Args:
        width: number of features.
        depth: number of blocks.
        **options: of `AstroBlock`.

    Shape:
        x (T, B, width) -> y (T, B, width); state: a tuple, one entry per block and None for the norm.

    Raises:
        RangeError: width, depth or hidden below 1.

    Example:
        >>> import torch
        >>> from neurosim import nn
        >>> y, state = nn.AstroSNN(16, depth=2)(torch.randn(50, 3, 16))
        >>> y.shape, nn.state_size(state)
        (torch.Size([50, 3, 16]), 480)
    """

    def __init__(self, width: int = 256, depth: int = 4, **options: Any) -> None:
        blocks = [AstroBlock(width, **options) for _ in range(count("AstroSNN.depth", depth))]
        super().__init__(*blocks, nn.LayerNorm(width))


def state_size(state: Any) -> int:
    """Numbers that a state holds."""
    leaves = torch.utils._pytree.tree_leaves(state)
    return sum(math.prod(leaf.shape) for leaf in leaves if isinstance(leaf, Tensor))
