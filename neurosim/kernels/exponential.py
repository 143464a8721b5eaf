"""An exponential that loops over neurons can vectorise; the one of the C library is a call per neuron.

exp(x) = 2^n exp(r) with n the nearest whole number to x / ln 2, so |r| <= ln 2 / 2, where a short series is exact to
the last bit or two. Beyond the range of the type: 0 and inf, as in the library.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

LOG2E = math.log2(math.e)
# ln 2 in two parts: the first has so few bits that n times it is exact
SINGLE = (np.float32(0.693359375), np.float32(-2.12194440e-4))
DOUBLE = (6.93145751953125e-1, 1.42860682030941723212e-6)
SINGLE_TERMS = tuple(np.float32(1 / math.factorial(k)) for k in range(7, 1, -1))
DOUBLE_TERMS = tuple(1 / math.factorial(k) for k in range(13, 1, -1))


def _from_bits_typed(typingctx: Any, bits: Any) -> Any:
    """The float whose bits are those of an int of the same size."""
    del typingctx
    float_type, code = (types.float32, ir.FloatType()) if bits.bitwidth == 32 else (types.float64, ir.DoubleType())
    return float_type(bits), lambda context, builder, signature, args: builder.bitcast(args[0], code)


_from_bits: Any = intrinsic(_from_bits_typed)


@njit(forceinline=True)
def _exp_single(x):  # type: ignore[no-untyped-def]
    one, half = np.float32(1.0), np.float32(0.5)
    y = min(max(x, np.float32(-104.0)), np.float32(89.0))
    n = np.floor(y * np.float32(LOG2E) + half)
    r = y - n * SINGLE[0] - n * SINGLE[1]
    p = SINGLE_TERMS[0]
    for k in range(1, 6):
        p = p * r + SINGLE_TERMS[k]
    p = p * r * r + r + one
    # 2^n in two factors, which reach the denormals and the largest numbers
    low = np.floor(n * half)
    return p * _power_single(low) * _power_single(n - low)


@njit(forceinline=True)
def _power_single(n):  # type: ignore[no-untyped-def]
    return _from_bits(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)))


@njit(forceinline=True)
def _exp_double(x):  # type: ignore[no-untyped-def]
    y = min(max(x, -746.0), 710.0)
    n = np.floor(y * LOG2E + 0.5)
    r = y - n * DOUBLE[0] - n * DOUBLE[1]
    p = DOUBLE_TERMS[0]
    for k in range(1, 12):
        p = p * r + DOUBLE_TERMS[k]
    p = p * r * r + r + 1.0
    low = np.floor(n * 0.5)
    return p * _power_double(low) * _power_double(n - low)


@njit(forceinline=True)
def _power_double(n):  # type: ignore[no-untyped-def]
    return _from_bits((np.int64(n) + np.int64(1023)) << np.int64(52))


def exp(x):  # type: ignore[no-untyped-def]
    """e to the power of x, in kernels."""
    raise NotImplementedError("kernels only")


@overload(exp, inline="always")
def _exp(x):  # type: ignore[no-untyped-def]
    if x == types.float32:
        return lambda x: _exp_single(x)
    return lambda x: _exp_double(x)
