"""Time steps of the units for simulation: as NEST and Brian2 take them, and against closed forms."""

import math

import numpy as np
import pytest
import torch

from neurosim import units
from neurosim.units import AdEx, ConductanceLIF, CurrentLIF, HodgkinHuxley
from neurosim.units.conventions import CONVENTIONS, distance
from neurosim.units.hodgkin_huxley import rates

DT = 1e-4
CUBA = {  # benchmark 2 of Brette et al. 2007 as in Brian2's examples: v and currents in mV
    "tau_mem": 20e-3, "tau_exc": 5e-3, "tau_inh": 10e-3, "v_leak": -49.0, "v_threshold": -50.0, "v_reset": -60.0,
    "refractory": 5e-3,
}  # fmt: skip
SYNAPSES = ("delta", "exponential", "alpha")


def run(unit, x, dt=DT, state=None):
    """Step the unit's own functions over ``x`` (T, ports): spikes (T,) and states (T, S)."""
    c, s = unit.coefficients(dt), unit.initial() if state is None else state
    spikes, states = [], []
    for arrivals in np.asarray(x, float).tolist():
        s, u = unit.step(tuple(s), tuple(arrivals), c)
        z = 1.0 if u > 0 else 0.0
        s = unit.reset(s, z, c)
        spikes.append(z)
        states.append(s)
    return np.array(spikes), np.array(states)


def arrivals(rng, exc, inh, rates=(0.3, 0.1), steps=20000):
    """Random spikes per step times their weights, (T, 2)."""
    return np.stack([rng.poisson(rates[0], steps) * exc, rng.poisson(rates[1], steps) * inh], axis=1)


def membrane(unit, states):
    return states[:, unit.state.index("v")]


def named(unit, dt=DT):
    return dict(zip(unit.coeffs, unit.coefficients(dt), strict=True))


# Conventions: the loops below follow shared/baselines/simulation (numba_cuba.py, oracle_cuba_nest.py, numba_brunel.py),
# which were compared with Brian2 and NEST spike for spike.


def brian2_cuba(x, k, leak, theta, reset, refractory):
    """Update, threshold (>), synapses, reset; held while t - last spike < refractory."""
    v, exc, inh, end, spikes, trace_v = leak, 0.0, 0.0, -1, [], []
    for t, (x_exc, x_inh) in enumerate(x.tolist()):
        moved = leak + (v - leak) * k["decay"] + exc * k["gain_i_exc"] + inh * k["gain_i_inh"]
        moved = v if t < end else moved
        exc, inh = exc * k["decay_exc"], inh * k["decay_inh"]
        spike = moved > theta and not t < end
        exc, inh = exc + x_exc, inh + x_inh
        v, end = (reset, t + refractory) if spike else (moved, end)
        spikes.append(spike)
        trace_v.append(v)
    return np.array(spikes), np.array(trace_v)


def nest_psc_exp(x, k, theta, reset, refractory):
    """V with the currents before this step's arrivals; threshold >=; a counter of held updates. V is above E_L."""
    v, exc, inh, left, spikes, trace_v = 0.0, 0.0, 0.0, 0, [], []
    for x_exc, x_inh in x.tolist():
        if left == 0:
            v = v * k["decay"] + exc * k["gain_i_exc"] + inh * k["gain_i_inh"]
        else:
            left -= 1
        exc, inh = exc * k["decay_exc"] + x_exc, inh * k["decay_inh"] + x_inh
        spike = v >= theta
        if spike:
            left, v = refractory, reset
        spikes.append(spike)
        trace_v.append(v)
    return np.array(spikes), np.array(trace_v)


