"""Random numbers for the making of synapses: words, gaps between successes, weights and delays.

Each is a function of the seed, the stream and a number (of a synapse, a target, a block of words), so it does not
depend on which lane draws it, nor on how many it draws at once. Counter: the number in words 0 and 1, 2**31 +
purpose in word 2, the stream in word 3. `fill_uniform` has the high half of a step there, always below 2**31: no
draw made here meets one made while a network runs, even if they share the stream.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from neurosim.kernels.philox import MASK, WORD, inlined, kernel, philox4

OURS = np.uint64(1 << 31)
PARTNERS, VALUES, DROPPED, GAPS = range(4)  # purposes; from GAPS on, one for each attempt
AGAIN = 1 << 16  # added to VALUES for each further draw of a value
ALL, SAME, ANY, DISTINCT = range(4)  # how the partners of a neuron are chosen

SQRT_HALF, LOG_2, PI = math.sqrt(0.5), math.log(2.0), math.pi
MANTISSA, SIGNIFICANT = np.uint64((1 << 52) - 1), np.uint64(52)
HALF_EXPONENT, HALF_BITS = np.int64(1022), np.uint64(1022 << 52)  # of a float64 in 0.5..1
ATANH = tuple(1.0 / k for k in range(21, 0, -2))  # series of atanh(x) / x in x**2, last term first
SINE = tuple((-1) ** (k // 2) / math.factorial(k) for k in range(19, 0, -2))  # the same of sin(x) / x


class Draw(NamedTuple):
    """A random value: ``a``, ``b`` are mean and sd (normal), mean and sd of the log (lognormal) or ends (uniform).

    What falls outside ``low..high`` is set to the nearer end, or drawn again. Delays are in steps, rounded before they
    are held against their ends, which are whole and >= 1.
    """

    kind: str
    a: float
    b: float
    low: float = -math.inf
    high: float = math.inf
    redraw: bool = False


def _bits_of(typingctx: Any, x: Any) -> Any:
    del typingctx, x
    return types.uint64(types.float64), lambda _, builder, __, args: builder.bitcast(args[0], ir.IntType(64))


def _float_of(typingctx: Any, bits: Any) -> Any:
    del typingctx, bits
    return types.float64(types.uint64), lambda _, builder, __, args: builder.bitcast(args[0], ir.DoubleType())


bits_of: Any = intrinsic(_bits_of)
float_of: Any = intrinsic(_float_of)


@inlined
def log(x: Any) -> Any:
    """Natural logarithm of a normal float64 > 0; unlike the library's, it vectorises and is the same everywhere."""
    bits = bits_of(x)
    part = float_of((bits & MANTISSA) | HALF_BITS)
    power = np.int64(bits >> SIGNIFICANT) - HALF_EXPONENT  # x = part * 2**power, part in 0.5..1
    low = part < SQRT_HALF
    part = part * 2.0 if low else part
    power = power - np.int64(low)
    y = (part - 1.0) / (part + 1.0)
    z = y * y
    total = 0.0
    for term in ATANH:
        total = total * z + term
    return power * LOG_2 + 2.0 * y * total


@inlined
def sine(x: Any) -> Any:
    """Sine of a float64 in -pi/2..pi/2, by its series."""
    z = x * x
    total = 0.0
    for term in SINE:
        total = total * z + term
    return total * x


@inlined
def _fraction(high: Any, low: Any) -> Any:
    """A float64 inside 0..1, never an end, of two random words: 52 bits, so that adding one half is exact."""
    return (np.float64(np.int64(((high << WORD) | low) >> np.uint64(12))) + 0.5) * 2.0**-52


@kernel
def fill_words(u: NDArray[np.uint32], block: int, purpose: int, seed: Any, stream: Any) -> None:
    """Fill ``u`` (a multiple of 4 words) with the random words 4 * ``block`` and on."""
    tag = OURS + np.uint64(purpose)
    for q in range(u.size >> 2):
        number = np.uint64(block + q)
        words = philox4(number, number >> WORD, tag, stream, seed, seed >> WORD)
        u[4 * q] = words[0]
        u[4 * q + 1] = words[1]
        u[4 * q + 2] = words[2]
        u[4 * q + 3] = words[3]


