"""Real sessions, from the folder NEUROSIM_DATA; tests that need one skip where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DEFAULT = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture(scope="session")
def sessions() -> Path:
    """The folder ``spikes`` of the real recordings."""
    folder = Path(os.environ.get("NEUROSIM_DATA", DEFAULT)) / "spikes"
    if not folder.is_dir():
        pytest.skip(f"no real recordings in {folder} (set NEUROSIM_DATA)")
    return folder
