"""What a network costs and what it does: operation counts as NeuroBench defines them, recordings of its layers."""

from neurosim.analysis.cost import Counter, as_neurobench, measure
from neurosim.analysis.health import dead_fraction, unhealthy
from neurosim.analysis.record import record, recording

__all__ = ["Counter", "as_neurobench", "dead_fraction", "measure", "record", "recording", "unhealthy"]
