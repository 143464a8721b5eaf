"""Loss, optimiser and learning rate of a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from neurosim import nn as snn
from neurosim.errors import ShapeError
from neurosim.train.recipe import TrainSpec

START, END = 1 / 25, 1e-4  # of the highest learning rate, where "onecycle" begins and ends


def loss_function(spec: TrainSpec) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of (output, labels); the output is (T, B, classes), or (B, classes) behind a readout.

    Raises:
        ShapeError: (at the call) the loss needs all time steps, and a readout took them away.
    """
    smoothing = spec.label_smoothing
    losses: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "rate_cross_entropy": lambda y, t: snn.rate_cross_entropy(y, t, smoothing),
        "count": snn.count_cross_entropy,
        "membrane": snn.membrane_cross_entropy,
        "tet": lambda y, t: snn.tet(y, t, label_smoothing=smoothing),
        "spike_count": snn.spike_count_loss,
    }
    function = losses[spec.loss]

    def checked(y: Tensor, target: Tensor) -> Tensor:
        if y.dim() != 3 and spec.loss != "rate_cross_entropy":
            raise ShapeError(
                f"train.loss: {spec.loss!r} needs the output of every time step, got {tuple(y.shape)}. "
                "Remove the readout layer, or use 'rate_cross_entropy'."
            )
        return function(y, target)

    return checked


def scores(y: Tensor, loss: str) -> Tensor:
    """(B, classes) by which the class is chosen: a readout's output, or the maximum ("membrane") or sum over time."""
    if y.dim() == 2:
        return y
    return y.amax(0) if loss == "membrane" else y.sum(0)


def optimizer_of(spec: TrainSpec, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser; biases, norms and parameters of units have no weight decay."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        free = parameter.dim() < 2 or "raw_" in name
        (plain if free else decayed).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": spec.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    groups = [g for g in groups if g["params"]]
    if spec.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=spec.lr, momentum=spec.momentum)
    if spec.optimizer == "radam":
        return torch.optim.RAdam(groups, lr=spec.lr, decoupled_weight_decay=True)
    kind = torch.optim.AdamW if spec.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=spec.lr)


def learning_rate(spec: TrainSpec, step: int, steps: int) -> float:
    """The rate of a step; a function of its number alone, so that a run can be resumed anywhere.

    Example:
        >>> spec = TrainSpec(lr=1.0, schedule="cosine", warmup=0.0)
        >>> [round(learning_rate(spec, i, 4), 3) for i in range(4)]
        [1.0, 0.854, 0.5, 0.146]
    """
    rise = spec.warmup * steps
    done = (step - rise) / max(steps - rise, 1)
    if spec.schedule == "onecycle":
        if step < rise:
            return spec.lr * _cosine(START, 1.0, step / rise)
        return spec.lr * _cosine(1.0, END, done)
    if step < rise:
        return spec.lr * (step + 1) / (rise + 1)
    return spec.lr * _cosine(1.0, 0.0, done) if spec.schedule == "cosine" else spec.lr


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2
