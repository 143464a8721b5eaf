"""`record` and `recording`: spikes and membranes of every layer, by its name in the module tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.errors import RangeError, nearest
from neurosim.nn import State
from neurosim.nn.spiking import UnitLayer

SPIKES = "spikes"


def record(model: nn.Module, x: Any, what: str = SPIKES, state: State = None) -> dict[str, Tensor]:
    """Run ``model`` once and return what its layers did, by layer name.

    Args:
        model: any module with layers of units.
        x: input (T, B, ...) of the model.
        what: "spikes", the output of every spiking layer, or the name of a state such as "v" or "i_syn", of every
            layer whose unit has it.
        state: state of the model to go on from; None is rest.

    Returns:
        dict: layer name to (T, B, ...). Gradients are kept; use ``torch.no_grad()`` where none is wanted.

    Raises:
        RangeError: no layer has what is asked for.

    Example:
        >>> from neurosim import nn, units
        >>> model = nn.Sequential(nn.Linear(3, 4), nn.Spiking(units.LIF()))
        >>> {name: tuple(v.shape) for name, v in record(model, torch.ones(10, 2, 3), what="v").items()}
        {'1': (10, 2, 4)}
    """
    with recording(model, what) as kept:
        model(x) if state is None else model(x, state)
    return kept


@contextmanager
def recording(model: nn.Module, what: str = SPIKES) -> Iterator[dict[str, Tensor]]:
    """A context whose dict is filled with what the layers do in the forward pass inside; see `record`.

    Where the output of the model is needed too, as in training with `neurosim.nn.activity_loss`:
    ``with recording(model) as spikes: y, _ = model(x)``. A layer that runs several times keeps its last run.

    Args:
        model: any module with layers of units.
        what: "spikes" or the name of a state.
    """
    layers = {name: layer for name, layer in unit_layers(model).items() if _has(layer, what)}
    if not layers:
        known = sorted({n for layer in unit_layers(model).values() for n in (layer.output, *layer.unit.state)})
        raise RangeError(
            f"record.what: no layer of the model has {what!r}; its layers have {known}.{nearest(what, known)}"
        )
    kept: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(layer: UnitLayer, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            if what == SPIKES:
                kept[name] = output[0]
            else:
                x, state = bound(args, kwargs)
                kept[name] = torch.stack([after[what] for after in unroll(layer, x, state)])

        return hook

    handles = [layer.register_forward_hook(keep(name), with_kwargs=True) for name, layer in layers.items()]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def unit_layers(model: nn.Module) -> dict[str, UnitLayer]:
    """Layers of units by name; a model that is one layer goes by its class."""
    return {layer_name(model, name): m for name, m in model.named_modules() if isinstance(m, UnitLayer)}


def layer_name(model: nn.Module, name: str) -> str:
    """Name in the module tree; the model itself, which has none, goes by its class."""
    return name or type(model).__name__


def bound(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, State]:
    """Input and state of a call ``layer(x, state=None)``, however they were passed."""
    x, state, *_ = (*args, None, None)
    return kwargs.get("x", x), kwargs.get("state", state)


def unroll(layer: UnitLayer, x: Any, state: State) -> Iterator[dict[str, Tensor]]:
    """States of the layer after each time step: the kernels keep only the last one, so it runs step by step.

    Recurrent layers run like any other, and because chunks give what the whole gives, so do spikes and gradients.
    """
    ports = layer.inputs(x)
    for t in range(ports[0].shape[0]):
        step = tuple(p[t : t + 1] for p in ports)
        _, state = layer.forward(step if len(step) > 1 else step[0], state)  # not layer(...): no hooks
        yield state


def _has(layer: UnitLayer, what: str) -> bool:
    return layer.output == SPIKES if what == SPIKES else what in layer.unit.state
