"""Scores: what a network gets right, and what it costs; and `evaluate` for trained models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurosim import nn as snn
from neurosim.errors import FormatError
from neurosim.train.model import ModelSpec, baked, load_model
from neurosim.train.objective import scores
from neurosim.train.pipeline import Batch, FixedBatches, Framing, load_samples
from neurosim.train.sets import open_other

BATCH = 32


@dataclass(frozen=True)
class Score:
    """How well a network does on a set of recordings.

    Args:
        accuracy: share of samples that are right.
        loss: mean over samples.
        samples: number of them.
        confusion: (classes, classes) counts, row = true class, column = predicted class.
    """

    accuracy: float
    loss: float
    samples: int
    confusion: list[list[int]]


def score(
    model: nn.Module, batches: Iterable[Batch], loss: Callable[[Tensor, Tensor], Tensor], kind: str, classes: int
) -> Score:
    """Score a network, in evaluation mode and without gradients.

    Args:
        model: the network; its mode is put back afterwards.
        batches: frames (T, B, C, H, W) and labels (B,).
        loss: of (output, labels).
        kind: name of the loss, which decides how outputs over time become a class.
        classes: number of them.
    """
    training, total, confusion = model.training, 0.0, torch.zeros(classes, classes, dtype=torch.int64)
    model.eval()
    try:
        with torch.no_grad():
            for x, target in batches:
                y, _ = model(x)
                total += float(loss(y, target)) * len(target)
                confusion += snn.confusion(scores(y, kind).argmax(-1), target, classes)
    finally:
        model.train(training)
    samples = int(confusion.sum())
    return Score(int(confusion.trace()) / samples, total / samples, samples, confusion.tolist())


def score_and_cost(model: nn.Module, batches: Iterable[Batch], spec: ModelSpec) -> tuple[Score, dict[str, Any]]:
    """`score`, and the costs that `neurosim.analysis.Counter` counted on the way."""
    from neurosim.analysis import Counter
    from neurosim.train.objective import loss_function
    from neurosim.train.recipe import TrainSpec

    loss = loss_function(TrainSpec(loss=spec.loss))  # type: ignore[arg-type]
    plain = baked(model)
    with Counter(plain) as counter:
        result = score(plain, batches, loss, spec.loss, len(spec.classes))
    cost = counter.result()
    cost["parameters"] = sum(p.numel() for p in model.parameters())  # shared ones once
    return result, cost


def evaluate(
    model: str | Path, data: str | Path | None = None, split: str | None = None,
    step: Callable[[int, int], object] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Score a trained model on recordings of its kind.

    Args:
        model: ``model.safetensors``, or the folder of a finished run.
        data: data folder, folder of the data set, or other recordings of the same kind: a ``.npz`` or a folder of
            them for "nmnist", recordings named after the classes for "dvs128_objects".
        split: "train", "validation", "test" or "all". Default: "test". Of files the model was not trained on, and of a
            bare ``.npz``, which has no splits, "test" is everything.
        step: called with (samples read, all samples).

    Returns:
        dict: ready for JSON, with the keys accuracy, samples, confusion (row = true class), spike_rate (by layer),
        synops_per_sample, loss, classes, split, parameters, dead_fraction, model, data.

    Raises:
        FormatError: the model or the recordings are not there or damaged, of another sensor or other classes, or empty.
        RangeError: an unknown split, or a label that is not one of the model's.
    """
    network, spec = load_model(model)
    dataset, taken = open_other(spec.data.set, spec.data.options, data, split, spec.classes, spec.files)
    where = f"evaluate: {data if data is not None else spec.data.set!r}"
    if tuple(dataset.sensor_size) != spec.sensor_size:
        raise FormatError(f"{where}: the sensor must be {spec.sensor_size} as in training, got {dataset.sensor_size}.")
    if tuple(dataset.classes) != spec.classes:
        raise FormatError(f"{where}: the classes must be {spec.classes} as in training, got {dataset.classes}.")
    total = len(dataset)
    done = iter(range(1, total + 1))
    samples = load_samples(dataset, spec.data.empty, None if step is None else lambda: step(next(done), total))
    result, cost = score_and_cost(network, FixedBatches(samples, Framing(spec.frames), BATCH), spec)
    return {
        "model": spec.name, "data": spec.data.set, "split": taken, "accuracy": result.accuracy,
        "samples": result.samples, "loss": result.loss, "classes": list(spec.classes), "confusion": result.confusion,
        "spike_rate": cost["spike_rate"], "dead_fraction": cost["dead_fraction"],
        "synops_per_sample": cost["synops_per_sample"], "parameters": cost["parameters"],
    }  # fmt: skip
