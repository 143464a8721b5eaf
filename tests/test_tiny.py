"""Ten seconds after each edit: one network trains, runs in chunks and refuses bad input."""

import pytest
import torch

from neurosim import nn, testing, units
from neurosim.errors import NeurosimError


def test_a_network_takes_a_training_step():
    model = nn.Sequential(nn.Linear(4, 8), nn.Spiking(units.LIF()), nn.Linear(8, 2), nn.Readout("mean"))
    y, _ = model(torch.rand(50, 3, 4) * 2)
    torch.nn.functional.cross_entropy(y, torch.tensor([0, 1, 0])).backward()
    assert all(bool((p.grad != 0).any()) for p in model.parameters())


def test_chunks_equal_the_whole():
    layer, x = nn.Spiking(units.LIF()), torch.rand(50, 2, 4)
    whole, _ = layer(x)
    first, state = layer(x[:20])
    second, _ = layer(x[20:], state)
    assert whole.sum() > 0
    assert torch.equal(torch.cat([first, second]), whole)


@pytest.mark.parametrize("unit", [u() for u in units.ALL], ids=lambda u: type(u).__name__)
def test_every_unit_declares_what_it_has_and_is_quiet_when_it_says_so(unit):
    testing.check_declaration(unit)
    testing.check_quiet(unit)


def test_lif_passes_the_forward_check():
    testing.check_forward(units.LIF())


def test_bad_input_is_refused():
    with pytest.raises(NeurosimError):
        units.LIF(tau_mem=20.0)
    with pytest.raises(NeurosimError):
        nn.Linear(4, 2)(torch.rand(5, 2, 3))
