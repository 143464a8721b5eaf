"""Layers: state in, state out; chunks equal the whole; bad input is named."""

from collections import OrderedDict
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import nn, units
from neurosim.errors import RangeError, ShapeError, UnsupportedError

STEPS = 41


def network():
    return nn.Sequential(
        nn.Linear(6, 5), nn.Spiking(units.LIF()), nn.Dropout(0.3), nn.Recurrent(units.AdLIF(gain="one"), 5),
        torch.nn.LayerNorm(5), nn.Residual(nn.Linear(5, 5), nn.Spiking(units.CubaLIF())), nn.Readout("mean"),
    )  # fmt: skip


LAYERS = {
    "Linear": (lambda: nn.Linear(6, 3), (6,)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, 3), (2, 5, 5)),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), (2, 4, 4)),
    "SumPool2d": (lambda: nn.SumPool2d(2), (2, 4, 4)),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), (2, 4, 4)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(1), (2, 4, 4)),
    "Flatten": (lambda: nn.Flatten(), (2, 4, 4)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(6).eval(), (6,)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2).eval(), (2, 4, 4)),
    "Dropout": (lambda: nn.Dropout(0.5), (6,)),
    "Spiking": (lambda: nn.Spiking(units.LIF()), (6,)),
    "Spiking images": (lambda: nn.Spiking(units.AdLIF(gain="one"), learn=("tau_mem",), shape=(2, 1, 1)), (2, 4, 4)),
    "Recurrent": (lambda: nn.Recurrent(units.LIF(), 6), (6,)),
    "Sequential": (network, (6,)),
}  # fmt: skip
every_layer = pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS)


def same(a, b, exact=True):
    torch.testing.assert_close(a, b, rtol=0 if exact else 1e-5, atol=0 if exact else 1e-6)


def numbers(state):
    return [torch.as_tensor(v) for v in torch.utils._pytree.tree_leaves(state) if v is not None]


@every_layer
@settings(max_examples=10)
@given(cuts=st.sets(st.integers(1, STEPS - 1), max_size=4))
def test_chunks_with_carried_state_equal_the_whole(make, shape, cuts):
    torch.manual_seed(0)
    layer = make()
    x = torch.rand(STEPS, 2, *shape) * 1.5
    torch.manual_seed(1)
    whole, end = layer(x)
    torch.manual_seed(1)
    state, parts, borders = None, [], [0, *sorted(cuts), STEPS]
    for a, b in pairwise(borders):
        y, state = layer(x[a:b], state)
        parts.append(y)
    if isinstance(layer, nn.Sequential):  # ends in a Readout, which has no time
        same(parts[-1], whole, exact=False)
    else:  # a matrix product of fewer rows may round differently
        same(torch.cat(parts), whole, exact=not isinstance(layer, (nn.Linear, nn.Conv2d)))
    for a, b in zip(numbers(state), numbers(end), strict=True):
        same(a, b, exact=False)


@pytest.mark.parametrize("mode", ["mean", "last", "max", "count", "membrane"])
@settings(max_examples=15)
@given(cuts=st.sets(st.integers(1, STEPS - 1), max_size=4))
def test_readout_over_chunks_equals_readout_of_the_whole(mode, cuts):
    x, layer = torch.rand(STEPS, 2, 3, generator=torch.Generator().manual_seed(0)), nn.Readout(mode)
    state, borders = None, [0, *sorted(cuts), STEPS]
    for a, b in pairwise(borders):
        y, state = layer(x[a:b], state)
    want = {"mean": x.mean(0), "last": x[-1], "max": x.amax(0), "count": x.sum(0)}.get(mode)
    if mode == "membrane":
        v, _ = nn.Spiking(units.LI())(x)
        want = v.mean(0)
    same(y, want, exact=False)


def test_one_dropout_mask_serves_all_steps_and_chunks():
    layer, x = nn.Dropout(0.5), torch.ones(10, 3, 40)
    y, mask = layer(x)
    again, _ = layer(x, mask)
    assert torch.equal(y, y[:1].expand_as(y))
    assert torch.equal(y, again)
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert layer.eval()(x)[1] is None
    assert torch.equal(layer(x)[0], x)


