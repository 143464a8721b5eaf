"""`Graph`: frozen networks of arrays, which the simulator runs and files hold; without torch and Numba."""

from neurosim.graph.distributions import Distribution, LogNormal, Normal, Uniform
from neurosim.graph.graph import AnyPopulation, Graph, Probe, Stimulus
from neurosim.graph.parts import CurrentInput, PoissonInput, Projection, RateProbe, SpikeProbe, StateProbe, WeightProbe
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
    DistanceDependent,
    Explicit,
    FixedInDegree,
    FixedOutDegree,
    FixedTotal,
    OneToOne,
    Rule,
)
from neurosim.graph.tripartite import TripartiteBernoulli

__all__ = [
    "AllToAll", "AnyPopulation", "Bernoulli", "Convolution", "CurrentInput", "DistanceDependent", "Distribution",
    "Explicit", "FixedInDegree", "FixedOutDegree", "FixedTotal", "Graph", "LogNormal", "Normal", "OneToOne",
    "PairSTDP", "Plasticity", "PoissonInput", "PoissonSource", "Population", "Probe", "Projection", "RateProbe",
    "RewardSTDP", "Rule", "SpikeProbe", "SpikeSource", "StateProbe", "Stimulus", "TripartiteBernoulli", "TripletSTDP",
    "TsodyksMarkram", "Uniform", "VogelsSprekeler", "WeightProbe",
]  # fmt: skip
