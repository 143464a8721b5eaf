"""Units: neurons and readouts, written once as frozen dataclasses with pure scalar functions."""

from neurosim.units import ops
from neurosim.units.adaptive import AdLIF, Izhikevich
from neurosim.units.adex import AdEx
from neurosim.units.astrocyte import AstroLIF
from neurosim.units.base import Contract, Decay, Unit
from neurosim.units.conductance import ConductanceLIF
from neurosim.units.current import CurrentLIF
from neurosim.units.current_port import CurrentPort
from neurosim.units.hodgkin_huxley import HodgkinHuxley
from neurosim.units.li_rinzel import LiRinzel
from neurosim.units.lif import IF, LI, LIF, CubaLIF, DelayedResetLIF
from neurosim.units.plateau import PlateauLIF
from neurosim.units.refractory import Refractory
from neurosim.units.surrogate import Arctan, Boxcar, FastSigmoid, Sigmoid, SuperSpike, Surrogate, Triangle

ALL: tuple[type[Unit], ...] = (IF, LIF, CubaLIF, AdLIF, LI, Izhikevich, DelayedResetLIF, AstroLIF)
SIMULATION: tuple[type[Unit], ...] = (CurrentLIF, ConductanceLIF, AdEx, HodgkinHuxley, LiRinzel, PlateauLIF)
SURROGATES: tuple[type[Surrogate], ...] = (SuperSpike, Arctan, Triangle, Boxcar, Sigmoid)

__all__ = [
    "ALL", "SIMULATION", "SURROGATES", "AdEx", "AdLIF", "Arctan", "AstroLIF", "Boxcar", "ConductanceLIF", "Contract",
    "CubaLIF", "CurrentLIF", "CurrentPort", "Decay", "DelayedResetLIF", "FastSigmoid", "HodgkinHuxley", "IF",
    "Izhikevich", "LI", "LIF", "LiRinzel", "PlateauLIF", "Refractory", "Sigmoid", "SuperSpike", "Surrogate", "Triangle",
    "Unit", "ops",
]  # fmt: skip
