"""Template: fused backward pass of one unit; states are recomputed in chunks from the marks of the forward pass."""

import numpy as np
from numba import njit

from neurosim.kernels.coefficients import spread
from neurosim.kernels.denormals import flush_denormals, restore_denormals
from neurosim.kernels.model import (
    BLOCK,
    COEFFS,
    FLOAT,
    LEARN,
    ROWS,
    STATES,
    advance,
    load,
    parameters,
    retreat,
    rows,
    scalars,
    store,
)


@njit(nogil=True, cache=True, error_model="numpy")
def backward(x, c, marks, gy, k, gs, gx, gc, chunk, first, last):  # type: ignore[no-untyped-def]
    """Pull ``gy = dL/dy`` back through blocks ``first .. last``.

    x, c, marks, chunk: as in the forward pass. gy: [T, M], or [1, M] when it is the same at every step (a mean over
    time). k: surrogate parameters. gs: [STATES, M], dL/d(end state) in, dL/d(start state) out. gx: tuple of [T, M].
    gc: [COEFFS, M] per neuron, or [COEFFS, blocks] sums.
    """
    mode = flush_denormals()
    steps, size = x[0].shape
    w = np.empty(ROWS * BLOCK, FLOAT)
    past = np.empty((chunk, STATES * BLOCK), FLOAT)
    fixed, slope_parameters = scalars(c), parameters(k)
    for block in range(first, last):
        a = block * BLOCK
        b = min(size, a + BLOCK)
        n = b - a
        for j in range(COEFFS):
            spread(c[j], a, w[(STATES + j) * BLOCK : (STATES + j) * BLOCK + n])
        w[(2 * STATES + COEFFS) * BLOCK : (2 * STATES + 2 * COEFFS) * BLOCK] = FLOAT(0.0)
        for j in range(STATES):
            w[(STATES + COEFFS + j) * BLOCK : (STATES + COEFFS + j) * BLOCK + n] = gs[j, a:b]
        for mark in range((steps + chunk - 1) // chunk - 1, -1, -1):
            start = mark * chunk
            stop = min(steps, start + chunk)
            for j in range(STATES):
                w[j * BLOCK : j * BLOCK + n] = marks[mark, j, a:b]
            for t in range(start, stop):
                for j in range(STATES):
                    for i in range(n):
                        past[t - start, j * BLOCK + i] = w[j * BLOCK + i]
                x_t = rows(x, t, a, b)
                if t < stop - 1:
                    for i in range(n):
                        advance(w, fixed, x_t, i)
            for t in range(stop - 1, start - 1, -1):
                load(w, past[t - start], rows(x, t, a, b), gy[min(t, len(gy) - 1), a:b], n)
                for i in range(n):
                    retreat(w, fixed, slope_parameters, i)
                store(w, rows(gx, t, a, b), n)
        for j in range(STATES):
            gs[j, a:b] = w[(STATES + COEFFS + j) * BLOCK : (STATES + COEFFS + j) * BLOCK + n]
        for j in range(COEFFS if LEARN else 0):
            lanes = w[(2 * STATES + COEFFS + j) * BLOCK : (2 * STATES + COEFFS + j) * BLOCK + n]
            if c.shape[1] == 1:
                total = 0.0  # float64: one sum per block, added up in the order of blocks whatever the threads
                for i in range(n):
                    total += lanes[i]
                gc[j, block] = FLOAT(total)
            else:
                gc[j, a:b] = lanes
    restore_denormals(mode)
