"""Dendrites of a layer: what they compute, what they learn from, and what they leave alone."""

import copy
import io
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from neurosim import nn, units
from neurosim.errors import NeurosimError, NotLowerableError, RangeError, ShapeError, UnsupportedError
from neurosim.nn.cascade import PHI, count_parameters
from neurosim.nn.cascade.correlation import Statistics
from neurosim.testing import verify_equal

PURE = {"tanh": torch.tanh, "sigmoid": lambda a: 1 / (1 + torch.exp(-a)), "relu": lambda a: a.clamp(min=0)}
KINDS = {  # layer, shape of x, the same as a pure function of (x, weight, bias), axis of units
    "linear": (lambda: torch.nn.Linear(5, 3), (40, 5), F.linear, -1),
    "sequence": (lambda: torch.nn.Linear(5, 3), (8, 6, 5), F.linear, -1),
    "conv1d": (lambda: torch.nn.Conv1d(2, 3, 3, stride=2), (6, 2, 9), lambda x, w, b: F.conv1d(x, w, b, 2), 1),
    "conv2d": (lambda: torch.nn.Conv2d(2, 4, 3, padding=1, groups=2), (5, 2, 6, 4),
               lambda x, w, b: F.conv2d(x, w, b, padding=1, groups=2), 1),
    "no bias": (lambda: torch.nn.Linear(5, 3, bias=False), (40, 5), F.linear, -1),
}  # fmt: skip
every_kind = pytest.mark.parametrize("kind", KINDS)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def grown(layer, dendrites=0, candidates=1, **options):
    """A layer with this many random dendrites whose t is not zero, and candidates in training."""
    growth = nn.Growth(**{"decay": 0.0, "multiplier": 2.0, "candidates": candidates} | options.pop("growth", {}))
    cascade = nn.with_dendrites(layer, max_dendrites=5, growth=growth, **options)
    for _ in range(dendrites):
        cascade.grow(generator(len(cascade.dendrites)))
        cascade.settle()
        with torch.no_grad():
            cascade.t[-1].normal_(generator=generator(9))
    cascade.grow(generator(99))
    return cascade


def along(values, axis, dims):
    shape = [1] * dims
    shape[axis] = -1
    return values.view(shape)


def rows(y, axis):
    return y.transpose(axis, -1).reshape(-1, y.shape[axis])


def definition(d, e, objective):
    """The objective of the paper per unit, written down once more: d, e (P, C)."""
    covariance = ((d - d.mean(0)) * (e - e.mean(0))).sum(0)
    if objective == "raw":
        return covariance.abs()
    return covariance.abs() / (d.std(0, correction=0) * e.std(0, correction=0) * len(d))


@every_kind
@pytest.mark.parametrize("objective", ["raw", "normalised"])
@pytest.mark.parametrize("phi", PHI)
def test_gradient_of_the_objective_is_that_of_autograd_of_its_definition(kind, objective, phi):
    make, shape, function, axis = KINDS[kind]
    cascade = grown(make().double(), 2, phi=phi, growth={"objective": objective})
    x, g = torch.randn(shape, dtype=torch.float64), generator()
    y = cascade(x)
    target = torch.randn(y.shape, dtype=torch.float64, generator=g)
    (y - target).pow(4).mean().backward()

    error = 4 * (y.detach() - target) ** 3 / y.numel()
    acts, dims = [], y.dim()
    for d in (*cascade.dendrites, *cascade.candidates):
        own = {name: p.detach().clone().requires_grad_() for name, p in d.named_parameters()}
        a = function(x, own["layer.weight"], own.get("layer.bias"))
        a = a + along(own["c"], axis, dims) if "c" in own else a
        for u, before in zip(own.get("u", []), acts, strict=True):
            a = a + along(u, axis, dims) * before.detach()
        acts.append(PURE[phi](a))
    definition(rows(acts[-1], axis), rows(error, axis), objective).sum().backward()
    assert len(own) == 3  # V, c and u
    for name, p in cascade.candidates[0].named_parameters():
        torch.testing.assert_close(-p.grad, own[name].grad, rtol=1e-9, atol=1e-15)
    want = definition(rows(acts[-1], axis), rows(error, axis), "normalised")
    torch.testing.assert_close(cascade.rho.abs(), want.detach(), rtol=1e-9, atol=0)


