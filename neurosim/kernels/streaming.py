"""Events that arrive in pieces: from the buffer to the steps of a simulation, and from its history to the outputs."""

from __future__ import annotations

from numba import njit


@njit(nogil=True, cache=True)
def take_steps(bins, channels, taken, used, last, most, counts, steps, neurons):  # type: ignore[no-untyped-def]
    """Turn buffered events of steps before ``last`` into input spikes, channels ascending within a step.

    Args:
        bins, channels: of the buffered events, bins never decreasing; those from ``taken`` to ``used`` are waiting.
        most: spikes of one channel in one step that count.
        counts: int32, one per channel, all zero; left so.
        steps, neurons: out.

    Returns:
        How many events are taken now in all, and how many spikes were written.
    """
    written = 0
    while taken < used and bins[taken] < last:
        step, first = bins[taken], taken
        while taken < used and bins[taken] == step:
            counts[channels[taken]] += 1
            taken += 1
        if (taken - first) * 16 < len(counts):  # few events: sorting them is cheaper than a look at every channel
            own = channels[first:taken].copy()
            own.sort()
            for channel in own:
                for _ in range(min(counts[channel], most)):
                    steps[written] = step
                    neurons[written] = channel
                    written += 1
                counts[channel] = 0
            continue
        for channel in range(len(counts)):
            if counts[channel]:
                for _ in range(min(counts[channel], most)):
                    steps[written] = step
                    neurons[written] = channel
                    written += 1
                counts[channel] = 0
    return taken, written


@njit(nogil=True, cache=True)
def tally(histories, first, last):  # type: ignore[no-untyped-def]
    """Synapses that the spikes of steps ``first .. last`` reach. histories: of (spikes, counts, out-degrees)."""
    total = 0
    for spikes, counts, degrees in histories:
        mask = len(counts) - 1
        for step in range(first, last):
            h = step & mask
            for k in range(counts[h, 0]):
                total += degrees[spikes[h, k]]
    return total


@njit(nogil=True, cache=True)
def outputs(spikes, counts, first, last, steps, neurons):  # type: ignore[no-untyped-def]
    """Copy the spikes of one population in steps ``first .. last``; returns how many."""
    found, mask = 0, len(counts) - 1
    for step in range(first, last):
        h = step & mask
        for k in range(counts[h, 0]):
            steps[found] = step
            neurons[found] = spikes[h, k]
            found += 1
    return found
