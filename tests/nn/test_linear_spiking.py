"""`Sequential` joins a linear layer and the spiking one behind it: the same numbers as one after the other."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import nn, units
from neurosim.errors import NeurosimError, RangeError, UnsupportedError
from neurosim.nn import linear_spiking


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Join from the first step on, a few time steps at a time."""
    monkeypatch.setattr(linear_spiking, "LEAST", 0)
    monkeypatch.setattr(linear_spiking, "PIECE", 2**9)


@pytest.fixture
def joins(monkeypatch):
    """The calls of the joined layer."""
    calls, run = [], linear_spiking.run_joined
    monkeypatch.setattr("neurosim.nn.sequential.run_joined", lambda *a: calls.append(a) or run(*a))
    return calls


def gradients(model, x, state, joined):
    """Output, end state and all gradients of a loss on both."""
    model, x = copy.deepcopy(model), x.clone().requires_grad_()
    start = {name: value.clone().requires_grad_() for name, value in state.items()}
    if joined:
        y, after = model(x, (None, start))
        end = after[1]
    else:
        y, end = model[1](model[0](x)[0], start)
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(3), dtype=y.dtype)
    ((y * weight).sum() + sum((v**2).sum() for v in end.values())).backward()
    return {
        "y": y.detach(), **{f"end {n}": v.detach() for n, v in end.items()}, "dx": x.grad,
        **{f"dstart {n}": v.grad for n, v in start.items()}, **{n: p.grad for n, p in model.named_parameters()},
    }  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(
    unit=st.sampled_from([units.LIF(), units.LIF(v_reset=0.1), units.AdLIF(), units.IF(), units.CubaLIF()]),
    steps=st.integers(1, 150), batch=st.integers(1, 3), n=st.integers(1, 9), bias=st.booleans(),
    learn=st.booleans(), dtype=st.sampled_from([torch.float32, torch.float64]), seed=st.integers(0, 99),
)  # fmt: skip
def test_it_equals_one_after_the_other(unit, steps, batch, n, bias, learn, dtype, seed):
    torch.manual_seed(seed)
    learned = ("tau_mem",) if learn and hasattr(unit, "tau_mem") else ()
    model = nn.Sequential(nn.Linear(4, n, bias=bias), nn.Spiking(unit, learn=learned)).to(dtype)
    x = 4 * torch.rand(steps, batch, 4, dtype=dtype)
    state = {name: 0.1 * torch.rand(batch, n, dtype=dtype) for name in unit.state}
    apart, joined = (gradients(model, x, state, how) for how in (False, True))
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-11}
    flips = (apart["y"] != joined["y"]).sum()  # a product of another size may differ in its last bit
    assert flips == 0 or (dtype == torch.float32 and flips <= 1)
    if not flips:
        assert set(apart) == set(joined)
        for name, expected in apart.items():
            scale = max(1.0, float(expected.detach().abs().max()))
            torch.testing.assert_close(joined[name] / scale, expected / scale, **tolerance, msg=name)


def test_without_gradient_and_with_ordinary_torch_layers(joins):
    model = nn.Sequential(torch.nn.Linear(3, 7), nn.Spiking(units.LIF()), nn.Linear(7, 2), nn.Spiking(units.LI()))
    x = 5 * torch.rand(80, 2, 3)
    with torch.no_grad():
        y, state = model(x)
    apart = x
    for layer in model:
        apart, end = layer(apart)
    assert len(joins) == 2 and torch.allclose(y, apart) and not y.requires_grad
    assert state[0] is None and torch.allclose(state[3]["v"], end["v"])


@pytest.mark.parametrize("why", ["hook", "observer", "few", "ports", "compiler"])
def test_whoever_looks_on_sees_two_layers(why, joins, monkeypatch):
    model = nn.Sequential(nn.Linear(3, 7), nn.Spiking(units.LIF()))
    x, seen = torch.rand(40, 2, 3), []
    if why == "hook":
        model[0].register_forward_hook(lambda *a: seen.append(a[2]))
    if why == "observer":
        whole = model[1].forward
        model[1].forward = lambda *a: seen.append(a[0]) or whole(*a)
    if why == "few":
        monkeypatch.setattr(linear_spiking, "LEAST", 40 * 2 * 7 + 1)
    if why == "ports":
        model = nn.Sequential(nn.Ports(soma=nn.Linear(3, 7), dend=nn.Linear(3, 7)), nn.Spiking(units.PlateauLIF()))
    if why == "compiler":
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    model(x)
    assert not joins and len(seen) == (why in ("hook", "observer"))


def test_errors_are_those_of_the_layers():
    model = nn.Sequential(nn.Linear(3, 7), nn.Spiking(units.LIF()))
    x = torch.rand(40, 2, 3)
    x[5, 1, 2] = torch.nan
    with pytest.raises(RangeError, match=r"layer '1': .*finite"):
        model(x)
    with pytest.raises(NeurosimError, match=r"layer '1': .*state"):
        model(torch.rand(40, 2, 3), (None, {"v": torch.zeros(3, 7)}))
    with torch.autocast("cpu"), pytest.raises(UnsupportedError, match=r"layer '1': .*bfloat16"):
        model(torch.rand(40, 2, 3))
    y, _ = model(torch.rand(40, 2, 3, requires_grad=True))
    with pytest.raises(UnsupportedError, match="second derivative"):
        (g,) = torch.autograd.grad(y.sum(), model[0].weight, create_graph=True)
        g.sum().backward()
