"""Weights as they are stored: read as the numbers they stand for, in the precision of the simulation."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

INTEGER, SINGLE = ir.IntType(32), ir.FloatType()
SMALLEST_NORMAL, REBIAS = 1 << 10, (127 - 15) << 23
UNIT = 2.0**-24  # of the numbers below the normal ones


def _single(builder: Any, half: Any) -> Any:
    """The float32 of the bits of a finite float16; LLVM's own conversion is a library call on some machines."""
    bits = builder.zext(half, INTEGER)
    magnitude = builder.and_(bits, INTEGER(0x7FFF))
    normal = builder.bitcast(builder.add(builder.shl(magnitude, INTEGER(13)), INTEGER(REBIAS)), SINGLE)
    below = builder.fmul(builder.sitofp(magnitude, SINGLE), SINGLE(UNIT))
    chosen = builder.select(builder.icmp_signed("<", magnitude, INTEGER(SMALLEST_NORMAL)), below, normal)
    sign = builder.shl(builder.and_(bits, INTEGER(0x8000)), INTEGER(16))
    return builder.bitcast(builder.or_(builder.bitcast(chosen, INTEGER), sign), SINGLE)


def _weight_at_typed(typingctx: Any, weight: Any, i: Any, scale: Any) -> Any:
    """Entry ``i`` of weights that are floats, float16 (their bits as uint16), or int8 in units of ``scale[0]``.

    An int8 weight is its product with the scale, rounded once to the precision: what float weights would hold.
    """
    del typingctx
    kind, result = weight.dtype, scale.dtype
    if kind not in (result, types.uint16, types.int8):
        raise TypingError(f"weight_at: cannot read {kind} as {result}")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, value=args[0])
        value = builder.load(builder.gep(view.data, [args[1]]))
        wide = context.get_value_type(result)
        if kind == types.uint16:
            return builder.fpext(_single(builder, value), wide) if result == types.float64 else _single(builder, value)
        if kind == types.int8:
            scales = context.make_array(signature.args[2])(context, builder, value=args[2])
            return builder.fmul(builder.sitofp(value, wide), builder.load(scales.data))
        return value

    return result(weight, types.intp, scale), codegen


weight_at: Any = intrinsic(_weight_at_typed)
