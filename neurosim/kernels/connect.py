"""Make the synapses of one projection for one lane, a block of neighbouring targets.

A rule is written once, as a generator of batches of (source, target, number of the synapse); a lane runs it twice, to
count its synapses and to place them, so there is no list of them beside the result. Every draw is
a function of the number of a target, a source or a synapse (`draws`), so lanes cut the same network in pieces, each
on its own thread: the kernels hold no GIL.

Choosing among n by a 32-bit word favours some choices by a part in 2**32 / n at most.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels import draws
from neurosim.kernels.draws import ALL, ANY, DISTINCT, SAME, DelayTable, Draw
from neurosim.kernels.philox import kernel
from neurosim.kernels.space import near

BATCH = 16384  # synapses at a time, a multiple of 4: the buffers stay in the second-level cache
MOST_GAPS = 256  # drawn at a time
STREAMS = 1024  # blocks of sources, at most
LARGEST_INT32 = np.iinfo(np.int32).max

Values = float | int | Draw


class Rows(NamedTuple):
    """Synapses of a lane by source, then delay; those of source i with delay base + k lie at
    ``start[i * spread + k] .. start[i * spread + k + 1]``, in the order in which the rule made them.
    """

    start: NDArray[Any]  # (sources * spread + 1,) int32, or int64 where the synapses are too many
    target: NDArray[Any]  # (synapses,) index in the lane: uint16, or uint32 in a lane of more than 65,536
    weight: NDArray[Any]  # (1,) one for all, or (synapses,)
    base: int  # smallest delay [steps]
    spread: int  # largest - smallest + 1


class Batch(NamedTuple):
    """Buffers of synapses; a generator yields views, valid until it goes on."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]  # in the population while the rule works, in the lane once yielded
    number: NDArray[np.int64]  # of the synapse in the whole projection

    @classmethod
    def new(cls) -> Batch:
        return cls(np.empty(BATCH, np.int32), np.empty(BATCH, np.int32), np.empty(BATCH, np.int64))

    def head(self, n: int) -> Batch:
        return Batch(self.source[:n], self.target[:n], self.number[:n])


class Lane(NamedTuple):
    """What every rule knows: the populations, the lane's targets and the key of the draws."""

    sources: int
    targets: int
    first: int
    size: int
    excluded: int  # 1 if a neuron must not be its own partner
    seed: np.uint64
    stream: np.uint64

    def local(self, batch: Batch) -> Batch:
        """The synapses whose target lies in this lane."""
        if self.size == self.targets:
            return batch
        return batch.head(_keep(batch.source, batch.target, batch.number, self.first, self.size))

    def keep_apart(self, partner: NDArray[np.int32], neuron: NDArray[np.int32]) -> None:
        """If it must not be its own partner, a neuron chose among the others: number the choice as in all."""
        if self.excluded:
            partner += partner >= neuron


Batches = Iterator[Batch]
Rule = Callable[[], Batches]


class Made(NamedTuple):
    """Synapses of a lane, to be placed as a layout wants them."""

    rule: Rule  # the batches; may be run again
    steps: Callable[[Batch], NDArray[np.int64]]  # delays less ``base`` of a batch
    weights: float | Callable[[Batch], NDArray[Any]]  # one for all, or of a batch
    base: int  # smallest delay [steps]
    spread: int  # largest - smallest + 1


@kernel
def _keep(source: Any, target: Any, number: Any, first: int, count: int) -> int:
    """Move the synapses onto ``count`` targets from ``first`` to the front; targets then count from ``first``."""
    n = 0
    for i in range(source.size):
        inside = target[i] - first
        source[n] = source[i]
        target[n] = inside
        number[n] = number[i]
        n += (inside >= 0) & (inside < count)
    return n


