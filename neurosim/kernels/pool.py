"""One small thread pool per process for kernels that release the GIL.

Numba's own threading layers kill forked DataLoader workers (OpenMP) or abort under two Python threads (workqueue);
serial kernels on ranges of blocks, run by ordinary threads, survive both. The pool is dropped in a forked child.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

SMALLEST_JOB = 50_000  # elements; below this a second thread costs more than it saves
_LOCK = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_size = 0


def run_ranges(job: Callable[[int, int], object], blocks: int, elements: int, threads: int) -> None:
    """Call ``job(first, last)`` so that blocks ``0 .. blocks`` are covered once, on up to ``threads`` threads.

    Results do not depend on ``threads``: a block is computed the same way wherever it runs.
    """
    threads = max(1, min(threads, blocks, elements // SMALLEST_JOB))
    borders = [blocks * i // threads for i in range(threads + 1)]
    others: list[Future[object]] = []
    if threads > 1:
        pool = _executor(threads - 1)
        others = [pool.submit(job, a, b) for a, b in itertools.pairwise(borders[1:])]
    job(borders[0], borders[1])
    for other in others:
        other.result()


def available_threads() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if "sched_getaffinity" in dir(os) else os.cpu_count() or 1


def _executor(workers: int) -> ThreadPoolExecutor:
    global _pool, _size
    with _LOCK:
        if _pool is None or _size < workers:
            _pool, _size = ThreadPoolExecutor(workers, thread_name_prefix="neurosim"), workers
        return _pool


def _forget() -> None:
    global _pool, _LOCK
    _pool, _LOCK = None, threading.Lock()


if "register_at_fork" in dir(os):
    os.register_at_fork(after_in_child=_forget)
