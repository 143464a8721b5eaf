"""Sparse distributed representations: which few cells of many are active. Without torch."""

from neurosim.sdr import theory
from neurosim.sdr.array import SDRArray
from neurosim.sdr.classifier import SDRClassifier
from neurosim.sdr.date import DateEncoder
from neurosim.sdr.encoders import RDSE, CategoryEncoder, ScalarEncoder, SimHashEncoder
from neurosim.sdr.metrics import Metrics, Summary
from neurosim.sdr.neuron import PoiraziNeuron, Power, Sigmoid, Step, Threshold
from neurosim.sdr.sdr import SDR
from neurosim.sdr.segments import DendriticSegment, Fired, Segments, SegmentState, k_means
from neurosim.sdr.spatial_pooler import SpatialPooler
from neurosim.sdr.temporal_memory import TemporalMemory

__all__ = [
    "RDSE", "SDR", "CategoryEncoder", "DateEncoder", "DendriticSegment", "Fired", "Metrics", "PoiraziNeuron", "Power",
    "SDRArray", "SDRClassifier", "ScalarEncoder", "SegmentState", "Segments", "Sigmoid", "SimHashEncoder",
    "SpatialPooler", "Step", "Summary", "TemporalMemory", "Threshold", "k_means", "theory",
]  # fmt: skip
