"""The Li-Rinzel astrocyte: kernels, SciPy, closed forms, bad parameters; and the port for its current."""

import math

import numpy as np
import pytest
import torch

from neurosim import nn, sim, testing, units
from neurosim.errors import RangeError, UnsupportedError
from neurosim.units import AdEx, ConductanceLIF, CurrentLIF, CurrentPort, HodgkinHuxley, LiRinzel
from neurosim.units.ops import log_from_one

integrate = pytest.importorskip("scipy.integrate", reason="SciPy is the oracle here")


def slopes(u, flux=0.0):
    """The equations of the unit, in s and uM."""

    def change(t, y):
        ip3, ca, h = y
        er = (u.ca_tot - ca) / u.ratio_er
        m, n = ip3 / (ip3 + u.kd_ip3_1), ca / (ca + u.kd_act)
        channel = u.ratio_er * u.rate_ip3r * m**3 * n**3 * h**3 * (er - ca)
        leak = u.ratio_er * u.rate_leak * (er - ca)
        pump = u.rate_serca * ca**2 / (u.km_serca**2 + ca**2)
        alpha = u.k_inh * u.kd_inh * (ip3 + u.kd_ip3_1) / (ip3 + u.kd_ip3_2)
        return (u.ip3_0 - ip3) / u.tau_ip3, channel - pump + leak + flux, alpha * (1 - h) - u.k_inh * ca * h

    return change


def simulated(unit, dt, seconds, every, flux=0.0, precision="float64", **start):
    """States (T, 4) at the end of every so many steps, by the event engine; step 0 is left out."""
    net = sim.Network(dt=dt, precision=precision)
    glia = net.population(unit, 1, **start)
    net.current(glia, flux, port="flux")
    probes = [net.probe(glia, name, every=every) for name in unit.state]
    found = net.run(seconds + dt, threads=1)
    return np.stack([found.trace(probe)[1][1:, 0] for probe in probes], axis=1)


@pytest.mark.parametrize(
    ("unit", "flux", "start"),
    [
        (LiRinzel(), 0.0, {}),
        (LiRinzel(ip3_0=0.4), 0.0, {"ip3": 1.2, "ca": 0.3}),  # oscillates
        (LiRinzel(ip3_0=0.5, tau_ip3=0.5, rate_leak=0.2), 0.02, {"ca": 1.9, "h": 0.1}),
        (LiRinzel(ip3_0=0.4, substeps=4), 0.0, {"ip3": 2.0}),
    ],
)
def test_states_equal_those_of_scipys_solver_to_a_millionth(unit, flux, start):
    rest = dict(zip(unit.state, unit.initial(), strict=True)) | start
    dt, seconds, every = 1e-4, 30.0, 5000
    got = simulated(unit, dt, seconds, every, flux, **start)
    t = dt * (1 + every * np.arange(1, len(got) + 1))  # a sample is that of the end of its step
    begin = [rest[name] for name in ("ip3", "ca", "h")]
    want = integrate.solve_ivp(slopes(unit, flux), (0, t[-1]), begin, "DOP853", t, rtol=1e-10, atol=1e-13).y.T
    np.testing.assert_allclose(got[:, :3], want, rtol=1e-6)
    assert want[:, 1].std() > 1e-5
    y = 1e3 * (got[:, 1] - unit.sic_threshold)
    np.testing.assert_allclose(got[:, 3], np.where(y > 1, np.log(np.maximum(y, 1)), 0.0), rtol=1e-10, atol=1e-12)


def test_calcium_oscillates_with_ip3_and_rests_without():
    got = simulated(LiRinzel(ip3_0=0.4), 1e-3, 120.0, 100)[200:]
    ups = np.flatnonzero((got[1:, 3] > 0) & (got[:-1, 3] == 0))
    assert len(ups) >= 5 and np.diff(ups).std() < 2  # a period, to a fifth of a second
    assert (simulated(LiRinzel(), 1e-3, 120.0, 100)[:, 3] == 0).all()


def test_the_error_falls_with_the_fourth_power_of_the_step_and_substeps_are_steps():
    unit = LiRinzel(ip3_0=0.4)
    want = integrate.solve_ivp(slopes(unit), (0, 2.0), (1.2, 0.3, 0.793), "DOP853", rtol=1e-12, atol=1e-14).y[:, -1]
    errors = []
    for dt, substeps in ((0.1, 1), (0.05, 1), (0.025, 1), (0.1, 4)):
        one = LiRinzel(ip3_0=0.4, substeps=substeps)
        s, c = (1.2, 0.3, 0.793, 0.0), one.coefficients(dt)
        for _ in range(round(2.0 / dt)):
            s, _ = one.step(s, (0.0, 0.0), c)
        errors.append(abs(s[1] - want[1]))
    assert errors[0] > 12 * errors[1] > 12 * 12 * errors[2] > 0
    assert errors[3] == pytest.approx(errors[2], rel=1e-6)


@pytest.mark.parametrize("convention", ["neurosim", "nest"])
def test_a_spike_raises_ip3_by_delta_which_decays_in_closed_form(convention):
    unit = LiRinzel(delta_ip3=0.3, tau_ip3=2.0, convention=convention)
    s, c, dt = unit.initial(), unit.coefficients(1e-3), 1e-3
    for k in range(100):
        s, _ = unit.step(s, (2.0 if k == 0 else 0.0, 0.0), c)
    steps = 100 if convention == "neurosim" else 99
    assert s[0] == pytest.approx(0.16 + 0.6 * math.exp(-steps * dt / 2.0), rel=1e-12)


