"""The event engine: networks of populations and projections, simulated without torch."""

from neurosim.graph import (
    AllToAll,
    Bernoulli,
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
from neurosim.sim.latency import StreamReport
from neurosim.sim.network import Network
from neurosim.sim.simulation import Simulation, Spikes
from neurosim.sim.stream import Channels, Output, Stream

__all__ = [
    "AllToAll", "Bernoulli", "Channels", "Explicit", "FixedInDegree", "FixedOutDegree", "FixedTotal", "Graph",
    "LogNormal", "Network", "Normal", "OneToOne", "Output", "Simulation", "Spikes", "Stream", "StreamReport", "Uniform",
    "feed",
]  # fmt: skip