def nest_psc_alpha(x, k, theta, reset, refractory):
    """As above; the arrivals of a step enter dI after the update (here scaled so that its gains hold e / tau)."""
    v, left, spikes, trace_v = 0.0, 0, [], []
    rise, current = [0.0, 0.0], [0.0, 0.0]
    for now in x.tolist():
        if left == 0:
            v = v * k["decay"]
            for j, port in enumerate(("exc", "inh")):
                v += rise[j] * k[f"gain_rise_{port}"]
                v += current[j] * k[f"gain_i_{port}"]
        else:
            left -= 1
        for j, port in enumerate(("exc", "inh")):
            current[j] = k[f"decay_{port}"] * current[j] + k[f"climb_{port}"] * rise[j]
            rise[j] = rise[j] * k[f"decay_{port}"] + now[j]
        spike = v >= theta
        if spike:
            left, v = refractory, reset
        spikes.append(spike)
        trace_v.append(v)
    return np.array(spikes), np.array(trace_v)


def nest_psc_delta(x, decay, theta, reset, refractory):
    """V jumps by this step's arrivals before the test; those to a refractory neuron are lost."""
    v, left, spikes, trace_v = 0.0, 0, [], []
    for x_exc, x_inh in x.tolist():
        if left == 0:
            v = v * decay + (x_exc + x_inh)
        else:
            left -= 1
        spike = v >= theta
        if spike:
            left, v = refractory, reset
        spikes.append(spike)
        trace_v.append(v)
    return np.array(spikes), np.array(trace_v)


def brian2_delta(x, decay, theta, reset, refractory):
    """Update, threshold, v += x unless refractory, reset."""
    v, last, spikes, trace_v = 0.0, -(10**9), [], []
    for t, (x_exc, x_inh) in enumerate(x.tolist()):
        free = t - last >= refractory
        spike = False
        if free:
            v = v * decay
            spike = v > theta
            v += x_exc + x_inh
        if spike:
            v, last = reset, t
        spikes.append(spike)
        trace_v.append(v)
    return np.array(spikes), np.array(trace_v)


def agree(unit, x, want):
    """Spikes equal, membrane bit for bit; enough of both silence and spikes to mean something."""
    (spikes, states), (spikes_, v_) = run(unit, x), want
    assert 20 < spikes.sum() < 0.2 * len(spikes)
    np.testing.assert_array_equal(spikes, spikes_)
    np.testing.assert_array_equal(membrane(unit, states), v_)


def test_exponential_currents_step_as_brian2_bit_for_bit(rng):
    unit = CurrentLIF(convention="brian2", **CUBA)
    x = arrivals(rng, 1.62, -9.0, rates=(0.3, 0.03))
    agree(unit, x, brian2_cuba(x, named(unit), -49.0, -50.0, -60.0, refractory=50))


def test_exponential_currents_step_as_nest_bit_for_bit(rng):
    """Voltages above E_L, as NEST holds them; pA and r_mem = tau_m / C_m."""
    numbers = {**CUBA, "v_leak": 0.0, "v_threshold": 15.0, "v_reset": 5.0, "r_mem": 20.0 / 200.0}
    unit = CurrentLIF(convention="nest", **numbers)
    x = arrivals(rng, 90.0, -90.0)
    agree(unit, x, nest_psc_exp(x, named(unit), 15.0, 5.0, refractory=50))


def test_alpha_currents_step_as_nest_bit_for_bit(rng):
    unit = CurrentLIF("alpha", 10e-3, 2e-3, 3e-3, 0.0, 15.0, 0.0, 2e-3, 0.04, convention="nest")
    x = arrivals(rng, 60.0, -60.0)
    agree(unit, x, nest_psc_alpha(x, named(unit), 15.0, 0.0, refractory=20))


def test_delta_jumps_step_as_nest_bit_for_bit(rng):
    """Brunel 2000 in mV; jumps of 0.5 and v_reset = 10 make v meet the threshold of 20 exactly now and then."""
    unit = CurrentLIF("delta", v_threshold=20.0, v_reset=10.0, refractory=2e-3, convention="nest")
    x = arrivals(rng, 0.5, -0.5)
    agree(unit, x, nest_psc_delta(x, named(unit)["decay"], 20.0, 10.0, refractory=20))


