"""
A neuron that tells order
=========================

Two groups of cells fire a volley each, A and B. A neuron gets A on a dendritic branch and B on its soma. Enough spikes
of A within a few milliseconds start a plateau there, which lasts a tenth of a second and brings the threshold of the
soma nearer, so that B alone, too weak otherwise, makes the neuron fire. A then B fires it; B then A does not, nor does
either by itself, nor the same spikes of A spread over a longer time. A point neuron cannot tell the orders apart.

The unit is our formulation of plateau potentials, see `neurosim.units.PlateauLIF`.
"""

import numpy as np

from neurosim import sim, units

CELLS, DT = 20, 1e-3  # of each group; s
RNG = np.random.default_rng(0)
TRIALS = 50
WEIGHTS = {"dend": 1.0, "soma": 0.03, "x": 0.06}  # by port; a point neuron with 0.03 would never fire


def volley(at, spread):
    """Times [s] at which the cells of a group fire once each: around ``at``, within ``spread``."""
    return at + np.sort(RNG.uniform(0.0, spread, CELLS))


def fires(unit, a, b, ports):
    """Whether one neuron fires when A and B fire at these times, each on its port."""
    net = sim.Network(dt=DT)
    neuron = net.population(unit, 1, name="neuron")
    for times, port in zip((a, b), ports, strict=True):
        source = net.spike_times(CELLS, times, np.arange(len(times)))
        net.connect(source, neuron, rule=sim.AllToAll(), weight=WEIGHTS[port], port=port)
    net.probe(neuron)
    return len(net.run(0.4, threads=1).spikes(neuron)) > 0


# %%
# The trials
# ----------
# 20 synapses of 0.03 on the soma reach 0.6 of the threshold at most; a plateau lowers the threshold by 0.6.

plateau = units.PlateauLIF(coincident=15, window=5e-3, plateau=100e-3, boost=0.6)
point = units.LIF(tau_mem=20e-3)
NOTHING = np.empty(0)
CASES = {
    "A, 50 ms later B": (lambda: volley(0.05, 4e-3), lambda: volley(0.10, 4e-3)),
    "B, 50 ms later A": (lambda: volley(0.10, 4e-3), lambda: volley(0.05, 4e-3)),
    "A, 200 ms later B": (lambda: volley(0.05, 4e-3), lambda: volley(0.25, 4e-3)),
    "A spread over 60 ms, then B": (lambda: volley(0.03, 60e-3), lambda: volley(0.10, 4e-3)),
    "A only": (lambda: volley(0.05, 4e-3), lambda: NOTHING),
    "B only": (lambda: NOTHING, lambda: volley(0.10, 4e-3)),
}
shares = {}
for name, (a, b) in CASES.items():
    made = [(a(), b()) for _ in range(TRIALS)]
    shares[name] = tuple(
        np.mean([fires(unit, *trial, ports) for trial in made])
        for unit, ports in ((plateau, ("dend", "soma")), (point, ("x", "x")))
    )
    print(f"{name:28} with a dendrite {shares[name][0]:4.0%}, point neuron {shares[name][1]:4.0%} of {TRIALS} trials")

# %%
# Only the order A, B fires it, and only within the plateau.

first = "A, 50 ms later B"
assert shares[first][0] == 1.0
assert all(with_dendrite == 0.0 for name, (with_dendrite, _) in shares.items() if name != first)
assert shares[first][1] == shares["B, 50 ms later A"][1] == 1.0  # a point neuron fires for both
