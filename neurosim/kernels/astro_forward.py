"""Template: fused forward pass of a layer of neurons whose astrocytes have domains; unit with ports x and astro.

Every neuron holds a copy of the trace of its astrocyte; the copies of a domain are driven alike and stay equal. The
trace is the second state.
"""

import numpy as np
from numba import njit

from neurosim.kernels.coefficients import spread
from neurosim.kernels.denormals import flush_denormals, restore_denormals
from neurosim.kernels.model import BLOCK, COEFFS, FLOAT, STATES, advance, scalars
from neurosim.kernels.recurrence import gather, mix, pool


@njit(nogil=True, cache=True, error_model="numpy")
def forward(x, drive, weight, member, share, part, matrix, c, s, y, marks, chunk, first, last):  # type: ignore[no-untyped-def]
    """Advance batch rows ``first .. last`` through all time steps.

    x: [T, B, N]. drive: [T, B, D]. weight: [N sources, N targets], or [0, 0]. member: int64 [N], the domain. share,
    part: [D], of one spike in the drive, and 1 / size. matrix: [D, D], how the traces of domains mix before a step, or
    [0, 0]. c: [COEFFS, 1 or N]. s: [STATES + 1, B, N], the last row is the spike of the step before; start in, end out.
    y: [T, B, N]. marks: [ceil(T / chunk), STATES + 1, B, N] (chunk = 0: none).
    """
    mode = flush_denormals()
    steps, size = y.shape[0], y.shape[2]
    fixed = scalars(c)
    state, w = np.empty((STATES, size), FLOAT), np.empty((STATES + COEFFS) * BLOCK, FLOAT)
    coefficients = np.empty((COEFFS, size), FLOAT)
    for k in range(COEFFS):
        spread(c[k], 0, coefficients[k])
    current, astro, pooled, out = (np.empty(size, FLOAT), np.empty(size, FLOAT), np.empty(len(share), FLOAT),
                                   np.empty(len(share), FLOAT))  # fmt: skip
    for row in range(first, last):
        state[:, :] = s[:STATES, row]
        z = s[STATES, row]
        for t in range(steps):
            if chunk > 0 and t % chunk == 0:
                marks[t // chunk, :STATES, row] = state
                marks[t // chunk, STATES, row] = z
            gather(x[t, row], weight, z, current)
            pool(drive[t, row], member, share, z, pooled, astro)
            if len(matrix):
                mix(state[1], member, part, matrix, pooled, out)
            for a in range(0, size, BLOCK):
                n = min(BLOCK, size - a)
                for k in range(STATES):
                    w[k * BLOCK : k * BLOCK + n] = state[k, a : a + n]
                for k in range(COEFFS):
                    w[(STATES + k) * BLOCK : (STATES + k) * BLOCK + n] = coefficients[k, a : a + n]
                x_block, y_block = (current[a : a + n], astro[a : a + n]), y[t, row, a : a + n]
                for i in range(n):
                    y_block[i] = advance(w, fixed, x_block, i)
                for k in range(STATES):
                    state[k, a : a + n] = w[k * BLOCK : k * BLOCK + n]
            z = y[t, row]
        s[:STATES, row] = state
        s[STATES, row] = z.copy()
    restore_denormals(mode)
