"""Deliver the spikes of projections whose synapses are not listed by source; one delay for all their synapses.

Every function takes ``(acc, n, ids, runs, ...)``: a port of the lane's n targets, and the neurons that spiked, in
ascending order. A target so gets its input in the order in which `deliver` adds it, and the same sum bit for bit.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from neurosim.kernels.draws import ANY, DISTINCT, PARTNERS, fill_fraction, fill_normal, fill_words
from neurosim.kernels.philox import WORD
from neurosim.kernels.weights import weight_at

TOGETHER = 4  # rows that are added at a time
DRAWN = 1024  # synapses that are drawn at a time, a multiple of 4
ONE, NORMAL, UNIFORM = range(3)  # weights that are drawn again


@njit(nogil=True)
def spiking(spikes, counts, borders, step, base, ids):  # type: ignore[no-untyped-def]
    """Write the neurons whose spikes arrive in this step to ``ids``; returns how many."""
    found, h = 0, (step - base) & (len(counts) - 1)
    for thread in range(counts.shape[1]):
        for s in range(borders[thread], borders[thread] + counts[h, thread]):
            ids[found] = spikes[h, s]
            found += 1
    return found


@njit(nogil=True)
def deliver_dense(acc, n, ids, runs, weight, scale):  # type: ignore[no-untyped-def]
    """Add rows of a matrix of weights (flat, n to a row)."""
    whole = runs // TOGETHER * TOGETHER
    for s in range(0, whole, TOGETHER):
        a, b, c, d = ids[s] * n, ids[s + 1] * n, ids[s + 2] * n, ids[s + 3] * n
        for j in range(n):
            x = acc[j] + weight_at(weight, a + j, scale) + weight_at(weight, b + j, scale)
            acc[j] = x + weight_at(weight, c + j, scale) + weight_at(weight, d + j, scale)
    for s in range(whole, runs):
        a = ids[s] * n
        for j in range(n):
            acc[j] += weight_at(weight, a + j, scale)


@njit(nogil=True)
def deliver_one_to_one(acc, n, ids, runs, weight, scale, first):  # type: ignore[no-untyped-def]
    """Neuron i reaches target i. weight: one, or n; first: number of the lane's first target."""
    for s in range(runs):
        i = ids[s] - first
        if 0 <= i < n:
            acc[i] += weight_at(weight, i if len(weight) > 1 else 0, scale)


@njit(nogil=True)
def deliver_convolution(acc, n, ids, runs, weight, scale, first, shape, places):  # type: ignore[no-untyped-def]
    """Add the part of the kernel that sees each spike.

    weight: kernel (channels, outputs, height, width), flat, outputs of the channel's group; shape: as `geometry` of
    `neurosim.sim.layouts` makes it; places: [2, height * width] room for the pixels that see a spike.
    """
    inputs, height, width, outputs, out_height, out_width, tall, wide = shape[:8]
    down, across, above, left, step_y, step_x = shape[8:]
    image, plane, kernel = height * width, out_height * out_width, tall * wide
    for s in range(runs):
        channel, pixel = ids[s] // image, ids[s] % image
        y, x, seen = pixel // width + above, pixel % width + left, 0
        for i in range(tall):
            oy = (y - i * step_y) // down
            if (y - i * step_y) % down != 0 or oy < 0 or oy >= out_height:
                continue
            for j in range(wide):
                ox = (x - j * step_x) // across
                if (x - j * step_x) % across == 0 and 0 <= ox < out_width:
                    places[0, seen] = oy * out_width + ox
                    places[1, seen] = i * wide + j
                    seen += 1
        begin = channel // inputs * outputs  # first output channel of the group
        low, high = max(begin, first // plane), min(begin + outputs, (first + n - 1) // plane + 1)
        for o in range(low, high):
            base, entry = o * plane - first, (channel * outputs + o - begin) * kernel
            for k in range(seen):
                at = base + places[0, k]
                if 0 <= at < n:
                    acc[at] += weight_at(weight, entry + places[1, k], scale)


@njit(nogil=True)
def _draw_weights(law, numbers, seed, stream, values):  # type: ignore[no-untyped-def]
    """Weights of synapses, as `draws.fill_weights` draws them. law: (kind, a, b, low, high)."""
    kind, a, b, low, high = law
    if kind == UNIFORM:
        fill_fraction(values, numbers, seed, stream)
        b = b - a
    else:
        fill_normal(values, numbers, seed, stream)
    for i in range(len(values)):
        values[i] = min(max(values[i] * b + a, low), high)


@njit(nogil=True)
def deliver_out_degree(acc, n, ids, runs, law, one, degree, width, choice, excluded, first, draw, scratch):  # type: ignore[no-untyped-def]
    """Draw the ``degree`` targets of each neuron that spiked again, among all, and keep those of this lane.

    law, one: of the weights, and the weight if they have but one. choice: ANY or DISTINCT among ``width`` targets,
    without the neuron itself if ``excluded``. draw: seed and stream. scratch: words, values, numbers, marks.
    """
    (words, values, numbers, marks), (seed, stream) = scratch, draw
    for s in range(runs):
        i = ids[s]
        if choice == DISTINCT:
            marks[-1] += 1  # a stamp that no earlier draw left
        stamp = marks[-1]
        for begin in range(i * degree, (i + 1) * degree, DRAWN):
            m = min(DRAWN, (i + 1) * degree - begin)
            fill_words(words, begin // 4, PARTNERS, seed, stream)
            if law[0] != ONE:
                for k in range(m):
                    numbers[k] = begin + k
                _draw_weights(law, numbers[:m], seed, stream, values[:m])
            for k in range(m):
                word = np.uint64(words[begin % 4 + k])
                if choice == ANY:
                    j = np.int64((word * np.uint64(width)) >> WORD)
                else:
                    last = width - degree + begin + k - i * degree
                    j = np.int64((word * np.uint64(last + 1)) >> WORD)
                    j = last if marks[j] == stamp else j
                    marks[j] = stamp
                if excluded and j >= i:
                    j += 1
                j -= first
                if 0 <= j < n:
                    acc[j] += one[0] if law[0] == ONE else one.dtype.type(values[k])


@njit(nogil=True)
def deliver_all(acc, n, ids, runs, law, one, sources, excluded, first, draw, scratch):  # type: ignore[no-untyped-def]
    """Every target of the lane hears every neuron; weights are drawn again by the number of the synapse."""
    (_, values, numbers, _), (seed, stream) = scratch, draw
    width = sources - excluded
    for s in range(runs):
        i = ids[s]
        for begin in range(0, n, DRAWN):
            m = min(DRAWN, n - begin)
            if law[0] != ONE:
                for k in range(m):
                    target = first + begin + k
                    numbers[k] = target * width + i - (excluded and i > target)
                _draw_weights(law, numbers[:m], seed, stream, values[:m])
            for k in range(m):
                if not (excluded and first + begin + k == i):
                    acc[begin + k] += one[0] if law[0] == ONE else one.dtype.type(values[k])
