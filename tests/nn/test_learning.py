"""Trained parameters of units."""

import pytest
import torch

from neurosim import nn, units
from neurosim.errors import RangeError, ShapeError

X = torch.rand(40, 2, 6, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(), (6, 1, 1), (6, 4, 4)], ids=["per layer", "per channel", "per neuron"])
def test_trained_parameters_start_at_their_value_and_get_a_gradient(shape):
    layer = nn.Spiking(units.LIF(tau_mem=15e-3), learn=("tau_mem", "v_threshold"), shape=shape)
    fixed, _ = nn.Spiking(units.LIF(tau_mem=15e-3))(X)
    y, _ = layer(X)
    values = layer.parameter_values()
    torch.testing.assert_close(values["tau_mem"], torch.full(shape, 15e-3))
    torch.testing.assert_close(values["v_threshold"], torch.ones(shape))
    assert (y != fixed).float().mean() < 1e-3  # float32 exp and log: a spike on the edge may move
    y.sum().backward()
    for p in layer.parameters():
        assert p.grad.shape == shape
        assert bool((p.grad != 0).all())


@pytest.mark.parametrize(
    ("unit", "name", "value"),
    [
        (units.LIF(tau_mem=units.Decay(0.9)), "tau_mem", 0.9),
        (units.DelayedResetLIF(0.8), "beta", 0.8),
        (units.LIF(v_leak=0), "v_leak", 0.0),
        (units.LIF(v_threshold=0.7), "v_threshold", 0.7),
        (units.AdLIF(a=1), "a", 1.0),
        (units.CubaLIF(gain="leak"), "tau_syn", 5e-3),
        (units.LI(), "tau_mem", 20e-3),
    ],
)
def test_one_trained_parameter_beside_fixed_ones(unit, name, value):
    layer = nn.Spiking(unit, learn=(name,))
    y, _ = layer(X[:, :, :, 0, 0])
    y.sum().backward()
    assert float(layer.parameter_values()[name].detach()) == pytest.approx(value, rel=1e-6)
    assert bool(torch.isfinite(next(layer.parameters()).grad))


def test_the_gradient_of_a_trained_time_constant_is_the_true_one():
    unit, x = units.LIF(tau_mem=10e-3, v_threshold=1e9, gain="leak"), X[:, :, :, 0, 0].double()
    layer = nn.Spiking(unit, learn=("tau_mem",), output="v").double()
    layer(x)[0].sum().backward()

    def total(log_tau):
        return float(nn.Spiking(units.LIF(float(torch.exp(log_tau)), 1e9, gain="leak"), output="v")(x)[0].sum())

    raw, h = layer.raw_tau_mem.detach(), 1e-5
    assert float(layer.raw_tau_mem.grad) == pytest.approx((total(raw + h) - total(raw - h)) / (2 * h), rel=1e-6)


def test_recurrent_parameters_train_per_neuron():
    layer = nn.Recurrent(units.LIF(), 6, learn=("tau_mem",), shape=(6,))
    layer(X[:, :, :, 0, 0])[0].sum().backward()
    assert layer.raw_tau_mem.grad.shape == (6,)
    assert layer.weight.grad.shape == (6, 6)


@pytest.mark.parametrize(
    ("unit", "learn", "message"),
    [
        (units.LIF(), ("tau_men",), "no trainable parameter 'tau_men'.*Did you mean 'tau_mem'"),
        (units.LIF(), ("v_reset",), "no trainable parameter 'v_reset'"),
        (units.LIF(), ("gain",), "no trainable parameter 'gain'"),
        (units.LIF(v_threshold=-1.0), ("v_threshold",), "must start above 0"),
        (units.DelayedResetLIF(1.0), ("beta",), "must start inside 0..1"),
    ],
)
def test_what_cannot_train_is_named(unit, learn, message):
    with pytest.raises(RangeError, match=message):
        nn.Spiking(unit, learn=learn)


def test_a_refractory_period_cannot_train():
    with pytest.raises(RangeError, match="no gradient to train with"):
        nn.Spiking(units.Refractory(units.LIF()), learn=("refractory",))(X)


def test_a_shape_that_does_not_fit_the_neurons_is_refused():
    with pytest.raises(ShapeError, match=r"do not broadcast to neurons of shape \(6, 4, 4\)"):
        nn.Spiking(units.LIF(), learn=("tau_mem",), shape=(5,))(X)


def test_a_layer_used_in_inference_mode_still_trains():
    layer, x = nn.Spiking(units.LIF()), X.clone().requires_grad_()
    with torch.inference_mode():
        layer(X)
    layer(x)[0].sum().backward()
    assert bool((x.grad != 0).any())


def test_training_lowers_a_loss():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 20), nn.Spiking(units.LIF()), nn.Linear(20, 2), nn.Readout("membrane"))
    x, target = (torch.rand(30, 16, 8) < 0.3).float(), torch.arange(16) % 2
    x[:, target == 1, :4] *= 0.2
    optimiser, losses = torch.optim.Adam(model.parameters(), 0.01), []
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(x)[0], target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]
