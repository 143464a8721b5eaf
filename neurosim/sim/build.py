"""From a `Graph` to the arrays its time loop runs on, one set per thread.

A thread owns a contiguous block of every population: their state, and all synapses that lead to them. So no two
threads write to one place, and every sum is made in the same order whatever the number of threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.graph import (
    CurrentInput,
    Graph,
    PoissonInput,
    PoissonSource,
    Population,
    Projection,
    SpikeSource,
    StateProbe,
)

Array = NDArray[Any]
CACHE_LINE = 64  # bytes, and neurons: blocks begin at multiples, so that flags can be read eight at a time


def borders(size: int, lanes: int) -> list[int]:
    """Where the blocks of a population begin, and its end.

    Rounded to the nearest multiple: rounded up in all populations, the first lanes would have most to do.
    """
    return [min(size, round(size * k / lanes / CACHE_LINE) * CACHE_LINE) for k in range(lanes)] + [size]


@dataclass
class Block:
    """A population's part in one lane."""

    first: int
    n: int
    own: tuple[Any, ...] = ()
    ids: Array = field(default_factory=lambda: np.empty(0, np.int32))
    steps: Array = field(default_factory=lambda: np.empty(0, np.int64))
    used: Array = field(default_factory=lambda: np.zeros(1, np.int64))
    tally: Array = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass
class Lane:
    """What one thread runs on."""

    blocks: list[Block]
    projections: list[Any]  # neurosim.sim.layouts.Stored
    bundles: dict[tuple[int, ...], Any]  # likewise
    inboxes: tuple[Array, ...]  # input to the first, second, ... port of all populations
    inputs: tuple[tuple[Any, ...], ...]
    scratch: tuple[Any, ...] = ()
    plastic: tuple[tuple[Any, ...], ...] = ()


@dataclass
class History:
    """The last spikes of a population, shared by all lanes."""

    spikes: Array  # int32 [H, columns]
    counts: Array  # int64 [H, lanes]
    borders: Array  # int64 [lanes + 1], of the neurons
    columns: Array  # int64 [lanes + 1], where the spikes of each lane lie: more than its neurons where they repeat

    def recent(self, step: int) -> tuple[Array, Array]:
        """Steps and neurons of the spikes before ``step`` that may not have arrived everywhere."""
        steps, neurons = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
        for s in range(max(0, step - len(self.counts)), step):
            h = s % len(self.counts)
            for first, count in zip(self.columns, self.counts[h], strict=False):
                neurons.append(self.spikes[h, first : first + count])
                steps.append(np.full(count, s))
        return np.concatenate(steps), np.concatenate(neurons)

    def put(self, steps: Array, neurons: Array) -> None:
        """Take over spikes, ascending by step and neuron, from a simulation with any number of lanes."""
        for s in np.unique(steps)[-len(self.counts) :]:
            mine, h = neurons[steps == s], s % len(self.counts)
            cuts = np.searchsorted(mine, self.borders)
            for lane, (a, b) in enumerate(itertools.pairwise(cuts)):
                self.spikes[h, self.columns[lane] : self.columns[lane] + b - a] = mine[a:b]
                self.counts[h, lane] = b - a


