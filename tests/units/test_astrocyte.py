"""`AstroLIF`: its equations, what it is at the start, its silent form, and what it refuses."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import nn, units
from neurosim.errors import RangeError, ShapeError
from neurosim.units import LIF, AstroLIF, Decay, ops

PLAIN = LIF(tau_mem=Decay(0.9), v_reset=0.0)


def by_hand(x, astro, p):
    """The equations of the specification, one neuron at a time in Python floats; spikes, v and c of every step."""
    spikes, membranes, calcium, v, c, s = [], [], [], 0.0, 0.0, 0.0
    for x_t, a_t in zip(x, astro, strict=True):
        c = p["lam"] * c + (1 - p["lam"]) * (p["a_post"] * s + p["a_pre"] * a_t)
        v = p["beta"] * v + x_t * (1 + p["kg"] * math.tanh(4 * c)) + 4 * p["ka"] * c
        s = float(v > 1.0 - 4 * p["kt"] * c)
        v = v - s if p["soft"] else v * (1 - s)
        spikes.append(s)
        membranes.append(v)
        calcium.append(c)
    return np.array(spikes), np.array(membranes), np.array(calcium)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.5, 0.99), st.floats(0.5, 0.99), st.floats(-0.5, 0.5), st.floats(-0.5, 2.0), st.floats(-0.2, 0.2),
    st.sampled_from([0.0, 0.7, -0.3]), st.booleans(), st.integers(0, 10**6),
)  # fmt: skip
def test_a_layer_does_what_the_equations_say(lam, beta, ka, kg, kt, a_pre, soft, seed):
    rng = np.random.default_rng(seed)
    x, astro = rng.normal(0.3, 0.5, 60), (rng.random(60) < 0.3).astype(float)
    p = {"lam": lam, "beta": beta, "ka": ka, "kg": kg, "kt": kt, "a_post": 0.8, "a_pre": a_pre}
    unit = AstroLIF(**p, v_reset=None if soft else 0.0, mode="additive+gain+threshold")
    ports = [torch.tensor(a).view(60, 1, 1) for a in ((x, astro) if a_pre else (x,))]
    spikes, membranes, calcium = by_hand(x, astro, p | {"soft": soft})
    y, end = nn.Spiking(unit)(tuple(ports))
    assert np.array_equal(y.flatten().numpy(), spikes)
    assert float(end["v"]) == pytest.approx(membranes[-1], abs=1e-9)
    # the state is already that of the next step as far as the neuron's own spikes go
    assert float(end["c"]) == pytest.approx(lam * calcium[-1] + (1 - lam) * 0.8 * spikes[-1], abs=1e-12)


@pytest.mark.parametrize("mode", ["additive", "gain", "threshold", "threshold+gain+additive"])
@pytest.mark.parametrize(("v_reset", "lif"), [(0.0, PLAIN), (None, LIF(tau_mem=Decay(0.9)))])
def test_without_gains_it_is_lif_bit_for_bit(mode, v_reset, lif):
    unit, x = AstroLIF(mode=mode, v_reset=v_reset), torch.randn(300, 4, 50)
    for dtype in (torch.float32, torch.float64):
        (a, end), (b, want) = (nn.Spiking(u)(x.to(dtype)) for u in (unit, lif))
        assert torch.equal(a, b) and torch.equal(end["v"], want["v"]) and a.mean() > 0.05
        assert end["c"].max() > 0  # the astrocyte watches all the same


def test_without_gains_a_recurrent_layer_and_its_gradients_are_those_of_lif():
    layers, grads = [nn.Recurrent(u, 20, scale=1.0) for u in (AstroLIF(), PLAIN)], []
    layers[1].weight.data = layers[0].weight.data.clone()
    x = torch.randn(100, 3, 20)
    for layer in layers:
        (layer(x)[0] * torch.arange(100).view(-1, 1, 1)).sum().backward()
        grads.append(layer.weight.grad)
    assert torch.equal(*(layer(x)[0] for layer in layers)) and torch.allclose(*grads, rtol=1e-4, atol=1e-3)


def test_gains_of_zero_have_gradients():
    layer = nn.Spiking(AstroLIF(), learn=("lam", "beta", "ka", "kg"), shape=(8,))
    layer(torch.rand(80, 2, 8))[0].sum().backward()
    assert all(getattr(layer, f"raw_{n}").grad.abs().min() > 0 for n in ("beta", "ka", "kg"))
    assert layer.raw_lam.grad.abs().max() == 0  # no effect of c, so none of its time constant


def test_factors_stay_valid_however_far_they_are_pushed():
    layer = nn.Spiking(AstroLIF(), learn=("lam", "beta"))
    layer.raw_lam.data.fill_(8.0)
    layer.raw_beta.data.fill_(-8.0)
    values = layer.parameter_values()
    assert 0 < values["beta"] < 1e-3 and 0.999 < values["lam"] < 1


def test_the_trace_stays_between_0_and_1():
    layer = nn.Spiking(AstroLIF(lam=0.6, ka=5.0))
    for x in (torch.full((200, 1, 3), 5.0), torch.full((200, 1, 3), -5.0)):
        c = layer(x)[1]["c"]
        assert (c >= 0).all() and (c <= 1).all()


def test_what_the_astrocyte_does_makes_a_neuron_fire_on_or_hear_more():
    x = torch.zeros(60, 1, 1)
    x[:10] = 1.5
    rate = {p: float(nn.Spiking(AstroLIF(lam=0.9, **{p: 1.0}, mode=m))(x)[0][10:].sum()) for p, m in
            (("ka", "additive"), ("kg", "gain"), ("kt", "threshold"))}  # fmt: skip
    assert rate["ka"] > 0  # additive current drives it without input
    assert rate["kg"] == 0  # gain needs input
    assert rate["kt"] > 0  # its threshold is below rest


# Silence


def silent(v, c, p, steps=4000):
    """Whether a spike follows without input, and the largest v - threshold on the way, in float64."""
    top = -math.inf
    for _ in range(steps):
        v = p["beta"] * v + 4 * p["ka"] * c
        top = max(top, v - (1.0 - 4 * p["kt"] * c))
        c = p["lam"] * c
    return top


@settings(max_examples=150, deadline=None)
@given(
    st.floats(0.3, 0.995), st.floats(0.3, 0.995), st.floats(-0.5, 0.5), st.floats(-0.3, 0.3), st.floats(-2, 1.2),
    st.floats(0, 1),
)  # fmt: skip
def test_quiet_is_the_closed_form_of_silence(lam, beta, ka, kt, v, c):
    p = {"lam": lam, "beta": beta, "ka": ka, "kt": kt}
    unit = AstroLIF(**p, mode="additive+threshold")
    quiet = bool(unit.quiet((v, c), unit.coefficients(1e-3)))
    top = silent(v, c, p)
    if quiet:
        assert top <= 0
    elif abs(lam - beta) > units.astrocyte.NEAR:  # one maximum, found exactly: what is not quiet comes close at least
        between = max(v - 1.0, 0.0)  # a state above the threshold has not had its spike yet
        assert between > 0 or top > -0.05 * (1 + abs(4 * ka * c) / (1 - max(lam, beta)) + abs(4 * kt * c))


def test_the_smallest_trace_there_is_divides_nothing_by_nothing():
    unit = AstroLIF(lam=0.875, beta=0.3, ka=0.5, mode="additive+threshold")
    assert unit.quiet((0.0, 5e-324), unit.coefficients(1e-3))


def test_quiet_is_not_always_false():
    unit = AstroLIF(lam=0.98, beta=0.9, ka=0.05)
    c = unit.coefficients(1e-3)
    assert unit.quiet((0.0, 0.4), c) and not unit.quiet((0.0, 0.9), c)
    assert silent(0.0, 0.4, {"lam": 0.98, "beta": 0.9, "ka": 0.05, "kt": 0.0}) < 0
    assert silent(0.0, 0.9, {"lam": 0.98, "beta": 0.9, "ka": 0.05, "kt": 0.0}) > 0


# tanh


@settings(max_examples=300, deadline=None)
@given(st.floats(-1e6, 1e6))
def test_tanh_is_that_of_the_library_to_the_last_bits(x):
    assert ops.tanh(x) == pytest.approx(math.tanh(x), rel=1e-15 * 6, abs=1e-300)
    assert abs(ops.tanh(x)) <= 1 + 2**-52


def test_tanh_has_the_same_bits_in_numpy_and_torch():
    for kind in (np.float32, np.float64):
        x = np.random.default_rng(0).normal(0, 4, 100_000).astype(kind)
        a, b = ops.tanh(x), ops.tanh(torch.from_numpy(x)).numpy()
        assert a.dtype == kind and np.array_equal(a, b)
        assert np.abs(a - np.tanh(x.astype(float))).max() < 8 * np.finfo(kind).eps


# What is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        *((lambda n=n, v=v: AstroLIF(**{n: v}), rf"AstroLIF\.{n}: must be between 0 and 1, got {v}")
          for n in ("lam", "beta") for v in (0.0, 1.0, -0.1, 1.5)),
        *((lambda n=n: AstroLIF(**{n: math.nan}), rf"AstroLIF\.{n}: must be a finite number, got nan")
          for n in ("lam", "beta", "ka", "kg", "kt", "a_post", "a_pre", "v_threshold")),
        (lambda: AstroLIF(v_threshold=0.0), r"AstroLIF\.v_threshold: must be > 0, got 0.0"),
        (lambda: AstroLIF(v_threshold=-1.0), r"AstroLIF\.v_threshold: must be > 0"),
        (lambda: AstroLIF(ka=[0.1, 0.2]), r"AstroLIF\.ka: must be a finite number, got \[0\.1, 0\.2\]"),
        (lambda: AstroLIF(mode="both"), "AstroLIF.mode: must be additive, gain, threshold.*got 'both'"),
        (lambda: AstroLIF(mode="gain+gain"), r"AstroLIF\.mode"),
        (lambda: AstroLIF(mode=""), r"AstroLIF\.mode"),
        (lambda: AstroLIF(mode="gain", ka=0.1), r"AstroLIF\.ka: has no part in mode 'gain'.*got 0\.1"),
        (lambda: AstroLIF(kt=0.1), r"AstroLIF\.kt: has no part in mode 'additive\+gain'.*Add 'threshold'"),
        (lambda: nn.Spiking(AstroLIF(), learn=("kt",))(torch.rand(5, 1, 2)), r"AstroLIF\.kt: has no part in mode"),
    ],
)  # fmt: skip
def test_bad_parameters_are_refused(make, message):
    with pytest.raises(RangeError, match=message):
        make()


def test_bad_input_is_refused():
    layer = nn.Spiking(AstroLIF(ka=0.1))
    with pytest.raises(ShapeError, match="at least one time step"):
        layer(torch.zeros(0, 1, 4))
    x = torch.zeros(10, 1, 4)
    x[3, 0, 2] = math.nan
    with pytest.raises(RangeError, match=r"got nan at time step 3, index \[0, 2\]"):
        layer(x)
    with pytest.raises(ShapeError, match="do not broadcast"):
        nn.Spiking(AstroLIF(), learn={"ka": (5,)})(torch.rand(10, 1, 4))
    with pytest.raises(ShapeError, match=r"has ports \('x', 'astro'\), got 1 inputs"):
        nn.Spiking(AstroLIF(a_pre=0.5))(torch.rand(10, 1, 4))
