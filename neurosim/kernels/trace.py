"""Record a unit's `step`, `reset` and `quiet` as straight-line code, in the order the unit wrote it.

The record (`Program`) is text: kernels are generated from it, it hashes to the kernel's name on disk, the adjoint is
derived from it, and an exported graph that carries it needs no Python class to run. Rounding is that of the unit's
own text, because no operation is moved.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from neurosim.errors import RangeError, UnsupportedError
from neurosim.units.base import Unit
from neurosim.units.ops import register_tracer
from neurosim.units.surrogate import Surrogate


class Tape:
    """Lines of straight-line code; equal expressions are recorded once."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def emit(self, expression: str, boolean: bool = False) -> Value:
        if expression not in self.names:
            self.names[expression] = f"t{len(self.names)}"
        return Value(self, self.names[expression], boolean)

    def lines(self) -> list[str]:
        return [f"{name} = {expression}" for expression, name in self.names.items()]


class Value:
    """A number on a `Tape`: arithmetic records a line and returns its name."""

    __slots__ = ("boolean", "name", "tape")

    def __init__(self, tape: Tape, name: str, boolean: bool = False) -> None:
        self.tape, self.name, self.boolean = tape, name, boolean

    def __bool__(self) -> bool:
        raise UnsupportedError(
            "a unit's step, reset and quiet must not branch on a value (if, and, or, min, max): "
            "use neurosim.units.ops.where, & and |, minimum, maximum."
        )

    def __pow__(self, n: object) -> Value:
        if n != 2:
            raise UnsupportedError(f"a unit's functions may use ** 2 only, got ** {n!r}: write the product.")
        return _operator("*", False, False)(self, self)

    def __float__(self) -> float:
        raise UnsupportedError(
            "a unit's step, reset and quiet work on recorded values, which are no floats (math.exp, float, int): "
            "use neurosim.units.ops.exp, log, sqrt."
        )

    def number(self) -> Value:
        """This value; a condition is none (libraries disagree about the type of condition * number)."""
        if self.boolean:
            raise UnsupportedError(
                "a unit's functions must not calculate with a condition: use neurosim.units.ops.where(condition, a, b)."
            )
        return self

    def __neg__(self) -> Value:
        return self.tape.emit(f"-{self.number().name}")

    def __abs__(self) -> Value:
        return self.tape.emit(f"abs({self.number().name})")

    def __invert__(self) -> Value:
        return self.tape.emit(f"not {self.name}", boolean=True)


def _operator(symbol: str, boolean: bool, swapped: bool) -> Callable[[Value, Any], Value]:
    def record(self: Value, other: Any) -> Value:
        a, b = (self.name, _literal(other)) if boolean else (self.number().name, _numeral(other))
        return self.tape.emit(f"{b} {symbol} {a}" if swapped else f"{a} {symbol} {b}", boolean)

    return record


for _name, _symbol in {"add": "+", "sub": "-", "mul": "*", "truediv": "/"}.items():
    setattr(Value, f"__{_name}__", _operator(_symbol, False, False))
    setattr(Value, f"__r{_name}__", _operator(_symbol, False, True))
for _name, _symbol in {
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
    "and": "&",
    "or": "|",
}.items():
    setattr(Value, f"__{_name}__", _operator(_symbol, True, False))
for _name, _symbol in {"and": "&", "or": "|"}.items():  # a plain False of the default quiet may stand on the left
    setattr(Value, f"__r{_name}__", _operator(_symbol, True, True))


def _literal(x: Any) -> str:
    if isinstance(x, Value):
        return x.name
    if isinstance(x, bool):
        return repr(x)
    try:
        return f"FLOAT({float(x)!r})"
    except (TypeError, ValueError):
        raise UnsupportedError(f"a unit's functions work on numbers only, got {x!r}.") from None


def _numeral(x: Any) -> str:
    return x.number().name if isinstance(x, Value) else _literal(float(x) if isinstance(x, bool) else x)


def _tape_of(*args: Any) -> Tape:
    return next(a.tape for a in args if isinstance(a, Value))


def _where(condition: Any, a: Any, b: Any) -> Value:
    return _tape_of(condition, a, b).emit(f"{_literal(a)} if {_literal(condition)} else {_literal(b)}")


register_tracer(
    {"where": _where} | {f: lambda x, f=f: x.tape.emit(f"math.{f}({x.name})") for f in ("exp", "log", "sqrt")}
)


