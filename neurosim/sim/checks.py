"""Whether a network fits into the memory of the machine, and whether its state is still one of numbers."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from neurosim.errors import RangeError
from neurosim.graph import Graph, Population
from neurosim.sim.build import Lane, get_rows


def check_memory(graph: Graph, lanes: int) -> None:
    """Raise `RangeError` when the network cannot fit into the machine's memory."""
    needed, free = graph.memory_bytes(lanes), available_memory()
    if needed > free:
        raise RangeError(
            f"Simulation: the network needs about {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free. "
            "Use fewer synapses, one weight per projection, or a machine with more memory."
        )


def available_memory() -> int:
    """Bytes of memory that can still be used, of the machine or of this process's cgroup."""
    try:
        with open("/proc/meminfo") as file:
            fields = dict(line.split(":") for line in file)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_finite(graph: Graph, lanes: Sequence[Lane], before: int, now: int) -> None:
    """Raise `RangeError`, with population, neuron and time, unless every state is finite. before, now: steps."""
    for k, p in enumerate(graph.populations):
        if not isinstance(p, Population):
            continue
        for lane in lanes:
            rows = get_rows(lane.blocks[k], len(p.state))
            if np.isfinite(rows.sum()) or np.isfinite(rows).all():
                continue
            state, neuron = np.argwhere(~np.isfinite(rows))[0]
            raise RangeError(
                f"Simulation: {p.state[state]} of neuron {lane.blocks[k].first + neuron} of population {p.name!r} "
                f"is {rows[state, neuron]} between {before * graph.dt:g} s and {now * graph.dt:g} s: weights or "
                f"input are too large, or dt = {graph.dt:g} s is."
            )
