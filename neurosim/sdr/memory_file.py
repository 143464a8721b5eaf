"""Files of a Temporal Memory: its segments by cell and birth, not as they lie in memory."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import FormatError, NeurosimError
from neurosim.kernels import htm_memory as kernels
from neurosim.kernels import htm_segments as parts
from neurosim.sdr import htm_store as store

KIND = "temporal memory"
TYPES = {
    "cell": np.int32, "born": np.int64, "used": np.int64, "begin": np.int64, "source": np.int32,
    "permanence": np.float32, "active": np.int32, "winner": np.int32, "random": np.uint64,
}  # fmt: skip


class Content(NamedTuple):
    """The arrays of a file, checked."""

    arrays: store.Arrays
    steps: int
    born: int

    @property
    def room(self) -> tuple[int, int, int]:
        """Segments, synapses and listeners to make room for; blocks are at most twice what they hold, or smallest."""
        a = self.arrays
        lengths = np.bincount(a["source"], minlength=1)
        blocks = [int(np.maximum(2 * n, parts.SMALLEST).sum()) for n in (np.diff(a["begin"]), lengths[lengths > 0])]
        return len(a["cell"]), blocks[0], 2 * blocks[1]

    def fill(self, m: parts.Memory, whole: NDArray[np.int64], rates: NDArray[np.float32]) -> None:
        """Put everything into an empty memory that has room for it."""
        a = self.arrays
        kernels.restore(m, a["cell"], a["born"], a["used"], a["begin"], a["source"], a["permanence"], rates)
        for rows, name, count in ((m.active, "active", parts.ACTIVE), (m.winner, "winner", parts.WINNERS)):
            rows[0, : len(a[name])] = a[name]
            m.number[count] = len(a[name])
        m.was_active[a["active"]] = 1
        m.number[parts.STEP], m.number[parts.BORN] = self.steps, self.born
        m.random[:] = a["random"]
        kernels.predict(m, False, whole)


def write_memory(path: str | os.PathLike[str], settings: dict[str, Any], m: parts.Memory, anomaly: float) -> None:
    """Write a memory; see `neurosim.sdr.TemporalMemory.save`."""
    n = m.number
    alive = np.flatnonzero(m.segment[: n[parts.SEGMENTS], parts.CELL] >= 0)
    alive = alive[np.lexsort((m.born[alive], m.segment[alive, parts.CELL]))]
    rows = m.segment[alive]
    counts = rows[:, parts.COUNT].astype(np.int64)
    begin = np.concatenate([[0], np.cumsum(counts)])
    at = np.repeat(rows[:, parts.START] - begin[:-1], counts) + np.arange(begin[-1])
    at = at[np.lexsort((m.source[at], np.repeat(np.arange(len(alive)), counts)))]
    arrays = {
        "cell": rows[:, parts.CELL], "born": m.born[alive], "used": m.used[alive], "begin": begin,
        "source": m.source[at], "permanence": m.permanence[at], "active": m.active[n[parts.SIDE], : n[parts.ACTIVE]],
        "winner": m.winner[n[parts.SIDE], : n[parts.WINNERS]], "random": m.random,
    }  # fmt: skip
    header = {"settings": settings, "steps": int(n[parts.STEP]), "born": int(n[parts.BORN]), "anomaly": anomaly}
    store.save(path, KIND, header, arrays)


def read_memory(path: str | os.PathLike[str], kind: Any) -> tuple[dict[str, Any], float, Content]:
    """Settings, anomaly and checked content of a file.

    Raises:
        FormatError: what it holds cannot be a memory.
    """
    header, arrays = store.load(path, KIND, TYPES)
    try:
        settings, anomaly = header["settings"], float(header["anomaly"])
        steps, born = int(header["steps"]), int(header["born"])
        _check(kind(**settings), arrays, steps, born)
    except (KeyError, TypeError, ValueError, NeurosimError) as error:
        raise FormatError(f"{path}: holds no valid temporal memory: {error}. Restore it from a copy.") from None
    return settings, anomaly, Content(arrays, steps, born)


def _check(empty: Any, a: store.Arrays, steps: int, born: int) -> None:
    """Raise unless the arrays fit each other and the settings of ``empty``, so that no kernel leaves its arrays."""
    cells, begin, counts = empty.cells, a["begin"], np.diff(a["begin"])
    segment = np.repeat(np.arange(len(a["cell"])), np.maximum(counts, 0)) if len(counts) == len(a["cell"]) else None
    order = np.lexsort((a["born"], a["cell"])) if len(a["born"]) == len(a["cell"]) else np.zeros(0)
    rules = {
        "segments": segment is not None
        and len(a["used"]) == len(a["cell"])
        and np.array_equal(order, np.arange(len(order))),
        "cells": all(((a[k] >= 0) & (a[k] < cells)).all() for k in ("cell", "source", "active", "winner")),
        "births": ((a["born"] >= 0) & (a["born"] < born)).all() and len(np.unique(a["born"])) == len(a["cell"]),
        "times": steps >= 0 and ((a["used"] >= 0) & (a["used"] <= steps)).all(),
        "synapses": begin[0] == 0 and (counts > 0).all() and begin[-1] == len(a["source"]) == len(a["permanence"]),
        "limits": counts.max(initial=0) <= empty.settings["max_synapses_per_segment"]
        and np.bincount(a["cell"]).max(initial=0) <= empty.settings["max_segments_per_cell"],
        "permanences": ((a["permanence"] >= 0) & (a["permanence"] <= 1)).all(),
        "active cells": all((np.diff(a[k]) > 0).all() for k in ("active", "winner")),
        "generator": len(a["random"]) == 1,
    }  # fmt: skip
    for name, fine in rules.items():
        if not fine:
            raise ValueError(f"its {name} contradict each other or the settings")
    rising = np.diff(a["source"]) > 0
    if segment is not None and not (rising | (np.diff(segment) > 0)).all():
        raise ValueError("its synapses are not sorted, or there twice")
