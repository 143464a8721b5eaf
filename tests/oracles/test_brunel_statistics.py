"""Brunel's network fires as in NEST in distribution: rates, irregularity and correlations of its neurons.

Both draw their own synapses and input, so spikes differ. What is compared are Kolmogorov-Smirnov distances between the
distributions over neurons (or pairs): between the simulators they must be as small as between seeds of one simulator.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp

from neurosim import sim
from neurosim.sim.networks import brunel

pytestmark = [pytest.mark.oracle, pytest.mark.slow]

SCALE, DT, TRANSIENT, TIME = 0.2, 0.1, 200, 2200  # ms
SEEDS = (1, 2, 3, 4)
BIN, OBSERVED = 5, 150  # ms; neurons whose pairs are correlated


def statistics(steps, neurons, size):
    """Samples of three distributions: rate [Hz] and CV of the intervals of neurons, correlation of counts of pairs."""
    time = np.asarray(steps) * DT - TRANSIENT
    kept = time >= 0
    time, neurons = time[kept], np.asarray(neurons)[kept]
    seconds = (TIME - TRANSIENT) * 1e-3
    order = np.lexsort((time, neurons))
    trains = np.split(time[order], np.cumsum(np.bincount(neurons, minlength=size))[:-1])
    cv = [np.std(gaps) / np.mean(gaps) for gaps in map(np.diff, trains) if len(gaps) >= 10]
    bins = (TIME - TRANSIENT) // BIN
    counts = np.zeros((OBSERVED, bins))
    seen = neurons < OBSERVED
    np.add.at(counts, (neurons[seen], (time[seen] // BIN).astype(int)), 1)
    correlation = np.corrcoef(counts[counts.any(1)])
    rates = np.bincount(neurons, minlength=size) / seconds
    return {"rate": rates, "cv": np.array(cv), "correlation": correlation[np.triu_indices(len(correlation), 1)]}


def here(seed, inhibition=1.0):
    """The network of `neurosim.sim.networks`, with inhibitory weights times ``inhibition``."""
    graph = brunel(SCALE, seed, "float64").graph()
    links = tuple(replace(p, weight=p.weight * (inhibition if p.source == "inh" else 1.0)) for p in graph.projections)
    simulation = sim.Simulation(replace(graph, projections=links), threads=1).run(TIME * 1e-3)
    both = [simulation.spikes(name) for name in ("exc", "inh")]
    first = [0, graph.population("exc").size]
    steps = np.concatenate([np.rint(s.times / (DT * 1e-3)) for s in both])
    neurons = np.concatenate([s.neurons + n for s, n in zip(both, first, strict=True)])
    return statistics(steps, neurons, sum(p.size for p in graph.populations))


def there(ask, seed):
    exc, inh = round(10_000 * SCALE), round(2_500 * SCALE)
    weight = 0.1 / SCALE
    found = ask(
        "nest_brunel", exc=exc, inh=inh, k_exc=exc // 10, k_inh=inh // 10, w_exc=weight, w_inh=-5 * weight, delay=1.5,
        rate=2 * 20.0 / (weight * 20e-3), tau_mem=20.0, v_threshold=20.0, v_reset=10.0, refractory=2.0, dt=DT,
        time=float(TIME), seed=seed,
    )  # fmt: skip
    return statistics(found["steps"], found["neurons"], exc + inh)


def distances(name, pairs):
    return np.array([ks_2samp(a[name], b[name]).statistic for a, b in pairs])


def test_rates_intervals_and_correlations_are_distributed_as_in_nest(ask):
    ours, theirs = [here(seed) for seed in SEEDS], [there(ask, seed) for seed in SEEDS]
    other = [here(seed, inhibition=1.2) for seed in SEEDS]
    assert 5 < np.mean(ours[0]["rate"]) < 60 and len(ours[0]["cv"]) > 2000
    for name in ("rate", "cv", "correlation"):
        within = np.concatenate([distances(name, itertools.combinations(runs, 2)) for runs in (ours, theirs)])
        between = distances(name, itertools.product(ours, theirs))
        changed = distances(name, itertools.product(other, theirs))
        found = (
            f"{name}: within a simulator {within.mean():.4f} +- {within.std():.4f}, between them {between.mean():.4f}, "
            f"with 20 % more inhibition {changed.mean():.4f}"
        )
        # the pairs share runs: count as many independent distances as there are seeds
        bound = within.mean() + 3 * within.std() / np.sqrt(len(SEEDS))
        assert between.mean() < bound, found
        assert changed.mean() > bound, f"the distance does not see a change of the network: {found}"