def test_delta_jumps_step_as_brian2_bit_for_bit(rng):
    unit = CurrentLIF("delta", v_threshold=20.0, v_reset=10.0, refractory=2e-3, convention="brian2")
    x = arrivals(rng, 0.5, -0.5)
    agree(unit, x, brian2_delta(x, named(unit)["decay"], 20.0, 10.0, refractory=20))


def test_conductances_step_as_the_prototype_of_brian2s_exponential_euler(rng):
    unit, x = ConductanceLIF(convention="brian2"), arrivals(rng, 6.0, 67.0, (0.1, 0.01))
    v, exc, inh, end, spikes, trace_v = -60.0, 0.0, 0.0, -1, [], []
    for t, (x_exc, x_inh) in enumerate(x.tolist()):
        total = 10.0 + exc + inh
        v_inf = (10.0 * -60.0 + exc * 0.0 + inh * -80.0) / total
        moved = v_inf + (v - v_inf) * math.exp(-(0.1 / 200.0) * total)
        moved = v if t < end else moved
        spike = moved > -50.0 and not t < end
        exc, inh = exc * math.exp(-0.1 / 5) + x_exc, inh * math.exp(-0.1 / 10) + x_inh
        v, end = (-60.0, t + 50) if spike else (moved, end)
        spikes.append(spike)
        trace_v.append(v)
    got, states = run(unit, x)
    assert got.sum() > 20
    np.testing.assert_array_equal(got, spikes)
    np.testing.assert_allclose(membrane(unit, states), trace_v, rtol=1e-12)


@pytest.mark.parametrize("synapse", ["exponential", "alpha"])
@pytest.mark.parametrize("kind", [CurrentLIF, ConductanceLIF, HodgkinHuxley])
def test_neurosim_takes_input_one_step_earlier_than_the_others(kind, synapse, rng):
    """Its arrivals act within the step; for the others, those of the step before do."""
    x = abs(arrivals(rng, 0.2, 0.1, steps=300))
    early, late = (kind(synapse=synapse, convention=c) for c in ("neurosim", "nest"))
    want = run(late, x)[1]
    start = [0.0 if name.startswith(("rise", "i_", "g_")) else n for name, n in zip(late.state, want[0], strict=True)]
    got = run(early, x, state=start)[1]
    np.testing.assert_allclose(membrane(early, got)[:-1], membrane(late, want)[1:], rtol=1e-11, atol=1e-13)