@dataclass(frozen=True)
class Program:
    """Straight-line code of one unit and one surrogate, ready to be compiled for any device.

    ``step``, ``reset``, ``quiet`` and ``slope`` are the source of functions of plain scalars.
    ``output`` is -1 for spikes, else the index of the state that the layer returns.
    """

    name: str
    ports: int
    states: int
    coeffs: int
    parameters: int
    spiking: bool
    output: int
    detach_reset: bool
    step: str
    reset: str
    quiet: str
    slope: str

    def text(self) -> str:
        """JSON; the argument of the torch ops."""
        return json.dumps(asdict(self))

    @classmethod
    @lru_cache(maxsize=256)
    def from_text(cls, text: str) -> Program:
        """The program written by `text`."""
        return cls(**json.loads(text))


@lru_cache(maxsize=256)
def trace(unit: Unit, surrogate: Surrogate, output: str = "spikes", detach_reset: bool = False) -> Program:
    """Record ``unit`` with ``surrogate`` as a `Program`.

    Args:
        output: "spikes", or the name of the state the layer returns.
        detach_reset: let no gradient flow through the reset.

    Raises:
        RangeError: the unit's declarations and its functions do not agree.
        UnsupportedError: a function branches on a value or uses what is not in `neurosim.units.ops`.
    """
    if output != "spikes" and output not in unit.state:
        raise RangeError(f"output: must be 'spikes' or a state of {type(unit).__name__} {unit.state}, got {output!r}.")
    for kind, names in (("state", unit.state), ("coeffs", unit.coeffs), ("ports", unit.ports)):
        if len(set(names)) != len(names):
            raise RangeError(f"{type(unit).__name__}.{kind}: names must differ, got {names}.")
    if not unit.state:
        raise RangeError(f"{type(unit).__name__}.state: a unit needs at least one state, got none.")
    spiking = _spikes(unit)
    if output == "spikes" and not spiking:
        raise RangeError(f"output: {type(unit).__name__} never spikes; choose one of its states {unit.state}.")
    s, x, c = _names("s", unit.state), _names("x", unit.ports), _names("c", unit.coeffs)
    return Program(
        name=type(unit).__name__,
        ports=len(x),
        states=len(s),
        coeffs=len(c),
        parameters=len(surrogate.parameters()),
        spiking=spiking,
        output=-1 if output == "spikes" else unit.state.index(output),
        detach_reset=detach_reset,
        step=_record("step", [*s, *x, *c], lambda v: _step(unit, v)),
        reset=_record("reset", [*s, "z", *c], lambda v: _reset(unit, v)),
        quiet=_record("quiet", [*s, *c], lambda v: (unit.quiet(v[: len(s)], v[len(s) :]),)),
        slope=_record("slope", ["u", *_names("k", surrogate.parameters())], lambda v: (surrogate.slope(v[0], v[1:]),)),
    )


def _names(prefix: str, of: tuple[Any, ...]) -> list[str]:
    return [f"{prefix}{i}" for i in range(len(of))]


def _spikes(unit: Unit) -> bool:
    tape = Tape()
    s, x, c = (
        tuple(Value(tape, n) for n in _names(p, of))
        for p, of in zip("sxc", (unit.state, unit.ports, unit.coeffs), strict=True)
    )
    return unit.step(s, x, c)[1] is not None


def _step(unit: Unit, v: tuple[Any, ...]) -> tuple[Any, ...]:
    n, p = len(unit.state), len(unit.ports)
    state, u = unit.step(v[:n], v[n : n + p], v[n + p :])
    return (*_state_of(unit, "step", state), *(() if u is None else (u,)))


def _reset(unit: Unit, v: tuple[Any, ...]) -> tuple[Any, ...]:
    n = len(unit.state)
    return _state_of(unit, "reset", unit.reset(v[:n], v[n], v[n + 1 :]))


def _state_of(unit: Unit, function: str, state: Any) -> tuple[Any, ...]:
    if not isinstance(state, tuple) or len(state) != len(unit.state):
        raise RangeError(
            f"{type(unit).__name__}.{function}: must return the state as a tuple of {len(unit.state)} "
            f"({', '.join(unit.state)}), got {state!r}."
        )
    return state


def _record(name: str, args: list[str], function: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> str:
    tape = Tape()
    results = function(tuple(Value(tape, a) for a in args))
    body = [*tape.lines(), f"return ({', '.join(_literal(r) for r in results)},)"]
    return "\n    ".join([f"def {name}({', '.join(args)}):", *body]) + "\n"
