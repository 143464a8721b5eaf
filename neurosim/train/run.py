"""A whole run: all seeds, then the test set once, then results, model and pictures."""

from __future__ import annotations

import hashlib
import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import neurosim
from neurosim.errors import FormatError, RangeError
from neurosim.files import make_folder, remove_parts, write_bytes, write_json
from neurosim.kernels.heap import reuse_heap
from neurosim.train.checkpoint import State
from neurosim.train.evaluate import Score, score_and_cost
from neurosim.train.loop import Job, train_seed
from neurosim.train.model import ModelSpec, load_weights, save_model, seeded_model, spec_of
from neurosim.train.pipeline import FixedBatches, Framing, Samples, TrainBatches, load_samples
from neurosim.train.recipe import Recipe, load_recipe
from neurosim.train.report import Reporter
from neurosim.train.sets import SETS, digests, open_split, set_folder

RESULT, RECIPE = "result.json", "recipe.toml"


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes.

    Args:
        data: data root, or None for the default.
        out: folder of the run.
    """

    data: str | Path | None
    out: Path


def train(
    recipe: Recipe | str | Path,
    data: str | Path | None = None,
    out: str | Path | None = None,
    seeds: Sequence[int] = (0,),
    resume: bool = False,
    overwrite: bool = False,
    report: Reporter | None = None,
) -> dict[str, Any]:
    """Train a recipe, choose the best epoch of each seed on validation, and test these weights once.

    Args:
        recipe: a `Recipe`, the path of one, or the name of a shipped one.
        data: data folder, or folder of the data set; default $NEUROSIM_DATA, then ../shared/data.
        out: folder for results; default ``runs/<name>``.
        seeds: a network is trained for each.
        resume: go on from the checkpoints in ``out``; a finished run is only shown again.
        overwrite: start anew where ``out`` holds a run.
        report: what to print; default nothing.

    Returns:
        dict: what ``result.json`` holds

        - name, dataset, seeds: what was run
        - accuracy: on the test set, a list per seed; accuracy_mean, accuracy_sd (over seeds, n - 1; 0 for one seed)
        - validation_accuracy, best_epoch: lists per seed
        - samples: recordings in the test set; classes: their names
        - parameters, bytes: of the network
        - spike_rate: spikes per neuron and step by layer, synops_per_sample, dense_ops_per_sample: means over seeds,
          on the test set (NeuroBench's definitions, `neurosim.analysis.Counter`)
        - confusion: of the best seed on the test set, row = true class
        - best_seed: by validation accuracy; ``model.safetensors`` has its weights
        - seconds: of training, all seeds together; seconds_per_seed: a list
        - versions: of neurosim and what it stands on

    Raises:
        RangeError: a bad recipe, seeds, or a run in ``out`` that is neither resumed nor overwritten.
        FormatError, MissingDataError: data or checkpoint missing or damaged.
        OutputError: results cannot be written.
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    _check_seeds(seeds)
    place = Place(data, Path(out) if out is not None else Path("runs") / recipe.name)
    with report or Reporter(quiet=True) as reporter:
        previous = torch.get_num_threads()
        try:
            torch.set_num_threads(recipe.train.threads or previous)
            reuse_heap()
            return _run(recipe, place, tuple(seeds), (resume, overwrite), reporter)
        finally:
            torch.set_num_threads(previous)


def _run(
    recipe: Recipe, place: Place, seeds: tuple[int, ...], existing: tuple[bool, bool], report: Reporter
) -> dict[str, Any]:
    splits = {part: _load(recipe, place, part, report) for part in ("train", "validation")}
    files = digests(set_folder(recipe.data.set, place.data)) if SETS[recipe.data.set].folder else ()
    spec = spec_of(recipe, splits["train"].sensor_size, splits["train"].classes, files)
    seeded_model(spec, 0)  # a bad network is found before anything is written
    if (finished := _claim(place.out, recipe, seeds, *existing)) is not None:
        report.result(finished)
        return finished
    jobs = [_job(recipe, spec, place.out, seed, splits) for seed in seeds]
    states = [train_seed(job, report, resume=existing[0] and not existing[1]) for job in jobs]
    test = FixedBatches(_load(recipe, place, "test", report), Framing(recipe.frames), recipe.train.batch_size)
    scored = []
    for job, state in zip(jobs, states, strict=True):
        load_weights(state.model, state.best, job.folder)
        state.model.eval()
        scored.append(score_and_cost(state.model, test, spec))
        _finish_seed(job, state, scored[-1])
    best = max(range(len(seeds)), key=lambda i: (states[i].progress.best_accuracy, -states[i].progress.best_loss))
    result = _result(recipe, spec, (seeds, best), states, scored)
    about = {"seed": seeds[best], "accuracy": result["accuracy"][best], "versions": result["versions"]}
    save_model(place.out, spec, states[best].best, about)
    _draw(place.out, states[best], test.samples, spec, scored[best][0], report)
    write_json(place.out / RESULT, result)
    report.result(result)
    return result


def _load(recipe: Recipe, place: Place, part: str, report: Reporter) -> Samples:
    """The recordings of a split."""
    split = {"train": recipe.data.train, "validation": recipe.data.validation, "test": recipe.data.test}[part]
    dataset = open_split(recipe.data.set, recipe.data.options, place.data, split)
    total, done = len(dataset), iter(range(1, len(dataset) + 1))
    return load_samples(dataset, recipe.data.empty, lambda: report.loading(part, next(done), total))


def _job(recipe: Recipe, spec: ModelSpec, out: Path, seed: int, splits: dict[str, Samples]) -> Job:
    framing, size = Framing(recipe.frames), recipe.train.batch_size
    batches = TrainBatches(splits["train"], framing, recipe.augmentation(), size, seed)
    validation = FixedBatches(splits["validation"], framing, size)
    return Job(recipe, spec, seed, out / f"seed{seed}", _digest(recipe, seed, splits), batches, validation)


def _digest(recipe: Recipe, seed: int, splits: dict[str, Samples]) -> str:
    """What a checkpoint depends on: recipe, seed, and which recordings there were."""
    sizes = {k: [len(s), sum(len(e) for e in s.events), s.labels.tolist()] for k, s in splits.items()}
    plain = recipe.to_dict() | {"description": ""}
    return hashlib.sha256(json.dumps([plain, seed, sizes], sort_keys=True).encode()).hexdigest()


def _claim(out: Path, recipe: Recipe, seeds: tuple[int, ...], resume: bool, overwrite: bool) -> dict[str, Any] | None:
    """Make the folder of a run and write its recipe, refuse to mix two runs; the result where all is done already."""
    text = recipe.to_toml().encode()
    if (out / RECIPE).exists() and not overwrite:
        if not resume:
            raise RangeError(f"--out: {str(out)!r} holds a run already. Use --resume to go on, or --overwrite.")
        if (out / RECIPE).read_bytes() != text:
            raise RangeError(f"{out / RECIPE}: belongs to another recipe; choose another --out, or --overwrite it.")
        if (result := _read_result(out / RESULT)) is not None and result["seeds"] == list(seeds):
            return result
    make_folder(out)
    remove_parts(out)
    if overwrite:
        for old in (out / RESULT, *out.glob("seed*/checkpoint.safetensors"), *out.glob("seed*/result.json")):
            old.unlink(missing_ok=True)
    write_bytes(out / RECIPE, text)
    return None


def _read_result(path: Path) -> dict[str, Any] | None:
    """The result of a run that was finished, or None."""
    if not path.exists():
        return None
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return result if result["seeds"] else None
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path}: is damaged: {error}. Delete it and --resume.") from None


