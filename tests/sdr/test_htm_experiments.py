"""What a temporal memory learns: sequences, a change of them, as many as the theory says, and a real recording.

Each with a control that fails. Noise and the sequences ABCD and XBCY are in examples/sequence_memory.py.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from neurosim.sdr import SDR, SDRArray, SDRClassifier, TemporalMemory, theory

SETTINGS = {"cells_per_column": 8, "activation_threshold": 10, "min_threshold": 8, "predicted_segment_decrement": 0.01}


def passes(memory, sequences, n, learn=True):
    """(n,) mean anomaly of all elements that have one before them."""
    found = []
    for _ in range(n):
        total = []
        for sequence in sequences:
            memory.reset()
            total.append(memory.run(sequence, learn)[1:])
        found.append(np.concatenate(total).mean())
    return np.array(found)


def random_sequences(rng, count=10, length=10):
    return [[SDR.random(1024, sparsity=20 / 1024, rng=rng) for _ in range(length)] for _ in range(count)]


def test_sequences_are_learnt_and_learnt_anew_after_a_change(rng):
    """Ten sequences of ten: from anomaly 1 to 0. Then each goes on with the second half of another.

    That takes longer: the second half is in a new context, and is learnt anew one element after the other.
    """
    memory, old = TemporalMemory(1024, **SETTINGS), random_sequences(rng)
    learning = passes(memory, old, 10)
    assert learning[0] > 0.98 and learning[-1] <= 0.02
    new = [a[:5] + b[5:] for a, b in zip(old, old[1:] + old[:1], strict=True)]
    frozen = passes(memory, new, 3, learn=False)
    change = passes(memory, new, 40)
    assert change[0] > 0.1 - 0.02  # one of nine transitions is new
    assert change[-1] <= 0.02 < frozen.min()
    memory.reset()
    memory.run(new[0][:4])
    assert memory.compute(SDR.random(1024, sparsity=20 / 1024, rng=rng)) >= 0.9  # something never seen


def false_predictions(transitions, theta, probes=10_000):
    """Share of cells that random patterns predict, after a long sequence was learnt; and what the theory says."""
    n, a = 512, 20
    memory = TemporalMemory(
        n, cells_per_column=1, activation_threshold=theta, min_threshold=theta, max_new_synapse_count=a,
        initial_permanence=0.8, permanence_increment=0.0, permanence_decrement=0.0, max_segments_per_cell=4000,
    )  # fmt: skip
    patterns = list(SDRArray.random(n, transitions, sparsity=a / n, seed=1))
    memory.run(patterns)
    segments = [len(g.source) for g in memory.segments()]
    others = SDRArray.random(n, probes, sparsity=a / n, seed=1, stream=1)
    found = []
    for sdr in others:
        memory.reset()
        memory.compute(sdr, learn=False)
        found.append(len(memory.predictive_cells) / n)
    per_cell = np.bincount([g.cell for g in memory.segments()], minlength=n)
    p = theory.false_match(n, a, a, theta)
    predicted = np.mean([theory.any_of(p, int(k)) if k else 0.0 for k in per_cell])
    return np.mean(found), predicted, np.mean(segments)


@pytest.mark.parametrize("theta, transitions", [(6, 300), (6, 1000), (5, 100), (5, 300)])
def test_capacity_is_what_the_theory_of_segments_says(theta, transitions):
    found, predicted, size = false_predictions(transitions, theta)
    print(theta, transitions, found, predicted, size)
    assert found == pytest.approx(predicted, rel=0.2)


def test_a_low_threshold_has_no_capacity_and_a_high_one_plenty():
    assert false_predictions(300, theta=2, probes=200)[0] > 0.9
    assert false_predictions(300, theta=12, probes=10_000)[0] == 0.0


LEVELS, BLOCK = 6, 20  # chosen, like the settings below, within the first 70 % of the recording


def test_a_real_recording_is_predicted_better_than_by_its_last_value(data_folder: Path):
    """Rat hippocampal LFP, means of 16 ms in six levels; the last 30 % is predicted one step ahead, without learning.

    A memory whose columns stand for levels and whose cells stand for contexts, read out by a classifier, against the
    best first-order prediction: the frequency of each level after each, in the same 70 %. The control has one cell per
    column, so that only the last level counts: it is no better than that.
    """
    path = data_folder / "raw_voltage" / "lfp" / "ca1.npy"
    if not path.exists():
        pytest.skip("no recording raw_voltage/lfp/ca1.npy in the data folder")
    raw = np.load(path).astype(float).ravel()
    means = raw[: len(raw) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(1)
    cut = int(0.7 * len(means))
    level = np.searchsorted(np.quantile(means[:cut], np.arange(1, LEVELS) / LEVELS), means)
    table = np.ones((LEVELS, LEVELS))
    np.add.at(table, (level[: cut - 1], level[1:cut]), 1)
    table /= table.sum(1, keepdims=True)
    now, following = level[cut:-1], level[cut + 1 :]
    first_order = float((table[now].argmax(1) == following).mean()), -np.log2(table[now, following]).mean()
    contexts, simple = predict_levels(level, cut, 4), predict_levels(level, cut, 1)
    print(f"accuracy, bits: memory {contexts}, one cell per column {simple}, first order {first_order}")
    assert contexts[0] > first_order[0] + 0.04 and contexts[1] < first_order[1]
    assert simple[0] < first_order[0] + 0.02 and simple[1] > first_order[1]


def predict_levels(level, cut, cells):
    """Share of right predictions after ``cut``, and the mean of -log2 of what the right ones were given."""
    memory = TemporalMemory(
        1020, cells_per_column=cells, activation_threshold=10, min_threshold=7, max_new_synapse_count=16,
        initial_permanence=0.3, permanence_decrement=0.05, predicted_segment_decrement=0.005, seed=1,
    )  # fmt: skip
    columns = [np.arange(k * 170, k * 170 + 20) for k in range(LEVELS)]
    classifier = SDRClassifier(memory.cells, LEVELS, steps=(1,), learning_rate=0.002)
    for now in level[:cut]:
        memory.compute(columns[now])
        classifier.learn(SDR(memory.cells, memory.active_cells), int(now))
    right, bits = [], []
    for now, following in itertools.pairwise(level[cut:]):
        memory.compute(columns[now], learn=False)
        p = classifier.predict(SDR(memory.cells, memory.active_cells))[0]
        right.append(p.argmax() == following)
        bits.append(-np.log2(p[following]))
    return float(np.mean(right)), float(np.mean(bits))
