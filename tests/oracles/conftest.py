"""Brian2 and NEST, in an environment of their own, for the tests that ask them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
WORKER = Path(__file__).with_name("simulator_worker.py")
MAKE = "make it with `python benchmarks/peers.py simulators`"


@pytest.fixture(scope="session")
def simulators() -> Path:
    """The interpreter that has Brian2 and NEST; tests do not make it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import peers

        python = peers.ready(wanted=peers.SIMULATORS)
    if python is None:
        pytest.skip(f"no environment with Brian2 and NEST: {MAKE}")
    return python


@pytest.fixture
def ask(simulators, tmp_path):
    """Run a job of `simulator_worker` on arrays and return its arrays."""

    def run(job, **given):
        there, back = tmp_path / "in.npz", tmp_path / "out.npz"
        np.savez(there, **given)
        command = [str(simulators), str(WORKER), job, str(there), str(back)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600)
        assert done.returncode == 0, done.stderr
        with np.load(back) as file:
            return dict(file)

    return run
