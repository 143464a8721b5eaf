"""Every example runs in a process of its own; its last lines assert what it shows."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FAST = (
    "active_dendrites", "astro_delayed_recall", "cascade_dendrites", "learnable_time_constants", "own_unit",
    "plateau_sequence", "sdr_reliability", "sequence_memory", "streaming_chunks",
)  # fmt: skip
SLOW = ("event_camera_digits", "recurrent_delayed_memory", "surrogate_choice")
LONGEST = 120  # lines


def run(name: str, folder: Path) -> None:
    """Run an example with warnings as errors, in an empty folder."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", FAST)
def test_example_shows_what_it_claims(name: str, tmp_path: Path) -> None:
    run(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_slow_example_shows_what_it_claims(name: str, tmp_path: Path) -> None:
    run(name, tmp_path)


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*FAST, *SLOW}


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_example_is_short_and_asserts_at_its_end(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) < LONGEST
    title = (ast.get_docstring(tree) or "").splitlines()
    assert len(title) > 3 and set(title[1]) == {"="} and len(title[1]) >= len(title[0])
    last = tree.body[-1]
    asserting = isinstance(last, ast.Assert) or (isinstance(last, ast.Expr) and "assert" in ast.unparse(last))
    assert asserting, f"{name}: the last statement must assert what the example shows."
