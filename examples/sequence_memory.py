"""
A memory of sequences
=====================

The temporal memory learns ABCD and XBCY: what comes after C depends on what came two steps before B. Cells of a column
stand for contexts; with one cell per column there is only one C, and both D and Y are predicted. Then the sequences
change, and the memory learns anew. At last, noise: what it still predicts follows from the theory of its segments.
"""

import itertools
import math

import numpy as np

from neurosim import viz
from neurosim.sdr import SDR, TemporalMemory, theory

COLUMNS, ACTIVE = 2048, 40
rng = np.random.default_rng(1)
symbols = {name: SDR.random(COLUMNS, sparsity=ACTIVE / COLUMNS, rng=rng) for name in "ABCDXYZ"}


def play(memory, words, times, learn=True):
    """Anomaly of every symbol, (times, symbols of all words); a word begins a sequence."""
    rows = []
    for _ in range(times):
        rows.append([])
        for word in words:
            memory.reset()
            rows[-1] += [memory.compute(symbols[letter], learn) for letter in word]
    return np.array(rows)


def expected(memory, word):
    """Which symbols are predicted after a word, by the share of their columns."""
    memory.reset()
    for letter in word:
        memory.compute(symbols[letter], learn=False)
    found = SDR(COLUMNS, memory.predicted_columns)
    return {name: found.overlap(sdr) / ACTIVE for name, sdr in symbols.items() if found.overlap(sdr) > ACTIVE // 4}


# %%
# Two sequences that share their middle. The first symbol of a sequence is always a surprise, the others are no more.
# Predictions that do not come true are forgotten slowly.

memory = TemporalMemory(COLUMNS, predicted_segment_decrement=0.02)
simple = TemporalMemory(COLUMNS, predicted_segment_decrement=0.02, cells_per_column=1)
learning = play(memory, ("ABCD", "XBCY"), 40)
play(simple, ("ABCD", "XBCY"), 40)
print("anomaly, first and last time:", learning[0].mean(), learning[-1, [1, 2, 3, 5, 6, 7]].mean())
after = {word: expected(memory, word) for word in ("ABC", "XBC")}
control = {word: expected(simple, word) for word in ("ABC", "XBC")}
print(f"32 cells per column: {after}\n 1 cell per column:  {control}")

# %%
# The ends are exchanged: D and Y are surprises once, then they are learnt. Without learning they stay surprises.

frozen = play(memory, ("ABCY", "XBCD"), 40, learn=False)
change = play(memory, ("ABCY", "XBCD"), 40)
print("anomaly of the ends after the change:", change[:, [3, 7]].mean(1).round(2)[[0, 1, 2, 5, 10, 39]])
new = expected(memory, "ABC")
novel = play(memory, ("ABZ",), 1, learn=False)[0, 2]
viz.save(
    viz.anomaly(np.concatenate([learning, change]).mean(1), marks={40: "ends exchanged"}, xlabel="time played"),
    "anomaly.png",
)

# %%
# Noise: a sequence of 20 patterns, learnt with 20 synapses per segment. When v of 40 active columns are others, a cell
# is still predicted unless its segment lost too many synapses: theory.false_negative.

predicted, measured, worst = {}, {}, 0.0
noises = range(0, 37, 4)
sequence = [SDR.random(COLUMNS, sparsity=ACTIVE / COLUMNS, rng=rng) for _ in range(20)]
for threshold in (8, 12, 16):
    noisy = TemporalMemory(
        COLUMNS, cells_per_column=1, activation_threshold=threshold, min_threshold=threshold, initial_permanence=0.8,
        permanence_increment=0.05, permanence_decrement=0.0,
    )  # fmt: skip
    noisy.run(sequence)
    name = f"threshold {threshold}"
    predicted[name] = {v: theory.false_negative(ACTIVE, 20, v, threshold) for v in noises}
    measured[name] = {}
    for v in noises:
        shares = []
        for now, following in itertools.pairwise(sequence):
            noisy.reset()
            noisy.compute(now.noise(v / ACTIVE, rng), learn=False)
            found = SDR(COLUMNS, noisy.predicted_columns)
            shares.append(found.overlap(following) / found.union(following).active)
        measured[name][v] = 1.0 - float(np.mean(shares))
        worst = max(worst, abs(measured[name][v] - predicted[name][v]))
viz.save(viz.error_curves(predicted, measured, xlabel="columns that are others, of 40", floor=1e-3), "noise.png")
print(f"largest difference of the share not predicted from the theory: {worst:.3f}")
assert worst < 0.05
assert (learning[0] == 1.0).all() and (learning[-1, [1, 2, 3, 5, 6, 7]] == 0.0).all()
assert set(after["ABC"]) == {"D"} and set(after["XBC"]) == {"Y"}
assert all(set(found) == {"D", "Y"} for found in control.values())
assert (frozen[:, [3, 7]] > 0.95).all() and (change[-1, [3, 7]] == 0.0).all()
assert math.isclose(new["Y"], 1.0) and novel > 0.9
