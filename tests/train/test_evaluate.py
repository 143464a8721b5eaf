"""`evaluate`: on the data set, on other files, on bad ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from train.conftest import tiny_table, write_npz

from neurosim.data.formats import write_events
from neurosim.errors import FormatError, NeurosimError, RangeError
from neurosim.events import Events
from neurosim.train import evaluate, recipe_from, train

KEYS = {"accuracy", "samples", "confusion", "spike_rate", "synops_per_sample", "classes", "split"}


def test_test_split_scores_as_in_training(trained: Path, bars: Path) -> None:
    result = json.loads((trained / "result.json").read_text())
    scores = evaluate(trained, bars, split="test")
    assert scores.keys() >= KEYS
    index = result["seeds"].index(result["best_seed"])
    assert scores["split"] == "test" and scores["accuracy"] == result["accuracy"][index]


def test_other_recordings_are_scored_whole(trained: Path, tmp_path: Path) -> None:
    other = write_npz(tmp_path / "other.npz", n=30, seed=5)
    scores = evaluate(trained / "model.safetensors", other)
    assert scores["samples"] == 30 and scores["split"] == "all" and np.sum(scores["confusion"]) == 30
    assert scores["accuracy"] > 0.5
    write_npz(tmp_path / "more.npz", n=9, seed=6)
    assert evaluate(trained, tmp_path)["samples"] == 39


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """N-MNIST's packed layout, and a model trained on it."""
    root = tmp_path_factory.mktemp("nmnist")
    write_npz(root / "train60.npz", n=60)
    write_npz(root / "val12.npz", n=12, seed=1)
    table = tiny_table(epochs=1)
    table["data"] = {"set": "nmnist"}
    train(recipe_from(table), root, root / "out")
    return root


def test_nmnist_layouts(folder: Path, tmp_path: Path) -> None:
    model = folder / "out"
    assert evaluate(model, folder)["samples"] == 12
    assert evaluate(model, folder, split="train")["samples"] == 54
    assert evaluate(model, folder, split="all")["samples"] == 72
    assert evaluate(model, folder / "val12.npz")["samples"] == 12
    assert evaluate(model, folder / "val12.npz", split="test")["samples"] == 12
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "nmnist").symlink_to(folder)
    assert evaluate(model, tmp_path)["samples"] == 12  # the data folder above it


def write_recordings(folder: Path, seed: int) -> Path:
    """One recording of 400 ms of noise per class, in its own half of the sensor."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for i, name in enumerate(("left", "right")):
        t = np.sort(rng.integers(0, 400_000, 4000))
        x, y, p = rng.integers(0, 4, 4000) + 4 * i, rng.integers(0, 8, 4000), rng.integers(0, 2, 4000)
        write_events(folder / f"{name}_{seed}.h5", Events(t, x, y, p, (8, 8, 2)))
    return folder


def test_other_recordings_of_the_same_objects(tmp_path: Path) -> None:
    table = tiny_table(epochs=2)
    options = {"classes": ["left", "right"], "window": 0.008, "min_events": 10}
    table["data"] = {"set": "windows", "options": options}
    ours, others = write_recordings(tmp_path / "ours", 0), write_recordings(tmp_path / "others", 1)
    result = train(recipe_from(table), ours, tmp_path / "out")
    assert evaluate(tmp_path / "out", ours)["samples"] == result["samples"] < 25
    scores = evaluate(tmp_path / "out", others)
    assert scores["split"] == "all" and scores["samples"] > 90 and scores["accuracy"] > 0.9
    assert evaluate(tmp_path / "out", others / "left_1.h5")["samples"] > 45
    with pytest.raises(FormatError, match="one recording per class"):
        evaluate(tmp_path / "out", tmp_path / "out")


def test_bad_recordings(folder: Path, tmp_path: Path) -> None:
    model = folder / "out"
    with pytest.raises(RangeError, match=r"label must be in 0..9, got 11"):
        evaluate(model, write_npz(tmp_path / "labels.npz", labels=[0, 11]))
    empty = dict(np.load(folder / "val12.npz"))
    empty["offsets"][1] = 0
    np.savez(tmp_path / "empty.npz", **empty)
    with pytest.raises(FormatError, match=r"empty.npz.*the recording has no events"):
        evaluate(model, tmp_path / "empty.npz")
    far = dict(np.load(folder / "val12.npz"))
    far["x"][7] = 34
    np.savez(tmp_path / "far.npz", **far)
    with pytest.raises(NeurosimError, match=r"far\.npz"):
        evaluate(model, tmp_path / "far.npz")
    (tmp_path / "zero.npz").write_bytes(b"")
    with pytest.raises(FormatError, match=r"zero\.npz"):
        evaluate(model, tmp_path / "zero.npz")
    with pytest.raises(FormatError, match="does not exist"):
        evaluate(model, tmp_path / "nothing")
    with pytest.raises(RangeError, match="split"):
        evaluate(model, folder, split="tset")


def test_bad_models(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="must exist"):
        evaluate(tmp_path)
    for name in ("model.safetensors", "model.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    data = bytearray((tmp_path / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(FormatError, match=r"model.safetensors: is damaged"):
        evaluate(tmp_path)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(FormatError, match=r"model.json: is damaged or no neurosim model"):
        evaluate(tmp_path)
