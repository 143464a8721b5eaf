"""E0 for every unit: the kernels derived from it do what its own functions say."""

import math
from dataclasses import dataclass
from typing import ClassVar

import pytest
from helper_functions import leak

from neurosim import testing, units
from neurosim.units import LIF, SURROGATES, AdLIF, AstroLIF, CubaLIF, Decay, Izhikevich, PlateauLIF, Refractory, Unit
from neurosim.units.ops import exp, maximum, where


@dataclass(frozen=True)
class Clipped(Unit):
    """A user's unit: number literals, `where`, combined conditions, a cap."""

    v_threshold: float = 1.0
    state: ClassVar = ("v",)
    coeffs: ClassVar = ("theta",)

    def coefficients(self, dt, exp=math.exp):
        return (self.v_threshold,)

    def step(self, s, x, c):
        (v,), (x_in,), (theta,) = s, x, c
        v = where(v > 0.3, 0.9 * v, 0.95 * v) + 0.25 * x_in + where((v < 0) & ~(v == -2.0), 0.01, 0.0 * v)
        v = maximum(v, -2.0)
        return (v,), v - theta

    def reset(self, s, z, c):
        return (s[0] * (1.0 - 0.8 * z),)


@dataclass(frozen=True)
class Shunting(Unit):
    """A user's unit with two ports: inhibition divides."""

    tau_mem: float = 20e-3
    ports: ClassVar = ("exc", "inh")
    state: ClassVar = ("v", "g")
    coeffs: ClassVar = ("decay",)

    def coefficients(self, dt, exp=math.exp):
        return (exp(-dt / self.tau_mem),)

    def step(self, s, x, c):
        (v, g), (exc, inh), (decay,) = s, x, c
        g = decay * g + 0.01 * abs(inh)
        v = decay * v + exc / (1.0 + g * g)
        return (v, g), v - 1.0

    def reset(self, s, z, c):
        return s[0] - z, s[1]


@dataclass(frozen=True)
class Helped(Unit):
    """A user's unit that calls a function of another file."""

    state: ClassVar = ("v",)
    coeffs: ClassVar = ("decay",)

    def coefficients(self, dt, exp=math.exp):
        return (0.9,)

    def step(self, s, x, c):
        v = leak(s[0], c[0]) + x[0]
        return (v,), v - 0.8

    def reset(self, s, z, c):
        return (s[0] - 0.8 * z,)

    def quiet(self, s, c):
        return s[0] <= 0.8


@dataclass(frozen=True)
class Exponential(Unit):
    """A user's unit with a spike-initiation current, exp(v) in its step."""

    state: ClassVar = ("v",)
    coeffs: ClassVar = ("decay",)

    def coefficients(self, dt, exp=math.exp):
        return (0.9,)

    def step(self, s, x, c):
        v = c[0] * s[0] + 0.02 * exp(minus_one(s[0])) + x[0]
        return (v,), v - 1.0

    def reset(self, s, z, c):
        return (s[0] * (1.0 - z),)


def minus_one(v):
    return where(v > 2.0, 1.0 + 0.0 * v, v - 1.0)


BUILT_IN = [u() for u in units.ALL]
WITH_OTHER_CODE = [LIF(v_reset=-0.1), Refractory(LIF()), PlateauLIF(), PlateauLIF(branches=2, boost=0.4)]
WITH_OTHER_NUMBERS = [
    LIF(tau_mem=10e-3, discretisation="euler", gain="leak", v_leak=-0.2), LIF(tau_mem=Decay(0.8)),
    CubaLIF(gain="leak"), CubaLIF(tau_syn=20e-3, gain="leak"), AdLIF(a=-0.5, gain="one"),
]  # fmt: skip
ASTROCYTES = [
    AstroLIF(ka=0.2, kg=0.5), AstroLIF(ka=0.3, kt=0.1, a_pre=0.5, v_reset=None, mode="additive+threshold"),
]  # fmt: skip
MORE_ASTROCYTES = [
    AstroLIF(kg=-0.5, mode="gain"), AstroLIF(kt=0.2, mode="threshold", v_reset=-0.2), Refractory(AstroLIF(ka=0.5)),
    AstroLIF(lam=0.9, beta=0.9, ka=0.5, mode="additive"), AstroLIF(lam=0.5, beta=0.95, ka=-0.5, kg=2.0, a_pre=-1.0),
]  # fmt: skip
USERS = [Clipped(), Shunting(), Helped()]
SLOW = [Refractory(AdLIF()), Refractory(Izhikevich()), CubaLIF(v_reset=0.0), Exponential(), *MORE_ASTROCYTES]
VARIANTS = [*BUILT_IN, *WITH_OTHER_CODE, *WITH_OTHER_NUMBERS, *ASTROCYTES, *USERS]


