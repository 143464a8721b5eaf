"""The kernels' own exponential against one of higher precision."""

import numpy as np
import pytest
from numba import njit

from neurosim.kernels.exponential import exp


@njit(error_model="numpy")
def each(x, y):
    for i in range(len(x)):
        y[i] = exp(x[i])


@pytest.mark.parametrize(("dtype", "low", "high"), [(np.float32, -110, 95), (np.float64, -760, 720)])
def test_it_is_within_one_unit_in_the_last_place_wherever_the_result_is_normal(dtype, low, high):
    x = np.linspace(low, high, 400_001).astype(dtype)
    y = np.empty_like(x)
    each(x, y)
    with np.errstate(over="ignore"):
        want = np.exp(x.astype(np.longdouble))
        rounded = want.astype(dtype)
    normal = np.isfinite(rounded) & (rounded > np.finfo(dtype).tiny)
    assert float((np.abs(y - want) / np.spacing(rounded))[normal].max()) <= 1.0
    assert np.array_equal(np.isinf(y), np.isinf(rounded))
    assert (y[rounded == 0] <= np.finfo(dtype).tiny).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zero_infinities_and_nan(dtype):
    x = np.array([0.0, np.inf, -np.inf, np.nan], dtype)
    y = np.empty_like(x)
    each(x, y)
    assert y[0] == 1.0 and y[1] == np.inf and y[2] == 0.0 and np.isnan(y[3])
