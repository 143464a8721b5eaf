"""`Graph`: frozen networks of arrays, which the simulator runs and files hold; without torch and Numba."""

from neurosim.graph.graph import AnyPopulation, Graph, Probe, Stimulus
from neurosim.graph.parts import CurrentInput, PoissonInput, Projection, SpikeProbe, StateProbe, WeightProbe
from neurosim.graph.plasticity import (
    PairSTDP,
    Plasticity,
    RewardSTDP,
    TripletSTDP,
    TsodyksMarkram,
    VogelsSprekeler,
)
from neurosim.graph.population import PoissonSource, Population, SpikeSource
from neurosim.graph.rules import (
    AllToAll,
    Bernoulli,
    Convolution,
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
    "AllToAll", "AnyPopulation", "Bernoulli", "Convolution", "CurrentInput", "Distribution", "Explicit",
    "FixedInDegree", "FixedOutDegree", "FixedTotal", "Graph", "LogNormal", "Normal", "OneToOne", "PairSTDP",
    "Plasticity", "PoissonInput", "PoissonSource", "Population", "Probe", "Projection", "RewardSTDP", "Rule",
    "SpikeProbe", "SpikeSource", "StateProbe", "Stimulus", "TripletSTDP", "TsodyksMarkram", "Uniform",
    "VogelsSprekeler", "WeightProbe",
]  # fmt: skip
