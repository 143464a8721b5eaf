"""From a trained model to the event engine."""

from neurosim.nn.lowering.lower import evaluation_form, lower, read_out

__all__ = ["evaluation_form", "lower", "read_out"]
