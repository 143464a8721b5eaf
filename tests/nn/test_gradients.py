"""Gradients through networks: finite differences and a network written out in torch."""

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from neurosim import nn, units
from neurosim.errors import UnsupportedError
from neurosim.kernels.reference import reference
from neurosim.nn import ops
from neurosim.testing import Spike


def network(surrogate):
    hidden = nn.Spiking(units.LIF(tau_mem=8e-3), surrogate=surrogate)
    out = nn.Spiking(units.LIF(tau_mem=8e-3, v_threshold=0.9), surrogate=surrogate, output="v")
    return nn.Sequential(nn.Linear(3, 6), hidden, nn.Linear(6, 2), out).double()


def test_gradcheck_through_two_layers_away_from_the_threshold():
    # a narrow box makes the surrogate gradient the true one wherever no membrane is inside it
    torch.manual_seed(3)
    model = network(units.Boxcar(width=1e-5))
    with torch.no_grad():
        model[0].weight.mul_(2)
        model[2].weight.mul_(2)
    x = torch.rand(10, 1, 3, dtype=torch.float64, requires_grad=True)
    hidden, _ = model[1](model[0](x)[0])
    assert 0.05 < hidden.detach().mean() < 0.9
    parameters = tuple(model.parameters())
    assert torch.autograd.gradcheck(lambda x, *p: model(x)[0], (x, *parameters), eps=1e-7, atol=1e-5, rtol=1e-4)


def test_gradient_of_a_network_equals_autograd_of_its_reference():
    surrogate = units.SuperSpike()
    model, x = network(surrogate), torch.rand(40, 3, 3, dtype=torch.float64)
    want = x
    for i in (0, 2):
        current = want @ model[i].weight.t() + model[i].bias
        layer = model[i + 1]
        c = [torch.tensor(v, dtype=torch.float64) for v in layer.unit.coefficients(1e-3)]
        rest = [torch.zeros_like(current[0])]
        y, _ = reference(
            layer.unit, [(c_t,) for c_t in current], c, rest, layer.output, lambda u: Spike.apply(u, surrogate)
        )
        want = torch.stack(y)
    got, _ = model(x)
    assert torch.equal(got, want)
    parameters = list(model.parameters())
    wanted = torch.autograd.grad(want.square().sum(), parameters)
    found = torch.autograd.grad(got.square().sum(), parameters)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_truncated_back_propagation_stops_at_a_detached_state():
    layer = nn.Spiking(units.LIF())
    first = torch.rand(10, 1, 3, requires_grad=True)
    _, state = layer(first)
    y, _ = layer(torch.rand(10, 1, 3), nn.detach(state))
    assert not y.requires_grad
    y, _ = layer(torch.rand(10, 1, 3), state)
    y.sum().backward()
    assert bool((first.grad != 0).any())


def test_nothing_is_kept_when_no_gradient_is_needed():
    layer, x = nn.Spiking(units.LIF()), torch.rand(70, 1, 3)
    assert layer.chunk(x) == 0
    assert layer.chunk(x.requires_grad_()) > 0
    with torch.no_grad():
        assert layer.chunk(x) == 0


LAYERS = {
    "spikes": lambda: nn.Spiking(units.LIF()),
    "membrane": lambda: nn.Spiking(units.LIF(), output="v"),
    "learned": lambda: nn.Spiking(units.LIF(), learn=("tau_mem",), shape=(4,)),
    "recurrent": lambda: nn.Recurrent(units.LIF(), 4),
}
LOSSES = {"linear": torch.sum, "square": lambda y: y.square().sum()}  # a linear loss has a constant gradient


@pytest.fixture(params=["direct", "dispatcher"])
def path(request, monkeypatch):
    if request.param == "dispatcher":
        monkeypatch.setattr(ops, "direct", lambda *tensors: False)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_second_derivative_is_an_error_and_not_zero(make, loss, path):
    layer, x = make(), torch.rand(40, 2, 4, requires_grad=True)
    parameters = list(layer.parameters())
    wanted = torch.autograd.grad(loss(layer(x)[0]), [x, *parameters])
    first = torch.autograd.grad(loss(layer(x)[0]), [x, *parameters], create_graph=True)
    for a, b in zip(first, wanted, strict=True):
        assert torch.equal(a, b)
        with pytest.raises(UnsupportedError, match="second derivative"):  # hidden beside another term of a loss
            (a.square().sum() + x.square().sum()).backward(retain_graph=True)


@pytest.mark.parametrize("make", [LAYERS["spikes"], LAYERS["recurrent"]], ids=["spikes", "recurrent"])
def test_a_second_derivative_with_respect_to_the_state_is_an_error(make, path):
    layer = make()
    _, state = layer(torch.rand(3, 2, 4))
    state = {name: s.detach().requires_grad_() for name, s in state.items()}
    y, _ = layer(torch.rand(40, 2, 4), state)
    (first,) = torch.autograd.grad(y.sum(), state["v"], create_graph=True)
    with pytest.raises(UnsupportedError, match="second derivative"):
        first.sum().backward()


@pytest.mark.parametrize("reentrant", [False, True])
def test_recomputing_a_layer_is_no_second_derivative(reentrant, path):
    layer, x = nn.Spiking(units.LIF()), torch.rand(40, 2, 4, requires_grad=True)
    (want,) = torch.autograd.grad(layer(x)[0].square().sum(), x)
    y, _ = checkpoint(layer, x, use_reentrant=reentrant)
    y.square().sum().backward()
    assert torch.equal(x.grad, want)
