"""What a benchmark ran on: processor, cores, memory, load, date and commit."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path


def _field(path: str, name: str) -> str:
    """The value of ``name: value`` in a /proc file, or an empty string."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")


def commit(repo: Path) -> str:
    """The short hash of HEAD, marked when the tree has changes."""
    answer = [
        subprocess.run(["git", "-C", str(repo), *args], capture_output=True, text=True).stdout.strip()
        for args in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain"])
    ]
    return (answer[0] or "unknown") + (" with local changes" if answer[1] else "")


def describe(repo: Path) -> dict[str, str]:
    cpu, memory = _field("/proc/cpuinfo", "model name"), _field("/proc/meminfo", "MemTotal").removesuffix(" kB")
    return {
        "processor": cpu or platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{int(memory) * 1024 / 1e9:.0f} GB" if memory else "unknown",
        "system": f"{platform.system()} {platform.release()}",
        "load at the start": f"{os.getloadavg()[0]:.2f}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(repo),
    }


def _ticks(path: Path, first: int, last: int) -> int:
    """Sum of the fields ``first`` to ``last`` (from 0) after the name in the first line of a /proc stat file."""
    try:
        return sum(map(int, path.read_text().split("\n")[0].rpartition(")")[2].split()[first : last + 1]))
    except OSError:
        return 0  # the process is gone


class OtherLoad:
    """How many cores other processes keep busy while some of ours are measured."""

    def __init__(self, ours: Sequence[int]) -> None:
        self.ours = ours
        self.start = self._others(), time.perf_counter()

    def _others(self) -> float:
        busy = _ticks(Path("/proc/stat"), 1, 3) + _ticks(Path("/proc/stat"), 6, 8)  # all but idle and waiting
        ours = sum(_ticks(Path(f"/proc/{pid}/stat"), 11, 12) for pid in self.ours)
        return float(busy - ours) / os.sysconf("SC_CLK_TCK")

    def cores(self) -> float:
        seconds = time.perf_counter() - self.start[1]
        return max(0.0, self._others() - self.start[0]) / seconds
