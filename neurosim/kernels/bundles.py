"""Rows of synapses of several projections from one population, as one set of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels.philox import kernel

LARGEST_INT32 = np.iinfo(np.int32).max
Array = NDArray[Any]


@kernel
def _count(start: Any, spread: int, shift: int, rows: int, counts: Any) -> None:
    """Add the synapses of each row to those of the row it becomes part of: ``rows`` per source, ``shift`` later."""
    for row in range(start.size - 1):
        counts[row // spread * rows + row % spread + shift] += start[row + 1] - start[row]


@kernel
def _place(
    start: Any, target: Any, weight: Any, offset: int, spread: int, shift: int, rows: int, free: Any, out: Any, own: Any
) -> None:
    """Copy each row to the next free places of the row it becomes part of."""
    for row in range(start.size - 1):
        at = row // spread * rows + row % spread + shift
        for q in range(start[row], start[row + 1]):
            out[free[at]] = target[q] + offset
            own[free[at]] = weight[q]
            free[at] += 1


def bundle(parts: Sequence[tuple[Any, ...]], offsets: Sequence[int], size: int) -> tuple[Any, ...]:
    """One set of rows of synapses from the sets ``parts``, whose synapses each keep their order.

    Args:
        parts: (start, target, weight, scale, base, spread) of projections from one population, each synapse with a
            weight of its own.
        offsets: where the targets of each part begin among those of all.
        size: number of all targets.
    """
    base = min(part[4] for part in parts)
    spread = max(part[4] + part[5] for part in parts) - base
    sources = (len(parts[0][0]) - 1) // parts[0][5]
    free = np.zeros(sources * spread + 1, np.int64)
    for start, *_, first, width in parts:
        _count(start, width, first - base, spread, free[1:])
    np.cumsum(free, out=free)
    synapses = int(free[-1])
    begin = free.astype(np.int32 if synapses <= LARGEST_INT32 else np.int64)
    target = np.empty(synapses, np.uint16 if size <= 1 << 16 else np.uint32)
    weight = np.empty(synapses, parts[0][2].dtype)
    for (start, to, own, _, first, width), offset in zip(parts, offsets, strict=True):
        _place(start, to, own, offset, width, first - base, spread, free, target, weight)
    return begin, target, weight, parts[0][3], base, spread
