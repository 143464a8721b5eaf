"""The engine of `Stream` on the time grid: the time loop of a simulation, fed step by step."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError
from neurosim.graph import Graph, Population, SpikeSource, StateProbe
from neurosim.graph.program import read_program
from neurosim.sim.build import History, get_rows, new_counts, new_list
from neurosim.sim.layouts import listed
from neurosim.sim.order import neighbours
from neurosim.sim.simulation import Simulation

Array = NDArray[Any]
CHUNK = 16  # steps that are computed in one call, before outputs are taken from the history


class GridEngine:
    """Runs a graph on its grid, with spikes of one source that arrive while it runs.

    Args:
        graph: its last population is the output.
        source: name of the `SpikeSource` that is fed.
        capacity: events that may wait.
        most: spikes of one channel in one step that count.
    """

    def __init__(self, graph: Graph, source: str, capacity: int, most: int) -> None:
        from neurosim.kernels.network import network_kernel
        from neurosim.kernels.runs import as_runs
        from neurosim.sim.plan import plan_of

        last: Any = graph.populations[-1]
        ordered, self.places = neighbours(graph)
        self.values_of = last.state[read_program(last.program).output] if not last.spiking else ""
        if self.values_of:
            ordered = replace(ordered, probes=(StateProbe(last.name, self.values_of, np.arange(last.size)),))
        self.simulation = Simulation(ordered, threads=1)
        self.number = [p.name for p in graph.populations].index(source)
        numbers = {p.name: p.size for p in ordered.populations}
        rows = [listed(ordered, k, 0, numbers[p.target]) for k, p in enumerate(ordered.projections)]
        runs = [as_runs(*row[:3]) for row in rows]
        self.rows = [row if r is None else (*r, *row[3:]) for r, row in zip(runs, rows, strict=True)]
        kinds = [
            "runs" if r is not None else "each" if len(row[2]) > 1 else "shared"
            for row, r in zip(rows, runs, strict=True)
        ]
        self.kernel = network_kernel(plan_of(ordered, [((k,), kind) for k, kind in enumerate(kinds)]))
        self.most = most
        self.degrees = self._degrees(rows)
        self._allocate(capacity)
        self._bind()
        self._run(0)  # compiles, so that the first event need not wait for it

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.simulation.step

    def reset(self) -> None:
        """Back to the initial state."""
        self.simulation.step = 0
        self.waiting[:] = 0
        for history in self.simulation.history:
            history.counts[:] = 0
        for p, block, start in zip(
            self.simulation.graph.populations, self.simulation.lanes[0].blocks, self.start, strict=True
        ):
            if isinstance(p, Population):
                w, _, acc, flags, _, _ = block.own
                w[:] = start
                for values in (*acc, flags):
                    values[:] = 0
            elif isinstance(p, SpikeSource):
                block.own[2][0] = 0

    def room(self) -> int:
        """Events that can still be taken."""
        return len(self.bins) - int(self.waiting[1] - self.waiting[0])

    def put(self, bins: Array, channels: Array) -> None:
        """Buffer events; their bins do not decrease, over all calls."""
        first, used = self.waiting
        if used + len(bins) > len(self.bins):
            self.bins[: used - first] = self.bins[first:used].copy()
            self.channels[: used - first] = self.channels[first:used].copy()
            self.waiting[:] = 0, used - first
            used = self.waiting[1]
        self.bins[used : used + len(bins)], self.channels[used : used + len(bins)] = bins, channels
        self.waiting[1] += len(bins)

    def advance(self, last: int) -> tuple[Array, Array, Array, Array, int, int]:
        """Run up to step ``last``.

        Returns:
            Steps and neurons of the output's spikes; steps of its values, and they, (steps, N) or (steps, 0); how many
            events went in, and how many synapses their spikes and those of all neurons reached.
        """
        if last <= self.step:
            return (*self.nothing[:2], self.nothing[0], self.nothing[2], 0, 0)
        steps: list[Array] = []
        neurons: list[Array] = []
        values: list[Array] = []
        first, before, synapses = self.step, int(self.waiting[0]), 0
        while self.step < last:
            stop = min(last, self.step + CHUNK)
            found = self._run(stop)
            for part, value in zip((steps, neurons, values), found[:3], strict=True):
                part.append(value)
            synapses += found[3]
        self._check_finite()
        taken = int(self.waiting[0]) - before
        done = np.arange(first, last)
        return np.concatenate(steps), np.concatenate(neurons), done, np.concatenate(values), taken, synapses

    def _run(self, stop: int) -> tuple[Array, Array, Array, int]:
        from neurosim.kernels.streaming import outputs, take_steps, tally

        first, (taken, used) = self.step, self.waiting
        self.waiting[0], written = take_steps(
            self.bins, self.channels, taken, used, stop, self.most, self.counts, self.given[0], self.given[1]
        )
        self.given[0][written : written + 1] = -1  # no step: ends the list
        self.given[2][0] = 0
        self.used[0] = 0
        self.kernel.run(0, 1, first, stop, stop, self.barrier, np.uint64(self.simulation.graph.seed), *self.arguments)
        self.simulation.step = stop
        history = self.histories[-1]
        count = 0 if self.values_of else outputs(*history[:2], first, stop, *self.found)
        values = self.sampled[: stop - first].copy()
        return self.found[0][:count].copy(), self.found[1][:count].copy(), values, tally(self.histories, first, stop)

    def _allocate(self, capacity: int) -> None:
        """Everything whose size is known once and for all: a stream that runs for days needs no more memory."""
        from neurosim.kernels.barrier import new_barrier
        from neurosim.kernels.codegen import BLOCK

        lane, graph = self.simulation.lanes[0], self.simulation.graph
        size = graph.populations[self.number].size
        self.start = [b.own[0].copy() for b in lane.blocks]
        self.watched = [
            (block, p, block.own[0][:, : len(p.state) * BLOCK])
            for block, p in zip(lane.blocks, graph.populations, strict=True)
            if isinstance(p, Population)
        ]
        self.waiting = np.zeros(2, np.int64)  # first buffered event that waits, and their end
        self.bins, self.channels = np.empty(capacity, np.int64), np.empty(capacity, np.int32)
        self.given = (np.empty(capacity + 1, np.int64), np.empty(capacity + 1, np.int32), np.zeros(1, np.int64))
        self.counts = np.zeros(size, np.int32)
        longest = max((base + spread - 1 for *_, base, spread in self.rows), default=0)
        height = 1 << (longest + CHUNK).bit_length()
        widths = [p.size for p in graph.populations]
        widths[self.number] = max(size, capacity)  # without a limit, one channel may spike as often as events fit
        counts = new_counts(height, 1, len(widths))
        for k, width in enumerate(widths):
            borders = np.array([0, width])
            spikes = np.empty((height, max(1, width)), np.int32)
            self.simulation.history[k] = History(spikes, counts[:, :, k], borders, borders)
        self.histories = tuple(
            (h.spikes, h.counts, d) for h, d in zip(self.simulation.history, self.degrees, strict=True)
        )
        ways = [(widths[self._source(k)], int(row[5])) for k, row in enumerate(self.rows)]
        most = max((n * spread for n, spread in ways), default=0) + 1
        lists = tuple(new_list(n, spread) for n, spread in ways)
        lane.scratch = (*np.empty((2, most), np.int64), *lane.scratch[2:4], lists, *lane.scratch[5:])
        size = graph.populations[-1].size
        self.sampled = np.empty((CHUNK, size if self.values_of else 0), graph.precision)
        self.used = np.zeros(1, np.int64)
        spikes_out = 0 if self.values_of else CHUNK * size
        self.found = np.empty(spikes_out, np.int64), np.empty(spikes_out, np.int32)
        self.nothing = self.found[0][:0].copy(), self.found[1][:0].copy(), self.sampled[:0].copy()
        self.barrier = new_barrier(1)

    def _bind(self) -> None:
        """What the time loop is called with, made once."""
        lane, populations = self.simulation.lanes[0], []
        last = len(lane.blocks) - 1
        for k, (block, history) in enumerate(zip(lane.blocks, self.simulation.history, strict=True)):
            own, n = block.own, block.n
            if k == self.number:
                own, n = self.given, history.spikes.shape[1]
            elif isinstance(self.simulation.graph.populations[k], Population):
                probe = ((np.arange(n), 1, self.sampled, self.used),) if self.values_of and k == last else ()
                own = (*own[:5], probe)
            populations.append(
                (n, 0, history.spikes, history.counts, history.borders, block.ids, block.steps, block.used,
                 block.tally, own)
            )  # fmt: skip
        self.arguments = tuple(populations), tuple(self.rows), lane.plastic, lane.inputs, lane.scratch

    def _source(self, projection: int) -> int:
        graph = self.simulation.graph
        return [p.name for p in graph.populations].index(graph.projections[projection].source)

    def _degrees(self, rows: list[tuple[Any, ...]]) -> list[Array]:
        """Synapses of every neuron, by population."""
        found = [np.zeros(max(1, p.size), np.int64) for p in self.simulation.graph.populations]
        for k, (start, *_, spread) in enumerate(rows):
            out = np.diff(start[::spread].astype(np.int64))
            found[self._source(k)][: len(out)] += out
        return found

    def _check_finite(self) -> None:
        for block, p, states in self.watched:
            if math.isfinite(float(states.sum())):
                continue
            rows = get_rows(block, len(p.state))
            for state, neuron in np.argwhere(~np.isfinite(rows)):
                number = self.places[p.name][neuron] if p.name in self.places else neuron
                raise RangeError(
                    f"Stream: {p.state[state]} of neuron {number} of population {p.name!r} is {rows[state, neuron]} "
                    f"before {self.simulation.time:g} s: weights or input are too large. Begin again with reset()."
                )
