"""What a kernel template is written against: here LIF in float32, as an example that can be read and run.

`instantiate` replaces this module by one generated from a `Program`: scalar functions of the unit, its adjoint, and
moves between scalars and rows of a block's workspace. A row holds one quantity of ``BLOCK`` neighbouring neurons, so
that inner loops run over contiguous memory at constant distances and vectorise.
"""

import math  # noqa: F401  (generated functions may use it)

import numpy as np
from numba import njit

FLOAT = np.float32
BLOCK = 512
STATES, COEFFS, PORTS, PARAMETERS = 1, 5, 1, 1
SPIKING, OUTPUT = True, -1


@njit
def step(s0, x0, c0, c1, c2, c3, c4):  # type: ignore[no-untyped-def]
    t0 = c0 * s0
    t1 = c1 * x0
    t2 = t0 + t1
    t3 = t2 + c2
    t4 = t3 - c3
    return (t3, t4)


@njit
def reset(s0, z, c0, c1, c2, c3, c4):  # type: ignore[no-untyped-def]
    t0 = z * c3
    t1 = s0 - t0
    return (t1,)


@njit
def slope(u, k0):  # type: ignore[no-untyped-def]
    t0 = abs(u)
    t1 = k0 * t0
    t2 = FLOAT(1.0) + t1
    t3 = t2 * t2
    t4 = FLOAT(1.0) / t3
    return (t4,)


@njit
def adjoint(s0, x0, c0, c1, c2, c3, c4, g0, gz, h, z):  # type: ignore[no-untyped-def]
    gu = h * (-c3 * g0 + gz)
    gp0 = g0
    return (
        c0 * gp0 + c0 * gu, c1 * gp0 + c1 * gu, gp0 * s0 + gu * s0, gp0 * x0 + gu * x0, gp0 + gu, -g0 * z - gu,
        FLOAT(0.0),
    )  # fmt: skip


@njit
def advance(w, x, i):  # type: ignore[no-untyped-def]
    """One step of neuron ``i`` of a block: updates its state rows; returns the layer's output."""
    t0, u = step(w[i], x[0][i], w[BLOCK + i], w[2 * BLOCK + i], w[3 * BLOCK + i], w[4 * BLOCK + i], w[5 * BLOCK + i])
    z = FLOAT(1.0) if u > FLOAT(0.0) else FLOAT(0.0)
    (w[i],) = reset(t0, z, w[BLOCK + i], w[2 * BLOCK + i], w[3 * BLOCK + i], w[4 * BLOCK + i], w[5 * BLOCK + i])
    return z


@njit
def retreat(w, past, x, gx, gy, k, i):  # type: ignore[no-untyped-def]
    """The adjoint of `advance`: ``past`` holds the state before the step; updates the rows of g and of gc."""
    c0, c1, c2, c3, c4 = w[BLOCK + i], w[2 * BLOCK + i], w[3 * BLOCK + i], w[4 * BLOCK + i], w[5 * BLOCK + i]
    _, u = step(past[i], x[0][i], c0, c1, c2, c3, c4)
    z = FLOAT(1.0) if u > FLOAT(0.0) else FLOAT(0.0)
    (h,) = slope(u, k[0])
    w[6 * BLOCK + i], gx[0][i], a0, a1, a2, a3, a4 = adjoint(
        past[i], x[0][i], c0, c1, c2, c3, c4, w[6 * BLOCK + i], gy[i], h, z
    )
    w[7 * BLOCK + i] += a0
    w[8 * BLOCK + i] += a1
    w[9 * BLOCK + i] += a2
    w[10 * BLOCK + i] += a3
    w[11 * BLOCK + i] += a4
