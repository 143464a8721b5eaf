"""Brunel's sparsely connected network in its asynchronous irregular state."""

from __future__ import annotations

import numpy as np

from neurosim.graph import FixedInDegree
from neurosim.sim.network import Network
from neurosim.units import CurrentLIF


def brunel(scale: float = 1.0, seed: int = 1, precision: str = "float32") -> Network:
    """12,500 neurons with 1,250 inputs each (both times ``scale``) and Poisson drive at twice the threshold rate; mV.

    Weights grow as the in-degree shrinks, so that the mean input stays.

    Source: Brunel 2000, doi:10.1023/A:1008925309027, model A: g = 5, eta = 2, J = 0.1 mV, delay 1.5 ms.
    """
    net, rng = Network(dt=1e-4, seed=seed, precision=precision), np.random.default_rng(seed)
    sizes = {"exc": round(10_000 * scale), "inh": round(2_500 * scale)}
    degrees = {name: n // 10 for name, n in sizes.items()}
    weight = 0.1 * 1000 / degrees["exc"]
    threshold_rate = 20.0 / (weight * degrees["exc"] * 20e-3)  # Hz, of each of the excitatory inputs
    unit = CurrentLIF(
        synapse="delta", tau_mem=20e-3, v_threshold=20.0, v_reset=10.0, refractory=2e-3, convention="nest"
    )
    for name, n in sizes.items():
        net.population(unit, n, name=name, v=rng.uniform(0.0, 20.0, n))
        net.poisson(name, rate=2 * threshold_rate * degrees["exc"], weight=weight)
        net.probe(name)
    for source, w in (("exc", weight), ("inh", -5 * weight)):
        for target in sizes:
            net.connect(source, target, rule=FixedInDegree(degrees[source]), weight=w, delay=1.5e-3, port=source)
    return net
