"""The few functions a unit's `step`, `reset` and `coefficients` may use beside ``+ - * /`` and comparisons.

Each works on Python floats, NumPy arrays, torch tensors, SymPy expressions and the tracer of
`neurosim.kernels`, so that one body serves them all. The library of the arguments is found by name:
nothing is imported that the caller has not imported already.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

SQRT_2, LOG_2 = math.sqrt(2.0), math.log(2.0)
ATANH = tuple(1.0 / k for k in range(21, 0, -2))  # series of atanh(y) / y in y**2, last term first
_TRACED: dict[str, Callable[..., Any]] = {}


def register_tracer(functions: dict[str, Callable[..., Any]]) -> None:
    """Tell the namespace how to record ``where``, ``exp``, ... on traced values."""
    _TRACED.update(functions)


def _library(*args: Any) -> str:
    torch = sys.modules.get("torch")
    if torch is not None and any(isinstance(a, torch.Tensor) for a in args):  # first: torch.compile can follow this
        return "torch"
    found = {type(a).__module__.partition(".")[0] for a in args}
    for name in ("neurosim", "sympy", "numpy"):
        if name in found:
            return name
    return "math"


def where(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where ``condition`` holds, else ``b``; both sides are evaluated."""
    library = _library(condition, a, b)
    if library == "neurosim":
        return _TRACED["where"](condition, a, b)
    if library == "sympy":
        sympy = sys.modules["sympy"]
        return sympy.Piecewise((a, condition), (b, True))
    if library == "math":
        return a if condition else b
    return sys.modules[library].where(condition, a, b)


def exp(x: Any) -> Any:
    """Exponential."""
    return _function("exp", x)


def log(x: Any) -> Any:
    """Natural logarithm."""
    return _function("log", x)


def sqrt(x: Any) -> Any:
    """Square root."""
    return _function("sqrt", x)


def log_from_one(x: Any) -> Any:
    """Natural logarithm of 1 <= x < 2**32, made of ``+ - * /`` and comparisons: the same bits in every library."""
    power = 0.0 * x
    for k in (16, 8, 4, 2, 1):
        large = x >= 2.0**k
        x, power = where(large, x * 2.0**-k, x), where(large, power + float(k), power)
    high = x > SQRT_2
    x, power = where(high, x * 0.5, x), where(high, power + 1.0, power)
    y = (x - 1.0) / (x + 1.0)  # ln x = 2 atanh y, |y| < 0.172
    z = y * y
    total = 0.0 * x
    for term in ATANH:
        total = total * z + term
    return power * LOG_2 + 2.0 * (y * total)


def minimum(a: Any, b: Any) -> Any:
    """The smaller of two values."""
    return where(a < b, a, b)


def maximum(a: Any, b: Any) -> Any:
    """The larger of two values."""
    return where(a > b, a, b)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent, to a few units in the last place.

    Made of ``+ - * /`` alone, where `exp` is the library's own: kernels and reference give the same bits. Lambert's
    fraction at x / 8, then tanh(2 y) = 2 t / (1 + t t) three times; beyond 20 it is 1 in any of our types.
    """
    y = maximum(minimum(x, 20.0), -20.0) * 0.125
    q = y * y
    t = y * (135135.0 + q * (17325.0 + q * (378.0 + q))) / (135135.0 + q * (62370.0 + q * (3150.0 + q * 28.0)))
    for _ in range(3):
        t = 2.0 * t / (1.0 + t * t)
    return t


def _function(name: str, x: Any) -> Any:
    library = _library(x)
    if library == "neurosim":
        return _TRACED[name](x)
    return getattr(math if library == "math" else sys.modules[library], name)(x)
