"""The engine of `Stream` without a grid: from a `Graph` to the closed form of its neurons."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import BackPressureError, UnsupportedError
from neurosim.graph import CurrentInput, Graph, Population
from neurosim.graph.program import read_program
from neurosim.kernels.trace import trace
from neurosim.sim.build import is_instant
from neurosim.sim.layouts import listed
from neurosim.sim.order import neighbours
from neurosim.units import IF, LI, LIF, Arctan

Array = NDArray[Any]
OUTPUTS = 65536  # spikes of the output that one call of the kernel may give
ANSWER = "Use the time grid: Stream(graph)."


class EventEngine:
    """Runs a graph event by event; interface of `neurosim.sim.grid.GridEngine`, its steps being microseconds.

    Args:
        graph: its last population is the output.
        source: name of the `SpikeSource` that is fed.
        capacity: events of one push, and spikes that may wait for a delay, per population.

    Raises:
        UnsupportedError: something that has no closed form, or that only a grid has.
    """

    def __init__(self, graph: Graph, source: str, capacity: int) -> None:
        from neurosim.kernels import eventwise

        for p in graph.populations:
            if not isinstance(p, Population) and p.name != source and (len(getattr(p, "steps", (0,)))):
                raise UnsupportedError(f"Stream: source {p.name!r} gives spikes on the grid only. {ANSWER}")
        self.kernels = eventwise
        ordered, _ = neighbours(graph)
        self.dt_us = graph.dt * 1e6
        self.graph, self.source = ordered, [p.name for p in graph.populations].index(source)
        self.capacity = capacity
        self.cells = [_cells(ordered, p, p is ordered.populations[-1]) for p in ordered.populations]
        self.net = self._net(eventwise)
        self.out = len(self.cells) - 1
        self.found = (
            np.empty(max(OUTPUTS, graph.populations[-1].size), np.int64),
            np.empty(max(OUTPUTS, graph.populations[-1].size), np.int32),
        )
        sizes, count = self.net.owner.shape[0], len(self.cells)
        self.work = eventwise.Scratch(
            np.empty((count, eventwise.TOUCHED, 2), np.int64), np.zeros(count, np.int64), np.empty(sizes, np.int64),
            np.zeros(count, np.int64), np.zeros(count), np.zeros(count, np.uint8),
        )  # fmt: skip
        self.bins, self.channels = np.empty(0, np.int64), np.empty(0, np.int32)
        self.reset()
        self.advance(0)  # compiles, so that the first event need not wait for it

    def reset(self) -> None:
        """Back to the initial state."""
        net, kernels = self.net, self.kernels
        n, count, lines = len(net.owner), len(self.cells), len(net.line)
        ring = (count, self.capacity if lines else 1)
        self.step = 0
        self.state = kernels.State(
            np.concatenate([c["start"] - c["rest"] for c in self.cells]), np.full(count, -1, np.int64),
            np.zeros(n, np.int64), np.full(n, np.inf), np.zeros(n, np.int64), np.zeros(n, np.int64),
            np.full(n, -1, np.int64),
            np.zeros(3, np.int64), np.zeros(count, np.int64), np.zeros(lines, np.int64),
            np.empty(ring, np.int64), np.empty(ring, np.int64),
        )  # fmt: skip
        self.put(self.bins[:0], self.channels[:0])
        kernels.begin(net, self.state, -1)  # as on a grid, where the state at the start is that before step 0

    def room(self) -> int:
        """Events that can be taken."""
        return self.capacity - len(self.bins)

    def put(self, bins: Array, channels: Array) -> None:
        """Take events, for `advance`."""
        self.bins, self.channels = bins, channels

    def advance(self, last: int) -> tuple[Array, Array, Array, Array, int, int]:
        """Everything before microsecond ``last``; see `GridEngine.advance`. Values are those at its end."""
        before, events, synapses = self._copy(), len(self.bins), int(self.state.count[2])
        steps, neurons, k, status = [], [], 0, self.kernels.FULL
        while status == self.kernels.FULL:
            k, count, status = self.kernels.run(
                self.net, self.state, self.work, k, self.bins, self.channels, self.source, last, self.out, *self.found
            )
            steps.append(self.found[0][:count].copy())
            neurons.append(self.found[1][:count].copy())
        self.put(self.bins[:0], self.channels[:0])
        if status == self.kernels.OVERFLOW:
            self._restore(before)
            raise BackPressureError(
                f"Stream: more than {self.capacity} spikes of one population wait for their delays; none of the events "
                "was taken. Push fewer at a time, or make a Stream with a larger buffer."
            )
        end, elapsed = np.array([max(last, self.step)]), max(last, self.step) - self.step
        self.step = int(end[0])
        values = self._values(elapsed)
        moments = end - 1 if values.size else end[:0]
        return (
            np.concatenate(steps), np.concatenate(neurons), moments, values, events,
            int(self.state.count[2]) - synapses,
        )  # fmt: skip

    def _values(self, elapsed: int) -> Array:
        """State of an output that never spikes, at the end of a call of ``elapsed`` us."""
        cells, size = self.cells[-1], self.graph.populations[-1].size
        if self.net.spiking[-1]:
            return np.empty((0, size))
        a = self.state.a[-size:] if size else self.state.a[:0]
        if cells["forgets"]:  # what came in during the call
            values: Array = a + cells["drive"] * elapsed / self.dt_us
            a[:] = 0
            return values.reshape(1, -1)
        passed = self.step - 1 - self.state.origin[-1]
        values = cells["rest"] + a * np.exp(-passed * cells["rate"])
        return values.reshape(1, -1)

    def _copy(self) -> Any:
        """What goes back when a ring turns out to be full: the state, and of the rings what has not arrived."""
        if not len(self.net.line):
            return None
        s, live = self.state, []
        for p in np.unique(self.net.source[self.net.line[:, 0]]):
            mine = self.net.source[self.net.line[:, 0]] == p
            at = np.arange(s.read[mine].min(), s.written[p]) % self.capacity
            live.append((p, at, s.ring_t[p, at], s.ring_i[p, at]))
        return [values.copy() for values in s[:-2]], live

    def _restore(self, before: Any) -> None:
        values, live = before
        for now, then in zip(self.state[:-2], values, strict=True):
            now[:] = then
        for p, at, t, i in live:
            self.state.ring_t[p, at], self.state.ring_i[p, at] = t, i
        for unfinished in (self.work.touches, self.work.fires, self.work.scale, self.work.woken):
            unfinished[:] = 0

    def _net(self, kernels: Any) -> Any:
        populations, cells = self.graph.populations, self.cells
        numbers = {p.name: k for k, p in enumerate(populations)}
        first = np.concatenate([[0], np.cumsum([p.size for p in populations])]).astype(np.int64)

        def join(name: str) -> Array:
            return np.concatenate([c[name] for c in cells])

        start, runs, weights, rows, spreads, lines = [], [], [], [], [], []
        row = run = place = 0
        for j, p in enumerate(self.graph.projections):
            part = self._rows(j, numbers[p.target])
            base, spread = part[3:]
            begin, own, values = part[:3]
            start.append(begin + run)
            weights.append(values)
            runs.append(own + np.array([first[numbers[p.target]], 0, place]))
            rows.append(row)
            spreads.append(spread)
            row, run, place = row + len(begin), run + len(own), place + len(values)
            if not is_instant(p):
                lines += [(j, k, max(1, round((base + k) * self.dt_us))) for k in range(spread)]
        rate = join("rate")
        per = [rate[a:b] for a, b in itertools.pairwise(first)]
        return kernels.Net(
            first, np.repeat(np.arange(len(cells)), np.diff(first)),
            np.array([c["spiking"] for c in cells], np.uint8),
            np.array([len(np.unique(r)) <= 1 for r in per], np.uint8),
            np.array([r.max(initial=0.0) for r in per]),
            np.array([c["subtract"] for c in cells], np.uint8),
            rate, join("threshold"), join("reset"), join("driven").astype(np.uint8),
            np.array([numbers[p.source] for p in self.graph.projections], np.int64),
            np.array([is_instant(p) for p in self.graph.projections], np.uint8),
            np.array(rows, np.int64), np.array(spreads, np.int64),
            np.concatenate([*start, np.empty(0, np.int64)]).astype(np.int64),
            np.concatenate([*runs, np.empty((0, 3), np.int64)]).astype(np.int64),
            np.concatenate([*weights, np.empty(0)]), np.array(lines, np.int64).reshape(-1, 3),
        )  # fmt: skip

    def _rows(self, number: int, target: int) -> tuple[Any, ...]:
        """Runs of a projection, their weights times the gain of their targets."""
        from neurosim.kernels.runs import as_runs

        start, targets, weight, _, base, spread = listed(self.graph, number, 0, self.graph.populations[target].size)
        gain = self.cells[target]["gain"]
        weight = weight.astype(np.float64)
        weight = weight * gain[0] if len(np.unique(gain)) == 1 else weight * gain[targets]
        runs = as_runs(start, targets, weight, shortest=0)
        empty = np.zeros(len(start), np.int64), np.empty((0, 3), np.int64), np.empty(0)
        return (*(runs or empty), base, spread)


@lru_cache(maxsize=1)
def _known() -> dict[tuple[str, str], bool]:
    """(step, reset) of units with a closed form: whether their reset subtracts."""
    found = {}
    for unit in (IF(), IF(v_reset=0.0), LIF(), LIF(v_reset=0.0), LI()):
        program = trace(unit, Arctan(), unit.output)
        found[program.step, program.reset] = getattr(unit, "v_reset", None) is None
    return found


def _cells(graph: Graph, p: Any, is_output: bool) -> dict[str, Any]:
    """The numbers of a population's closed form, each (N,)."""
    n, zeros = p.size, np.zeros(p.size)
    if not isinstance(p, Population):
        return {
            "spiking": False, "subtract": True, "driven": np.zeros(n, bool), "rate": zeros, "rest": zeros,
            "start": zeros, "gain": zeros, "threshold": zeros, "reset": zeros, "forgets": False, "drive": zeros,
        }  # fmt: skip
    program = read_program(p.program)
    if (program.step, program.reset) not in _known():
        raise UnsupportedError(
            f"Stream: population {p.name!r} ({p.unit.partition('  #')[0]}) has no closed form between events here; IF, "
            f"LIF and LI have. {ANSWER}"
        )
    c = {
        name: np.broadcast_to(row, (n,)).astype(np.float64) for name, row in zip(p.coeffs, p.coefficients, strict=True)
    }
    decay, gain = c.get("decay", np.ones(n)), c.get("gain", np.ones(n))
    drive = c.get("drive", zeros) + gain * _constant(graph, p)
    forgets = bool(n and (decay == 0).all() and is_output and not program.spiking)
    if (decay == 0).any() and not forgets:
        raise UnsupportedError(f"Stream: population {p.name!r} forgets within a step, which only a grid has. {ANSWER}")
    if (drive[decay == 1] != 0).any():
        raise UnsupportedError(f"Stream: population {p.name!r} adds up a constant current without leak. {ANSWER}")
    leaky = (decay < 1) & (decay > 0)
    rest = np.divide(drive, 1 - decay, out=np.zeros(n), where=leaky)
    rate = np.where(leaky, -np.log(np.where(leaky, decay, 1.0)) / (graph.dt * 1e6), 0.0)
    theta, subtract = c.get("theta", zeros), _known()[program.step, program.reset]
    start = np.broadcast_to(p.initial[0], (n,)).astype(np.float64)
    driven = leaky & (rest > theta) & program.spiking
    return {
        "spiking": program.spiking, "subtract": subtract, "driven": driven, "rate": rate, "rest": rest, "start": start,
        "gain": gain, "threshold": theta - rest, "reset": theta if subtract else c["v_reset"] - rest,
        "forgets": forgets, "drive": drive,
    }  # fmt: skip


def _constant(graph: Graph, p: Population) -> Array:
    """Constant input per step."""
    total = np.zeros(p.size)
    for s in graph.stimuli:
        if s.target != p.name:
            continue
        if not isinstance(s, CurrentInput) or np.ndim(s.value) == 2:
            raise UnsupportedError(f"Stream: input to {p.name!r} changes from step to step. {ANSWER}")
        total += s.value
    return total
