"""Number neurons so that those with the same inputs are neighbours, and their synapses runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.graph import Convolution, Explicit, Graph, PoissonInput, Population, Projection

Array = NDArray[Any]


def neighbours(graph: Graph) -> tuple[Graph, dict[str, Array]]:
    """The same network with its neurons in another order, in which all channels of a pixel are neighbours.

    Populations keep their order when something depends on it: sources, the last population (the output), those with
    Poisson input (a neuron's draws go by its number) and those that a rule connects.

    Convolutions become listed synapses, and all synapses are kept by source.

    Returns:
        The graph without probes, and of each population that was reordered the old number of each neuron.
    """
    graph = replace(graph, projections=tuple(_listed(p) for p in graph.projections))
    fixed = {p.name for p in graph.populations if not isinstance(p, Population)} | {graph.populations[-1].name}
    fixed |= {s.target for s in graph.stimuli if isinstance(s, PoissonInput)}
    fixed |= {end for p in graph.projections if not isinstance(p.rule, Explicit) for end in (p.source, p.target)}
    old = {p.name: _order(graph, p.name, p.size) for p in graph.populations if p.name not in fixed}
    new = {name: np.argsort(order) for name, order in old.items()}
    return replace(
        graph,
        populations=tuple(
            _population(p, old[p.name]) if isinstance(p, Population) and p.name in old else p for p in graph.populations
        ),
        projections=tuple(_projection(p, new) if isinstance(p.rule, Explicit) else p for p in graph.projections),
        stimuli=tuple(_stimulus(s, old[s.target]) if s.target in old else s for s in graph.stimuli),
        probes=(),
    ), old


def _listed(p: Projection) -> Projection:
    if not isinstance(p.rule, Convolution):
        return replace(p, layout="csr")
    pre, post, place = p.rule.expand()
    return replace(p, rule=Explicit(pre, post), weight=np.ravel(p.weight)[place], layout="csr")  # type: ignore[arg-type]


def _order(graph: Graph, name: str, size: int) -> Array:
    """Old numbers in the new order: groups of neurons with the same sources, by the first of each."""
    marks = np.zeros(size, np.uint64)
    rng = np.random.default_rng(0)
    for p in graph.projections:
        if p.target == name:
            assert isinstance(p.rule, Explicit)
            words = rng.integers(0, 2**64, graph.population(p.source).size, np.uint64)
            delay = np.asarray(p.delay, np.uint64) * np.uint64(2) + np.uint64(1)
            np.add.at(marks, p.rule.post, words[p.rule.pre] * delay)
    _, first, group = np.unique(marks, return_index=True, return_inverse=True)
    return np.argsort(first[group], kind="stable")


def _population(p: Population, order: Array) -> Population:
    c, start = (a[:, order] if a.shape[1] > 1 else a for a in (p.coefficients, p.initial))
    return replace(p, coefficients=c, initial=start)


def _projection(p: Projection, new: dict[str, Array]) -> Projection:
    assert isinstance(p.rule, Explicit)
    pre, post = (new[name][i] if name in new else i for name, i in ((p.source, p.rule.pre), (p.target, p.rule.post)))
    order = np.lexsort((post, pre))
    weight = p.weight[order] if isinstance(p.weight, np.ndarray) else p.weight
    delay = p.delay[order] if isinstance(p.delay, np.ndarray) else p.delay
    return replace(p, rule=Explicit(pre[order], post[order]), weight=weight, delay=delay)


def _stimulus(s: Any, order: Array) -> Any:
    return replace(s, value=s.value[..., order]) if isinstance(s.value, np.ndarray) else s
