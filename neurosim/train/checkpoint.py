"""Checkpoints: one safetensors file per seed with weights, optimiser, averages and history, replaced every epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.errors import FormatError, RangeError
from neurosim.files import write_bytes
from neurosim.train.files import read_tensors, tensor_bytes

FORMAT, VERSION = "neurosim checkpoint", "1"
NAME = "checkpoint.safetensors"


@dataclass
class Progress:
    """How far a run is.

    Args:
        epoch: epochs done.
        seconds: that training took so far [s].
        best_epoch: epoch with the highest validation accuracy, ties by the lower loss; 0 before the first.
        best_accuracy: of that epoch on validation.
        best_loss: of that epoch on validation.
        history: a table per epoch (epoch, lr, loss, accuracy, validation_loss, validation_accuracy, spike_rate, ...).
    """

    epoch: int = 0
    seconds: float = 0.0
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best_loss: float = float("inf")
    history: list[dict[str, Any]] = field(default_factory=list)

    def better(self, accuracy: float, loss: float) -> bool:
        """Whether an epoch beats the best one."""
        return (accuracy, -loss) > (self.best_accuracy, -self.best_loss)


@dataclass
class State:
    """Everything that training changes.

    Args:
        model: the network.
        optimizer: of its parameters.
        average: averaged weights, empty without ``ema``.
        best: weights of the best epoch.
        progress: how far it is.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor]
    best: dict[str, Tensor]
    progress: Progress


def save_checkpoint(folder: Path, state: State, recipe: str) -> None:
    """Replace the checkpoint of a seed; a crash leaves the one before or this one.

    Args:
        folder: of the seed.
        state: to save.
        recipe: digest of what the run was started with.

    Raises:
        OutputError: it cannot be written.
    """
    tensors = {f"model.{k}": v for k, v in state.model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in state.average.items()}
    tensors |= {f"best.{k}": v for k, v in state.best.items()}
    for name, entries in _optimizer_entries(state).items():
        tensors |= {f"optimizer.{name}/{k}": v for k, v in entries.items()}
    about = {"format": FORMAT, "version": VERSION, "recipe": recipe, "progress": json.dumps(asdict(state.progress))}
    data, _ = tensor_bytes(tensors, about)
    write_bytes(folder / NAME, data)


def load_checkpoint(folder: Path, state: State, recipe: str) -> bool:
    """Put the checkpoint of a seed into ``state``; False when there is none.

    Raises:
        FormatError: the file is damaged.
        RangeError: it belongs to another recipe.
    """
    path = folder / NAME
    if not path.exists():
        return False
    tensors, about = read_tensors(path)
    if about.get("format") != FORMAT or about.get("version") != VERSION:
        raise FormatError(f"{path}: must be {FORMAT!r} version {VERSION}, got {about.get('format')!r}.")
    if about["recipe"] != recipe:
        raise RangeError(f"{path}: belongs to another recipe or seed; choose another --out, or --overwrite it.")
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "best": {}, "optimizer": {}}
    for key, tensor in tensors.items():
        part, _, name = key.partition(".")
        parts[part][name] = tensor
    try:
        state.model.load_state_dict(parts["model"])
        _restore_optimizer(state, parts["optimizer"])
        state.progress = Progress(**json.loads(about["progress"]))
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise FormatError(f"{path}: does not fit the network of the recipe: {error}") from None
    state.average, state.best = parts["average"], parts["best"]
    return True


def _optimizer_entries(state: State) -> dict[str, dict[str, Tensor]]:
    return {
        name: {k: torch.as_tensor(v) for k, v in state.optimizer.state[p].items() if v is not None}
        for name, p in state.model.named_parameters()
        if p in state.optimizer.state
    }


def _restore_optimizer(state: State, entries: Mapping[str, Tensor]) -> None:
    names = {p: name for name, p in state.model.named_parameters()}
    by_name: dict[str, dict[str, Tensor]] = {}
    for key, value in entries.items():
        name, _, entry = key.rpartition("/")
        by_name.setdefault(name, {})[entry] = value
    saved = state.optimizer.state_dict()
    ordered = [names[p] for group in state.optimizer.param_groups for p in group["params"]]
    saved["state"] = {i: by_name[name] for i, name in enumerate(ordered) if name in by_name}
    state.optimizer.load_state_dict(saved)
