"""Derive the adjoint of a unit from its recorded step and reset, with SymPy; nobody writes one by hand."""

from __future__ import annotations

from typing import Any

from neurosim.kernels.trace import Program


def derive_adjoint(program: Program) -> str:
    """Source of ``adjoint(s.., x.., c.., g.., gz, h, z) -> gs.., gx.., gc..`` for one time step.

    ``g`` is dL/d(state after reset), ``gz`` dL/d(spike) from outside, ``h`` the surrogate slope at u, ``z`` the spike.
    With p = step(s, x, c), r = reset(p, z, c) and z = spike(u):

        gu  = (gz + sum_j g_j dr_j/dz) h          (without the sum when the reset is detached)
        gp  = sum_j g_j dr_j/dp
        gs  = gp dp/ds + gu du/ds                 and likewise for x and c; c also enters r.
    """
    import sympy

    n, d = program.states, _Symbols(program)
    *p, u = _run(program.step, [*d.s, *d.x, *d.c]) if program.spiking else [*_run(program.step, [*d.s, *d.x, *d.c]), 0]
    r = _run(program.reset, [*d.p, d.z, *d.c])
    to_p = dict(zip(d.p, p, strict=True))

    def pull(target: Any) -> Any:  # sum_j g_j dr_j/dtarget, at the step's result
        return sum(g * sympy.diff(r_j, target).subs(to_p) for g, r_j in zip(d.g, r, strict=True))

    gu = (d.gz + (0 if program.detach_reset else pull(d.z))) * d.h if program.spiking else sympy.Integer(0)
    name_gu, name_gp = sympy.Symbol("gu", real=True), [sympy.Symbol(f"gp{i}", real=True) for i in range(n)]

    def through_step(target: Any) -> Any:
        moved = sum(g * sympy.diff(p_k, target) for g, p_k in zip(name_gp, p, strict=True))
        return moved + (name_gu * sympy.diff(u, target) if program.spiking else 0)

    out = [through_step(v) for v in [*d.s, *d.x]] + [through_step(v) + pull(v) for v in d.c]
    return _emit(d, [(name_gu, gu), *zip(name_gp, [pull(v) for v in d.p], strict=True)], out)


class _Symbols:
    def __init__(self, program: Program) -> None:
        import sympy

        def real(prefix: str, n: int) -> list[Any]:
            return [sympy.Symbol(f"{prefix}{i}", real=True) for i in range(n)]

        self.s, self.g, self.p = real("s", program.states), real("g", program.states), real("p", program.states)
        self.x, self.c = real("x", program.ports), real("c", program.coeffs)
        self.gz, self.h, self.z = (sympy.Symbol(n, real=True) for n in ("gz", "h", "z"))

    def arguments(self) -> str:
        return ", ".join(str(a) for a in [*self.s, *self.x, *self.c, *self.g, self.gz, self.h, self.z])


def _run(source: str, args: list[Any]) -> list[Any]:
    """Call recorded source on symbols: conditional expressions become Piecewise."""
    import sympy

    from neurosim.units import ops

    header, *lines = source.strip().splitlines()
    names = header[header.index("(") + 1 : header.rindex(")")].split(", ")
    scope: dict[str, Any] = dict(zip(names, args, strict=True))
    scope |= {"FLOAT": _number, "math": sympy, "where": ops.where, "abs": sympy.Abs, "Eq": sympy.Eq, "Ne": sympy.Ne}
    for line in lines[:-1]:
        name, expression = line.strip().split(" = ", 1)
        if " if " in expression:
            a, rest = expression.split(" if ")
            condition, b = rest.split(" else ")
            expression = f"where({condition}, {a}, {b})"
        elif " == " in expression or " != " in expression:  # on symbols, == compares the symbols themselves
            a, relation, b = expression.partition(" == ") if " == " in expression else expression.partition(" != ")
            expression = f"{'Eq' if '==' in relation else 'Ne'}({a}, {b})"
        elif expression.startswith("not "):
            expression = f"~({expression[4:]})"
        scope[name] = eval(expression, {"__builtins__": {}}, scope)  # our own recorded text, never a user's string
    return list(eval(lines[-1].strip().removeprefix("return "), {"__builtins__": {}}, scope))


def _number(value: float) -> Any:
    import sympy

    return sympy.Integer(int(value)) if value == int(value) and abs(value) < 2**53 else sympy.Float(value, 17)


def _emit(d: _Symbols, named: list[tuple[Any, Any]], out: list[Any]) -> str:
    import sympy

    shared, reduced = sympy.cse([e for _, e in named] + out, symbols=sympy.numbered_symbols("a"))
    printer = _printer()
    values, results = reduced[: len(named)], reduced[len(named) :]
    lines = [(str(name), printer.doprint(e)) for name, e in shared]
    lines += [(str(name), printer.doprint(e)) for (name, _), e in zip(named, values, strict=True)]
    body = _in_order(lines)
    body.append(f"return ({', '.join(printer.doprint(e) for e in results)},)")
    return "\n    ".join([f"def adjoint({d.arguments()}):", *body]) + "\n"


def _in_order(lines: list[tuple[str, str]]) -> list[str]:
    """Sort assignments so that each name is defined before it is used (cse may share terms that use gu or gp)."""
    import re

    body, waiting, names = [], list(lines), {name for name, _ in lines}
    while waiting:
        name, expression = next((n, e) for n, e in waiting if not (set(re.findall(r"\w+", e)) & names))
        body.append(f"{name} = {expression}")
        names.discard(name)
        waiting = [(n, e) for n, e in waiting if n != name]
    return body


def _printer() -> Any:
    from sympy.printing.pycode import PythonCodePrinter

    class Scalar(PythonCodePrinter):  # type: ignore[misc]
        """Python source in which every number has the kernel's float type."""

        def _print_Integer(self, e: Any) -> str:
            return f"FLOAT({int(e)}.0)"

        def _print_Float(self, e: Any) -> str:
            return f"FLOAT({float(e)!r})"

        def _print_Rational(self, e: Any) -> str:
            return f"FLOAT({int(e.p) / int(e.q)!r})"

        def _print_Pow(self, e: Any, rational: bool = False) -> str:
            base = self.parenthesize(e.base, 100)
            if e.exp.is_Integer:
                product = " * ".join([base] * abs(int(e.exp)))
                return f"({product})" if e.exp > 0 else f"(FLOAT(1.0) / ({product}))"
            if float(e.exp) in (0.5, -0.5):
                return f"math.sqrt({base})" if e.exp > 0 else f"(FLOAT(1.0) / math.sqrt({base}))"
            return f"math.pow({base}, {self._print(e.exp)})"

        def _print_sign(self, e: Any) -> str:
            a = self.parenthesize(e.args[0], 100)
            return f"(FLOAT(1.0) if {a} > FLOAT(0.0) else (FLOAT(-1.0) if {a} < FLOAT(0.0) else FLOAT(0.0)))"

        def _print_Piecewise(self, e: Any) -> str:
            text = self._print(e.args[-1].expr)
            for piece in reversed(e.args[:-1]):
                text = f"({self._print(piece.expr)} if {self._print(piece.cond)} else {text})"
            return f"({text})"

    return Scalar({"fully_qualified_modules": True})
