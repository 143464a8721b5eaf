"""The Temporal Memory: learns which pattern follows which, in context, and says what surprises it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError
from neurosim.kernels import htm_base as base
from neurosim.kernels import htm_memory as kernels
from neurosim.kernels import htm_segments as store
from neurosim.sdr.checks import dimensions, fraction, seed_word, whole
from neurosim.sdr.inputs import bad_index, check_order, indices
from neurosim.sdr.memory_file import read_memory, write_memory

MOST_CELLS = 2**26  # a cell and the number of a segment's birth share 63 bits of the key by which segments are sorted
MOST_SYNAPSES = 2**16 - 1  # of a segment: counters have 16 bits
MOST_ENTRIES = 2**31 - 1  # of the arrays of segments, synapses and listeners: places have 32 bits
WHOLE = (  # as the kernels number them
    "cells_per_column", "activation_threshold", "min_threshold", "max_new_synapse_count", "max_segments_per_cell",
    "max_synapses_per_segment",
)  # fmt: skip
RATES = (  # as the kernels number them
    "initial_permanence", "connected_permanence", "permanence_increment", "permanence_decrement",
    "predicted_segment_decrement",
)  # fmt: skip
FIRST_SEGMENTS, FIRST_ENTRIES = 1024, 32768  # room at the start; it doubles when it is used up


class Segment(NamedTuple):
    """A dendritic segment as it is now."""

    cell: int
    source: NDArray[np.int32]  # presynaptic cells, sorted
    permanence: NDArray[np.float32]
    used: int  # step in which it was last active while learning, or was born


class TemporalMemory:
    """Sequence memory of columns of cells with dendritic segments.

    In each step, in every active column: cells with an active segment become active, and their active segments learn;
    where there is none the column bursts: all cells become active, and one learns, that of the best matching
    segment or else the cell with the fewest segments, which grows a new one. A segment learns by adding
    ``permanence_increment`` to synapses from cells that were active, taking ``permanence_decrement`` from the others,
    and growing synapses from winner cells of the step before until ``max_new_synapse_count`` of its synapses would
    have been active. Matching segments in silent columns lose ``predicted_segment_decrement``. Synapses at 0 are cut,
    and segments without synapses.

    A segment is active with ``activation_threshold`` connected synapses (permanence >= ``connected_permanence``)
    from active cells, and matches with ``min_threshold`` synapses of any permanence.

    Args:
        column_dimensions: columns, one number or two.
        cells_per_column: contexts that a column can tell apart; with 1 only the last pattern counts.
        activation_threshold: connected synapses from active cells that make a segment active.
        initial_permanence: of a new synapse.
        connected_permanence: from which on a synapse counts.
        min_threshold: synapses that make a segment match.
        max_new_synapse_count: synapses from active cells that a learning segment grows up to.
        permanence_increment: of synapses from active cells.
        permanence_decrement: of the others.
        predicted_segment_decrement: for a prediction that did not come true.
        max_segments_per_cell: beyond it the segment that was not active for longest is replaced.
        max_synapses_per_segment: beyond it the weakest synapses are replaced.
        seed: of the random choices.

    Raises:
        RangeError: a setting is out of range or does not fit another.

    Note:
        Ties are broken by rules of our own, so that results do not depend on the order of memory: the lowest cell, the
        segment born first, the synapse from the lowest cell. Permanences are float32.

    Source: Hawkins and Ahmad, "Why neurons have thousands of synapses, a theory of sequence memory in neocortex",
    Front. Neural Circuits 10:23, 2016; defaults and the order of a step as in htm.core.

    Example:
        >>> memory = TemporalMemory(64, cells_per_column=4, activation_threshold=3, min_threshold=2)
        >>> a, b = [1, 5, 9, 30], [2, 6, 10, 31]
        >>> [memory.compute(pattern) for pattern in [a, b] * 6][-2:]
        [0.0, 0.0]
    """

    def __init__(
        self,
        column_dimensions: int | Sequence[int] = 2048,
        *,
        cells_per_column: int = 32,
        activation_threshold: int = 13,
        initial_permanence: float = 0.21,
        connected_permanence: float = 0.5,
        min_threshold: int = 10,
        max_new_synapse_count: int = 20,
        permanence_increment: float = 0.1,
        permanence_decrement: float = 0.1,
        predicted_segment_decrement: float = 0.0,
        max_segments_per_cell: int = 255,
        max_synapses_per_segment: int = 255,
        seed: int = 42,
    ) -> None:
        self.settings = _checked({name: value for name, value in locals().items() if name != "self"})
        self.column_dimensions: tuple[int, ...] = self.settings["column_dimensions"]
        self.columns = math.prod(self.column_dimensions)
        self.cells = self.columns * self.settings["cells_per_column"]
        self._whole = np.array([self.columns, *(self.settings[name] for name in WHOLE)], np.int64)
        self._rates = np.array([self.settings[name] for name in RATES], np.float32)
        self._memory = _empty(self.cells, self.settings["seed"])
        self.anomaly = 0.0

    def compute(self, columns: Any, learn: bool = True) -> float:
        """One step: compare the active columns with the predictions, learn, predict the next.

        Args:
            columns: the active columns: an SDR of ``column_dimensions``, a dense array of bool or uint8 of this
                shape, or sorted flat indices.
            learn: change segments; without it they stay as they are.

        Returns:
            the anomaly: the share of active columns that were not predicted, 0..1; 0 if none is active.

        Raises:
            ShapeError: other dimensions.
            RangeError: indices are unsorted, there twice or out of range; nothing has changed then.
        """
        found = indices("TemporalMemory.compute: columns", columns, self.column_dimensions)
        while True:
            status, value = kernels.step(self._memory, found, learn, self._whole, self._rates)
            if status == base.DONE:
                self.anomaly = 1 - value / len(found) if len(found) else 0.0
                return self.anomaly
            if status != base.NO_ROOM:
                raise bad_index("TemporalMemory.compute: columns", status, value, found, self.columns)
            self._make_room(len(found))

    def run(self, patterns: Iterable[Any], learn: bool = True) -> NDArray[np.float64]:
        """`compute` for pattern after pattern, in compiled code; returns the anomaly of each, (T,).

        All patterns are checked before the first step.
        """
        found = [
            indices(f"TemporalMemory.run.patterns[{t}]", p, self.column_dimensions) for t, p in enumerate(patterns)
        ]
        for t, pattern in enumerate(found):
            check_order(f"TemporalMemory.run.patterns[{t}]", pattern, self.columns)
        begin = np.cumsum([0, *(len(p) for p in found)])
        columns = np.concatenate([np.zeros(0, np.int64), *found])
        anomaly, t = np.empty(len(found)), 0
        while t < len(found):
            status, _, t = kernels.run(self._memory, begin, columns, t, learn, anomaly, self._whole, self._rates)
            if status == base.NO_ROOM:
                self._make_room(len(found[t]))
        if found:
            self.anomaly = float(anomaly[-1])
        return anomaly

    def reset(self) -> None:
        """Forget what is active and predicted, not what was learnt: the next pattern begins a sequence."""
        m = self._memory
        kernels.clear_counts(m)
        m.was_active[:] = 0
        m.number[[store.ACTIVE, store.WINNERS]] = 0
        self.anomaly = 0.0

    @property
    def active_cells(self) -> NDArray[np.int32]:
        """Cells active in the last step, sorted; those of column c are c * cells_per_column and the following."""
        n = self._memory.number
        return self._memory.active[n[store.SIDE], : n[store.ACTIVE]].copy()

    @property
    def winner_cells(self) -> NDArray[np.int32]:
        """Cells that learn to stand for the last step, sorted."""
        n = self._memory.number
        return self._memory.winner[n[store.SIDE], : n[store.WINNERS]].copy()

    @property
    def predictive_cells(self) -> NDArray[np.int32]:
        """Cells with an active segment, sorted: they will be active if their columns are."""
        cells = np.empty(self._memory.number[store.MATCHING], np.int32)
        return cells[: kernels.predictive(self._memory, self._whole, cells)]

    @property
    def predicted_columns(self) -> NDArray[np.int64]:
        """Columns with a predictive cell, sorted."""
        return np.unique(self.predictive_cells // self._whole[kernels.CELLS])

    @property
    def steps(self) -> int:
        """Steps done."""
        return int(self._memory.number[store.STEP])

    @property
    def segment_count(self) -> int:
        """Segments of all cells."""
        return int(self._memory.number[store.ALIVE])

    @property
    def synapse_count(self) -> int:
        """Synapses of all segments."""
        return int(self._memory.number[store.SYNAPSES])

    def segments(self) -> Iterator[Segment]:
        """All segments, by cell and then in the order in which they were born."""
        m = self._memory
        alive = np.flatnonzero(m.segment[: m.number[store.SEGMENTS], store.CELL] >= 0)
        for s in alive[np.lexsort((m.born[alive], m.segment[alive, store.CELL]))]:
            cell, start, count = m.segment[s, [store.CELL, store.START, store.COUNT]]
            order = start + np.argsort(m.source[start : start + count])
            yield Segment(int(cell), m.source[order], m.permanence[order], int(m.used[s]))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file, so that it goes on bit for bit; the file appears whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        write_memory(path, self.settings, self._memory, self.anomaly)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TemporalMemory:
        """Read what `save` wrote.

        Raises:
            FormatError: another kind of file, damaged, or of a newer neurosim.
        """
        settings, anomaly, content = read_memory(path, cls)
        memory = cls(**settings)
        memory._memory = _enlarged(memory._memory, *content.room)
        content.fill(memory._memory, memory._whole, memory._rates)
        memory.anomaly = anomaly
        return memory

    def _make_room(self, columns: int) -> None:
        """Enlarge the arrays for a step with so many active columns."""
        m = self._memory
        growth, most = self._whole[[kernels.GROWTH, kernels.MOST_SYNAPSES]]
        in_use = (m.number[store.SEGMENTS], m.synapse_blocks[0], m.listener_blocks[0])
        needed = [int(n) for n in np.add(in_use, store.room(m, columns, growth, most))]
        if max(needed) > MOST_ENTRIES:
            raise RangeError(
                f"TemporalMemory: a step may need room for {max(needed)} synapses, at most {MOST_ENTRIES}: "
                "limit max_segments_per_cell or max_synapses_per_segment."
            )
        self._memory = _enlarged(m, *needed)

    def __repr__(self) -> str:
        return (
            f"TemporalMemory({self.columns} columns x {self.settings['cells_per_column']} cells, "
            f"{self.segment_count} segments, {self.synapse_count} synapses)"
        )


def _checked(s: dict[str, Any]) -> dict[str, Any]:
    """The settings as plain numbers, or `RangeError` if they make no sense."""
    where, most = "TemporalMemory.", 2**31 - 1
    s["column_dimensions"] = dimensions(where + "column_dimensions", s["column_dimensions"])
    columns = math.prod(s["column_dimensions"])
    s["cells_per_column"] = whole(where + "cells_per_column", s["cells_per_column"], 1)
    if columns * s["cells_per_column"] > MOST_CELLS:
        raise RangeError(f"{where}cells_per_column: at most {MOST_CELLS} cells, got {columns * s['cells_per_column']}.")
    for name in ("min_threshold", "activation_threshold", "max_new_synapse_count", "max_segments_per_cell"):
        s[name] = whole(where + name, s[name], 1, most)
    name = "max_synapses_per_segment"
    s[name] = whole(where + name, s[name], 1, MOST_SYNAPSES)
    s["seed"] = seed_word(where + "seed", s["seed"])
    s |= {name: fraction(where + name, s[name]) for name in RATES}
    for small, large in (
        ("min_threshold", "activation_threshold"), ("max_new_synapse_count", "max_synapses_per_segment"),
    ):  # fmt: skip
        if s[small] > s[large]:
            raise RangeError(f"{where}{small}: must be at most {large} ({s[large]}), got {s[small]}.")
    return s


def _empty(cells: int, seed: int) -> store.Memory:
    """A memory without segments."""
    segments, entries, blocks = FIRST_SEGMENTS, FIRST_ENTRIES, np.full(1 + store.CLASSES, store.NONE, np.int64)
    blocks[0] = 0
    number = np.zeros(11, np.int64)
    number[store.FREE_SEGMENT] = store.NONE
    return store.Memory(
        np.zeros((segments, 5), np.int32), np.zeros(segments, np.int64), np.zeros(segments, np.int64),
        np.zeros(segments, np.uint32), np.zeros(segments + 1, np.uint32), np.zeros(segments, np.int32),
        np.zeros(segments, np.int64), np.zeros(entries, np.int32), np.zeros(entries, np.float32),
        np.zeros(entries, np.int32), np.zeros(entries, np.uint32), np.zeros((cells, 5), np.int32),
        np.zeros(cells, np.int32), np.zeros(cells, np.uint8), np.zeros(cells, np.uint8), np.zeros((2, cells), np.int32),
        np.zeros((2, cells), np.int32), np.zeros(cells, np.int32), number, np.array([seed], np.uint64),
        blocks.copy(), blocks.copy(),
    )  # fmt: skip


def _enlarged(m: store.Memory, segments: int, synapses: int, listeners: int) -> store.Memory:
    """The same memory in arrays with at least so much room, each either as large as it was or at least twice."""
    of_segments = ("segment", "born", "used", "counter", "matching", "key")
    of_synapses = ("source", "permanence", "back")
    longer = {name: _longer(getattr(m, name), segments) for name in of_segments}
    longer |= {name: _longer(getattr(m, name), synapses) for name in of_synapses}
    longer["touched"] = _longer(m.touched, len(longer["born"]) + 1)  # always one more
    return m._replace(**longer, listener=_longer(m.listener, listeners))


def _longer(array: NDArray[Any], n: int) -> NDArray[Any]:
    if len(array) >= n:
        return array
    longer = np.zeros((max(n, 2 * len(array)), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
