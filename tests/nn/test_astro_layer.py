"""`AstroLayer`: domains, presynaptic drive and gap junctions against a plain loop, as events, and what is refused."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import nn, units
from neurosim.errors import NotLowerableError, RangeError, ShapeError, UnsupportedError
from neurosim.graph import SpikeProbe
from neurosim.nn.lowering.equality import _Call, _distance
from neurosim.testing import Spike, verify_equal
from neurosim.units import LIF, AstroLIF, Decay

DOMAINS = [0, 2, 1, 0, 0, 2, 1, 1, 3]
RING = [[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]
FULL = AstroLIF(ka=0.2, kg=0.5, kt=0.1, a_post=0.7, a_pre=0.6, mode="additive+gain+threshold")
LEARN = ("lam", "beta", "ka", "kg", "kt")


def plain(layer, x, surrogate):
    """The layer as a loop in float64 torch: one trace per domain, as in the specification; spikes, last trace."""
    unit = layer.unit
    lam, beta, ka, kg, kt = (
        torch.sigmoid(getattr(layer, f"raw_{n}")) if n in ("lam", "beta") else getattr(layer, f"raw_{n}")
        if n in layer.learn else torch.tensor(getattr(unit, n), dtype=x.dtype) for n in LEARN
    )  # fmt: skip
    member = torch.as_tensor(np.asarray(layer.member))
    size = int(member.max()) + 1
    lam = lam if lam.dim() else lam.expand(size)
    mean = torch.nn.functional.one_hot(member).to(x).t()
    mean = mean / mean.sum(1, keepdim=True)  # (D, n)
    c, v, z, spikes = x.new_zeros(x.shape[1], size), *(x.new_zeros(2, x.shape[1], layer.n)), []
    for x_t in x:
        current = x_t @ layer.weight.t() + layer.bias
        if layer.recurrent is not None:
            current = current + z @ layer.recurrent.t()
        drive = (
            layer.a_post * z @ mean.t() + layer.a_pre * (x_t @ layer.weight.abs().t() / layer.in_features) @ mean.t()
        )
        if layer.coupling:
            a = torch.tensor(RING, dtype=x.dtype)
            c = c + layer.coupling * (c @ (a / a.sum(1, keepdim=True)).t() - c)
        # decay, then drive; the mixing comes on what the decay has left
        c = c + (1 - lam) * drive
        own = c[:, member]
        v = beta * v + current * (1 + kg * torch.tanh(4 * own)) + 4 * ka * own
        z = Spike.apply(v - 1.0 + 4 * kt * own, surrogate)
        v = v * (1 - z) if layer.unit.v_reset is not None else v - z
        c = lam * c
        spikes.append(z)
    return torch.stack(spikes), c


@pytest.mark.parametrize(
    ("unit", "domains", "coupling", "recurrent"),
    [
        (FULL, DOMAINS, 0.0, 1.0),
        (FULL, DOMAINS, 0.3, 1.0),
        (AstroLIF(ka=0.3, kg=1.0, v_reset=None), DOMAINS, 0.5, None),
        (AstroLIF(ka=0.3, kg=1.0, a_pre=0.5), None, 0.0, 0.5),
        (AstroLIF(ka=0.3, kg=1.0), 3, 0.0, 0.5),
    ],
)
def test_spikes_and_gradients_are_those_of_a_plain_loop(unit, domains, coupling, recurrent):
    surrogate = units.FastSigmoid(5.0)
    layer = nn.AstroLayer(
        6, 9, unit, domains=domains, coupling=coupling, adjacency=RING if coupling else None, recurrent=recurrent,
        surrogate=surrogate,
    ).double()  # fmt: skip
    layer.weight.data *= 3
    x = torch.randn(75, 3, 6, dtype=torch.float64, requires_grad=True)
    y, end = layer(x)
    want, c = plain(layer, x, surrogate)
    assert torch.equal(y, want) and 0.02 < y.mean() < 0.9
    # what the last spikes add has a share in the next step
    share = layer.unit.a_post  # 0: spikes come through the kernel's pool
    assert share == 0 and torch.allclose(end["c"], c[:, layer.member], rtol=0, atol=1e-12)
    g, leaves = torch.randn_like(y), [x, *layer.parameters()]
    got = torch.autograd.grad((y * g).sum() + end["c"].sum(), leaves)
    wanted = torch.autograd.grad((want * g).sum() + c[:, layer.member].sum(), leaves)
    for leaf, a, b in zip(["x", *(n for n, _ in layer.named_parameters())], got, wanted, strict=True):
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-10 * float(b.abs().max() + 1)), leaf
        assert b.abs().max() > 0, leaf


def test_start_state_has_the_gradient_of_a_whole_run():
    layer = nn.AstroLayer(6, 9, FULL, domains=DOMAINS, coupling=0.3, adjacency=RING, recurrent=1.0).double()
    layer.weight.data *= 3
    x, g = torch.randn(40, 2, 6, dtype=torch.float64), torch.randn(40, 2, 9, dtype=torch.float64)
    whole = torch.autograd.grad((layer(x)[0] * g).sum(), list(layer.parameters()))
    a, state = layer(x[:13])
    b, _ = layer(x[13:], state)
    parts = torch.autograd.grad((torch.cat([a, b]) * g).sum(), list(layer.parameters()))
    for p, q in zip(whole, parts, strict=True):
        assert torch.allclose(p, q, rtol=1e-9, atol=1e-11)


def test_chunks_give_what_the_whole_gives_on_any_number_of_threads():
    layer, x = nn.AstroLayer(6, 9, FULL, domains=DOMAINS, coupling=0.3, adjacency=RING), torch.randn(100, 8, 6) * 3
    whole, end = layer(x)
    a, state = layer(x[:1])
    b, state = layer(x[1:], state)
    assert torch.equal(whole, torch.cat([a, b])) and all(torch.equal(end[k], state[k]) for k in end)
    threads = torch.get_num_threads()
    try:
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            assert torch.equal(layer(x)[0], whole)
    finally:
        torch.set_num_threads(threads)


def test_a_loop_of_steps_is_the_layer_in_float64():
    layer = nn.AstroLayer(6, 9, FULL, domains=DOMAINS, coupling=0.3, adjacency=RING).double()
    x = 3 * torch.randn(60, 2, 6, dtype=torch.float64)
    whole, end = layer(x)
    state, steps = None, []
    for x_t in x.split(1):
        y, state = layer(x_t, state)
        steps.append(y)
    assert torch.equal(whole, torch.cat(steps)) and whole.mean() > 0.02
    assert all(torch.allclose(end[k], state[k], rtol=0, atol=1e-12) for k in end)


@pytest.mark.parametrize("domains", [None, 3, DOMAINS])
def test_without_gains_it_is_linear_and_lif_bit_for_bit(domains):
    layer, lif = nn.AstroLayer(6, 9, domains=domains), nn.Recurrent(LIF(tau_mem=Decay(0.9), v_reset=0.0), 9)
    lif.weight.data = layer.recurrent.data
    x = torch.randn(200, 3, 6) * 3
    (a, end), (b, want) = layer(x), lif(torch.nn.functional.linear(x, layer.weight, layer.bias))
    assert torch.equal(a, b) and torch.equal(end["v"], want["v"]) and a.mean() > 0.02


def test_lam_starts_spread_and_one_per_domain():
    layer = nn.AstroLayer(4, 12, domains=3)
    lam = layer.parameter_values()["lam"]
    assert torch.allclose(torch.logit(lam.view(3, 4)), torch.tensor([[2.0], [4.0], [6.0]]), atol=1e-3)
    assert layer.raw_beta.shape == (12,) and layer.parameter_values()["beta"][0].item() == pytest.approx(0.9)


# Events


def on_grid(layer):
    with torch.no_grad():
        for p in layer.parameters():
            if p.dim() == 2 or p is layer.bias:
                p.mul_(4 * 64).round_().div_(64)
    return layer


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([None, 1, 2, 4]), st.sampled_from([0.0, 1.0]), st.booleans(), st.integers(0, 1000))
def test_events_equal_the_layer_spike_for_spike(domains, a_pre, recurrent, seed):
    torch.manual_seed(seed)
    unit = AstroLIF(ka=0.25, kg=0.5, a_pre=a_pre)
    layer = on_grid(nn.AstroLayer(8, 16, unit, domains=domains, recurrent=0.5 if recurrent else None))
    found = verify_equal(nn.Sequential(layer, nn.Readout("count")), (torch.rand(50, 2, 8) < 0.4).float())
    assert found.equal and found.spikes > 50, str(found)


def test_events_run_through_two_layers_and_a_recurrent_layer_of_the_unit():
    torch.manual_seed(0)
    first, last = (
        on_grid(nn.AstroLayer(a, b, AstroLIF(ka=0.25, kg=0.5, a_pre=1.0), domains=2)) for a, b in ((8, 16), (16, 8))
    )
    own = nn.Recurrent(AstroLIF(ka=0.25, kg=0.5), 8)
    own.weight.data = (own.weight.data * 256).round() / 64
    found = verify_equal(nn.Sequential(first, last, own), (torch.rand(50, 2, 8) < 0.4).float())
    assert found.equal and found.spikes > 100, str(found)
    graph = nn.lower(nn.Sequential(first, last, own), (8,))
    assert {p.population for p in graph.probes if isinstance(p, SpikeProbe)} == {"0", "1", "2"}


def test_free_weights_differ_only_within_rounding():
    torch.manual_seed(1)
    layer = nn.AstroLayer(8, 12, AstroLIF(ka=0.3, kg=0.7, a_pre=0.3), domains=3)
    layer.weight.data *= 4
    found = verify_equal(layer, (torch.rand(80, 4, 8) < 0.4).float())
    assert found.spikes > 100 and all(d.distance < 1e-4 for d in found.differences), str(found)


@pytest.mark.parametrize("unit", [FULL, AstroLIF(ka=0.2)])
def test_the_distance_from_the_threshold_is_that_of_the_step(unit):
    layer = nn.AstroLayer(6, 9, unit, domains=DOMAINS).double()
    layer.weight.data *= 3
    x = (torch.rand(30, 2, 6) < 0.5).double()
    y = layer(x)[0]
    call = _Call(layer, (x,), y)
    found = torch.tensor([[[_distance(call, b, t, n) for n in range(9)] for b in range(2)] for t in (0, 1, 7, 29)])
    assert torch.equal(found > 0, y[[0, 1, 7, 29]] > 0) and found.abs().min() > 0


def test_what_has_no_event_form_is_refused():
    x = (torch.rand(10, 1, 8) < 0.5).float()
    coupled = nn.AstroLayer(8, 4, domains=2, coupling=0.2, adjacency=[[0, 1], [1, 0]])
    with pytest.raises(NotLowerableError, match=r"coupled by gap junctions.*Train it with coupling=0"):
        nn.lower(coupled, (8,))
    behind = nn.Sequential(nn.Linear(8, 8), nn.AstroLayer(8, 4, AstroLIF(a_pre=0.5)))
    with pytest.raises(NotLowerableError, match=r"see presynaptic spikes.*or set a_pre=0"):
        nn.lower(behind, (8,))
    with pytest.raises(RangeError, match="must hold 0 and 1 only"):  # what |weight| x counts are spikes
        verify_equal(nn.AstroLayer(8, 4, AstroLIF(a_pre=0.5)), x * 2)
    verify_equal(nn.Sequential(nn.Linear(8, 8), nn.AstroLayer(8, 4)), x)  # without a_pre sums may come in


# What is refused


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"domains": [0, 0, 2, 2]}, RangeError, "every domain up to the last must have a neuron, domain 1 has none"),
        ({"domains": [0, 1, 2, 4]}, RangeError, "got 4 of 4 neurons"),
        ({"domains": [0, -1, 1, 1]}, RangeError, "are counted from 0, got -1"),
        ({"domains": [0, 1]}, ShapeError, r"must be a number, or 4 whole numbers.*got \[0, 1\]"),
        ({"domains": [0.5, 1, 1, 0]}, ShapeError, "whole numbers"),
        ({"domains": 3}, RangeError, "4 neurons do not split into 3 domains"),
        ({"domains": 0}, RangeError, "4 neurons do not split into 0 domains"),
        ({"coupling": 0.6, "adjacency": np.ones((4, 4))}, RangeError, r"must be in 0\.\.0\.5, got 0\.6"),
        ({"coupling": -0.1, "adjacency": np.ones((4, 4))}, RangeError, r"must be in 0\.\.0\.5"),
        ({"coupling": math.nan}, RangeError, "must be a finite number, got nan"),
        ({"coupling": 0.1}, RangeError, "go together"),
        ({"adjacency": np.ones((4, 4))}, RangeError, "go together"),
        ({"coupling": 0.1, "adjacency": np.ones((3, 3))}, ShapeError, r"must be \(4, 4\).*got \(3, 3\)"),
        ({"coupling": 0.1, "adjacency": -np.ones((4, 4))}, RangeError, "finite and at least 0"),
        ({"unit": LIF()}, UnsupportedError, "needs an AstroLIF, got LIF"),
        ({"output": "v"}, UnsupportedError, "must be 'spikes', got 'v'"),
        ({"learn": {"lam": (4,)}, "domains": 2}, ShapeError, r"one per domain \(2,\), got \(4,\)"),
        ({"learn": ("a_pre",)}, RangeError, "a_pre does not train here"),
        ({"learn": ("kt",)}, RangeError, "has no part in mode"),
        ({"n": 0}, RangeError, "whole number of at least 1, got 0"),
        ({"in_features": 2.5}, RangeError, "whole number of at least 1, got 2.5"),
        ({"recurrent": math.inf}, RangeError, "must be a finite number, got inf"),
    ],
)
def test_bad_arguments_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        nn.AstroLayer(**{"in_features": 3, "n": 4, **options})(torch.rand(5, 1, 3))


@pytest.mark.parametrize("name", ["ka", "kg", "beta"])
def test_parameters_of_a_shape_that_is_not_the_neurons_are_refused(name):
    with pytest.raises(ShapeError, match="do not broadcast"):
        nn.AstroLayer(3, 4, learn={name: (3,)})(torch.rand(5, 1, 3))


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch asks for it itself
def test_a_compiler_leaves_it_as_it_is():
    torch.manual_seed(0)
    layer, x = nn.AstroLayer(8, 12, AstroLIF(ka=0.25, kg=0.5, a_pre=1.0), domains=3), torch.rand(50, 4, 8).round()
    compiled, outcomes = torch.compile(layer, backend="eager"), []
    for one in (layer, compiled):
        y, state = one(x)
        (y.sum() + state["v"].sum()).backward()
        outcomes.append((y, state["v"], layer.weight.grad))
        layer.weight.grad = None
    for a, b in zip(*outcomes, strict=True):
        assert torch.equal(a, b)


def test_bad_input_is_refused():
    layer = nn.AstroLayer(3, 4)
    with pytest.raises(ShapeError, match="at least one time step"):
        layer(torch.zeros(0, 1, 3))
    with pytest.raises(ShapeError, match=r"with 3 at axis 2"):
        layer(torch.zeros(5, 1, 4))
    with pytest.raises(ShapeError, match=r"state must be a dict with \['v', 'c', 'z'\]"):
        layer(torch.zeros(5, 1, 3), {"v": torch.zeros(1, 4)})
    with pytest.raises(RangeError, match="every input must be finite, got nan at time step 2"):
        layer(torch.full((5, 1, 3), 0.1).index_fill(0, torch.tensor([2]), math.nan))
    y, _ = layer(torch.rand(20, 2, 3, requires_grad=True))
    (g,) = torch.autograd.grad(y.sum(), layer.weight, create_graph=True)
    with pytest.raises(UnsupportedError, match="second derivative"):
        torch.autograd.grad(g.sum(), layer.weight)
