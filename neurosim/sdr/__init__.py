"""Sparse distributed representations: which few cells of many are active. Without torch."""

from neurosim.sdr import theory
from neurosim.sdr.array import SDRArray
from neurosim.sdr.date import DateEncoder
from neurosim.sdr.encoders import RDSE, CategoryEncoder, ScalarEncoder, SimHashEncoder
from neurosim.sdr.metrics import Metrics, Summary
from neurosim.sdr.sdr import SDR

__all__ = [
    "RDSE", "SDR", "CategoryEncoder", "DateEncoder", "Metrics", "SDRArray", "ScalarEncoder", "SimHashEncoder",
    "Summary", "theory",
]  # fmt: skip
