"""CUBA: current-based integrate-and-fire neurons, self-sustained (benchmark 2 of Brette et al. 2007)."""

from __future__ import annotations

import numpy as np

from neurosim.graph import Bernoulli, FixedInDegree
from neurosim.sim.network import Network
from neurosim.units import CurrentLIF


def cuba(scale: float = 1.0, seed: int = 1, precision: str = "float32") -> Network:
    """4,000 neurons (times ``scale``), 80 % excitatory, 80 synapses each, voltages in mV.

    Pairs are connected with probability 2 %; above 4,000 neurons every neuron has 64 + 16 inputs instead.

    Source: Brette et al. 2007, doi:10.1007/s10827-007-0038-6; numbers as in Brian2's example CUBA.
    """
    net, rng, n = Network(dt=1e-4, seed=seed, precision=precision), np.random.default_rng(seed), round(4000 * scale)
    unit = CurrentLIF(
        tau_mem=20e-3, tau_exc=5e-3, tau_inh=10e-3, v_leak=-49.0, v_threshold=-50.0, v_reset=-60.0, refractory=5e-3,
        convention="brian2",
    )  # fmt: skip
    sizes = {"exc": n * 4 // 5, "inh": n - n * 4 // 5}
    for name, size in sizes.items():
        net.population(unit, size, name=name, v=rng.uniform(-60.0, -50.0, size))
        net.probe(name)
    for source, degree, weight in (("exc", 64, 1.62), ("inh", 16, -9.0)):
        rule = Bernoulli(0.02) if n <= 4000 else FixedInDegree(degree)
        for target in sizes:
            net.connect(source, target, rule=rule, weight=weight, delay=1e-4, port=source)
    return net
