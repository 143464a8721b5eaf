"""What layers did, by name: against running the layers by hand."""

import pytest
import torch

from neurosim import nn, units
from neurosim.analysis import record, recording
from neurosim.errors import RangeError

LIF = units.LIF(v_threshold=0.3)


@pytest.fixture
def model():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Linear(4, 5), nn.Spiking(LIF, learn=("tau_mem",)), nn.Residual(nn.Recurrent(units.CubaLIF(), 5)),
        nn.Linear(5, 2), nn.Readout("membrane"),
    )  # fmt: skip


@pytest.fixture
def x():
    return (torch.rand(40, 3, 4, generator=torch.Generator().manual_seed(1)) < 0.5).float() * 2


def test_spikes_of_every_spiking_layer_by_name(model, x):
    got = record(model, x)
    assert list(got) == ["1", "2.inner.0"]
    first, _ = model[1](model[0](x)[0])
    assert torch.equal(got["1"], first)
    assert torch.equal(got["2.inner.0"], model[2].inner[0](first)[0])
    assert not any(m._forward_hooks for m in model.modules())


def test_membranes_equal_those_of_a_layer_that_returns_them(model, x):
    got = record(model, x, what="v")
    assert list(got) == ["1", "2.inner.0", "4.integrator"]
    drive, _ = model[0](x)
    twin = nn.Spiking(LIF, learn=("tau_mem",), output="v")
    twin.load_state_dict(model[1].state_dict())
    torch.testing.assert_close(got["1"], twin(drive)[0], rtol=0, atol=0)
    out, _ = model[3](model[2](model[1](drive)[0])[0])
    torch.testing.assert_close(got["4.integrator"], nn.Spiking(units.LI(), output="v")(out)[0], rtol=0, atol=0)


def test_states_of_a_recurrent_layer_end_where_the_layer_ends(model, x):
    _, state = model(x)
    for what in ("v", "i_syn"):
        got = record(model, x, what=what)["2.inner.0"]
        assert torch.equal(got[-1], state[2][0][what])
    assert list(record(model, x, what="i_syn")) == ["2.inner.0"]


def test_recording_goes_on_from_a_state(model, x):
    whole = record(model, x, what="v")
    _, state = model(x[:15])
    rest = record(model, x[15:], what="v", state=state)
    for name in whole:
        assert torch.equal(whole[name][15:], rest[name])


def test_activity_loss_of_recorded_spikes_reaches_the_weights(model, x):
    with recording(model) as spikes:
        y, _ = model(x)
    (nn.activity_loss(spikes, lower=0.5, upper=0.6) + 0 * y.sum()).backward()
    assert float(model[0].weight.grad.abs().sum()) > 0
    assert float(model[1].raw_tau_mem.grad.abs()) > 0


def test_membranes_keep_the_gradient(model, x):
    drive = model[0](x)[0].detach().requires_grad_()
    record(model[1], drive, what="v")["Spiking"].sum().backward()
    got, drive.grad = drive.grad, None
    twin = nn.Spiking(LIF, learn=("tau_mem",), output="v")
    twin.load_state_dict(model[1].state_dict())
    twin(drive)[0].sum().backward()
    torch.testing.assert_close(got, drive.grad)


def test_a_unit_with_ports_takes_a_tuple():
    class Sum(units.IF):
        ports = ("a", "b")

        def step(self, s, x, c):
            return super().step(s, (x[0] + x[1],), c)

    layer = nn.Spiking(Sum())
    x = (torch.full((3, 1, 2), 0.125), torch.full((3, 1, 2), 0.25))
    assert record(layer, x, what="v")["Spiking"][:, 0, 0].tolist() == [0.375, 0.75, 0.125]


def test_what_no_layer_has_is_refused_with_the_nearest_name(model, x):
    with pytest.raises(RangeError, match=r"no layer of the model has 'i_sin'.*Did you mean 'i_syn'"):
        record(model, x, what="i_sin")
    with pytest.raises(RangeError, match="has 'spikes'"):
        record(nn.Linear(4, 2), x)


def test_hooks_go_when_the_model_fails(model):
    with pytest.raises(ValueError, match="layer '0'"):
        record(model, torch.ones(3, 2, 9))
    assert not any(m._forward_hooks for m in model.modules())
