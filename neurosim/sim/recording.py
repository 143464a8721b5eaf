"""What a simulation has recorded: spikes, and rates, which are counted as it goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.graph import Graph, RateProbe


@dataclass(frozen=True)
class Spikes:
    """Spikes of one population.

    Args:
        times: (S,) float64 [s], ascending; the spike of step k is at k dt.
        neurons: (S,) int32, ascending within a step.
    """

    times: NDArray[np.float64]
    neurons: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.times)


class Rates:
    """Spikes in each bin of every rate probe; the spikes themselves are not kept."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._probes = {k: probe for k, probe in enumerate(graph.probes) if isinstance(probe, RateProbe)}
        self.populations = {probe.population for probe in self._probes.values()}
        self.forget()

    def __iter__(self) -> Iterator[int]:
        """Numbers of the rate probes."""
        return iter(self._probes)

    def forget(self) -> None:
        """Back to the start."""
        self._counts: dict[int, list[NDArray[np.int64]]] = {k: [] for k in self._probes}
        self._open = dict.fromkeys(self._probes, 0)  # spikes so far in the bin that is not full yet

    def add(self, population: str, first: int, spikes: NDArray[np.int64]) -> None:
        """Count the ``spikes`` (steps,) of a population in step ``first`` and those after it."""
        for k, probe in self._probes.items():
            if probe.population != population:
                continue
            starts = np.arange(-(first % probe.every), len(spikes), probe.every)
            counts = np.add.reduceat(spikes, np.maximum(starts, 0))
            counts[0] += self._open[k]
            full = (first + len(spikes)) % probe.every == 0
            self._open[k] = 0 if full else int(counts[-1])
            self._counts[k].append(counts if full else counts[:-1])

    def rate(self, number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Begin [s] and rate [Hz] of every full bin of a probe."""
        probe = self._probes[number]
        seconds = probe.every * self._graph.dt
        counts = np.concatenate([np.empty(0, np.int64), *self._counts[number]])
        return np.arange(len(counts), dtype=np.float64) * seconds, counts / (
            self._graph.population(probe.population).size * seconds
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint holds: the counts of full bins, then the one of the open bin."""
        return {f"rate {k}": np.concatenate([*self._counts[k], np.array([self._open[k]])]) for k in self._probes}

    def put(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from `arrays`."""
        for k in self._probes:
            counts = arrays[f"rate {k}"]
            self._counts[k], self._open[k] = [counts[:-1]], int(counts[-1])
