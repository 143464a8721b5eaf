"""Make a lane: the synapses, states and inputs of one thread's block of every population."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.graph import Graph, Population
from neurosim.sim import plasticity
from neurosim.sim.build import (
    Block,
    Lane,
    input_numbers,
    probed,
    same_synapses,
    source_block,
    traced,
    unit_block,
)
from neurosim.sim.bundles import Members, bundled, inbox_offsets, without_synapses
from neurosim.sim.layouts import Stored, connect_lane

if TYPE_CHECKING:
    from neurosim.sim.simulation import Simulation


def make_lane(
    graph: Graph, deliveries: Sequence[Members], lane: int, cuts: list[list[int]], like: Simulation | None
) -> Lane:
    """Build lane number ``lane``.

    Args:
        deliveries: see `neurosim.sim.bundles`.
        cuts: of each population, where the blocks of the lanes begin.
        like: a simulation with as many lanes, whose synapses are taken where they are the same.
    """
    sizes = [cut[lane + 1] - cut[lane] for cut in cuts]
    projections, plastic, bundles = _synapses(graph, deliveries, lane, cuts, sizes, like)
    ports = range(max((len(p.ports) for p in graph.populations if isinstance(p, Population)), default=0))
    offsets = [inbox_offsets(graph, sizes, j) for j in ports]
    inboxes = tuple(np.zeros(max(1, end), graph.precision) for _, end in offsets)
    blocks, inputs = [], []
    for k, (p, cut, n) in enumerate(zip(graph.populations, cuts, sizes, strict=True)):
        first = cut[lane]
        block = Block(first, n)
        if isinstance(p, Population):
            begin = [places[p.name] for places, _ in offsets[: len(p.ports)]]
            acc = tuple(inbox[at : at + n] for inbox, at in zip(inboxes, begin, strict=False))
            block.own = unit_block(graph, p, first, n, acc, _probes(graph, p, first, n))
        else:
            block.own = source_block(graph, p, k, first, n)
        blocks.append(block)
        given = [j for j, stimulus in enumerate(graph.stimuli) if stimulus.target == p.name]
        inputs.append(tuple(input_numbers(graph, j, first, n) for j in given))
    return Lane(blocks, projections, bundles, inboxes, tuple(inputs), plastic=plastic)


def connect(graph: Graph, number: int, lane: int, cut: Sequence[int]) -> tuple[Stored, tuple[Any, ...]]:
    """The synapses of a projection in a lane, and the state of its plasticity. cut: of the target."""
    p, count = graph.projections[number], cut[lane + 1] - cut[lane]
    stored = plasticity.own_weights(p, connect_lane(graph, number, cut[lane], count))
    return stored, plasticity.plastic_block(graph, p, stored.arguments, count)


def _synapses(
    graph: Graph,
    deliveries: Sequence[Members],
    lane: int,
    cuts: list[list[int]],
    sizes: list[int],
    like: Simulation | None,
) -> tuple[list[Stored], tuple[Any, ...], dict[Members, Stored]]:
    """Synapses of all projections in a lane, the state of their plasticity, and their bundles."""
    numbers = {p.name: k for k, p in enumerate(graph.populations)}
    found: dict[int, tuple[Stored, tuple[Any, ...]]] = {}
    bundles: dict[Members, Stored] = {}
    for members in deliveries:
        if like is not None and members in like.deliveries and all(
            same_synapses(graph, like.graph, k) for k in members
        ):  # fmt: skip
            found |= {k: (like.lanes[lane].projections[k], ()) for k in members}
            if len(members) > 1:
                bundles[members] = like.lanes[lane].bundles[members]
            continue
        parts = [connect(graph, k, lane, cuts[numbers[graph.projections[k].target]]) for k in members]
        if len(members) > 1:
            bundles[members] = bundled(graph, members, [stored for stored, _ in parts], sizes)
            parts = [(without_synapses(stored), ()) for stored, _ in parts]
        found |= dict(zip(members, parts, strict=True))
    made = [found[k] for k in range(len(graph.projections))]
    return [stored for stored, _ in made], tuple(changing for _, changing in made), bundles


def _probes(graph: Graph, p: Population, first: int, n: int) -> tuple[Any, ...]:
    found = []
    for probe in traced(graph, p):
        mine = probed(p, probe)
        mine = np.sort(mine[(mine >= first) & (mine < first + n)]) - first
        found.append((mine.astype(np.int64), int(probe.every), None, np.zeros(1, np.int64)))
    return tuple(found)
