"""Place the synapses of a lane otherwise than by source: as a matrix of weights, or of bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels.bitrows import GROUP, PLANES, WORD
from neurosim.kernels.connect import Batch, Made
from neurosim.kernels.philox import kernel

Array = NDArray[Any]
Encode = Callable[[Array], Array]


def encoded(made: Made, encode: Encode) -> Made:
    """The same synapses with their weights as they are stored."""
    weights = made.weights
    if not callable(weights):
        return made
    return made._replace(weights=lambda batch: encode(weights(batch)))


@kernel
def _set_bits(source: Any, target: Any, width: int, rows: Any) -> None:
    for i in range(source.size):
        rows[source[i] * width + (target[i] >> 6)] |= np.uint64(1) << np.uint64(target[i] & 63)


@kernel
def _put(source: Any, target: Any, count: int, values: Any, matrix: Any, degrees: Any) -> None:
    for i in range(source.size):
        matrix[source[i] * count + target[i]] = values[i if values.size > 1 else 0]
        degrees[source[i]] += 1


def bit_rows(made: Made, sources: int, count: int) -> tuple[Array, Array]:
    """Flat uint64 rows of one bit per target, the last one empty, and planes to count in; see `bitrows`."""
    width = max(1, -(-count // (WORD * GROUP))) * GROUP
    rows = np.zeros((sources + 1) * width, np.uint64)
    for batch in made.rule():
        _set_bits(batch.source, batch.target, width, rows)
    return rows, np.zeros(PLANES * width, np.uint64)


def matrix(made: Made, sources: int, count: int, dtype: Any) -> tuple[Array, Array]:
    """Flat weights [sources, count], 0 where there is no synapse, and the out-degree of every source."""
    found, degrees = np.zeros(sources * count, dtype), np.zeros(sources, np.int64)

    def values(batch: Batch) -> Array:
        return made.weights(batch) if callable(made.weights) else np.full(1, made.weights, dtype)

    for batch in made.rule():
        if batch.number.size:
            _put(batch.source, batch.target, count, values(batch), found, degrees)
    return found, degrees


def one_each(made: Made, count: int, dtype: Any) -> Array:
    """Weights of the lane's targets in a one-to-one projection: (1,) one for all, or (count,)."""
    if not callable(made.weights):
        return np.full(1, made.weights, dtype)
    parts = [made.weights(batch).astype(dtype) for batch in made.rule()]
    return np.concatenate([np.empty(0, dtype), *parts])
