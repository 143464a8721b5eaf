"""Active dendrites against the equations written out in a loop; which segment learns; the form for one context."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import nn, units
from neurosim.errors import NotLowerableError, RangeError, ShapeError, UnsupportedError
from neurosim.testing import verify_equal


def by_hand(layer, t, context):
    """t (T, B, units) under the gates of each sample's context, one number at a time."""
    y = t.clone()
    u = layer.segments.detach()
    for b in range(t.shape[1]):
        c = context[b if len(context) > 1 else 0]
        for j in range(len(u)):
            d = [float((segment * c).sum()) for segment in u[j]]
            won = max(d, key=abs) if layer.gate == "absmax" else max(d)
            y[:, b, j] = t[:, b, j] + won if layer.gate == "bias" else t[:, b, j] / (1 + math.exp(-won))
    return y


@settings(max_examples=40)
@given(
    gate=st.sampled_from(["absmax", "max", "bias"]), segments=st.integers(1, 4), rows=st.sampled_from([1, 3]),
    seed=st.integers(0, 999),
)  # fmt: skip
def test_gates_are_those_of_the_equations(gate, segments, rows, seed):
    torch.manual_seed(seed)
    layer = nn.ActiveDendrites(nn.Linear(4, 5), segments, 6, gate).double()
    x, context = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(rows, 6, dtype=torch.float64)
    y, state = layer(x, context=context)
    assert state is None
    torch.testing.assert_close(y, by_hand(layer, layer.layer(x)[0], context))


def test_the_largest_absolute_activation_keeps_its_sign():
    layer = nn.ActiveDendrites(nn.Linear(2, 1), 2, 2)
    with torch.no_grad():
        layer.segments.copy_(torch.tensor([[[1.0, 0.0], [0.0, -3.0]]]))
    assert float(layer.gates(torch.ones(1, 2)).detach()) == pytest.approx(1 / (1 + math.exp(3.0)))


@pytest.mark.parametrize("gate", ["absmax", "max", "bias"])
def test_only_the_segment_that_wins_learns(gate):
    layer = nn.ActiveDendrites(nn.Linear(4, 6), 5, 3, gate)
    context = torch.randn(1, 3)
    layer(torch.rand(2, 7, 4) + 1, context=context)[0].square().sum().backward()
    d = layer.activations(context)[0]
    winner = (d.abs() if gate == "absmax" else d).argmax(1)
    learns = layer.segments.grad.abs().sum(2) > 0
    assert torch.equal(learns.nonzero()[:, 1], winner) and learns.sum() == 6


@pytest.mark.parametrize("gate", ["absmax", "max", "bias"])
def test_gradcheck_of_input_context_and_segments(gate):
    layer = nn.ActiveDendrites(nn.Linear(3, 4), 3, 5, gate).double()
    x, c = (torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((2, 2, 3), (2, 5)))
    assert torch.autograd.gradcheck(lambda x, c, *p: layer(x, None, c)[0], (x, c, *layer.parameters()))


def test_one_row_equals_the_same_row_for_every_sample():
    layer = nn.ActiveDendrites(nn.Linear(4, 5), 3, 6)
    x, c = torch.randn(3, 8, 4), torch.randn(1, 6)
    torch.testing.assert_close(layer(x, context=c)[0], layer(x, context=c.expand(8, 6))[0])
    assert layer.activations(c).shape == (1, 5, 3)  # the work of one row


def test_a_convolution_is_gated_per_channel():
    layer = nn.ActiveDendrites(nn.Conv2d(2, 3, 3), 4, 5)
    x, c = torch.randn(2, 3, 2, 6, 6), torch.randn(3, 5)
    y, _ = layer(x, context=c)
    torch.testing.assert_close(y, layer.layer(x)[0] * layer.gates(c)[None, :, :, None, None])


def test_initial_segments_and_weights_have_the_published_size():
    layer = nn.ActiveDendrites(nn.Linear(4, 50), 10, 100, segment_sparsity=0.5, context_density=0.2)
    bound = 1 / math.sqrt(0.2 * 0.5 * 100)
    u = layer.segments.detach()
    assert (u != 0).sum(2).eq(50).all() and 0.99 * bound < u.abs().max() <= bound
    inner = nn.init_modified(nn.SparseLinear(200, 100, 0.5), input_density=0.05)
    bound = 1 / math.sqrt(0.05 * 0.5 * 200)
    assert 0.99 * bound < inner.weight.abs().max() <= bound and (inner.bias == 0).all()


def spiking_net():
    lif = units.LIF(tau_mem=10e-3, v_threshold=0.2)
    return nn.Sequential(
        nn.ActiveDendrites(nn.SparseLinear(6, 12, 0.5), 3, 4), nn.Spiking(lif),
        nn.ActiveDendrites(nn.Recurrent(lif, 12), 2, 4, "bias"),
        nn.Residual(nn.ActiveDendrites(nn.Spiking(lif), 2, 4, "max", units=12)), torch.nn.Linear(12, 3),
        nn.Readout("mean"),
    )  # fmt: skip


