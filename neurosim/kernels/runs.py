"""Synapses as runs: neighbouring targets that one source reaches with neighbouring weights.

A convolution reaches all channels of a pixel. Where they are neighbours, delivery adds one short vector to another
instead of one number to a place that must be looked up, and equal vectors of weights (a kernel at every pixel) are kept
once, so that they stay in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

SHORTEST = 4  # mean length below which runs are not worth their bookkeeping
LARGEST = 2**31 - 1

Array = NDArray[Any]


def as_runs(
    start: Array, target: Array, weight: Array, shortest: float = SHORTEST
) -> tuple[Array, Array, Array] | None:
    """Rows of synapses as rows of runs, or None where the runs are short.

    Args:
        start: (R + 1,) row r holds the synapses ``start[r] .. start[r + 1]``.
        target: (S,) of each synapse.
        weight: (S,), or (1,) for all.
        shortest: mean length below which there are none.

    Returns:
        start (R + 1,) of rows of runs, int64; runs (Q, 3) int32: first target, length, place of its weights; weights.
    """
    synapses = len(target)
    if not synapses or synapses > LARGEST:
        return None
    breaks = np.ones(synapses, bool)
    breaks[1:] = (target[1:] - target[:-1] != 1) | (target[1:] == 0)  # unsigned: the last target wraps to 0
    breaks[start[:-1][np.diff(start) > 0]] = True
    begin = np.flatnonzero(breaks)
    if synapses < shortest * len(begin):
        return None
    length = np.diff(begin, append=synapses)
    place, kept = np.empty(len(begin), np.int64), []
    filled = 0
    for n in np.unique(length):
        mine = np.flatnonzero(length == n)
        rows = begin[mine, None] + np.arange(n)
        values = weight[rows] if len(weight) > 1 else np.full((len(mine), n), weight[0])
        _, first, which = np.unique(values.view(np.dtype((np.void, values.itemsize * int(n)))).ravel(),
                                    return_index=True, return_inverse=True)  # fmt: skip
        place[mine] = filled + which * n
        kept.append(values[first].ravel())
        filled += len(first) * int(n)
    runs = np.stack([target[begin], length, place], axis=1).astype(np.int32)
    return np.searchsorted(begin, start).astype(np.int64), runs, np.concatenate(kept)


@njit(nogil=True)
def deliver_runs(acc, begin, end, rows, runs, weight, scale):  # type: ignore[no-untyped-def]
    """Add the weights of all runs in some rows to their targets; see `as_runs`. scale: not used, they are floats."""
    for r in range(rows):
        for q in range(begin[r], end[r]):
            n = runs[q, 1]
            targets, values = acc[runs[q, 0] : runs[q, 0] + n], weight[runs[q, 2] : runs[q, 2] + n]
            for i in range(n):
                targets[i] += values[i]