@every_kind
def test_output_is_the_sum_of_the_layer_and_its_cascade_of_dendrites(kind):
    make, shape, function, axis = KINDS[kind]
    layer = make()
    cascade, x = grown(layer, 3), torch.randn(shape)
    want, acts = layer(x), []
    for d, t in zip(cascade.dendrites, cascade.t, strict=True):
        a = function(x, d.layer.weight, d.layer.bias)
        a = a if d.c is None else a + along(d.c, axis, want.dim())
        for k, before in enumerate(acts):
            a = a + along(d.u[k], axis, want.dim()) * before
        acts.append(torch.tanh(a))
        want = want + along(t, axis, want.dim()) * acts[-1]
    torch.testing.assert_close(cascade(x), want)
    assert not torch.allclose(layer(x), want, atol=1e-2)


@every_kind
def test_no_gradient_flows_into_a_dendrite_or_through_it(kind):
    make, shape, _, _ = KINDS[kind]
    layer = make()
    cascade, x = grown(layer, 2), torch.randn(shape, requires_grad=True)
    cascade.eval()  # candidates listen in training only
    y = cascade(x)
    g = torch.randn_like(y)
    y.backward(g)
    through = torch.autograd.grad(layer(x), x, g)[0]  # of the layer alone
    torch.testing.assert_close(x.grad, through, rtol=0, atol=0)
    frozen = [*cascade.dendrites.parameters(), *cascade.candidates.parameters()]
    assert len(frozen) >= 8 and all(p.grad is None for p in frozen)
    d = cascade.activities(x)
    for t, a in zip(cascade.t, d, strict=True):
        axis = KINDS[kind][-1]
        torch.testing.assert_close(t.grad, rows(g * a, axis).sum(0), rtol=1e-4, atol=1e-5)


@every_kind
def test_candidates_leave_output_and_gradients_as_they_are_to_the_bit(kind):
    make, shape, _, _ = KINDS[kind]
    cascade, x = grown(make(), 1, candidates=3), torch.randn(shape, requires_grad=True)
    heard = cascade(x)
    g = torch.randn_like(heard)
    heard.backward(g)
    with_candidates = [x.grad.clone(), *(p.grad.clone() for p in cascade.main.parameters()), cascade.t[0].grad.clone()]
    cascade.eval()
    x.grad = None
    cascade.zero_grad()
    alone = cascade(x)
    alone.backward(g)
    assert torch.equal(heard, alone)
    for a, b in zip(with_candidates, [x.grad, *(p.grad for p in cascade.main.parameters()), cascade.t[0].grad],
                    strict=True):  # fmt: skip
        assert torch.equal(a, b)


def test_convolutions_correlate_over_samples_and_positions():
    cascade = grown(torch.nn.Conv2d(2, 3, 3))
    x, g = torch.randn(4, 2, 6, 7), torch.randn(4, 3, 4, 5)
    cascade(x).backward(g)
    d = torch.tanh(cascade.candidates[0].layer(x)).detach().numpy()
    for channel, rho in enumerate(cascade.rho):
        want = np.corrcoef(d[:, channel].ravel(), g[:, channel].numpy().ravel())[0, 1]
        assert float(rho) == pytest.approx(want, abs=1e-6)


@settings(max_examples=30)
@given(decay=st.sampled_from([0.0, 0.5, 0.99]), sizes=st.lists(st.integers(2, 9), min_size=1, max_size=6),
       seed=st.integers(0, 999))  # fmt: skip
