"""Pack spikes eight to a byte, for what must be kept until the backward pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True, error_model="numpy")
def _pack(x, bits):  # type: ignore[no-untyped-def]
    """Pack ``x`` (0 or 1 each) into ``bits``; False at the first other value."""
    whole = len(x) // 8
    wrong = 0
    for j in range(whole):
        byte = 0
        for q in range(8):
            value = x[8 * j + q]
            one = value != 0
            wrong |= one & (value != 1)
            byte |= one << q
        bits[j] = byte
        if wrong:
            return False
    byte = 0
    for i in range(8 * whole, len(x)):
        one = x[i] != 0
        wrong |= one & (x[i] != 1)
        byte |= one << (i & 7)
    if len(x) > 8 * whole:
        bits[whole] = byte
    return not wrong


@njit(nogil=True, cache=True, error_model="numpy")
def _unpack(bits, x):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        x[i] = (bits[i >> 3] >> (i & 7)) & 1


def pack(x: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Bits of a flat array of zeros and ones, or None when it holds anything else."""
    bits = np.empty((x.size + 7) // 8, np.uint8)
    return bits if _pack(x, bits) else None


def unpack(bits: NDArray[np.uint8], x: NDArray[Any]) -> None:
    """Write the packed zeros and ones to the flat array ``x``."""
    _unpack(bits, x)
