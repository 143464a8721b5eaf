"""The step of the Spatial Pooler: overlaps, inhibition, learning, duty cycles and boosting.

Event driven: an active input goes through its list of columns and adds one to the overlap of those that are connected
to it. The synapses of a column lie side by side, so that learning goes straight through those of the winners, and no
others; one that crosses the threshold changes a bit in the list of its input.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels.exponential import exp
from neurosim.kernels.htm_base import DONE, check_indices, kernel

# Places in ``whole`` (int64), ``rates`` (float32) and Pooler.number
GLOBAL, WINNERS, STIMULUS, PERIOD, WRAP = range(5)
DENSITY, CONNECTED, INCREMENT, DECREMENT, BUMP, WEAK, STRENGTH = range(7)
STEP, RADIUS = range(2)
EVERY = 50  # steps with learning between two updates of the radius of inhibition and of the least duty cycles
NEGLIGIBLE = np.float32(1e-30)  # duty cycles below are 0: they would decay into denormals, which are slow


class Pooler(NamedTuple):
    """All that a Spatial Pooler knows, as arrays."""

    begin: NDArray[np.int64]  # (columns + 1,) synapses of column c: begin[c] .. begin[c + 1] - 1
    source: NDArray[np.int32]  # (synapses,) input
    permanence: NDArray[np.float32]  # (synapses,)
    place: NDArray[np.int32]  # (synapses,) where it stands in the list of its input
    first: NDArray[np.int64]  # (inputs + 1,) list of input i: first[i] .. first[i + 1] - 1
    target: NDArray[np.uint32]  # (synapses,) 2 * column + (1 if connected)
    links: NDArray[np.int32]  # (columns,) connected synapses
    overlap: NDArray[np.int32]  # (columns,)
    boosted: NDArray[np.float32]  # (columns,)
    boost: NDArray[np.float32]  # (columns,)
    overlap_duty: NDArray[np.float32]  # (columns,)
    active_duty: NDArray[np.float32]  # (columns,)
    least_duty: NDArray[np.float32]  # (columns,) overlap_duty below which a column is weak
    key: NDArray[np.uint32]  # (columns,) scratch
    near: NDArray[np.int32]  # (columns,) scratch
    change: NDArray[np.float32]  # (inputs,) of permanences: + the increment if active, else - the decrement
    scratch: NDArray[np.float32]  # (most synapses of a column,)
    winner: NDArray[np.int64]  # (columns,) scratch
    columns: NDArray[np.int64]  # dimensions of the columns
    inputs: NDArray[np.int64]  # dimensions of the inputs
    number: NDArray[np.int64]  # (2,) see above


@kernel
def neighbours(dims, radius, wrap, centre, near):  # type: ignore[no-untyped-def]
    """Write the cells at most ``radius`` from ``centre`` along every axis to ``near``, itself included; how many."""
    near[0], n, stride = 0, 1, 1
    for axis in range(len(dims)):
        stride *= dims[axis]
    for axis in range(len(dims)):
        size = dims[axis]
        stride //= size
        at = centre // stride % size
        low, length = at - radius, 2 * radius + 1
        if not wrap:
            low, length = max(low, 0), min(at + radius, size - 1) - max(low, 0) + 1
        length = min(length, size)
        for i in range(n - 1, -1, -1):  # from the end, as one becomes many
            block = near[i] * size
            for j in range(length):
                near[i * length + j] = block + (low + j) % size
        n *= length
    return n


@kernel
def count_overlaps(p, active):  # type: ignore[no-untyped-def]
    """Connected synapses of each column from active inputs, and the same times the boost."""
    p.overlap[:] = 0
    for i in range(len(active)):
        for q in range(np.uint64(p.first[active[i]]), np.uint64(p.first[active[i] + 1])):
            entry = p.target[q]
            p.overlap[entry >> np.uint32(1)] += np.int32(entry & np.uint32(1))
    for c in range(len(p.overlap)):
        p.boosted[c] = np.float32(p.overlap[c]) * p.boost[c]


@kernel
def win_globally(p, whole):  # type: ignore[no-untyped-def]
    """The columns of largest boosted overlap, of equals the first; returns how many.

    Bit by bit the largest threshold that enough of them reach: bits of floats that are not negative rise with them.
    """
    bits, key, wanted = p.boosted.view(np.uint32), p.key, np.uint32(whole[WINNERS])
    for c in range(len(key)):
        key[c] = bits[c] + np.uint32(1) if p.overlap[c] >= whole[STIMULUS] else np.uint32(0)
    threshold = np.uint32(0)
    for bit in range(31, -1, -1):
        higher, n = threshold | (np.uint32(1) << np.uint32(bit)), np.uint32(0)
        for c in range(len(key)):
            n += np.uint32(key[c] >= higher)
        if n >= wanted:
            threshold = higher
    above = 0
    for c in range(len(key)):
        above += key[c] > threshold
    found, equals = 0, (whole[WINNERS] - above if threshold > 0 else 0)
    for c in range(len(key)):
        if key[c] > threshold:
            p.winner[found] = c
            found += 1
        elif key[c] == threshold and equals > 0:
            p.winner[found] = c
            found += 1
            equals -= 1
    return found


@kernel
def win_locally(p, whole, rates):  # type: ignore[no-untyped-def]
    """The columns with few enough better ones around them; returns how many.

    Of equals those count as better that have won already, so that a region without any activity has its winners too.
    """
    found = 0
    p.key[:] = 0
    for c in range(len(p.overlap)):
        if p.overlap[c] < whole[STIMULUS]:
            continue
        n = neighbours(p.columns, p.number[RADIUS], whole[WRAP], c, p.near)
        own, better = p.boosted[c], 0
        for i in range(n):
            other = p.near[i]
            value = p.boosted[other]
            better += (value > own or (value == own and p.key[other])) and p.overlap[other] >= whole[STIMULUS]
        wanted = np.int64(0.5 + rates[DENSITY] * n)
        if better < wanted or better == 0:
            p.winner[found] = c
            p.key[c] = 1
            found += 1
    return found


@kernel
def switch(p, c, q, by):  # type: ignore[no-untyped-def]
    """Connect (``by`` = 1) or disconnect (-1) synapse ``q`` of column ``c``."""
    p.target[p.place[q]] ^= np.uint32(1)
    p.links[c] += by


@kernel
def adapt(p, c, threshold):  # type: ignore[no-untyped-def]
    """Add to each permanence of column ``c`` the change that its input asks for, in 0..1."""
    begin, end = p.begin[c], p.begin[c + 1]
    source, permanence, before = p.source[begin:end], p.permanence[begin:end], p.scratch[: end - begin]
    for j in range(len(source)):  # loops of their own, which vectorise
        before[j] = p.change[np.uint32(source[j])]
    nothing, one, crossed = np.float32(0), np.float32(1), np.uint32(0)
    for j in range(len(source)):
        old = permanence[j]
        new = old + before[j]
        new = nothing if new < nothing else new
        new = one if new > one else new
        before[j], permanence[j] = old, new
        crossed += np.uint32((new >= threshold) != (old >= threshold))
    if crossed:
        for j in range(len(source)):
            if (permanence[j] >= threshold) != (before[j] >= threshold):
                switch(p, c, begin + j, 1 if permanence[j] >= threshold else -1)


@kernel
def bump(p, c, rates):  # type: ignore[no-untyped-def]
    """Raise all permanences of column ``c``."""
    for q in range(p.begin[c], p.begin[c + 1]):
        old = p.permanence[q]
        p.permanence[q] = min(old + rates[BUMP], np.float32(1))
        if old < rates[CONNECTED] <= p.permanence[q]:
            switch(p, c, q, 1)


@kernel
def strengthen(p, c, whole, rates):  # type: ignore[no-untyped-def]
    """Raise all permanences of a column until as many are connected as a winner needs."""
    while p.links[c] < whole[STIMULUS]:
        bump(p, c, rates)


@kernel
def update_duties(p, winners, whole):  # type: ignore[no-untyped-def]
    """Running means, over the duty cycle period, of how often a column has an overlap and wins."""
    period = np.float32(min(whole[PERIOD], p.number[STEP]))
    before = period - np.float32(1)
    for c in range(len(p.overlap)):
        p.key[c] = 0
    for k in range(winners):
        p.key[p.winner[k]] = 1
    for c in range(len(p.overlap)):
        seen = (p.overlap_duty[c] * before + np.float32(p.overlap[c] > 0)) / period
        won = (p.active_duty[c] * before + np.float32(p.key[c])) / period
        p.overlap_duty[c] = seen if seen > NEGLIGIBLE else np.float32(0)
        p.active_duty[c] = won if won > NEGLIGIBLE else np.float32(0)


@kernel
def update_boost(p, whole, rates):  # type: ignore[no-untyped-def]
    """exp(strength * (target - active duty)): columns that win rarely count more."""
    strength, target = np.float64(rates[STRENGTH]), np.float64(rates[DENSITY])
    if whole[GLOBAL]:
        for c in range(len(p.boost)):
            p.boost[c] = np.float32(exp(strength * (target - np.float64(p.active_duty[c]))))  # type: ignore[no-untyped-call]
        return
    for c in range(len(p.boost)):
        n, total = neighbours(p.columns, p.number[RADIUS], whole[WRAP], c, p.near), 0.0
        for i in range(n):
            total += p.active_duty[p.near[i]]
        p.boost[c] = np.float32(exp(strength * (total / n - np.float64(p.active_duty[c]))))  # type: ignore[no-untyped-call]


@kernel
def mean_span(p, wrap, threshold):  # type: ignore[no-untyped-def]
    """Length that the connected synapses of a column cover along an axis, mean over columns and axes."""
    total, axes = np.int64(0), len(p.inputs)
    for axis in range(axes):
        stride, down = np.int64(1), np.int64(1)
        for later in range(axis + 1, axes):
            stride *= p.inputs[later]
            down *= p.columns[later]
        size, number = p.inputs[axis], p.columns[axis]
        for c in range(len(p.links)):
            centre = (2 * (c // down % number) + 1) * size // (2 * number)
            low, high = size, -size
            for q in range(p.begin[c], p.begin[c + 1]):
                if p.permanence[q] < threshold:
                    continue
                offset = p.source[q] // stride % size - centre
                if wrap:  # the short way round
                    offset = (offset + size // 2) % size - size // 2
                low, high = min(low, offset), max(high, offset)
            total += max(0, high - low + 1)
    return total / (axes * len(p.links))


@kernel
def update_radius(p, whole, rates):  # type: ignore[no-untyped-def]
    """Half of what a column's connected synapses span, in columns; at least 1."""
    ratio, axes = 0.0, len(p.inputs)
    for axis in range(axes):
        ratio += p.columns[axis] / p.inputs[axis] / axes
    p.number[RADIUS] = max(1, np.int64(np.floor((mean_span(p, whole[WRAP], rates[CONNECTED]) * ratio - 1) / 2 + 0.5)))


