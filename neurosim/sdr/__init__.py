"""Sparse distributed representations: which few cells of many are active. Without torch."""

from neurosim.sdr import theory
from neurosim.sdr.array import SDRArray
from neurosim.sdr.sdr import SDR

__all__ = ["SDR", "SDRArray", "theory"]
