"""Training of one seed: epochs, model selection, a checkpoint after each.

Everything random comes from generators made anew for each (seed, epoch): the initial weights, the order of the
samples, their augmentation, dropout. So a run that was interrupted and resumed ends with the weights of one that was
not, bit for bit, on the same machine with the same number of threads.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurosim import nn as snn
from neurosim.errors import RangeError
from neurosim.files import make_folder, remove_parts, write_json
from neurosim.train.checkpoint import Progress, State, load_checkpoint, save_checkpoint
from neurosim.train.evaluate import score
from neurosim.train.model import ModelSpec, load_weights, seeded_model
from neurosim.train.objective import learning_rate, loss_function, optimizer_of, scores
from neurosim.train.pipeline import Batch, FixedBatches, TrainBatches
from neurosim.train.recipe import Recipe
from neurosim.train.report import Reporter


@dataclass(frozen=True)
class Job:
    """One seed of a run.

    Args:
        recipe: what to do.
        spec: of the network.
        seed: of everything random.
        folder: for the checkpoint and the history.
        digest: of recipe and data; a checkpoint of another one is refused.
        train: batches to learn from.
        validation: batches that choose the epoch.
    """

    recipe: Recipe
    spec: ModelSpec
    seed: int
    folder: Path
    digest: str
    train: TrainBatches
    validation: FixedBatches


def train_seed(job: Job, report: Reporter, resume: bool) -> State:
    """Train one seed to the end, from its checkpoint if there is one and ``resume`` is set.

    Returns:
        State: with the weights of the best epoch in ``best``.

    Raises:
        FormatError: the checkpoint is damaged.
        OutputError: results cannot be written.
        RangeError: the checkpoint is of another recipe; the loss is not finite.
    """
    make_folder(job.folder)
    remove_parts(job.folder)
    spec = job.recipe.train
    model = seeded_model(job.spec, job.seed)
    state = State(model, optimizer_of(spec, model), {}, {}, Progress())
    if spec.ema:
        state.average = _copy(model)
    if resume:
        load_checkpoint(job.folder, state, job.digest)
    report.seed(job.seed, state.progress.epoch, spec.epochs, len(job.train))
    while state.progress.epoch < spec.epochs:
        epoch = state.progress.epoch + 1
        started = time.perf_counter()
        row = _train_epoch(job, state, epoch, report)
        row |= _validate(job, state, epoch)
        row["seconds"] = time.perf_counter() - started
        progress = state.progress
        progress.epoch, progress.seconds = epoch, progress.seconds + row["seconds"]
        progress.history.append(row)
        save_checkpoint(job.folder, state, job.digest)
        write_json(job.folder / "history.json", progress.history)
        report.epoch(row)
    return state


def _train_epoch(job: Job, state: State, epoch: int, report: Reporter) -> dict[str, Any]:
    """One pass over the training split; the row of the history for it."""
    from neurosim.analysis import recording

    spec, steps = job.recipe.train, len(job.train)
    loss_of, samples, right, losses = loss_function(spec), 0, 0.0, 0.0
    rates: defaultdict[str, float] = defaultdict(float)
    state.model.train()
    with (
        seeded(job.seed, epoch),
        recording(state.model) as spikes,
        contextlib.closing(job.train.epoch(epoch)) as batches,
    ):
        for i, (x, target) in enumerate(batches):
            rate = learning_rate(spec, (epoch - 1) * steps + i, spec.epochs * steps)
            loss, right_here = _step(job, state, (x, target), spikes, (loss_of, rate))
            samples += len(target)
            right += right_here
            losses += loss * len(target)
            for name, z in spikes.items():
                rates[name] += float(z.detach().mean()) * len(target)
            mean = sum(rates.values()) / len(rates) / samples
            report.batch(i + 1, losses / samples, right / samples, mean, samples)
    return {
        "epoch": epoch, "lr": rate, "loss": losses / samples, "accuracy": right / samples,
        "spike_rate": {name: total / samples for name, total in rates.items()},
    }  # fmt: skip


def _step(
    job: Job, state: State, batch: Batch, spikes: dict[str, Tensor], how: tuple[Callable[..., Tensor], float]
) -> tuple[float, float]:
    """One update of the weights; the loss, and how many samples were right."""
    spec, (x, target), (loss_of, rate) = job.recipe.train, batch, how
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    with snn.packed_spikes() if spec.packed_spikes else contextlib.nullcontext():
        y, _ = _forward(job, state, x)
    loss = loss_of(y, target)
    if spec.activity_weight:
        loss = loss + spec.activity_weight * snn.activity_loss(spikes, spec.activity_lower, spec.activity_upper)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise _diverged(job, f"the loss is {value}")
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if spec.grad_clip:
        nn.utils.clip_grad_norm_(state.model.parameters(), spec.grad_clip)
    state.optimizer.step()
    _average(state, spec.ema)
    return value, float((scores(y.detach(), spec.loss).argmax(-1) == target).sum())


def _forward(job: Job, state: State, x: Tensor) -> Any:
    try:
        return state.model(x)
    except RangeError:
        if all(bool(p.isfinite().all()) for p in state.model.parameters()):
            raise
        raise _diverged(job, "weights are not finite") from None


def _diverged(job: Job, what: str) -> RangeError:
    return RangeError(f"seed {job.seed}: training has diverged, {what}. Lower train.lr, or set train.grad_clip.")


def _average(state: State, decay: float) -> None:
    """Move the averaged weights towards the weights; what is not a float (counters) is copied."""
    if not state.average:
        return
    with torch.no_grad():
        for name, now in state.model.state_dict().items():
            kept = state.average[name]
            kept.lerp_(now, 1 - decay) if kept.is_floating_point() else kept.copy_(now)


def _validate(job: Job, state: State, epoch: int) -> dict[str, Any]:
    """Score the epoch on validation and keep its weights if they are the best so far."""
    spec, model = job.recipe.train, state.model
    if state.average:
        model = seeded_model(job.spec, job.seed)
        load_weights(model, state.average, job.folder)
    result = score(model, job.validation, loss_function(spec), spec.loss, len(job.spec.classes))
    if state.progress.better(result.accuracy, result.loss):
        state.best = _copy(model)
        state.progress.best_epoch = epoch
        state.progress.best_accuracy, state.progress.best_loss = result.accuracy, result.loss
    return {"validation_loss": result.loss, "validation_accuracy": result.accuracy}


@contextlib.contextmanager
def seeded(seed: int, epoch: int) -> Iterator[None]:
    """torch's generator seeded for one epoch (dropout draws from it); the caller's is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed((seed << 32) + epoch)
        yield


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: t.detach().clone() for name, t in model.state_dict().items()}
