"""Sparse distributed representations as rows of bits: bit b of word w is cell 64 w + b; bits past the last cell are 0.

Random rows depend on the seed, the stream and the number of the row alone. Counter: the row in words 0 and 1,
3 * 2**30 + block of two draws (below 2**29) in word 2, the stream in word 3; hashes have 7 * 2**29 + attempt in word
2. No draw of `draws` or `philox` uses these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from neurosim.kernels.philox import WORD, inlined, kernel, philox4

CELLS = 64  # in a word
ONE = np.uint64(1)
TAG = np.uint64(3 << 30)
HASH = np.uint64(7 << 29)


def _popcount(typingctx: Any, bits: Any) -> Any:
    del typingctx, bits
    return types.uint64(types.uint64), lambda _, builder, __, args: builder.ctpop(args[0])


def _lowest(typingctx: Any, bits: Any) -> Any:
    del typingctx, bits
    return types.uint64(types.uint64), lambda _, builder, __, args: builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))


popcount: Any = intrinsic(_popcount)  # bits that are set
lowest: Any = intrinsic(_lowest)  # number of the lowest bit that is set


@kernel
def pack_rows(indices: NDArray[np.int32], starts: NDArray[np.int64], rows: NDArray[np.uint64]) -> None:
    """Set, in row r of the empty ``rows``, the bits of ``indices[starts[r] : starts[r + 1]]``."""
    for r in range(len(starts) - 1):
        for k in range(starts[r], starts[r + 1]):
            cell = np.int64(indices[k])
            rows[r, cell >> 6] |= ONE << np.uint64(cell & 63)


@kernel
def unpack_row(row: NDArray[np.uint64], indices: NDArray[np.int32]) -> None:
    """Write the bits that are set, ascending; ``indices`` has room for just these."""
    n = 0
    for w in range(len(row)):
        bits = row[w]
        while bits:
            indices[n] = np.int64(CELLS * w) + np.int64(lowest(bits))
            bits &= bits - ONE
            n += 1


@kernel
def count_active(rows: NDArray[np.uint64], counts: NDArray[np.int32]) -> None:
    """Bits that are set in each row."""
    for r in range(len(rows)):
        total = np.uint64(0)
        for w in range(rows.shape[1]):
            total += popcount(rows[r, w])
        counts[r] = total


@kernel
def count_overlaps(row: NDArray[np.uint64], rows: NDArray[np.uint64], counts: NDArray[np.int32]) -> None:
    """Bits that are set both in ``row`` and in each of ``rows``."""
    for r in range(len(rows)):
        total = np.uint64(0)
        for w in range(rows.shape[1]):
            total += popcount(row[w] & rows[r, w])
        counts[r] = total


@kernel
def count_matches(row: NDArray[np.uint64], rows: NDArray[np.uint64], theta: int) -> Any:
    """How many of ``rows`` share at least ``theta`` bits with ``row``."""
    matches: Any = 0
    for r in range(len(rows)):
        total = np.uint64(0)
        for w in range(rows.shape[1]):
            total += popcount(row[w] & rows[r, w])
        matches += np.int64(total) >= theta
    return matches


@kernel
def unite_rows(rows: NDArray[np.uint64], row: NDArray[np.uint64]) -> None:
    """Add to ``row`` the bits of all ``rows``."""
    for r in range(len(rows)):
        for w in range(rows.shape[1]):
            row[w] |= rows[r, w]


@kernel
def count_per_cell(rows: NDArray[np.uint64], counts: NDArray[np.int64]) -> None:
    """How many rows have each cell."""
    for r in range(len(rows)):
        for w in range(rows.shape[1]):
            bits = rows[r, w]
            while bits:
                counts[np.int64(CELLS * w) + np.int64(lowest(bits))] += 1
                bits &= bits - ONE


@inlined
def _below(high: Any, low: Any, bound: Any) -> Any:
    """A number below ``bound`` (at most 2**31) of two random words; its bias is under 2**-33."""
    return (high * bound + ((low * bound) >> WORD)) >> WORD


@kernel
def fill_random_rows(rows: NDArray[np.uint64], size: int, active: int, first: int, seed: Any, stream: Any) -> None:
    """Set ``active`` different bits below ``size`` in each of the empty ``rows``, the row numbers ``first`` and on.

    All choices are equally likely: Floyd's method, with the row itself as the set of what was drawn. Where more than
    half of the cells are active, the silent ones are drawn.
    """
    drawn = active if 2 * active <= size else size - active
    for r in range(len(rows)):
        number = np.uint64(first + r)
        a = b = c = d = np.uint64(0)
        for k in range(drawn):
            if k & 1:
                a, b = c, d
            else:
                a, b, c, d = philox4(number, number >> WORD, TAG + np.uint64(k >> 1), stream, seed, seed >> WORD)
            last = np.uint64(size - drawn + k)
            cell = _below(a, b, last + ONE)
            if rows[r, cell >> np.uint64(6)] >> (cell & np.uint64(63)) & ONE:
                cell = last
            rows[r, cell >> np.uint64(6)] |= ONE << (cell & np.uint64(63))
        if drawn != active:
            for w in range(rows.shape[1]):
                rows[r, w] = ~rows[r, w]
            if size & 63:
                rows[r, rows.shape[1] - 1] &= (ONE << np.uint64(size & 63)) - ONE


@kernel
def fill_hashed(cells: NDArray[np.int32], first: int, size: int, seed: Any) -> None:
    """Write different cells below ``size``: the k-th is hashed from the number ``first + k``.

    A number takes the first of its hashes whose cell no number before it has taken.
    """
    taken = np.zeros(size, np.bool_)
    for k in range(len(cells)):
        number = np.uint64(np.int64(first) + np.int64(k))
        attempt = np.uint64(0)
        while True:
            a, b, _, _ = philox4(number, number >> WORD, HASH + attempt, np.uint64(0), seed, seed >> WORD)
            cell = np.int64(_below(a, b, np.uint64(size)))
            if not taken[cell]:
                break
            attempt += ONE
        taken[cell] = True
        cells[k] = cell
