"""`feed`: use a built simulation again, with other given spikes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from neurosim.errors import RangeError
from neurosim.graph import Graph, Population, SpikeSource
from neurosim.sim.build import source_block, state_rows
from neurosim.sim.simulation import Simulation


def feed(simulation: Simulation, spikes: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Simulation:
    """Put a simulation back to its start, with other spikes in some sources; synapses and kernels stay.

    The result is that of a new `Simulation` of a graph with these spikes, which ``simulation.graph`` then is.

    Args:
        simulation: to use again; what it has recorded is forgotten.
        spikes: by the name of a `SpikeSource`: steps (S,), never decreasing, and neurons (S,).

    Returns:
        The same simulation.

    Raises:
        RangeError: a name that is no `SpikeSource`; steps or neurons out of range.
        ShapeError: arrays that do not fit together.

    Example:
        >>> from neurosim import sim
        >>> net = sim.Network(dt=1e-3)
        >>> source = net.spike_times(2, [], [])
        >>> _ = net.probe(source)
        >>> simulation = net.build(threads=1)
        >>> sim.feed(simulation, {source: ([0, 3], [1, 0])}).run(0.005).spikes(source).neurons.tolist()
        [1, 0]
    """
    simulation.graph = graph = _with_spikes(simulation.graph, spikes)
    simulation.step, simulation.run_seconds = 0, 0.0
    simulation.recorded, simulation.traces = {name: [] for name in simulation.recorded}, {}
    simulation.rates.forget()
    simulation.make_room()
    for k, p in enumerate(graph.populations):
        for lane in simulation.lanes:
            block = lane.blocks[k]
            if isinstance(p, Population):
                w, _, acc, flags, _, _ = block.own
                w[:] = state_rows(graph, p, block.first, block.n)[0]
                flags[:] = 0
                for port in acc:
                    port[:] = 0
            else:
                block.own = source_block(graph, p, k, block.first, block.n)
    simulation.connect_again()
    return simulation


def _with_spikes(graph: Graph, spikes: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Graph:
    made: dict[str, SpikeSource] = {}
    for name, (steps, neurons) in spikes.items():
        p = graph.population(name)
        if not isinstance(p, SpikeSource):
            raise RangeError(f"feed: {name!r} must be a SpikeSource, got a {type(p).__name__}.")
        made[name] = SpikeSource(name, p.size, np.asarray(steps), np.asarray(neurons), p.positions)
    return replace(graph, populations=tuple(made.get(p.name, p) for p in graph.populations))
