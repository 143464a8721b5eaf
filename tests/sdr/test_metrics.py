"""Running averages against those of whole lists."""

import itertools

import numpy as np
import pytest
from scipy import stats

from neurosim.errors import RangeError, ShapeError
from neurosim.sdr import SDR, Metrics


def entropy(p):
    return stats.entropy([p, 1 - p], base=2)


def stream(count, dims=(5, 8), seed=0):
    rng = np.random.default_rng(seed)
    return [SDR.random(dims, sparsity=rng.uniform(0.05, 0.5), rng=rng) for _ in range(count)]


def test_short_streams_have_plain_averages():
    sdrs, metrics = stream(30), Metrics((5, 8), period=30)
    for sdr in sdrs:
        metrics.add(sdr)
    sparsity = [s.sparsity for s in sdrs]
    assert metrics.sparsity == pytest.approx((min(sparsity), np.mean(sparsity), np.std(sparsity), max(sparsity)))
    overlap = [a.overlap(b) / max(a.active, b.active) for a, b in itertools.pairwise(sdrs)]
    assert metrics.overlap == pytest.approx((min(overlap), np.mean(overlap), np.std(overlap), max(overlap)))
    frequency = np.mean([s.dense for s in sdrs], 0)
    assert metrics.activation_frequency == pytest.approx(frequency)
    cells = [entropy(p) for p in frequency.ravel()]
    assert metrics.entropy == pytest.approx(np.mean(cells) / entropy(frequency.mean()))
    assert repr(metrics).startswith("Metrics((5, 8), 30 samples, sparsity 0.")


def test_long_streams_forget():
    metrics, sdrs = Metrics((5, 8), period=10), stream(60)
    frequency = np.zeros((5, 8))
    for k, sdr in enumerate(sdrs):
        metrics.add(sdr)
        frequency += (sdr.dense - frequency) / min(k + 1, 10)
    assert metrics.activation_frequency == pytest.approx(frequency)
    for _ in range(200):
        metrics.add(SDR((5, 8), [3]))
    assert metrics.sparsity.mean == pytest.approx(1 / 40) and metrics.sparsity.sd < 1e-4
    assert metrics.overlap.mean == pytest.approx(1.0) and metrics.entropy < 1e-6


def test_entropy_tells_even_from_uneven_use():
    even, uneven = Metrics(10), Metrics(10)
    for k in range(100):
        even.add(SDR(10, [k % 10]))
        uneven.add(SDR(10, [k % 2]))
    assert even.entropy == pytest.approx(1.0) and uneven.entropy == pytest.approx(0.2 / entropy(0.1))
    always = Metrics(3)
    always.add(SDR(3, [0, 1, 2]))
    assert always.entropy == 0.0


def test_a_reset_separates_sequences_and_silence_overlaps_with_silence():
    metrics = Metrics(4)
    for sparse in ([0], [0]):
        metrics.add(SDR(4, sparse))
    metrics.reset()
    metrics.add(SDR(4, [1]))
    assert metrics.overlap.mean == 1.0 and metrics.samples == 3
    metrics.add(SDR(4))
    assert metrics.overlap == (0.0, 0.5, 0.5, 1.0)
    metrics.add(SDR(4))
    assert metrics.overlap.mean == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.add(SDR(5)), ShapeError, r"must be an SDR of dimensions \(4,\), got \(5,\)"),
        (lambda m: m.add([1]), ShapeError, "got list"),
        (lambda m: m.sparsity, RangeError, "Metrics.sparsity: needs 1 representation in a row"),
        (lambda m: m.entropy, RangeError, "needs 1 representation in a row"),
        (lambda m: m.add(SDR(4)) or m.overlap, RangeError, "Metrics.overlap: needs 2 representations in a row"),
        (lambda m: Metrics(4, 0), RangeError, "Metrics.period: must be a whole number in 1"),
        (lambda m: Metrics(0), RangeError, "Metrics.dims: must be a whole number in 1"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(Metrics(4))
