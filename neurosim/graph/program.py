"""Check the text of a `Program` before anything compiles it: a graph file may come from anywhere.

Kernels are generated from this text, so it must hold nothing but what `neurosim.kernels.trace` writes: straight-line
arithmetic on its arguments.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

from neurosim.errors import FormatError
from neurosim.kernels.trace import Program

MOST = 1000  # states, ports, coefficients of one unit
TYPES = {"str": str, "int": int, "bool": bool}
FUNCTIONS = {
    "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1", "fabs", "floor", "hypot",
    "log", "log10", "log1p", "log2", "pow", "sin", "sinh", "sqrt", "tan", "tanh",
}  # fmt: skip
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.BitAnd, ast.BitOr)
COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


@lru_cache(maxsize=256)
def read_program(text: str) -> Program:
    """The program written by ``text``.

    Raises:
        FormatError: it is no program, or holds anything but straight-line arithmetic.
    """
    try:
        values = json.loads(text)
        _check_fields(values)
        program = Program(**values)
        _check_functions(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # of json, ast and our own
        raise FormatError(f"program: must be the text of a traced unit, got {text[:60]!r}... ({error}).") from None
    return program


def _check_fields(values: Any) -> None:
    expected: dict[str, Any] = {f.name: TYPES[str(f.type)] for f in fields(Program)}
    if not isinstance(values, dict) or set(values) != set(expected):
        raise FormatError(f"expected the fields {sorted(expected)}")
    for name, kind in expected.items():
        value = values[name]
        if type(value) is not kind or (kind is int and not -1 <= value <= MOST):
            raise FormatError(f"field {name!r} is {value!r:.60}")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]{0,99}", values["name"]):
        raise FormatError(f"the name {values['name']!r:.60} is no identifier")


def _check_functions(p: Program) -> None:
    counts = (p.states, p.ports, p.coeffs, p.parameters)
    if min(counts) < 0 or not p.states or p.output >= p.states or (p.output < 0 and not p.spiking):
        raise FormatError(f"its counts {counts}, output {p.output} and spiking {p.spiking} do not fit together")
    s, x, c, k = ([f"{letter}{i}" for i in range(n)] for letter, n in zip("sxck", counts, strict=True))
    _check_function(p.step, "step", [*s, *x, *c], p.states + p.spiking)
    _check_function(p.reset, "reset", [*s, "z", *c], p.states)
    _check_function(p.quiet, "quiet", [*s, *c], 1)
    _check_function(p.slope, "slope", ["u", *k], 1)


def _check_function(source: str, name: str, arguments: Sequence[str], results: int) -> None:
    signature, _, body = source.partition("\n")
    if signature != f"def {name}({', '.join(arguments)}):":
        raise FormatError(f"{name} starts with {signature[:60]!r}")
    match ast.parse(f"def {name}():\n{body}").body:
        case [ast.FunctionDef(body=[*lines, ast.Return(value=ast.Tuple(elts=values))])] if len(values) == results:
            known = set(arguments)
        case _:
            raise FormatError(f"{name} must end by returning {results} values, and nothing may follow")
    for line in lines:
        match line:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if re.fullmatch(r"t[0-9]+", target):
                _check_expression(name, value, known)
                known.add(target)
            case _:
                raise FormatError(f"{name} has the line {ast.unparse(line)[:60]!r}")
    for value in values:
        _check_expression(name, value, known)


def _check_expression(where: str, node: ast.expr, known: set[str]) -> None:
    match node:
        case ast.Name(id=name) if name in known:
            parts: list[ast.expr] = []
        case ast.Constant(value=bool()):
            parts = []
        case ast.Call(func=ast.Name(id="FLOAT"), args=[value], keywords=[]) if _is_literal(value):
            parts = []
        case ast.BinOp(left=left, op=symbol, right=right) if isinstance(symbol, ARITHMETIC):
            parts = [left, right]
        case ast.Compare(left=left, ops=[order], comparators=[right]) if isinstance(order, COMPARISONS):
            parts = [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            parts = [operand]
        case ast.IfExp(test=test, body=body, orelse=other):
            parts = [test, body, other]
        case ast.Call(func=ast.Name(id="abs"), args=[value], keywords=[]):
            parts = [value]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="math"), attr=function), args=parts, keywords=[]) if (
            function in FUNCTIONS
        ):
            pass
        case _:
            raise FormatError(f"{where} has the expression {ast.unparse(node)[:60]!r}")
    for part in parts:
        _check_expression(where, part, known)


def _is_literal(node: ast.expr) -> bool:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=float())):
            return True
        case ast.Constant(value=float()):
            return True
    return False
