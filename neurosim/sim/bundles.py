"""Projections from one population that are delivered as one: a spike finds all its targets in one place.

The microcircuit has 64 projections among 8 populations; bundled they are 8, with rows eight times as long and an eighth
of the tables. No result changes: a neuron still gets its input in the order of the graph's projections.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from neurosim.graph import Distribution, Graph, Population, Projection
from neurosim.graph.layouts import layout_of
from neurosim.sim.build import is_instant, port_of
from neurosim.sim.layouts import Stored

Members = tuple[int, ...]  # numbers of projections that are delivered as one


def deliveries(graph: Graph) -> list[Members]:
    """All projections in the order in which they are delivered, bundled where they can be.

    A projection joins an earlier one unless something else reaches the same port in between, or it is a second one
    between the same populations: then the order of some sum would change.
    """
    found: list[list[int]] = []
    reached: list[set[tuple[str, int]]] = []
    bundles: dict[tuple[str, int], int] = {}
    for number, p in enumerate(graph.projections):
        place = (p.target, port_of(graph, p))
        key = (p.source, place[1])
        at = bundles.get(key, -1) if _can(graph, p) else -1
        if at >= 0 and not any(place in ports for ports in reached[at:]):
            found[at].append(number)
            reached[at].add(place)
            continue
        if _can(graph, p):
            bundles[key] = len(found)
        found.append([number])
        reached.append({place})
    return [tuple(members) for members in found]


def _can(graph: Graph, p: Projection) -> bool:
    """Whether its synapses are listed by source, with floats as weights, which do not change."""
    sizes = graph.population(p.source).size, graph.population(p.target).size
    own = isinstance(p.weight, (Distribution, np.ndarray)) and p.weight_type == "float"
    return own and p.plasticity is None and not p.graded and not is_instant(p) and layout_of(p, *sizes) == "csr"


def inbox_offsets(graph: Graph, sizes: Sequence[int], port: int) -> tuple[dict[str, int], int]:
    """Where in a lane the input of each population to the port with this number begins, and the end of all.

    Args:
        sizes: neurons of each population in the lane.
    """
    offsets, end = {}, 0
    for p, n in zip(graph.populations, sizes, strict=True):
        if isinstance(p, Population) and len(p.ports) > port:
            offsets[p.name] = end
            end += n
    return offsets, end


def bundled(graph: Graph, members: Members, parts: Sequence[Stored], sizes: Sequence[int]) -> Stored:
    """One set of synapses in a lane from those of the ``members``."""
    from neurosim.kernels.bundles import bundle

    first = graph.projections[members[0]]
    offsets, end = inbox_offsets(graph, sizes, port_of(graph, first))
    places = [offsets[graph.projections[k].target] for k in members]
    arguments = bundle([part.arguments for part in parts], places, end)
    *_, base, spread = arguments
    return replace(parts[0], arguments=arguments, size=sum(part.size for part in parts), base=base, spread=spread)


def without_synapses(stored: Stored) -> Stored:
    """What is left of a projection that is part of a bundle: its numbers."""
    degrees: Any = stored.degrees()
    return replace(stored, arguments=(), degrees=lambda: degrees)