def test_running_statistics_are_weighted_means_without_the_bias_of_the_start(decay, sizes, seed):
    rng = np.random.default_rng(seed)
    kept, seen = Statistics(2, decay, torch.zeros(1, dtype=torch.float64)), []
    mean = np.zeros((2, 2))
    for n, size in enumerate(sizes):
        d, e = rng.normal(3, 1, (size, 2)), rng.normal(-1, 2, (size, 2))
        kept.update(torch.tensor(d), torch.tensor(e))
        seen.append((d, e))
        weights = decay ** np.arange(n, -1, -1.0)
        weights /= weights.sum()
        mean = np.array([sum(w * part[k].mean(0) for w, part in zip(weights, seen, strict=True)) for k in (0, 1)])
        seen[-1] = (d, e, (d - mean[0]) * (e - mean[1]), (d - mean[0]) ** 2, (e - mean[1]) ** 2)
    cov, var_d, var_e = (sum(w * part[k].mean(0) for w, part in zip(weights, seen, strict=True)) for k in (2, 3, 4))
    np.testing.assert_allclose(kept.mean_d, mean[0], rtol=1e-12)
    np.testing.assert_allclose(kept.rho, cov / np.sqrt(var_d * var_e), rtol=1e-9)
    assert bool((kept.rho.abs() <= 1 + 1e-12).all())


def test_learning_raises_the_correlation_and_t_starts_against_the_error():
    torch.manual_seed(0)
    x = torch.randn(400, 6)
    target = torch.stack([torch.tanh(2 * x[:, 0] * x[:, 1]), torch.tanh(3 * x[:, 2])], 1)
    cascade = grown(torch.nn.Linear(6, 2))
    cascade.main.requires_grad_(False)
    optimizer = torch.optim.Adam(cascade.candidates.parameters(), 0.02)
    found = []
    for _ in range(150):
        optimizer.zero_grad()
        (cascade(x) - target).square().mean().backward()
        found.append(cascade.rho.abs().mean())
        optimizer.step()
    assert found[-1] > found[0] + 0.2
    before = (cascade(x) - target).square().mean()
    cascade.settle()
    assert torch.equal(cascade.t[0].detach(), -0.1 * cascade_sign(cascade, x, target))
    assert (cascade(x) - target).square().mean() < before  # already before t trains


def cascade_sign(cascade, x, target):
    d = cascade.activities(x)[0]
    e = cascade.main(x) - target
    return ((d - d.mean(0)) * (e - e.mean(0))).mean(0).sign().detach()


def test_each_unit_keeps_its_best_candidate():
    cascade = grown(torch.nn.Conv1d(2, 8, 3, bias=False), 1, candidates=4)
    cascade(torch.randn(6, 2, 20)).backward(torch.randn(6, 8, 18))
    candidates = list(cascade.candidates)
    rho = torch.stack([c.statistics.rho for c in candidates])
    best = rho.abs().argmax(0)
    assert len(set(best.tolist())) > 1
    torch.testing.assert_close(cascade.rho.abs(), rho.abs().amax(0))
    kept = cascade.settle()
    assert torch.equal(kept.abs(), rho.abs().amax(0)) and not len(cascade.candidates)
    for unit, k in enumerate(best.tolist()):
        new, old = cascade.dendrites[1], candidates[k]
        assert torch.equal(new.layer.weight[unit], old.layer.weight[unit])
        assert torch.equal(new.c[unit], old.c[unit]) and torch.equal(new.u[:, unit], old.u[:, unit])
    assert not any(p.requires_grad for p in cascade.dendrites.parameters()) and cascade.t[1].requires_grad


@pytest.mark.parametrize("objective", ["raw", "normalised"])
@pytest.mark.parametrize("error", [0.0, 0.1, -3e-20, 1e30])
def test_an_error_without_spread_teaches_nothing_and_makes_no_nan(objective, error):
    cascade = grown(torch.nn.Linear(5, 3), 1, growth={"objective": objective, "decay": 0.9})
    for _ in range(3):
        y = cascade(torch.randn(7, 5))
        y.backward(torch.full_like(y, error))
    assert (cascade.rho == 0).all()
    assert all((p.grad == 0).all() for p in cascade.candidates.parameters())
    cascade.settle()
    assert (cascade.t[1] == 0).all() and cascade(torch.randn(7, 5)).isfinite().all()


