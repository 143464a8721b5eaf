"""Whole runs: results, resuming, determinism, damage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from train.conftest import tiny_recipe, tiny_table

from neurosim.errors import FormatError, NeurosimWarning, OutputError, RangeError
from neurosim.train import load_model, recipe_from, train
from neurosim.train.checkpoint import NAME
from neurosim.train.files import read_tensors

KEYS = {
    "name", "dataset", "seeds", "accuracy", "accuracy_mean", "accuracy_sd", "validation_accuracy", "best_epoch",
    "best_seed", "samples", "classes", "confusion", "parameters", "bytes", "spike_rate", "synops_per_sample",
    "dense_ops_per_sample", "seconds", "seconds_per_seed", "versions",
}  # fmt: skip


def weights(out: Path, seed: int = 0) -> dict[str, torch.Tensor]:
    """Everything in a checkpoint: weights, optimiser, best weights."""
    return read_tensors(out / f"seed{seed}" / NAME)[0]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_result_has_the_documented_keys(trained: Path) -> None:
    result = json.loads((trained / "result.json").read_text())
    assert result.keys() == KEYS
    assert result["accuracy_mean"] == pytest.approx(np.mean(result["accuracy"])) and len(result["accuracy"]) == 2
    assert result["accuracy_sd"] == pytest.approx(np.std(result["accuracy"], ddof=1))
    assert result["accuracy_mean"] > 0.6  # three classes, and the bars are easy
    assert result["synops_per_sample"] > 0 and 0 < result["spike_rate"]["spiking1"] < 1
    assert np.sum(result["confusion"]) == result["samples"] == 12
    assert (trained / "recipe.toml").is_file()


def test_model_is_the_seed_with_the_best_validation(trained: Path) -> None:
    result = json.loads((trained / "result.json").read_text())
    best = result["seeds"].index(result["best_seed"])
    assert result["validation_accuracy"][best] == max(result["validation_accuracy"])
    model, spec = load_model(trained)
    checkpoint = weights(trained, result["best_seed"])
    assert same(dict(model.state_dict()), {k[5:]: v for k, v in checkpoint.items() if k.startswith("best.")})
    assert spec.classes == ("right", "down", "noise")
    about = json.loads((trained / "model.json").read_text())
    assert about["dt"] == pytest.approx(2e-3) and "exact" in about["units"]["spiking1"]


def test_pictures_are_written(trained: Path) -> None:
    pytest.importorskip("matplotlib")
    names = {"events", "raster_spiking1", "membrane_spiking1", "learning_curves", "confusion"}
    assert names <= {p.stem for p in trained.glob("*.png")}


def test_nothing_half_written_is_left(trained: Path) -> None:
    assert not [p for p in trained.rglob("*") if p.name.endswith((".part", ".tmp"))]


def test_test_set_is_opened_once_after_training(bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from neurosim.train import run

    opened: list[str] = []
    original, step = run.open_split, run.train_seed

    def counting(name: str, options: Any, root: Any, split: str) -> Any:
        opened.append(split)
        return original(name, options, root, split)

    def trains(job: Any, report: Any, resume: bool) -> Any:
        opened.append(f"seed {job.seed}")
        return step(job, report, resume)

    monkeypatch.setattr(run, "open_split", counting)
    monkeypatch.setattr(run, "train_seed", trains)
    train(tiny_recipe(epochs=1), bars, tmp_path / "out", seeds=(0, 1))
    assert opened == ["train", "validation", "seed 0", "seed 1", "test"]


def test_same_seed_same_weights_other_seed_others(bars: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.manual_seed(int(name, 16))  # the caller's generator does not matter, and is left alone
        before = torch.random.get_rng_state()
        train(tiny_recipe(epochs=2), bars, tmp_path / name, seeds=(seed,))
        assert torch.equal(before, torch.random.get_rng_state())
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c", 1))


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_deterministic_each(bars: Path, tmp_path: Path, threads: int) -> None:
    """Equal for an equal number of threads; between numbers, torch may add gradients in another order."""
    for name in "ab":
        train(tiny_recipe(epochs=2, threads=threads), bars, tmp_path / name)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_resumed_run_equals_uninterrupted_one(bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from neurosim.train import loop

    options: dict[str, Any] = {"epochs": 4, "ema": 0.9, "activity_weight": 0.1, "activity_upper": 0.1, "grad_clip": 1.0}
    train(tiny_recipe(**options), bars, tmp_path / "whole")
    original = loop.save_checkpoint

    def breaks(folder: Path, state: Any, digest: str) -> None:
        if state.progress.epoch == 3:
            raise KeyboardInterrupt
        original(folder, state, digest)

    monkeypatch.setattr(loop, "save_checkpoint", breaks)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe(**options), bars, tmp_path / "cut")
    monkeypatch.setattr(loop, "save_checkpoint", original)
    train(tiny_recipe(**options), bars, tmp_path / "cut", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


@pytest.mark.parametrize("optimizer", ["adam", "radam", "sgd"])
def test_every_optimizer_resumes(bars: Path, tmp_path: Path, optimizer: str) -> None:
    recipe = tiny_recipe(epochs=2, optimizer=optimizer, lr=0.01)
    train(recipe, bars, tmp_path / "whole")
    from neurosim.train.checkpoint import Progress, State, load_checkpoint
    from neurosim.train.model import load_model, seeded_model
    from neurosim.train.objective import optimizer_of

    _, spec = load_model(tmp_path / "whole")
    model = seeded_model(spec, 3)
    state = State(model, optimizer_of(recipe.train, model), {}, {}, Progress())
    digest = read_tensors(tmp_path / "whole" / "seed0" / NAME)[1]["recipe"]
    assert load_checkpoint(tmp_path / "whole" / "seed0", state, digest)
    from neurosim.train.checkpoint import save_checkpoint

    (tmp_path / "again").mkdir()
    save_checkpoint(tmp_path / "again", state, digest)
    again = read_tensors(tmp_path / "again" / NAME)[0]
    assert same(again, weights(tmp_path / "whole"))


def test_kill_9_then_resume_equals_uninterrupted(bars: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(tiny_recipe(epochs=60).to_toml())
    out = tmp_path / "killed"
    command = [sys.executable, "-c", "from neurosim.cli import main; main()", "train", str(recipe)]
    command += ["--data", str(bars), "--quiet"]
    process = subprocess.Popen([*command, "--out", str(out)])
    history = out / "seed0" / "history.json"
    deadline = time.monotonic() + 120
    while not history.exists() or len(json.loads(history.read_text())) < 3:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "result.json").exists()
    subprocess.run([*command, "--out", str(out), "--resume"], check=True)
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True)
    assert same(weights(out), weights(tmp_path / "whole"))
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


def test_ctrl_c_stops_with_code_130(bars: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "tiny.toml", tmp_path / "out"
    recipe.write_text(tiny_recipe(epochs=1000).to_toml())
    command = [sys.executable, "-c", "from neurosim.cli import main; main()", "train", str(recipe)]
    command += ["--data", str(bars), "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + 120
    while not (out / "seed0" / NAME).exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume" in errors and "Traceback" not in errors


def test_damaged_checkpoint_is_named(bars: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=1)
    train(recipe, bars, tmp_path)
    path = tmp_path / "seed0" / NAME
    (tmp_path / "result.json").unlink()
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-5] ^= 1
    for damaged in (bytes(flipped), whole[:-40], b"", b"\0" * 100):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match=r"seed0/checkpoint.safetensors: is damaged"):
            train(recipe, bars, tmp_path, resume=True)


def test_existing_run_is_not_overwritten_by_accident(bars: Path, tmp_path: Path) -> None:
    train(tiny_recipe(epochs=1), bars, tmp_path)
    with pytest.raises(RangeError, match="--resume"):
        train(tiny_recipe(epochs=1), bars, tmp_path)
    with pytest.raises(RangeError, match="belongs to another recipe"):
        train(tiny_recipe(epochs=1, lr=0.5), bars, tmp_path, resume=True)
    assert train(tiny_recipe(epochs=1), bars, tmp_path, overwrite=True)["seeds"] == [0]


def test_finished_run_is_shown_not_tested_again(bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from neurosim.train import run

    result = train(tiny_recipe(epochs=1), bars, tmp_path)
    monkeypatch.setattr(run, "score_and_cost", None)
    assert train(tiny_recipe(epochs=1), bars, tmp_path, resume=True) == result
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(FormatError, match=r"result.json: is damaged"):
        train(tiny_recipe(epochs=1), bars, tmp_path, resume=True)


@pytest.mark.parametrize(("threshold", "state"), [(1e6, "never fires"), (-1e6, "fires in more than 90 %")])
def test_dead_and_saturated_layers_are_reported(bars: Path, tmp_path: Path, threshold: float, state: str) -> None:
    table = tiny_table(epochs=1)
    table["layers"][2] = {"type": "spiking", "unit": {"name": "LIF", "v_threshold": threshold}}
    with pytest.warns(NeurosimWarning, match=f"layer 'spiking1' {state}"):
        train(recipe_from(table), bars, tmp_path)


def test_unwritable_output(bars: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/run: cannot be written"):
        train(tiny_recipe(epochs=1), bars, tmp_path / "file" / "run")


def test_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from neurosim.files import write_bytes

    target = tmp_path / "model.safetensors"
    write_bytes(target, b"old")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_bytes(target, b"new")
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


def test_loss_that_needs_all_steps_refuses_a_readout(bars: Path, tmp_path: Path) -> None:
    from neurosim.errors import ShapeError

    with pytest.raises(ShapeError, match="Remove the readout layer"):
        train(tiny_recipe(epochs=1, loss="tet"), bars, tmp_path)


def test_diverged_training_is_an_error(bars: Path, tmp_path: Path) -> None:
    with pytest.raises(RangeError, match="diverged"):
        train(tiny_recipe(epochs=3, lr=1e38, optimizer="sgd"), bars, tmp_path)


@pytest.mark.parametrize("seeds", [(), (0, 0), (-1,)])
def test_bad_seeds(bars: Path, tmp_path: Path, seeds: tuple[int, ...]) -> None:
    with pytest.raises(RangeError, match="seeds"):
        train(tiny_recipe(), bars, tmp_path, seeds=seeds)
