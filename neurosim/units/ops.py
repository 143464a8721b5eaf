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


def minimum(a: Any, b: Any) -> Any:
    """The smaller of two values."""
    return where(a < b, a, b)


def maximum(a: Any, b: Any) -> Any:
    """The larger of two values."""
    return where(a > b, a, b)


def _function(name: str, x: Any) -> Any:
    library = _library(x)
    if library == "neurosim":
        return _TRACED[name](x)
    return getattr(math if library == "math" else sys.modules[library], name)(x)
