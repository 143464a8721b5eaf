"""The units for simulation: kernels, gradients, arrays of parameters, bad parameters."""

import inspect
import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from neurosim import nn, testing
from neurosim.errors import NeurosimError, RangeError
from neurosim.kernels.trace import trace
from neurosim.units import SIMULATION, AdEx, ConductanceLIF, CurrentLIF, HodgkinHuxley, SuperSpike, Unit
from neurosim.units.conventions import CONVENTIONS

DT = 1e-4
SYNAPSES = ("delta", "exponential", "alpha")


def ids(unit):
    return repr(unit).split("  #")[0]


@dataclass(frozen=True)
class Positive(Unit):
    """A unit whose input is made positive, as conductances are."""

    unit: Unit

    def __post_init__(self):
        pass

    ports, state, coeffs, contract = (
        property(lambda self, n=n: getattr(self.unit, n)) for n in ("ports", "state", "coeffs", "contract")
    )

    def initial(self):
        return self.unit.initial()

    def coefficients(self, dt, exp=math.exp):
        return self.unit.coefficients(dt, exp)

    def step(self, s, x, c):
        return self.unit.step(s, tuple(abs(x_) for x_ in x), c)

    def reset(self, s, z, c):
        return self.unit.reset(s, z, c)


VARIANTS = [
    CurrentLIF("delta", refractory=2e-3, convention="nest"),
    CurrentLIF("exponential"),
    CurrentLIF("alpha", refractory=2e-3, convention="brian2", v_reset=None),
    Positive(ConductanceLIF()),
    AdEx(method="exponential_euler", i_const=1000.0),
    Positive(HodgkinHuxley(i_const=1000.0)),
]
SLOW = [
    *(CurrentLIF(s, refractory=2e-3, convention=c) for s, c in itertools.product(SYNAPSES, CONVENTIONS)),
    Positive(ConductanceLIF("alpha", refractory=0.0, convention="nest")),
    # a low peak: higher up, Runge-Kutta magnifies a rounding error
    AdEx(i_const=1000.0, refractory=2e-3, v_peak=-40.0),
    AdEx("exponential", i_const=1000.0, convention="nest", v_peak=-40.0),
    AdEx("exponential", "exponential_euler", i_const=1000.0, convention="brian2"),
    Positive(HodgkinHuxley("alpha", i_const=1000.0, convention="nest")),
]
every = pytest.mark.parametrize("unit", VARIANTS + [pytest.param(u, marks=pytest.mark.slow) for u in SLOW], ids=ids)


@pytest.mark.parametrize("unit", [*VARIANTS, *SLOW], ids=ids)
def test_declarations_agree_and_quiet_is_true(unit):
    testing.check_declaration(unit)
    if isinstance(unit, CurrentLIF):  # the others never say so
        testing.check_quiet(unit)


@every
def test_the_fused_forward_pass_equals_the_reference(unit):
    testing.check_forward(unit, dt=5e-4)


@every
def test_the_adjoint_equals_autograd(unit):
    testing.check_adjoint(unit, dt=5e-4)


@every
def test_nothing_leaves_float32(unit):
    testing.check_float32(unit)


@pytest.mark.parametrize("name", ["tau_mem", "tau_exc", "r_mem", "i_const"])
@pytest.mark.parametrize("synapse", ["exponential", "alpha"])
def test_parameters_train_with_the_gradient_of_a_finite_difference(synapse, name):
    unit = CurrentLIF(synapse, tau_mem=10e-3, tau_exc=10e-3, v_threshold=1e3)
    x = torch.rand(50, 1, 1, dtype=torch.float64)
    layer = nn.Spiking(unit, learn=(name,), output="v", detach_reset=True).double()
    raw = getattr(layer, f"raw_{name}")

    def total(shift):
        with torch.no_grad():
            raw.add_(shift)
            y = layer((x, -0.5 * x))[0].sum().item()
            raw.sub_(shift)
        return y

    layer((x, -0.5 * x))[0].sum().backward()
    assert raw.grad.item() == pytest.approx((total(1e-5) - total(-1e-5)) / 2e-5, rel=1e-6)
    assert raw.grad.item() != 0


def test_a_refractory_period_does_not_train():
    with pytest.raises(RangeError, match=r"refractory: is a whole number of steps, so it has no gradient"):
        nn.Spiking(CurrentLIF(refractory=2e-3), learn=("refractory",))(
            (torch.zeros(3, 1, 1), torch.zeros(3, 1, 1)),
        )