@kernel
def fill_gaps(
    gaps: NDArray[np.int64], target: int, block: int, purpose: int, scale: float, most: int, seed: Any, stream: Any
) -> None:
    """Fill ``gaps`` (an even size) with failures before a success: gaps 2 * ``block`` and on of one ``target``.

    ``scale`` is 1 / log(1 - p): 0 for p = 1, -inf for p = 0. Longer gaps than ``most`` are cut to it.
    """
    tag, ceiling = OURS + np.uint64(purpose), float(most)
    for q in range(gaps.size >> 1):
        a, b, c, d = philox4(block + q, target, tag, stream, seed, seed >> WORD)
        gaps[2 * q] = np.int64(min(log(_fraction(a, b)) * scale, ceiling))
        gaps[2 * q + 1] = np.int64(min(log(_fraction(c, d)) * scale, ceiling))


@kernel
def fill_partners(
    begin: int, degree: int, width: int, choice: int, words: Any, taken: Any, item: Any, other: Any
) -> None:
    """Write synapses ``begin`` and on: synapse s belongs to neuron s // degree and gets one of ``width`` partners.

    ``taken`` keeps, for each partner, the neuron that chose it last: Floyd's draw without repetition.
    """
    neuron: Any = begin // degree
    j: Any = begin % degree
    partner: Any
    for i in range(item.size):
        if choice == ALL:
            partner = j
        elif choice == SAME:
            partner = neuron
        elif choice == ANY:
            partner = np.int64((np.uint64(words[i]) * np.uint64(width)) >> WORD)
        else:
            last = width - degree + j
            partner = np.int64((np.uint64(words[i]) * np.uint64(last + 1)) >> WORD)
            partner = last if taken[partner] == neuron else partner
            taken[partner] = neuron
        item[i] = neuron
        other[i] = partner
        j += 1
        if j == degree:
            j = 0
            neuron += 1


@kernel
def fill_pairs(sources: int, targets: int, words: Any, source: Any, target: Any) -> None:
    """Draw a target and a source for every synapse, two words each."""
    for i in range(source.size):
        source[i] = np.int64((np.uint64(words[2 * i]) * np.uint64(sources)) >> WORD)
        target[i] = np.int64((np.uint64(words[2 * i + 1]) * np.uint64(targets)) >> WORD)


@kernel
def fill_successes(
    place: Any, width: int, end: int, scale: float, gaps: Any, purpose: int, seed: Any, stream: Any,
    source: Any, target: Any, number: Any,
) -> int:  # fmt: skip
    """Write the pairs that exist, target by target, until the buffers cannot take another block of gaps.

    ``place`` is where to go on: target, first pair not decided yet, first gap not drawn yet.
    """
    t, at, drawn = place[0], place[1], place[2]
    n = 0
    while t < end and n + gaps.size <= source.size:
        fill_gaps(gaps, t, drawn >> 1, purpose, scale, width, seed, stream)
        for gap in gaps:
            at += gap
            if at >= width:
                break
            source[n] = at
            target[n] = t
            number[n] = t * width + at
            n += 1
            at += 1
        drawn += gaps.size
        if at >= width:
            t += 1
            at = drawn = 0
    place[0], place[1], place[2] = t, at, drawn
    return n


@kernel
def fill_normal(x: NDArray[np.float64], number: NDArray[np.int64], seed: Any, stream: Any, attempt: int = 0) -> None:
    """Write the standard normal draw of each synapse to ``x``: Box and Muller, the cosine only."""
    tag = OURS + np.uint64(VALUES + AGAIN * attempt)
    for i in range(x.size):
        n = np.uint64(number[i])
        a, b, _, _ = philox4(n, n >> WORD, tag, stream, seed, seed >> WORD)
        u = (np.float64(np.int64(a)) + 0.5) * 2.0**-32
        v = (np.float64(np.int64(b)) + 0.5) * 2.0**-32
        x[i] = np.sqrt(-2.0 * log(u)) * sine(PI * (0.5 - v))  # sin(pi (1/2 - v)) = cos(pi v): half a turn is enough


@kernel
def fill_fraction(x: NDArray[np.float64], number: NDArray[np.int64], seed: Any, stream: Any) -> None:
    """Write the uniform draw in 0..1 of each synapse to ``x``."""
    tag = OURS + np.uint64(VALUES)
    for i in range(x.size):
        n = np.uint64(number[i])
        a, b, _, _ = philox4(n, n >> WORD, tag, stream, seed, seed >> WORD)
        x[i] = _fraction(a, b)


