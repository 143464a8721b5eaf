"""Synapses whose probability falls with distance, for `neurosim.kernels.connect`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from neurosim.kernels.draws import OURS, PARTNERS
from neurosim.kernels.exponential import exp
from neurosim.kernels.philox import WORD, kernel, philox4


@kernel
def fill_near(
    place: Any, end: int, excluded: int, p_max: float, factor: float, root: bool, limit: float, extent: Any,
    here: Any, there: Any, seed: Any, stream: Any, source: Any, target: Any, number: Any,
) -> int:  # fmt: skip
    """Write the pairs that exist, target by target, until the buffers are full.

    ``place`` is where to go on: target, source. A pair of squared distance x exists with probability ``p_max`` times
    exp(``factor`` x), or of sqrt(x) if ``root``, and never above ``limit``. The word of a pair depends on its two
    numbers alone, so pairs out of reach draw nothing.
    """
    tag, most = OURS + np.uint64(PARTNERS), p_max * 2.0**32
    t, s, n = place[0], place[1], 0
    words = np.empty(4, np.uint64)
    while t < end:
        block = -1
        while s < here.shape[0]:
            if n == source.size:
                place[0], place[1] = t, s
                return n
            x = 0.0
            for k in range(extent.size):
                d = there[t, k] - here[s, k]
                if extent[k] > 0.0:
                    d -= extent[k] * np.floor(d / extent[k] + 0.5)
                x += d * d
            if x <= limit and not (excluded and s == t):
                if s >> 2 != block:
                    block = s >> 2
                    words[0], words[1], words[2], words[3] = philox4(block, t, tag, stream, seed, seed >> WORD)
                if np.float64(np.int64(words[s & 3])) < most * exp(factor * (np.sqrt(x) if root else x)):  # type: ignore[no-untyped-call]
                    source[n] = s
                    target[n] = t
                    number[n] = t * here.shape[0] + s
                    n += 1
            s += 1
        s = 0
        t += 1
    place[0], place[1] = t, s
    return n


def near(lane: Any, numbers: Mapping[str, Any], new: Callable[[], Any]) -> Iterator[Any]:
    """The batches of the rule "distance" in a `neurosim.kernels.connect.Lane`; ``new`` makes their buffers.

    Args:
        numbers: ``p_max``, ``factor``, ``root``, ``limit`` and ``extent`` [D] (0: not periodic), see `fill_near`;
            ``here`` [sources, D] and ``there`` [targets, D], the positions.
    """
    buffer, place = new(), np.array([lane.first, 0])
    law = [numbers[name] for name in ("p_max", "factor", "root", "limit", "extent", "here", "there")]
    given: Any = (place, lane.first + lane.size, lane.excluded, *law, lane.seed, lane.stream, *buffer)
    while place[0] < lane.first + lane.size:
        n = fill_near(*given)
        batch = buffer.head(n)
        batch.target[:] -= lane.first
        yield batch