def test_small_errors_are_not_taken_for_none():
    cascade, x = grown(torch.nn.Linear(5, 3)), torch.randn(50, 5)
    y = cascade(x)
    g = torch.randn_like(y)
    y.backward(g)
    want = cascade.rho.clone()
    cascade(x).backward(g * 1e-15)
    torch.testing.assert_close(cascade.rho, want, rtol=1e-4, atol=1e-6)


def test_an_error_that_is_not_finite_is_refused():
    y = grown(torch.nn.Linear(5, 3))(torch.randn(7, 5))
    with pytest.raises(RangeError, match="error of the layer has nan or inf"):
        (y.sum() * torch.nan).backward()


def test_layers_that_change_their_input_in_place_may_follow():
    model = torch.nn.Sequential(grown(torch.nn.Linear(5, 3), 1), torch.nn.ReLU(inplace=True))
    model(torch.randn(7, 5)).sum().backward()
    assert all(p.grad is not None for p in model[0].candidates.parameters())


# Layers with time

TAU, DT = 7e-3, 1e-3


def trace_of(x):
    """The input trace in float64, step by step."""
    a, r, out = np.exp(-DT / TAU), np.zeros(x.shape[1:]), []
    for step in x.double().numpy():
        r = a * r + (1 - a) * step
        out.append(r)
    return np.stack(out)


def spiking_net(trained):
    if trained == "recurrent":
        return nn.Recurrent(units.LIF(tau_mem=5e-3, gain="leak"), 6, scale=1.0)
    if trained == "conv":
        return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Spiking(units.LIF(tau_mem=5e-3)))
    return nn.Sequential(nn.Linear(6, 4), nn.Spiking(units.LIF(tau_mem=5e-3)))


@pytest.mark.parametrize("trained", ["linear", "conv", "recurrent"])
def test_spiking_layers_correlate_errors_summed_over_time_with_dendrites_of_the_input_trace(trained):
    net = spiking_net(trained)
    main = net if trained == "recurrent" else net[0]
    cascade = grown(main, 1, tau=TAU, dt=DT)
    shape = (2, 5, 6) if trained == "conv" else (6,)
    x = (torch.rand(40, 9, *shape) < 0.3).float() * (3 if trained == "recurrent" else 1)
    with torch.no_grad():
        current = cascade.activities(torch.tensor(trace_of(x), dtype=torch.float32))[0]
        t = cascade.t[0].view(-1, 1, 1) if trained == "conv" else cascade.t[0]
        current = t * current + (x if trained == "recurrent" else main(x)[0])
    current.requires_grad_()
    spikes, _ = (main if trained == "recurrent" else net[1])(current)
    target = torch.rand(spikes.shape[1:])
    (spikes.mean(0) - target).square().sum().backward()
    error = current.grad.sum(0)  # surrogate gradient
    y, _ = cascade(x)
    y = y if trained == "recurrent" else net[1](y)[0]
    torch.testing.assert_close(y, spikes)
    assert y.sum() > 20
    (y.mean(0) - target).square().sum().backward()
    candidate = cascade.candidates[0]
    heard = candidate(torch.tensor(trace_of(x), dtype=torch.float32),
                      cascade.activities(torch.tensor(trace_of(x), dtype=torch.float32))).mean(0)  # fmt: skip
    axis = -3 if trained == "conv" else -1
    rho = definition(rows(heard.detach().double(), axis), rows(error.double(), axis), "normalised")
    torch.testing.assert_close(cascade.rho.abs().double(), rho, rtol=1e-3, atol=1e-5)
    want = torch.autograd.grad(definition(rows(heard, axis), rows(error, axis), "normalised").sum(),
                               list(candidate.parameters()))  # fmt: skip
    for p, w in zip(candidate.parameters(), want, strict=True):
        torch.testing.assert_close(-p.grad, w, rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("trained", ["linear", "conv", "recurrent"])
@settings(max_examples=8)
@given(cuts=st.sets(st.integers(1, 29), max_size=4))
def test_chunks_with_carried_traces_equal_the_whole(trained, cuts):
    torch.manual_seed(0)
    net = spiking_net(trained)
    cascade = grown(net if trained == "recurrent" else net[0], 2, tau=TAU, dt=DT).eval()
    x = (torch.rand(30, 2, *((2, 5, 6) if trained == "conv" else (6,))) < 0.3).float()
    whole, (_, end) = cascade(x)
    state, parts = None, []
    for a, b in pairwise([0, *sorted(cuts), 30]):
        y, state = cascade(x[a:b], state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts), whole)
    torch.testing.assert_close(state[1], end, rtol=0, atol=0)
    assert isinstance(nn.detach(state), tuple)


