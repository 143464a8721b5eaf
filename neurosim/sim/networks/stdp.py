"""Cells whose Poisson input competes through spike-timing dependent plasticity."""

from __future__ import annotations

from neurosim.graph import AllToAll, PairSTDP, Uniform
from neurosim.sim.network import Network
from neurosim.units import ConductanceLIF


def stdp(scale: float = 1.0, seed: int = 1, precision: str = "float32") -> Network:
    """1,000 Poisson inputs (times ``scale``) of 15 Hz, each with a plastic synapse to 4 cells; mV and nS.

    Weights become bimodal within a minute; ``simulation.synapses_of("plastic").weight`` has them.

    Source: Song, Miller and Abbott 2000, doi:10.1038/78829; as in Brian2's example STDP, with 4 cells.
    """
    net = Network(dt=1e-4, seed=seed, precision=precision)
    unit = ConductanceLIF(
        c_mem=100.0, g_leak=10.0, v_leak=-74.0, v_threshold=-54.0, v_reset=-60.0, refractory=0.0, convention="brian2"
    )
    largest = 0.1 / scale  # nS, a hundredth of the leak; as small as there are many
    net.poisson_source(round(1000 * scale), 15.0, name="input")
    net.population(unit, 4, name="cells", v=-60.0)
    rule = PairSTDP(a_plus=0.01, a_minus=0.0105, w_max=largest)
    weight = Uniform(0.0, largest)
    net.connect("input", "cells", rule=AllToAll(), weight=weight, port="exc", plasticity=rule, name="plastic")
    net.probe("input")
    net.probe("cells")
    return net
