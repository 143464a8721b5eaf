"""Dendritic segments that grow and shrink: the memory of the Temporal Memory.

The synapses of a segment lie side by side in one block, and so do the listeners of a cell: the segments that have
a synapse from it, each with whether that synapse is connected. Blocks have 8, 16, 32, ... entries; one that is full
moves to a block of twice the size, and free blocks of a size are a linked list. A synapse knows its place among the
listeners of its cell, so it is cut in the time that it takes to search one segment.

Nothing here allocates: before a step the caller makes sure that there is room (`room`) and makes the arrays larger.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels.htm_base import kernel

SMALLEST = 8  # entries of a block of class 0
CLASSES = 28
NONE = -1

# Columns of Memory.segment, of Memory.cell and places in Memory.number
CELL, START, COUNT, CLASS, NEXT = range(5)
FIRST, LAST, LIST, LISTENERS, LIST_CLASS = range(5)
(SEGMENTS, FREE_SEGMENT, ALIVE, BORN, STEP, ACTIVE, WINNERS, TOUCHED, MATCHING, SIDE, SYNAPSES) = range(11)


class Memory(NamedTuple):
    """All that a Temporal Memory knows, as arrays."""

    segment: NDArray[np.int32]  # (segments, 5) CELL, START and CLASS of its block, COUNT of synapses, NEXT of the cell
    born: NDArray[np.int64]  # (segments,) number of the segment in the order of birth
    used: NDArray[np.int64]  # (segments,) step in which it was last active or was born
    counter: NDArray[np.uint32]  # (segments,) synapses from active cells; connected ones in the upper 16 bits
    touched: NDArray[np.uint32]  # (segments + 1,) those whose count is not 0; one more, written to and not counted
    matching: NDArray[np.int32]  # (segments,) those with enough of them, by cell and birth
    key: NDArray[np.int64]  # (segments,) by which they are sorted
    source: NDArray[np.int32]  # (synapses,) presynaptic cell
    permanence: NDArray[np.float32]  # (synapses,)
    back: NDArray[np.int32]  # (synapses,) place among the listeners of the presynaptic cell
    listener: NDArray[np.uint32]  # (listeners,) 2 * segment + (1 if connected)
    cell: NDArray[np.int32]  # (cells, 5) FIRST and LAST segment; LIST and LIST_CLASS of the block, count of LISTENERS
    segments: NDArray[np.int32]  # (cells,) number of its segments
    was_active: NDArray[np.uint8]  # (cells,) 1 if active in the step before
    mark: NDArray[np.uint8]  # (cells,) scratch, all 0 between uses
    active: NDArray[np.int32]  # (2, cells) now and before, in turns
    winner: NDArray[np.int32]  # (2, cells)
    candidate: NDArray[np.int32]  # (cells,) scratch
    number: NDArray[np.int64]  # (11,) see above
    random: NDArray[np.uint64]  # (1,) state of the generator
    synapse_blocks: NDArray[np.int64]  # (1 + CLASSES,) end of the used part, then the first free block of each class
    listener_blocks: NDArray[np.int64]


@kernel
def below(random, n):  # type: ignore[no-untyped-def]
    """A random whole number in 0 .. n - 1 (SplitMix64: Steele, Lea and Flood, OOPSLA 2014)."""
    random[0] += np.uint64(0x9E3779B97F4A7C15)
    z = random[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.int64(((z >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@kernel
def class_of(n):  # type: ignore[no-untyped-def]
    """Class of the smallest block that holds ``n`` entries."""
    k = 0
    while SMALLEST << k < n:
        k += 1
    return k


@kernel
def take(links, blocks, k):  # type: ignore[no-untyped-def]
    """Start of a block of class ``k``: a free one, or the next of the unused part."""
    start = blocks[1 + k]
    if start == NONE:
        start = blocks[0]
        blocks[0] += SMALLEST << k
    else:
        blocks[1 + k] = np.int64(links[start]) - 1
    return start


@kernel
def give(links, blocks, k, start):  # type: ignore[no-untyped-def]
    """Put a block on the list of free ones."""
    links[start] = blocks[1 + k] + 1  # 0 is none: listeners are unsigned
    blocks[1 + k] = start


@kernel
def listen(m, cell, entry):  # type: ignore[no-untyped-def]
    """Add an entry to the listeners of a cell; returns its place."""
    row = m.cell[cell]
    n, k = row[LISTENERS], row[LIST_CLASS]
    if n == 0:
        row[LIST], row[LIST_CLASS] = take(m.listener, m.listener_blocks, 0), 0
    elif n == SMALLEST << k:
        start = take(m.listener, m.listener_blocks, k + 1)
        old = row[LIST]
        for i in range(n):
            m.listener[start + i] = m.listener[old + i]
        give(m.listener, m.listener_blocks, k, old)
        row[LIST], row[LIST_CLASS] = start, k + 1
    m.listener[row[LIST] + n] = entry
    row[LISTENERS] = n + 1
    return n


@kernel
def silence(m, cell, place):  # type: ignore[no-untyped-def]
    """Remove an entry of the listeners of a cell; the last one takes its place."""
    row = m.cell[cell]
    start, last = row[LIST], row[LISTENERS] - 1
    if place != last:
        moved = m.listener[start + last]
        m.listener[start + place] = moved
        q = np.int64(m.segment[moved >> np.uint32(1), START])
        while m.source[q] != cell:
            q += 1
        m.back[q] = place
    row[LISTENERS] = last
    if last == 0:
        give(m.listener, m.listener_blocks, row[LIST_CLASS], start)


@kernel
def make_room(m, s, n):  # type: ignore[no-untyped-def]
    """Move the synapses of segment ``s`` to a block that holds ``n`` of them, unless theirs does."""
    row = m.segment[s]
    k = row[CLASS]
    if n <= SMALLEST << k:
        return
    wanted, old = class_of(n), row[START]
    start = take(m.source, m.synapse_blocks, wanted)
    for i in range(row[COUNT]):
        m.source[start + i] = m.source[old + i]
        m.permanence[start + i] = m.permanence[old + i]
        m.back[start + i] = m.back[old + i]
    give(m.source, m.synapse_blocks, k, old)
    row[START], row[CLASS] = start, wanted


@kernel
def connect(m, s, cell, permanence, connected):  # type: ignore[no-untyped-def]
    """Add a synapse to segment ``s``, which has room for it."""
    row = m.segment[s]
    q = row[START] + row[COUNT]
    m.source[q] = cell
    m.permanence[q] = permanence
    m.back[q] = listen(m, cell, np.uint32(2 * s + (1 if permanence >= connected else 0)))
    row[COUNT] += 1
    m.number[SYNAPSES] += 1


@kernel
def cut(m, s, place):  # type: ignore[no-untyped-def]
    """Remove the synapse at ``place`` of segment ``s``; its last one takes the place."""
    row = m.segment[s]
    q, last = row[START] + place, row[START] + row[COUNT] - 1
    silence(m, m.source[q], m.back[q])
    m.source[q] = m.source[last]
    m.permanence[q] = m.permanence[last]
    m.back[q] = m.back[last]
    row[COUNT] -= 1
    m.number[SYNAPSES] -= 1


@kernel
def create(m, cell, size, step):  # type: ignore[no-untyped-def]
    """A new segment of a cell, with room for ``size`` synapses; returns its number."""
    s = m.number[FREE_SEGMENT]
    if s == NONE:
        s = m.number[SEGMENTS]
        m.number[SEGMENTS] += 1
        m.counter[s] = 0
    else:
        m.number[FREE_SEGMENT] = m.segment[s, NEXT]
    k = class_of(size)
    row = m.segment[s]
    row[CELL], row[START], row[CLASS] = cell, take(m.source, m.synapse_blocks, k), k
    row[COUNT], row[NEXT] = 0, NONE
    m.born[s], m.used[s] = m.number[BORN], step
    m.number[BORN] += 1
    m.number[ALIVE] += 1
    if m.segments[cell] == 0:
        m.cell[cell, FIRST] = s
    else:
        m.segment[m.cell[cell, LAST], NEXT] = s
    m.cell[cell, LAST] = s
    m.segments[cell] += 1
    return s


@kernel
def destroy(m, s):  # type: ignore[no-untyped-def]
    """Remove a segment and its synapses."""
    row = m.segment[s]
    while row[COUNT]:
        cut(m, s, row[COUNT] - 1)
    give(m.source, m.synapse_blocks, row[CLASS], row[START])
    cell, before = row[CELL], np.int64(NONE)
    at = np.int64(m.cell[cell, FIRST])
    while at != s:
        before, at = at, np.int64(m.segment[at, NEXT])
    if before == NONE:
        m.cell[cell, FIRST] = row[NEXT]
    else:
        m.segment[before, NEXT] = row[NEXT]
    if row[NEXT] == NONE:
        m.cell[cell, LAST] = before
    m.segments[cell] -= 1
    row[NEXT], row[CELL] = m.number[FREE_SEGMENT], NONE
    m.number[FREE_SEGMENT] = s
    m.number[ALIVE] -= 1


@kernel
def oldest_used(m, cell):  # type: ignore[no-untyped-def]
    """The segment of a cell that was not active for longest, the first born of several."""
    best = np.int64(m.cell[cell, FIRST])
    at = np.int64(m.segment[best, NEXT])
    while at != NONE:
        if m.used[at] < m.used[best]:
            best = at
        at = np.int64(m.segment[at, NEXT])
    return best


@kernel
def room(m, columns, growth, most):  # type: ignore[no-untyped-def]
    """Entries that a step may need at most beyond those in use: (segments, synapses, listeners).

    Each matching segment may move to a larger block, each column may start a segment, and all of them may listen to
    every winner of the step before; a list that grows moves through blocks of together less than four times its
    final length.
    """
    matching = m.number[MATCHING]
    synapses = columns * (SMALLEST << class_of(min(growth, most)))
    for k in range(matching):
        row = m.segment[m.matching[k]]
        wanted = min(row[COUNT] + growth, most)
        if wanted > SMALLEST << row[CLASS]:
            synapses += SMALLEST << class_of(wanted)
    listeners = np.int64(0)
    for i in range(m.number[WINNERS]):
        n = m.cell[m.winner[m.number[SIDE], i], LISTENERS]
        listeners += 4 * (n + matching + columns) + 2 * SMALLEST
    return columns, synapses, listeners
