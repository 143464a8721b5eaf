"""Template: fused backward pass of a recurrent layer, states recomputed chunk by chunk."""

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
from neurosim.kernels.recurrence import gather, scatter


@njit(nogil=True, cache=True, error_model="numpy")
def backward(x, weight, weight_t, c, marks, gy, k, gs, gx, gc, chunk, first, last):  # type: ignore[no-untyped-def]
    """Pull ``gy`` back through batch rows ``first .. last``.

    weight: [N sources, N targets], weight_t its transpose; both contiguous. gs: [STATES + 1, B, N], dL/d(end) in,
    dL/d(start) out. gx: [T, B, N]. gc: [COEFFS, B, N]. The rest as in the forward pass.
    """
    mode = flush_denormals()
    steps, size = gy.shape[0], gy.shape[2]
    blocks = (size + BLOCK - 1) // BLOCK
    w = np.zeros((blocks, ROWS * BLOCK), FLOAT)
    past = np.empty((chunk, blocks, STATES * BLOCK), FLOAT)
    currents = np.empty((chunk, size), FLOAT)
    z, g_spike, g_out = np.empty(size, FLOAT), np.empty(size, FLOAT), np.empty(size, FLOAT)
    fixed, slope_parameters = scalars(c), parameters(k)
    for row in range(first, last):
        w[:, :] = FLOAT(0.0)
        for block in range(blocks):
            a = block * BLOCK
            for i in range(min(BLOCK, size - a)):
                for j in range(STATES):
                    w[block, (STATES + COEFFS + j) * BLOCK + i] = gs[j, row, a + i]
            for j in range(COEFFS):
                spread(c[j], a, w[block, (STATES + j) * BLOCK : (STATES + j) * BLOCK + min(BLOCK, size - a)])
        g_spike[:] = gs[STATES, row]
        for mark in range((steps + chunk - 1) // chunk - 1, -1, -1):
            start = mark * chunk
            stop = min(steps, start + chunk)
            for block in range(blocks):
                a = block * BLOCK
                for j in range(STATES):
                    for i in range(min(BLOCK, size - a)):
                        w[block, j * BLOCK + i] = marks[mark, j, row, a + i]
            z[:] = marks[mark, STATES, row]
            for t in range(start, stop):
                gather(x[t, row], weight, z, currents[t - start])
                for block in range(blocks):
                    a = block * BLOCK
                    b = min(size, a + BLOCK)
                    for j in range(STATES):
                        for i in range(b - a):
                            past[t - start, block, j * BLOCK + i] = w[block, j * BLOCK + i]
                    w_block, x_block, z_block = w[block], (currents[t - start, a:b],), z[a:b]
                    for i in range(b - a):
                        z_block[i] = advance(w_block, fixed, x_block, i)
            for t in range(stop - 1, start - 1, -1):
                for i in range(size):
                    g_out[i] = gy[t, row, i] + g_spike[i]
                for block in range(blocks):
                    a = block * BLOCK
                    b = min(size, a + BLOCK)
                    w_block = w[block]
                    load(w_block, past[t - start, block], (currents[t - start, a:b],), g_out[a:b], b - a)
                    for i in range(b - a):
                        retreat(w_block, fixed, slope_parameters, i)
                    store(w_block, (gx[t, row, a:b],), b - a)
                scatter(gx[t, row], weight_t, g_spike)
        gs[STATES, row, :] = g_spike
        for block in range(blocks):
            a = block * BLOCK
            for i in range(min(BLOCK, size - a)):
                for j in range(STATES):
                    gs[j, row, a + i] = w[block, (STATES + COEFFS + j) * BLOCK + i]
                for j in range(COEFFS):
                    gc[j, row, a + i] = w[block, (2 * STATES + COEFFS + j) * BLOCK + i]
    restore_denormals(mode)
