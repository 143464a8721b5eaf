"""The event engine: networks of populations and projections, simulated without torch."""

from neurosim.graph import (
    AllToAll,
    Bernoulli,
    Convolution,
    DistanceDependent,
    Explicit,
    FixedInDegree,
    FixedOutDegree,
    FixedTotal,
    Graph,
    LogNormal,
    Normal,
    OneToOne,
    PairSTDP,
    RewardSTDP,
    TripartiteBernoulli,
    TripletSTDP,
    TsodyksMarkram,
    Uniform,
    VogelsSprekeler,
)
from neurosim.sim.feeding import feed
from neurosim.sim.latency import StreamReport
from neurosim.sim.network import Network
from neurosim.sim.plasticity import Synapses
from neurosim.sim.recording import Spikes
from neurosim.sim.simulation import Simulation
from neurosim.sim.stream import Channels, Output, Stream

__all__ = [
    "AllToAll", "Bernoulli", "Channels", "Convolution", "DistanceDependent", "Explicit", "FixedInDegree",
    "FixedOutDegree", "FixedTotal", "Graph", "LogNormal", "Network", "Normal", "OneToOne", "Output", "PairSTDP",
    "RewardSTDP", "Simulation", "Spikes", "Stream", "StreamReport", "Synapses", "TripartiteBernoulli",
    "TripletSTDP", "TsodyksMarkram", "Uniform", "VogelsSprekeler", "feed",
]  # fmt: skip
