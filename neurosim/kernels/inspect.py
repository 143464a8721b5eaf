"""What Numba makes of a program's scalar functions: for the checks in `neurosim.testing`."""

from __future__ import annotations

from typing import Any

from numba import float32, njit

from neurosim.kernels.codegen import model_source
from neurosim.kernels.trace import Program

FUNCTIONS = ("step", "reset", "slope", "adjoint")


def types_in_float32(program: Program) -> dict[str, set[str]]:
    """Types of all variables and results of each scalar function, compiled for float32 arguments."""
    scope: dict[str, Any] = {}
    exec(model_source(program, "float32"), scope)  # our own generated text
    found = {}
    for name in FUNCTIONS:
        function = njit(scope[name].py_func, error_model="numpy")
        function.compile((float32,) * scope[name].py_func.__code__.co_argcount)
        (overload,) = function.overloads.values()
        types = overload.type_annotation.typemap.items()
        kinds = {str(k) for variable, k in types if not variable.startswith("$const")}  # FLOAT(1.0) folds its literal
        found[name] = kinds | {str(overload.signature.return_type)}
    return found
