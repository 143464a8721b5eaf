"""Sparse weights: how many, how large, that none comes back in training, and that only they become synapses."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import nn, units
from neurosim.errors import RangeError, UnsupportedError
from neurosim.nn.sparse import density_of
from neurosim.testing import verify_equal


@settings(max_examples=50)
@given(fan_in=st.integers(2, 60), outputs=st.integers(1, 9), sparsity=st.floats(0.01, 0.99))
def test_every_output_keeps_the_same_number_of_inputs(fan_in, outputs, sparsity):
    kept = round((1 - sparsity) * fan_in)
    if kept == 0:
        with pytest.raises(RangeError, match="leaves none"):
            nn.SparseLinear(fan_in, outputs, sparsity)
        return
    layer = nn.SparseLinear(fan_in, outputs, sparsity)
    assert (layer.weight != 0).sum(1).tolist() == [kept] * outputs
    assert density_of(layer) == pytest.approx(kept / fan_in)


def test_convolutions_keep_kernel_weights_per_output_channel():
    layer = nn.SparseConv2d(4, 7, 3, sparsity=0.75, padding=1)
    assert (layer.weight != 0).flatten(1).sum(1).tolist() == [9] * 7
    assert layer(torch.rand(2, 3, 4, 5, 5))[0].shape == (2, 3, 7, 5, 5)


def test_masks_are_random_and_follow_the_seed():
    masks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        masks.append(nn.SparseLinear(40, 10, 0.5).weight != 0)
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])
    assert len({tuple(row.tolist()) for row in masks[0]}) == 10


def test_weights_have_the_size_that_suits_the_inputs_that_are_left():
    layer = nn.SparseLinear(400, 300, 0.75)
    bound = 1 / 100**0.5  # torch's bound for a fan in of 100
    w = layer.weight.detach()[layer.weight != 0].abs()
    assert bound * 0.99 < w.max() <= bound and float(w.mean()) == pytest.approx(bound / 2, rel=0.02)
    assert bound * 0.9 < layer.bias.abs().max() <= bound


@pytest.mark.parametrize("make", [lambda: nn.SparseLinear(20, 8, 0.6), lambda: nn.SparseConv2d(5, 8, 2, sparsity=0.6)])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_no_removed_weight_comes_back_in_training(make, decay):
    layer = make()
    removed = layer.weight == 0
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=decay)
    before = layer.weight.detach().clone()
    for _ in range(20):
        x = torch.randn(1, 16, 20) if isinstance(layer, nn.Linear) else torch.randn(1, 16, 5, 2, 2)
        optimizer.zero_grad()
        layer(x)[0].square().sum().backward()
        optimizer.step()
    assert (layer.weight[removed] == 0).all() and (layer.weight != before)[~removed].all()
    assert (layer.parametrizations.weight.original[removed] == 0).all()  # nor wait behind the mask


def test_an_assigned_weight_is_masked():
    layer = nn.SparseLinear(6, 4, 0.5)
    removed = layer.weight == 0
    with torch.no_grad():
        layer.weight = torch.ones(4, 6)
    assert torch.equal(layer.weight == 0, removed) and (layer.weight[~removed] == 1).all()


def test_gradients_equal_those_of_a_dense_layer_with_the_weights_written_out():
    layer = nn.SparseLinear(7, 5, 0.4).double()
    dense = torch.nn.Linear(7, 5).double()
    dense.weight.data, dense.bias.data = layer.weight.detach().clone(), layer.bias.detach().clone()
    x = torch.randn(3, 2, 7, dtype=torch.float64)
    layer(x)[0].square().sum().backward()
    dense(x).square().sum().backward()
    want = dense.weight.grad * (dense.weight != 0)
    torch.testing.assert_close(layer.parametrizations.weight.original.grad, want)


def test_only_kept_weights_become_synapses_and_events_equal_the_model():
    model = nn.Sequential(
        nn.SparseConv2d(2, 4, 3, sparsity=0.9), nn.Spiking(units.LIF(v_threshold=0.1)), nn.Flatten(),
        nn.SparseLinear(36, 5, 0.8), nn.Spiking(units.LIF(v_threshold=0.1)),
    )  # fmt: skip
    graph = nn.lower(model, (2, 5, 5))
    by_target = {p.target: p for p in graph.projections}
    kept = int((model[3].weight != 0).sum())
    assert kept == 5 * round(0.2 * 36) and len(by_target["4"].weight) == kept
    # a deep copy shares its class with the model: lowering must leave the model as it was
    assert (model[3].weight != 0).sum() == kept and density_of(model[0]) < 0.12
    with torch.no_grad():
        for i in (0, 3):
            model[i].weight = (model[i].weight * 512).round() / 256
            model[i].bias.mul_(256).round_().div_(256)
    found = verify_equal(model, (torch.rand(30, 3, 2, 5, 5) < 0.4).float())
    assert found.equal and found.spikes


def test_state_dict_brings_the_mask_along():
    a, b = nn.SparseLinear(20, 4, 0.5), nn.SparseLinear(20, 4, 0.5)
    b.load_state_dict(a.state_dict())
    assert torch.equal(a.weight, b.weight)


def test_extremes_only_where_asked_for():
    assert (nn.SparseLinear(6, 3, 0.0, allow_extremes=True).weight != 0).all()
    assert (nn.SparseLinear(6, 3, 1.0, allow_extremes=True).weight == 0).all()
    for sparsity in (0.0, 1.0):
        with pytest.raises(RangeError, match=r"SparseLinear.sparsity: must be above 0 and below 1 \(allow_extremes"):
            nn.SparseLinear(6, 3, sparsity)


BAD = {
    "negative": (lambda: nn.SparseLinear(6, 3, -0.1, allow_extremes=True), RangeError, r"must be in 0..1, got -0.1"),
    "above": (lambda: nn.SparseConv2d(2, 3, 3, sparsity=1.5), RangeError, r"SparseConv2d.sparsity: .* got 1.5"),
    "nan": (lambda: nn.SparseLinear(6, 3, float("nan")), RangeError, r"must be a finite number"),
    "layer": (lambda: nn.sparsify(torch.nn.Bilinear(2, 2, 2), 0.5), UnsupportedError, r"got Bilinear"),
    "twice": (lambda: nn.sparsify(nn.SparseLinear(6, 3, 0.5), 0.5), UnsupportedError, r"sparse already"),
}


@pytest.mark.parametrize(("make", "error", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
