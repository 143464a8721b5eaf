"""Neurons and astrocytes: calcium waves that spikes start, and a slow current that makes neurons fire more."""

from __future__ import annotations

import numpy as np

from neurosim.graph import Bernoulli, TripartiteBernoulli
from neurosim.sim.network import Network
from neurosim.units import ConductanceLIF, CurrentPort, LiRinzel

SHOWN = 20  # astrocytes whose state is recorded, every EVERY steps
EVERY = 100


def astro(scale: float = 1.0, seed: int = 1, precision: str = "float32") -> Network:
    """1,000 neurons, 80 % excitatory, and 200 astrocytes (times ``scale``); mV, nS, pA and uM.

    Half of the excitatory synapses are tripartite: their spikes raise IP3 of an astrocyte of the target's pool of 10,
    and its slow inward current acts on the target. Within a second or two calcium is above the threshold of that
    current and the neurons fire twice as much; after eight seconds it is low for a while, and a second wave follows.

    Source: our choice of numbers, in the manner of NEST's example astrocyte_brunel_bernoulli; neurons as in COBA.
    """
    net, rng = Network(dt=1e-4, seed=seed, precision=precision), np.random.default_rng(seed)
    sizes = {"exc": round(800 * scale), "inh": round(200 * scale)}
    neuron = CurrentPort(ConductanceLIF(refractory=2e-3))
    for name, n in sizes.items():
        net.population(neuron, n, name=name, v=rng.uniform(-60.0, -50.0, n))
        net.poisson(name, rate=500.0, weight=0.7, port="exc")
        net.probe(name)
    cells = max(10, round(200 * scale))
    glia = net.population(
        LiRinzel(tau_ip3=1.0, delta_ip3=4e-4), cells, name="astro",
        ip3=rng.uniform(0.1, 0.3, cells), ca=rng.uniform(0.05, 0.1, cells),
    )  # fmt: skip
    p = min(1.0, 80 / sizes["exc"])  # 80 excitatory synapses per neuron at any scale
    for target in sizes:
        net.connect_tripartite(
            "exc", target, glia, rule=TripartiteBernoulli(p, 0.5, pool_size=10),
            primary={"weight": 0.4, "delay": 2e-3, "port": "exc"}, third_in={"weight": 1.0, "delay": 2e-3},
            third_out={"weight": 0.3, "delay": 1e-3, "port": "current", "name": f"current to {target}"},
        )  # fmt: skip
        net.connect("inh", target, rule=Bernoulli(p), weight=4.0, delay=1e-3, port="inh")
    for state in ("ca", "ip3", "i_sic"):
        net.probe(glia, state, neurons=np.arange(min(SHOWN, cells)), every=EVERY)
    return net
