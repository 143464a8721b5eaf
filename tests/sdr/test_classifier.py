"""The classifier against the gradient of torch, on noisy classes, and on sequences some steps ahead."""

import numpy as np
import pytest
import torch

from neurosim.errors import RangeError, ShapeError
from neurosim.sdr import SDR, ScalarEncoder, SDRClassifier


def test_learning_is_gradient_descent_on_the_cross_entropy():
    rng, classifier = np.random.default_rng(0), SDRClassifier(30, classes=4, learning_rate=0.3)
    weight = torch.zeros(30, 4, dtype=torch.float64, requires_grad=True)
    for _ in range(50):
        sdr, label = SDR.random(30, sparsity=0.2, rng=rng), int(rng.integers(4))
        logits = torch.from_numpy(sdr.dense.astype(float)) @ weight
        assert classifier.predict(sdr)[0] == pytest.approx(logits.softmax(0).detach().numpy())
        (gradient,) = torch.autograd.grad(-logits.log_softmax(0)[label], weight)
        with torch.no_grad():
            weight -= 0.3 * gradient
        classifier.learn(sdr, label)
    assert classifier.weights[0] == pytest.approx(weight.detach().numpy())


def test_it_knows_noisy_examples_of_its_classes_and_no_others():
    rng = np.random.default_rng(1)
    patterns = [SDR.random(1000, sparsity=0.02, rng=rng) for _ in range(20)]
    classifier = SDRClassifier(1000, classes=20)
    assert (classifier.predict(patterns[0]) == 1 / 20).all()
    for _ in range(10):
        for k in rng.permutation(20):
            classifier.learn(patterns[k].noise(0.2, rng), int(k))
    right = [classifier.predict(p.noise(0.4, rng))[0].argmax() == k for k, p in enumerate(patterns) for _ in range(5)]
    assert np.mean(right) > 0.95
    strangers = [classifier.predict(SDR.random(1000, sparsity=0.02, rng=rng))[0].argmax() == k % 20 for k in range(200)]
    assert np.mean(strangers) < 0.15


def test_it_predicts_some_steps_ahead():
    encoder = ScalarEncoder(0.0, 9.0, 100, 10)
    classifier = SDRClassifier(100, classes=10, steps=(0, 1, 4))
    order = [3, 1, 4, 8, 5, 9, 2, 6, 0, 7]
    codes = [encoder.encode(float(k)) for k in order]
    for _ in range(60):
        for code, label in zip(codes, order, strict=True):
            classifier.learn(code, label)
    for k, code in enumerate(codes):
        found = classifier.predict(code)
        assert found.shape == (3, 10) and found.sum(1) == pytest.approx(1.0)
        assert found.argmax(1).tolist() == [order[(k + step) % 10] for step in (0, 1, 4)]


def test_a_reset_separates_sequences():
    a, b, classifier = SDR(8, [0]), SDR(8, [1]), SDRClassifier(8, classes=2, steps=(1,))
    classifier.learn(a, 0)
    classifier.reset()
    classifier.learn(b, 1)
    assert not classifier.weights.any()
    classifier.learn(b, 1)
    assert classifier.weights[0, 1].tolist() == [-0.05, 0.05] and not classifier.weights[0, 0].any()


def test_large_weights_do_not_overflow():
    classifier = SDRClassifier(8, classes=2, learning_rate=1e6)
    for _ in range(3):
        classifier.learn(SDR(8, range(4)), 1)
    assert classifier.predict(SDR(8, range(4)))[0].tolist() == [0.0, 1.0]
    assert classifier.predict(SDR(8))[0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: SDRClassifier(8, 1), RangeError, "classes: must be a whole number in 2"),
        (lambda c: SDRClassifier(8, 2, steps=()), RangeError, r"steps: must be ascending, each once, .* got \(\)"),
        (lambda c: SDRClassifier(8, 2, steps=(1, 0)), RangeError, r"ascending, .* got \(1, 0\)"),
        (lambda c: SDRClassifier(8, 2, steps=(1, 1)), RangeError, "ascending, each once"),
        (lambda c: SDRClassifier(8, 2, steps=(-1,)), RangeError, "steps: must be a whole number in 0"),
        (lambda c: SDRClassifier(8, 2, learning_rate=0.0), RangeError, "learning_rate: must be > 0"),
        (lambda c: c.learn(SDR(8), 2), RangeError, r"label: must be a whole number in 0..1, got 2"),
        (lambda c: c.learn(SDR(8), -1), RangeError, "label: must be"),
        (lambda c: c.learn(SDR(9), 0), ShapeError, r"SDRClassifier.learn: must be an SDR of dimensions \(8,\), got"),
        (lambda c: c.predict([1]), ShapeError, "SDRClassifier.predict: .* got list"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(SDRClassifier(8, 2))
