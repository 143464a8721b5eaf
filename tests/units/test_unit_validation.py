"""Every bad parameter is refused where it is given, with advice."""

import inspect
import math

import numpy as np
import pytest

from neurosim import nn, units
from neurosim.errors import NeurosimError, RangeError
from neurosim.units import LIF, AdLIF, CubaLIF, Decay, Refractory


class Nonsense:
    """Nothing that any parameter could be."""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LIF(tau_mem=0.0), r"LIF\.tau_mem: must be > 0 s, got 0.0.*20 ms is 20e-3"),
        (lambda: LIF(tau_mem=-1e-3), "must be > 0 s"),
        (lambda: LIF(tau_mem=20.0), r"LIF\.tau_mem: 20\.0 s is longer.*did you mean 20e-3\?"),
        (lambda: AdLIF(tau_adapt=100.0), r"AdLIF\.tau_adapt.*did you mean 100e-3"),
        (lambda: LIF(tau_mem=math.nan), "must be a finite number, got nan"),
        (lambda: LIF(v_threshold=math.inf), r"LIF\.v_threshold: must be a finite number"),
        (lambda: LIF(v_threshold=True), "must be a finite number, got True"),
        (lambda: LIF(v_threshold=None), r"LIF\.v_threshold: must be a finite number, got None"),
        (lambda: LIF(v_threshold=Decay(0.5)), r"LIF\.v_threshold: must be a finite number"),
        (lambda: LIF(tau_mem="20ms"), r"LIF\.tau_mem: must be a finite number, got '20ms'"),
        (lambda: LIF(gain="leek"), "must be one of 'one', 'leak', got 'leek'. Did you mean 'leak'"),
        (lambda: LIF(discretisation="Euler"), "Did you mean 'euler'"),
        (lambda: CubaLIF(gain="two"), r"CubaLIF\.gain"),
        (lambda: Decay(1.5), r"Decay\.per_step: must be in 0\.\.1"),
        (lambda: Decay(math.nan), r"Decay\.per_step: must be a finite number"),
        (lambda: units.DelayedResetLIF(beta=-0.1), r"must be in 0\.\.1"),
        (lambda: Refractory(LIF(), 0.0), r"Refractory\.refractory: must be > 0 s"),
        (lambda: Refractory(LIF(), 20.0), "did you mean 20e-3"),
        (lambda: Refractory(units.LI()), "LI never spikes"),
        (lambda: Refractory(Refractory(LIF())), "already has a refractory period"),
        (lambda: Refractory(0.9), "must be a unit"),
        (lambda: units.SuperSpike(k=0.0), r"SuperSpike\.k: must be > 0"),
        (lambda: units.Boxcar(width=-1.0), r"Boxcar\.width"),
        (lambda: nn.Spiking(LIF(), dt=0.0), r"Spiking\.dt: must be > 0 s"),
        (lambda: nn.Spiking(LIF(), dt=25.0), r"Spiking\.dt.*did you mean 25e-3"),
        (lambda: nn.Spiking(LIF(discretisation="euler", tau_mem=5e-4)), "Euler step of 0.001 s overshoots"),
        (lambda: nn.Spiking(Refractory(LIF(), 4e-4)), "less than half a step of dt"),
        (lambda: nn.Spiking(LIF), "must be a unit such as units.LIF()"),
        (lambda: nn.Spiking(LIF(), surrogate=units.SuperSpike), "must be one such as units.SuperSpike()"),
    ],
)
def test_bad_parameters_are_refused_with_advice(make, message):
    with pytest.raises(RangeError, match=message):
        make()


WRAPPED = {Refractory: {"unit": LIF()}}
EVERY_ARGUMENT = [
    (kind, name)
    for kind in (*units.ALL, Refractory, Decay, *units.SURROGATES)
    for name in inspect.signature(kind).parameters
] + [(nn.Spiking, n) for n in ("unit", "dt", "surrogate", "learn", "shape", "output", "detach_reset")]


@pytest.mark.parametrize(("kind", "name"), EVERY_ARGUMENT, ids=lambda v: getattr(v, "__name__", v))
def test_nonsense_is_refused_for_every_argument(kind, name):
    required = {nn.Spiking: {"unit": LIF(), "learn": ("tau_mem",)}, Refractory: {"unit": LIF()}}.get(kind, {})
    with pytest.raises((NeurosimError, TypeError)):
        kind(**{**required, name: Nonsense()})


@pytest.mark.parametrize("unit", [kind() for kind in units.ALL], ids=lambda u: type(u).__name__)
def test_repr_shows_parameters_and_contract(unit):
    assert repr(unit).startswith(type(unit).__name__ + "(")
    assert repr(unit).endswith(f"# {unit.contract}")


@pytest.mark.parametrize(
    ("unit", "contract"),
    [
        (LIF(), "exact, gain one, reset subtract (same step), refractory 0 s, spike if u > 0"),
        (LIF(discretisation="euler", gain="leak", v_reset=0.0), "euler, gain leak, reset to value (same step), "),
        (LIF(tau_mem=Decay(0.9)), "direct decay, gain one"),
        (Refractory(LIF(), 3e-3), "refractory 0.003 s"),
        (units.DelayedResetLIF(), "reset subtract (next step)"),
        (units.LI(), "reset none (never)"),
    ],
)
def test_the_contract_follows_the_parameters(unit, contract):
    assert contract in str(unit.contract)


@pytest.mark.parametrize("dt", [1e-4, 1e-3, 5e-3])
def test_coefficients_follow_the_time_step(dt):
    assert LIF(tau_mem=20e-3).coefficients(dt)[0] == math.exp(-dt / 20e-3)
    assert LIF(tau_mem=20e-3, discretisation="euler").coefficients(dt)[0] == 1 - dt / 20e-3
    assert LIF(tau_mem=Decay(0.9)).coefficients(dt)[0] == 0.9
    assert Refractory(LIF(), 10e-3).coefficients(dt)[-1] == round(10e-3 / dt)
    assert units.Izhikevich().coefficients(dt)[0] == pytest.approx(dt * 1e3)


def test_two_exact_steps_are_one_step_of_twice_the_length():
    for unit in (LIF(v_threshold=1e9), CubaLIF(gain="leak", v_threshold=1e9)):
        s = tuple(0.3 + 0.1 * i for i in range(len(unit.state)))
        half, whole = unit.coefficients(1e-3), unit.coefficients(2e-3)
        twice = unit.step(unit.step(s, (0.0,), half)[0], (0.0,), half)[0]
        np.testing.assert_allclose(twice, unit.step(s, (0.0,), whole)[0], rtol=1e-12)


def test_units_are_values():
    assert LIF(tau_mem=10e-3) == LIF(tau_mem=10e-3)
    assert len({LIF(), LIF(), LIF(v_threshold=2.0)}) == 2
    with pytest.raises(AttributeError):
        LIF().tau_mem = 1.0
