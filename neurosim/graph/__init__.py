"""`Graph`: frozen networks of arrays, which the simulator runs and files hold; without torch and Numba."""

from neurosim.graph.graph import AnyPopulation, Graph, Probe, Stimulus
from neurosim.graph.parts import CurrentInput, PoissonInput, Projection, RateProbe, SpikeProbe, StateProbe
from neurosim.graph.population import PoissonSource, Population, SpikeSource
from neurosim.graph.rules import (
    AllToAll,
    Bernoulli,
    DistanceDependent,
    Distribution,
    Explicit,
    FixedInDegree,
    FixedOutDegree,
    FixedTotal,
    LogNormal,
    Normal,
    OneToOne,
    Rule,
    Uniform,
)

__all__ = [
    "AllToAll", "AnyPopulation", "Bernoulli", "CurrentInput", "DistanceDependent", "Distribution", "Explicit",
    "FixedInDegree", "FixedOutDegree", "FixedTotal", "Graph", "LogNormal", "Normal", "OneToOne", "PoissonInput",
    "PoissonSource", "Population", "Probe", "Projection", "RateProbe", "Rule", "SpikeProbe", "SpikeSource",
    "StateProbe", "Stimulus", "Uniform",
]  # fmt: skip
