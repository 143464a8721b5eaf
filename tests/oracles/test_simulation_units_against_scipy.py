"""Units for simulation against SciPy: matrix exponentials, and ODE solvers of high order with events."""

import math

import numpy as np
import pytest

from neurosim.units import AdEx, ConductanceLIF, CurrentLIF, HodgkinHuxley

linalg = pytest.importorskip("scipy.linalg", reason="SciPy is the oracle here")
integrate = pytest.importorskip("scipy.integrate", reason="SciPy is the oracle here")

TAUS = [0.5e-3, 5e-3, 9e-3, 9.4e-3, 10e-3 * (1 - 1e-6), 10e-3, 10e-3 * (1 + 1e-10), 10.6e-3, 0.1]


def run(unit, x, dt):
    """Spike times [s] and states (T, S) for input ``x`` (T, ports); a state is that at the end of its step."""
    c, s, times, states = unit.coefficients(dt), unit.initial(), [], []
    for t, now in enumerate(np.asarray(x, float).tolist()):
        s, u = unit.step(s, tuple(now), c)
        s = unit.reset(s, 1.0 if u > 0 else 0.0, c)
        if u > 0:
            times.append((t + 1) * dt)
        states.append(s)
    return np.array(times), np.array(states)


@pytest.mark.parametrize("dt", [1e-5, 1e-4, 1e-3, 20e-3])
@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("synapse", ["exponential", "alpha"])
def test_propagators_equal_the_matrix_exponential(synapse, tau, dt):
    """States (rise, i, v): tau drise/dt = -rise, tau di/dt = e rise - i, tau_mem dv/dt = -v + R i."""
    unit = CurrentLIF(synapse, 10e-3, tau, 2 * tau, r_mem=3.0, v_threshold=1e9)
    k = dict(zip(unit.coeffs, unit.coefficients(dt), strict=True))
    for port, tau_syn in (("exc", tau), ("inh", 2 * tau)):
        system = [[-1 / tau_syn, 0, 0], [math.e / tau_syn, -1 / tau_syn, 0], [0, 3.0 / 10e-3, -1 / 10e-3]]
        p = linalg.expm(np.array(system) * dt)
        want = {f"decay_{port}": p[1, 1], f"gain_i_{port}": p[2, 1], "decay": p[2, 2]}
        if synapse == "alpha":
            want |= {f"climb_{port}": p[1, 0], f"gain_rise_{port}": p[2, 0]}
        for name, value in want.items():
            assert k[name] == pytest.approx(value, rel=2e-12, abs=1e-300), name


@pytest.mark.parametrize("tau", [2e-3, 10e-3])
@pytest.mark.parametrize("synapse", ["exponential", "alpha"])
def test_currents_equal_a_solution_of_the_equations_on_the_grid(synapse, tau):
    unit = CurrentLIF(synapse, 10e-3, tau, 3e-3, v_leak=-65.0, v_threshold=0.0, v_reset=-65.0, r_mem=0.1, i_const=30.0)
    x = np.zeros((300, 2))
    x[0] = 50.0, -20.0
    v = run(unit, x, 1e-4)[1][:, unit.state.index("v")]

    def slopes(t, y):
        change = [(-65.0 - y[4] + 0.1 * (y[1] + y[3] + 30.0)) / 10e-3]
        e = math.e if synapse == "alpha" else 0.0
        for tau_syn, rise, current in ((tau, *y[:2]), (3e-3, *y[2:4])):
            change[-1:-1] = [-rise / tau_syn, (e * rise - current) / tau_syn]
        return change

    start = [50.0, 0.0, -20.0, 0.0, -65.0] if synapse == "alpha" else [0.0, 50.0, 0.0, -20.0, -65.0]
    t = 1e-4 * np.arange(1, 301)
    want = integrate.solve_ivp(slopes, (0, 0.031), start, "DOP853", t, rtol=1e-12, atol=1e-12).y[4]
    np.testing.assert_allclose(v, want, rtol=1e-11)


@pytest.mark.parametrize("synapse", ["exponential", "alpha"])
def test_conductances_converge_to_a_solution_with_order_one(synapse):
    unit = ConductanceLIF(synapse, v_threshold=10.0, i_const=20.0, tau_exc=3e-3)

    def slopes(t, y):  # ms
        g = (np.exp(-t / 3.0), np.exp(-t / 10.0))
        g = (t / 3.0 * math.e * g[0], t / 10.0 * math.e * g[1]) if synapse == "alpha" else g
        return (10.0 * (-60.0 - y) + 40.0 * g[0] * (0.0 - y) + 30.0 * g[1] * (-80.0 - y) + 20.0) / 200.0

    want = integrate.solve_ivp(slopes, (0, 12.0), [-60.0], "DOP853", rtol=1e-12, atol=1e-12).y[0, -1]
    errors = []
    for steps in (120, 240, 480, 960):
        x = np.zeros((steps, 2))
        x[0] = 40.0, 30.0
        errors.append(run(unit, x, 12e-3 / steps)[1][-1, unit.state.index("v")] - want)
    ratios = np.array(errors[:-1]) / errors[1:]
    assert abs(errors[-1]) < 0.02  # mV
    np.testing.assert_allclose(ratios, 2.0, atol=0.1)


