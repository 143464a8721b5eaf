"""Fixtures of the data set tests: random recordings, and the folder of real ones."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from neurosim.events import Events

HERE = Path(__file__).resolve()
DEFAULT = HERE.parents[4] / "shared" / "data"
sys.path.append(str(HERE.parents[1] / "formats"))  # the encoders of the genuine formats


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder ``events`` of the real recordings."""
    folder = Path(os.environ.get("NEUROSIM_DATA", DEFAULT)) / "events"
    if not folder.is_dir():
        pytest.skip(f"no real recordings in {folder} (set NEUROSIM_DATA)")
    return folder


@pytest.fixture
def make_events():
    """Random events: ``make_events(n, size, duration, seed)``."""

    def make(n=50, size=(34, 34, 2), duration=300_000, seed=0) -> Events:
        rng = np.random.default_rng(seed)
        x, y, p = (rng.integers(bound, size=n) for bound in size)
        return Events(np.sort(rng.integers(duration, size=n)), x, y, p, size)

    return make
