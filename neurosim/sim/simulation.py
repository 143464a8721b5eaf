"""`Simulation`: run a `Graph` and look at what it did."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, check_number, check_seconds, nearest
from neurosim.graph import Graph, Population, SpikeProbe, SpikeSource, StateProbe
from neurosim.sim import checkpoint
from neurosim.sim.build import (
    Block,
    History,
    Lane,
    borders,
    connect_lane,
    get_rows,
    input_numbers,
    longest_delay,
    probed,
    put_rows,
    source_block,
    traced,
    unit_block,
)
from neurosim.sim.recording import Rates, Spikes

LARGEST_RECORD = 2**26  # spikes that one call of the time loop may at most produce (memory is touched only when used)
SLICE = 0.1  # s of wall time between looks at the clock, at ctrl-C and at the state


class Simulation:
    """A network that was built for a number of threads, and its state.

    Args:
        graph: what to simulate.
        threads: threads to use; default all processors this process may use. Results do not depend on it.

    Raises:
        RangeError: threads below one, or a graph that needs more memory than the machine has.
    """

    def __init__(self, graph: Graph, threads: int | None = None) -> None:
        from neurosim.kernels.pool import available_threads

        check_number("Simulation.threads", 1 if threads is None else threads)
        if threads is not None and (threads < 1 or int(threads) != threads):
            raise RangeError(f"Simulation.threads: must be a whole number, at least 1, got {threads!r}.")
        self.graph, self.threads = graph, int(threads or available_threads())
        check_memory(graph, self.threads)
        started = time.perf_counter()
        self.step = 0
        self._build()
        self.build_seconds, self.run_seconds = time.perf_counter() - started, 0.0
        self._spikes: dict[str, list[tuple[NDArray[np.int64], NDArray[np.int32]]]] = {
            p.population: [] for p in graph.probes if isinstance(p, SpikeProbe)
        }
        self._traces: dict[int, list[NDArray[Any]]] = {}
        self._rates = Rates(graph)

    @property
    def time(self) -> float:
        """Biological time simulated so far [s]."""
        return self.step * self.graph.dt

    @property
    def synapses(self) -> int:
        """Synapses of the network."""
        return sum(len(target) for lane in self._lanes for _, target, _, _, _ in lane.projections)

    @classmethod
    def restore(cls, graph: Graph, path: str | os.PathLike[str], threads: int | None = None) -> Simulation:
        """A simulation that goes on where the one that wrote the checkpoint ``path`` was.

        Raises:
            FormatError: no checkpoint, or a damaged one.
            RangeError: a checkpoint of another graph.
        """
        step, arrays = checkpoint.load(graph, path)
        simulation = cls(graph, threads)
        simulation._set(step, arrays)
        return simulation

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint, from which `restore` continues; whole or not at all."""
        checkpoint.save(self, path)

    def run(
        self,
        seconds: float,
        progress: Callable[[Simulation, float], None] | None = None,
        *,
        save_to: str | os.PathLike[str] | None = None,
        save_every: float = 1.0,
    ) -> Simulation:
        """Go on for ``seconds`` of biological time.

        Args:
            progress: called about ten times a second with this simulation and the part of the run that is done.
            save_to: write a checkpoint here every ``save_every`` seconds of biological time and at the end.

        Raises:
            RangeError: negative seconds, or a state that is no longer finite (population, neuron and time are named).
            KeyboardInterrupt: ctrl-C; the simulation has stopped at the border of a step and can be continued.
        """
        check_number("Simulation.run.seconds", seconds)
        if seconds < 0:
            raise RangeError(f"Simulation.run.seconds: must not be negative, got {seconds!r}.")
        check_seconds("Simulation.run.save_every", save_every)
        origin, last = self.step, self.step + round(seconds / self.graph.dt)
        every = max(1, round(save_every / self.graph.dt)) if save_to is not None else last - origin + 1
        chunk = min(last - origin, max(self._period, 64))
        while self.step < last:
            started = time.perf_counter()
            stop = min(last, self.step + chunk, self.step + self._largest_chunk, (self.step // every + 1) * every)
            done = stop - self.step
            self._advance(stop)
            elapsed = time.perf_counter() - started
            self.run_seconds += elapsed
            chunk = max(self._period, min(4 * done, int(done * SLICE / max(elapsed, 1e-9))))
            if progress is not None:
                progress(self, (self.step - origin) / (last - origin))
            if save_to is not None and (self.step % every == 0 or self.step == last):
                self.save(save_to)
        return self

    def spikes(self, population: str) -> Spikes:
        """Spikes of a population that has a spike probe.

        Raises:
            RangeError: no such probe.
        """
        if population not in self._spikes:
            known = list(self._spikes)
            raise RangeError(
                f"Simulation.spikes: no spike probe on {population!r}; there are {known}.{nearest(population, known)}"
            )
        steps, neurons = self._recorded(population)
        return Spikes(np.asarray(steps * self.graph.dt, np.float64), neurons)

    def spike_counts(self) -> dict[str, int]:
        """Spikes so far of every population with a spike probe."""
        return {name: sum(len(steps) for steps, _ in parts) for name, parts in self._spikes.items()}

    def synaptic_events(self) -> int:
        """Synapses that the recorded spikes reach: each spike times the out-degree of its neuron."""
        events = 0
        for k, p in enumerate(self.graph.projections):
            if p.source not in self._spikes:
                continue
            size = self.graph.population(p.source).size
            spikes = np.bincount(self.spikes(p.source).neurons, minlength=size)
            for lane in self._lanes:
                start, _, _, _, spread = lane.projections[k]
                events += int(spikes @ np.diff(start[::spread].astype(np.int64)))
        return events

    def state(self, population: str) -> dict[str, NDArray[Any]]:
        """State of all neurons of a population now: name -> (N,)."""
        p = self.graph.population(population)
        if not isinstance(p, Population):
            raise RangeError(f"Simulation.state: {population!r} is a source of spikes and has no state.")
        number = self.graph.populations.index(p)
        parts = [get_rows(lane.blocks[number], len(p.state)) for lane in self._lanes]
        return dict(zip(p.state, np.concatenate(parts, axis=1), strict=True))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything a checkpoint holds, by the names of `neurosim.sim.checkpoint`."""
        found: dict[str, NDArray[Any]] = {}
        for k, p in enumerate(self.graph.populations):
            if isinstance(p, Population):
                found[f"state {k}"] = np.stack(list(self.state(p.name).values()))
            found[f"past steps {k}"], found[f"past neurons {k}"] = self._history[k].recent(self.step)
            if p.name in self._spikes:
                spikes = self._recorded(p.name)
                found[f"spike steps {k}"], found[f"spike neurons {k}"] = spikes
        return found | self._rates.arrays() | {f"trace {k}": np.concatenate(parts) for k, parts in self._traces.items()}

    def _set(self, step: int, arrays: dict[str, NDArray[Any]]) -> None:
        self.step = step
        for k, p in enumerate(self.graph.populations):
            self._history[k].put(arrays[f"past steps {k}"], arrays[f"past neurons {k}"])
            for lane in self._lanes:
                block = lane.blocks[k]
                if isinstance(p, Population):
                    put_rows(block.own[0], arrays[f"state {k}"][:, block.first : block.first + block.n])
                elif isinstance(p, SpikeSource):
                    block.own[2][0] = np.searchsorted(block.own[0], step)
            if p.name in self._spikes and f"spike steps {k}" in arrays:
                self._spikes[p.name] = [(arrays[f"spike steps {k}"], arrays[f"spike neurons {k}"])]
        self._rates.put(arrays)
        self._traces = {int(n.split()[1]): [values] for n, values in arrays.items() if n.startswith("trace ")}

    def _recorded(self, population: str) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        parts = self._spikes[population]
        steps = np.concatenate([s for s, _ in parts] or [np.empty(0, np.int64)])
        return steps, np.concatenate([i for _, i in parts] or [np.empty(0, np.int32)])

    def _build(self) -> None:
        graph, lanes = self.graph, self.threads
        cuts = [borders(p.size, lanes) for p in graph.populations]
        numbers = {p.name: k for k, p in enumerate(graph.populations)}

        def connect(lane: int) -> list[tuple[Any, ...]]:
            rows = []
            for k, p in enumerate(graph.projections):
                target = cuts[numbers[p.target]]
                r = connect_lane(graph, k, target[lane], target[lane + 1] - target[lane])
                rows.append((r.start, r.target, r.weight, r.base, r.spread))
            return rows

        with ThreadPoolExecutor(lanes) as pool:
            projections = list(pool.map(connect, range(lanes)))
        longest = max(longest_delay(rows) for rows in projections)
        self._period = min((base for rows in projections for _, _, _, base, _ in rows if base), default=64)
        height = 1 << (longest + self._period).bit_length()
        self._history = [
            History(np.empty((height, max(1, cut[-1])), np.int32), np.zeros((height, lanes), np.int64), np.array(cut))
            for cut in cuts
        ]
        runs = max(
            (
                graph.population(p.source).size * rows[k][4]
                for rows in projections
                for k, p in enumerate(graph.projections)
            ),
            default=1,
        )
        self._largest_chunk = max(
            self._period, LARGEST_RECORD // max(1, *(cut[-1] for cut in cuts)) if cuts else LARGEST_RECORD
        )
        self._lanes = [self._lane(lane, cuts, projections[lane], runs) for lane in range(lanes)]
        self._kernel = self._load()

    def _lane(self, lane: int, cuts: list[list[int]], projections: list[tuple[Any, ...]], runs: int) -> Lane:
        from neurosim.kernels.inputs import TILE

        graph, blocks, inputs = self.graph, [], []
        for k, p in enumerate(graph.populations):
            first, n = cuts[k][lane], cuts[k][lane + 1] - cuts[k][lane]
            block = Block(first, n)
            if isinstance(p, Population):
                block.own = unit_block(graph, p, first, n, self._probes(p, first, n))
            else:
                block.own = source_block(graph, p, k, first, n)
            blocks.append(block)
            inputs.append(
                tuple(
                    input_numbers(graph, j, first, n) for j, given in enumerate(graph.stimuli) if given.target == p.name
                )
            )
        scratch = (np.empty(max(1, runs), np.int64), np.empty(max(1, runs), np.int64), np.empty(TILE, np.uint32))
        return Lane(blocks, projections, tuple(inputs), scratch)

    def _probes(self, p: Population, first: int, n: int) -> tuple[Any, ...]:
        found = []
        for probe in traced(self.graph, p):
            mine = probed(p, probe)
            mine = np.sort(mine[(mine >= first) & (mine < first + n)]) - first
            found.append((mine.astype(np.int64), int(probe.every), None, np.zeros(1, np.int64)))
        return tuple(found)

    def _load(self) -> Any:
        from neurosim.kernels.network import network_kernel  # Numba is imported by the first network, not by the import
        from neurosim.sim.plan import plan_of

        return network_kernel(plan_of(self.graph, [w.shape[0] == 1 for _, _, w, _, _ in self._lanes[0].projections]))

    def _advance(self, stop: int) -> None:
        """Run all lanes up to step ``stop``, then gather what they recorded."""
        from neurosim.kernels.barrier import new_barrier

        barrier, steps = new_barrier(), stop - self.step
        arguments = [self._arguments(lane, steps) for lane in self._lanes]
        workers = [
            threading.Thread(
                target=self._kernel.run,
                args=(number, self.threads, self.step, stop, self._period, barrier, np.uint64(self.graph.seed), *given),
            )
            for number, given in enumerate(arguments)
        ]
        for worker in workers[1:]:
            worker.start()
        workers[0].run()
        for worker in workers[1:]:
            worker.join()
        self.step = stop
        self._gather(steps)
        self._check_finite(stop - steps)

    def _arguments(self, lane: Lane, steps: int) -> tuple[Any, ...]:
        populations = []
        for k, (block, history) in enumerate(zip(lane.blocks, self._history, strict=True)):
            if self.graph.populations[k].name in self._spikes:
                block.ids = np.empty(block.n * steps, np.int32)
                block.steps = np.empty(block.n * steps, np.int64)
            if self.graph.populations[k].name in self._rates.populations:
                block.tally = np.empty(steps, np.int64)
            block.used[0] = 0
            own = block.own
            if isinstance(self.graph.populations[k], Population):
                own = (*own[:5], tuple(self._sample(probe, steps) for probe in own[5]))
                block.own = own
            populations.append(
                (block.n, block.first, history.spikes, history.counts, history.borders, block.ids, block.steps,
                 block.used, block.tally, own)
            )  # fmt: skip
        return tuple(populations), tuple(lane.projections), lane.inputs, lane.scratch

    def _sample(self, probe: tuple[Any, ...], steps: int) -> tuple[Any, ...]:
        neurons, every, _, used = probe
        used[0] = 0
        return neurons, every, np.empty((steps // every + 1, len(neurons)), self.graph.precision), used

    def _gather(self, done: int) -> None:
        for k, p in enumerate(self.graph.populations):
            blocks = [lane.blocks[k] for lane in self._lanes]
            if p.name in self._spikes:
                steps = np.concatenate([b.steps[: b.used[0]] for b in blocks])
                neurons = np.concatenate([b.ids[: b.used[0]] for b in blocks])
                order = np.argsort(steps, kind="stable")  # lanes are in ascending order of neurons
                self._spikes[p.name].append((steps[order], neurons[order]))
            if p.name in self._rates.populations:
                self._rates.add(p.name, self.step - done, np.sum([b.tally for b in blocks], axis=0))
            if isinstance(p, Population):
                self._gather_traces(p, blocks)

    def _gather_traces(self, p: Population, blocks: list[Block]) -> None:
        for j, probe in enumerate(traced(self.graph, p)):
            parts = [b.own[5][j] for b in blocks]
            sampled = np.concatenate([out[: used[0]] for _, _, out, used in parts], axis=1)
            order = np.argsort(np.argsort(probed(p, probe), kind="stable"), kind="stable")
            number = next(n for n, other in enumerate(self.graph.probes) if other is probe)
            self._traces.setdefault(number, []).append(sampled[:, order])

    def trace(self, probe: int = 0) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Times (T,) [s] and values of the state or rate probe with this number among the graph's probes.

        A state gives (T, neurons); a rate (T,) [Hz], the mean over the population, of each bin that is full and begins
        at its time.
        """
        if probe in self._rates:
            return self._rates.rate(probe)
        if probe not in self._traces:
            raise RangeError(f"Simulation.trace: probe {probe!r} is no state or rate probe that has run; there are "
                             f"{sorted({*self._traces, *self._rates})}.")  # fmt: skip
        given = self.graph.probes[probe]
        assert isinstance(given, StateProbe)
        every = int(given.every)
        values = np.concatenate(self._traces[probe])
        return np.arange(len(values), dtype=np.float64) * every * self.graph.dt, values

    def _check_finite(self, before: int) -> None:
        for k, p in enumerate(self.graph.populations):
            if not isinstance(p, Population):
                continue
            for lane in self._lanes:
                rows = get_rows(lane.blocks[k], len(p.state))
                if np.isfinite(rows.sum()) or np.isfinite(rows).all():
                    continue
                state, neuron = np.argwhere(~np.isfinite(rows))[0]
                raise RangeError(
                    f"Simulation: {p.state[state]} of neuron {lane.blocks[k].first + neuron} of population {p.name!r} "
                    f"is {rows[state, neuron]} between {before * self.graph.dt:g} s and {self.time:g} s: weights or "
                    f"input are too large, or dt = {self.graph.dt:g} s is."
                )


def check_memory(graph: Graph, lanes: int) -> None:
    """Raise `RangeError` when the network cannot fit into the machine's memory."""
    needed, free = graph.memory_bytes(lanes), available_memory()
    if needed > free:
        raise RangeError(
            f"Simulation: the network needs about {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free. "
            "Use fewer synapses, one weight per projection, or a machine with more memory."
        )


def available_memory() -> int:
    """Bytes of memory that can still be used, of the machine or of this process's cgroup."""
    try:
        with open("/proc/meminfo") as file:
            fields = dict(line.split(":") for line in file)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
