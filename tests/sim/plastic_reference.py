"""Weights after given spikes, by sums over pairs of spikes as the papers write them: no traces, no decay per step."""

import numpy as np


def past(times, now, tau, nearest, inclusive):
    """Sum of exp(-(now - t) / tau) over the spikes before ``now`` (or at it), or over the last one only."""
    before = times[times <= now] if inclusive else times[times < now]
    if nearest:
        before = before[-1:]
    return np.exp(-(now - before) / tau).sum()


def weight_after(rule, pre, post, w):
    """Final weight of a synapse that ``pre`` and ``post`` spikes reach at these times [s]."""
    events = sorted([(t, 0) for t in pre] + [(t, 1) for t in post])  # at one time the presynaptic spike comes first
    for t, side in events:
        w += change(rule, np.asarray(pre), np.asarray(post), t, side, w)
        w = min(max(w, rule.w_min), rule.w_max)
    return w


def change(rule, pre, post, t, side, w):
    name, scale, nearest = type(rule).__name__, rule.w_max - rule.w_min, rule.pairing == "nearest"
    if name == "VogelsSprekeler":
        if side == 0:
            return rule.eta * (past(post, t, rule.tau, False, False) - 2 * rule.rate * rule.tau)
        return rule.eta * past(pre, t, rule.tau, False, True)
    if side == 0:
        y = past(post, t, rule.tau_minus, nearest, False)
        if name == "TripletSTDP":
            return -scale * y * (rule.a2_minus + rule.a3_minus * past(pre, t, rule.tau_x, nearest, False))
        return -scale * rule.a_minus * y * ((w - rule.w_min) / scale) ** rule.mu_minus
    x = past(pre, t, rule.tau_plus, nearest, True)
    if name == "TripletSTDP":
        return scale * x * (rule.a2_plus + rule.a3_plus * past(post, t, rule.tau_y, nearest, False))
    return scale * rule.a_plus * x * ((rule.w_max - w) / scale) ** rule.mu_plus


def rewarded_weight(rule, pre, post, rewards, w, end, dt):
    """w + integral of c (n - baseline) up to ``end``, summed over a grid far finer than any spike distance."""
    fine = dt / 40
    s = (np.arange(round(end / fine)) + 0.5) * fine  # midpoints
    scale, c, n = rule.w_max - rule.w_min, np.zeros_like(s), np.zeros_like(s)

    def decaying(start, tau):
        return np.where(s > start, np.exp(-np.clip(s - start, 0, None) / tau), 0.0)

    for t in pre:
        amount = scale * rule.a_minus * past(np.asarray(post), t, rule.tau_minus, rule.pairing == "nearest", False)
        c -= amount * decaying(t, rule.tau_eligibility)
    for t in post:
        amount = scale * rule.a_plus * past(np.asarray(pre), t, rule.tau_plus, rule.pairing == "nearest", True)
        c += amount * decaying(t, rule.tau_eligibility)
    for t in rewards:
        n += decaying(t, rule.tau_modulator)
    return w + (c * (n - rule.baseline)).sum() * fine
