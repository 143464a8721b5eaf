"""The cortical microcircuit of Potjans and Diesmann: 1 mm^2 of cortex, every synapse with its own weight and delay."""

from __future__ import annotations

import math

import numpy as np

from neurosim.graph import FixedTotal, Normal
from neurosim.sim.network import Network
from neurosim.units import CurrentLIF

SIZES = {"L23E": 20683, "L23I": 5834, "L4E": 21915, "L4I": 5479, "L5E": 4850, "L5I": 1065, "L6E": 14395, "L6I": 2948}
PROBABILITIES = [  # row: target, column: source
    [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
    [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
    [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
    [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
    [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
    [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
    [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
    [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
]
EXTERNAL = [1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100]  # inputs per neuron, of BACKGROUND Hz each
RATES = [0.971, 2.868, 4.746, 5.396, 8.142, 9.078, 0.991, 7.523]  # Hz, of the full network: make up for lost inputs
BACKGROUND, WEIGHT, INHIBITION = 8.0, 87.8, -4.0  # Hz, pA, relative
TAU_MEM, TAU_SYN, CAPACITANCE = 10e-3, 0.5e-3, 250.0  # s, s, pF
LONGEST = 6.3e-3  # s; a longer delay is drawn once in 1e10


def microcircuit(scale: float = 1.0, seed: int = 1, precision: str = "float32") -> Network:
    """77,169 neurons and 299 million synapses, both numbers times ``scale``; mV and pA.

    Below full scale, weights grow by 1 / sqrt(scale) and a constant current replaces the mean of the lost input.

    Source: Potjans & Diesmann 2014, doi:10.1093/cercor/bhs358.
    """
    net, rng = Network(dt=1e-4, seed=seed, precision=precision), np.random.default_rng(seed)
    grow = 1 / math.sqrt(scale)
    for t, (name, full) in enumerate(SIZES.items()):
        mean = sum(_weight(t, s) * _in_degree(t, s) * RATES[s] for s in range(8)) + WEIGHT * EXTERNAL[t] * BACKGROUND
        unit = CurrentLIF(
            tau_mem=TAU_MEM, tau_exc=TAU_SYN, tau_inh=TAU_SYN, v_leak=-65.0, v_threshold=-50.0, v_reset=-65.0,
            refractory=2e-3, r_mem=TAU_MEM * 1e3 / CAPACITANCE, i_const=TAU_SYN * (1 - math.sqrt(scale)) * mean,
            convention="nest",
        )  # fmt: skip
        size = round(full * scale)
        net.population(unit, size, name=name, v=np.minimum(-58.0 + 10.0 * rng.standard_normal(size), -50.001))
        net.poisson(name, rate=EXTERNAL[t] * scale * BACKGROUND, weight=WEIGHT * grow)
        net.probe(name)
    names = list(SIZES)
    for t, target in enumerate(names):
        for s, source in enumerate(names):
            if count := round(_in_degree(t, s) * scale * round(SIZES[target] * scale)):
                _connect(net, source, target, count, _weight(t, s) * grow, 0.05 if (t, s) == (0, 2) else 0.1)
    return net


def _connect(net: Network, source: str, target: str, count: int, weight: float, spread: float) -> None:
    excitatory = weight > 0
    mean, sd = (1.5e-3, 0.75e-3) if excitatory else (0.75e-3, 0.375e-3)
    ends = {"low": 0.0} if excitatory else {"high": 0.0}
    net.connect(
        source, target, rule=FixedTotal(count), weight=Normal(weight, abs(weight) * spread, **ends, outside="redraw"),
        delay=Normal(mean, sd, net.dt, LONGEST, outside="redraw"), port="exc" if excitatory else "inh",
    )  # fmt: skip


def _in_degree(t: int, s: int) -> float:
    """Synapses per target neuron of the full network."""
    pairs = list(SIZES.values())[t] * list(SIZES.values())[s]
    p = PROBABILITIES[t][s]
    return math.log(1 - p) / math.log(1 - 1 / pairs) / list(SIZES.values())[t] if p else 0.0


def _weight(t: int, s: int) -> float:
    """Mean weight [pA]; the synapses from layer 4 to layer 2/3 count twice."""
    return WEIGHT * (INHIBITION if s % 2 else 1.0) * (2.0 if (t, s) == (0, 2) else 1.0)
