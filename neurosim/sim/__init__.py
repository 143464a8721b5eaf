"""The event engine: networks of populations and projections, simulated without torch."""

from neurosim.graph import (
    AllToAll,
    Bernoulli,
    DistanceDependent,
    Explicit,
    FixedInDegree,
    FixedOutDegree,
    FixedTotal,
    Graph,
    LogNormal,
    Normal,
    OneToOne,
    Uniform,
)
from neurosim.sim.feeding import feed
from neurosim.sim.network import Network
from neurosim.sim.recording import Spikes
from neurosim.sim.simulation import Simulation

__all__ = [
    "AllToAll", "Bernoulli", "DistanceDependent", "Explicit", "FixedInDegree", "FixedOutDegree", "FixedTotal",
    "Graph", "LogNormal", "Network", "Normal", "OneToOne", "Simulation", "Spikes", "Uniform", "feed",
]  # fmt: skip
