"""Coefficients of a block of neurons in its workspace."""

from numba import njit


@njit(forceinline=True)
def spread(values, first, out):  # type: ignore[no-untyped-def]
    """``out[i] = values[(first + i) % len(values)]``: neurons repeat over the batch.

    Nothing for a single value: kernels hold that in a register. No division per element either: it would cost as much
    as a hundred time steps.
    """
    period = len(values)
    if period == 1:
        return
    j = first % period
    for i in range(len(out)):
        out[i] = values[j]
        j += 1
        if j == period:
            j = 0