def test_parameters_may_be_arrays_over_neurons():
    many = np.array([5e-3, 10e-3, 20e-3])
    for kind, name in ((CurrentLIF, "tau_exc"), (ConductanceLIF, "tau_inh"), (AdEx, "tau_adapt")):
        unit = kind(refractory=2e-3).with_values(**{name: many, "refractory": np.array([0.0, 2e-3, 3e-3])})
        c = unit.coefficients(DT, np.exp)
        for j in range(3):
            one = kind(**{name: float(many[j])}, refractory=2e-3).coefficients(DT)[:-1]
            np.testing.assert_allclose([np.broadcast_to(n, 3)[j] for n in c[:-1]], one, rtol=1e-14)
        np.testing.assert_array_equal(c[-1], [0.0, 20.0, 30.0])


# Bad parameters


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CurrentLIF("exponentail"), r"CurrentLIF\.synapse: must be one of.*Did you mean 'exponential'"),
        (lambda: CurrentLIF(convention="brian"), r"CurrentLIF\.convention.*Did you mean 'brian2'"),
        (lambda: CurrentLIF(r_mem=0.0), r"CurrentLIF\.r_mem: must be > 0"),
        (lambda: CurrentLIF(tau_exc=5.0e1), "did you mean 50e-3"),
        (lambda: CurrentLIF(refractory=-1e-3), r"CurrentLIF\.refractory: must be > 0 s"),
        (lambda: CurrentLIF(refractory=20.0), r"CurrentLIF\.refractory.*did you mean 20e-3"),
        (lambda: CurrentLIF(v_reset=1.0), r"CurrentLIF\.v_reset: must be below v_threshold = 1, got 1"),
        (lambda: CurrentLIF(refractory=4e-5).coefficients(DT), "4e-05 s is less than half a step of dt = 0.0001 s"),
        (lambda: ConductanceLIF("delta"), r"ConductanceLIF\.synapse"),
        (lambda: ConductanceLIF(c_mem=200e-12), r"c_mem: 2e-10 pF is no neuron; capacitances are in pF"),
        (lambda: ConductanceLIF(g_leak=-1.0), r"ConductanceLIF\.g_leak: must be > 0"),
        (lambda: ConductanceLIF(v_reset=None), "must be a finite number, got None"),
        (lambda: AdEx("alpha"), r"AdEx\.synapse: must be one of 'none', 'exponential'"),
        (lambda: AdEx(method="rk45"), r"AdEx\.method.*Did you mean 'rk4'"),
        (lambda: AdEx(slope=0.0), r"AdEx\.slope: must be > 0"),
        (lambda: AdEx(slope=0.5), r"AdEx\.v_peak: must lie at most 60 slopes above v_threshold = -50.4.*got 20"),
        (lambda: AdEx(v_reset=20.0), r"AdEx\.v_reset: must be below v_peak"),
        (lambda: HodgkinHuxley(convention="neuron"), r"HodgkinHuxley\.convention"),
        (lambda: HodgkinHuxley(g_na=0.0), r"HodgkinHuxley\.g_na: must be > 0"),
        (lambda: HodgkinHuxley(c_mem=0.0), r"HodgkinHuxley\.c_mem: must be > 0"),
        (lambda: HodgkinHuxley("delta"), r"HodgkinHuxley\.synapse"),
    ],
)
def test_bad_parameters_are_refused_with_advice(make, message):
    with pytest.raises(RangeError, match=message):
        make()


class Nonsense:
    """Nothing that any parameter could be."""


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in SIMULATION for name in inspect.signature(kind).parameters],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_nonsense_is_refused_for_every_argument(kind, name):
    with pytest.raises((NeurosimError, TypeError)):
        kind(**{name: Nonsense()})


@pytest.mark.parametrize("kind", SIMULATION, ids=lambda kind: kind.__name__)
def test_repr_shows_parameters_and_contract(kind):
    assert repr(kind()).startswith(kind.__name__ + "(")
    assert repr(kind()).endswith(f"# {kind().contract}")
    trace(kind(), SuperSpike(), kind().output)


@pytest.mark.parametrize(
    ("unit", "contract"),
    [
        (CurrentLIF(), "exact, gain propagator, reset to value (same step), refractory 0 s, spike if v > v_threshold"),
        (CurrentLIF("delta", v_reset=None, convention="nest"), "exact, gain one, reset subtract (same step), "),
        (CurrentLIF(convention="nest", refractory=2e-3), "refractory 0.002 s, spike if v >= v_threshold"),
        (AdEx(method="exponential_euler"), "exponential euler, gain dt / c_mem, reset to value, w += b (same step)"),
        (HodgkinHuxley(), "reset none (never), refractory 0 s, spike if v > v_threshold and was not"),
    ],
)
def test_the_contract_follows_the_parameters(unit, contract):
    assert contract in str(unit.contract)
