"""Units against solutions on paper and against SciPy's solver."""

import math

import numpy as np
import pytest
import torch

from neurosim import nn, units

solve_ivp = pytest.importorskip("scipy.integrate", reason="SciPy is the oracle here").solve_ivp


def run(unit, x, dt=1e-3, output="v"):
    """Trace of one state for a one-dimensional input, in float64."""
    y, state = nn.Spiking(unit, dt=dt, output=output)(torch.as_tensor(x, dtype=torch.float64)[:, None, None])
    return y[:, 0, 0].numpy(), state


def integrate(f, x, dt, start):
    """Solve ds/dt = f(s, x_k), x_k held over step k; states at the ends of the steps."""
    states, s = [], np.asarray(start, float)
    for x_k in x:
        s = solve_ivp(lambda t, s, x_k=x_k: f(s, x_k), (0, dt), s, rtol=1e-11, atol=1e-13).y[:, -1]
        states.append(s)
    return np.stack(states)


@pytest.mark.parametrize("drive", [1.2, 2.0, 7.5])
@pytest.mark.parametrize("reset", [0.0, 0.3])
def test_lif_fires_at_the_closed_form_interval(drive, reset):
    tau, dt = 20e-3, 1e-4
    unit = units.LIF(tau_mem=tau, gain="leak", v_reset=reset)
    z, _ = run(unit, np.full(20_000, drive), dt, "spikes")
    intervals = np.unique(np.diff(np.flatnonzero(z)))
    exact = tau * math.log((drive - reset) / (drive - 1.0)) / dt
    # the membrane is exact at the steps, so a spike comes at the first step after the crossing, every time
    assert intervals.tolist() == [math.floor(exact) + 1]


def test_if_that_subtracts_fires_at_exactly_drive_over_threshold():
    z, _ = run(units.IF(), np.full(1600, 0.375), output="spikes")
    assert z.sum() == 1600 * 0.375 - 1  # the last unit of charge reaches the threshold without exceeding it


@pytest.mark.parametrize(
    ("unit", "f"),
    [
        (units.LIF(gain="leak", v_threshold=1e9), lambda s, x: [(x - s[0]) / 20e-3]),
        (units.LIF(gain="leak", v_threshold=1e9, v_leak=-0.5), lambda s, x: [(x - 0.5 - s[0]) / 20e-3]),
        (units.LI(), lambda s, x: [(x - s[0]) / 20e-3]),
    ],
    ids=["LIF", "LIF with leak potential", "LI"],
)
def test_linear_membranes_are_exact_for_input_held_over_a_step(unit, f, rng):
    x = rng.normal(size=80)
    want = integrate(f, x, 1e-3, unit.initial())[:, 0]
    np.testing.assert_allclose(run(unit, x)[0], want, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("tau_syn", "tau_mem"), [(5e-3, 20e-3), (20e-3, 5e-3), (10e-3, 10e-3), (10e-3, 10.000001e-3)])
def test_cuba_lif_is_exact_for_input_arriving_at_the_start_of_a_step(tau_syn, tau_mem, rng):
    x, dt, s, want = rng.normal(size=60), 1e-3, np.zeros(2), []
    for x_k in x:
        s[0] += x_k
        s = integrate(lambda s, x: [-s[0] / tau_syn, (s[0] - s[1]) / tau_mem], [0.0], dt, s)[0]
        want.append(s[1])
    unit = units.CubaLIF(tau_syn=tau_syn, tau_mem=tau_mem, gain="leak", v_threshold=1e9)
    np.testing.assert_allclose(run(unit, x)[0], want, rtol=0, atol=1e-9)


def order_of_convergence(error):
    coarse, middle, fine = error
    return math.log2(coarse / middle), math.log2(middle / fine)


def test_adlif_converges_to_its_equations_in_first_order():
    def f(s, x):
        return [(x - s[1] - s[0]) / 20e-3, (0.2 * s[0] - s[1]) / 100e-3]

    want = integrate(f, [0.8], 0.1, (0, 0))[0, 0]
    errors = []
    for dt in (2e-3, 1e-3, 5e-4):
        v, _ = run(units.AdLIF(v_threshold=1e9), np.full(round(0.1 / dt), 0.8), dt)
        errors.append(abs(v[-1] - want))
    assert all(0.9 < p < 1.1 for p in order_of_convergence(errors)), errors


def test_izhikevich_converges_to_its_equations_in_first_order():
    def f(s, x):  # per second; the paper's numbers are per millisecond
        v, u = s
        return [1e3 * (0.04 * v * v + 5 * v + 140 - u + x), 1e3 * 0.02 * (0.2 * v - u)]

    want = integrate(f, [2.0], 0.02, (-65.0, -13.0))[0, 0]
    errors = []
    for dt in (1e-4, 5e-5, 2.5e-5):
        v, _ = run(units.Izhikevich(), np.full(round(0.02 / dt), 2.0), dt)
        errors.append(abs(v[-1] - want))
    assert all(0.9 < p < 1.1 for p in order_of_convergence(errors)), errors


def test_a_refractory_unit_waits_the_whole_period():
    z, _ = run(units.Refractory(units.LIF(), 5e-3), np.full(200, 10.0), output="spikes")
    assert set(np.diff(np.flatnonzero(z))) == {6}


def test_a_spike_lowers_adlif_and_lifts_its_adaptation():
    v, state = run(units.AdLIF(b=0.4, gain="one"), [1.5])
    assert v[0] == pytest.approx(0.5)
    assert float(state["w"]) == pytest.approx(0.4)
