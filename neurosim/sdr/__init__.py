"""Sparse distributed representations: which few cells of many are active. Without torch."""

from neurosim.sdr import theory
from neurosim.sdr.array import SDRArray
from neurosim.sdr.date import DateEncoder
from neurosim.sdr.encoders import RDSE, CategoryEncoder, ScalarEncoder, SimHashEncoder
from neurosim.sdr.sdr import SDR

__all__ = [
    "RDSE", "SDR", "CategoryEncoder", "DateEncoder", "SDRArray", "ScalarEncoder", "SimHashEncoder", "theory",
]  # fmt: skip
