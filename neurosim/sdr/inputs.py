"""What the Spatial Pooler and the Temporal Memory accept as a pattern."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError
from neurosim.kernels.htm_base import DONE, OUTSIDE, check_indices
from neurosim.sdr.sdr import SDR


def indices(where: str, pattern: Any, dims: tuple[int, ...]) -> NDArray[np.int64]:
    """Flat indices of the active bits of a pattern, not yet checked for order and range: kernels do that.

    Args:
        where: name for messages.
        pattern: an SDR; a dense array of bool or uint8 with the shape ``dims``, of 0 and 1; or flat indices, in any
            other array of whole numbers or a list.
        dims: of the pattern.

    Raises:
        ShapeError: other dimensions, or no such thing.
        RangeError: a dense array with other values.
    """
    if type(pattern) is np.ndarray and pattern.dtype == np.int64 and pattern.ndim == 1:
        return pattern if pattern.flags.c_contiguous else pattern.copy()
    if isinstance(pattern, SDR):
        if pattern.dims != dims:
            raise ShapeError(f"{where}: must be an SDR of dimensions {dims}, got {pattern.dims}.")
        return pattern.sparse.astype(np.int64)
    array = np.asarray(pattern)
    if array.dtype in (np.bool_, np.uint8):
        if array.shape != dims:
            raise ShapeError(f"{where}: a dense pattern must have the shape {dims}, got {array.shape}.")
        if array.max(initial=0) > 1:
            raise RangeError(f"{where}: a dense pattern must hold 0 and 1, got {array.max()}.")
        return np.flatnonzero(array)
    if array.size == 0 and array.ndim == 1:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ShapeError(
            f"{where}: must be an SDR, a dense array of bool or uint8, or a list of whole-number indices, "
            f"got {type(pattern).__name__} of shape {array.shape} and type {array.dtype}."
        )
    if array.dtype == np.uint64 and array.max() > np.iinfo(np.int64).max:
        raise RangeError(f"{where}: indices must be below 2**63, got {array.max()}.")
    return array.astype(np.int64)


def check_order(where: str, found: NDArray[np.int64], size: int) -> None:
    """Raise `RangeError` unless indices ascend in 0 .. size - 1."""
    status, place = check_indices(found, size)
    if status != DONE:
        raise bad_index(where, status, place, found, size)


def bad_index(where: str, status: int, at: int, found: NDArray[np.int64], size: int) -> RangeError:
    """The error for what `neurosim.kernels.htm_base.check_indices` found at position ``at``."""
    if status == OUTSIDE:
        return RangeError(f"{where}[{at}]: must be in 0..{size - 1}, got {found[at]}.")
    fault = f"got {found[at]} after {found[at - 1]}"
    return RangeError(f"{where}[{at}]: must ascend, each index once, {fault}. Use numpy.unique(indices).")
