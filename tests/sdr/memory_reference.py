"""A Temporal Memory in plain Python, slow and as the text says: every segment is looked at in every step.

Segments are dicts from presynaptic cell to permanence, in a list for each cell in the order of birth. Nothing is
shared with the kernels but the rules: which of equals comes first, and the generator of random numbers.
"""

from __future__ import annotations

import numpy as np

WORD = 2**64


class Generator:
    """SplitMix64, as published; a number below n is the upper half of a draw times n, without its fraction."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) % WORD
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
        z ^= z >> 31
        return (z >> 32) * n >> 32


class Segment:
    def __init__(self, step):
        self.permanence, self.used = {}, step
        self.active = self.matching = False
        self.potential = 0


class Reference:
    def __init__(self, columns, **settings):
        self.columns, self.s = columns, settings
        self.cells = columns * settings["cells_per_column"]
        self.segments = [[] for _ in range(self.cells)]
        self.random, self.step = Generator(settings["seed"]), 0
        self.active, self.winners = set(), []

    def rate(self, name):
        return np.float32(self.s[name])

    def of_column(self, column):
        first = column * self.s["cells_per_column"]
        return range(first, first + self.s["cells_per_column"])

    def predictive(self):
        return [c for c in range(self.cells) if any(g.active for g in self.segments[c])]

    def compute(self, columns, learn):
        per = self.s["cells_per_column"]
        predictive = self.predictive()
        hit = {c // per for c in predictive} & set(columns)
        active, winners = set(), []
        for column in range(self.columns):
            own = [(c, g) for c in self.of_column(column) for g in list(self.segments[c]) if g.matching]
            if column not in columns:
                if learn and self.s["predicted_segment_decrement"] > 0:
                    for c, g in own:
                        self.adapt(c, g, -self.rate("predicted_segment_decrement"), np.float32(0))
            elif column in hit:
                for c in (c for c in self.of_column(column) if c in predictive):
                    active.add(c)
                    winners.append(c)
                    for g in [g for g in self.segments[c] if g.active]:
                        if learn:
                            self.reinforce(c, g)
            else:
                active |= set(self.of_column(column))
                winners.append(self.burst(column, own, learn))
        self.active, self.winners = active, winners
        self.step += 1
        for cell in range(self.cells):
            for g in self.segments[cell]:
                connected = sum(p >= self.rate("connected_permanence") and c in active for c, p in g.permanence.items())
                g.potential = sum(c in active for c in g.permanence)
                g.matching = g.potential >= self.s["min_threshold"]
                g.active = connected >= self.s["activation_threshold"]
                if learn and g.active:
                    g.used = self.step
        return 1 - len(hit) / len(columns) if len(columns) else 0.0

    def burst(self, column, own, learn):
        if own:
            most = max(g.potential for _, g in own)
            cell, best = next((c, g) for c, g in own if g.potential == most)
            if learn:
                self.reinforce(cell, best)
            return cell
        fewest = min(len(self.segments[c]) for c in self.of_column(column))
        tied = [c for c in self.of_column(column) if len(self.segments[c]) == fewest]
        cell = tied[self.random.below(len(tied))]
        if learn and self.winners:
            while len(self.segments[cell]) >= self.s["max_segments_per_cell"]:
                self.segments[cell].remove(min(self.segments[cell], key=lambda g: g.used))
            g = Segment(self.step)
            self.segments[cell].append(g)
            self.grow(g, self.s["max_new_synapse_count"])
        return cell

    def reinforce(self, cell, g):
        self.adapt(cell, g, self.rate("permanence_increment"), self.rate("permanence_decrement"), keep=True)
        self.grow(g, self.s["max_new_synapse_count"] - g.potential)
        if not g.permanence:
            self.segments[cell].remove(g)

    def adapt(self, cell, g, more, less, keep=False):
        for c, p in list(g.permanence.items()):
            p = np.clip(p + more if c in self.active else p - less, np.float32(0), np.float32(1))
            if p > 0:
                g.permanence[c] = p
            else:
                del g.permanence[c]
        if not keep and not g.permanence:
            self.segments[cell].remove(g)

    def grow(self, g, wanted):
        free = [c for c in self.winners if c not in g.permanence]
        wanted = min(wanted, len(free))
        if wanted <= 0:
            return
        most = self.s["max_synapses_per_segment"]
        others = sorted((p, c) for c, p in g.permanence.items() if c not in self.winners)
        for _, c in others[: max(0, len(g.permanence) + wanted - most)]:
            del g.permanence[c]
        for i in range(min(wanted, most - len(g.permanence))):
            j = i + self.random.below(len(free) - i)
            free[i], free[j] = free[j], free[i]
            g.permanence[free[i]] = self.rate("initial_permanence")

    def reset(self):
        self.active, self.winners = set(), []
        for g in (g for own in self.segments for g in own):
            g.active = g.matching = False
