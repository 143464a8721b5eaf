"""The step of the Temporal Memory: which cells become active, which segments learn, what is predicted.

Event driven: an active cell adds one to the counter of each segment that listens to it, and only counters that were
touched are looked at and set back. Columns are walked in order, beside the matching segments sorted by cell and
birth, so nothing depends on where things lie in memory.
"""

from __future__ import annotations

import numpy as np

from neurosim.kernels.htm_base import DONE, NO_ROOM, check_indices, inlined, kernel
from neurosim.kernels.htm_segments import (
    ACTIVE,
    CELL,
    COUNT,
    LIST,
    LISTENERS,
    MATCHING,
    SEGMENTS,
    SIDE,
    START,
    STEP,
    TOUCHED,
    WINNERS,
    below,
    connect,
    create,
    cut,
    destroy,
    make_room,
    oldest_used,
    room,
)

# Places in ``whole`` (int64) and ``rates`` (float32)
COLUMNS, CELLS, ACTIVATION, MINIMUM, GROWTH, MOST_SEGMENTS, MOST_SYNAPSES = range(7)
INITIAL, CONNECTED, INCREMENT, DECREMENT, PUNISHMENT = range(5)
LOW = np.uint32(0xFFFF)
BORN_BITS = 37


@kernel
def has_room(m, columns, whole):  # type: ignore[no-untyped-def]
    """Whether all that a step with so many active columns may add finds room in the arrays."""
    segments, synapses, listeners = room(m, columns, whole[GROWTH], whole[MOST_SYNAPSES])
    return (
        m.number[SEGMENTS] + segments <= len(m.born)
        and m.synapse_blocks[0] + synapses <= len(m.source)
        and m.listener_blocks[0] + listeners <= len(m.listener)
    )


@inlined
def adapt(m, s, more, less, connected):  # type: ignore[no-untyped-def]
    """Permanences: + ``more`` from cells that were active, - ``less`` from others; whether any reached 0."""
    start = np.uint64(m.segment[s, START])
    nothing, one, dead = np.float32(0), np.float32(1), False
    for q in range(start, start + np.uint64(m.segment[s, COUNT])):
        source = np.uint32(m.source[q])
        old = m.permanence[q]
        new = min(max(old + (more if m.was_active[source] else -less), nothing), one)
        m.permanence[q] = new
        dead |= new <= nothing
        if (new >= connected) != (old >= connected):
            m.listener[m.cell[source, LIST] + m.back[q]] ^= np.uint32(1)
    return dead


@kernel
def weaken(m, s, spare):  # type: ignore[no-untyped-def]
    """Cut the ``spare`` weakest synapses that do not come from marked cells; of equals the lowest cell first."""
    row = m.segment[s]
    for _ in range(spare):
        best = -1
        for j in range(row[COUNT]):
            q = row[START] + j
            if m.mark[m.source[q]] & 2:
                continue
            b = row[START] + best
            if best < 0 or (m.permanence[q], m.source[q]) < (m.permanence[b], m.source[b]):
                best = j
        if best < 0:
            return
        cut(m, s, best)


@kernel
def grow(m, s, wanted, winners, whole, rates):  # type: ignore[no-untyped-def]
    """Up to ``wanted`` synapses from winners of the step before that have none yet, chosen at random."""
    row = m.segment[s]
    for j in range(row[COUNT]):
        m.mark[np.uint32(m.source[row[START] + j])] = 1
    found = 0
    for i in range(len(winners)):  # branch-free: which winners are sampled cannot be foreseen
        c = winners[i]
        m.candidate[found] = c
        found += 1 - m.mark[np.uint32(c)]
    for j in range(row[COUNT]):
        m.mark[np.uint32(m.source[row[START] + j])] = 0
    wanted = min(wanted, found)
    if wanted <= 0:
        return
    spare = row[COUNT] + wanted - whole[MOST_SYNAPSES]
    if spare > 0:
        for i in range(len(winners)):
            m.mark[winners[i]] = 2
        weaken(m, s, spare)
        for i in range(len(winners)):
            m.mark[winners[i]] = 0
        wanted = min(wanted, whole[MOST_SYNAPSES] - row[COUNT])
    make_room(m, s, row[COUNT] + wanted)
    for i in range(wanted):
        j = i + below(m.random, found - i)
        chosen = m.candidate[j]
        m.candidate[j] = m.candidate[i]
        connect(m, s, chosen, rates[INITIAL], rates[CONNECTED])


