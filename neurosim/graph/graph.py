"""`Graph`: a frozen network of populations, projections, stimuli and probes, checked as a whole."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.errors import RangeError, check_choice, check_seconds
from neurosim.graph.base import Part, find, per_neuron, whole, wholes
from neurosim.graph.distributions import Distribution
from neurosim.graph.layouts import projection_bytes, scale_of
from neurosim.graph.parts import CurrentInput, PoissonInput, Projection, RateProbe, SpikeProbe, StateProbe, WeightProbe
from neurosim.graph.plasticity import Plasticity, RewardSTDP
from neurosim.graph.population import PoissonSource, Population, SpikeSource
from neurosim.graph.rules import DistanceDependent

AnyPopulation = Population | SpikeSource | PoissonSource
Stimulus = PoissonInput | CurrentInput
Probe = SpikeProbe | RateProbe | StateProbe | WeightProbe
PRECISIONS = ("float32", "float64")


@dataclass(frozen=True, eq=False)
class Graph(Part):
    """A network, ready to be run, saved and compared. Everything is checked here, so nothing is checked later.

    Args:
        dt: time step [s].
        populations: with different names.
        projections: with different names, between these populations.
        stimuli: input to these populations.
        probes: what is recorded.
        seed: of all random numbers, 0..2**64 - 1.
        precision: "float32" or "float64", of states and weights.

    Raises:
        RangeError: unknown or repeated names, indices and delays out of range, numbers beyond the precision.
        ShapeError: arrays that do not fit the populations.

    Example:
        >>> from neurosim.graph import FixedInDegree, Graph, PoissonSource, Population, Projection
        >>> from neurosim.units import LIF
        >>> noise, cells = PoissonSource("noise", 100, rate=8.0), Population.of("cells", LIF(), 1000, dt=1e-4)
        >>> drive = Projection("drive", "noise", "cells", "x", FixedInDegree(10), weight=0.1, delay=15)
        >>> graph = Graph(1e-4, (noise, cells), (drive,))
        >>> graph
        Graph(2 populations of 1,100, 1 projections of 10,000 synapses, dt=0.0001 s, float32)
    """

    dt: float
    populations: tuple[AnyPopulation, ...]
    projections: tuple[Projection, ...] = ()
    stimuli: tuple[Stimulus, ...] = ()
    probes: tuple[Probe, ...] = ()
    seed: int = 0
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_seconds("Graph.dt", self.dt)
        check_choice("Graph.precision", self.precision, PRECISIONS)
        self.store(
            dt=float(self.dt),
            populations=_parts("populations", self.populations, AnyPopulation),
            projections=_parts("projections", self.projections, Projection),
            stimuli=_parts("stimuli", self.stimuli, Stimulus),
            probes=_parts("probes", self.probes, Probe),
            seed=whole("Graph.seed", self.seed, high=2**64 - 1),
        )
        _check_names("populations", self.populations)
        _check_names("projections", self.projections)
        for population in self.populations:
            self._check_population(population)
        for projection in self.projections:
            self._check_projection(projection)
        for stimulus in self.stimuli:
            self._check_stimulus(stimulus)
        for probe in self.probes:
            self._check_probe(probe)

    def __repr__(self) -> str:
        neurons, synapses = sum(p.size for p in self.populations), sum(self.synapses(p) for p in self.projections)
        return (
            f"Graph({len(self.populations)} populations of {neurons:,}, {len(self.projections)} projections of "
            f"{synapses:,.0f} synapses, dt={self.dt:g} s, {self.precision})"
        )

    def population(self, name: str) -> AnyPopulation:
        """The population called ``name``, or `RangeError` with the nearest match."""
        return find("Graph", name, {p.name: p for p in self.populations}, "population")

    def projection(self, name: str) -> Projection:
        """The projection called ``name``, or `RangeError` with the nearest match."""
        return find("Graph", name, {p.name: p for p in self.projections}, "projection")

    def synapses(self, projection: str | Projection) -> float:
        """Expected number of synapses of a projection; exact for every rule but `Bernoulli` and `DistanceDependent`."""
        p = projection if isinstance(projection, Projection) else self.projection(projection)
        source, target, same = self.population(p.source), self.population(p.target), p.source == p.target
        if isinstance(p.rule, DistanceDependent):
            assert source.positions is not None and target.positions is not None
            return p.rule.expected_at(source.positions, target.positions, same)
        return p.rule.expected(source.size, target.size, same)

    def memory_bytes(self, lanes: int = 1) -> int:
        """Estimate of the memory a simulation needs [B]: synapses and their tables, states, spike history, arrays here.

        What is recorded is not counted, and what Python and compiled kernels need (0.2 GB) neither.

        Args:
            lanes: blocks the targets are cut into, one per thread.
        """
        lanes, number = whole("Graph.memory_bytes: lanes", lanes, low=1), np.dtype(self.precision).itemsize
        total = float(_array_bytes(self))
        longest = dict.fromkeys((p.name for p in self.populations), 0)
        for p in self.projections:
            low, high = p.delays(self.dt)
            longest[p.source] = max(longest[p.source], high)
            sources, targets = self.population(p.source).size, self.population(p.target).size
            total += projection_bytes(p, sources, targets, lanes, number, sources * (high - low + 1) + 1)
        for q in self.populations:
            steps = (
                1 << longest[q.name].bit_length() if longest[q.name] else 0
            )  # a power of two above the longest delay
            total += q.size * (4 * steps + 1)
            if isinstance(q, Population):
                per_neuron_rows = len(q.coeffs) if q.coefficients.shape[1] != 1 else 0
                graded = {p.signal for p in self.projections if p.graded and p.source == q.name}
                total += q.size * number * (len(q.state) + len(q.ports) + per_neuron_rows + steps * len(graded))
        return math.ceil(total)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a graph file (HDF5, with a checksum); it appears whole or not at all.

        Raises:
            OutputError: the file cannot be written.
        """
        from neurosim.graph.store import save_graph

        save_graph(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Graph:
        """Read a graph file.

        Raises:
            FormatError: it is no graph file, is damaged or cut short, or was written by a newer neurosim.
            OSError: the file cannot be read.
        """
        from neurosim.graph.store import load_graph

        return load_graph(path)

    def _target(self, where: str, name: str, port: str) -> Population:
        target = find(f"{where}.target", name, {p.name: p for p in self.populations}, "population")
        if not isinstance(target, Population):
            raise RangeError(f"{where}.target: {name!r} is a {type(target).__name__}, which has no ports.")
        find(f"{where}.port", port, dict.fromkeys(target.ports), f"port of {name!r}")
        return target

    def _check_population(self, p: AnyPopulation) -> None:
        if not isinstance(p, Population):
            return
        where = f"Population {p.name!r}"
        if p.dt is not None and not math.isclose(p.dt, self.dt, rel_tol=1e-9):
            raise RangeError(f"{where}: is made for dt = {p.dt:g} s, the graph has dt = {self.dt:g} s; use one dt.")
        for kind in ("coefficients", "initial"):
            self._check_range(f"{where}.{kind}", getattr(p, kind))

    def _check_projection(self, p: Projection) -> None:
        where = f"Projection {p.name!r}"
        source = find(f"{where}.source", p.source, {q.name: q for q in self.populations}, "population")
        if p.graded:
            self._check_signal(where, p, source)
        elif isinstance(source, Population) and not source.spiking:
            raise RangeError(
                f"{where}.source: {p.source!r} never spikes ({source.unit}); signal= one of its states {source.state} "
                "carries that."
            )
        target = self._target(where, p.target, p.port)
        p.rule.check(where, source.size, target.size, p.source == p.target)
        if isinstance(p.rule, DistanceDependent):
            p.rule.check_positions(where, source.positions, target.positions)
        names = [q.name for q in self.populations]
        if p.delays(self.dt)[0] == 0 and names.index(p.source) >= names.index(p.target):
            raise RangeError(
                f"{where}.delay: must be at least one step (dt = {self.dt:g} s), got 0: spikes can arrive in their own "
                f"step only in a population that comes after {p.source!r}."
            )
        if not isinstance(p.weight, Distribution):
            self._check_range(f"{where}.weight", p.weight)
        if not np.dtype(self.precision).type(scale_of(p)) > 0:
            raise RangeError(f"{where}.scale: {scale_of(p)!r} is 0 in {self.precision}; use precision='float64'.")
        if p.plasticity is not None:
            self._check_plasticity(f"{where}.plasticity", p, p.plasticity)

    def _check_signal(self, where: str, p: Projection, source: AnyPopulation) -> None:
        states = dict.fromkeys(source.state) if isinstance(source, Population) else {}
        find(f"{where}.signal", p.signal, states, f"state of {p.source!r}")
        if p.delays(self.dt)[0] == 0:
            raise RangeError(
                f"{where}.delay: the value of a state arrives after one step (dt = {self.dt:g} s) or more, got 0."
            )

    def _check_plasticity(self, where: str, p: Projection, rule: Plasticity) -> None:
        shortest = p.delays(self.dt)[0]
        if shortest == 0:
            raise RangeError(f"{where}: synapses with delay 0 do not change; give a delay of at least one step.")
        if rule.dendritic_steps(self.dt) > shortest:
            raise RangeError(
                f"{where}.dendritic_delay: must be at most the shortest delay of {shortest * self.dt:g} s, "
                f"got {rule.dendritic_delay:g} s."
            )
        if not isinstance(rule, RewardSTDP):
            return
        modulator = find(f"{where}.modulator", rule.modulator, {q.name: q for q in self.populations}, "population")
        if isinstance(modulator, Population) and not modulator.spiking:
            raise RangeError(f"{where}.modulator: {rule.modulator!r} never spikes ({modulator.unit}).")
        if rule.modulator_steps(self.dt) < 1:
            raise RangeError(
                f"{where}.modulator_delay: must be at least one step (dt = {self.dt:g} s), "
                f"got {rule.modulator_delay!r}."
            )

    def _check_stimulus(self, s: Stimulus) -> None:
        where = f"{type(s).__name__} to {s.target!r}"
        size = self._target(where, s.target, s.port).size
        kind, values = ("rate", s.rate) if isinstance(s, PoissonInput) else ("value", s.value)
        per_neuron(f"{where}.{kind}", values, size)
        self._check_range(where, s.weight if isinstance(s, PoissonInput) else values)

    def _check_probe(self, probe: Probe) -> None:
        if isinstance(probe, WeightProbe):
            find("WeightProbe", probe.projection, {q.name: q for q in self.projections}, "projection")
            return
        where = f"{type(probe).__name__} {probe.population!r}"
        p = find(where, probe.population, {q.name: q for q in self.populations}, "population")
        if isinstance(probe, (SpikeProbe, RateProbe)):
            if isinstance(p, Population) and not p.spiking:
                raise RangeError(f"{where}: {p.name!r} never spikes ({p.unit}); probe one of its states {p.state}.")
            if isinstance(probe, RateProbe) and not p.size:
                raise RangeError(f"{where}: a rate needs at least one neuron, {p.name!r} has none.")
            return
        states = dict.fromkeys(p.state) if isinstance(p, Population) else {}
        find(f"{where}.state", probe.state, states, f"state of {p.name!r}")
        if probe.neurons is not None:
            wholes(f"{where}.neurons", probe.neurons, high=p.size - 1)

    def _check_range(self, where: str, values: Any) -> None:
        """Raise `RangeError` if a number that is finite here overflows in the graph's precision."""
        largest = float(np.finfo(self.precision).max)
        values = np.asarray(values)
        if values.size and max(float(values.max()), -float(values.min())) > largest:
            worst = float(values.flat[int(np.abs(values).argmax())])
            raise RangeError(f"{where}: {worst!r} is beyond the range of {self.precision}; use precision='float64'.")


def _parts(name: str, values: Any, kind: Any) -> tuple[Any, ...]:
    if not isinstance(values, Iterable) or isinstance(values, (str, dict)):
        raise RangeError(f"Graph.{name}: must be a sequence, got {values!r}.")
    found = tuple(values)
    for k, value in enumerate(found):
        if not isinstance(value, kind):
            kinds = " or ".join(t.__name__ for t in getattr(kind, "__args__", (kind,)))
            raise RangeError(f"Graph.{name}[{k}]: must be a {kinds}, got {value!r}.")
    return found


def _check_names(kind: str, parts: tuple[Any, ...]) -> None:
    seen: dict[str, int] = {}
    for k, part in enumerate(parts):
        if part.name in seen:
            raise RangeError(
                f"Graph.{kind}[{k}]: {part.name!r} is the name of Graph.{kind}[{seen[part.name]}] already."
            )
        seen[part.name] = k


def _array_bytes(value: Any) -> int:
    """Bytes of all arrays of a part and its parts."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, tuple):
        return sum(_array_bytes(v) for v in value)
    if isinstance(value, Part):
        return _array_bytes(tuple(value.__dict__.values()))
    return 0
