"""Surrogate slopes: published values, area, symmetry; one body for every library."""

import math

import numpy as np
import pytest
import torch

from neurosim import units
from neurosim.units import ops

KINDS = [units.SuperSpike(), units.Arctan(), units.Triangle(), units.Boxcar(), units.Sigmoid()]
every_surrogate = pytest.mark.parametrize("surrogate", KINDS, ids=lambda s: type(s).__name__)


def slope(surrogate, u):
    return surrogate.slope(u, surrogate.parameters())


@pytest.mark.parametrize(
    ("surrogate", "u", "value"),
    [
        (units.SuperSpike(10.0), 0.0, 1.0),
        (units.SuperSpike(10.0), -0.1, 0.25),
        (units.Arctan(2.0), 0.0, 1.0),
        (units.Arctan(2.0), 1 / math.pi, 0.5),
        (units.Triangle(0.5), 0.25, 1.0),
        (units.Triangle(0.5), 0.6, 0.0),
        (units.Boxcar(0.25), 0.2, 2.0),
        (units.Boxcar(0.25), 0.25, 0.0),
        (units.Sigmoid(4.0), 0.0, 1.0),
    ],
)
def test_slopes_have_their_published_values(surrogate, u, value):
    assert slope(surrogate, u) == pytest.approx(value)


@every_surrogate
def test_slopes_are_even_and_largest_at_threshold(surrogate):
    u = np.linspace(-5, 5, 1001)
    h = slope(surrogate, u)
    np.testing.assert_array_equal(h, slope(surrogate, -u))
    assert h.max() == slope(surrogate, np.zeros(1))[0]


@pytest.mark.parametrize("surrogate", KINDS[1:], ids=lambda s: type(s).__name__)
def test_slopes_integrate_to_one(surrogate):
    u = np.linspace(-2000, 2000, 4_000_001)
    assert np.trapezoid(slope(surrogate, u), u) == pytest.approx(1, abs=2e-3)


@every_surrogate
@pytest.mark.parametrize("u", [1e4, -1e30])
def test_slopes_vanish_far_away_without_overflow(surrogate, u):
    with np.errstate(over="ignore"):
        assert 0 <= slope(surrogate, np.float32([u]))[0] < 1e-6


@every_surrogate
def test_one_body_serves_floats_numpy_and_torch(surrogate):
    u = np.linspace(-1.3, 1.3, 27)
    want = np.array([slope(surrogate, float(v)) for v in u])
    np.testing.assert_allclose(slope(surrogate, u), want, rtol=1e-14)
    k = tuple(torch.tensor(v, dtype=torch.float64) for v in surrogate.parameters())
    np.testing.assert_allclose(surrogate.slope(torch.from_numpy(u), k).numpy(), want, rtol=1e-14)


def test_functions_of_ops_work_on_every_library():
    import sympy

    for x in (2.0, np.array(2.0), torch.tensor(2.0, dtype=torch.float64), sympy.Integer(2)):
        assert float(ops.exp(x)) == pytest.approx(math.exp(2))
        assert float(ops.log(x)) == pytest.approx(math.log(2))
        assert float(ops.sqrt(x)) == pytest.approx(math.sqrt(2))
        assert float(ops.minimum(x, x + 1)) == 2
        assert float(ops.maximum(x, x + 1)) == 3
        assert float(ops.where(x > 1, x, x - 1)) == 2