def _degrees(lane: Lane, degree: int, choice: int, by_target: bool) -> Batches:
    """``degree`` synapses of every target in the lane, or of every source."""
    width = (lane.sources if by_target else lane.targets) - lane.excluded
    begin, end = (lane.first, lane.first + lane.size) if by_target else (0, lane.sources)
    buffer, words = Batch.new(), np.empty(BATCH + 4, np.uint32)
    taken = np.full(width if choice == DISTINCT else 0, -1)
    for at in range(begin * degree, end * degree, BATCH):
        batch = buffer.head(min(BATCH, end * degree - at))
        if choice in (ANY, DISTINCT):
            draws.fill_words(words, at // 4, draws.PARTNERS, lane.seed, lane.stream)
        item, other = (batch.target, batch.source) if by_target else (batch.source, batch.target)
        draws.fill_partners(at, degree, width, choice, words[at % 4 :], taken, item, other)
        lane.keep_apart(other, item)
        batch.number[:] = np.arange(at, at + batch.number.size)
        if by_target:
            batch.target[:] -= lane.first
        yield batch if by_target else lane.local(batch)


def _total(lane: Lane, n: int) -> Batches:
    """``n`` synapses between any two neurons, repetitions allowed."""
    buffer, words = Batch.new(), np.empty(2 * BATCH, np.uint32)
    for at in range(0, n, BATCH):
        batch = buffer.head(min(BATCH, n - at))
        draws.fill_words(words, at // 2, draws.PARTNERS, lane.seed, lane.stream)
        draws.fill_pairs(lane.sources - lane.excluded, lane.targets, words, batch.source, batch.target)
        lane.keep_apart(batch.source, batch.target)
        batch.number[:] = np.arange(at, at + batch.number.size)
        yield lane.local(batch)


def _bernoulli(lane: Lane, p: float, attempt: int = 0) -> Batches:
    """Each pair with probability ``p``."""
    width = lane.sources - lane.excluded
    if width <= 0 or p <= 0.0:
        return
    scale = 1.0 / math.log1p(-p) if p < 1.0 else 0.0
    ahead = width * p + 2.0 * math.sqrt(width * p) + 2.0  # gaps that most often are enough for one target
    gaps = np.empty(2 * math.ceil(min(ahead, MOST_GAPS) / 2), np.int64)
    buffer, place = Batch.new(), np.array([lane.first, 0, 0])
    while place[0] < lane.first + lane.size:
        n = draws.fill_successes(
            place, width, lane.first + lane.size, scale, gaps, draws.GAPS + attempt, lane.seed, lane.stream, *buffer
        )  # fmt: skip
        batch = buffer.head(n)
        lane.keep_apart(batch.source, batch.target)
        batch.target[:] -= lane.first
        yield batch


def _distinct_total(lane: Lane, n: int) -> Rule:
    """``n`` different pairs: a few too many as Bernoulli trials, less a surplus drawn at random.

    Given their number, Bernoulli successes are a uniform subset, and so is what a random choice leaves of them. It
    needs no list of the pairs: only their number, which every lane counts, and the ranks of the few dropped.
    """
    pairs = (lane.sources - lane.excluded) * lane.targets
    p = min((n + 6.0 * math.sqrt(n) + 12.0) / max(pairs, 1), 1.0)
    end = lane.first + lane.size
    parts = (lane._replace(first=0, size=lane.first), lane, lane._replace(first=end, size=lane.targets - end))
    for attempt in itertools.count():  # too few, and so another attempt, happens less than once in 10**8
        sizes = [sum(b.number.size for b in _bernoulli(part, p, attempt)) for part in parts]
        if sum(sizes) >= n:
            break
    dropped = draws.subset(sum(sizes), sum(sizes) - n, lane.seed, lane.stream)
    return partial(_without, partial(_bernoulli, lane, p, attempt), dropped, sizes[0])


def _without(rule: Rule, dropped: NDArray[np.int64], rank: int) -> Batches:
    """The synapses of ``rule``, the first of which has this ``rank``, without those of the ``dropped`` ranks."""
    for batch in rule():
        size = batch.number.size
        low, high = np.searchsorted(dropped, (rank, rank + size))
        kept = np.delete(np.arange(size), dropped[low:high] - rank)
        yield Batch(batch.source[kept], batch.target[kept], batch.number[kept])
        rank += size


def _rule(rule: str, numbers: Mapping[str, Any], lane: Lane) -> Rule:
    """The generator of a rule's batches, ready to be run as often as needed."""
    if rule == "all_to_all":
        return partial(_degrees, lane, lane.sources - lane.excluded, ALL, True)
    if rule == "one_to_one":
        return partial(_degrees, lane._replace(excluded=0), 1, SAME, True)
    if rule == "bernoulli":
        return partial(_bernoulli, lane, float(numbers["p"]))
    if rule == "distance":
        return partial(near, lane, numbers, Batch.new)
    n, multapses = int(numbers["n"]), numbers.get("multapses", True)
    if rule == "fixed_total":
        return partial(_total, lane, n) if multapses else _distinct_total(lane, n)
    return partial(_degrees, lane, n, ANY if multapses else DISTINCT, rule == "fixed_in_degree")


@kernel
def _count(source: Any, shift: int, table: Any) -> None:
    for i in source:
        table[i >> shift] += 1


@kernel
def _reserve(source: Any, shift: int, free: Any, place: Any) -> None:
    """Give each synapse the next free place of its block."""
    for i in range(source.size):
        block = source[i] >> shift
        place[i] = free[block]
        free[block] += 1


@kernel
def _scatter(values: Any, place: Any, out: Any) -> None:
    for i in range(values.size):
        out[place[i]] = values[i]


@kernel
def _scatter_rows(source: Any, step: Any, shift: int, spread: int, place: Any, out: Any) -> None:
    """Write the row of each synapse within its block."""
    mask = (1 << shift) - 1
    for i in range(source.size):
        out[place[i]] = (source[i] & mask) * spread + step[i]


@kernel
def _sort_blocks(bounds: Any, rows: int, row: Any, target: Any, weight: Any, start: Any) -> None:
    """Sort each block's synapses by ``row``, keeping the order within, and write where the ``rows`` per block start."""
    largest = 0
    for block in range(bounds.size - 1):
        largest = max(largest, bounds[block + 1] - bounds[block])
    each = weight.size == target.size
    targets, weights = np.empty(largest, target.dtype), np.empty(largest if each else 0, weight.dtype)
    free = np.empty(rows, np.int64)
    for block in range(bounds.size - 1):
        low, high = bounds[block], bounds[block + 1]
        free[:] = 0
        for i in range(low, high):
            free[row[i]] += 1
        at = 0
        for k in range(min(rows, start.size - 1 - block * rows)):
            start[block * rows + k] = low + at
            size = free[k]
            free[k] = at
            at += size
        for i in range(low, high):
            place = free[row[i]]
            free[row[i]] += 1
            targets[place] = target[i]
            if each:
                weights[place] = weight[i]
        target[low:high] = targets[: high - low]
        if each:
            weight[low:high] = weights[: high - low]
    start[-1] = bounds[-1]


def to_rows(made: Made, sources: int, count: int, dtype: Any) -> Rows:
    """Place the synapses of a lane of ``count`` targets by source.

    The rule runs twice, to count and to place the synapses, by blocks of sources; then each block is sorted by row.
    Rows can be millions, each growing at another cache line; blocks are few enough for the lines to stay in the
    cache. The row of a synapse within its block takes two bytes more (four above 65,536 rows) until it is sorted, and
    the sort a copy of the largest block.
    """
    rule, steps, weights, base, spread = made
    shift = (max(sources - 1, 0) // STREAMS).bit_length()  # a block is 2**shift sources
    table = np.zeros((sources >> shift) + 3, np.int64)
    for batch in rule():
        _count(batch.source, shift, table[2:])
    np.cumsum(table, out=table)  # now table[b + 1] is where block b begins; filled up, it is where block b + 1 begins
    synapses, rows = int(table[-1]), spread << shift
    target = np.empty(synapses, np.uint16 if count <= 1 << 16 else np.uint32)
    weight = np.empty(synapses, dtype) if callable(weights) else np.full(1, weights, dtype)
    row = np.empty(synapses if rows > 1 else 0, np.uint16 if rows <= 1 << 16 else np.uint32)
    buffer = np.empty(BATCH, np.int64)
    for batch in rule():
        place = buffer[: batch.number.size]
        _reserve(batch.source, shift, table[1:], place)
        _scatter(batch.target, place, target)
        if callable(weights):
            _scatter(weights(batch), place, weight)
        if rows > 1:
            _scatter_rows(batch.source, steps(batch), shift, spread, place, row)
    start = np.empty(sources * spread + 1, np.int32 if synapses <= LARGEST_INT32 else np.int64)
    if rows > 1:
        _sort_blocks(table[:-1], rows, row, target, weight, start)
    else:
        start[:] = table[: start.size]
    return Rows(start, target, weight, base, spread)


def drawn(
    rule: str,
    numbers: Mapping[str, Any],
    sources: int,
    targets: int,
    first: int,
    count: int,
    weight: Values,
    delay: Values,
    seed: int,
    stream: int,
) -> Made:
    """Synapses of a projection onto the lane's targets: ``first``, and ``count`` in all.

    Args:
        rule: "all_to_all", "one_to_one", "bernoulli" {p}, "fixed_in_degree" {n}, "fixed_out_degree" {n},
            "fixed_total" {n} or "distance" (see `neurosim.kernels.space.near`).
        numbers: of the rule, and `autapses`, `same` (source and target are one population), `multapses`.
        sources: size of the source population.
        targets: size of the target population.
        first: first target of the lane.
        count: number of targets of the lane.
        weight: one for all, or a law.
        delay: whole steps >= 1, or a law in steps with whole and finite limits.
        seed: key of all draws, 64 bits.
        stream: number of the projection, 32 bits.
    """
    excluded = bool(numbers.get("same", False)) and not numbers.get("autapses", True) and sources > 0
    key, label = np.uint64(seed), np.uint64(stream)
    lane = Lane(sources, targets, first, count, int(excluded), key, label)
    base, spread = (int(delay.low), int(delay.high - delay.low) + 1) if isinstance(delay, Draw) else (int(delay), 1)
    table = DelayTable.of(delay) if isinstance(delay, Draw) else None
    offsets, values = np.zeros(BATCH, np.int64), np.empty(BATCH)

    def steps(batch: Batch) -> NDArray[np.int64]:
        out = offsets[: batch.number.size]
        if table is not None:
            draws.fill_steps(out, batch.number, *table, key, label)
        return out

    def weights(law: Draw, batch: Batch) -> NDArray[Any]:
        out = values[: batch.number.size]
        draws.fill_weights(law, out, batch.number, key, label)
        return out

    chosen = partial(weights, weight) if isinstance(weight, Draw) else weight
    return Made(_rule(rule, numbers, lane), steps, chosen, base, spread)


def listed(
    pre: NDArray[Any],
    post: NDArray[Any],
    weight: float | NDArray[Any],
    delay: int | NDArray[Any],
    first: int,
    count: int,
) -> Made:
    """Synapses given one by one (those onto the lane's targets): ``pre[s]`` to ``post[s]``, delay in steps.

    ``weight`` and ``delay`` are one number for all, or arrays as long as ``pre``.
    """
    delays = np.asarray(delay)
    base = int(delays.min()) if delays.size else 1
    spread = int(delays.max()) - base + 1 if delays.size else 1
    lane = Lane(-1, -1, first, count, 0, np.uint64(0), np.uint64(0))  # of how many neurons does not matter

    def batches() -> Batches:
        buffer = Batch.new()
        for at in range(0, len(pre), BATCH):
            batch = buffer.head(min(BATCH, len(pre) - at))
            batch.source[:] = pre[at : at + BATCH]
            batch.target[:] = post[at : at + BATCH]
            batch.number[:] = np.arange(at, at + batch.number.size)
            yield lane.local(batch)

    def steps(batch: Batch) -> NDArray[np.int64]:
        own = delays[batch.number] if delays.ndim else np.full(batch.number.size, delays)
        return own.astype(np.int64) - base

    def each(batch: Batch) -> NDArray[Any]:
        return np.take(weight, batch.number)

    chosen = each if np.ndim(weight) else float(weight)
    return Made(batches, steps, chosen, base, spread)