def test_neurosims_delta_is_lif():
    """And with a refractory period it is `Refractory`: deaf while held."""
    x = np.random.default_rng(1).normal(0.03, 0.05, (5000, 1))
    both = np.concatenate([x, np.zeros_like(x)], axis=1)
    for refractory in (0.0, 1e-3):
        lif = units.LIF(v_reset=0.0)
        plain = units.Refractory(lif, refractory) if refractory else lif
        want = run(plain, x)
        got = run(CurrentLIF("delta", refractory=refractory), both)
        assert want[0].sum() > 20
        np.testing.assert_array_equal(got[0], want[0])
        np.testing.assert_allclose(got[1], want[1], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_only_nest_fires_on_the_threshold_itself(convention, dtype):
    unit = CurrentLIF("delta", v_threshold=3.0, convention=convention)
    c = tuple(np.array([n], dtype) for n in unit.coefficients(DT))
    down, up = np.nextafter(dtype(3.0), dtype(0)), np.nextafter(dtype(3.0), dtype(9))
    for v, fires in ((down, False), (dtype(3.0), convention == "nest"), (up, True)):
        u = distance(np.array([v]), c[unit.coeffs.index("theta")], convention)
        assert u.dtype == dtype
        assert bool(u[0] > 0) is fires
        assert fires or u[0] <= 0


def test_the_surrogate_slope_is_that_of_the_distance_for_every_convention():
    v = torch.tensor([0.5, 1.0, 1.5], requires_grad=True)
    u = distance(v, torch.tensor(1.0), "nest")
    u.sum().backward()
    assert torch.equal(v.grad, torch.ones(3))
    assert torch.allclose(u, v - 1.0)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("synapse", SYNAPSES)
def test_a_constant_current_fires_at_the_steps_of_the_closed_form(synapse, convention):
    """v(n) = R I (1 - exp(-n dt / tau)) crosses at n; each period is n and the held updates."""
    unit = CurrentLIF(
        synapse, 10e-3, v_leak=-70.0, v_threshold=-55.0, v_reset=-70.0, refractory=2e-3, r_mem=0.04, i_const=500.0,
        convention=convention,
    )  # fmt: skip
    climb = math.ceil(10e-3 * math.log(20.0 / (20.0 - 15.0)) / DT)
    held = {"neurosim": 20, "nest": 20, "brian2": 19}[convention]
    spikes, states = run(unit, np.zeros((2000, 2)))
    want = np.arange(climb - 1, 2000, climb + held)
    np.testing.assert_array_equal(np.flatnonzero(spikes), want)
    free = np.arange(1, climb)
    np.testing.assert_allclose(
        membrane(unit, states)[: climb - 1], -70.0 + 20.0 * (1 - np.exp(-free * DT / 10e-3)), rtol=1e-13
    )
    np.testing.assert_array_equal(membrane(unit, states)[want[0] : want[0] + held + 1], -70.0)


@pytest.mark.parametrize("kind", [CurrentLIF, ConductanceLIF, AdEx])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_synapses_go_on_while_the_membrane_is_held(kind, convention):
    unit = kind(synapse="exponential", refractory=1e-3, convention=convention)
    s = [0.0] * len(unit.state)
    s[unit.state.index("wait")], s[unit.state.index("v")] = 3.0, unit.v_reset
    x = np.zeros((5, 2))
    x[0] = 1.0
    _, states = run(unit, x, state=s)
    exc = states[:, 0]
    assert (exc > 0).all()
    np.testing.assert_allclose(exc[1:] / exc[:-1], math.exp(-DT / unit.tau_exc), rtol=1e-12)
    v = membrane(unit, states)
    assert (v[:3] == unit.v_reset).all()
    assert (v[3:] != unit.v_reset).all()


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_jump_while_refractory_is_lost(convention):
    unit = CurrentLIF("delta", refractory=1e-3, convention=convention)
    _, states = run(unit, [[0.5, 0.0], [0.0, 0.0]], state=(0.0, 4.0))
    np.testing.assert_array_equal(states, [[0.0, 3.0], [0.0, 2.0]])


def test_brian2_adds_a_jump_after_the_threshold_test():
    x = [[1.5, 0.0], [0.0, 0.0]]
    spikes = [run(CurrentLIF("delta", convention=c), x)[0].tolist() for c in CONVENTIONS]
    assert spikes == [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]


# Closed forms


def exponential_psp(t, tau_mem, tau_syn):
    return tau_syn / (tau_mem - tau_syn) * (np.exp(-t / tau_mem) - np.exp(-t / tau_syn))


def alpha_psp(t, tau_mem, tau_syn):
    d = 1 / tau_mem - 1 / tau_syn
    return math.e / (tau_mem * tau_syn) * (np.exp(-t / tau_syn) * (d * t - 1) + np.exp(-t / tau_mem)) / d**2


@pytest.mark.parametrize("port", ["exc", "inh"])
@pytest.mark.parametrize(("synapse", "psp"), [("exponential", exponential_psp), ("alpha", alpha_psp)])
def test_a_postsynaptic_potential_is_the_closed_form_on_the_grid(synapse, psp, port):
    unit = CurrentLIF(synapse, v_threshold=100.0, r_mem=0.5)
    x = np.zeros((1000, 2))
    x[0, unit.ports.index(port)] = 8.0
    v = membrane(unit, run(unit, x)[1])
    t = DT * np.arange(1, 1001)
    tau = unit.tau_exc if port == "exc" else unit.tau_inh
    np.testing.assert_allclose(v, 0.5 * 8.0 * psp(t, unit.tau_mem, tau), rtol=1e-10)
    if synapse == "exponential":
        peak = math.log(unit.tau_mem / tau) * unit.tau_mem * tau / (unit.tau_mem - tau)
        assert abs(t[v.argmax()] - peak) <= DT
        assert v.max() == pytest.approx(4.0 * psp(peak, unit.tau_mem, tau), rel=1e-4)


def test_an_alpha_current_peaks_with_the_weight_at_its_time_constant():
    unit = CurrentLIF("alpha", tau_exc=5e-3, v_threshold=1e6)
    states = run(unit, [[7.0, 0.0]] + [[0.0, 0.0]] * 400)[1]
    current = states[:, unit.state.index("i_exc")]
    assert current.argmax() == 49  # the state after step 49 is that at 5 ms
    assert current.max() == pytest.approx(7.0, rel=1e-12)


@pytest.mark.parametrize("synapse", ["exponential", "alpha"])
@pytest.mark.parametrize("tau", [1e-3, 9.9e-3, 10e-3 * (1 - 1e-9), 10e-3, 10e-3 * (1 + 1e-12), 10.1e-3, 0.3])
def test_two_steps_are_one_step_of_twice_the_length(synapse, tau):
    unit = CurrentLIF(synapse, 10e-3, tau, tau, v_leak=0.3, v_threshold=1e9, i_const=2.0)
    s = tuple(0.3 + 0.1 * i for i in range(len(unit.state)))
    half, whole = unit.coefficients(1e-3), unit.coefficients(2e-3)
    twice = unit.step(unit.step(s, (0.0, 0.0), half)[0], (0.0, 0.0), half)[0]
    np.testing.assert_allclose(twice, unit.step(s, (0.0, 0.0), whole)[0], rtol=1e-12)


def test_the_rates_of_hodgkin_and_huxley_are_smooth_where_their_formula_is_zero_by_zero():
    for at, gate, side, value in ((13.0, 0, 0, 1.28), (40.0, 0, 1, 1.4), (15.0, 2, 0, 0.16)):
        assert rates(at)[gate][side] == pytest.approx(value, rel=1e-14)
        near = [rates(at + d)[gate][side] for d in np.linspace(-1, 1, 2001)]
        assert abs(np.diff(near, 2)).max() < 1e-6  # no jump where the series takes over
    v = 3.7  # and elsewhere they are the paper's
    (alpha_m, beta_m), (alpha_h, beta_h), (alpha_n, beta_n) = rates(v)
    assert alpha_m == pytest.approx(0.32 * (13 - v) / (math.exp((13 - v) / 4) - 1), rel=1e-13)
    assert beta_m == pytest.approx(0.28 * (v - 40) / (math.exp((v - 40) / 5) - 1), rel=1e-13)
    assert alpha_h == pytest.approx(0.128 * math.exp((17 - v) / 18), rel=1e-13)
    assert beta_h == pytest.approx(4 / (1 + math.exp((40 - v) / 5)), rel=1e-13)
    assert alpha_n == pytest.approx(0.032 * (15 - v) / (math.exp((15 - v) / 5) - 1), rel=1e-13)
    assert beta_n == pytest.approx(0.5 * math.exp((10 - v) / 40), rel=1e-13)


def test_one_action_potential_is_one_spike():
    """A kick that keeps v above the threshold for many steps."""
    unit = HodgkinHuxley()
    x = np.zeros((500, 2))
    x[10, 0] = 20.0
    spikes, states = run(unit, x)
    assert spikes.sum() == 1
    assert (membrane(unit, states) > unit.v_threshold).sum() > 5


def test_a_held_adex_keeps_v_and_lets_w_decay():
    unit = AdEx(a=0.0, refractory=1e-3)
    _, states = run(unit, np.full((10, 1), 500.0), state=(unit.v_reset, 80.0, 10.0))
    assert (states[:, 0] == unit.v_reset).all()
    np.testing.assert_allclose(states[:, 1], 80.0 * np.exp(-np.arange(1, 11) * DT / unit.tau_adapt), rtol=1e-9)