def adex_spikes(unit, current, end):
    """Spike times [ms] of the equations for a constant current, cut and reset at the exact time."""

    def slopes(t, y):
        v, w = y
        push = unit.v_leak - v + unit.slope * math.exp((v - unit.v_threshold) / unit.slope)
        change = (unit.g_leak * push - w + current) / unit.c_mem
        return change, (unit.a * (v - unit.v_leak) - w) / (1e3 * unit.tau_adapt)

    def cut(t, y):
        return y[0] - unit.v_peak

    cut.terminal, cut.direction = True, 1
    t, y, times = 0.0, [unit.v_leak, 0.0], []
    while True:
        part = integrate.solve_ivp(slopes, (0, end - t), y, "DOP853", events=cut, rtol=1e-10, atol=1e-10)
        assert part.success
        if not len(part.t_events[0]):
            return np.array(times)
        t += part.t_events[0][0]
        y = [unit.v_reset, part.y_events[0][0][1] + unit.b]
        times.append(t)


@pytest.mark.parametrize(("a", "b", "v_reset"), [(4.0, 80.5, -70.6), (0.0, 30.0, -60.0), (-2.0, 20.0, -58.0)])
def test_adex_by_runge_kutta_fires_at_the_next_grid_points_of_the_exact_spikes(a, b, v_reset):
    """A spike waits for the end of its step, and so do all that follow it: late by up to a step each, never early."""
    unit = AdEx(v_peak=-20.0, a=a, b=b, v_reset=v_reset)
    want = adex_spikes(unit, 1000.0, 200.0)
    assert len(want) > 5
    for dt in (0.1, 0.05, 0.0125):
        got = 1e3 * run(unit, np.full((int(200 / dt), 1), 1000.0), dt * 1e-3)[0]
        n = min(len(got), len(want))
        assert n >= len(want) - 1
        late = got[:n] - want[:n]
        assert late.min() > 0
        assert (late < 1.2 * dt * np.arange(1, n + 1)).all()


def test_adex_by_exponential_euler_converges_to_the_exact_spikes():
    unit = AdEx(v_peak=-20.0, method="exponential_euler")
    want = adex_spikes(unit, 1000.0, 200.0)
    errors = []
    for dt in (0.05, 0.025, 0.0125, 0.00625):
        got = 1e3 * run(unit, np.full((int(200 / dt), 1), 1000.0), dt * 1e-3)[0]
        errors.append(abs(got[:5] - want[:5]).max())
    assert errors[-1] < 0.2  # ms
    assert (np.array(errors[1:]) < 0.65 * np.array(errors[:-1])).all()


def test_adex_with_synaptic_currents_is_of_order_four_below_threshold():
    unit = AdEx("exponential")

    def slopes(t, y):
        v, w = y
        i = 300.0 * math.exp(-t / 5.0) - 100.0 * math.exp(-t / 10.0)
        push = unit.g_leak * (unit.v_leak - v + unit.slope * math.exp((v - unit.v_threshold) / unit.slope)) - w + i
        return push / unit.c_mem, (unit.a * (v - unit.v_leak) - w) / 144.0

    want = integrate.solve_ivp(slopes, (0, 8.0), [unit.v_leak, 0.0], "DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    errors = []
    for steps in (8, 16, 32):
        x = np.zeros((steps, 2))
        x[0] = 300.0, -100.0
        v, w = run(unit, x, 8e-3 / steps)[1][-1, 2:]
        errors.append(abs(v - want[0]) + abs(w - want[1]))
    assert errors[-1] < 1e-4
    assert (np.array(errors[:-1]) > 10 * np.array(errors[1:])).all()


def hodgkin_huxley_spikes(unit, end):
    """Times [ms] of upward crossings of v_threshold, by the paper's equations."""

    def slopes(t, y):
        v, m, h, n = y
        r = v - unit.v_shift
        alpha_m, beta_m = 0.32 * (13 - r) / (math.exp((13 - r) / 4) - 1), 0.28 * (r - 40) / (math.exp((r - 40) / 5) - 1)
        alpha_h, beta_h = 0.128 * math.exp((17 - r) / 18), 4 / (1 + math.exp((40 - r) / 5))
        alpha_n, beta_n = 0.032 * (15 - r) / (math.exp((15 - r) / 5) - 1), 0.5 * math.exp((10 - r) / 40)
        current = unit.g_leak * (unit.v_leak - v) + unit.i_const
        current += unit.g_na * m**3 * h * (unit.e_na - v) + unit.g_k * n**4 * (unit.e_k - v)
        rate = [alpha_m * (1 - m) - beta_m * m, alpha_h * (1 - h) - beta_h * h, alpha_n * (1 - n) - beta_n * n]
        return [current / unit.c_mem, *rate]

    def up(t, y):
        return y[0] - unit.v_threshold

    up.direction = 1
    start = unit.initial()[2:]
    found = integrate.solve_ivp(slopes, (0, end), start, "DOP853", events=up, rtol=1e-10, atol=1e-12, max_step=0.5)
    return found.t_events[0]


@pytest.mark.parametrize("current", [200.0, 500.0, 1500.0])
def test_hodgkin_huxley_fires_as_the_equations_do(current):
    unit = HodgkinHuxley(i_const=current)
    want = hodgkin_huxley_spikes(unit, 100.0)
    assert len(want) > 3
    errors = []
    for dt in (0.04, 0.02, 0.01):
        got = 1e3 * run(unit, np.zeros((round(100 / dt), 2)), dt * 1e-3)[0]
        assert abs(len(got) - len(want)) <= 1
        n = min(len(got), len(want))
        errors.append(abs(got[:n] - want[:n]).max() / want[n - 1])
    assert errors[-1] < 0.015  # of the time passed: the period is a little off
    assert errors[2] < 0.65 * errors[1] < 0.65**2 * errors[0]
