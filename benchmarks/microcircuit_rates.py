"""Rates of the full microcircuit against those that NEST's example of it states, and their spread from seed to seed.

The first part of every run is left out: the network starts far from its stationary state.
"""

from __future__ import annotations

import argparse
from statistics import mean, stdev

from neurosim.sim.networks import network

NAMES = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
STATED = (0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829)  # Hz, full_mean_rates of NEST's example Potjans_2014


def rates(seed: int, scale: float, skip: float, seconds: float, threads: int) -> list[float]:
    """Mean rate of each population [Hz] over ``seconds`` after ``skip``."""
    simulation = network("microcircuit", scale=scale, seed=seed).build(threads)
    simulation.run(skip)
    before = simulation.spike_counts()
    simulation.run(seconds)
    after = simulation.spike_counts()
    return [(after[n] - before[n]) / simulation.graph.population(n).size / seconds for n in after]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--skip", type=float, default=0.5, help="left out at the start [s]")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    runs = []
    for seed in given.seeds:
        runs.append(rates(seed, given.scale, given.skip, given.seconds, given.threads))
        print(f"seed {seed}: " + ", ".join(f"{n} {r:.3f}" for n, r in zip(NAMES, runs[-1], strict=True)), flush=True)
    print(
        "\n| population | stated Hz | neurosim, mean | sd over seeds | difference / stated |\n|---|---:|---:|---:|---:|"
    )
    for name, stated, found in zip(NAMES, STATED, zip(*runs, strict=True), strict=True):
        spread = stdev(found) if len(found) > 1 else 0.0
        print(f"| {name} | {stated:.3f} | {mean(found):.3f} | {spread:.3f} | {mean(found) / stated - 1:+.1%} |")


if __name__ == "__main__":
    main()