def new_counts(height: int, lanes: int, populations: int) -> Array:
    """Numbers of spikes (height, lanes, populations): what a lane writes in a step lies in as few lines as possible.

    Every line that one thread writes and another reads costs both some 0.1 us, in each step.
    """
    line = CACHE_LINE // np.dtype(np.int64).itemsize
    return np.zeros((height, lanes, -(-max(1, populations) // line) * line), np.int64)


def new_history(p: Any, cut: Sequence[int], counts: Array) -> History:
    """Memory for the spikes of the last steps. A source may repeat a neuron's spike within a step.

    Args:
        counts: (H, lanes), zeros.
    """
    widths = np.diff(cut)
    if isinstance(p, SpikeSource) and len(p.steps):
        for lane, (first, end) in enumerate(itertools.pairwise(cut)):
            steps = p.steps[(p.neurons >= first) & (p.neurons < end)]
            widths[lane] = max(widths[lane], np.unique(steps, return_counts=True)[1].max(initial=0))
    columns = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
    spikes = np.empty((len(counts), max(1, columns[-1])), np.int32)
    return History(spikes, counts, np.array(cut), columns)


def new_list(columns: int, spread: int) -> Array:
    """Memory for the spikes under way to synapses with ``spread`` different delays, see `neurosim.kernels.deliver`."""
    return np.empty(1 << (columns * (spread + 1)).bit_length(), np.int64)


def same_synapses(graph: Graph, other: Graph, number: int) -> bool:
    """Whether the projection with this number is made of the same synapses in both graphs, none of which change."""
    if number >= len(other.projections) or (graph.seed, graph.precision, graph.dt) != (
        other.seed, other.precision, other.dt,
    ):  # fmt: skip
        return False
    p, q = graph.projections[number], other.projections[number]
    ends = [[g.population(name) for name in (r.source, r.target)] for g, r in ((graph, p), (other, q))]
    placed = all(a.size == b.size and np.array_equal(a.positions, b.positions) for a, b in zip(*ends, strict=True))
    return p == q and p.plasticity is None and placed


def signals_of(graph: Graph) -> list[tuple[int, int]]:
    """The states that projections carry: numbers of population and state, each once."""
    found: dict[tuple[int, int], None] = {}
    for p in graph.projections:
        if p.graded:
            source: Any = graph.population(p.source)
            found[graph.populations.index(source), source.state.index(p.signal)] = None
    return list(found)


def is_instant(p: Projection) -> bool:
    """Whether spikes arrive in the step they are fired in, as between the layers of a network that was trained."""
    return isinstance(p.delay, int) and p.delay == 0


def port_of(graph: Graph, part: Any) -> int:
    """Number of the port that a projection or a stimulus leads to."""
    target = graph.population(part.target)
    assert isinstance(target, Population)
    return target.ports.index(part.port)


def stream_of(kind: str, number: int) -> int:
    """The number of a stream of random draws; no two consumers share one."""
    streams = {"projection": 0, "stimulus": 1, "population": 2}
    return number * len(streams) + streams[kind]


def state_rows(graph: Graph, p: Population, first: int, n: int) -> tuple[Array, Array]:
    """State and coefficients ``w [blocks, (S + K) * BLOCK]`` of a block of neurons, and shared coefficients ``c``."""
    from neurosim.kernels.codegen import BLOCK

    dtype = np.dtype(graph.precision)
    states, coeffs = len(p.state), len(p.coeffs)
    w = np.zeros((-(-n // BLOCK), (states + coeffs) * BLOCK), dtype)
    rows = [*_spread(p.initial, p.size), *(_spread(p.coefficients, p.size) if p.coefficients.shape[1] > 1 else [])]
    put_rows(w, np.array([row[first : first + n] for row in rows]))
    return w, p.coefficients[:, :1].astype(dtype)


def get_rows(block: Block, states: int) -> Array:
    """States (S, n) of a block."""
    from neurosim.kernels.codegen import BLOCK

    w = block.own[0]
    return np.concatenate([w[:, k * BLOCK : (k + 1) * BLOCK].reshape(1, -1)[:, : block.n] for k in range(states)])


def put_rows(w: Array, rows: Array) -> None:
    """Write rows (R, n) over the first rows of a block."""
    from neurosim.kernels.codegen import BLOCK

    for k, row in enumerate(rows):
        for b in range(len(w)):
            part = row[b * BLOCK : (b + 1) * BLOCK]
            w[b, k * BLOCK : k * BLOCK + len(part)] = part


def _spread(values: Array, size: int) -> list[Array]:
    return [np.broadcast_to(row, (size,)) for row in values]


def unit_block(
    graph: Graph, p: Population, first: int, n: int, acc: tuple[Array, ...], traces: tuple[Any, ...]
) -> tuple[Any, ...]:
    """The arrays of a unit's block: ``(w, c, acc, flags, words, traces)``."""
    w, c = state_rows(graph, p, first, n)
    flags = np.zeros(-(-max(n, 1) // CACHE_LINE) * CACHE_LINE, np.uint8)
    return w, c, acc, flags, flags.view(np.uint64), traces


def source_block(graph: Graph, p: Any, number: int, first: int, n: int) -> tuple[Any, ...]:
    """The arrays of a source's block, see `neurosim.kernels.network`."""
    if isinstance(p, SpikeSource):
        mine = (p.neurons >= first) & (p.neurons < first + n)
        order = np.lexsort((p.neurons[mine], p.steps[mine]))
        steps, neurons = p.steps[mine][order].astype(np.int64), p.neurons[mine][order].astype(np.int32)
        return steps, neurons, np.zeros(1, np.int64)
    assert isinstance(p, PoissonSource)
    rate = np.atleast_1d(np.asarray(p.rate, np.float64))
    chance = np.minimum(-np.expm1(-rate * graph.dt) * 2.0**32, 2.0**32 - 1).astype(np.uint32)
    flags = np.zeros(-(-max(n, 1) // CACHE_LINE) * CACHE_LINE, np.uint8)
    mine_ = chance if len(chance) == 1 else np.ascontiguousarray(chance[first : first + n])
    return mine_, flags, flags.view(np.uint64), np.int64(stream_of("population", number))


def input_numbers(graph: Graph, number: int, first: int, n: int) -> tuple[Any, ...]:
    """The arguments of a stimulus in one lane, see `neurosim.kernels.network`."""
    from neurosim.kernels.inputs import poisson_bounds

    given, dtype = graph.stimuli[number], np.dtype(graph.precision)
    if isinstance(given, CurrentInput):
        value = np.asarray(given.value, dtype)
        return (np.ascontiguousarray(value[..., first : first + n]) if value.ndim else value.reshape(1),)
    assert isinstance(given, PoissonInput)
    stream, weight = np.int64(stream_of("stimulus", number)), dtype.type(given.weight)
    rate = np.asarray(given.rate, np.float64)
    if rate.ndim:
        return np.ascontiguousarray(rate[first : first + n] * graph.dt), weight, stream
    smallest, bounds = poisson_bounds(float(rate) * graph.dt)
    return dtype.type(smallest), bounds, weight, stream


def probed(p: Population, probe: StateProbe) -> Array:
    """The neurons of a state probe."""
    return np.arange(p.size) if probe.neurons is None else probe.neurons


def traced(graph: Graph, p: Population) -> list[StateProbe]:
    """The state probes on a population."""
    return [probe for probe in graph.probes if isinstance(probe, StateProbe) and probe.population == p.name]