def test_states_that_do_not_fit_are_refused():
    cascade = grown(nn.Linear(6, 4), 1, tau=TAU, dt=DT)
    with pytest.raises(ShapeError, match=r"state 'trace' must be \(2, 6\)"):
        cascade(torch.rand(5, 2, 6), (None, torch.zeros(3, 6)))
    with pytest.raises(ShapeError, match=r"state must be \(state of the layer, input trace\)"):
        cascade(torch.rand(5, 2, 6), {"v": torch.zeros(3, 6)})


def test_dendrites_have_no_event_form_and_a_layer_without_any_has_its_own():
    def network():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Linear(6, 4), nn.Spiking(units.LIF(tau_mem=5e-3)), torch.nn.Linear(4, 4), nn.Recurrent(units.LIF(), 4),
            nn.Readout("count"),
        )  # fmt: skip
        return nn.perforate(model)

    model, x = network(), (torch.rand(30, 2, 6) < 0.5).float()
    found = verify_equal(model, x)
    assert found.spikes > 0 and not found.differences
    model[2].module.grow(generator())
    assert not verify_equal(model, x).differences  # candidates act on nothing
    model[2].module.settle()
    with pytest.raises(
        NotLowerableError, match=r"layer '2' \(.*\): has 1 dendrites per unit, which are graded.*`main`"
    ):
        nn.lower(model, (6,))


# Weights in and out


def test_parameters_are_as_many_as_the_formula_says():
    for layer, n, c in ((torch.nn.Linear(64, 4), 260, 4), (torch.nn.Conv2d(2, 8, 3), 152, 8)):
        for m in range(4):
            cascade = grown(layer, m)
            assert count_parameters(cascade) == (1 + m) * n + m * c + m * (m - 1) // 2 * c


@settings(max_examples=15)
@given(dendrites=st.integers(0, 3), candidates=st.integers(0, 3), other=st.integers(0, 3), seed=st.integers(0, 99))
def test_a_state_brings_its_structure_along(dendrites, candidates, other, seed):
    torch.manual_seed(seed)
    saved = grown(torch.nn.Linear(5, 3), dendrites, candidates or 1)
    saved(torch.randn(9, 5)).sum().backward()
    if not candidates:
        saved.candidates = torch.nn.ModuleList()
    file = io.BytesIO()
    torch.save(saved.state_dict(), file)
    file.seek(0)
    loaded = grown(torch.nn.Linear(5, 3), other)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    x = torch.randn(4, 5)
    assert torch.equal(loaded(x), saved(x))
    for (name, a), (same, b) in zip(loaded.state_dict().items(), saved.state_dict().items(), strict=True):
        assert name == same and torch.equal(a, b)
    assert [p.requires_grad for p in loaded.parameters()] == [p.requires_grad for p in saved.parameters()]