@kernel
def mend(m, s, wanted, winners, whole, rates):  # type: ignore[no-untyped-def]
    """Cut synapses at 0 and grow ``wanted`` new ones; a segment without synapses goes."""
    for j in range(m.segment[s, COUNT] - 1, -1, -1):
        if m.permanence[m.segment[s, START] + j] <= 0:
            cut(m, s, j)
    if wanted > 0:
        grow(m, s, wanted, winners, whole, rates)
    if m.segment[s, COUNT] == 0:
        destroy(m, s)


@inlined
def reinforce(m, s, winners, whole, rates):  # type: ignore[no-untyped-def]
    """Learn from a segment that predicted, or nearly predicted, what happened."""
    dead = adapt(m, s, rates[INCREMENT], rates[DECREMENT], rates[CONNECTED])
    wanted = whole[GROWTH] - np.int64(m.counter[s] & LOW)
    if dead or wanted > 0:
        mend(m, s, wanted, winners, whole, rates)


@inlined
def punish(m, s, winners, whole, rates):  # type: ignore[no-untyped-def]
    """Learn from a segment that matched in a column that stayed silent."""
    if adapt(m, s, -rates[PUNISHMENT], np.float32(0), rates[CONNECTED]):
        mend(m, s, 0, winners, whole, rates)


@kernel
def least_used(m, first, cells):  # type: ignore[no-untyped-def]
    """A cell of the column with the fewest segments; of several, one at random."""
    fewest, ties = m.segments[first], 0
    for cell in range(first, first + cells):
        n = m.segments[cell]
        if n < fewest:
            fewest, ties = n, 0
        ties += n == fewest
    chosen = below(m.random, ties)
    for cell in range(first, first + cells):
        if m.segments[cell] == fewest:
            if chosen == 0:
                return cell
            chosen -= 1
    return first


@kernel
def start_segment(m, cell, winners, whole, rates):  # type: ignore[no-untyped-def]
    """A new segment of ``cell`` that samples the winners of the step before, if there are any."""
    size = min(whole[GROWTH], len(winners))
    if size == 0:
        return
    while m.segments[cell] >= whole[MOST_SEGMENTS]:
        destroy(m, oldest_used(m, cell))
    s = create(m, cell, size, m.number[STEP])
    grow(m, s, size, winners, whole, rates)


@kernel
def burst(m, first, begin, end, winners, learn, whole, rates):  # type: ignore[no-untyped-def]
    """The winner of a column that nothing predicted; matching segments begin .. end - 1 are its own."""
    if begin == end:
        cell = least_used(m, first, whole[CELLS])
        if learn:
            start_segment(m, cell, winners, whole, rates)
        return cell
    best = m.matching[begin]
    for k in range(begin + 1, end):
        s = m.matching[k]
        if m.counter[s] & LOW > m.counter[best] & LOW:
            best = s
    cell = np.int64(m.segment[best, CELL])
    if learn:
        reinforce(m, best, winners, whole, rates)
    return cell


@kernel
def activate(m, columns, learn, whole, rates):  # type: ignore[no-untyped-def]
    """Active and winner cells of a step, from the predictions of the step before; returns how many columns were hit."""
    side = m.number[SIDE]
    active, winner = m.active[1 - side], m.winner[1 - side]
    winners = m.winner[side, : m.number[WINNERS]]
    n, w, hits, k = 0, 0, 0, 0
    cells, matching, threshold = whole[CELLS], m.number[MATCHING], np.uint32(whole[ACTIVATION])
    punishing = learn and rates[PUNISHMENT] > 0
    for i in range(len(columns)):
        first = np.int64(columns[i]) * cells
        while k < matching and m.segment[m.matching[k], CELL] < first:
            if punishing:
                punish(m, m.matching[k], winners, whole, rates)
            k += 1
        begin, cell = k, np.int64(-1)
        while k < matching and m.segment[m.matching[k], CELL] < first + cells:
            s = np.int64(m.matching[k])
            if m.counter[s] >> np.uint32(16) >= threshold:
                if m.segment[s, CELL] != cell:
                    cell = np.int64(m.segment[s, CELL])
                    active[n] = winner[w] = cell
                    n += 1
                    w += 1
                if learn:
                    reinforce(m, s, winners, whole, rates)
            k += 1
        if cell >= 0:
            hits += 1
            continue
        for c in range(cells):
            active[n + c] = first + c
        n += cells
        winner[w] = burst(m, first, begin, k, winners, learn, whole, rates)
        w += 1
    if punishing:
        for j in range(k, matching):
            punish(m, m.matching[j], winners, whole, rates)
    for i in range(m.number[ACTIVE]):
        m.was_active[m.active[side, i]] = 0
    for i in range(n):
        m.was_active[active[i]] = 1
    m.number[SIDE], m.number[ACTIVE], m.number[WINNERS] = 1 - side, n, w
    return hits


