"""Philox4x32-10: random numbers that depend on a counter and a key, and on nothing else.

No state is kept, so a draw is the same in any order, for any cut into blocks and for any number of threads, and a
checkpoint needs no more than the step. Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
1, 2, 3", SC 2011.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])

MASK = np.uint64(0xFFFFFFFF)
WORD = np.uint64(32)  # bits
MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


def kernel(function: F) -> F:
    """Compile ``function``; it keeps its type for the type checker."""
    return cast(F, njit(nogil=True, cache=True, error_model="numpy")(function))


def inlined(function: F) -> F:
    """Compile ``function`` into its callers, so that their loops vectorise."""
    return cast(F, njit(nogil=True, cache=True, error_model="numpy", forceinline=True)(function))


@inlined
def philox4(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> tuple[Any, Any, Any, Any]:
    """Four random words (uint64 below 2**32) of a counter and a key; only the low 32 bits of each argument count.

    uint64 arithmetic throughout: LLVM turns a masked product into one vector instruction.
    """
    x0, x1, x2, x3 = np.uint64(c0) & MASK, np.uint64(c1) & MASK, np.uint64(c2) & MASK, np.uint64(c3) & MASK
    a, b = np.uint64(k0) & MASK, np.uint64(k1) & MASK
    for _ in range(10):
        p0 = MULTIPLIER_0 * x0
        p1 = MULTIPLIER_1 * x2
        x0 = (p1 >> WORD) ^ x1 ^ a
        x2 = (p0 >> WORD) ^ x3 ^ b
        x1 = p1 & MASK
        x3 = p0 & MASK
        a = (a + WEYL_0) & MASK
        b = (b + WEYL_1) & MASK
    return x0, x1, x2, x3


@kernel
def fill_uniform(u: NDArray[np.uint32], first: int, n: int, step: int, seed: int, stream: int) -> None:
    """Write to ``u[j]`` the random word of neuron ``first + j`` at ``step``, for j < ``n``.

    Args:
        u: (at least n,) uint32.
        first: number of the first neuron, a multiple of 4: four neurons share one counter.
        n: number of neurons.
        step: time step, >= 0.
        seed: key, 64 bits.
        stream: what the draws are for, 32 bits; two streams are independent.
    """
    time, key, block = np.uint64(step), np.uint64(seed), np.uint64(first) >> np.uint64(2)
    whole = n >> 2
    for q in range(whole):
        words = philox4(block + np.uint64(q), time, time >> WORD, stream, key, key >> WORD)
        u[4 * q] = words[0]
        u[4 * q + 1] = words[1]
        u[4 * q + 2] = words[2]
        u[4 * q + 3] = words[3]
    if n & 3:
        words = philox4(block + np.uint64(whole), time, time >> WORD, stream, key, key >> WORD)
        for j in range(n & 3):
            u[4 * whole + j] = words[j]