def test_a_state_with_too_many_dendrites_or_of_another_model_is_refused():
    saved = grown(torch.nn.Linear(5, 3), 3).state_dict()
    with pytest.raises(RangeError, match="the layer has 3 dendrites in the state, but max_dendrites is 2"):
        nn.with_dendrites(torch.nn.Linear(5, 3), max_dendrites=2).load_state_dict(saved)
    with pytest.raises(RuntimeError, match="Missing key"):
        nn.with_dendrites(torch.nn.Linear(5, 3)).load_state_dict({"weight": torch.zeros(3, 5)})
    with pytest.raises(RuntimeError, match="Missing key"):
        broken = {k: v for k, v in saved.items() if k != "dendrites.1.layer.weight"}
        grown(torch.nn.Linear(5, 3), 3).load_state_dict(broken)


def test_copies_are_independent():
    cascade = grown(torch.nn.Linear(5, 3), 2)
    twin = copy.deepcopy(cascade)
    twin.load_state_dict(grown(torch.nn.Linear(5, 3), 4).state_dict())
    assert len(cascade.dendrites) == 2 and len(twin.dendrites) == 4


def test_dendrites_take_the_type_of_the_layer():
    cascade = grown(torch.nn.Conv1d(2, 3, 3), 2).double()
    cascade.settle()
    assert cascade(torch.randn(2, 2, 8, dtype=torch.float64)).dtype == torch.float64
    assert {p.dtype for p in cascade.parameters()} == {torch.float64}


@pytest.mark.parametrize("scale", ["parent", "one"])
def test_first_weights_have_the_size_that_is_asked_for(scale):
    layer = torch.nn.Linear(200, 100)
    cascade = nn.with_dendrites(layer, growth=nn.Growth(multiplier=0.5, scale=scale))
    cascade.grow(generator())
    want = 0.5 * (float(layer.weight.detach().abs().mean()) if scale == "parent" else 1.0)
    assert float(cascade.candidates[0].layer.weight.detach().std()) == pytest.approx(want, rel=0.02)
    again = nn.with_dendrites(layer, growth=nn.Growth(multiplier=0.5, scale=scale))
    again.grow(generator())
    assert torch.equal(again.candidates[0].layer.weight, cascade.candidates[0].layer.weight)


def test_a_layer_and_its_norm_can_be_wrapped_together():
    block = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3, bias=False), torch.nn.BatchNorm2d(3)).eval()
    cascade, x = grown(block, 1).eval(), torch.randn(2, 2, 6, 6)
    d = torch.tanh(cascade.dendrites[0].layer(x) + cascade.dendrites[0].c.view(-1, 1, 1))
    torch.testing.assert_close(cascade(x), block(x) + cascade.t[0].view(-1, 1, 1) * d)
    ours = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).eval()
    assert grown(ours, 1)(torch.randn(5, 2, 2, 6, 6))[0].shape == (5, 2, 3, 4, 4)


def test_parametrised_layers_keep_their_parametrisation_and_dendrites_have_none():
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(5, 3))
    cascade = grown(layer, 1)
    assert torch.nn.utils.parametrize.is_parametrized(cascade.main)
    assert not torch.nn.utils.parametrize.is_parametrized(cascade.dendrites[0].layer)
    assert cascade(torch.randn(4, 5)).shape == (4, 3)


