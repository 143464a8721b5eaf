"""Layers: ``y, state = layer(x, state=None)``, time first; ordinary torch.nn modules mix in."""

from neurosim.nn.cascade import CascadeDendrites, Growth, PhaseScheduler, perforate, with_dendrites
from neurosim.nn.layer import Layer, PerStep, State, Stateless, detach
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
from neurosim.nn.sequential import Residual, Sequential
from neurosim.nn.spiking import Spiking

__all__ = [
    "AdaptiveAvgPool2d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "CascadeDendrites", "Conv2d", "Dropout", "Flatten",
    "Growth", "Layer", "Linear", "MaxPool2d", "PerStep", "PhaseScheduler", "Readout", "Recurrent", "Residual",
    "Sequential", "Spiking", "State", "Stateless", "SumPool2d", "accuracy", "activity_loss", "confusion",
    "count_cross_entropy", "detach", "fold_norm", "lower", "membrane_cross_entropy", "packed_spikes", "perforate",
    "rate_cross_entropy", "read_out", "spike_count_loss", "tet", "with_dendrites",
]  # fmt: skip
