"""Units: neurons and readouts, written once as frozen dataclasses with pure scalar functions."""

from neurosim.units import ops
from neurosim.units.adaptive import AdLIF, Izhikevich
from neurosim.units.base import Contract, Decay, Unit
from neurosim.units.lif import IF, LI, LIF, CubaLIF, DelayedResetLIF
from neurosim.units.refractory import Refractory
from neurosim.units.surrogate import Arctan, Boxcar, FastSigmoid, Sigmoid, SuperSpike, Surrogate, Triangle

ALL: tuple[type[Unit], ...] = (IF, LIF, CubaLIF, AdLIF, LI, Izhikevich, DelayedResetLIF)
SURROGATES: tuple[type[Surrogate], ...] = (SuperSpike, Arctan, Triangle, Boxcar, Sigmoid)

__all__ = [
    "ALL", "SURROGATES", "AdLIF", "Arctan", "Boxcar", "Contract", "CubaLIF", "Decay", "DelayedResetLIF",
    "FastSigmoid", "IF", "Izhikevich", "LI", "LIF", "Refractory", "Sigmoid", "SuperSpike", "Surrogate",
    "Triangle", "Unit", "ops",
]  # fmt: skip
