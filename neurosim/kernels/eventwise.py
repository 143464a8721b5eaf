"""Event by event: neurons whose membrane has a closed form between events, at whole microseconds, without a grid.

Between events v - rest shrinks by exp(-rate dt). Kept is a = (v - rest) exp(rate (t - origin)), which does not change
between events at all: input of weight w adds w g with g = exp(rate (t - origin)), and v > theta becomes
a > (theta - rest) g. So an event costs nothing for neurons it does not reach, and one exponential per population for
all it does reach; the origin is moved before g grows large. States are float64, as they live in many scales.

A neuron spikes at most once at a time. Those that fire again without input (still above threshold after a reset by
subtraction, or driven above it) wait in a heap, ordered by when; there is one place per neuron, so it cannot overflow.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

NEVER = 2**63 - 1
LARGEST = 30.0  # exponent of g at which the origin is moved
TOUCHED = 1024  # stretches of neurons remembered per population and moment; beyond, all its neurons are looked at
DONE, FULL, OVERFLOW = 0, 1, 2


class Net(NamedTuple):
    """What does not change. P populations, N neurons and channels numbered through, J projections, L delay lines."""

    first: Any  # [P + 1] number of each population's first neuron
    owner: Any  # [N] population
    spiking: Any  # [P] uint8
    uniform: Any  # [P] uint8: one rate for all
    fastest: Any  # [P] largest rate
    subtract: Any  # [P] uint8: resets subtract
    rate: Any  # [N] per us
    threshold: Any  # [N] theta - rest
    reset: Any  # [N] what a reset subtracts, or v_reset - rest
    driven: Any  # [N] uint8: rest is above theta
    source: Any  # [J] population
    instant: Any  # [J] uint8
    row: Any  # [J] place of its rows in start
    spread: Any  # [J] rows per source
    start: Any  # rows -> runs
    runs: Any  # [Q, 3] int64: first target, length, place of weights
    weight: Any  # float64
    line: Any  # [L, 3] int64: projection, its row for a source, delay [us]


class State(NamedTuple):
    """What a stream changes."""

    a: Any  # [N]
    origin: Any  # [P] us
    stamp: Any  # [N] last moment a neuron fired at
    bound: Any  # [N] a at which a driven neuron would fire before it is due; inf for others
    due: Any  # [N] us
    heap: Any  # [N] neurons by due
    place: Any  # [N] in the heap, or -1
    count: Any  # [3] in the heap; moments so far; synapses reached
    written: Any  # [P] spikes put into the ring
    read: Any  # [L] spikes taken from it
    ring_t: Any  # [P, C] us
    ring_i: Any  # [P, C]


class Scratch(NamedTuple):
    """Of one moment."""

    touched: Any  # [P, TOUCHED, 2] first neuron, length
    touches: Any  # [P]
    fired: Any  # [N] by population, from its first neuron on
    fires: Any  # [P]
    scale: Any  # [P] g, or 0 when not yet known
    woken: Any  # [P] uint8: neurons of it have come out of the heap


@njit(nogil=True, cache=True)
def run(net, s, work, k, t, channels, feed, last, out, out_t, out_i):  # type: ignore[no-untyped-def]
    """Everything that happens before ``last``: events ``k ..``, spikes that arrive, neurons that fire by themselves.

    Args:
        t, channels: events, in the order of time; each acts as a moment of its own.
        feed: population the channels belong to.
        out: population whose spikes go to out_t, out_i.

    Returns:
        The next event, spikes written, and DONE, FULL (call again) or OVERFLOW (a ring is full).
    """
    found = 0
    while True:
        now = _next(net, s)
        given = k < len(t) and t[k] <= now
        if given:
            now = t[k]
        if now >= last:
            return k, found, DONE
        if found + net.first[out + 1] - net.first[out] > len(out_t):
            return k, found, FULL
        s.count[1] += 1
        _arrive(net, s, work, now)
        if given:
            work.fired[net.first[feed]] = net.first[feed] + channels[k]
            work.fires[feed] = 1
            k += 1
        for p in range(len(net.spiking)):
            if work.touches[p] and net.spiking[p]:
                _fire(net, s, work, p, now)
            if work.fires[p]:
                if p == out:
                    for i in work.fired[net.first[p] : net.first[p] + work.fires[p]]:
                        out_t[found] = now
                        out_i[found] = i - net.first[p]
                        found += 1
                if not _send(net, s, work, p, now):
                    return k, found, OVERFLOW
            work.touches[p] = work.fires[p] = work.woken[p] = 0
            work.scale[p] = 0.0


@njit(nogil=True, cache=True)
def begin(net, s, now):  # type: ignore[no-untyped-def]
    """Say when neurons that are driven above their threshold will fire."""
    for i in range(len(net.driven)):
        if net.driven[i] or (s.a[i] > net.threshold[i] and net.spiking[net.owner[i]]):
            _plan(net, s, i, now, 1.0)


@njit(nogil=True)
def _next(net, s):  # type: ignore[no-untyped-def]
    """When something happens without an event."""
    now = s.due[s.heap[0]] if s.count[0] else NEVER
    for m in range(len(net.line)):
        p = net.source[net.line[m, 0]]
        if s.read[m] < s.written[p]:
            now = min(now, s.ring_t[p, s.read[m] % s.ring_t.shape[1]] + net.line[m, 2])
    return now


@njit(nogil=True)
def _arrive(net, s, work, now):  # type: ignore[no-untyped-def]
    """Deliver spikes whose delay is over, and touch neurons whose time has come."""
    for m in range(len(net.line)):
        j, capacity = net.line[m, 0], s.ring_t.shape[1]
        p = net.source[j]
        while s.read[m] < s.written[p] and s.ring_t[p, s.read[m] % capacity] + net.line[m, 2] == now:
            i = s.ring_i[p, s.read[m] % capacity] - net.first[p]
            _deliver(net, s, work, net.row[j] + i * net.spread[j] + net.line[m, 1], now)
            s.read[m] += 1
    while s.count[0] and s.due[s.heap[0]] == now:
        i = s.heap[0]
        _remove(s, i)
        _touch(work, net.owner[i], i, 1)
        work.woken[net.owner[i]] = 1


@njit(nogil=True)
def _deliver(net, s, work, row, now):  # type: ignore[no-untyped-def]
    """Add the weights of a row of runs."""
    for q in range(net.start[row], net.start[row + 1]):
        first, n, at = net.runs[q, 0], net.runs[q, 1], net.runs[q, 2]
        p = net.owner[first]
        a, w = s.a[first : first + n], net.weight[at : at + n]
        g = _scale(net, s, work, p, now)
        if net.uniform[p]:
            for i in range(n):
                a[i] += w[i] * g
        else:
            for i in range(n):
                a[i] += w[i] * math.exp((now - s.origin[p]) * net.rate[first + i])
        _touch(work, p, first, n)
        s.count[2] += n


@njit(nogil=True)
def _scale(net, s, work, p, now):  # type: ignore[no-untyped-def]
    """g of a population now; moves its origin when g has grown large."""
    if work.scale[p] == 0.0:
        elapsed = now - s.origin[p]
        if elapsed * net.fastest[p] > LARGEST:
            for i in range(net.first[p], net.first[p + 1]):
                shrink = math.exp(-elapsed * net.rate[i])
                s.a[i] *= shrink
                s.bound[i] *= shrink
            s.origin[p] = now
            elapsed = 0
        work.scale[p] = math.exp(elapsed * net.fastest[p])
    return work.scale[p]


@njit(nogil=True)
def _touch(work, p, first, n):  # type: ignore[no-untyped-def]
    m = work.touches[p]
    if m < work.touched.shape[1]:
        work.touched[p, m, 0], work.touched[p, m, 1] = first, n
    work.touches[p] = m + 1


@njit(nogil=True)
def _fire(net, s, work, p, now):  # type: ignore[no-untyped-def]
    """Look at the touched neurons of a population."""
    touches, woken = work.touches[p], work.woken[p]
    if touches > work.touched.shape[1]:  # more than were remembered
        work.touched[p, 0, 0], work.touched[p, 0, 1] = net.first[p], net.first[p + 1] - net.first[p]
        touches = 1
    g = _scale(net, s, work, p, now)
    for m in range(touches):
        first, n = work.touched[p, m, 0], work.touched[p, m, 1]
        if net.uniform[p] and not woken:
            a, theta, bound = s.a[first : first + n], net.threshold[first : first + n], s.bound[first : first + n]
            above = 0
            for i in range(n):
                above += a[i] > min(theta[i] * g, bound[i])
            if above == 0:
                continue
        for i in range(first, first + n):
            own = g if net.uniform[p] else math.exp((now - s.origin[p]) * net.rate[i])
            planned = s.place[i] >= 0 and s.a[i] <= s.bound[i]
            if s.a[i] > net.threshold[i] * own and s.stamp[i] != s.count[1]:
                s.stamp[i] = s.count[1]
                s.a[i] = s.a[i] - net.reset[i] * own if net.subtract[p] else net.reset[i] * own
                work.fired[net.first[p] + work.fires[p]] = i
                work.fires[p] += 1
                planned = False
            if s.a[i] > net.threshold[i] * own or (net.driven[i] and not planned):
                _plan(net, s, i, now, own)
    work.fired[net.first[p] : net.first[p] + work.fires[p]].sort()


@njit(nogil=True)
def _plan(net, s, i, now, g):  # type: ignore[no-untyped-def]
    """Put a neuron that will fire by itself into the heap, for the next microsecond or for halfway to when it fires.

    It is looked at again then; so input that only moves the moment a little need not touch the heap.
    """
    wait = 1
    x, theta, p = s.a[i] / g, net.threshold[i], net.owner[i]
    if x <= theta:  # below, and driven: both are negative
        wait = max(1, (math.floor(math.log(x / theta) / net.rate[i]) + 1) // 2)
    s.due[i] = now + wait
    s.bound[i] = np.inf
    if net.driven[i]:
        s.bound[i] = theta * math.exp((s.due[i] - s.origin[p]) * net.rate[i])
    if s.place[i] < 0:
        s.place[i] = s.count[0]
        s.heap[s.count[0]] = i
        s.count[0] += 1
    _sift(s, s.place[i])


@njit(nogil=True)
def _remove(s, i):  # type: ignore[no-untyped-def]
    at = s.place[i]
    s.count[0] -= 1
    s.place[i] = -1
    other = s.heap[s.count[0]]
    if other != i:
        s.heap[at] = other
        s.place[other] = at
        _sift(s, at)


@njit(nogil=True)
def _sift(s, at):  # type: ignore[no-untyped-def]
    """Move the entry at a place up or down to where it belongs."""
    i = s.heap[at]
    while at and s.due[s.heap[(at - 1) // 2]] > s.due[i]:
        s.heap[at] = s.heap[(at - 1) // 2]
        s.place[s.heap[at]] = at
        at = (at - 1) // 2
    while 2 * at + 1 < s.count[0]:
        child = 2 * at + 1
        if child + 1 < s.count[0] and s.due[s.heap[child + 1]] < s.due[s.heap[child]]:
            child += 1
        if s.due[s.heap[child]] >= s.due[i]:
            break
        s.heap[at] = s.heap[child]
        s.place[s.heap[at]] = at
        at = child
    s.heap[at] = i
    s.place[i] = at


@njit(nogil=True)
def _send(net, s, work, p, now):  # type: ignore[no-untyped-def]
    """Deliver the spikes of a population at once or put them into its ring; False when that is full."""
    first, delayed = net.first[p], False
    for m in range(len(net.line)):
        if net.source[net.line[m, 0]] == p:
            delayed = True
            if s.written[p] + work.fires[p] - s.read[m] > s.ring_t.shape[1]:
                return False
    for i in work.fired[first : first + work.fires[p]]:
        for j in range(len(net.source)):
            if net.source[j] == p and net.instant[j]:
                _deliver(net, s, work, net.row[j] + (i - first) * net.spread[j], now)
        if delayed:
            s.ring_t[p, s.written[p] % s.ring_t.shape[1]] = now
            s.ring_i[p, s.written[p] % s.ring_t.shape[1]] = i
            s.written[p] += 1
    return True
