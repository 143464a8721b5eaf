"""Template: fused forward pass of a recurrent layer; the recurrent weight acts inside the time loop.

Recurrent currents are gathered from the neurons that spiked, in ascending order, so the work follows activity.
"""

import numpy as np
from numba import njit

from neurosim.kernels.coefficients import spread
from neurosim.kernels.denormals import flush_denormals, restore_denormals
from neurosim.kernels.model import BLOCK, COEFFS, FLOAT, STATES, advance, scalars


@njit(nogil=True, cache=True, error_model="numpy")
def forward(x, weight, c, s, y, marks, chunk, first, last):  # type: ignore[no-untyped-def]
    """Advance batch rows ``first .. last`` through all time steps.

    x: [T, B, N]. weight: [N sources, N targets]. c: [COEFFS, 1 or N]. s: [STATES + 1, B, N], the last row is the spike
    of the step before; start in, end out. y: [T, B, N]. marks: [ceil(T / chunk), STATES + 1, B, N] (chunk = 0: none).
    """
    mode = flush_denormals()
    steps, size = y.shape[0], y.shape[2]
    blocks = (size + BLOCK - 1) // BLOCK
    fixed = scalars(c)
    w = np.empty((blocks, (STATES + COEFFS) * BLOCK), FLOAT)
    current = np.empty(size, FLOAT)
    for row in range(first, last):
        for block in range(blocks):
            a = block * BLOCK
            for i in range(min(BLOCK, size - a)):
                for k in range(STATES):
                    w[block, k * BLOCK + i] = s[k, row, a + i]
            for k in range(COEFFS):
                spread(c[k], a, w[block, (STATES + k) * BLOCK : (STATES + k) * BLOCK + min(BLOCK, size - a)])
        z = s[STATES, row]
        for t in range(steps):
            if chunk > 0 and t % chunk == 0:
                for block in range(blocks):
                    a = block * BLOCK
                    for k in range(STATES):
                        for i in range(min(BLOCK, size - a)):
                            marks[t // chunk, k, row, a + i] = w[block, k * BLOCK + i]
                marks[t // chunk, STATES, row, :] = z
            current[:] = x[t, row]
            for j in range(size):
                if z[j] != FLOAT(0.0):
                    w_j = weight[j]
                    for i in range(size):
                        current[i] += w_j[i]
            for block in range(blocks):
                a = block * BLOCK
                b = min(size, a + BLOCK)
                w_block, x_block, y_block = w[block], (current[a:b],), y[t, row, a:b]
                for i in range(b - a):
                    y_block[i] = advance(w_block, fixed, x_block, i)
            z = y[t, row]
        for block in range(blocks):
            a = block * BLOCK
            for k in range(STATES):
                for i in range(min(BLOCK, size - a)):
                    s[k, row, a + i] = w[block, k * BLOCK + i]
        s[STATES, row, :] = z.copy()
    restore_denormals(mode)
