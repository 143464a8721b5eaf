"""Real recordings, from the folder NEUROSIM_DATA; tests that need one skip where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DEFAULT = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder ``events`` of the real recordings."""
    folder = Path(os.environ.get("NEUROSIM_DATA", DEFAULT)) / "events"
    if not folder.is_dir():
        pytest.skip(f"no real recordings in {folder} (set NEUROSIM_DATA)")
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One scratch folder for all examples of a hypothesis test."""
    return tmp_path_factory.mktemp("formats")
