"""Which layers can have dendrites, and where their units are."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from torch import nn

from neurosim.errors import RangeError, UnsupportedError
from neurosim.nn import linear as ours
from neurosim.nn.layer import PerStep
from neurosim.nn.recurrent import Recurrent
from neurosim.nn.sequential import Sequential
from neurosim.nn.spiking import UnitLayer

CONVOLUTIONS = {nn.Conv1d: -2, nn.Conv2d: -3, nn.Conv3d: -4}
KNOWN: dict[Any, int] = {nn.Linear: -1, **CONVOLUTIONS, Recurrent: -1}  # kind -> axis of its units
PLAIN = (nn.Linear, *CONVOLUTIONS, ours.Linear, ours.Conv2d, Recurrent)  # chosen where nobody chooses
NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def weighted(main: nn.Module) -> Any:
    """The layer whose weight a dendrite has the shape of.

    Raises:
        UnsupportedError: there is none.
    """
    if isinstance(main, Recurrent):
        return _input_of(main)
    if isinstance(main, (nn.Sequential, Sequential)):
        first, *rest = list(main.children()) or [nn.Identity()]
        if isinstance(first, PerStep) or not all(isinstance(plain(m), NORMS) for m in rest):
            raise UnsupportedError(
                "with_dendrites.layer: a Sequential must be one layer with weights and norms behind it, got "
                f"{[type(plain(m)).__name__ for m in (first, *rest)]}. Wrap the layers one by one (perforate)."
            )
        return weighted(first)
    if nn.utils.parametrize.is_parametrized(main):
        main = ours.plain_weights(copy.deepcopy(main))
    if isinstance(main, UnitLayer):
        raise UnsupportedError(
            f"with_dendrites.layer: {type(main).__name__} has no weights. Wrap the linear or convolution layer in "
            "front of it, whose error is the surrogate gradient of these units."
        )
    if isinstance(main, nn.RNNBase):
        raise UnsupportedError(
            f"with_dendrites.layer: {type(main).__name__} hides its input matrix. Use neurosim.nn.Recurrent, or put a "
            "Linear in front of it and wrap that."
        )
    if not isinstance(getattr(main, "weight", None), nn.Parameter) or isinstance(main, NORMS):
        raise UnsupportedError(f"with_dendrites.layer: {type(main).__name__} has no weight that maps x to y.")
    return main


def _input_of(main: Recurrent) -> nn.Module:
    like = main.weight.detach()
    skip_init: Any = nn.utils.skip_init  # draws no random numbers
    layer: nn.Module = skip_init(ours.Linear, main.n, main.n, device=like.device, dtype=like.dtype)
    layer.weight = nn.Parameter(like)
    return layer


def node_axis(main: nn.Module, output_axes: Sequence[int] | None) -> int:
    """Axis of the units in the output, negative.

    Raises:
        RangeError: not exactly one axis is that of the units, or it is another one than the layer has.
    """
    layer = weighted(main)
    known = next((axis for kind, axis in KNOWN.items() if isinstance(layer, kind)), None)
    if output_axes is None:
        if known is None:
            raise RangeError(
                f"with_dendrites.output_axes: cannot be known for {type(layer).__name__}; give one number per axis of "
                "its output, 0 for that of the units and -1 for every other, as (-1, 0)."
            )
        return known
    axes = list(output_axes)
    if axes.count(0) != 1 or set(axes) - {0, -1}:
        raise RangeError(
            "with_dendrites.output_axes: must hold one 0 (the axis of the units) and -1 for every other axis, got "
            f"{tuple(axes)}."
        )
    axis = axes.index(0) - len(axes)
    if known is not None and axis != known:
        raise RangeError(
            f"with_dendrites.output_axes: the units of {type(layer).__name__} are at axis {known} of its output, got "
            f"{tuple(axes)}, which says {axis}."
        )
    return axis


def units_of(main: nn.Module) -> int:
    """C, the number of units."""
    return int(weighted(main).weight.shape[0])


def plain(layer: nn.Module) -> nn.Module:
    """What `PerStep` wraps, or the layer."""
    return layer.module if isinstance(layer, PerStep) else layer