@kernel
def update_least_duties(p, whole, rates):  # type: ignore[no-untyped-def]
    """A share of the largest overlap duty cycle: of all columns, or of those around each."""
    if whole[GLOBAL]:
        p.least_duty[:] = rates[WEAK] * p.overlap_duty.max()
        return
    for c in range(len(p.least_duty)):
        largest = np.float32(0)
        for i in range(neighbours(p.columns, p.number[RADIUS], whole[WRAP], c, p.near)):
            largest = max(largest, p.overlap_duty[p.near[i]])
        p.least_duty[c] = rates[WEAK] * largest


@kernel
def learn_from(p, active, winners, whole, rates):  # type: ignore[no-untyped-def]
    """All that a step changes for good."""
    p.number[STEP] += 1
    for i in range(len(active)):
        p.change[active[i]] = rates[INCREMENT]
    for k in range(winners):
        adapt(p, p.winner[k], rates[CONNECTED])
        strengthen(p, p.winner[k], whole, rates)
    for i in range(len(active)):
        p.change[active[i]] = -rates[DECREMENT]
    update_duties(p, winners, whole)
    for c in range(len(p.overlap)):
        if p.overlap_duty[c] < p.least_duty[c]:
            bump(p, c, rates)
    if rates[STRENGTH] > 0:
        update_boost(p, whole, rates)
    if p.number[STEP] % EVERY == 0:
        if not whole[GLOBAL]:
            update_radius(p, whole, rates)
        update_least_duties(p, whole, rates)


@kernel
def step(p, active, learn, whole, rates):  # type: ignore[no-untyped-def]
    """One step; returns how it ended, and how many columns won or which index is wrong."""
    status, place = check_indices(active, len(p.change))
    if status != DONE:
        return status, place
    count_overlaps(p, active)
    winners = win_globally(p, whole) if whole[GLOBAL] else win_locally(p, whole, rates)
    if learn:
        learn_from(p, active, winners, whole, rates)
    return DONE, winners


@kernel
def prepare(p, whole, rates):  # type: ignore[no-untyped-def]
    """Make every column able to win, before the first step."""
    for c in range(len(p.links)):
        strengthen(p, c, whole, rates)
    if not whole[GLOBAL]:
        update_radius(p, whole, rates)