def test_calcium_is_kept_in_its_range_and_ip3_above_zero():
    c = (unit := LiRinzel(delta_ip3=1.0)).coefficients(1e-3)
    up, down = (unit.step(unit.initial(), (0.0, flux), c)[0] for flux in (1e9, -1e9))
    assert up[1] == unit.ca_tot and down[1] == 0.0
    s = unit.initial()
    for _ in range(3):
        s, _ = unit.step(s, (-5.0, 0.0), c)
        assert 0 <= s[0] <= 1e-3 and all(map(math.isfinite, s))


def test_the_logarithm_is_that_of_the_library_to_rounding_and_the_same_in_all_of_them():
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        x = np.concatenate([np.exp(rng.uniform(0, 22, 20_000)), 1 + rng.uniform(0, 1e-3, 20_000), [1.0, 2.0, 2**31]])
        x = np.maximum(x.astype(dtype), 1)
        got = log_from_one(x)
        assert got.dtype == dtype and log_from_one(x[-3:])[0] == 0
        np.testing.assert_allclose(got, np.log(x.astype(np.float64)), rtol=4 * np.finfo(dtype).eps, atol=1e-30)
        np.testing.assert_array_equal(log_from_one(torch.from_numpy(x)).numpy(), got)
    assert [log_from_one(v) for v in x[:50].astype(float).tolist()] == log_from_one(x[:50].astype(float)).tolist()


@pytest.mark.parametrize(
    "unit", [LiRinzel(), pytest.param(LiRinzel(convention="nest", substeps=2), marks=pytest.mark.slow)]
)
def test_e0_the_kernel_equals_the_reference_bit_for_bit(unit):
    testing.check_declaration(unit)
    testing.check_forward(unit)


def test_in_a_layer_it_gives_its_current():
    y, state = nn.Spiking(LiRinzel(delta_ip3=1.0), dt=1e-3)((torch.ones(400, 1, 2), torch.zeros(400, 1, 2)))
    assert y.shape == (400, 1, 2) and (y[-1] > 0).all() and (y[0] == 0).all()
    np.testing.assert_array_equal(y[-1], state["i_sic"])
    x = torch.ones(4, 1, 2, requires_grad=True)
    with pytest.raises(UnsupportedError, match="Spiking: LiRinzel is for simulation and has no gradient"):
        nn.Spiking(LiRinzel())((x, x))


NEURONS = [
    CurrentLIF("delta"), CurrentLIF("exponential", r_mem=3.0, refractory=2e-3), ConductanceLIF(), AdEx(),
    AdEx("exponential", "exponential_euler"), HodgkinHuxley(),
]  # fmt: skip


@pytest.mark.parametrize("unit", NEURONS, ids=lambda u: repr(u).split("  #")[0])
def test_a_current_through_the_port_does_what_i_const_does(unit):
    amount = 1.5 if isinstance(unit, CurrentLIF) else 900.0
    own = type(unit)(**{**unit.__dict__, "i_const": amount})
    ports = CurrentPort(unit)
    c, c_own, s, s_own = ports.coefficients(1e-4), own.coefficients(1e-4), unit.initial(), unit.initial()
    fired = 0
    for _ in range(2000):
        silent = (0.0,) * len(unit.ports)
        (s, u), (s_own, u_own) = ports.step(s, (*silent, amount), c), own.step(s_own, silent, c_own)
        z = float(u > 0)
        assert z == float(u_own > 0)
        s, s_own, fired = ports.reset(s, z, c), own.reset(s_own, z, c_own), fired + z
        np.testing.assert_allclose(s, s_own, rtol=1e-9, atol=1e-9)
    assert fired > 0


def test_the_port_conforms_and_takes_parameters_of_the_wrapped_neuron():
    unit = CurrentPort(CurrentLIF(refractory=2e-3))
    for check in (testing.check_declaration, testing.check_forward, testing.check_adjoint, testing.check_quiet):
        check(unit, dt=5e-4)
    net = sim.Network(dt=1e-3)
    cells = net.population(unit, 3, parameters={"v_threshold": [0.1, 0.5, 2.0]}, name="cells")
    net.current(cells, 1.0, port="current")
    net.probe(cells)
    assert set(net.run(0.2, threads=1).spikes("cells").neurons) == {0, 1}


@pytest.mark.parametrize("unit", [units.LIF(), units.Refractory(units.LIF()), CurrentPort(AdEx()), None, 3])
def test_the_port_refuses_what_has_no_current(unit):
    with pytest.raises(RangeError, match=r"CurrentPort\.unit: must be one of CurrentLIF, ConductanceLIF, AdEx"):
        CurrentPort(unit)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"substeps": 0}, r"LiRinzel\.substeps: must be a whole number in 1\.\.64, got 0"),
        ({"substeps": 2.0}, r"substeps: must be a whole number"),
        ({"substeps": True}, r"substeps: must be"),
        ({"ca_tot": 0.0}, r"ca_tot: must be > 0"),
        ({"kd_act": -1.0}, r"kd_act: must be > 0"),
        ({"tau_ip3": 7142.0}, r"tau_ip3: 7142.0 s is longer.*did you mean 7142e-3"),
        ({"tau_ip3": 0.0}, r"tau_ip3: must be > 0 s"),
        ({"delta_ip3": -1e-3}, r"delta_ip3: must be >= 0"),
        ({"ip3_0": -0.1}, r"ip3_0: must be >= 0"),
        ({"sic_threshold": -0.1}, r"sic_threshold: must be >= 0"),
        ({"rate_serca": float("nan")}, r"rate_serca: must be a finite number"),
        ({"convention": "brian2"}, r"convention: must be one of 'neurosim', 'nest'"),
    ],
)
def test_bad_parameters_are_refused(given, message):
    with pytest.raises(RangeError, match=message):
        LiRinzel(**given)