@pytest.mark.parametrize("make", [lambda: nn.Spiking(units.LIF()), lambda: nn.Recurrent(units.LIF(), 6), network])
def test_two_passes_without_any_reset_are_identical(make):
    layer, x = make().eval(), torch.rand(30, 2, 6)
    assert torch.equal(layer(x)[0], layer(x)[0])


def test_no_state_is_rest():
    layer, x = nn.Spiking(units.LIF(v_leak=-0.5)), torch.rand(30, 2, 6)
    assert torch.equal(layer(x)[0], layer(x, {"v": torch.full((2, 6), -0.5)})[0])


def test_rest_of_a_recurrent_layer_has_no_spikes():
    layer, x = nn.Recurrent(units.LIF(), 6), torch.rand(30, 2, 6)
    assert torch.equal(layer(x)[0], layer(x, {"v": torch.zeros(2, 6), "z": torch.zeros(2, 6)})[0])


@pytest.mark.parametrize("name", ["Dropout", "Spiking", "Spiking images", "Recurrent", "Sequential"])
def test_a_state_of_another_batch_size_is_refused(name):
    make, shape = LAYERS[name]
    layer = make()
    _, state = layer(torch.rand(4, 1, *shape))
    with pytest.raises(ShapeError, match="A changed batch needs its own state"):
        layer(torch.rand(4, 3, *shape), state)


@pytest.mark.parametrize("mode", ["mean", "membrane"])
def test_a_readout_state_of_another_batch_size_is_refused(mode):
    layer = nn.Readout(mode)
    _, state = layer(torch.rand(4, 1, 3))
    with pytest.raises(ShapeError, match="A changed batch needs its own state"):
        layer(torch.rand(4, 2, 3), state)


@pytest.mark.parametrize(
    ("layer", "x", "message"),
    [
        (nn.Linear(6, 3), torch.rand(4, 6, 9), "Time comes first"),
        (nn.Conv2d(2, 3, 3), torch.rand(4, 2, 9, 5, 5), "Time comes first"),
        (nn.Conv2d(2, 3, 3), torch.rand(9, 4, 5, 5, 2), "channels last"),
        (nn.Recurrent(units.LIF(), 6), torch.rand(4, 6, 9), "Time comes first"),
        (nn.BatchNorm1d(6), torch.rand(4, 6, 9), "Time comes first"),
        (nn.Conv2d(2, 3, 3), torch.rand(4, 2, 5, 5), "is the batch or time axis missing"),
        (nn.Spiking(units.LIF()), torch.rand(9), "is the batch or time axis missing"),
        (nn.Spiking(units.LIF()), torch.ones(9, 2, 3, dtype=torch.int64), r"Convert: x\.float\(\)"),
        (nn.Spiking(units.LIF()), [1.0], "must be a torch tensor"),
        (nn.Spiking(units.LIF()), torch.rand(0, 2, 3), "at least one time step"),
        (nn.Spiking(units.LIF()), torch.rand(5, 2, 0), "at least one time step"),
        (nn.Flatten(), torch.rand(5), "is the batch or time axis missing"),
        (nn.Spiking(units.LIF()), (torch.rand(5, 2, 3),) * 2, r"has ports \('x',\), got 2 inputs"),
        (nn.Residual(nn.Linear(4, 3)), torch.rand(5, 2, 4), "must keep the shape"),
    ],
)  # fmt: skip
def test_input_that_cannot_be_meant_is_refused(layer, x, message):
    with pytest.raises(ShapeError, match=message):
        layer(x)


@pytest.mark.parametrize(
    ("layer", "state"),
    [
        (nn.Spiking(units.LIF()), {"w": torch.zeros(2, 3)}),
        (nn.Spiking(units.LIF()), torch.zeros(2, 3)),
        (nn.Readout(), {"v": torch.zeros(2, 3)}),
        (nn.Sequential(nn.Flatten(), nn.Readout()), (None,)),
    ],
)
def test_a_state_of_another_layer_is_refused(layer, state):
    with pytest.raises(ShapeError, match="state must"):
        layer(torch.rand(5, 2, 3), state)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("make", [lambda: nn.Spiking(units.LIF()), lambda: nn.Recurrent(units.LIF(), 3)])
def test_input_that_is_not_finite_is_named_by_step_and_index(make, bad):
    x = torch.rand(9, 2, 3)
    x[4, 1, 2] = bad
    with pytest.raises(RangeError, match=r"every input must be finite, got -?(nan|inf) at time step 4"):
        make()(x)


