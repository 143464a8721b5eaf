"""Numba kernels over event lists: binning, voxel grids, time surfaces, filters.

All take the sorted columns of `Events` and write into a caller's flat array, so one machine-code version serves
single recordings and batches. They never check their input (the transforms do) and hold no GIL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Ints = NDArray[np.int64]


def _kernel(function: F) -> F:
    return cast(F, njit(nogil=True, cache=True, error_model="numpy")(function))


@_kernel
def count_events(
    cuts: Ints,
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    p: NDArray[np.uint8],
    column: Ints,
    row: Ints,
    plane: np.int64,
    out: NDArray[Any],
    first: int,
    stride: int,
    frame: int,
    cap: Any,
) -> int:
    """Write the counts of bin b into the ``frame`` cells of ``out`` from ``first + b * stride`` on.

    Bin b holds the events ``cuts[b] <= i < cuts[b + 1]``; an event counts in cell p * plane + row[y] + column[x],
    where ``column`` and ``row`` make spatial downsampling free. ``cap`` has the dtype of ``out``. Each frame is
    cleared just before it is filled, while it fits the cache: one pass over the memory instead of two.

    Returns:
        -1, or the bin in which a count would have passed ``cap``; ``out`` is incomplete then.
    """
    for b in range(cuts.size - 1):
        base = first + b * stride
        out[base : base + frame] = 0
        for i in range(cuts[b], cuts[b + 1]):
            cell = base + p[i] * plane + row[y[i]] + column[x[i]]
            if out[cell] >= cap:
                return b
            out[cell] += 1
    return -1


@_kernel
def voxel_grid(
    t: Ints,
    cell: Ints,
    value: NDArray[np.float32],
    n_bins: int,
    stride: int,
    out: NDArray[np.float32],
) -> None:
    """Share each event's value between the two nearest of ``n_bins`` instants spread from first to last event."""
    span = t[-1] - t[0] if t.size else 0
    scale = (n_bins - 1) / span if span > 0 else 0.0
    for i in range(t.size):
        position = (t[i] - t[0]) * scale
        b = min(int(position), n_bins - 1)  # rounding may put the last event a hair beyond the last instant
        after = position - b
        out[b * stride + cell[i]] += value[i] * (1.0 - after)
        if b + 1 < n_bins:
            out[(b + 1) * stride + cell[i]] += value[i] * after


@_kernel
def time_surface(
    cuts: Ints, read_at: Ints, t: Ints, cell: Ints, tau: float, last: Ints, out: NDArray[np.float32]
) -> None:
    """``out[b, c] = exp(-(read_at[b] - time of the latest event in cell c) / tau)``; 0 where none has been.

    ``last`` (cells,) must come filled with -1, which is no timestamp.
    """
    for b in range(read_at.size):
        for i in range(cuts[b], cuts[b + 1]):
            last[cell[i]] = t[i]
        for c in range(last.size):
            if last[c] >= 0:
                out[b, c] = np.exp((last[c] - read_at[b]) / tau)


@_kernel
def supported(
    t: Ints, x: NDArray[np.uint16], y: NDArray[np.uint16], window: int, last: Ints, keep: NDArray[np.bool_]
) -> None:
    """Mark events one of whose four neighbours fired less than ``window`` before.

    ``last`` (H + 2, W + 2) holds the time of each pixel's latest event inside a border that never fires.
    """
    for i in range(t.size):
        r, c = y[i] + np.int64(1), x[i] + np.int64(1)  # int64, so that the last row does not wrap
        newest = max(max(last[r - 1, c], last[r + 1, c]), max(last[r, c - 1], last[r, c + 1]))
        keep[i] = t[i] - newest < window
        last[r, c] = t[i]


@_kernel
def first_of_instant(t: Ints, cell: Ints, last: Ints, keep: NDArray[np.bool_]) -> None:
    """Mark the first event of each cell at each timestamp; ``last`` (cells,) must come filled with -1."""
    for i in range(t.size):
        keep[i] = last[cell[i]] != t[i]
        last[cell[i]] = t[i]
