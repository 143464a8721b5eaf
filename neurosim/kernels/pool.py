"""Kernels that release the GIL, run on ranges of blocks by several threads.

Numba's own threading layers kill forked DataLoader workers (OpenMP) or abort under two Python threads (workqueue);
serial kernels on ranges of blocks survive both, whoever runs them. Where torch's OpenMP runtime is loaded, its own
workers run the ranges: after a matrix product they spin for milliseconds and would take the processor from any other
thread. Elsewhere, and in forked children (where OpenMP's threads are gone), a small pool of Python threads does.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

SMALLEST_JOB = 50_000  # elements; below this a second thread costs more than it saves
OPENMP = "libgomp.so.1"
_LOCK = threading.Lock()
_BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_pool: ThreadPoolExecutor | None = None
_size = 0
_forked = False

Job = Callable[[int, int], object]


def run_ranges(job: Job, blocks: int, elements: int, threads: int) -> None:
    """Call ``job(first, last)`` so that blocks ``0 .. blocks`` are covered once, on up to ``threads`` threads.

    Results do not depend on ``threads``: a block is computed the same way wherever it runs.
    """
    parts = max(1, min(threads, blocks, elements // SMALLEST_JOB))
    if parts == 1:
        job(0, blocks)
        return
    ranges = list(itertools.pairwise(blocks * i // parts for i in range(parts + 1)))
    if not _forked and (runtime := openmp()):
        _run_in_team(runtime, job, ranges, threads)
    else:
        _run_in_pool(job, ranges)


def available_threads() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if "sched_getaffinity" in dir(os) else os.cpu_count() or 1


@cache
def openmp() -> Any:
    """The OpenMP runtime that is loaded in this process (torch's), or None."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(OPENMP, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return None


def _run_in_team(runtime: Any, job: Job, ranges: list[tuple[int, int]], threads: int) -> None:
    """One parallel region; always of ``threads`` workers, because a team of another size is made anew."""
    errors: list[BaseException] = []

    def body(_: object) -> None:
        try:
            for part in ranges[runtime.omp_get_thread_num() :: runtime.omp_get_num_threads()]:
                job(*part)
        except BaseException as error:  # carried to the caller: nothing may leave a C callback
            errors.append(error)

    runtime.GOMP_parallel(_BODY(body), None, threads, 0)
    if errors:
        raise errors[0]


def _run_in_pool(job: Job, ranges: list[tuple[int, int]]) -> None:
    pool = _executor(len(ranges) - 1)
    others: list[Future[object]] = [pool.submit(job, *part) for part in ranges[1:]]
    job(*ranges[0])
    for other in others:
        other.result()


def _executor(workers: int) -> ThreadPoolExecutor:
    global _pool, _size
    with _LOCK:
        if _pool is None or _size < workers:
            _pool, _size = ThreadPoolExecutor(workers, thread_name_prefix="neurosim"), workers
        return _pool


def _after_fork() -> None:
    global _pool, _LOCK, _forked
    _pool, _LOCK, _forked = None, threading.Lock(), True


if "register_at_fork" in dir(os):
    os.register_at_fork(after_in_child=_after_fork)
