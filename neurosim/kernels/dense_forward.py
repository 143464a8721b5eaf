"""Template: fused forward pass of one unit over time, ``x[T, M] -> y[T, M]`` with M = batch * neurons."""

import numpy as np
from numba import njit

from neurosim.kernels.coefficients import spread
from neurosim.kernels.denormals import flush_denormals, restore_denormals
from neurosim.kernels.model import BLOCK, COEFFS, FLOAT, STATES, advance, rows, scalars


@njit(nogil=True, cache=True, error_model="numpy")
def forward(x, c, s, y, marks, chunk, first, last):  # type: ignore[no-untyped-def]
    """Advance blocks ``first .. last`` of neurons through all time steps.

    x: tuple of [T, M], one per port. c: [COEFFS, 1 or N], N neurons repeat over the batch. s: [STATES, M], start in,
    end out. y: [T, M]. marks: [ceil(T / chunk), STATES, M], the state before steps 0, chunk, 2 chunk, ... for the
    backward pass (chunk = 0: none).
    """
    mode = flush_denormals()
    steps, size = y.shape
    fixed = scalars(c)
    w = np.empty((STATES + COEFFS) * BLOCK, FLOAT)
    for block in range(first, last):
        a = block * BLOCK
        b = min(size, a + BLOCK)
        for k in range(STATES):
            w[k * BLOCK : k * BLOCK + b - a] = s[k, a:b]
        for k in range(COEFFS):
            spread(c[k], a, w[(STATES + k) * BLOCK : (STATES + k) * BLOCK + b - a])
        for t in range(steps):
            if chunk > 0 and t % chunk == 0:
                for k in range(STATES):
                    marks[t // chunk, k, a:b] = w[k * BLOCK : k * BLOCK + b - a]
            x_t, y_t = rows(x, t, a, b), y[t, a:b]
            for i in range(b - a):
                y_t[i] = advance(w, fixed, x_t, i)
        for k in range(STATES):
            s[k, a:b] = w[k * BLOCK : k * BLOCK + b - a]
    restore_denormals(mode)
