"""Measure training of a LIF layer: neurosim beside snnTorch, SpikingJelly, Norse, Sinabs and plain torch, in one run.

    python benchmarks/lif_training.py --quick
    python benchmarks/lif_training.py --markdown results.md --json results.json

Makes the peers' environment first (``peers.py``). Every implementation runs in a process of its own for each workload,
number of threads and heap setting; the processes of one setting take turns (A B C A B C ...), so that a drift of the
machine's speed touches all of them alike. Medians over all repetitions are reported; ratios are within a setting.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import machine
import peers
from lif_impls import IMPLEMENTATIONS, WORKLOADS
from lif_report import Results, Setting, Times, markdown, threads_of

HERE = Path(__file__).resolve().parent
REPO = HERE.parent
HEAP_REUSE = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_TOP_PAD_": "67108864"}


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    workloads: list[str]
    implementations: list[str]
    threads: list[int]
    heaps: list[bool]
    rounds: int
    reps: int
    memory_runs: int
    start_limit: float

    def settings(self) -> Iterator[Setting]:
        for workload in self.workloads:
            for heap in self.heaps:
                for threads in self.threads:
                    yield Setting(workload, threads, heap)

    def fitting(self, workload: str) -> list[str]:
        return [name for name in self.implementations if IMPLEMENTATIONS[name].fits(WORKLOADS[workload])]


class WorkerError(Exception):
    """A worker could not build or run its implementation."""


class Worker:
    """One ``lif_worker.py`` process: ask it for a number of repetitions, get its samples."""

    def __init__(self, python: Path, cache: Path, job: dict[str, Any], heap: bool) -> None:
        threads = str(job["threads"])
        env = os.environ | {
            "PYTHONPATH": str(REPO),
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "NUMBA_NUM_THREADS": threads,
            "TORCHINDUCTOR_CACHE_DIR": str(cache / f"threads{threads}"),
            **(HEAP_REUSE if heap else {}),
        }
        command = [str(python), str(HERE / "lif_worker.py"), json.dumps(job)]
        pipe = subprocess.PIPE
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed with the worker
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self.errors, env=env, text=True)

    def first_answer(self, limit: float) -> dict[str, Any]:
        """The answer to being started; a process that takes longer than ``limit`` seconds is ended."""
        timer = threading.Timer(limit, self.process.kill)
        timer.start()
        try:
            return self.answer()
        except WorkerError as error:
            raise WorkerError(str(error) if timer.is_alive() else f"not ready after {limit:.0f} s") from error
        finally:
            timer.cancel()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("@@"):
                found: dict[str, Any] = json.loads(line[2:])
                if "error" in found:
                    raise WorkerError(one_line(found["error"]))
                return found
        self.errors.seek(0)
        raise WorkerError(one_line(f"ended with status {self.process.wait()}: {self.errors.read()[-200:]}"))

    def repeat(self, reps: int) -> list[list[float]]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{reps}\n")
        self.process.stdin.flush()
        samples: list[list[float]] = self.answer()["samples"]
        return samples

    def close(self) -> None:
        self.process.communicate()
        self.errors.close()


def one_line(text: str) -> str:
    """Text that fits a table cell."""
    text = " ".join(text.split()).replace("|", "/")
    return text if len(text) <= 160 else text[:160] + "..."


def warm_up(
    plan: Plan, setting: Setting, start: Callable[..., Worker], workers: dict[str, Worker], failed: dict[str, str]
) -> dict[str, Times]:
    """Start one worker per implementation and wait until it is warm, one after the other; ``failed`` ones are left."""
    times = {}
    for name in plan.fitting(setting.workload):
        if name in failed:
            times[name] = Times(error=failed[name])
            continue
        job = {"implementation": name, "workload": setting.workload, "threads": setting.threads, "mode": "time"}
        workers[name] = start(job, setting.heap)
        try:
            times[name] = Times(**workers[name].first_answer(plan.start_limit))
        except WorkerError as error:
            times[name] = Times(error=str(error))
            failed[name] = f"{error} ({threads_of(setting)})"
            progress(f"{setting}: {name} failed: {error}")
    return times


def measure_times(plan: Plan, setting: Setting, start: Callable[..., Worker], results: Results) -> None:
    """Let the warm workers of one setting take turns."""
    workers: dict[str, Worker] = {}
    try:
        failed = {
            name: there.error
            for other, by_name in results.times.items()
            for name, there in by_name.items()
            if other.workload == setting.workload and there.error
        }
        times = results.times[setting] = warm_up(plan, setting, start, workers, failed)
        others = machine.OtherLoad([worker.process.pid for worker in workers.values()])
        for _ in range(plan.rounds):
            for name, there in times.items():
                if not there.error:
                    there.samples += workers[name].repeat(plan.reps)
        results.other_load[setting] = others.cores()
    finally:
        for worker in workers.values():
            worker.close()


def measure_memory(plan: Plan, start: Callable[..., Worker]) -> dict[str, list[float] | str]:
    """Peak increase of resident memory at T=500, each time in a fresh process."""
    peaks: dict[str, list[float] | str] = {}
    for name in plan.fitting("linear500"):
        job = {"implementation": name, "workload": "linear500", "threads": 1, "mode": "memory"}
        values = []
        try:
            for _ in range(plan.memory_runs):
                worker = start(job, heap=False)
                try:
                    values.append(worker.first_answer(plan.start_limit)["peak_mb"])
                finally:
                    worker.close()
            peaks[name] = values
        except WorkerError as error:
            peaks[name] = str(error)
        progress(f"peak memory: {name}")
    return peaks


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(plan: Plan, envs: Path) -> Results:
    python = peers.environment(envs)
    results = Results(header=machine.describe(REPO))
    results.header["versions"] = ", ".join(f"{name} {version}" for name, version in peers.versions(python).items())
    results.header["repetitions"] = f"{plan.rounds} rounds of {plan.reps}, medians; times in milliseconds"
    with tempfile.TemporaryDirectory() as folder:
        start = partial(Worker, python, Path(folder))
        for setting in plan.settings():
            progress(str(setting))
            measure_times(plan, setting, start, results)
        if plan.memory_runs:
            results.memory = measure_memory(plan, start)
    results.header["load at the end"] = f"{os.getloadavg()[0]:.2f}"
    return results


def as_json(results: Results) -> str:
    times = [
        asdict(setting) | {"other_load": results.other_load[setting], "implementation": name} | asdict(there)
        for setting, by_name in results.times.items()
        for name, there in by_name.items()
    ]
    columns = ["forward CPU s", "forward wall s", "backward CPU s", "backward wall s"]
    everything = {"header": results.header, "columns": columns, "times": times, "memory_mb": results.memory}
    return json.dumps(everything, indent=1)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one thread, plain heap, fewer rounds, no torch.compile")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile (minutes at T=500)")
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak memory table")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--implementations", nargs="+", choices=IMPLEMENTATIONS, default=list(IMPLEMENTATIONS))
    parser.add_argument("--threads", type=int, nargs="+", help="numbers of threads (default 1 2, quick 1)")
    parser.add_argument("--heaps", nargs="+", choices=["plain", "reuse"], help="default both, quick plain")
    parser.add_argument("--rounds", type=int, help="turns of every process (default 7, quick 4)")
    parser.add_argument("--reps", type=int, default=2, help="timed repetitions per turn")
    parser.add_argument(
        "--start-limit", type=float, default=900.0, help="seconds to become warm in; torch.compile takes many minutes"
    )
    parser.add_argument("--json", type=Path, help="write every sample here")
    parser.add_argument("--markdown", type=Path, help="write the tables here as well as to standard output")
    parser.add_argument("--envs", type=Path, default=HERE / ".envs", help="where the peers' environment lives")
    return parser.parse_args()


def plan_from(args: argparse.Namespace) -> Plan:
    compiled = not (args.quick or args.no_compile)
    return Plan(
        workloads=args.workloads,
        implementations=[name for name in args.implementations if compiled or not IMPLEMENTATIONS[name].compiled],
        threads=args.threads or ([1] if args.quick else [1, 2]),
        heaps=[h == "reuse" for h in args.heaps or (["plain"] if args.quick else ["plain", "reuse"])],
        rounds=args.rounds or (4 if args.quick else 7),
        reps=args.reps,
        memory_runs=0 if args.no_memory else 1 if args.quick else 3,
        start_limit=args.start_limit,
    )


def main() -> None:
    args = parse()
    results = run(plan_from(args), args.envs)
    report = markdown(results)
    print(report)
    if args.markdown:
        args.markdown.write_text(report)
    if args.json:
        args.json.write_text(as_json(results))


if __name__ == "__main__":
    main()
