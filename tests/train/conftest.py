"""A tiny data set: bars that move right, down, or not at all, before an 8 x 8 sensor, in N-MNIST's .npz layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurosim.train import Recipe, recipe_from

SIZE, STEPS = 8, 8


def write_npz(path: Path, n: int = 60, seed: int = 0, labels: Any = None) -> Path:
    """Recordings of three classes with noise; 8 ms each."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3 if labels is None else np.asarray(labels)
    columns: dict[str, list[int]] = {"x": [], "y": [], "p": [], "dt": []}
    offsets = [0]
    for label in labels:
        last = 0
        for step in range(STEPS):
            for i in range(SIZE):
                x, y = [(step, i), (i, step), (int(rng.integers(SIZE)), int(rng.integers(SIZE)))][label % 3]
                t = step * 1000 + i * 100
                for name, value in zip(("x", "y", "p", "dt"), (x, y, rng.integers(2), t - last), strict=True):
                    columns[name].append(int(value))
                last = t
        offsets.append(len(columns["x"]))
    arrays: dict[str, Any] = {k: np.array(v, np.uint16 if k == "dt" else np.uint8) for k, v in columns.items()}
    arrays |= {"offsets": np.array(offsets, np.int32), "labels": labels.astype(np.int16)}
    np.savez_compressed(path, **arrays, ids=np.arange(len(labels), dtype=np.int32))
    return path


def tiny_table(**train: Any) -> dict[str, Any]:
    """Plain tables of a recipe that trains in a second."""
    return {
        "name": "tiny",
        "data": {
            "set": "npz",
            "options": {
                "sensor_size": [SIZE, SIZE, 2],
                "classes": ["right", "down", "noise"],
                "rule": {"name": "stratified", "salt": "tiny", "validation": 0.2, "test": 0.2},
            },
        },
        "frames": {"n_bins": 4, "duration_us": 8000, "clip": 1},
        "augment": [{"name": "DropEvents", "p": 0.1}],
        "layers": [
            {"type": "conv2d", "channels": 4, "stride": 2},
            {"type": "batchnorm"},
            {"type": "spiking", "unit": {"name": "LIF", "tau_mem": 5e-3}, "learn": ["tau_mem"]},
            {"type": "flatten"},
            {"type": "dropout", "p": 0.2},
            {"type": "linear"},
            {"type": "readout"},
        ],
        "train": {"epochs": 3, "batch_size": 8, "lr": 0.02, "threads": 1, **train},
    }


def tiny_recipe(**train: Any) -> Recipe:
    """The recipe of `tiny_table`."""
    return recipe_from(tiny_table(**train))


@pytest.fixture(scope="session")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set."""
    return write_npz(tmp_path_factory.mktemp("bars") / "bars.npz")


@pytest.fixture(scope="session")
def trained(bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished run over two seeds."""
    from neurosim.train import train

    out = tmp_path_factory.mktemp("run") / "out"
    train(tiny_recipe(epochs=15), bars, out, seeds=(0, 1))
    return out
