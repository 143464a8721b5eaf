"""Dendrites trained on the remaining error of a trained layer, frozen, and added one at a time."""

from neurosim.nn.cascade.dendrite import PHI, Dendrite, Growth
from neurosim.nn.cascade.perforate import cascades, count_parameters, perforate
from neurosim.nn.cascade.schedule import PhaseScheduler, fit
from neurosim.nn.cascade.wrapper import CascadeDendrites, with_dendrites

__all__ = [
    "PHI", "CascadeDendrites", "Dendrite", "Growth", "PhaseScheduler", "cascades", "count_parameters", "fit",
    "perforate", "with_dendrites",
]  # fmt: skip
