"""Template: one time step of a population in a simulation, spikes as flags."""

from numba import njit

from neurosim.kernels.model import BLOCK, FLOAT, fire, parts, scalars


@njit(nogil=True, cache=True, error_model="numpy")
def update(w, c, x, flags, n):  # type: ignore[no-untyped-def]
    """Advance ``n`` neurons and take their input.

    w: [blocks, (STATES + COEFFS) * BLOCK]; c: [COEFFS, 1] (not read when neurons have their own, in w).
    x: tuple of [n], one per port, set to zero. flags: uint8 [n], out.
    """
    fixed = scalars(c)
    for block in range(len(w)):
        a = block * BLOCK
        b = min(n, a + BLOCK)
        w_block, x_block, flags_block = w[block], parts(x, a, b), flags[a:b]
        for i in range(b - a):
            flags_block[i] = fire(w_block, fixed, x_block, i)
        for row in x_block:
            row[:] = FLOAT(0.0)
