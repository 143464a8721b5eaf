"""Rows of one bit per target: count arrivals in bit planes, then add a weight as often as it arrives.

Bit b of word w of plane k is bit k of the number of arrivals at target 64 w + b. Eight rows are added to the planes at
once by carry-save adders (Harley and Seal; see Mula, Kurz and Lemire, "Faster population counts using AVX2
instructions", 2018): three operations per row and 512 targets. Written as vectors of LLVM, which makes of them the
instructions a machine has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

WORD = 64  # targets
GROUP = 8  # words that are added at once: a row is a multiple of them
ROWS = 8  # rows that are added at once
PLANES = 8
MOST = 255 - 255 % ROWS  # rows before a number of arrivals could need a ninth plane

_WORDS = ir.VectorType(ir.IntType(64), GROUP)


def _load(context: Any, builder: Any, kind: Any, array: Any, at: Any, vector: Any) -> tuple[Any, Any]:
    """The vector at index ``at`` of an array, and its place."""
    view = context.make_array(kind)(context, builder, value=array)
    place = builder.bitcast(builder.gep(view.data, [at]), vector.as_pointer())
    value = builder.load(place)
    value.align = 8 if vector is _WORDS else 1
    return value, place


def _add3(builder: Any, a: Any, b: Any, c: Any) -> tuple[Any, Any]:
    """Carry and sum of three bits."""
    half = builder.xor(a, b)
    return builder.or_(builder.and_(a, b), builder.and_(half, c)), builder.xor(half, c)


def _add_rows_typed(typingctx: Any, rows: Any, width: Any, numbers: Any, at: Any, planes: Any, word: Any) -> Any:
    """Add words ``word .. word + GROUP`` of the rows ``numbers[at .. at + ROWS]`` to the ones, twos and fours of
    ``planes`` (flat, ``width`` words each), and put the carry, the eights, on plane 3 and those above."""
    del typingctx

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width, at, word = args[1], args[3], args[5]
        index = context.make_array(signature.args[2])(context, builder, value=args[2])
        size = width.type

        def row(k: int) -> Any:
            number = builder.load(builder.gep(index.data, [builder.add(at, size(k))]))
            offset = builder.add(builder.mul(number, width), word)
            return _load(context, builder, signature.args[0], args[0], offset, _WORDS)[0]

        def plane(k: int) -> tuple[Any, Any]:
            offset = builder.add(builder.mul(width, size(k)), word)
            return _load(context, builder, signature.args[4], args[4], offset, _WORDS)

        def store(value: Any, place: Any) -> None:
            builder.store(value, place).align = 8

        (ones, place0), (twos, place1), (fours, place2) = plane(0), plane(1), plane(2)
        carries = []
        for k in range(0, ROWS, 4):
            two_a, ones = _add3(builder, ones, row(k), row(k + 1))
            two_b, ones = _add3(builder, ones, row(k + 2), row(k + 3))
            four, twos = _add3(builder, twos, two_a, two_b)
            carries.append(four)
        carry, fours = _add3(builder, fours, *carries)
        for value, place in ((ones, place0), (twos, place1), (fours, place2)):
            store(value, place)
        for k in range(3, PLANES):
            value, place = plane(k)
            store(builder.xor(value, carry), place)
            carry = builder.and_(value, carry)
        return context.get_dummy_value()

    return types.void(rows, types.intp, numbers, types.intp, planes, types.intp), codegen


def _add_where_typed(typingctx: Any, sums: Any, first: Any, bits: Any, value: Any, times: Any) -> Any:
    """Add ``value``, ``times`` times in turn, to those of ``sums[first .. first + 64]`` whose bit is set."""
    del typingctx

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = ir.VectorType(context.get_value_type(signature.args[3]), WORD)
        start, place = _load(context, builder, signature.args[0], args[0], args[1], lanes)
        chosen = builder.bitcast(args[2], ir.VectorType(ir.IntType(1), WORD))
        nothing, number = ir.Constant(lanes, ir.Undefined), ir.IntType(32)
        one = builder.insert_element(nothing, args[3], ir.Constant(number, 0))
        every = builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(number, WORD), None))
        kept = cgutils.alloca_once(builder, lanes)  # type: ignore[no-untyped-call]  # becomes registers
        builder.store(start, kept)
        with cgutils.for_range(builder, args[4]):
            total = builder.load(kept)
            builder.store(builder.select(chosen, builder.fadd(total, every), total), kept)
        builder.store(builder.load(kept), place).align = 1
        return context.get_dummy_value()

    return types.void(sums, types.intp, types.uint64, value, types.intp), codegen


add_rows: Any = intrinsic(_add_rows_typed)
add_where: Any = intrinsic(_add_where_typed)


@njit(nogil=True)
def _flush(acc, n, planes, width, value):  # type: ignore[no-untyped-def]
    """Add ``value`` once per counted arrival, one after the other, as single arrivals would; clear the planes.

    Plane k stands for 2**k additions; as all addends are equal, their order plays no part.
    """
    whole = n // WORD
    for word in range(whole):
        for k in range(PLANES):
            bits = planes[k * width + word]
            if bits != 0:
                add_where(acc, word * WORD, bits, value, 1 << k)
    for i in range(n - whole * WORD):
        for k in range(PLANES):
            if planes[k * width + whole] >> np.uint64(i) & np.uint64(1):
                for _ in range(1 << k):
                    acc[whole * WORD + i] += value
    planes[:] = 0


@njit(nogil=True)
def deliver_bits(acc, n, ids, runs, rows, planes, weight):  # type: ignore[no-untyped-def]
    """Add one weight to the targets whose bit is set, for each of the spikes ``ids[:runs]``.

    rows: uint64, flat, one row per source and an empty one, which fills up the last eight. ids has room for 8 more.
    """
    if runs == 0:
        return
    width = len(planes) // PLANES
    empty = len(rows) // width - 1
    total = (runs + ROWS - 1) // ROWS * ROWS
    for s in range(runs, total):
        ids[s] = empty
    for begin in range(0, total, MOST):
        end = min(total, begin + MOST)
        for s in range(begin, end, ROWS):
            for word in range(0, width, GROUP):
                add_rows(rows, width, ids, s, planes, word)
        _flush(acc, n, planes, width, weight[0])
