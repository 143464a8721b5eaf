"""Active dendrites: segments that recognise a context, and gate what their unit makes of its input."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from neurosim.errors import RangeError, ShapeError, UnsupportedError, check_choice, check_number
from neurosim.nn.layer import ContextLayer, Layer, PerStep, State
from neurosim.nn.linear import Linear, plain_weights
from neurosim.nn.sparse import Mask, density_of, random_mask
from neurosim.nn.spiking import UnitLayer

GATES = ("absmax", "max", "bias")


class ActiveDendrites(ContextLayer):
    """A layer whose units each have dendritic segments that see a context; the segment that wins gates the unit.

    With the layer's output t and a segment's activation ``d_k = segments[unit, k] . context``, per unit:

    - "absmax": ``y = t * sigmoid(d_k)``, k with the largest absolute activation (its sign is kept),
    - "max": ``y = t * sigmoid(d_k)``, k with the largest activation,
    - "bias": ``y = t + d_k``, k with the largest activation.

    Only the segment that wins has a gradient. A convolution is gated per channel. Of a layer of units (`Spiking`,
    `Recurrent`) the current from outside is gated instead, before the units; the spikes that a recurrent layer sends to
    itself are not.

    Args:
        layer: `Linear`, `Conv2d` (also sparse, or torch's), `Spiking` or `Recurrent`.
        segments: per unit, at least 1.
        context_size: C, numbers in a context.
        gate: "absmax", "max" or "bias".
        segment_sparsity: share of the context that each segment does not see, 0 or above, below 1.
        context_density: share of a context that is expected to be on. Segments start uniform in
            +-1 / sqrt(context_density * (1 - segment_sparsity) * C).
        units: units of a `Spiking` layer, which does not know their number; of other layers it is found.

    Shape:
        x, y, state: those of the layer. context (B, C), one per sample, or (1, C) for all, which is a B-th of the work.

    Raises:
        ShapeError: no context, or one that is not (1, C) or (B, C).
        RangeError: a context with nan or inf; segments below 1; a sparsity or density out of range.
        UnsupportedError: a layer of another kind.

    Source: Iyer et al. 2022, doi:10.3389/fnbot.2022.846219; gates as in nupic.research's dendrites. On units and
    recurrent layers: our formulation.

    Example:
        >>> from neurosim import nn
        >>> layer = nn.ActiveDendrites(nn.Linear(6, 4), segments=3, context_size=5)
        >>> y, _ = layer(torch.ones(1, 2, 6), context=torch.ones(1, 5))
        >>> y.shape
        torch.Size([1, 2, 4])
    """

    def __init__(
        self, layer: nn.Module, segments: int, context_size: int, gate: str = "absmax", *,
        segment_sparsity: float = 0.0, context_density: float = 0.1, units: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_choice("ActiveDendrites.gate", gate, GATES)
        _at_least_one("segments", segments)
        _at_least_one("context_size", context_size)
        check_number("ActiveDendrites.segment_sparsity", segment_sparsity)
        check_number("ActiveDendrites.context_density", context_density)
        if not 0 <= segment_sparsity < 1:
            raise RangeError(f"ActiveDendrites.segment_sparsity: must be >= 0 and < 1, got {segment_sparsity!r}.")
        if not 0 < context_density <= 1:
            raise RangeError(f"ActiveDendrites.context_density: must be > 0 and <= 1, got {context_density!r}.")
        self.units, self.gate, self.context_size = _units(layer, units), gate, context_size
        self.layer = layer if isinstance(layer, Layer) else PerStep(layer)
        self.gates_input = isinstance(layer, UnitLayer)
        self._inner_dims = 3 if isinstance(layer, nn.Conv2d) else 1
        bound = 1 / math.sqrt(context_density * (1 - segment_sparsity) * context_size)
        self.segments = nn.Parameter(torch.empty(self.units, segments, context_size).uniform_(-bound, bound))
        if segment_sparsity:
            seen = random_mask(self.units * segments, context_size, segment_sparsity, "ActiveDendrites")
            parametrize.register_parametrization(self, "segments", Mask(seen.view_as(self.segments)))

    def forward(self, x: Tensor, state: State = None, context: Tensor | None = None) -> tuple[Tensor, State]:
        """Run the layer under a context; see the class."""
        gate = self.gates(context)
        y, state = self.layer(self._gated(x, gate) if self.gates_input else x, state)
        return y if self.gates_input else self._gated(y, gate), state

    def activations(self, context: Tensor | None) -> Tensor:
        """What each segment makes of each context: (B, units, segments)."""
        context = self._checked(context)
        flat = self.segments.view(-1, self.context_size)
        return nn.functional.linear(context.to(flat.dtype), flat).view(len(context), self.units, -1)

    def gates(self, context: Tensor | None) -> Tensor:
        """Factor (gates "absmax" and "max") or summand ("bias") of each unit: (B, units)."""
        d = self.activations(context)
        winner = (d.abs() if self.gate == "absmax" else d).argmax(-1, keepdim=True)
        won = d.gather(-1, winner).squeeze(-1)
        return won if self.gate == "bias" else torch.sigmoid(won)

    def fold(self, context: Tensor) -> nn.Module:
        """An ordinary layer that does what this one does under one context (1, C): the gates are in its weights.

        A layer of units gets a diagonal `Linear` in front.

        Raises:
            ShapeError: several contexts.
        """
        if len(self._checked(context)) != 1:
            raise ShapeError(
                f"ActiveDendrites.fold: context must be (1, {self.context_size}), got {tuple(context.shape)}. The "
                "weights hold the gates of one context; fold a copy of the model for each."
            )
        with torch.no_grad():
            gate = self.gates(context)[0]
            if self.gates_input:
                from neurosim.nn.sequential import Sequential

                front = Linear(self.units, self.units).to(gate)
                one = torch.ones_like(gate)
                front.weight.copy_(torch.diag(one))
                front.bias.zero_()
                return Sequential(_folded(front, gate, self.gate), copy.deepcopy(self.layer)).train(self.training)
            inner: Any = plain_weights(copy.deepcopy(self.layer))
            _folded(inner.module if isinstance(inner, PerStep) else inner, gate, self.gate)
            return inner.train(self.training)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        units, segments, size = self.segments.shape
        return f"units={units}, segments={segments}, context_size={size}, gate={self.gate!r}"

    def _gated(self, x: Tensor, gate: Tensor) -> Tensor:
        """``x`` (T, B, ..., units) or (T, B, units, H, W) under the gates (1 or B, units)."""
        if len(gate) not in (1, x.shape[1]):
            raise ShapeError(
                f"ActiveDendrites: context must have 1 or {x.shape[1]} rows, as x has {x.shape[1]} samples, got "
                f"{len(gate)}."
            )
        axis = x.dim() - self._inner_dims
        if axis < 2 or x.shape[axis] != self.units:
            raise ShapeError(f"ActiveDendrites: x must have {self.units} units at axis {axis}, got {tuple(x.shape)}.")
        shape = [1] * x.dim()
        shape[1], shape[axis] = len(gate), self.units
        gate = gate.to(x.dtype).view(shape)
        return x + gate if self.gate == "bias" else x * gate

    def _checked(self, context: Tensor | None) -> Tensor:
        """A context that can be meant, (B, C)."""
        wanted = f"context must be (1, {self.context_size}) or (B, {self.context_size})"
        if context is None:
            raise ShapeError(
                f"ActiveDendrites: {wanted}, got none. Pass it on: layer(x, state, context), or "
                "model(x, context=context)."
            )
        if not isinstance(context, Tensor) or not context.is_floating_point() or context.dim() != 2:
            got = f"{tuple(context.shape)} {context.dtype}" if isinstance(context, Tensor) else type(context).__name__
            raise ShapeError(f"ActiveDendrites: {wanted}, a floating tensor, got {got}.")
        if context.shape[1] != self.context_size or len(context) == 0:
            raise ShapeError(f"ActiveDendrites: {wanted}, got {tuple(context.shape)}.")
        if not bool(context.isfinite().all()):
            raise RangeError("ActiveDendrites: context holds nan or inf.")
        return context


def init_modified(layer: Any, input_density: float = 1.0) -> Any:
    """Draw the weights of a linear or convolution layer for sparse input; biases become 0. In place.

    Weights are uniform in +-1 / sqrt(input_density * weight_density * fan_in), as in the active-dendrite network.

    Args:
        layer: `Linear`, `Conv2d` or `SparseLinear`, `SparseConv2d`.
        input_density: share of the inputs that is not zero, above 0, at most 1.

    Returns:
        The layer.

    Raises:
        RangeError: a density out of range.
    """
    check_number("init_modified.input_density", input_density)
    if not 0 < input_density <= 1:
        raise RangeError(f"init_modified.input_density: must be > 0 and <= 1, got {input_density!r}.")
    with torch.no_grad():
        weight = torch.empty_like(layer.weight)
        bound = 1 / math.sqrt(input_density * density_of(layer) * weight[0].numel())
        weight.uniform_(-bound, bound)
        if parametrize.is_parametrized(layer, "weight"):
            layer.weight = weight
        else:
            layer.weight.copy_(weight)
        if layer.bias is not None:
            layer.bias.zero_()
    return layer


def fold_context(model: nn.Module, context: Tensor) -> nn.Module:
    """A copy of ``model`` for one context (1, C): every `ActiveDendrites` in it becomes an ordinary layer.

    The copy takes no context, so it can be lowered: ``lower(fold_context(model, context), shape)``.

    Raises:
        ShapeError: several contexts, or one of another size.
    """
    if isinstance(model, ActiveDendrites):
        return model.fold(context)
    folded = copy.deepcopy(model)
    for parent in list(folded.modules()):
        for name, child in parent.named_children():
            if isinstance(child, ActiveDendrites):
                setattr(parent, name, child.fold(context))
    return folded


def _folded(layer: Any, gate: Tensor, kind: str) -> Any:
    """Put gates into weights, in place."""
    if kind == "bias":
        layer.bias = nn.Parameter(gate if layer.bias is None else layer.bias + gate)
        return layer
    layer.weight.mul_(gate.view(-1, *[1] * (layer.weight.dim() - 1)))
    if layer.bias is not None:
        layer.bias.mul_(gate)
    return layer


def _units(layer: nn.Module, units: int | None) -> int:
    """How many gates a layer needs."""
    found: int | None
    if isinstance(layer, nn.Linear):
        found = layer.out_features
    elif isinstance(layer, nn.Conv2d):
        found = layer.out_channels
    elif isinstance(layer, UnitLayer):
        found = getattr(layer, "n", units)
        if found is None:
            raise RangeError("ActiveDendrites.units: must be given for a Spiking layer, which does not know its size.")
    else:
        raise UnsupportedError(
            f"ActiveDendrites: gates Linear, Conv2d, Spiking or Recurrent, got {type(layer).__name__}. Wrap the linear "
            "layer before it."
        )
    _at_least_one("units", found)
    if units is not None and units != found:
        raise RangeError(f"ActiveDendrites.units: the layer has {found}, got {units!r}. Leave it out.")
    return found


def _at_least_one(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        hint = " Without segments, use the layer itself." if name == "segments" else ""
        raise RangeError(f"ActiveDendrites.{name}: must be a whole number >= 1, got {value!r}.{hint}")
