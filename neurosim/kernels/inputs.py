"""Random and given input to a population, one step at a time."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from neurosim.kernels.philox import fill_uniform

TILE = 1024  # neurons whose random numbers are made at a time: they stay in the first-level cache
TAIL = 2.0**-33  # probability left out at either end: below the resolution of a 32-bit draw
UNROLLED = 32  # longest row of comparisons that is written out


def poisson_bounds(mean: float) -> tuple[int, NDArray[np.uint32]]:
    """How to draw from a Poisson law with a 32-bit number u: ``smallest + sum(u > bounds)``.

    The number of bounds is a multiple of 4, filled up with ones that nothing exceeds, so that nearly equal means share
    a kernel.
    """
    if mean <= 0:
        return 0, np.full(4, 2**32 - 1, np.uint32)
    top = int(mean + 12 * math.sqrt(mean) + 30)
    k = np.arange(top)
    logs = k * math.log(mean) - mean - np.array([math.lgamma(i + 1.0) for i in k])
    below = np.cumsum(np.exp(logs))
    used = below[(below > TAIL) & (below < 1 - TAIL)]
    smallest = int(np.searchsorted(below, TAIL, side="right"))
    bounds = np.minimum(np.ceil(used * 2.0**32) - 1, 2**32 - 1).astype(np.uint32)
    return smallest, np.concatenate([bounds, np.full(-len(bounds) % 4, 2**32 - 1, np.uint32)])


def poisson_source(bounds: int, dtype: str) -> str:
    """Source of ``poisson_<bounds>``: Poisson counts times a weight, by comparisons that are written out."""
    names = [f"k{i}" for i in range(bounds)]
    loads = ", ".join(f"bounds[{i}]" for i in range(bounds))
    total = " + ".join(f"(ONE if r > {k} else ZERO)" for k in names)
    return f"""
ONE, ZERO = np.{dtype}(1.0), np.{dtype}(0.0)


@njit(nogil=True, error_model="numpy")
def poisson_{bounds}(acc, u, smallest, bounds, weight, first, n, step, seed, stream):
    {", ".join(names)} = {loads}
    for a in range(0, n, TILE):
        m = min(TILE, n - a)
        fill_uniform(u, first + a, m, step, seed, stream)
        part = acc[a : a + m]
        for i in range(m):
            r = u[i]
            part[i] += weight * (smallest + {total})
"""


@njit(nogil=True, error_model="numpy")
def poisson_many(acc, u, smallest, bounds, weight, first, n, step, seed, stream):  # type: ignore[no-untyped-def]
    """Poisson counts times a weight, for means that ask for many comparisons."""
    counts = np.empty(TILE, acc.dtype)
    for a in range(0, n, TILE):
        m = min(TILE, n - a)
        fill_uniform(u, first + a, m, step, seed, stream)
        counts[:] = smallest
        for bound in bounds:
            for i in range(m):
                counts[i] += u[i] > bound
        for i in range(m):
            acc[a + i] += weight * counts[i]


@njit(nogil=True, error_model="numpy")
def poisson_each(acc, u, mean, weight, first, n, step, seed, stream):  # type: ignore[no-untyped-def]
    """Poisson counts times a weight, every neuron with its own mean, by adding up the law until it exceeds the draw."""
    for a in range(0, n, TILE):
        m = min(TILE, n - a)
        fill_uniform(u, first + a, m, step, seed, stream)
        for i in range(m):
            draw = (u[i] + 0.5) * 2.0**-32
            k, term = 0, math.exp(-mean[a + i])
            total = term
            while draw > total and term > 1e-300:
                k += 1
                term *= mean[a + i] / k
                total += term
            acc[a + i] += weight * k


@njit(nogil=True, error_model="numpy")
def flag_poisson(flags, u, chance, first, n, step, seed, stream):  # type: ignore[no-untyped-def]
    """Flag the neurons of a Poisson source that spike; chance: probability per step times 2**32, one or [n]."""
    for a in range(0, n, TILE):
        m = min(TILE, n - a)
        fill_uniform(u, first + a, m, step, seed, stream)
        if len(chance) == 1:
            for i in range(m):
                flags[a + i] = u[i] < chance[0]
        else:
            for i in range(m):
                flags[a + i] = u[i] < chance[a + i]


@njit(nogil=True)
def given_spikes(steps, neurons, cursor, step, out):  # type: ignore[no-untyped-def]
    """Copy the spikes that a source is to emit in this step; returns how many. cursor: [1], the next one."""
    k, found = cursor[0], 0
    while k < len(steps) and steps[k] == step:
        out[found] = neurons[k]
        found += 1
        k += 1
    cursor[0] = k
    return found


@njit(nogil=True)
def add_current(acc, value, n):  # type: ignore[no-untyped-def]
    """Add a given input: one value or [n]."""
    if len(value) == 1:
        for i in range(n):
            acc[i] += value[0]
    else:
        for i in range(n):
            acc[i] += value[i]
