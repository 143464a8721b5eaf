"""What of a `Graph` its generated time loop depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurosim.graph import (
    CurrentInput,
    Graph,
    PoissonInput,
    Population,
    Projection,
    RateProbe,
    RewardSTDP,
    SpikeProbe,
    SpikeSource,
)
from neurosim.kernels.inputs import poisson_bounds
from neurosim.kernels.network import (
    BUNDLE,
    POISSON,
    SPIKE_TIMES,
    InputPlan,
    NetworkPlan,
    PopulationPlan,
    ProjectionPlan,
)
from neurosim.sim.build import is_instant, port_of, signals_of, traced


def plan_of(graph: Graph, deliver: Sequence[tuple[tuple[int, ...], str]]) -> NetworkPlan:
    """The plan of a graph; ``deliver``: numbers of projections delivered as one, and which code delivers them."""
    numbers = {p.name: k for k, p in enumerate(graph.populations)}
    signals = signals_of(graph)
    projections = tuple(
        ProjectionPlan(
            numbers[p.source],
            numbers[p.target] if len(members) == 1 else BUNDLE,
            port_of(graph, p),
            kind,
            is_instant(p),
            p.plasticity.kind if p.plasticity else "",
            numbers[p.plasticity.modulator] if isinstance(p.plasticity, RewardSTDP) else -1,
            _signal(graph, p, signals),
        )
        for members, kind in deliver
        for p in (graph.projections[members[0]],)
    )
    populations = tuple(_population(graph, p, k, signals) for k, p in enumerate(graph.populations))
    return NetworkPlan(populations, projections, graph.precision)


def _signal(graph: Graph, p: Projection, signals: Sequence[tuple[int, int]]) -> int:
    """Which of the signals a projection carries; -1: spikes."""
    source = graph.population(p.source)
    if not p.graded or not isinstance(source, Population):
        return -1
    return signals.index((graph.populations.index(source), source.state.index(p.signal)))


def _population(graph: Graph, p: Any, number: int, signals: Sequence[tuple[int, int]]) -> PopulationPlan:
    record, counted = (
        any(isinstance(probe, kind) and probe.population == p.name for probe in graph.probes)
        for kind in (SpikeProbe, RateProbe)
    )
    if not isinstance(p, Population):
        kind = SPIKE_TIMES if isinstance(p, SpikeSource) else POISSON
        return PopulationPlan(kind, record=record, counted=counted)
    return PopulationPlan(
        program=p.program,
        uniform=p.coefficients.shape[1] == 1,
        inputs=tuple(_input(graph, given) for given in graph.stimuli if given.target == p.name),
        record=record,
        counted=counted,
        traced=tuple(p.state.index(probe.state) for probe in traced(graph, p)),
        signals=tuple((j, state) for j, (owner, state) in enumerate(signals) if owner == number),
    )


def _input(graph: Graph, given: Any) -> InputPlan:
    port = port_of(graph, given)
    if isinstance(given, CurrentInput):
        return InputPlan("current_trace" if np.ndim(given.value) == 2 else "current", port)
    assert isinstance(given, PoissonInput)
    if np.ndim(given.rate):
        return InputPlan("poisson_each", port)
    return InputPlan("poisson", port, len(poisson_bounds(float(given.rate) * graph.dt)[1]))
