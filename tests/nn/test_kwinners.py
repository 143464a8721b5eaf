"""k-winners against a sort written out, duty cycles against a loop, and the gradient to winners only."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurosim import nn
from neurosim.errors import NotLowerableError, RangeError, ShapeError

NUMBERS = st.floats(-10, 10, width=32)
MATRICES = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=NUMBERS)


def winners(score, x, k, relu=False):
    """One row, by sorting: all that are at least the k-th largest."""
    if k == 0:
        return np.zeros_like(x)
    threshold = sorted(score, reverse=True)[k - 1]
    return np.array([v if s >= threshold and (s > 0 or not relu) else 0 for s, v in zip(score, x, strict=True)])


@settings(max_examples=200)
@given(x=MATRICES, k=st.integers(0, 12), relu=st.booleans(), seed=st.integers(0, 5))
def test_winners_are_those_of_a_sort_of_the_score_and_pass_with_their_value(x, k, relu, seed):
    k = min(k, x.shape[1])
    score = np.random.default_rng(seed).integers(-3, 4, x.shape).astype(np.float32)  # with many ties
    for s in (x, score):
        want = np.stack([winners(a, b, k, relu) for a, b in zip(s, x, strict=True)])
        got = nn.k_winners(torch.tensor(x), k, score=torch.tensor(s), relu=relu)
        np.testing.assert_array_equal(got.numpy(), want)


@settings(max_examples=100)
@given(x=MATRICES, k=st.integers(0, 12))
def test_broken_ties_keep_exactly_k(x, k):
    k = min(k, x.shape[1])
    y = nn.k_winners(torch.tensor(x) + 20, k, break_ties=True)
    assert (y != 0).sum(1).tolist() == [k] * len(x)
    assert ((y == 0) | (y == torch.tensor(x) + 20)).all()


def test_ties_keep_more_than_k_and_k_0_gives_zeros_with_a_gradient_of_zero():
    x = torch.tensor([[1.0, 2.0, 2.0, 2.0]], requires_grad=True)
    assert nn.k_winners(x, 2).tolist() == [[0, 2, 2, 2]]
    y = nn.k_winners(x, 0)
    y.sum().backward()
    assert y.tolist() == [[0] * 4] == x.grad.tolist()


def test_the_boosted_score_decides_and_the_value_passes_unboosted():
    layer = nn.KWinners(3, 1 / 3, boost=nn.Boost(strength=2.0)).eval()
    layer.duty_cycle.copy_(torch.tensor([0.9, 0.0, 0.0]))
    y, state = layer(torch.tensor([[[5.0, 2.0, -1.0]]]))
    assert state is None and 5.0 * math.exp(-1.8) < 2.0
    assert y.tolist() == [[[0.0, 2.0, 0.0]]]
    layer.boost_strength.zero_()
    assert layer(torch.tensor([[[5.0, 2.0, -1.0]]]))[0].tolist() == [[[5.0, 0.0, 0.0]]]


@pytest.mark.parametrize("relu", [False, True])
def test_gradient_reaches_winners_only(relu):
    layer = nn.KWinners(8, 0.25, relu=relu).double()
    layer.duty_cycle.copy_(torch.rand(8))
    x = torch.randn(3, 2, 8, dtype=torch.float64, requires_grad=True)
    layer.eval()  # gradcheck calls the layer often, which would move the duty cycles
    assert torch.autograd.gradcheck(lambda x: layer(x)[0], (x,))
    y, _ = layer(x)
    y.sum().backward()
    assert torch.equal(x.grad, (y != 0).double())


@settings(max_examples=40)
@given(batches=st.lists(st.integers(1, 9), min_size=1, max_size=8), period=st.integers(1, 30), seed=st.integers(0, 99))
def test_duty_cycles_are_those_of_a_loop(batches, period, seed):
    rng = np.random.default_rng(seed)
    layer = nn.KWinners(5, 0.4, boost=nn.Boost(strength=1.5, period=period))
    duty, seen = np.zeros(5), 0
    for steps in batches:
        x = rng.normal(size=(steps, 2, 5)).astype(np.float32)
        on = np.zeros(5)
        for row in x.reshape(-1, 5):
            on += winners(row * np.exp(-1.5 * duty.astype(np.float32)), row, 2) > 0
        n = 2 * steps
        seen += n
        p = max(min(period, seen), n)
        duty = (duty * (p - n) + on) / p
        layer(torch.tensor(x))
        np.testing.assert_allclose(layer.duty_cycle, duty, atol=1e-5)
    assert int(layer.samples) == seen and layer.duty_cycle.max() <= 1
    before = layer.duty_cycle.clone()
    layer.eval()(torch.tensor(x))
    assert torch.equal(layer.duty_cycle, before)


def test_until_the_period_is_full_the_duty_cycle_is_the_plain_share():
    layer = nn.KWinners(4, 0.5, boost=None)
    y = torch.cat([layer(torch.randn(3, 7, 4))[0] for _ in range(5)])
    torch.testing.assert_close(layer.duty_cycle, (y > 0).float().mean((0, 1)))


def test_boosting_lets_every_unit_take_part():
    x = torch.randn(400, 1, 1, 20) + torch.linspace(0, 8, 20)  # the last units would always win
    entropy = []
    for boost in (None, nn.Boost(strength=5.0, period=200)):
        layer = nn.KWinners(20, 0.1, boost=boost)
        for batch in x + 10:
            layer(batch)
        entropy.append(float(layer.entropy()))
    assert entropy[0] < 0.7 * entropy[1] <= 0.7 * layer.max_entropy() + 1e-6


def test_entropy_is_the_sum_of_binary_entropies_and_largest_for_equal_duty_cycles():
    layer = nn.KWinners(10, 0.2)
    layer.duty_cycle.fill_(0.2)
    want = 10 * (-0.2 * math.log2(0.2) - 0.8 * math.log2(0.8))
    assert float(layer.entropy()) == pytest.approx(want, rel=1e-6) and layer.max_entropy() == pytest.approx(want)
    layer.duty_cycle.copy_(torch.tensor([1.0, 1.0] + 8 * [0.0]))
    assert float(layer.entropy()) == 0


def test_k_in_training_and_evaluation():
    layer = nn.KWinners(25, 0.1)  # round(2.5) = 2
    assert (layer.k, layer.eval().k) == (2, 3)  # int(2 * 1.5)
    image = nn.KWinners2d((4, 3, 3), 0.1)  # 3.6 of 36
    assert (image.k, image.eval().k) == (4, 5)  # round(5.4)
    local = nn.KWinners2d((4, 3, 3), 0.25, local=True)
    assert (local.k, local.eval().k) == (1, 2)  # round(1.5)


def test_images_global_winners_are_those_of_the_whole_image():
    layer, x = nn.KWinners2d((3, 4, 5), 0.1), torch.randn(2, 3, 3, 4, 5)
    layer.duty_cycle.copy_(torch.tensor([0.3, 0.0, 0.1]))
    y, _ = layer.eval()(x)
    boost = np.exp(-layer.duty_cycle.numpy()).reshape(3, 1, 1)
    for got, image in zip(y.flatten(0, 1), x.flatten(0, 1).numpy(), strict=True):
        want = winners((image * boost).ravel(), image.ravel(), layer.k)
        np.testing.assert_array_equal(got.numpy().ravel(), want)


def test_images_local_winners_are_those_of_each_pixel():
    layer, x = nn.KWinners2d((8, 2, 3), 0.25, local=True, boost=None), torch.randn(2, 2, 8, 2, 3)
    y, _ = layer(x)
    columns = zip(y.movedim(2, -1).reshape(-1, 8), x.movedim(2, -1).reshape(-1, 8), strict=True)
    for got, column in columns:
        np.testing.assert_array_equal(got.numpy(), winners(column.numpy(), column.numpy(), 2))
    torch.testing.assert_close(layer.duty_cycle, (y > 0).float().mean((0, 1, 3, 4)))


def test_buffers_are_in_checkpoints_and_the_strength_falls_per_epoch():
    model = nn.Sequential(nn.Linear(6, 10), nn.KWinners(10, 0.2, boost=nn.Boost(1.5, 0.85)))
    model(torch.randn(4, 3, 6))
    nn.update_boost_strength(model)
    nn.update_boost_strength(model)
    assert float(model[1].boost_strength) == pytest.approx(1.5 * 0.85**2)
    other = nn.Sequential(nn.Linear(6, 10), nn.KWinners(10, 0.2, boost=nn.Boost(1.5, 0.85)))
    other.load_state_dict(model.state_dict())
    x = torch.randn(2, 2, 6)
    assert torch.equal(other(x)[0], model(x)[0]) and int(other[1].samples) == 16


def test_each_tick_has_its_own_winners():
    x = torch.randn(6, 2, 9)
    layer = nn.KWinners(9, 1 / 3, boost=None).eval()
    whole, _ = layer(x)
    steps = [layer(x[t : t + 1])[0] for t in range(6)]
    assert torch.equal(whole, torch.cat(steps)) and ((whole != 0).sum(2) == layer.k).all()


def test_nan_is_not_hidden():
    x = torch.tensor([[[1.0, float("nan"), 3.0, 2.0]]])
    assert nn.KWinners(4, 0.25)(x)[0].isnan().any()


BAD = {
    "no winner": (lambda: nn.KWinners(10, 0.05), RangeError, r"KWinners.density: must keep 1 to 10 of 10 units"),
    "too many": (lambda: nn.KWinners(10, 1.1), RangeError, r"which keeps 11"),
    "nan": (lambda: nn.KWinners(10, float("nan")), RangeError, r"KWinners.density: must be a finite number"),
    "no units": (lambda: nn.KWinners(0, 0.5), RangeError, r"number of units must be a whole number >= 1, got 0"),
    "evaluation": (lambda: nn.KWinners(10, 0.8), RangeError, r"k_inference_factor: must keep 1 to 10 units in eval"),
    "factor": (lambda: nn.KWinners(10, 0.5, k_inference_factor=0.0), RangeError, r"k_inference_factor: must be > 0"),
    "no inference": (lambda: nn.KWinners(10, 0.1, k_inference_factor=0.5), RangeError, r"which keeps 0"),
    "boost": (lambda: nn.KWinners(10, 0.5, boost=1.5), RangeError, r"KWinners.boost: must be a Boost or None, got 1.5"),
    "strength": (lambda: nn.Boost(-1.0), RangeError, r"Boost.strength: must be >= 0, got -1.0"),
    "decay": (lambda: nn.Boost(1.0, 1.1), RangeError, r"Boost.factor: must be in 0..1, got 1.1"),
    "period": (lambda: nn.Boost(period=0), RangeError, r"Boost.period: must be a whole number >= 1, got 0"),
    "size": (lambda: nn.KWinners2d((3, 4), 0.5), ShapeError, r"KWinners2d.size: must be \(C, H, W\)"),
    "local": (lambda: nn.KWinners2d((3, 4, 4), 0.2, local=True), RangeError, r"must keep 1 to 3 of 3 units"),
    "input": (lambda: nn.KWinners(4, 0.5)(torch.rand(2, 3, 5)), ShapeError, r"with 4 at axis 2, got \(2, 3, 5\)"),
    "image": (
        lambda: nn.KWinners2d((2, 3, 3), 0.5)(torch.rand(1, 1, 2, 3, 4)), ShapeError, r"got \(1, 1, 2, 3, 4\)"
    ),
    "negative k": (lambda: nn.k_winners(torch.rand(3), -1), RangeError, r"k: must be a whole number in 0..3, got -1"),
    "large k": (lambda: nn.k_winners(torch.rand(3), 4), RangeError, r"k: must be a whole number in 0..3, got 4"),
    "lower": (
        lambda: nn.lower(nn.Sequential(nn.Linear(4, 4), nn.KWinners(4, 0.5)), (4,)), NotLowerableError,
        r"layer '1' \(KWinners\): compares all its inputs of a step.*Put a spiking layer",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "error", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
