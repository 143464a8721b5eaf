"""Losses against values computed by hand and formulas of torch."""

import math

import pytest
import torch
from torch.nn import functional as F

from neurosim import nn
from neurosim.errors import RangeError, ShapeError

Z = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]], [[1.0, 0.0]], [[0.0, 0.0]]])  # T = 4, B = 1: rates 0.75 and 0.25
ZERO, ONE = torch.tensor([0]), torch.tensor([1])


def test_losses_have_the_values_of_a_hand_calculation():
    assert float(nn.rate_cross_entropy(Z, ZERO)) == pytest.approx(math.log(1 + math.exp(-0.5)))
    assert float(nn.count_cross_entropy(Z, ZERO)) == pytest.approx(math.log(1 + math.exp(-2.0)))
    assert float(nn.membrane_cross_entropy(Z, ZERO)) == pytest.approx(math.log(2))
    assert float(nn.membrane_cross_entropy(Z, ONE, reduce="mean")) == pytest.approx(math.log(1 + math.exp(0.5)))
    assert float(nn.membrane_cross_entropy(Z[:1], ONE, reduce="last")) == pytest.approx(math.log(1 + math.e))
    assert float(nn.spike_count_loss(Z, ZERO)) == pytest.approx(((0.75 - 0.8) ** 2 + (0.25 - 0.1) ** 2) / 2)
    assert float(nn.activity_loss({"a": Z}, 0.5, 0.6)) == pytest.approx((0.15**2 + 0.25**2) / 2)
    assert float(nn.activity_loss({"a": Z, "b": Z * 0 + 0.5}, 0.5, 0.6)) == pytest.approx((0.15**2 + 0.25**2) / 4)


def test_tet_is_the_mean_of_the_steps_and_a_pull():
    y, target = torch.randn(5, 3, 4), torch.tensor([0, 3, 1])
    steps = sum(F.cross_entropy(y_t, target, label_smoothing=0.1) for y_t in y) / 5
    want = 0.95 * steps + 0.05 * ((y - 1) ** 2).mean()
    torch.testing.assert_close(nn.tet(y, target, label_smoothing=0.1), want)


def test_a_reduced_readout_goes_into_rate_cross_entropy_as_it_is():
    y, target = torch.randn(3, 4), torch.tensor([0, 3, 1])
    assert torch.equal(nn.rate_cross_entropy(y, target, 0.1), F.cross_entropy(y, target, label_smoothing=0.1))


def test_accuracy_and_confusion_count_classes():
    y, target = torch.eye(3)[[0, 1, 1, 2]], torch.tensor([0, 1, 2, 2])
    assert nn.accuracy(y, target) == 0.75
    assert nn.accuracy(y.expand(5, 4, 3), target) == 0.75
    assert nn.confusion(y.argmax(-1), target, 3).tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


BY_TIME = [nn.count_cross_entropy, nn.membrane_cross_entropy, nn.spike_count_loss, nn.tet]
ALL = [*BY_TIME, nn.rate_cross_entropy, nn.accuracy]


@pytest.mark.parametrize("loss", ALL, ids=lambda f: f.__name__)
def test_labels_are_checked(loss):
    y = torch.rand(5, 2, 3)
    with pytest.raises(RangeError, match=r"labels must be in 0\.\.2, got 3 at index 1"):
        loss(y, torch.tensor([0, 3]))
    with pytest.raises(RangeError, match="got -1 at index 0"):
        loss(y, torch.tensor([-1, 0]))
    with pytest.raises(ShapeError, match=r"must be \(B,\) class indices"):
        loss(y, torch.tensor([0, 1, 2]))
    with pytest.raises(ShapeError, match=r"Convert: target\.long\(\)"):
        loss(y, torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize("loss", BY_TIME, ids=lambda f: f.__name__)
def test_losses_over_time_refuse_a_reduced_output(loss):
    with pytest.raises(ShapeError, match=r"output \(T, B, C\), got"):
        loss(torch.rand(2, 3), torch.tensor([0, 1]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.membrane_cross_entropy(Z, ZERO, reduce="sum"), "reduce: must be one of"),
        (lambda: nn.rate_cross_entropy(Z, ZERO, label_smoothing=1.0), "label_smoothing"),
        (lambda: nn.activity_loss({"a": Z}, 0.6, 0.5), "0 <= lower <= upper"),
        (lambda: nn.activity_loss({}), "at least one layer"),
        (lambda: nn.confusion(torch.tensor([3]), torch.tensor([0]), 3), r"predicted: labels must be in 0\.\.2"),
        (lambda: nn.confusion(torch.tensor([0]), torch.tensor([-1]), 3), "target: labels"),
    ],
)
def test_arguments_out_of_range_are_refused(call, message):
    with pytest.raises(RangeError, match=message):
        call()
