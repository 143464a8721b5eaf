"""Steps per second of the spatial pooler and the temporal memory on one core: 2048 columns x 32 cells, 40 active.

    python benchmarks/htm.py                       # this library, and how far it is from the limit of the memory
    python2.7 benchmarks/htm_nupic.py FOLDER       # the C++ kernels of nupic.bindings, the same work

Each figure is the best of several runs through the same 300 random patterns. The pooler sees 2048 inputs, half of them
potential, 40 active. The memory is timed learning the sequence for the first time (every column bursts), learning one
that it knows, and predicting without learning.

The limit: the bytes that a step has to read or write at least, over the rate of a sum over an array far larger than
any cache, measured in the same run. What fits into a cache may be faster than that.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from collections.abc import Callable

import numpy as np

from neurosim.kernels import htm_segments as parts
from neurosim.sdr import SpatialPooler, TemporalMemory

COLUMNS, ACTIVE, PATTERNS = 2048, 40, 300


def best(work: Callable[[], object], repeats: int) -> float:
    """Shortest time of a call [s]."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def memory_rate(repeats: int) -> float:
    """Bytes per second of a sum over 256 MB, the best of several."""
    array = np.ones(32 * 2**20)
    return array.nbytes / best(lambda: array.sum(), repeats)


def patterns(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.sort(rng.choice(COLUMNS, ACTIVE, replace=False)) for _ in range(PATTERNS)]


def pooler_times(repeats: int, boost: float) -> list[tuple[str, float, float]]:
    """Name, seconds and bytes of a step, for learning and not learning."""
    pooler = SpatialPooler(
        COLUMNS, COLUMNS, potential_radius=COLUMNS, local_area_density=ACTIVE / COLUMNS, boost_strength=boost
    )
    inputs = patterns(0)
    for x in inputs * 2:
        pooler.compute(x)
    pool = len(pooler.synapses(0)[0])
    counting = ACTIVE * pool * (4 + 8)  # an entry, and its counter read and written
    adapting = ACTIVE * pool * (4 + 4 + 8)  # input, its change, permanence read and written
    name = f"pooler, boost {boost:g}"
    learning = best(lambda: [pooler.compute(x) for x in inputs], repeats) / PATTERNS
    inferring = best(lambda: [pooler.compute(x, learn=False) for x in inputs], repeats) / PATTERNS
    return [(f"{name}, learning", learning, counting + adapting), (f"{name}, no learning", inferring, counting)]


def memory_times(repeats: int) -> list[tuple[str, float, float]]:
    sequence = patterns(0)
    fresh = [TemporalMemory() for _ in range(repeats)]
    first = best(lambda: fresh.pop().run(sequence), repeats)
    memory = TemporalMemory()
    for _ in range(12):
        memory.run(sequence)
    m, visits, adapted = memory._memory, 0, 0
    for pattern in sequence:
        adapted += int(m.segment[m.matching[: m.number[parts.MATCHING]], parts.COUNT].sum())
        memory.compute(pattern, learn=False)
        visits += int(m.cell[memory.active_cells, parts.LISTENERS].sum())
    counting = visits / PATTERNS * (4 + 8)
    adapting = adapted / PATTERNS * (4 + 1 + 8)  # presynaptic cell, whether it was active, permanence
    learning = best(lambda: memory.run(sequence), repeats) / PATTERNS
    steps = best(lambda: [memory.compute(x) for x in sequence], repeats) / PATTERNS
    inferring = best(lambda: memory.run(sequence, learn=False), repeats) / PATTERNS
    single = best(lambda: [memory.compute(x, learn=False) for x in sequence], repeats) / PATTERNS
    return [
        ("memory, first time", first / PATTERNS, float("nan")),
        ("memory, learning, run", learning, counting + adapting),
        ("memory, learning, compute", steps, counting + adapting),
        ("memory, no learning, run", inferring, counting),
        ("memory, no learning, compute", single, counting),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    rows = [*pooler_times(repeats, 0.0), *pooler_times(repeats, 3.0), *memory_times(repeats)]
    rate = memory_rate(repeats)
    print(f"memory: {rate / 1e9:.1f} GB/s\n")
    print("| step | us | steps per second | least bytes | share of the memory's rate |\n|---|---|---|---|---|")
    for name, seconds, size in rows:
        share = f"{size:.3g} | {size / seconds / rate:.2f}" if size == size else "- | -"
        print(f"| {name} | {seconds * 1e6:.1f} | {1 / seconds:.0f} | {share} |")


if __name__ == "__main__":
    main()
