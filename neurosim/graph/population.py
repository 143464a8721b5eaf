"""Populations: neurons of one unit, given spike trains, Poisson spike trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import NeurosimError, RangeError, ShapeError, check_seconds, nearest
from neurosim.graph.base import (
    Part,
    frozen,
    is_array,
    number,
    per_neuron,
    real_or_reals,
    reals,
    text,
    texts,
    whole,
    wholes,
)
from neurosim.graph.program import read_program
from neurosim.kernels.trace import trace
from neurosim.units import Arctan, Decay, Unit

FARTHEST = 1e6  # m from the origin, of a position
Parameters = Mapping[str, Any]  # name -> number or array (N,)


@dataclass(frozen=True, eq=False)
class Population(Part):
    """Neurons of one unit, as numbers and as text that needs no Python class to run. Most are made by `Population.of`.

    Args:
        name: of the population, unique in its graph.
        size: number of neurons N; may be 0.
        unit: ``repr`` of the unit, for people.
        program: text of the unit's `neurosim.kernels.trace.Program`.
        ports: names of the inputs.
        state: names of the S states.
        coeffs: names of the K coefficients.
        coefficients: (K, 1) if all neurons share them, or (K, N).
        initial: state to start from, (S, 1) or (S, N).
        dt: time step [s] the coefficients are made for; None if unknown.
        positions: (N, D) of the neurons [m], in 1 to 3 dimensions; None if it has none.

    Raises:
        ShapeError: an array does not fit size and names.
        RangeError: a number is not finite, names repeat.
        FormatError: the program is none.
    """

    name: str
    size: int
    unit: str
    program: str = field(repr=False)
    ports: tuple[str, ...]
    state: tuple[str, ...]
    coeffs: tuple[str, ...]
    coefficients: NDArray[Any] = field(repr=False)
    initial: NDArray[Any] = field(repr=False)
    dt: float | None = None
    positions: NDArray[Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        where = f"Population {text('Population.name', self.name)!r}"
        self.store(size=whole(f"{where}.size", self.size), unit=text(f"{where}.unit", self.unit))
        try:
            program = read_program(text("program", self.program))
        except NeurosimError as error:
            raise type(error)(f"{where}.{error}") from None
        for kind, count in (("ports", program.ports), ("state", program.states), ("coeffs", program.coeffs)):
            names = texts(f"{where}.{kind}", getattr(self, kind))
            if len(names) != count:
                raise ShapeError(f"{where}.{kind}: the program has {count}, got {names}.")
            self.store(**{kind: names})
        for kind, rows in (("coefficients", self.coeffs), ("initial", self.state)):
            values = reals(f"{where}.{kind}", getattr(self, kind), (2,))
            if values.shape not in ((len(rows), 1), (len(rows), self.size)):
                raise ShapeError(
                    f"{where}.{kind}: must be ({len(rows)}, 1) or ({len(rows)}, {self.size}), one row for each of "
                    f"{rows}, got {values.shape}."
                )
            self.store(**{kind: frozen(values, np.float64)})
        if self.dt is not None:
            check_seconds(f"{where}.dt", self.dt)
            self.store(dt=float(self.dt))
        self.store(positions=_positions(where, self.positions, self.size))

    @property
    def spiking(self) -> bool:
        """Whether the unit ever spikes."""
        return read_program(self.program).spiking

    @classmethod
    def of(
        cls,
        name: str,
        unit: Unit,
        size: int,
        dt: float,
        parameters: Parameters | None = None,
        initial: Parameters | None = None,
        positions: NDArray[Any] | None = None,
    ) -> Population:
        """``size`` neurons of ``unit``.

        Args:
            name: of the population.
            unit: such as ``units.LIF()``.
            size: number of neurons N.
            dt: time step [s].
            parameters: fields of the unit to replace, each by a number or by an array (N,) with one per neuron. Those
                of a wrapped unit are reached by their names. A field that is a `Decay` takes factors per step.
            initial: states to start from instead of the unit's own, each a number or an array (N,).
            positions: (N, D) [m].

        Raises:
            RangeError: an unknown name, a value the unit refuses (the first such neuron is named).
            ShapeError: an array that does not hold ``size`` entries.
        """
        where = f"Population {text('Population.name', name)!r}"
        kind: Any = type(unit)
        if not isinstance(unit, Unit) or "__dataclass_fields__" not in dir(kind) or kind.__hash__ is None:
            raise RangeError(f"{where}.unit: must be a unit such as units.LIF(), a frozen dataclass, got {unit!r}.")
        size = whole(f"{where}.size", size)
        check_seconds(f"{where}.dt", dt)
        arrays = sorted(n for n, v in (parameters or {}).items() if is_array(v))
        try:
            shared, own = _with_parameters(unit, dt, size, parameters or {})
            c, rest = own.coefficients(dt, _exp), own.initial()
            # traced without the cache, as arrays have no hash; a step that holds a parameter as a number fails here
            program = (trace.__wrapped__ if arrays else trace)(own, Arctan(), own.output)
        except NeurosimError as error:
            raise type(error)(f"{where}: {error}") from None
        except OverflowError as error:
            raise RangeError(f"{where}: the coefficients exceed the range of floats ({error}).") from None
        except (TypeError, ValueError) as error:  # a unit's own code that branches on an array, or calls math with one
            raise RangeError(f"{where}: {kind.__name__} cannot take these parameters per neuron ({error}).") from None
        start = {**dict(zip(own.state, rest, strict=True)), **_initial(where, own, size, initial or {})}
        described = f"{shared!r}; per neuron: {', '.join(arrays)}" if arrays else repr(shared)
        return cls(
            name, size, described, program.text(), tuple(own.ports), tuple(own.state), tuple(own.coeffs),
            _rows(where, own.coeffs, c), _rows(where, own.state, tuple(start.values())), float(dt), positions,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class SpikeSource(Part):
    """Given spike trains: neuron ``neurons[k]`` spikes in step ``steps[k]``.

    Args:
        name: of the population.
        size: number of neurons.
        steps: (K,) int64, never decreasing.
        neurons: (K,) int32, in ``0..size - 1``.
        positions: (N, D) of the neurons [m], in 1 to 3 dimensions; None if it has none.
    """

    name: str
    size: int
    steps: NDArray[Any] = field(repr=False)
    neurons: NDArray[Any] = field(repr=False)
    positions: NDArray[Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        where = f"SpikeSource {text('SpikeSource.name', self.name)!r}"
        self.store(
            size=whole(f"{where}.size", self.size),
            steps=wholes(f"{where}.steps", self.steps, high=2**62, dtype=np.int64),
            neurons=wholes(f"{where}.neurons", self.neurons, high=self.size - 1),
            positions=_positions(where, self.positions, self.size),
        )
        if len(self.steps) != len(self.neurons):
            raise ShapeError(
                f"{where}: steps and neurons must have one length, got {len(self.steps)} and {len(self.neurons)}."
            )
        if len(back := np.flatnonzero(np.diff(self.steps) < 0)):
            k = int(back[0]) + 1
            raise RangeError(
                f"{where}.steps[{k}]: steps must not decrease, got {self.steps[k]} after {self.steps[k - 1]}. "
                "Sort both arrays by order = numpy.argsort(steps, kind='stable')."
            )


@dataclass(frozen=True, eq=False)
class PoissonSource(Part):
    """Independent Poisson spike trains.

    Args:
        name: of the population.
        size: number of neurons N.
        rate: of each neuron [Hz], or (N,).
        positions: (N, D) of the neurons [m], in 1 to 3 dimensions; None if it has none.
    """

    name: str
    size: int
    rate: float | NDArray[Any]
    positions: NDArray[Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        where = f"PoissonSource {text('PoissonSource.name', self.name)!r}"
        size = whole(f"{where}.size", self.size)
        self.store(size=size, rate=real_or_reals(f"{where}.rate", self.rate, low=0))
        per_neuron(f"{where}.rate", self.rate, size)
        self.store(positions=_positions(where, self.positions, size))


def _positions(where: str, values: Any, size: int) -> NDArray[Any] | None:
    if values is None:
        return None
    found = reals(f"{where}.positions", values, (2,)).astype(np.float64)
    if found.shape[0] != size or not 1 <= found.shape[1] <= 3:
        raise ShapeError(f"{where}.positions: must be ({size}, D) with D = 1, 2 or 3, got {found.shape}.")
    if len(far := np.argwhere(np.abs(found) > FARTHEST)):
        raise RangeError(
            f"{where}.positions[{far[0][0]}]: must be within {FARTHEST:g} m of 0, got {found[far[0][0]].tolist()}."
        )
    return frozen(found, np.float64)


def _exp(x: Any) -> Any:
    """exp by the C library for every element, so that neurons with arrays equal those with numbers bit for bit."""
    if isinstance(x, np.ndarray):
        return np.array([math.exp(v) for v in x.tolist()], dtype=np.float64)
    return math.exp(x)


def _with_parameters(unit: Unit, dt: float, size: int, parameters: Parameters) -> tuple[Unit, Unit]:
    """The unit with the parameters that all neurons share, and the same with those per neuron as arrays."""
    numbers = {n: v if isinstance(v, Decay) else number(n, v) for n, v in parameters.items() if not is_array(v)}
    arrays = {n: reals(n, v).astype(np.float64) for n, v in parameters.items() if is_array(v)}
    for name, values in arrays.items():
        per_neuron(name, values, size)
    if not arrays:
        shared = _given(unit, numbers, _checked)
        return shared, shared
    ends = {int(end) for v in arrays.values() if size for end in (v.argmin(), v.argmax())}
    for k in sorted(ends):  # what the units of these neurons accept, those between them do
        try:
            _given(unit, numbers | {n: float(v[k]) for n, v in arrays.items()}, _checked).coefficients(dt)
        except NeurosimError as error:
            raise type(error)(f"neuron {k}: {error}") from None
    return _given(unit, numbers, _unchecked), _given(unit, numbers | arrays, _unchecked)


def _given(unit: Unit, values: Mapping[str, Any], make: Callable[[Unit, dict[str, Any]], Unit]) -> Unit:
    """``unit`` with fields replaced, those it does not have in the unit it wraps."""
    known: dict[str, Any] = getattr(unit, "__dataclass_fields__", {})
    own = {n: v for n, v in values.items() if n in known and not isinstance(getattr(unit, n), Unit)}
    others = {n: v for n, v in values.items() if n not in own}
    wrapped = [n for n in known if isinstance(getattr(unit, n), Unit)]
    if others and not wrapped:
        name = next(iter(others))
        raise RangeError(
            f"{type(unit).__name__} has no parameter {name!r}; it has {list(known)}.{nearest(name, known)}"
        )
    if others:
        own[wrapped[0]] = _given(getattr(unit, wrapped[0]), others, make)
    return make(unit, own)


def _checked(unit: Unit, values: dict[str, Any]) -> Unit:
    return replace(unit, **_as_decays(unit, values, Decay))  # type: ignore[type-var]


def _unchecked(unit: Unit, values: dict[str, Any]) -> Unit:
    return unit.with_values(**_as_decays(unit, values, Decay.unchecked))


def _as_decays(unit: Unit, values: dict[str, Any], make: Callable[[Any], Decay]) -> dict[str, Any]:
    """Numbers that replace a `Decay` are factors per step."""
    wanted = {n for n, v in values.items() if isinstance(getattr(unit, n), Decay) and not isinstance(v, Decay)}
    return {n: make(v) if n in wanted else v for n, v in values.items()}


def _initial(where: str, unit: Unit, size: int, initial: Parameters) -> dict[str, Any]:
    start = {}
    for name, value in initial.items():
        if name not in unit.state:
            known = ", ".join(map(repr, unit.state))
            raise RangeError(
                f"{where}.initial: no state is called {name!r}; there are {known}.{nearest(name, unit.state)}"
            )
        start[name] = real_or_reals(f"{where}.initial[{name!r}]", value)
        per_neuron(f"{where}.initial[{name!r}]", start[name], size)
    return start


def _rows(where: str, names: tuple[str, ...], values: tuple[Any, ...]) -> NDArray[Any]:
    """Numbers and arrays (N,) as rows (., 1) or (., N)."""
    if len(values) != len(names):
        raise RangeError(f"{where}: the unit must give {len(names)} numbers {names}, got {len(values)}.")
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in values)) if names else []
    return np.stack(columns) if names else np.zeros((0, 1))
