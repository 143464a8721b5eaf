"""Events on dendritic segments: a cell's event raises the counters of the segments that listen to it.

``targets[starts[c] : starts[c + 1]]`` are the segments of cell c. Only these are touched, so that the work is that of
the events times their fan-out, whatever the number of cells and segments.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels.philox import kernel

NEVER = -(2**62)  # tick of the last event of a cell that has had none


@kernel
def count_events(
    cells: NDArray[np.int32], starts: NDArray[np.int64], targets: NDArray[np.int32], counts: NDArray[np.int32]
) -> None:
    """Add to ``counts`` the active synapses of each segment, for cells that are active together."""
    for i in range(len(cells)):
        cell = np.int64(cells[i])
        for k in range(starts[cell], starts[cell + 1]):
            counts[targets[k]] += 1


@kernel
def run_events(
    ticks: Any, cells: Any, window: int, theta: int, starts: Any, targets: Any,
    counts: Any, last: Any, touched: Any, place: Any, out_ticks: Any, out_segments: Any, out_counts: Any,
) -> int:  # fmt: skip
    """Run events, in the order of their ticks, until all are done or the output cannot take another tick.

    A synapse is active from the tick of its cell's last event on, for ``window`` ticks; a segment fires at a tick that
    brings it an event and leaves it with at least ``theta`` active synapses.

    Args:
        counts: (segments,) active synapses. last: (cells,) tick of the last event. touched: (segments,) tick of it.
        place: first event not run yet, first event whose synapses are still active; both are moved on.
        out_ticks, out_segments, out_counts: what fired, by tick, then by segment.

    Returns:
        Number of entries written.
    """
    i, head, n = place[0], place[1], 0
    reached = np.empty(len(counts), np.int32)
    while i < len(ticks) and n + len(counts) <= len(out_ticks):
        now = ticks[i]
        while head < i and ticks[head] <= now - window:
            cell = np.int64(cells[head])
            if last[cell] == ticks[head]:
                last[cell] = NEVER
                for k in range(starts[cell], starts[cell + 1]):
                    counts[targets[k]] -= 1
            head += 1
        met = 0
        while i < len(ticks) and ticks[i] == now:
            cell = np.int64(cells[i])
            first = last[cell] == NEVER
            last[cell] = now
            for k in range(starts[cell], starts[cell + 1]):
                segment = targets[k]
                counts[segment] += first
                if touched[segment] != now:
                    touched[segment] = now
                    reached[met] = segment
                    met += 1
            i += 1
        begin = n
        for k in range(met):
            if counts[reached[k]] >= theta:
                out_segments[n] = reached[k]
                n += 1
        out_segments[begin:n].sort()
        for k in range(begin, n):
            out_ticks[k] = now
            out_counts[k] = counts[out_segments[k]]
    place[0], place[1] = i, head
    return n
