"""Layers: ``y, state = layer(x, state=None)``, time first; ordinary torch.nn modules mix in."""

from neurosim.nn.astro import AstroBlock, AstroSNN, state_size
from neurosim.nn.cascade import CascadeDendrites, Growth, PhaseScheduler, perforate, with_dendrites
from neurosim.nn.contexts import OnlineClusters, Prototypes, hotelling
from neurosim.nn.dendritic import ActiveDendrites, fold_context, init_modified
from neurosim.nn.domains import AstroLayer
from neurosim.nn.kwinners import Boost, KWinners, KWinners2d, k_winners, update_boost_strength
from neurosim.nn.language import LanguageModel, as_symbols, bits_per_symbol
from neurosim.nn.layer import ContextLayer, Layer, PerStep, State, Stateless, detach
from neurosim.nn.linear import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    SumPool2d,
    fold_norm,
)
from neurosim.nn.losses import (
    accuracy,
    activity_loss,
    confusion,
    count_cross_entropy,
    membrane_cross_entropy,
    rate_cross_entropy,
    spike_count_loss,
    tet,
)
from neurosim.nn.lowering import lower, read_out
from neurosim.nn.memory import packed_spikes
from neurosim.nn.readout import Readout
from neurosim.nn.recurrent import Recurrent
from neurosim.nn.sequential import Ports, Residual, Sequential
from neurosim.nn.sparse import SparseConv2d, SparseLinear, sparsify
from neurosim.nn.spiking import Spiking

__all__ = [
    "ActiveDendrites", "AdaptiveAvgPool2d", "AstroBlock", "AstroLayer", "AstroSNN", "AvgPool2d", "BatchNorm1d",
    "BatchNorm2d", "Boost", "CascadeDendrites", "ContextLayer", "Conv2d", "Dropout", "Flatten", "Growth", "KWinners",
    "KWinners2d", "LanguageModel", "Layer", "Linear", "MaxPool2d", "OnlineClusters", "PerStep", "PhaseScheduler",
    "Ports", "Prototypes", "Readout", "Recurrent", "Residual", "Sequential", "SparseConv2d", "SparseLinear", "Spiking",
    "State", "Stateless", "SumPool2d", "accuracy", "activity_loss", "as_symbols", "bits_per_symbol", "confusion",
    "count_cross_entropy", "detach", "fold_context", "fold_norm", "hotelling", "init_modified", "k_winners", "lower",
    "membrane_cross_entropy", "packed_spikes", "perforate", "rate_cross_entropy", "read_out", "sparsify",
    "spike_count_loss", "state_size", "tet", "update_boost_strength", "with_dendrites",
]  # fmt: skip
