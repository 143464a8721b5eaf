"""Containers: `Sequential`, `Residual` and `Ports`."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from neurosim.errors import NeurosimError, ShapeError
from neurosim.nn.layer import ContextLayer, Layer, PerStep, State
from neurosim.nn.linear import fold_norm
from neurosim.nn.linear_spiking import joinable, run_joined


class Sequential(Layer):
    """Layers one after the other; ordinary ``torch.nn`` modules are applied to each time step.

    Args:
        *layers: layers or modules, or one OrderedDict of named ones.

    Shape:
        x (T, B, ...) -> y of the last layer; state: a tuple, one entry per layer; context (1, C) or (B, C), for the
        layers that take one (`ActiveDendrites`).

    Raises:
        NeurosimError: what a layer raises, with the layer's name in front.
        ShapeError: a context is given and no layer takes one.
    """

    def __init__(self, *layers: nn.Module | OrderedDict[str, nn.Module]) -> None:
        super().__init__()
        named = layers[0].items() if layers and isinstance(layers[0], OrderedDict) else enumerate(layers)
        for name, layer in named:
            self.add_module(str(name), layer if isinstance(layer, Layer) else PerStep(layer))  # type: ignore[arg-type]

    def forward(self, x: Any, state: State = None, context: Tensor | None = None) -> tuple[Tensor, State]:
        """Run the layers in order; see the class."""
        layers = self._modules
        if context is not None and not takes_context(self):
            raise ShapeError("Sequential: a context was given, but no layer takes one. Leave it out.")
        states = (None,) * len(layers) if state is None else state
        if len(states) != len(layers):
            raise ShapeError(f"Sequential: state must have {len(layers)} entries, one per layer, got {len(states)}.")
        after, before = [], None  # before: a linear layer that waits for the one behind it
        following = [*list(layers.values())[1:], None]
        for (name, layer), s, next_layer in zip(layers.items(), states, following, strict=True):
            try:
                told = () if context is None or not takes_context(layer) else (context,)
                if before is not None:
                    (x, s), before = run_joined(before, layer, x, s), None  # type: ignore[arg-type]
                elif (before := joinable(layer, next_layer, x)) is None:  # type: ignore[arg-type]
                    x, s = layer(x, s, *told)  # type: ignore[misc]
            except NeurosimError as error:
                raise type(error)(f"layer {name!r}: {error}") from None
            after.append(s)
        return x, tuple(after)

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index: int) -> nn.Module:
        return list(self._modules.values())[index]  # type: ignore[return-value]

    def fold_norms(self) -> Sequential:
        """A copy in which every batch norm behind a linear or convolution layer is folded into it (evaluation).

        Norms in inner `Sequential` and `Residual` layers too; ordinary torch.nn modules count as the layers they are.
        """
        folded: OrderedDict[str, nn.Module] = OrderedDict()
        for name, layer in self._modules.items():
            assert layer is not None
            last = next(reversed(folded)) if folded else None
            if isinstance(norm := _plain(layer), NORMS) and last and isinstance(_plain(folded[last]), FOLDABLE):
                merged = fold_norm(_plain(folded[last]), norm)
                folded[last] = merged if isinstance(merged, Layer) else PerStep(merged)
            elif isinstance(layer, (Sequential, Residual, Ports)):
                folded[name] = layer.fold_norms()
            else:
                folded[name] = copy.deepcopy(layer)
        return Sequential(folded).train(self.training)


NORMS, FOLDABLE = (nn.BatchNorm1d, nn.BatchNorm2d), (nn.Linear, nn.Conv2d)


def takes_context(layer: nn.Module | None) -> bool:
    """Whether a layer, or one in it, is a `ContextLayer`."""
    if isinstance(layer, (Sequential, Residual)):
        return any(takes_context(inner) for inner in layer.children())
    return isinstance(layer, ContextLayer)


def _plain(layer: nn.Module) -> nn.Module:
    return layer.module if isinstance(layer, PerStep) else layer


class Residual(Layer):
    """x + y, where y is what the inner layers make of x.

    Shape:
        x (T, B, ...) -> x + y (T, B, ...); state: that of the inner `Sequential`.
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.inner = Sequential(*layers)

    def forward(self, x: Tensor, state: State = None, context: Tensor | None = None) -> tuple[Tensor, State]:
        """Add the input to the output of the inner layers."""
        y, state = self.inner(x, state, context)
        if y.shape != x.shape:
            raise ShapeError(f"Residual: the inner layers must keep the shape {tuple(x.shape)}, got {tuple(y.shape)}.")
        return x + y, state

    def fold_norms(self) -> Residual:
        """A copy with folded norms, see `Sequential.fold_norms`."""
        return Residual(*self.inner.fold_norms()._modules.values())  # type: ignore[arg-type]


class Ports(Layer):
    """The input of every port of a unit, each by layers of its own from the same x: the layer before a `Spiking`.

    Args:
        **layers: by the name of the port, a layer, a torch module or a `Sequential`.

    Shape:
        x (T, B, ...) -> {port: y (T, B, ...)}; state: a dict, one entry per port.

    Raises:
        ShapeError: no port, or a state with other ports.

    Example:
        >>> import torch
        >>> from neurosim import nn, units
        >>> cell = nn.Sequential(
        ...     nn.Ports(soma=nn.Linear(8, 4), dend=nn.Linear(8, 4)), nn.Spiking(units.PlateauLIF(coincident=1))
        ... )
        >>> cell(torch.ones(20, 1, 8))[0].shape
        torch.Size([20, 1, 4])
    """

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        if not layers:
            raise ShapeError("Ports: must have a layer for each port, such as Ports(soma=..., dend=...), got none.")
        for port, layer in layers.items():
            self.add_module(port, layer if isinstance(layer, Sequential) else Sequential(layer))

    def forward(self, x: Any, state: State = None) -> tuple[dict[str, Tensor], State]:
        """Run the layers of every port on x."""
        states = dict.fromkeys(self._modules) if state is None else state
        if not isinstance(states, dict) or set(states) != set(self._modules):
            got = list(states) if isinstance(states, dict) else type(states).__name__
            raise ShapeError(f"Ports: state must be a dict with {list(self._modules)}, got {got}.")
        after, found = {}, {}
        for port, layer in self._modules.items():
            found[port], after[port] = layer(x, states[port])  # type: ignore[misc]
        return found, after

    def fold_norms(self) -> Ports:
        """A copy with folded norms, see `Sequential.fold_norms`."""
        return Ports(**{port: layer.fold_norms() for port, layer in self._modules.items()})  # type: ignore[operator, union-attr]