def test_a_state_that_overflows_is_reported():
    with pytest.raises(RangeError, match="grew beyond the range"):
        nn.Spiking(units.IF(v_threshold=1e30))(torch.full((3, 1, 1), 3e38))


def test_sequential_names_the_layer_in_errors():
    with pytest.raises(ShapeError, match=r"layer 'hidden': Linear: x must be"):
        nn.Sequential(OrderedDict(hidden=nn.Linear(3, 2)))(torch.rand(5, 2, 4))


def test_sequential_applies_torch_modules_to_each_step():
    model, x = nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()), torch.randn(5, 2, 4)
    want = torch.stack([torch.relu(model[0].module(x_t)) for x_t in x])
    same(model(x)[0], want, exact=False)
    assert len(model) == 2


def test_non_contiguous_input_gives_what_a_contiguous_one_gives():
    x = torch.rand(2, 6, 30).permute(2, 0, 1)
    for layer in (nn.Spiking(units.LIF()), nn.Recurrent(units.LIF(), 6)):
        assert torch.equal(layer(x)[0], layer(x.contiguous())[0])


def test_ports_must_agree_in_shape_and_dtype():
    layer = nn.Spiking(units.LIF())
    layer.unit = layer.unit.with_values(ports=("a", "b"))
    for other in (torch.rand(5, 2, 4), torch.rand(5, 2, 3).double()):
        with pytest.raises(ShapeError, match="ports must agree"):
            layer((torch.rand(5, 2, 3), other))


def test_half_precision_is_refused_with_advice():
    with pytest.raises(UnsupportedError, match=r"float32 or float64, got torch\.float16"):
        nn.Spiking(units.LIF())(torch.rand(5, 2, 3).half())


def test_sum_pool_is_average_pool_times_the_window():
    x = torch.rand(5, 2, 3, 6, 6)
    same(nn.SumPool2d(3)(x)[0], 9 * nn.AvgPool2d(3)(x)[0], exact=False)


@pytest.mark.parametrize("bias", [True, False])
def test_folded_norms_do_the_same_in_evaluation(bias):
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=bias), nn.BatchNorm2d(4), nn.Spiking(units.LIF()), nn.Flatten(),
        nn.Sequential(nn.Linear(16, 3, bias=bias), nn.BatchNorm1d(3)),
        nn.Residual(nn.Linear(3, 3, bias=bias), nn.BatchNorm1d(3)), torch.nn.Linear(3, 3), nn.BatchNorm1d(3),
    )  # fmt: skip
    for _ in range(3):
        model(torch.randn(7, 2, 2, 4, 4) * 2 + 1)  # gives the norms statistics
    model.eval()
    folded, x = model.fold_norms(), torch.randn(7, 2, 2, 4, 4)
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in folded.modules())
    same(folded[0](x)[0], model[1](model[0](x)[0])[0], exact=False)
    same(folded(x)[0], model(x)[0], exact=False)


def test_a_norm_without_statistics_cannot_be_folded():
    with pytest.raises(UnsupportedError, match="no running statistics"):
        nn.fold_norm(nn.Linear(3, 3), nn.BatchNorm1d(3, track_running_stats=False))
    with pytest.raises(UnsupportedError, match="folds a batch norm into Linear or Conv2d"):
        nn.fold_norm(nn.Flatten(), nn.BatchNorm1d(3))


def test_recurrent_refuses_units_it_cannot_run():
    with pytest.raises(UnsupportedError, match="spiking unit with one port"):
        nn.Recurrent(units.LI(), 3)
    with pytest.raises(RangeError, match=r"init: must be one of .* Did you mean 'orthogonal'"):
        nn.Recurrent(units.LIF(), 3, init="ortogonal")


def test_readout_mode_has_its_nearest_match():
    with pytest.raises(RangeError, match="Did you mean 'mean'"):
        nn.Readout("meen")


def test_detach_cuts_the_graph_of_a_nested_state():
    x = torch.rand(5, 2, 6, requires_grad=True)
    _, state = network()(x)
    leaves = torch.utils._pytree.tree_leaves(nn.detach(state))
    assert not any(v.requires_grad for v in leaves if isinstance(v, torch.Tensor))
    assert any(v.requires_grad for v in torch.utils._pytree.tree_leaves(state) if isinstance(v, torch.Tensor))
