"""
A few synapses recognise a pattern
==================================

A dendritic segment keeps s of the a active cells of a pattern and fires when theta of them are active. How often is it
wrong? The closed forms say; the segments, driven by events, agree. Where half of the cells are active, no number of
synapses helps.
"""

import math

import numpy as np

from neurosim import viz
from neurosim.sdr import SDR, DendriticSegment, PoiraziNeuron, SDRArray, theory

# %%
# One segment and random patterns: 200 000 of 128 of 500 cells. 24 synapses and a threshold of 12 match 0.74 % of them.

N, A, S, TRIALS = 500, 128, 24, 200_000
patterns = SDRArray.random(N, TRIALS, sparsity=A / N, seed=2)
segment = SDR.random(N, sparsity=S / N, rng=1)
overlaps = patterns.overlaps(segment)
thresholds = range(6, 17)
predicted = {f"match by chance, n = {N}": {k: theory.false_match(N, A, S, k) for k in thresholds}}
measured = {f"match by chance, n = {N}": {k: float((overlaps >= k).mean()) for k in thresholds}}
p = theory.false_match(N, A, S, 12)
z = (measured[f"match by chance, n = {N}"][12] - p) / math.sqrt(p * (1 - p) / TRIALS)
print(f"false matches at theta 12: predicted {p:.4e}, {z:+.1f} sigma measured")

# %%
# The same with more cells, with half of them active, and the price of a high threshold: patterns missed when 30 % of
# their cells are lost.

for n in (2000, 20_000):
    predicted[f"match by chance, n = {n}"] = {k: theory.false_match(n, A, S, k) for k in thresholds}
predicted["match by chance, half active"] = {k: theory.false_match(N, N // 2, S, k) for k in thresholds}
lost = round(0.3 * A)
predicted["missed with 30 % noise"] = {k: theory.false_negative(A, S, lost, k) for k in thresholds}
rng = np.random.default_rng(3)
pattern = SDR.random(N, sparsity=A / N, rng=rng)
kept = DendriticSegment(S, 12).sample(pattern, rng)
left = SDRArray([pattern.subsample(A - lost, rng) for _ in range(10_000)]).overlaps(kept)
measured["missed with 30 % noise"] = {k: float((left < k).mean()) for k in thresholds}
viz.save(viz.error_curves(predicted, measured, floor=1e-12), "thresholds.png")

# %%
# The simulation of the paper: a neuron learns 500 patterns, one segment for each, and must stay silent for 500 others.
# The threshold is half of the synapses.

REGIMES = {"32 of 2000": (2000, 32), "512 of 16000": (16_000, 512), "4000 of 16000": (16_000, 4000)}
SYNAPSES, COUNT = (2, 6, 10, 16, 22, 30), 500
errors: dict[str, dict[int, float]] = {}
expected: dict[str, dict[int, float]] = {}
worst = 0.0
for k, (name, (n, a)) in enumerate(REGIMES.items()):
    learnt = list(SDRArray.random(n, COUNT, sparsity=a / n, seed=k))
    others = list(SDRArray.random(n, COUNT, sparsity=a / n, seed=k, stream=1))
    errors[name], expected[name] = {}, {}
    for s in SYNAPSES:
        neuron = PoiraziNeuron(DendriticSegment(s, s // 2).learn(learnt, COUNT, rng=s))
        missed = sum(not neuron.fires(pattern) for pattern in learnt)
        false = sum(neuron.fires(pattern) for pattern in others)
        chance = theory.any_of(theory.false_match(n, a, s, s // 2), COUNT)
        errors[name][s], expected[name][s] = (missed + false) / (2 * COUNT), chance / 2
        spread = math.sqrt(chance * (1 - chance) / COUNT) + 1 / COUNT
        worst = max(worst, abs(false / COUNT - chance) / spread)
    print(f"{name}: " + ", ".join(f"s = {s}: {e:.3f} ({expected[name][s]:.1e})" for s, e in errors[name].items()))
viz.save(viz.error_curves(expected, errors, xlabel="synapses of a segment", floor=1e-6), "neuron.png")

# %%
# Sparse patterns are told apart with a few synapses. Where a quarter of the cells is active, 30 do not do.

print(f"largest difference from the prediction: {worst:.1f} sigma")
assert abs(z) < 4
assert worst < 4
assert errors["32 of 2000"][30] == errors["512 of 16000"][30] == 0.0
assert errors["4000 of 16000"][30] > 0.3
assert predicted["match by chance, half active"][12] > 0.5
assert theory.false_match(100_000, 50_000, 1000, 500) > 0.5
