"""`DelayedResetLIF` is snnTorch's Leaky, spike for spike."""

import pytest
import torch

from neurosim import nn, units

snntorch = pytest.importorskip("snntorch", reason="snnTorch is the oracle here (extra 'interop')")


def snntorch_leaky(x, beta, slope=25.0):
    from snntorch import surrogate

    leaky = snntorch.Leaky(beta=beta, spike_grad=surrogate.fast_sigmoid(slope=slope))
    mem, spikes, membranes = leaky.init_leaky(), [], []
    for x_t in x:
        z, mem = leaky(x_t, mem)
        spikes.append(z)
        membranes.append(mem)
    return torch.stack(spikes), torch.stack(membranes)


@pytest.mark.parametrize("beta", [0.5, 0.9, 0.99])
def test_delayed_reset_lif_equals_snntorch_leaky_on_ten_thousand_spikes(beta):
    x = torch.randn(500, 4, 64) * 0.6 + 0.3
    want, membranes = snntorch_leaky(x, beta)
    spikes, state = nn.Spiking(units.DelayedResetLIF(beta))(x)
    v, _ = nn.Spiking(units.DelayedResetLIF(beta), output="v")(x)
    assert want.sum() >= 10_000
    assert torch.equal(spikes, want)
    assert torch.equal(v, membranes)
    assert torch.equal(state["v"], membranes[-1])


def test_delayed_reset_lif_has_snntorch_gradients():
    x = (torch.randn(60, 2, 8, dtype=torch.float64) * 0.6 + 0.3).requires_grad_()
    g = torch.randn(60, 2, 8, dtype=torch.float64)
    want, _ = snntorch_leaky(x, 0.9)
    layer = nn.Spiking(units.DelayedResetLIF(0.9), surrogate=units.SuperSpike(25.0), detach_reset=True)
    got, _ = layer(x)
    (wanted,) = torch.autograd.grad((want * g).sum(), x)
    (found,) = torch.autograd.grad((got * g).sum(), x)
    # snnTorch keeps beta as a float32 tensor, and 0.9 differs there in the eighth digit
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
