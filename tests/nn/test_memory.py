"""`packed_spikes`: the same gradients from fewer bytes."""

import pytest
import torch

from neurosim import nn, units
from neurosim.kernels.bits import pack, unpack
from neurosim.nn import memory


def step(model, x, packed):
    """Gradients of one training step, and the bytes that autograd kept of tensors as large as a layer's spikes."""
    kept = []

    def remember(t):
        kept.append(t.numel() * t.element_size() if t.numel() >= memory.SMALLEST else 0)
        return t

    def pack_and_count(t):
        saved = memory._pack(t)
        kept.append(saved[0].numel() if isinstance(saved, tuple) else saved.numel() * saved.element_size())
        return saved

    hooks = (pack_and_count, memory._unpack) if packed else (remember, lambda t: t)
    model.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(*hooks):
        y, _ = model(x)
    y.square().sum().backward()
    return [p.grad.clone() for p in model.parameters()], sum(kept)


def test_packed_spikes_give_identical_gradients_from_less_memory():
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.Spiking(units.LIF()), nn.Conv2d(4, 4, 3, padding=1), nn.Spiking(units.LIF()),
        nn.Flatten(), nn.Linear(4 * 64, 3),
    )  # fmt: skip
    x = (torch.rand(40, 4, 2, 8, 8) < 0.3).float()
    plain, before = step(model, x, packed=False)
    packed, after = step(model, x, packed=True)
    assert all(torch.equal(a, b) for a, b in zip(plain, packed, strict=True))
    assert after < 0.6 * before
    model.zero_grad()
    with nn.packed_spikes():
        y, _ = model(x)
    y.square().sum().backward()
    assert all(torch.equal(a, p.grad) for a, p in zip(plain, model.parameters(), strict=True))


@pytest.mark.parametrize("size", [1, 7, 8, 9, 64, 1001])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bits_survive_a_round_trip(size, dtype):
    x = (torch.rand(size) < 0.5).to(dtype).numpy()
    bits = pack(x)
    back = torch.full((size,), 9.0, dtype=dtype).numpy()
    unpack(bits, back)
    assert (back == x).all()
    assert len(bits) == (size + 7) // 8


@pytest.mark.parametrize("bad", [0.5, 2.0, -1.0, float("nan")])
@pytest.mark.parametrize("at", [0, 8, 12])
def test_values_other_than_zero_and_one_are_not_packed(bad, at):
    x = torch.ones(13)
    x[at] = bad
    assert pack(x.numpy()) is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int64])
def test_what_cannot_be_packed_is_kept_as_it_is(dtype):
    x = torch.ones(memory.SMALLEST, dtype=dtype)
    assert memory._pack(x) is x