def named(variants, marks=()):
    return [pytest.param(u, id=repr(u).split("  #")[0], marks=marks) for u in variants]


every_unit = pytest.mark.parametrize("unit", named(VARIANTS) + named(SLOW, pytest.mark.slow))


@every_unit
def test_declarations_agree_and_repr_shows_the_contract(unit):
    testing.check_declaration(unit)


@every_unit
def test_e0_fused_forward_equals_reference_bit_for_bit(unit):
    testing.check_forward(unit)


@every_unit
def test_adjoint_equals_float64_autograd(unit):
    testing.check_adjoint(unit)


@pytest.mark.parametrize("surrogate", [s() for s in SURROGATES], ids=lambda s: type(s).__name__)
def test_adjoint_equals_autograd_for_every_surrogate(surrogate):
    testing.check_adjoint(LIF(), surrogate=surrogate, detach_reset=True)


@pytest.mark.parametrize("unit", named([LIF(v_reset=-0.1), Refractory(LIF())]))
def test_adjoint_of_the_membrane_equals_autograd_with_detached_reset(unit):
    testing.check_adjoint(unit, surrogate=units.Triangle(), detach_reset=True, output="v")


@pytest.mark.slow
@pytest.mark.parametrize("output", ["spikes", "v"])
@pytest.mark.parametrize("detach_reset", [False, True])
@pytest.mark.parametrize("surrogate", [s() for s in SURROGATES], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("unit", named(v for v in [*VARIANTS, *SLOW] if v.output == "spikes"))
def test_adjoint_equals_autograd_in_every_combination(unit, surrogate, detach_reset, output):
    if output == "v" and "v" not in unit.state:
        pytest.fail("every unit here has a membrane v")
    testing.check_adjoint(unit, surrogate=surrogate, detach_reset=detach_reset, output=output)


RECURRENT = [LIF(), Refractory(LIF())]


@pytest.mark.parametrize(
    "unit", named(RECURRENT) + named([u for u in [*VARIANTS, *SLOW] if u not in RECURRENT], pytest.mark.slow)
)
def test_e0_recurrent_layer_equals_a_loop(unit):
    testing.check_recurrent(unit)


@every_unit
def test_no_variable_leaves_float32(unit):
    testing.check_float32(unit)


@every_unit
def test_a_quiet_state_never_spikes_without_input(unit):
    testing.check_quiet(unit)


# The checks themselves find what they are for: each unit below breaks one promise.


@dataclass(frozen=True)
class NeverQuiet(Helped):
    """Says it is quiet although it drifts up."""

    def step(self, s, x, c):
        v = s[0] + x[0] + 0.01
        return (v,), v - 0.8


@dataclass(frozen=True)
class Deaf(Helped):
    """Never fires."""

    def step(self, s, x, c):
        return s, 0.0 * s[0] - 1.0


@dataclass(frozen=True)
class TooLong(Helped):
    """Returns one coefficient too many."""

    def coefficients(self, dt, exp=math.exp):
        return 0.9, 0.1


def test_check_quiet_finds_a_unit_that_fires_without_input():
    with pytest.raises(AssertionError, match=r"NeverQuiet\.quiet: accepts"):
        testing.check_quiet(NeverQuiet())


def test_check_forward_refuses_a_unit_that_never_fires():
    with pytest.raises(AssertionError, match="Deaf: does not fire"):
        testing.check_forward(Deaf())


def test_check_unit_reports_the_first_broken_promise():
    with pytest.raises(AssertionError, match=r"TooLong: coefficients\(\) and coeffs differ"):
        testing.check_unit(TooLong())


def test_check_forward_notices_another_kernel(monkeypatch):
    wrong = testing.trace(LIF(v_reset=0.5), units.SuperSpike())
    monkeypatch.setattr(testing, "_program", lambda unit: wrong)
    with pytest.raises(AssertionError, match="LIF: output"):
        testing.check_forward(LIF())


def test_check_adjoint_notices_another_surrogate(monkeypatch):
    real = testing.trace
    monkeypatch.setattr(testing, "trace", lambda unit, s, *rest: real(unit, units.Boxcar(), *rest))
    with pytest.raises(AssertionError, match="LIF: gradient of x"):
        testing.check_adjoint(LIF(), surrogate=units.Triangle(width=0.5))
