"""Fixtures and settings of all tests."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data, NEUROSIM_DATA or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("NEUROSIM_DATA", DATA))
    if not folder.is_dir():
        pytest.skip(f"no data in {folder} (set NEUROSIM_DATA)")
    return folder


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test starts from one seed and two threads."""
    torch.manual_seed(0)
    torch.set_num_threads(2)
