"""How reliable sparse representations are: the closed forms of Ahmad and Hawkins, in exact rational arithmetic.

A dendritic segment keeps s cells of a pattern and matches when at least theta of them are active.

    n   cells of the population                         a   active cells of a pattern
    s   synapses of a segment (cells it keeps)          v   cells of a pattern that noise takes away
    m   patterns                                        theta   threshold [active synapses]

Every probability is summed as a fraction of whole numbers and rounded once, so values like 1e-40 are as exact as any.
A threshold above what can overlap gives the probability 0 (or 1 of missing); everything else that makes no sense is
refused: counts that are negative, no whole numbers or larger than what they are taken from, a threshold below 1.

Sources: Ahmad and Hawkins, "How do neurons operate on sparse distributed representations? A mathematical theory of
sparsity, neurons and active dendrites", arXiv:1601.00720; and "Properties of sparse distributed representations and
their application to hierarchical temporal memory", arXiv:1503.07469.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from statistics import median

from neurosim.errors import RangeError
from neurosim.sdr.checks import fraction, number, whole

SIZES = (1000, 5000, 9000, 13000, 17000)  # cells, where the typical error of a segment is taken
DENSITIES = (0.005, 0.010, 0.015, 0.020, 0.025, 0.030)
SYNAPSES = (20, 25, 30, 35, 40, 45, 50)


def capacity(n: int, a: int) -> int:
    """Number of patterns of ``a`` of ``n`` cells: B(n, a)."""
    n, a = _cells("capacity", n, a)
    return math.comb(n, a)


def identical(n: int, a: int) -> float:
    """Probability that two random patterns are the same one: 1 / B(n, a)."""
    return float(Fraction(1, capacity(n, a)))


def overlap_set(n: int, a: int, x: int, b: int) -> int:
    """Number of patterns of ``a`` cells that share just ``b`` with a given set of ``x``: B(x, b) B(n - x, a - b)."""
    n, a = _cells("overlap_set", n, a)
    x = whole("overlap_set: x", x, 0, n)
    b = whole("overlap_set: b", b)
    return math.comb(x, b) * math.comb(n - x, a - b) if b <= a else 0


def false_match(n: int, a: int, s: int, theta: int) -> float:
    """Probability that a segment matches a random pattern: that at least ``theta`` of its ``s`` cells are in it.

    The upper tail of the hypergeometric law; equal for s and a exchanged. With theta a fixed share of s it falls
    about exponentially in s; with a, s, theta fixed it falls in the end as n**-theta; at a fixed density a / n it
    hardly depends on n; at density 1/2 with theta = s / 2 it is above 1/2 for any n and s.
    """
    return _tail(*_segment("false_match", n, a, s, theta))


def false_match_term(n: int, a: int, s: int, theta: int) -> float:
    """The first term of `false_match`, an overlap of just ``theta``: close to it where theta is far above a s / n."""
    n, a, s, theta = _segment("false_match_term", n, a, s, theta)
    return float(Fraction(overlap_set(n, a, s, theta), math.comb(n, a)))


def false_negative(a: int, s: int, v: int, theta: int) -> float:
    """Probability that a segment misses its pattern when ``v`` of its ``a`` cells are silent: more than s - theta of
    the lost cells are among the ``s`` it keeps. The size of the population plays no part."""
    a = whole("false_negative: a", a, 1)
    s = whole("false_negative: s", s, 1, a)
    v = whole("false_negative: v", v, 0, a)
    lost = s - whole("false_negative: theta", theta, 1) + 1
    return _tail(a, v, s, lost) if lost > 0 else 1.0


def set_false_match(n: int, a: int, s: int, theta: int, m: int) -> float:
    """Probability that a random pattern matches any of ``m`` independent segments: 1 - (1 - p)**m."""
    return any_of(false_match(n, a, s, theta), m)


def set_false_match_bound(n: int, a: int, s: int, theta: int, m: int) -> float:
    """Upper bound of `set_false_match`, also of segments that are not independent: m p."""
    return whole("set_false_match_bound: m", m, 1) * false_match(n, a, s, theta)


def any_of(p: float, count: int) -> float:
    """Probability that any of ``count`` independent events of probability ``p`` happens; of a neuron with as many
    segments, if ``p`` is that of one."""
    p, count = fraction("any_of: p", p), whole("any_of: count", count, 1)
    return 1.0 if p == 1.0 else -math.expm1(count * math.log1p(-p))


def union_on(n: int, a: int, m: int) -> float:
    """Share of cells that are active in the union of ``m`` random patterns: 1 - (1 - a / n)**m."""
    n, a = _cells("union_on", n, a)
    return any_of(a / n, whole("union_on: m", m, 1))


def union_false_match(n: int, a: int, m: int) -> float:
    """Probability that all cells of a random pattern are in the union of ``m`` others: union_on**a."""
    return union_on(n, a, m) ** a


def inexact_union_false_match(n: int, a: int, m: int, theta: int) -> float:
    """Probability that at least ``theta`` cells of a random pattern are in the union of ``m`` others.

    The union is taken to have just its expected number of cells, n union_on, which need be no whole number.
    """
    return activity_union_false_match(n, a, a, theta, m)


def activity_union_false_match(n: int, a: int, s: int, theta: int, m: int) -> float:
    """`false_match` where ``m`` random patterns are active at once, with their expected number of cells, n union_on.

    That need be no whole number: binomials are those of the gamma function, as products of ``s`` factors.
    """
    n, a, s, theta = _segment("activity_union_false_match", n, a, s, theta)
    return _tail(n, Fraction(n * union_on(n, a, m)), s, theta)


def segment_union_false_match(n: int, a: int, s: int, theta: int, m: int) -> float:
    """`false_match` of a segment that keeps ``s`` cells of each of ``m`` patterns, without those it would keep twice:
    round(n (1 - (1 - s / n)**m)) synapses."""
    n, a, s, theta = _segment("segment_union_false_match", n, a, s, theta)
    return _tail(n, a, round(n * union_on(n, s, m)), theta)


def jaccard(n: int, a: int, q: float) -> float:
    """Expected share of correct cells among those active, where all ``a`` correct ones are and every other with
    probability ``q`` (such as a first-order sequence memory predicts): a / (a + q (n - a))."""
    n, a = _cells("jaccard", n, a)
    return a / (a + fraction("jaccard: q", q) * (n - a))


def typical_false_match(
    theta: int,
    sizes: Sequence[int] = SIZES,
    densities: Sequence[float] = DENSITIES,
    synapses: Sequence[int] = SYNAPSES,
) -> float:
    """Median of `false_match` over populations and segments as cortex has them.

    Args:
        theta: threshold.
        sizes: n; 1000 to 17000 cells.
        densities: a / n, > 0 and <= 1; 0.5 % to 3 %. a is rounded.
        synapses: s; 20 to 50.
    """
    for density in densities:
        if not 0.0 < number("typical_false_match: densities", density) <= 1.0:
            raise RangeError(f"typical_false_match: densities: must be > 0 and <= 1, got {density!r}.")
    return median(false_match(n, round(d * n), s, theta) for n in sizes for d in densities for s in synapses)


def optimal_threshold(n: int, a: int, s: int, error: float = 1e-7) -> int | None:
    """Smallest threshold at which a segment matches a random pattern with a probability of at most ``error``.

    A higher one needs not be paid for in missed patterns: see `false_negative`. None where even all ``s`` synapses
    are not enough.
    """
    n, a, s, _ = _segment("optimal_threshold", n, a, s, 1)
    limit = fraction("optimal_threshold: error", error)
    return next((theta for theta in range(1, s + 1) if _tail(n, a, s, theta) <= limit), None)


def _cells(where: str, n: int, a: int) -> tuple[int, int]:
    n = whole(f"{where}: n", n, 1)
    return n, whole(f"{where}: a", a, 1, n)


def _segment(where: str, n: int, a: int, s: int, theta: int) -> tuple[int, int, int, int]:
    n, a = _cells(where, n, a)
    return n, a, whole(f"{where}: s", s, 1, n), whole(f"{where}: theta", theta, 1)


def _tail(n: int, a: int | Fraction, s: int, theta: int) -> float:
    """P[overlap >= theta] of ``s`` cells with ``a`` of ``n``; ``a`` need be no whole number.

    The sum over b of B(s, b) a(a - 1)..(a - b + 1) (n - a)..(n - a - s + b + 1), divided by n(n - 1)..(n - s + 1).
    Terms with a factor below 0, which only an ``a`` that is no whole number has, are left out.
    """
    if isinstance(a, int) and a < s:
        a, s = s, a
    silent = n - a
    first, last = max(theta, math.floor(s - 1 - silent) + 1), min(s, math.ceil(a))
    if first > last:
        return 0.0
    term = math.comb(s, first) * _falling(a, first) * _falling(silent, s - first)
    total = term
    for b in range(first, last):
        up, down = term * (s - b) * (a - b), (b + 1) * (silent - s + b + 1)
        term = up // down if isinstance(a, int) else Fraction(up) / down  # whole numbers divide without a rest
        total += term
    return float(Fraction(total) / math.perm(n, s))


def _falling(x: int | Fraction, count: int) -> int | Fraction:
    """x (x - 1) ... of ``count`` factors."""
    return math.perm(x, count) if isinstance(x, int) else math.prod((x - k for k in range(count)), start=Fraction(1))
