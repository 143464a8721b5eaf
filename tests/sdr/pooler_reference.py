"""A Spatial Pooler in dense NumPy, slow and as the text says: distances between all pairs, sorts, no lists.

It starts from the synapses of a pooler, as those are drawn at random; everything after that is its own.
"""

from __future__ import annotations

import numpy as np


def distances(dims, other, wrap):
    """(other, dims) largest distance along any axis; ``other`` are coordinates, (n, axes)."""
    at = np.array(np.unravel_index(np.arange(np.prod(dims)), dims)).T
    gap = np.abs(np.asarray(other)[:, None, :] - at[None])
    return (np.minimum(gap, np.array(dims) - gap) if wrap else gap).max(2)


def coordinates(dims):
    return np.array(np.unravel_index(np.arange(np.prod(dims)), dims)).T


class Reference:
    def __init__(self, pooler):
        self.s = s = pooler.settings
        self.inputs, self.dims = s["input_dimensions"], s["column_dimensions"]
        n, size = int(np.prod(self.dims)), int(np.prod(self.inputs))
        self.pool, self.permanence = np.zeros((n, size), bool), np.zeros((n, size), np.float32)
        for c in range(n):
            source, permanence = pooler.synapses(c)
            self.pool[c, source], self.permanence[c, source] = True, permanence
        self.boost, self.step = np.ones(n, np.float32), 0
        self.overlap_duty, self.active_duty, self.least = (np.zeros(n, np.float32) for _ in range(3))
        self.between = distances(self.dims, coordinates(self.dims), s["wrap_around"])
        self.centres = (2 * coordinates(self.dims) + 1) * np.array(self.inputs) // (2 * np.array(self.dims))
        self.radius = None if s["global_inhibition"] else self.new_radius()

    @property
    def connected(self):
        return self.pool & (self.permanence >= np.float32(self.s["connected_permanence"]))

    def new_radius(self):
        spans = []
        at = coordinates(self.inputs)
        for c, row in enumerate(self.connected):
            for axis, size in enumerate(self.inputs):
                offset = at[row, axis] - self.centres[c, axis]
                if self.s["wrap_around"]:
                    offset = (offset + size // 2) % size - size // 2
                spans.append(np.ptp(offset) + 1 if len(offset) else 0)
        ratio = np.mean(np.array(self.dims) / np.array(self.inputs))
        return max(1, int(np.floor((np.mean(spans) * ratio - 1) / 2 + 0.5)))

    def winners(self, overlap, boosted):
        able = overlap >= self.s["stimulus_threshold"]
        order = sorted(np.flatnonzero(able), key=lambda c: (-boosted[c], c))
        if self.radius is None:
            return np.sort(order[: round(self.s["local_area_density"] * len(overlap))]).astype(int)
        won = []
        for c in np.flatnonzero(able):
            near = np.flatnonzero(self.between[c] <= self.radius)
            better = sum(boosted[o] > boosted[c] or (boosted[o] == boosted[c] and o in won) for o in near if able[o])
            if better < max(1, int(0.5 + float(np.float32(self.s["local_area_density"])) * len(near))):
                won.append(c)
        return np.array(won, int)

    def raise_all(self, c):
        bump = np.float32(max(0.1 * self.s["connected_permanence"], 1e-6))
        self.permanence[c] = np.where(self.pool[c], np.minimum(self.permanence[c] + bump, np.float32(1)), 0)

    def compute(self, active, learn):
        x = np.zeros(self.pool.shape[1], bool)
        x[active] = True
        overlap = (self.connected & x).sum(1)
        boosted = overlap.astype(np.float32) * self.boost
        winners = self.winners(overlap, boosted)
        if learn:
            self.learn(x, overlap, winners)
        return overlap, winners

    def learn(self, x, overlap, winners):
        s, f = self.s, np.float32
        self.step += 1
        change = np.where(x, f(s["permanence_increment"]), -f(s["permanence_decrement"]))
        for c in winners:
            self.permanence[c] = np.where(self.pool[c], np.clip(self.permanence[c] + change, f(0), f(1)), 0)
            while self.connected[c].sum() < s["stimulus_threshold"]:
                self.raise_all(c)
        period = f(min(s["duty_cycle_period"], self.step))
        won = np.isin(np.arange(len(overlap)), winners)
        for duty, now in ((self.overlap_duty, overlap > 0), (self.active_duty, won)):
            duty[:] = (duty * (period - f(1)) + now.astype(np.float32)) / period
            duty[duty <= f(1e-30)] = 0
        for c in np.flatnonzero(self.overlap_duty < self.least):
            self.raise_all(c)
        around = self.between <= (self.radius if self.radius is not None else np.inf)
        if f(s["boost_strength"]) > 0:
            target = np.float64(f(s["local_area_density"]))
            if self.radius is not None:
                target = np.array([self.active_duty[row].astype(float).mean() for row in around])
            self.boost = np.exp(float(f(s["boost_strength"])) * (target - self.active_duty)).astype(np.float32)
        if self.step % 50 == 0:
            if self.radius is not None:
                self.radius = self.new_radius()
                around = self.between <= self.radius
            share = f(s["min_pct_overlap_duty_cycles"])
            self.least = np.array([share * self.overlap_duty[row].max() for row in around], np.float32)
