"""COBA: conductance-based integrate-and-fire neurons, self-sustained (benchmark 1 of Brette et al. 2007)."""

from __future__ import annotations

import numpy as np

from neurosim.graph import Bernoulli
from neurosim.sim.network import Network
from neurosim.units import ConductanceLIF


def coba(scale: float = 1.0, seed: int = 1, precision: str = "float32") -> Network:
    """4,000 neurons (times ``scale``), 80 % excitatory, connected with 2 % (80 synapses each); mV and nS.

    The activity dies out for some seeds, in every simulator.

    Source: Vogels & Abbott 2005; Brette et al. 2007, doi:10.1007/s10827-007-0038-6; as in Brian2's example COBA.
    """
    net, rng, n = Network(dt=1e-4, seed=seed, precision=precision), np.random.default_rng(seed), round(4000 * scale)
    unit = ConductanceLIF(refractory=5e-3, convention="brian2")  # its defaults are this benchmark's
    sizes = {"exc": n * 4 // 5, "inh": n - n * 4 // 5}
    for name, size in sizes.items():
        net.population(
            unit,
            size,
            name=name,
            v=-65.0 + 5.0 * rng.standard_normal(size),
            g_exc=10.0 * np.maximum(1.5 * rng.standard_normal(size) + 4.0, 0.0),
            g_inh=10.0 * np.maximum(12.0 * rng.standard_normal(size) + 20.0, 0.0),
        )
        net.probe(name)
    for source, weight in (("exc", 6.0), ("inh", 67.0)):
        for target in sizes:
            net.connect(source, target, rule=Bernoulli(min(1.0, 80 / n)), weight=weight, delay=1e-4, port=source)
    return net
