"""The layer protocol: ``y, state = layer(x, state=None)``, time first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from neurosim.errors import ShapeError

ANY_LEADING = (nn.Linear, nn.Identity, nn.ReLU, nn.GELU, nn.Tanh, nn.Sigmoid)  # need no time and batch taken together
State = Any  # what a layer returns as its state: None, a dict of tensors, or a tuple of those


class Layer(nn.Module):
    """Base of every layer: ``forward(x, state=None) -> (y, state)`` with x ``(T, B, ...)``.

    ``state=None`` means rest. A layer keeps nothing between calls: pass the returned state on to continue a recording
    in chunks (detach it to cut the gradient), or forget it to start anew.
    """


class ContextLayer(Layer):
    """A layer that is told what the situation is: ``forward(x, state=None, context=None)``, context (1, C) or (B, C).

    `Sequential` and `Residual` pass a context on to the layers of this kind in them.
    """


def check_input(layer: nn.Module, x: Any, dims: int | None = None, axes: str = "T, B, ...") -> None:
    """Raise `ShapeError` unless ``x`` is a floating tensor ``(T, B, ...)`` with ``dims`` dimensions."""
    name = type(layer).__name__
    if not isinstance(x, Tensor):
        raise ShapeError(f"{name}: x must be a torch tensor ({axes}), got {type(x).__name__}.")
    if not x.is_floating_point():
        raise ShapeError(f"{name}: x must be a floating tensor, got {x.dtype}. Convert: x.float().")
    if x.dim() < 2 or (dims is not None and x.dim() != dims):
        raise ShapeError(
            f"{name}: x must be ({axes}), got {tuple(x.shape)}. T = time steps, B = batch"
            f"{'; is the batch or time axis missing?' if x.dim() < (dims or 2) else '.'}"
        )
    if 0 in x.shape:
        raise ShapeError(f"{name}: x must have at least one time step, sample and feature, got {tuple(x.shape)}.")


def check_state(layer: nn.Module, name: str, value: Tensor, shape: torch.Size) -> None:
    """Raise `ShapeError` unless the state ``value`` has the shape that this batch of x asks for."""
    if value.shape != shape:
        raise ShapeError(
            f"{type(layer).__name__}: state {name!r} must be {tuple(shape)} as one time step of x, got "
            f"{tuple(value.shape)}. A changed batch needs its own state (state=None is rest)."
        )


def check_features(layer: nn.Module, x: Tensor, axis: int, expected: int, axes: str) -> None:
    """Raise `ShapeError` unless ``x.shape[axis] == expected``; recognises batch-first and channels-last data."""
    if x.shape[axis] == expected:
        return
    hint = " Did you mean x.movedim(-1, 2) (channels last)?" if axis == 2 and x.shape[-1] == expected else ""
    if not hint and expected in x.shape[:2]:
        hint = " Time comes first, then batch: did you mean x.permute so that x is (T, B, ...)?"
    raise ShapeError(
        f"{type(layer).__name__}: x must be ({axes}) with {expected} at axis {axis % x.dim()}, "
        f"got {tuple(x.shape)} {str(x.dtype).removeprefix('torch.')}.{hint}"
    )


class Stateless(Layer):
    """A layer whose output at a time step depends on that step alone; wraps the torch.nn module it is mixed with."""

    core_dims = 1  # dimensions after (T, B) that the torch module works on

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """x ``(T, B, ...)`` to y ``(T, B, ...)``; the state is None."""
        del state
        self.check(x)
        return over_time(super().forward, x), None

    def check(self, x: Tensor) -> None:
        """Raise `ShapeError` for input that cannot be meant."""
        check_input(self, x)


def over_time(function: Any, x: Tensor) -> Tensor:
    """Apply a function of a batch to ``(T, B, ...)`` with time and batch taken together."""
    y: Tensor = function(x.flatten(0, 1))
    return y.view(x.shape[0], x.shape[1], *y.shape[1:])


class PerStep(Layer):
    """An ordinary ``torch.nn.Module`` applied to each time step; `Sequential` wraps modules in it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """x ``(T, B, ...)`` to y ``(T, B, ...)``; the state is None."""
        del state
        check_input(self, x)
        if type(self.module) in ANY_LEADING:
            return self.module(x), None
        return over_time(self.module, x), None


def detach(state: State) -> State:
    """The same state, cut from the graph: for truncated back-propagation through time."""
    return torch.utils._pytree.tree_map_only(Tensor, Tensor.detach, state)
