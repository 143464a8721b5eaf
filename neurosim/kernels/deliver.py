"""Spikes to targets: collect a population's spikes, deliver those that arrive, record them.

Spikes lie in a history ``spikes[H, N]`` of the last H (a power of two) steps, each thread's in the columns of its own
neurons, with ``counts[H, threads]``. A spike is delivered when it arrives, into one vector per port, which stays in
the cache; a ring buffer of future input would not (the full microcircuit is 2.7 times slower with one).
"""

from __future__ import annotations

from numba import njit

from neurosim.kernels.barrier import prefetch
from neurosim.kernels.codegen import BLOCK
from neurosim.kernels.weights import weight_at

AHEAD = 12  # rows whose bounds are asked for before their turn
NEXT = 4  # rows whose synapses are; a piece for each piece that is delivered, so that memory and additions overlap
BATCH = 16  # synapses of a piece: a cache line of weights, half of one of targets


@njit(nogil=True)
def collect(words, flags, n, first, out):  # type: ignore[no-untyped-def]
    """Write the numbers of flagged neurons, ascending, to ``out``; returns how many. words: flags as uint64."""
    found = 0
    for word in range((n + 7) // 8):
        if words[word] != 0:
            for i in range(word * 8, min(word * 8 + 8, n)):
                if flags[i]:
                    out[found] = first + i
                    found += 1
    return found


@njit(nogil=True)
def record(spikes, count, step, ids, steps, used):  # type: ignore[no-untyped-def]
    """Append the spikes of a step; ``used[0]`` is how many there are."""
    m = used[0]
    for k in range(count):
        ids[m + k] = spikes[k]
        steps[m + k] = step
    used[0] = m + count


@njit(nogil=True)
def recall(under_way, spikes, counts, borders, step, base, spread):  # type: ignore[no-untyped-def]
    """List the spikes that were under way in the step before, the oldest first; returns the bounds of the list.

    under_way: a ring of a power of two places. A spike of neuron i in step s is listed as i * spread - s, so that in
    step t it reaches row i * spread - s + t - base of the synapses.
    """
    mask, last = len(counts) - 1, 0
    for k in range(spread, 0, -1):
        h = (step - base - k) & mask
        for thread in range(counts.shape[1]):
            for s in range(borders[thread], borders[thread] + counts[h, thread]):
                under_way[last] = spikes[h, s] * spread - (step - base - k)
                last += 1
    return 0, last


@njit(nogil=True)
def renew(under_way, first, last, spikes, counts, borders, step, base, spread):  # type: ignore[no-untyped-def]
    """Go on to ``step``: drop the spikes that have arrived everywhere, append those that begin to; returns bounds.

    Looking through all delays for spikes in every step would cost small networks a fifth of their time.
    """
    mask, ring = len(counts) - 1, len(under_way) - 1
    old, new = (step - base - spread) & mask, (step - base) & mask
    for thread in range(counts.shape[1]):
        first += counts[old, thread]
        for s in range(borders[thread], borders[thread] + counts[new, thread]):
            under_way[last & ring] = spikes[new, s] * spread - (step - base)
            last += 1
    return first, last


@njit(nogil=True)
def arriving(under_way, first, last, since, start, begin, end):  # type: ignore[no-untyped-def]
    """Find the runs of synapses that spikes reach; returns how many, their bounds in begin, end. since: step - base."""
    ring, found = len(under_way) - 1, 0
    for i in range(first, last):
        if i + AHEAD < last:
            prefetch(start, under_way[(i + AHEAD) & ring] + since)
        row = under_way[i & ring] + since
        begin[found], end[found] = start[row], start[row + 1]
        found += start[row] < start[row + 1]  # a branch would be foretold wrongly half of the time
    return found


@njit(nogil=True)
def deliver_shared(acc, begin, end, runs, target, weight, scale):  # type: ignore[no-untyped-def]
    """Add one weight to the targets of all runs; it needs no scale."""
    value = weight[0]
    for r in range(runs):
        q = begin[r]
        ahead = begin[min(r + NEXT, runs - 1)] - q
        while q + BATCH <= end[r]:
            prefetch(target, q + ahead)
            for i in range(BATCH):
                acc[target[q + i]] += value
            q += BATCH
        prefetch(target, q + ahead)
        for i in range(q, end[r]):
            acc[target[i]] += value


@njit(nogil=True)
def deliver_each(acc, begin, end, runs, target, weight, scale):  # type: ignore[no-untyped-def]
    """Add the synapses' own weights to the targets of all runs. scale: [1], of int8 weights."""
    for r in range(runs):
        q = begin[r]
        ahead = begin[min(r + NEXT, runs - 1)] - q
        while q + BATCH <= end[r]:
            prefetch(target, q + ahead)
            prefetch(weight, q + ahead)
            for i in range(BATCH):
                acc[target[q + i]] += weight_at(weight, q + i, scale)
            q += BATCH
        prefetch(target, q + ahead)
        prefetch(weight, q + ahead)
        for i in range(q, end[r]):
            acc[target[i]] += weight_at(weight, i, scale)


@njit(nogil=True)
def keep_signal(w, state, out, first, n):  # type: ignore[no-untyped-def]
    """Copy a state of this thread's neurons to their columns of ``out`` [N]."""
    for i in range(n):
        out[first + i] = w[i // BLOCK, state * BLOCK + i % BLOCK]


@njit(nogil=True)
def deliver_graded(acc, values, step, start, target, weight, scale, base, spread):  # type: ignore[no-untyped-def]
    """Add weight times value to all targets; values: [H, N] of the last H (a power of two) steps."""
    mask, one = len(values) - 1, len(weight) == 1
    for k in range(spread):
        row_of_values = values[(step - base - k) & mask]
        for s in range(len(row_of_values)):
            value = row_of_values[s]
            if value == 0:  # most are, of signals with a threshold
                continue
            for q in range(start[s * spread + k], start[s * spread + k + 1]):
                acc[target[q]] += weight_at(weight, 0 if one else q, scale) * value


@njit(nogil=True)
def trace(w, state, step, probe):  # type: ignore[no-untyped-def]
    """Keep a state of some neurons every so many steps. probe: (neurons, every, out [samples, neurons], used [1])."""
    neurons, every, out, used = probe
    if step % every == 0:
        for j, i in enumerate(neurons):
            out[used[0], j] = w[i // BLOCK, state * BLOCK + i % BLOCK]
        used[0] += 1
