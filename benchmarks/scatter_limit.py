"""The rate of additions at listed places that bounds the delivery of spikes on this machine, by a loop in C."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path


def scatter_limit() -> dict[str, float]:
    """Additions per second on one thread with the places of a row in "random" and in "ascending" order.

    Empty where there is no C compiler.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return {}
    source = Path(__file__).with_suffix(".c")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "limit"
        subprocess.run([compiler, "-O3", "-march=native", str(source), "-o", str(program)], check=True)
        printed = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    return dict(zip(("random", "ascending"), map(float, printed.split()), strict=True))


if __name__ == "__main__":
    print(scatter_limit())
