"""What the networks of ``simulators.py`` consist of, for the peers: ms, mV, and the unit of the weights as noted.

neurosim's own versions are `neurosim.sim.networks`; the numbers must be the same. Sources are named there.
"""

from __future__ import annotations

import math
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DT = 0.1

# weights in mV: tau_mem dv/dt = ge + gi - (v - v_leak)
CUBA = {
    "p": 0.02, "k_exc": 64, "k_inh": 16, "tau_mem": 20.0, "tau_exc": 5.0, "tau_inh": 10.0, "v_leak": -49.0,
    "v_threshold": -50.0, "v_reset": -60.0, "refractory": 5.0, "w_exc": 1.62, "w_inh": -9.0, "delay": 0.1,
}  # fmt: skip
CUBA_SIZES = {"cuba": 4_000, "cuba20k": 20_000, "cuba100k": 100_000}

# weights and conductances in nS, capacitance in pF
COBA = {
    "n": 4_000, "p": 0.02, "capacitance": 200.0, "g_leak": 10.0, "v_leak": -60.0, "v_threshold": -50.0,
    "v_reset": -60.0, "refractory": 5.0, "e_exc": 0.0, "e_inh": -80.0, "tau_exc": 5.0, "tau_inh": 10.0, "w_exc": 6.0,
    "w_inh": 67.0, "delay": 0.1,
}  # fmt: skip

# weights in mV; external input of each neuron: k_exc * eta times the threshold rate of 10 Hz
BRUNEL = {
    "n_exc": 10_000, "n_inh": 2_500, "k_exc": 1_000, "k_inh": 250, "tau_mem": 20.0, "v_threshold": 20.0,
    "v_reset": 10.0, "refractory": 2.0, "w_exc": 0.1, "w_inh": -0.5, "delay": 1.5, "rate": 20_000.0,
}  # fmt: skip

# weights and conductances in nS, capacitance in pF; changes by a pair in parts of w_max
STDP = {
    "inputs": 1_000, "n": 4, "rate": 15.0, "capacitance": 100.0, "g_leak": 10.0, "tau_mem": 10.0, "v_leak": -74.0,
    "v_threshold": -54.0, "v_reset": -60.0, "refractory": 0.0, "e_exc": 0.0, "tau_exc": 5.0, "w_max": 0.1,
    "tau_plus": 20.0, "tau_minus": 20.0, "a_plus": 0.01, "a_minus": 0.0105, "delay": 0.1,
}  # fmt: skip

# weights and currents in pA, capacitance in pF
MICROCIRCUIT = {
    "capacitance": 250.0, "tau_mem": 10.0, "tau_syn": 0.5, "v_leak": -65.0, "v_threshold": -50.0, "v_reset": -65.0,
    "refractory": 2.0, "v_mean": -58.0, "v_sd": 10.0,
}  # fmt: skip
SIZES = [20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948]  # L23E, L23I, L4E, ..., L6I
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
EXTERNAL = [1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100]
RATES = [0.971, 2.868, 4.746, 5.396, 8.142, 9.078, 0.991, 7.523]
BACKGROUND, WEIGHT, INHIBITION = 8.0, 87.8, -4.0


@dataclass(frozen=True)
class Pathway:
    """All synapses from one population of the microcircuit to another; delays in ms, weights in pA."""

    source: int
    target: int
    count: int
    weight: tuple[float, float]  # mean, sd; a weight never changes its sign
    delay: tuple[float, float]

    @property
    def excitatory(self) -> bool:
        return self.weight[0] > 0


@dataclass(frozen=True)
class Microcircuit:
    sizes: list[int]
    pathways: list[Pathway]
    constant: list[float]  # pA, per population: makes up for lost inputs
    rates: list[float]  # Hz of external input per neuron
    external: float  # pA


def microcircuit(scale: float = 0.1) -> Microcircuit:
    """Neurons and synapses per neuron times ``scale``, weights divided by its root."""
    sizes, grow = [round(n * scale) for n in SIZES], 1 / math.sqrt(scale)
    pathways, constant = [], []
    for t, row in enumerate(PROBABILITIES):
        mean = WEIGHT * EXTERNAL[t] * BACKGROUND
        for s, p in enumerate(row):
            pairs = SIZES[t] * SIZES[s]
            in_degree = math.log(1 - p) / math.log(1 - 1 / pairs) / SIZES[t]
            strong = (t, s) == (0, 2)
            weight = WEIGHT * (INHIBITION if s % 2 else 1.0) * (2.0 if strong else 1.0)
            mean += weight * in_degree * RATES[s]
            if count := round(in_degree * scale * sizes[t]):
                spread = abs(weight) * grow * (0.05 if strong else 0.1)
                delay = (0.75, 0.375) if s % 2 else (1.5, 0.75)
                pathways.append(Pathway(s, t, count, (weight * grow, spread), delay))
        constant.append(1e-3 * MICROCIRCUIT["tau_syn"] * (1 - math.sqrt(scale)) * mean)
    return Microcircuit(sizes, pathways, constant, [k * scale * BACKGROUND for k in EXTERNAL], WEIGHT * grow)


class Clock:
    """Wall time since it was made, and since the last look."""

    def __init__(self) -> None:
        self.last = time.perf_counter()

    def lap(self) -> float:
        before, self.last = self.last, time.perf_counter()
        return self.last - before


def peak_mb() -> float:
    """Peak resident memory of this process, without what its parent had before it (which ru_maxrss has)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def answer(build: float, sim: float, neurons: int, synapses: int, spikes: int, peak: float | None) -> dict[str, Any]:
    """A measurement, with the names that ``neurosim simulate --json`` uses."""
    return {
        "build_seconds": build, "sim_seconds": sim, "neurons": neurons, "synapses": synapses, "spikes": spikes,
        "peak_rss_mb": peak,
    }  # fmt: skip
