"""What the kernels of the Spatial Pooler and of the Temporal Memory share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

DONE, NO_ROOM, UNSORTED, OUTSIDE = range(4)  # how a step ended; it changed nothing unless it is done


def kernel(function: Any) -> Any:
    """Compile a function."""
    return njit(nogil=True, cache=True, error_model="numpy")(function)


def inlined(function: Any) -> Any:
    """Compile a function into its callers: a call that hands over all arrays counts a reference to each, atomically."""
    return njit(nogil=True, cache=True, error_model="numpy", forceinline=True)(function)


@kernel
def check_indices(found, size):  # type: ignore[no-untyped-def]
    """Whether indices are strictly rising in 0 .. size - 1, and the place of the first that is not."""
    before = np.int64(-1)
    for i in range(len(found)):
        c = np.int64(found[i])
        if c < 0 or c >= size:
            return OUTSIDE, i
        if c <= before:
            return UNSORTED, i
        before = c
    return DONE, 0
