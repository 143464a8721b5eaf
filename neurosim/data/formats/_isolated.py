"""Run a task of `_child` in another process, with a limit on time and memory."""

from __future__ import annotations

import os
import subprocess
import sys

from neurosim.data.formats import _child
from neurosim.data.formats._common import CUT_SHORT, Path, fail

START_TIME = 20.0  # s; generous for a process start on a busy machine
SLOWEST = 5e6  # bytes/s a decoder reaches even then
START_MEMORY = 4 << 30  # bytes of address space, most of it never used
GROWTH = 256  # bytes of memory per byte of file; LZ4 expands at most 255-fold


def run(path: Path, task: str, *arguments: str) -> str:
    """What the task prints; a crash, a hang or an error of the library is a `FormatError`."""
    size = os.path.getsize(path)
    command = [sys.executable, "-I", _child.__file__, str(START_MEMORY + GROWTH * size), task, os.fspath(path)]
    try:
        done = subprocess.run(
            [*command, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=START_TIME + size / SLOWEST,
        )
    except subprocess.TimeoutExpired as error:
        raise fail(path, task, "data that can be decoded", f"no end after {error.timeout:.0f} s", CUT_SHORT) from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1][:200]
        got = f"a decoder that stopped with status {done.returncode} ({last})"
        raise fail(path, task, "intact data", got, CUT_SHORT)
    return done.stdout