def test_the_current_of_a_spiking_layer_is_gated():
    lif = nn.Spiking(units.LIF(v_threshold=0.1))
    layer = nn.ActiveDendrites(lif, 3, 4, units=5)
    x, c = torch.rand(20, 2, 5), torch.randn(2, 4)
    y, state = layer(x, None, c)
    want, end = lif(x * layer.gates(c))
    assert torch.equal(y, want) and torch.equal(state["v"], end["v"]) and y.sum() > 0
    chunk, half = layer(x[:9], None, c)
    assert torch.equal(torch.cat([chunk, layer(x[9:], half, c)[0]]), y)


def test_events_equal_the_model_under_a_fixed_context():
    x, spikes = (torch.rand(40, 3, 6) < 0.5).double(), []
    model = spiking_net().double()
    for _ in range(2):
        context = torch.randn(1, 4, dtype=torch.float64)
        folded = nn.fold_context(model, context)
        torch.testing.assert_close(folded(x)[0], model(x, context=context)[0])
        found = verify_equal(folded, x)
        assert not found.differences and found.output_error < 1e-12 and found.spikes > 100, str(found)
        spikes.append(found.spikes)
    assert spikes[0] != spikes[1]  # the context matters


def test_folding_leaves_the_model_as_it_was_and_a_convolution_stays_one():
    model = nn.Sequential(nn.ActiveDendrites(torch.nn.Conv2d(2, 3, 3), 2, 4, "bias"), nn.Spiking(units.LIF()))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    context, x = torch.randn(1, 4), (torch.rand(10, 1, 2, 6, 6) < 0.5).float()
    folded = nn.fold_context(model, context)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    torch.testing.assert_close(folded[0](x)[0], model[0](x, context=context)[0])
    assert type(nn.lower(folded, (2, 6, 6)).projections[0].rule).__name__ == "Convolution"


def net():
    return nn.Sequential(nn.ActiveDendrites(nn.Linear(4, 5), 3, 6), nn.Spiking(units.LIF()))


def dendrites(segments=2, size=6, gate="absmax", **options):
    return nn.ActiveDendrites(nn.Linear(4, 5), segments, size, gate, **options)


X = torch.rand(2, 3, 4)
BAD = {
    "no context": (lambda: dendrites()(X), ShapeError, r"context must be \(1, 6\) or \(B, 6\), got none. Pass it on"),
    "no context in a model": (lambda: net()(X), ShapeError, r"layer '0': ActiveDendrites: context .* got none"),
    "size": (lambda: dendrites()(X, None, torch.rand(1, 5)), ShapeError, r"or \(B, 6\), got \(1, 5\)"),
    "rows": (lambda: dendrites()(X, None, torch.rand(2, 6)), ShapeError, r"must have 1 or 3 rows, .* got 2"),
    "dims": (lambda: dendrites()(X, None, torch.rand(6)), ShapeError, r"got \(6,\)"),
    "whole numbers": (lambda: dendrites()(X, None, torch.ones(1, 6).long()), ShapeError, r"a floating tensor, got"),
    "nan": (lambda: dendrites()(X, None, torch.full((1, 6), float("nan"))), RangeError, r"context holds nan or inf"),
    "nan in a row": (
        lambda: dendrites()(X, None, torch.tensor([[1.0] * 6, [2.0] * 6, [float("inf")] + [1.0] * 5])), RangeError,
        r"context holds nan or inf",
    ),
    "segments": (lambda: dendrites(0), RangeError, r"segments: must be a whole number >= 1, got 0. Without segments"),
    "context size": (lambda: dendrites(2, 0), RangeError, r"context_size: must be a whole number >= 1, got 0"),
    "gate": (lambda: dendrites(gate="absmx"), RangeError, r"Did you mean 'absmax'"),
    "sparsity": (lambda: dendrites(segment_sparsity=1.0), RangeError, r"segment_sparsity: must be >= 0 and < 1"),
    "density": (lambda: dendrites(context_density=0.0), RangeError, r"context_density: must be > 0 and <= 1, got 0.0"),
    "layer": (lambda: nn.ActiveDendrites(nn.Flatten(), 2, 6), UnsupportedError, r"gates Linear, .* got Flatten"),
    "units": (lambda: nn.ActiveDendrites(nn.Spiking(units.LIF()), 2, 6), RangeError, r"units: must be given for a"),
    "other units": (lambda: dendrites(units=7), RangeError, r"units: the layer has 5, got 7. Leave it out"),
    "wrong units": (
        lambda: nn.ActiveDendrites(nn.Spiking(units.LIF()), 2, 6, units=9)(X, None, torch.rand(1, 6)), ShapeError,
        r"x must have 9 units at axis 2, got \(2, 3, 4\)",
    ),
    "nobody takes it": (
        lambda: nn.Sequential(nn.Linear(4, 2))(X, None, torch.rand(1, 6)), ShapeError, r"no layer takes one"
    ),
    "fold of several": (lambda: nn.fold_context(net(), torch.rand(2, 6)), ShapeError, r"context must be \(1, 6\), got"),
    "lower": (
        lambda: nn.lower(net(), (4,)), (NotLowerableError, ShapeError), r"lower: layer '0'.*(fold_context|got none)"
    ),
    "input density": (lambda: nn.init_modified(nn.Linear(2, 2), 0.0), RangeError, r"input_density: must be > 0"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "error", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