class Scaled(torch.nn.Module):
    """A user's own layer: units are rows of the weight, on axis 1 of y (B, C, L)."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(3, 4))

    def forward(self, x):
        return self.weight @ x


def test_own_layers_need_to_say_where_their_units_are():
    cascade, x = grown(Scaled(), 1, output_axes=(-1, 0, -1)), torch.randn(5, 4, 7)
    assert cascade(x).shape == (5, 3, 7) and cascade.units == 3
    with pytest.raises(RangeError, match=r"output_axes: cannot be known for Scaled"):
        nn.with_dendrites(Scaled())
    with pytest.raises(ShapeError, match=r"output_axes: the layer has 3 units, but its output \(5, 3, 7\) has 7"):
        grown(Scaled(), 0, output_axes=(-1, -1, 0)).settle() is None or grown(Scaled(), 1, output_axes=(-1, 0))(x)


@pytest.mark.parametrize("axes", [(-1, 0, 0, -1), (-1, -1), (), (-1, 2), (0, 0)])
def test_an_axis_of_units_that_is_not_unique_is_refused(axes):
    with pytest.raises(RangeError, match=r"with_dendrites\.output_axes: must hold one 0 .* got \("):
        nn.with_dendrites(torch.nn.Conv2d(2, 3, 3), axes)


LINEAR = torch.nn.Linear(2, 3)
BAD = {
    "wrong axis": (lambda: nn.with_dendrites(torch.nn.Conv2d(2, 3, 3), (-1, -1, 0, -1)), "units of Conv2d are at"),
    "twice": (lambda: nn.with_dendrites(nn.with_dendrites(LINEAR)), "has dendrites already"),
    "inner": (lambda: nn.with_dendrites(torch.nn.Sequential(nn.with_dendrites(LINEAR))), "already"),
    "no weights": (lambda: nn.with_dendrites(torch.nn.ReLU()), "ReLU has no weight"),
    "units": (lambda: nn.with_dendrites(nn.Spiking(units.LIF())), "Wrap the linear or convolution layer in front"),
    "lstm": (lambda: nn.with_dendrites(torch.nn.LSTM(2, 3)), "LSTM hides its input matrix"),
    "norm": (lambda: nn.with_dendrites(torch.nn.BatchNorm1d(3)), "BatchNorm1d has no weight"),
    "chain": (lambda: nn.with_dendrites(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())), "one by one"),
    "phi": (lambda: nn.with_dendrites(LINEAR, phi="tan"), "Did you mean 'tanh'"),
    "max": (lambda: nn.with_dendrites(LINEAR, max_dendrites=-1), r"max_dendrites: must be .* >= 0, got -1"),
    "tau": (lambda: nn.with_dendrites(nn.Linear(2, 3), tau=-1.0), r"tau: must be > 0 s"),
    "dt": (lambda: nn.with_dendrites(nn.Linear(2, 3), dt=20.0), r"did you mean 20e-3"),
    "tau of torch": (lambda: nn.with_dendrites(LINEAR, tau=1e-2), "a torch module has no time axis"),
    "decay": (lambda: nn.Growth(decay=1.0), r"Growth\.decay: must be in 0\.\.1 without 1, got 1\.0"),
    "candidates": (lambda: nn.Growth(candidates=0), r"Growth\.candidates: must be a whole number >= 1, got 0"),
    "objective": (lambda: nn.Growth(objective="normalized"), "Did you mean 'normalised'"),
    "multiplier": (lambda: nn.Growth(multiplier=0.0), r"Growth\.multiplier: must be > 0"),
    "scale": (lambda: nn.Growth(scale="two"), r"Growth\.scale: must be one of"),
    "full": (lambda: nn.with_dendrites(LINEAR, max_dendrites=0).grow(generator()), "allows 0"),
    "settle": (lambda: nn.with_dendrites(LINEAR).settle(), "there are no candidates"),
    "rho": (lambda: nn.with_dendrites(LINEAR).rho, "there are no candidates"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    act, message = BAD[case]
    with pytest.raises(NeurosimError, match=message) as caught:
        act()
    assert isinstance(caught.value, (RangeError, UnsupportedError))


def test_layers_with_a_state_of_their_own_cannot_be_copied_into_dendrites():
    class Own(nn.Layer):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(3, 4))

        def forward(self, x, state=None):
            return x @ self.weight.T, (state or 0) + 1

    cascade = nn.with_dendrites(Own(), (-1, -1, 0))
    cascade.grow(generator())
    with pytest.raises(UnsupportedError, match="a copy of Own has a state of its own"):
        cascade(torch.randn(5, 2, 4))