@kernel
def clear_counts(m):  # type: ignore[no-untyped-def]
    """Set the counters back to 0 and forget what was predicted."""
    for i in range(m.number[TOUCHED]):
        m.counter[m.touched[i]] = 0
    m.number[TOUCHED] = m.number[MATCHING] = 0


@kernel
def predict(m, learn, whole):  # type: ignore[no-untyped-def]
    """Count the synapses from active cells, and list the segments that match."""
    clear_counts(m)
    side, n = m.number[SIDE], 0
    connected = np.uint32(1 << 16)
    for i in range(m.number[ACTIVE]):
        row = m.cell[m.active[side, i]]
        start = np.uint64(row[LIST])
        for q in range(start, start + np.uint64(row[LISTENERS])):
            entry = m.listener[q]
            s = entry >> np.uint32(1)
            old = m.counter[s]
            m.counter[s] = old + np.uint32(1) + connected * (entry & np.uint32(1))
            m.touched[n] = s
            n += old == 0
    m.number[TOUCHED] = n
    minimum, threshold, found = np.uint32(whole[MINIMUM]), np.uint32(whole[ACTIVATION]), 0
    for i in range(n):
        s = m.touched[i]
        count = m.counter[s]
        if count & LOW >= minimum:
            m.matching[found] = s
            m.key[found] = (np.int64(m.segment[s, CELL]) << BORN_BITS) | m.born[s]
            found += 1
            if learn and count >> np.uint32(16) >= threshold:
                m.used[s] = m.number[STEP]
    m.number[MATCHING] = found
    sort(m.key, m.matching, found)


@kernel
def sort(key, value, n):  # type: ignore[no-untyped-def]
    """Sort the first ``n`` keys and their values, in place (Shell's method with Ciura's gaps)."""
    for gap in (1750, 701, 301, 132, 57, 23, 10, 4, 1):
        for i in range(gap, n):
            k, v, j = key[i], value[i], i
            while j >= gap and key[j - gap] > k:
                key[j], value[j] = key[j - gap], value[j - gap]
                j -= gap
            key[j], value[j] = k, v


@kernel
def step(m, columns, learn, whole, rates):  # type: ignore[no-untyped-def]
    """One step; returns how it ended, and how many columns were predicted or which index is wrong."""
    status, place = check_indices(columns, whole[COLUMNS])
    if status != DONE:
        return status, place
    if learn and not has_room(m, len(columns), whole):
        return NO_ROOM, 0
    hits = activate(m, columns, learn, whole, rates)
    m.number[STEP] += 1
    predict(m, learn, whole)
    return DONE, hits


@kernel
def run(m, begin, columns, first, learn, anomaly, whole, rates):  # type: ignore[no-untyped-def]
    """Steps from number ``first`` on; that of number t has columns[begin[t] : begin[t + 1]]. As `step`, with t."""
    for t in range(first, len(begin) - 1):
        now = columns[begin[t] : begin[t + 1]]
        status, value = step(m, now, learn, whole, rates)
        if status != DONE:
            return status, value, t
        anomaly[t] = 1 - value / len(now) if len(now) else 0.0
    return DONE, 0, len(begin) - 1


@kernel
def predictive(m, whole, cells):  # type: ignore[no-untyped-def]
    """Write the cells with an active segment to ``cells``, in order; returns how many."""
    n, last = 0, -1
    for k in range(m.number[MATCHING]):
        s = m.matching[k]
        if m.counter[s] >> np.uint32(16) >= whole[ACTIVATION] and m.segment[s, CELL] != last:
            last = m.segment[s, CELL]
            cells[n] = last
            n += 1
    return n


@kernel
def restore(m, cell, born, used, begin, source, permanence, rates):  # type: ignore[no-untyped-def]
    """Build segments, given by cell and birth, in an empty memory that has room for them."""
    for k in range(len(cell)):
        s = create(m, np.int64(cell[k]), begin[k + 1] - begin[k], used[k])
        m.born[s] = born[k]
        for q in range(begin[k], begin[k + 1]):
            connect(m, s, np.int64(source[q]), permanence[q], rates[CONNECTED])
