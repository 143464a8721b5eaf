"""A small network, whole and in parts, for the tests of graphs."""

from neurosim.graph import AllToAll, Graph, PoissonSource, Population, Projection, SpikeSource
from neurosim.units import LI, LIF

DT = 1e-3
CELLS = Population.of("cells", LIF(), 5, DT)
READOUT = Population.of("readout", LI(), 2, DT)
GIVEN = SpikeSource("given", 3, [0, 4, 4], [2, 0, 1])
NOISE = PoissonSource("noise", 4, 10.0)
POPULATIONS = (CELLS, READOUT, GIVEN, NOISE)


def joined(source="given", target="cells", port="x", rule=None, weight=1.0, delay=1, **more):
    rule = AllToAll() if rule is None else rule
    return Projection("link", source, target, port, rule, weight, delay, **more)


def graph(*projections, populations=POPULATIONS, dt=DT, **more):
    return Graph(dt, populations, projections, **more)
