"""Synapses that change: what happens when a spike reaches them from either side.

Traces are brought up to date only when they are needed: each keeps its value and the step it is from, and decays by a
table of exp(-k dt / tau), or by exp itself beyond the table. A presynaptic trace belongs to a row of synapses (one
source, one delay), since spikes reach rows at different times; a postsynaptic one to a target neuron.

All events happen at the synapse, which lies ``back`` steps (the dendritic delay) before the soma: a presynaptic spike
is handled when its input arrives at the soma, and so a postsynaptic one 2 * back steps after it was fired.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

TABLE = 25.0  # time constants that a table of decay spans


def decay_table(tau: float, dt: float, dtype: Any) -> Any:
    """exp(-k dt / tau) for k = 0, 1, ..., at least two entries; tau = 0: 1 and then nothing."""
    if tau == 0:
        return np.array([1.0, 0.0], dtype)
    steps = np.arange(max(2, math.ceil(TABLE * tau / dt)))
    return np.exp(-steps * (dt / tau)).astype(dtype)


@njit(nogil=True, error_model="numpy", inline="always")
def _after(table, steps):  # type: ignore[no-untyped-def]
    """What is left of 1 after so many steps."""
    if steps < len(table):
        return table[steps]
    left, last = table[0], len(table) - 1
    while steps > last and left > 0:
        left *= table[last]
        steps -= last
    return left * table[min(steps, last)]


@njit(nogil=True, error_model="numpy", inline="always")
def _soften(change, room, mu):  # type: ignore[no-untyped-def]
    """change * room ** mu, at no cost for the usual 0 and 1."""
    if mu == 0:
        return change
    return change * room if mu == 1 else change * room**mu


@njit(nogil=True)
def arriving_rows(under_way, first, last, since, start, rows):  # type: ignore[no-untyped-def]
    """Find the rows of synapses that spikes reach, see `neurosim.kernels.deliver`; returns how many."""
    ring, found = len(under_way) - 1, 0
    for i in range(first, last):
        row = under_way[i & ring] + since
        rows[found] = row
        found += start[row] < start[row + 1]
    return found


@njit(nogil=True, error_model="numpy")
def stdp_pre(acc, rows, found, start, target, weight, pre, post, tables, numbers, t):  # type: ignore[no-untyped-def]
    """Transmit the spikes of these rows, then change their weights. pre, post: (trace, slower trace, step)."""
    (x1, x2, x_step), (y1, _, y_step) = pre, post
    _, _, two, three, fixed, _, mu, low, high, keep = numbers
    for k in range(found):
        row = rows[k]
        past = t - x_step[row]
        first, second = x1[row] * _after(tables[0], past), x2[row] * _after(tables[1], past)
        change = two + three * second
        for q in range(start[row], start[row + 1]):
            j, w = target[q], weight[q]
            acc[j] += w
            y = y1[j] * _after(tables[2], t - y_step[j])
            w -= _soften(change * y, (w - low) / (high - low), mu) + fixed
            weight[q] = min(max(w, low), high)
        x1[row], x2[row], x_step[row] = first * keep + 1, second * keep + 1, t


@njit(nogil=True, error_model="numpy")
def stdp_post(spikes, found, first, inward, weight, pre, post, tables, numbers, t):  # type: ignore[no-untyped-def]
    """Change the weights of all synapses onto the neurons ``spikes``. inward: (start, synapse, row) by target."""
    (x1, _, x_step), (y1, y2, y_step) = pre, post
    two, three, _, _, _, mu, _, low, high, keep = numbers
    begin, synapse, row_of = inward
    for k in range(found):
        j = spikes[k] - first
        past = t - y_step[j]
        fast, slow = y1[j] * _after(tables[2], past), y2[j] * _after(tables[3], past)
        change = two + three * slow
        for p in range(begin[j], begin[j + 1]):
            q, row = synapse[p], row_of[p]
            w = weight[q]
            x = x1[row] * _after(tables[0], t - x_step[row])
            w += _soften(change * x, (high - w) / (high - low), mu)
            weight[q] = min(max(w, low), high)
        y1[j], y2[j], y_step[j] = fast * keep + 1, slow * keep + 1, t


@njit(nogil=True, error_model="numpy", inline="always")
def _settle(q, now, weight, c, c_step, reward, low, high):  # type: ignore[no-untyped-def]
    """Bring one synapse up to step ``now`` of the epoch: what its eligibility earned, and what is left of it."""
    earned, decay = reward[0], reward[1]
    past = c_step[q]
    if past != now:
        w = weight[q] + c[q] * (earned[now] - earned[past]) / decay[past]
        weight[q] = min(max(w, low), high)
        c[q] *= decay[now] / decay[past]
        c_step[q] = now


@njit(nogil=True, error_model="numpy")
def reward_step(spikes, counts, borders, base, t, reward, weight, eligibility, numbers):  # type: ignore[no-untyped-def]
    """Add this step to what a unit of eligibility earns; at the end of an epoch settle all synapses.

    reward: (earned, decay) of the steps of an epoch, n [1], and the integrals over a step of the modulator and of the
    baseline, each with the decay of eligibility, and the modulator's decay per step.
    """
    earned, decay, level, of_modulator, of_baseline, left = reward
    c, c_step = eligibility
    low, high = numbers[7], numbers[8]
    epoch = len(earned) - 1
    now = t % epoch
    if now == 0:
        for q in range(len(c)):
            _settle(q, epoch, weight, c, c_step, reward, low, high)
            c_step[q] = 0
        earned[0] = 0
    h = (t - base) & (len(counts) - 1)
    arrived = 0
    for thread in range(counts.shape[1]):
        arrived += counts[h, thread]
    level[0] = level[0] * left + arrived
    earned[now + 1] = earned[now] + decay[now] * (level[0] * of_modulator - of_baseline)


@njit(nogil=True, error_model="numpy")
def reward_pre(  # type: ignore[no-untyped-def]
    acc, rows, found, start, target, weight, pre, post, tables, numbers, eligibility, reward, t
):
    """Transmit the spikes of these rows, then lower their eligibility."""
    (x1, _, x_step), (y1, _, y_step), (c, c_step) = pre, post, eligibility
    change, low, high, keep = numbers[2], numbers[7], numbers[8], numbers[9]
    now = t % (len(reward[0]) - 1)
    for k in range(found):
        row = rows[k]
        for q in range(start[row], start[row + 1]):
            j = target[q]
            _settle(q, now, weight, c, c_step, reward, low, high)
            acc[j] += weight[q]
            c[q] -= change * y1[j] * _after(tables[2], t - y_step[j])
        x1[row] = x1[row] * _after(tables[0], t - x_step[row]) * keep + 1
        x_step[row] = t


@njit(nogil=True, error_model="numpy")
def reward_post(  # type: ignore[no-untyped-def]
    spikes, found, first, inward, weight, pre, post, tables, numbers, eligibility, reward, t
):
    """Raise the eligibility of all synapses onto the neurons ``spikes``."""
    (x1, _, x_step), (y1, _, y_step), (c, c_step) = pre, post, eligibility
    change, low, high, keep = numbers[0], numbers[7], numbers[8], numbers[9]
    begin, synapse, row_of = inward
    now = t % (len(reward[0]) - 1)
    for k in range(found):
        j = spikes[k] - first
        for p in range(begin[j], begin[j + 1]):
            q, row = synapse[p], row_of[p]
            _settle(q, now, weight, c, c_step, reward, low, high)
            c[q] += change * x1[row] * _after(tables[0], t - x_step[row])
        y1[j] = y1[j] * _after(tables[2], t - y_step[j]) * keep + 1
        y_step[j] = t


@njit(nogil=True, error_model="numpy")
def short_term_pre(acc, rows, found, start, target, weight, pre, tables, numbers, t):  # type: ignore[no-untyped-def]
    """Transmit the spikes of these rows with what is left of their resources. pre: (R, u, step or -1)."""
    (resources, used, step), (fraction,) = pre, numbers
    shared = len(weight) == 1
    for k in range(found):
        row = rows[k]
        if step[row] >= 0:
            past = t - step[row]
            free = resources[row] * (1 - used[row])
            resources[row] = 1 + (free - 1) * _after(tables[0], past)
            used[row] = fraction + used[row] * (1 - fraction) * _after(tables[1], past)
        step[row] = t
        factor = used[row] * resources[row]
        for q in range(start[row], start[row + 1]):
            acc[target[q]] += factor * (weight[0] if shared else weight[q])
