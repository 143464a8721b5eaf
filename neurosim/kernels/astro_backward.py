"""Template: fused backward pass of a layer of neurons whose astrocytes have domains.

States are recomputed from marked ones, a chunk of steps at a time, and the chunk is walked back.
"""

import numpy as np
from numba import njit

from neurosim.kernels.coefficients import spread
from neurosim.kernels.denormals import flush_denormals, restore_denormals
from neurosim.kernels.model import (
    BLOCK,
    COEFFS,
    FLOAT,
    ROWS,
    STATES,
    advance,
    load,
    parameters,
    retreat,
    scalars,
    store,
)
from neurosim.kernels.recurrence import gather, mix, pool, scatter, unmix


@njit(nogil=True, error_model="numpy", forceinline=True)
def put(rows, values, w, first, a, n):  # type: ignore[no-untyped-def]
    """Copy ``values[:rows, a : a + n]`` to the rows of the workspace from ``first`` on."""
    for k in range(rows):
        for i in range(n):
            w[(first + k) * BLOCK + i] = values[k, a + i]


@njit(nogil=True, error_model="numpy", forceinline=True)
def take(rows, values, w, first, a, n):  # type: ignore[no-untyped-def]
    """Copy rows of the workspace back."""
    for k in range(rows):
        for i in range(n):
            values[k, a + i] = w[(first + k) * BLOCK + i]


@njit(nogil=True, cache=True, error_model="numpy")
def backward(  # type: ignore[no-untyped-def]
    x, drive, weight, weight_t, member, share, part, matrix, c, marks, gy, k, gs, gx, gdrive, gc, chunk, first, last
):
    """Pull ``gy`` back through batch rows ``first .. last``.

    gs: [STATES + 1, B, N], dL/d(end) in, dL/d(start) out. gx, gdrive: as x and drive. gc: [COEFFS, B, N], or
    [COEFFS, B, N] of zeros when nothing learns. The rest as in the forward pass; weight_t is [N targets, N sources].
    """
    mode = flush_denormals()
    steps, size = gy.shape[0], gy.shape[2]
    fixed, slope_parameters = scalars(c), parameters(k)
    coefficients, w = np.empty((COEFFS, size), FLOAT), np.zeros(ROWS * BLOCK, FLOAT)
    for j in range(COEFFS):
        spread(c[j], 0, coefficients[j])
    state, g, g_coefficients = (
        np.empty((STATES, size), FLOAT),
        np.empty((STATES, size), FLOAT),
        np.empty((COEFFS, size), FLOAT),
    )
    past = np.empty((chunk, STATES, size), FLOAT)
    currents, astros = np.empty((chunk, size), FLOAT), np.empty((chunk, size), FLOAT)
    z, g_spike, g_out, g_astro = (
        np.empty(size, FLOAT),
        np.zeros(size, FLOAT),
        np.empty(size, FLOAT),
        np.empty(size, FLOAT),
    )
    pooled, out = np.empty(len(share), FLOAT), np.empty(len(share), FLOAT)
    for row in range(first, last):
        g[:, :] = gs[:STATES, row]
        g_spike[:] = gs[STATES, row]
        g_coefficients[:, :] = FLOAT(0.0)
        for mark in range((steps + chunk - 1) // chunk - 1, -1, -1):
            start = mark * chunk
            stop = min(steps, start + chunk)
            state[:, :] = marks[mark, :STATES, row]
            z[:] = marks[mark, STATES, row]
            for t in range(start, stop):
                gather(x[t, row], weight, z, currents[t - start])
                pool(drive[t, row], member, share, z, pooled, astros[t - start])
                if len(matrix):
                    mix(state[1], member, part, matrix, pooled, out)
                past[t - start] = state
                for a in range(0, size, BLOCK):
                    n = min(BLOCK, size - a)
                    put(STATES, state, w, 0, a, n)
                    put(COEFFS, coefficients, w, STATES, a, n)
                    x_block = (currents[t - start, a : a + n], astros[t - start, a : a + n])
                    for i in range(n):
                        z[a + i] = advance(w, fixed, x_block, i)
                    take(STATES, state, w, 0, a, n)
            for t in range(stop - 1, start - 1, -1):
                for i in range(size):
                    g_out[i] = gy[t, row, i] + g_spike[i]
                for a in range(0, size, BLOCK):
                    n = min(BLOCK, size - a)
                    put(COEFFS, coefficients, w, STATES, a, n)
                    put(STATES, g, w, STATES + COEFFS, a, n)
                    put(COEFFS, g_coefficients, w, 2 * STATES + COEFFS, a, n)
                    put(STATES, past[t - start], w, 2 * (STATES + COEFFS), a, n)
                    x_block = (currents[t - start, a : a + n], astros[t - start, a : a + n])
                    load(w, w[2 * (STATES + COEFFS) * BLOCK :], x_block, g_out[a : a + n], n)
                    for i in range(n):
                        retreat(w, fixed, slope_parameters, i)
                    store(w, (gx[t, row, a : a + n], g_astro[a : a + n]), n)
                    take(STATES, g, w, STATES + COEFFS, a, n)
                    take(COEFFS, g_coefficients, w, 2 * STATES + COEFFS, a, n)
                if len(matrix):
                    unmix(g[1], member, part, matrix, pooled, out)
                pooled[:] = FLOAT(0.0)
                for i in range(size):
                    pooled[member[i]] += g_astro[i]
                gdrive[t, row] = pooled
                scatter(gx[t, row], weight_t, g_spike)
                for i in range(size):
                    g_spike[i] += share[member[i]] * pooled[member[i]]
        gs[:STATES, row] = g
        gs[STATES, row] = g_spike
        gc[:, row] = g_coefficients
    restore_denormals(mode)
