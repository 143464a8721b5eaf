"""What spikes bring to the other neurons of a layer in one step, and the way back of its gradient."""

from numba import njit


@njit(nogil=True, error_model="numpy", forceinline=True)
def gather(x_t, weight, z, current):  # type: ignore[no-untyped-def]
    """current = x_t + sum of the weight rows of neurons that spiked, in ascending order as in the forward pass."""
    current[:] = x_t
    for j in range(len(weight)):
        if z[j] != 0:
            w_j = weight[j]
            for i in range(len(current)):
                current[i] += w_j[i]


@njit(nogil=True, error_model="numpy", forceinline=True)
def scatter(g, weight, out):  # type: ignore[no-untyped-def]
    """out[j] = sum_i g[i] weight[i, j], weight [N targets, N sources]; four rows at once keep ``out`` in registers."""
    n = len(weight)
    out[:] = 0
    whole = n - n % 4
    for i in range(0, whole, 4):
        a, b, c, d = weight[i], weight[i + 1], weight[i + 2], weight[i + 3]
        ga, gb, gc, gd = g[i], g[i + 1], g[i + 2], g[i + 3]
        for j in range(n):
            out[j] += ga * a[j] + gb * b[j] + gc * c[j] + gd * d[j]
    for i in range(whole, n):
        a, ga = weight[i], g[i]
        for j in range(n):
            out[j] += ga * a[j]


@njit(nogil=True, error_model="numpy", forceinline=True)
def pool(drive, member, share, z, pooled, out):  # type: ignore[no-untyped-def]
    """out[i] = what the domain of neuron i is driven with: ``drive`` of the domain and a share per spike in it."""
    pooled[:] = drive
    for j in range(len(z)):
        if z[j] != 0:
            pooled[member[j]] += share[member[j]]
    for i in range(len(out)):
        out[i] = pooled[member[i]]


@njit(nogil=True, error_model="numpy", forceinline=True)
def mix(values, member, part, matrix, total, out):  # type: ignore[no-untyped-def]
    """values[i] = sum_e matrix[domain of i, e] times the mean of ``values`` in domain e; ``part`` is 1 / its size."""
    total[:] = 0
    for i in range(len(values)):
        total[member[i]] += values[i] * part[member[i]]
    for d in range(len(total)):
        out[d] = 0
        for e in range(len(total)):
            out[d] += matrix[d, e] * total[e]
    for i in range(len(values)):
        values[i] = out[member[i]]


@njit(nogil=True, error_model="numpy", forceinline=True)
def unmix(g, member, part, matrix, total, out):  # type: ignore[no-untyped-def]
    """The way back through `mix`, for the gradient ``g`` of its result."""
    total[:] = 0
    for i in range(len(g)):
        total[member[i]] += g[i]
    for e in range(len(total)):
        out[e] = 0
        for d in range(len(total)):
            out[e] += matrix[d, e] * total[d]
    for i in range(len(g)):
        g[i] = out[member[i]] * part[member[i]]
