"""What a kernel template is written against: here LIF in float32, as an example that can be read and run.

`instantiate` replaces this module by one generated from a `Program`: scalar functions of the unit, its adjoint, and
moves between scalars and rows of a block's workspace. A row holds one quantity of ``BLOCK`` neighbouring neurons, so
that inner loops run over contiguous memory at constant distances and vectorise.
"""

import math  # noqa: F401  (generated functions may use it)

import numpy as np
from numba import njit

from neurosim.kernels.exponential import exp  # noqa: F401  (likewise)

FLOAT = np.float32
BLOCK = 2048
STATES, COEFFS, PORTS, ROWS = 1, 5, 1, 16
SPIKING, OUTPUT, LEARN = True, -1, True


@njit(forceinline=True)
def step(s0, x0, c0, c1, c2, c3, c4):  # type: ignore[no-untyped-def]
    t0 = c0 * s0
    t1 = c1 * x0
    t2 = t0 + t1
    t3 = t2 + c2
    t4 = t3 - c3
    return (
        t3,
        t4,
    )


@njit(forceinline=True)
def reset(s0, z, c0, c1, c2, c3, c4):  # type: ignore[no-untyped-def]
    t0 = z * c3
    t1 = s0 - t0
    return (t1,)


@njit(forceinline=True)
def rows(x, t, a, b):  # type: ignore[no-untyped-def]
    return (x[0][t, a:b],)


@njit(forceinline=True)
def parts(x, a, b):  # type: ignore[no-untyped-def]
    return (x[0][a:b],)


@njit(forceinline=True)
def scalars(c):  # type: ignore[no-untyped-def]
    return (c[0, 0], c[1, 0], c[2, 0], c[3, 0], c[4, 0])


@njit(forceinline=True)
def advance(w, c, x, i):  # type: ignore[no-untyped-def]
    (p0, u) = step(w[0 * BLOCK + i], x[0][i], c[0], c[1], c[2], c[3], c[4])
    z = FLOAT(1.0) if u > FLOAT(0.0) else FLOAT(0.0)
    (w[0 * BLOCK + i],) = reset(p0, z, c[0], c[1], c[2], c[3], c[4])
    return z


@njit(forceinline=True)
def fire(w, c, x, i):  # type: ignore[no-untyped-def]
    (p0, u) = step(w[0 * BLOCK + i], x[0][i], c[0], c[1], c[2], c[3], c[4])
    z = FLOAT(1.0) if u > FLOAT(0.0) else FLOAT(0.0)
    (w[0 * BLOCK + i],) = reset(p0, z, c[0], c[1], c[2], c[3], c[4])
    return u > FLOAT(0.0)


@njit(forceinline=True)
def slope(u, k0):  # type: ignore[no-untyped-def]
    t0 = abs(u)
    t1 = k0 * t0
    t2 = FLOAT(1.0) + t1
    t3 = t2 * t2
    t4 = FLOAT(1.0) / t3
    return (t4,)


@njit(forceinline=True)
def adjoint(s0, x0, c0, c1, c2, c3, c4, g0, gz, h, z):  # type: ignore[no-untyped-def]
    gu = h * (-c3 * g0 + gz)
    gp0 = g0
    return (
        c0 * gp0 + c0 * gu,
        c1 * gp0 + c1 * gu,
        gp0 * s0 + gu * s0,
        gp0 * x0 + gu * x0,
        gp0 + gu,
        -g0 * z - gu,
        FLOAT(0.0),
    )


@njit(forceinline=True)
def parameters(k):  # type: ignore[no-untyped-def]
    return (k[0],)


@njit(forceinline=True)
def load(w, past, x, gy, n):  # type: ignore[no-untyped-def]
    for i in range(n):
        w[13 * BLOCK + i] = x[0][i]
    for i in range(n):
        w[12 * BLOCK + i] = past[0 * BLOCK + i]
    for i in range(n):
        w[15 * BLOCK + i] = gy[i]


@njit(forceinline=True)
def retreat(w, c, k, i):  # type: ignore[no-untyped-def]
    (c0, c1, c2, c3, c4) = (c[0], c[1], c[2], c[3], c[4])
    (g0,) = (w[6 * BLOCK + i],)
    u = step(w[12 * BLOCK + i], w[13 * BLOCK + i], c0, c1, c2, c3, c4)[1]
    z = FLOAT(1.0) if u > FLOAT(0.0) else FLOAT(0.0)
    (h,) = slope(u, k[0])
    (w[6 * BLOCK + i], w[14 * BLOCK + i], a0, a1, a2, a3, a4) = adjoint(
        w[12 * BLOCK + i], w[13 * BLOCK + i], c0, c1, c2, c3, c4, g0, w[15 * BLOCK + i], h, z
    )
    w[7 * BLOCK + i] += a0
    w[8 * BLOCK + i] += a1
    w[9 * BLOCK + i] += a2
    w[10 * BLOCK + i] += a3
    w[11 * BLOCK + i] += a4


@njit(forceinline=True)
def store(w, gx, n):  # type: ignore[no-untyped-def]
    for i in range(n):
        gx[0][i] = w[14 * BLOCK + i]