def _finish_seed(job: Job, state: State, scored: tuple[Score, dict[str, Any]]) -> None:
    progress, (test, cost) = state.progress, scored
    result = {
        "seed": job.seed, "accuracy": test.accuracy, "loss": test.loss, "samples": test.samples,
        "validation_accuracy": progress.best_accuracy, "best_epoch": progress.best_epoch, "seconds": progress.seconds,
        "confusion": test.confusion, "cost": cost,
    }  # fmt: skip
    write_json(job.folder / RESULT, result)


def _result(
    recipe: Recipe, spec: ModelSpec, chosen: tuple[tuple[int, ...], int], states: Sequence[State],
    scored: Sequence[tuple[Score, dict[str, Any]]],
) -> dict[str, Any]:  # fmt: skip
    (seeds, best), accuracy, costs = chosen, [s.accuracy for s, _ in scored], [c for _, c in scored]
    return {
        "name": recipe.name,
        "dataset": recipe.data.set,
        "seeds": list(seeds),
        "accuracy": accuracy,
        "accuracy_mean": statistics.fmean(accuracy),
        "accuracy_sd": statistics.stdev(accuracy) if len(accuracy) > 1 else 0.0,
        "validation_accuracy": [s.progress.best_accuracy for s in states],
        "best_epoch": [s.progress.best_epoch for s in states],
        "best_seed": seeds[best],
        "samples": scored[best][0].samples,
        "classes": list(spec.classes),
        "confusion": scored[best][0].confusion,
        "parameters": costs[best]["parameters"],
        "bytes": costs[best]["bytes"],
        "spike_rate": {k: statistics.fmean(c["spike_rate"][k] for c in costs) for k in costs[best]["spike_rate"]},
        "synops_per_sample": statistics.fmean(c["synops_per_sample"] for c in costs),
        "dense_ops_per_sample": statistics.fmean(c["dense_ops_per_sample"] for c in costs),
        "seconds": sum(s.progress.seconds for s in states),
        "seconds_per_seed": [s.progress.seconds for s in states],
        "versions": versions(),
    }


def _draw(out: Path, state: State, samples: Samples, spec: ModelSpec, test: Score, report: Reporter) -> None:
    """The pictures, where matplotlib is installed."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        report.say("pictures: left out, matplotlib is not installed (pip install 'neurosim[viz]').")
        return
    from neurosim.train.pictures import draw

    draw(out, state.model, state.progress.history, samples, spec, test)


def versions() -> dict[str, str]:
    """Versions of neurosim, Python and the libraries that decide results."""

    return {
        "neurosim": neurosim.__version__, "python": platform.python_version(), "torch": torch.__version__,
        "numpy": np.__version__, "numba": version("numba"),
    }  # fmt: skip


def _check_seeds(seeds: Sequence[int]) -> None:
    if not seeds or len(set(seeds)) != len(seeds) or any(not 0 <= s < 2**31 for s in seeds):
        raise RangeError(f"seeds: must be different whole numbers in 0..2**31, at least one; got {list(seeds)}.")
