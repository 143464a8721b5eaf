"""Measures one implementation in one process; started by ``lif_training.py``, once per setting.

Usage: ``lif_worker.py '{"implementation": ..., "workload": ..., "threads": 1, "mode": "time" | "memory"}'``.
Answers are lines that begin with ``@@`` followed by JSON; libraries may print what they like in between. In mode
``time`` the process warms up, reports, and then waits for lines ``<reps>`` on its standard input, so that many
processes can take turns; in mode ``memory`` it reports one peak and ends.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from lif_impls import IMPLEMENTATIONS, WORKLOADS

DRIVE = 0.577  # standard deviation that Linear(256, 256) gives to unit normal input; used where there is no Linear


@dataclass
class Case:
    """A model and the input it is measured on."""

    run: Callable[[torch.Tensor], torch.Tensor]
    linear: torch.nn.Linear | None
    x: torch.Tensor

    @classmethod
    def build(cls, implementation: str, workload: str, steps: int | None = None) -> Case:
        torch.manual_seed(0)
        impl, work = IMPLEMENTATIONS[implementation], WORKLOADS[workload]
        linear = torch.nn.Linear(work.shape[-1], work.shape[-1]) if work.linear else None
        case = cls(impl.build(linear), linear, torch.empty(0))
        case.feed(implementation, workload, steps or work.shape[0])
        return case

    def feed(self, implementation: str, workload: str, steps: int) -> None:
        """Make an input of ``steps`` steps; without a Linear in front the input itself needs a gradient."""
        impl, work = IMPLEMENTATIONS[implementation], WORKLOADS[workload]
        x = torch.randn(steps, *work.shape[1:]).mul_(impl.gain if work.linear else impl.gain * DRIVE)
        x = x.transpose(0, 1).contiguous() if impl.batch_first else x
        self.x = x.requires_grad_(not work.linear)

    def forget_gradients(self) -> None:
        self.x.grad = None
        if self.linear is not None:
            self.linear.zero_grad(set_to_none=True)

    def train_step(self) -> list[float]:
        """One forward and one backward, which includes freeing the graph: CPU and wall seconds of each."""
        self.forget_gradients()
        marks = [(time.process_time(), time.perf_counter())]
        out = self.run(self.x)
        marks.append((time.process_time(), time.perf_counter()))
        out.sum().backward()  # type: ignore[no-untyped-call]
        del out
        marks.append((time.process_time(), time.perf_counter()))
        (c0, w0), (c1, w1), (c2, w2) = marks
        return [c1 - c0, w1 - w0, c2 - c1, w2 - w1]

    def rate(self) -> float:
        with torch.no_grad():
            return float(self.run(self.x).mean())


def say(**answer: object) -> None:
    print("@@" + json.dumps(answer), flush=True)


def serve_times(case: Case) -> None:
    """Warm up, then take turns: each line read is a number of repetitions to time, after one untimed."""
    first = time.perf_counter()
    case.train_step()
    first = time.perf_counter() - first
    case.train_step()
    say(first_s=first, rate=case.rate())
    for line in sys.stdin:
        gc.collect()
        gc.disable()
        case.train_step()
        samples = [case.train_step() for _ in range(int(line))]
        gc.enable()
        say(samples=samples)


def status_mb(field: str) -> float:
    """A size from /proc/self/status, in MB."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024 / 1e6


def peak_mb(case: Case) -> float:
    """Growth of resident memory at the peak of one forward and backward."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # peak = current
    before = status_mb("VmRSS")
    case.train_step()
    return status_mb("VmHWM") - before


def measure_memory(implementation: str, workload: str) -> None:
    """Warm up on 4 steps (all of them for a compiled loop, whose code is for one length), then measure."""
    steps = WORKLOADS[workload].shape[0]
    compiled = IMPLEMENTATIONS[implementation].compiled
    case = Case.build(implementation, workload, steps if compiled else 4)
    case.train_step()
    case.feed(implementation, workload, steps)
    case.forget_gradients()
    say(peak_mb=peak_mb(case))


def main() -> None:
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    try:
        if job["mode"] == "memory":
            measure_memory(job["implementation"], job["workload"])
        else:
            serve_times(Case.build(job["implementation"], job["workload"]))
    except Exception as error:  # the starter shows it in the table and goes on with the others
        say(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