def fill_weights(draw: Draw, x: NDArray[np.float64], number: NDArray[np.int64], seed: Any, stream: Any) -> None:
    """Write the weight of each synapse to ``x``."""
    _fill_free(draw, x, number, seed, stream)
    if not draw.redraw:
        np.clip(x, draw.low, draw.high, out=x)
        return
    attempt, outside = 1, np.flatnonzero((x < draw.low) | (x > draw.high))
    while outside.size:
        again = np.empty(outside.size)
        _fill_free(draw, again, number[outside], seed, stream, attempt)
        x[outside] = again
        attempt, outside = attempt + 1, outside[(again < draw.low) | (again > draw.high)]


def _fill_free(
    draw: Draw, x: NDArray[np.float64], number: NDArray[np.int64], seed: Any, stream: Any, attempt: int = 0
) -> None:
    if draw.kind == "uniform":
        fill_fraction(x, number, seed, stream)
        x *= draw.b - draw.a
    else:
        fill_normal(x, number, seed, stream, attempt)
        x *= draw.b
    x += draw.a
    if draw.kind == "lognormal":
        np.exp(x, out=x)


def subset(total: int, n: int, seed: Any, stream: Any) -> NDArray[np.int64]:
    """``n`` different numbers below ``total``, all choices equally likely, sorted (Floyd's method)."""
    words = np.empty(4 * math.ceil(n / 2), np.uint32)
    fill_words(words, 0, DROPPED, seed, stream)
    chosen: set[int] = set()
    for last, word in zip(range(total - n, total), words.view(np.uint64).tolist(), strict=False):
        number = word * (last + 1) >> 64
        chosen.add(last if number in chosen else number)
    return np.array(sorted(chosen), np.int64)


class DelayTable(NamedTuple):
    """A law over whole delays, as Walker's alias table: one word and one comparison make a draw."""

    share: NDArray[np.uint64]  # (spread,) column k gives the first of its two steps where the rest of the word ...
    steps: NDArray[np.int64]  # (2 * spread,) ... lies below share[k]

    @classmethod
    def of(cls, draw: Draw) -> DelayTable:
        """The law of ``draw`` rounded to the nearest step, then limited to ``low..high``."""
        low, high = int(draw.low), int(draw.high)
        below = np.array([_below(draw, step + 0.5) for step in range(low - 1, high + 1)])
        if draw.redraw:
            below = (below - below[0]) / (below[-1] - below[0])
        share = np.diff(below[1:-1], prepend=0.0, append=1.0) * (high - low + 1)  # 1 on average
        other = np.arange(share.size)
        short = [k for k in range(share.size) if share[k] < 1.0]
        long = [k for k in range(share.size) if share[k] >= 1.0]
        while short and long:  # fill up a short column from a long one; what that leaves may be short in turn
            k, giver = short.pop(), long[-1]
            other[k] = giver
            share[giver] -= 1.0 - share[k]
            if share[giver] < 1.0:
                short.append(long.pop())
        share[short + long] = 1.0  # but for rounding they are
        steps = np.stack((np.arange(share.size), other), axis=1)
        return cls((share * 2.0**32).astype(np.uint64), steps.reshape(-1))


def _below(draw: Draw, x: float) -> float:
    """Probability that a draw lies at or below ``x`` > 0."""
    if draw.kind == "lognormal":
        x = math.log(x)
    if draw.b == 0.0 or (draw.kind == "uniform" and draw.b == draw.a):
        return float(x >= draw.a)
    if draw.kind == "uniform":
        return min(max((x - draw.a) / (draw.b - draw.a), 0.0), 1.0)
    return 0.5 * math.erfc((draw.a - x) / (draw.b * math.sqrt(2.0)))


@kernel
def fill_steps(
    step: NDArray[np.int64],
    number: NDArray[np.int64],
    share: NDArray[np.uint64],
    steps: NDArray[np.int64],
    seed: Any,
    stream: Any,
) -> None:
    """Write delay - smallest delay of each synapse to ``step``."""
    tag, columns = OURS + np.uint64(VALUES), np.uint64(share.size)
    for i in range(step.size):
        n = np.uint64(number[i])
        step[i] = np.int64(philox4(n, n >> WORD, tag, stream, seed, seed >> WORD)[2])
    for i in range(step.size):
        product = np.uint64(step[i]) * columns
        column = np.int64(product >> WORD)
        step[i] = steps[2 * column + ((product & MASK) >= share[column])]  # no branch: half would be guessed wrong
