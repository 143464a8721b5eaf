"""`Simulation`: run a `Graph` and look at what it did."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, check_number, check_seconds, nearest
from neurosim.graph import Graph, Population, SpikeProbe, SpikeSource, StateProbe, WeightProbe
from neurosim.sim import checkpoint, plasticity
from neurosim.sim.build import (
    Block,
    Lane,
    borders,
    get_rows,
    new_counts,
    new_history,
    new_list,
    probed,
    signals_of,
    traced,
)
from neurosim.sim.bundles import deliveries
from neurosim.sim.checks import check_finite, check_memory
from neurosim.sim.lanes import connect, make_lane
from neurosim.sim.layouts import Stored, listed
from neurosim.sim.plasticity import Synapses
from neurosim.sim.recording import Rates, Spikes

LARGEST_RECORD = 2**26  # spikes that one call of the time loop may at most produce (memory is touched only when used)
SPARE = 8  # places behind a list of spikes: rows of bits are delivered so many at a time
FIRST = 2**23  # neurons times steps before the first look at the clock: some 10 ms
SLICE = 0.1  # s of wall time between looks at the clock, at ctrl-C and at the state


class Simulation:
    """A network that was built for a number of threads, and its state.

    Args:
        graph: what to simulate.
        threads: threads to use; default all processors this process may use. Results do not depend on it.
        like: a simulation whose synapses are shared where they are the same, so that a sweep over other parameters
            makes them once.

    Raises:
        RangeError: threads below one, or a graph that needs more memory than the machine has.
    """

    def __init__(self, graph: Graph, threads: int | None = None, like: Simulation | None = None) -> None:
        from neurosim.kernels.pool import available_threads

        check_number("Simulation.threads", 1 if threads is None else threads)
        if threads is not None and (threads < 1 or int(threads) != threads):
            raise RangeError(f"Simulation.threads: must be a whole number, at least 1, got {threads!r}.")
        self.graph, self.threads = graph, int(threads or available_threads())
        check_memory(graph, self.threads)
        started = time.perf_counter()
        self.step = 0
        self.recorded: dict[str, list[tuple[NDArray[np.int64], NDArray[np.int32]]]] = {
            p.population: [] for p in graph.probes if isinstance(p, SpikeProbe)
        }
        self.traces: dict[int, list[NDArray[Any]]] = {}
        self.rates = Rates(graph)
        self._build(like)
        self.build_seconds, self.run_seconds = time.perf_counter() - started, 0.0

    @property
    def time(self) -> float:
        """Biological time simulated so far [s]."""
        return self.step * self.graph.dt

    @property
    def synapses(self) -> int:
        """Synapses of the network."""
        return sum(stored.size for lane in self.lanes for stored in lane.projections)

    @classmethod
    def restore(cls, graph: Graph, path: str | os.PathLike[str], threads: int | None = None) -> Simulation:
        """A simulation that goes on where the one that wrote the checkpoint ``path`` was.

        Raises:
            FormatError: no checkpoint, or a damaged one.
            RangeError: a checkpoint of another graph.
        """
        step, arrays = checkpoint.load(graph, path)
        simulation = cls(graph, threads)
        checkpoint.put(simulation, step, arrays)
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
        chunk = max(self._period, FIRST // max(1, sum(p.size for p in self.graph.populations)))
        while self.step < last:
            started = time.perf_counter()
            stop = min(last, self.step + chunk, self.step + self._largest_chunk, (self.step // every + 1) * every)
            stop = min([stop, *self._sample_weights()])
            done = stop - self.step
            self._advance(stop)
            elapsed = time.perf_counter() - started
            self.run_seconds += elapsed
            chunk = max(self._period, min(16 * done, int(done * SLICE / max(elapsed, 1e-9))))
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
        if population not in self.recorded:
            known = list(self.recorded)
            raise RangeError(
                f"Simulation.spikes: no spike probe on {population!r}; there are {known}.{nearest(population, known)}"
            )
        steps, neurons = self.all_recorded(population)
        return Spikes(np.asarray(steps * self.graph.dt, np.float64), neurons)

    def spike_counts(self) -> dict[str, int]:
        """Spikes so far of every population with a spike probe."""
        return {name: sum(len(steps) for steps, _ in parts) for name, parts in self.recorded.items()}

    def synaptic_events(self) -> int:
        """Synapses that the recorded spikes reach: each spike times the out-degree of its neuron."""
        events = 0
        for k, p in enumerate(self.graph.projections):
            if p.source not in self.recorded or p.graded:
                continue
            size = self.graph.population(p.source).size
            spikes = np.bincount(self.spikes(p.source).neurons, minlength=size)
            for lane in self.lanes:
                events += int(spikes @ lane.projections[k].degrees())
        return events

    def state(self, population: str) -> dict[str, NDArray[Any]]:
        """State of all neurons of a population now: name -> (N,)."""
        p = self.graph.population(population)
        if not isinstance(p, Population):
            raise RangeError(f"Simulation.state: {population!r} is a source of spikes and has no state.")
        number = self.graph.populations.index(p)
        parts = [get_rows(lane.blocks[number], len(p.state)) for lane in self.lanes]
        return dict(zip(p.state, np.concatenate(parts, axis=1), strict=True))

    def synapses_of(self, projection: str) -> Synapses:
        """The synapses of a projection, with their weights now (at the synapse, its dendritic delay ago).

        Raises:
            RangeError: no such projection.
        """
        p = self.graph.projection(projection)
        k = self.graph.projections.index(p)
        cuts = self.cuts(p.target)
        if p.plasticity is None:
            parts = [listed(self.graph, k, first, end - first) for first, end in itertools.pairwise(cuts)]
        else:
            parts = [
                plasticity.now(p.plasticity, lane.projections[k].arguments, lane.plastic[k], self.step)
                for lane in self.lanes
            ]
        return plasticity.synapses(parts, cuts, self.graph.dt)

    def all_recorded(self, population: str) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Steps and neurons of all spikes of a population that has a spike probe."""
        parts = self.recorded[population]
        steps = np.concatenate([s for s, _ in parts] or [np.empty(0, np.int64)])
        return steps, np.concatenate([i for _, i in parts] or [np.empty(0, np.int32)])

    def _sample_weights(self) -> list[int]:
        """Take the samples of weight probes that are due; returns when the next ones are."""
        due = []
        for number, probe in enumerate(self.graph.probes):
            if not isinstance(probe, WeightProbe):
                continue
            if self.step % probe.every == 0:
                weight = self.synapses_of(probe.projection).weight
                chosen = np.arange(len(weight)) if probe.synapses is None else np.asarray(probe.synapses)
                if chosen.max(initial=-1) >= len(weight):
                    raise RangeError(
                        f"WeightProbe {probe.projection!r}.synapses: must be below {len(weight)}, the number of "
                        f"synapses, got {chosen.max()}."
                    )
                self.traces.setdefault(number, []).append(weight[chosen][None])
            due.append((self.step // probe.every + 1) * probe.every)
        return due

    def connect_again(self) -> None:
        """Put plastic synapses back into their initial state."""
        for k, p in enumerate(self.graph.projections):
            if p.plasticity is not None:
                for number, lane in enumerate(self.lanes):
                    lane.projections[k], changing = connect(self.graph, k, number, self.cuts(p.target))
                    lane.plastic = (*lane.plastic[:k], changing, *lane.plastic[k + 1 :])

    def cuts(self, population: str) -> list[int]:
        """Where the blocks of a population begin, and its end."""
        return borders(self.graph.population(population).size, self.threads)

    def _build(self, like: Simulation | None) -> None:
        from neurosim.kernels.barrier import new_barrier

        graph, lanes = self.graph, self.threads
        cuts = [borders(p.size, lanes) for p in graph.populations]
        self.deliveries = deliveries(graph)
        with ThreadPoolExecutor(lanes) as pool:
            old = like if like is not None and like.threads == lanes else None
            self.lanes = list(pool.map(lambda lane: make_lane(graph, self.deliveries, lane, cuts, old), range(lanes)))
        made = [stored for lane in self.lanes for stored in lane.projections]
        rewards, backs = plasticity.lags(graph)
        longest = max([stored.base + stored.spread - 1 for stored in made] + rewards + backs, default=1)
        self._period = min([stored.base for stored in made if stored.base] + rewards, default=64)
        self.height = 1 << (longest + self._period).bit_length()
        self._largest_chunk = max(
            self._period, LARGEST_RECORD // max(1, *(cut[-1] for cut in cuts)) if cuts else LARGEST_RECORD
        )
        self.make_room()
        self._kernel = self._load()
        self._call(0, 0, 0, new_barrier(lanes))  # no step, but the time loop is compiled and loaded

    def make_room(self) -> None:
        """Memory for the spikes that are under way, and for the rows of synapses they reach in one step."""
        from neurosim.kernels.inputs import TILE

        graph, names = self.graph, [p.name for p in self.graph.populations]
        counts = new_counts(self.height, self.threads, len(names))
        self.history = [new_history(p, self.cuts(p.name), counts[:, :, k]) for k, p in enumerate(graph.populations)]
        self.signals = tuple(  # values of the states that projections carry, in the last steps
            np.zeros((self.height, max(1, graph.populations[k].size)), graph.precision) for k, _ in signals_of(graph)
        )
        for lane in self.lanes:
            columns = [
                self.history[names.index(graph.projections[m[0]].source)].spikes.shape[1] for m in self.deliveries
            ]
            ways = [(n, stored.spread) for n, stored in zip(columns, self._stored(lane), strict=True)]
            most = max((n * spread for n, spread in ways), default=0) + SPARE
            lists = tuple(new_list(n, spread) for n, spread in ways)
            tile = np.empty(TILE, np.uint32)
            lane.scratch = (*np.empty((2, most), np.int64), tile, lane.inboxes, lists, self.signals)

    def _stored(self, lane: Lane) -> list[Stored]:
        """What is delivered in a lane, in order."""
        return [lane.bundles[m] if len(m) > 1 else lane.projections[m[0]] for m in self.deliveries]

    def _load(self) -> Any:
        from neurosim.kernels.network import network_kernel  # Numba is imported by the first network, not by the import
        from neurosim.sim.plan import plan_of

        kinds = [stored.kind for stored in self._stored(self.lanes[0])]
        return network_kernel(plan_of(self.graph, list(zip(self.deliveries, kinds, strict=True))))

    def _advance(self, stop: int) -> None:
        """Run all lanes up to step ``stop``, then gather what they recorded."""
        from neurosim.kernels.barrier import new_barrier

        barrier, steps = new_barrier(self.threads), stop - self.step
        workers = [
            threading.Thread(target=self._call, args=(lane, self.step, stop, barrier)) for lane in range(self.threads)
        ]
        for worker in workers[1:]:
            worker.start()
        workers[0].run()
        for worker in workers[1:]:
            worker.join()
        self.step = stop
        self._gather(steps)
        check_finite(self.graph, self.lanes, stop - steps, stop)

    def _call(self, lane: int, first: int, last: int, barrier: NDArray[Any]) -> None:
        given = self._arguments(lane, last - first)
        self._kernel.run(lane, self.threads, first, last, self._period, barrier, np.uint64(self.graph.seed), *given)

    def _arguments(self, number: int, steps: int) -> tuple[Any, ...]:
        lane, populations = self.lanes[number], []
        for k, (block, history) in enumerate(zip(lane.blocks, self.history, strict=True)):
            first, width = int(history.columns[number]), int(np.diff(history.columns)[number])
            if self.graph.populations[k].name in self.recorded and len(block.ids) < width * steps:
                block.ids, block.steps = np.empty(width * steps, np.int32), np.empty(width * steps, np.int64)
            if self.graph.populations[k].name in self.rates.populations:
                block.tally = np.empty(steps, np.int64)
            block.used[0] = 0
            own = block.own
            if isinstance(self.graph.populations[k], Population):
                own = (*own[:5], tuple(self._sample(probe, steps) for probe in own[5]))
                block.own = own
            given = isinstance(self.graph.populations[k], SpikeSource)
            place = (width, first) if given else (block.n, block.first)
            shared = history.spikes, history.counts, history.columns
            populations.append((*place, *shared, block.ids, block.steps, block.used, block.tally, own))
        synapses = tuple(stored.arguments for stored in self._stored(lane))
        plastic = tuple(lane.plastic[m[0]] for m in self.deliveries)
        return tuple(populations), synapses, plastic, lane.inputs, lane.scratch

    def _sample(self, probe: tuple[Any, ...], steps: int) -> tuple[Any, ...]:
        neurons, every, _, used = probe
        used[0] = 0
        return neurons, every, np.empty((steps // every + 1, len(neurons)), self.graph.precision), used

    def _gather(self, done: int) -> None:
        for k, p in enumerate(self.graph.populations):
            blocks = [lane.blocks[k] for lane in self.lanes]
            if p.name in self.recorded:
                steps = np.concatenate([b.steps[: b.used[0]] for b in blocks])
                neurons = np.concatenate([b.ids[: b.used[0]] for b in blocks])
                order = np.argsort(steps, kind="stable")  # lanes are in ascending order of neurons
                self.recorded[p.name].append((steps[order], neurons[order]))
            if p.name in self.rates.populations:
                self.rates.add(p.name, self.step - done, np.sum([b.tally for b in blocks], axis=0))
            if isinstance(p, Population):
                self._gather_traces(p, blocks)

    def _gather_traces(self, p: Population, blocks: list[Block]) -> None:
        for j, probe in enumerate(traced(self.graph, p)):
            parts = [b.own[5][j] for b in blocks]
            sampled = np.concatenate([out[: used[0]] for _, _, out, used in parts], axis=1)
            order = np.argsort(np.argsort(probed(p, probe), kind="stable"), kind="stable")
            number = next(n for n, other in enumerate(self.graph.probes) if other is probe)
            self.traces.setdefault(number, []).append(sampled[:, order])

    def trace(self, probe: int = 0) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Times (T,) [s] and values of the probe with this number among the graph's probes.

        States and weights give (T, M); a rate (T,) [Hz], the mean over the population, of each bin that is full and
        begins at its time.
        """
        if probe in self.rates:
            return self.rates.rate(probe)
        if probe not in self.traces:
            raise RangeError(
                f"Simulation.trace: probe {probe!r} is no probe of a state, a rate or weights that has run; there are "
                f"{sorted({*self.traces, *self.rates})}."
            )
        given = self.graph.probes[probe]
        assert isinstance(given, (StateProbe, WeightProbe))
        every = int(given.every)
        values = np.concatenate(self.traces[probe])
        return np.arange(len(values), dtype=np.float64) * every * self.graph.dt, values
