"""`SDRArray`: many representations of one population, one bit per cell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import ShapeError
from neurosim.kernels import sdr as kernels
from neurosim.sdr.checks import active_cells, dimensions, frozen, seed_word, whole
from neurosim.sdr.sdr import SDR


class SDRArray:
    """Representations that are compared with each other or with one, as rows of 64-bit words.

    Args:
        sdrs: of equal dimensions, at least one.

    Raises:
        ShapeError: none, or of different dimensions.

    Example:
        >>> stored = SDRArray.random(2048, 1000, sparsity=0.02, seed=1)
        >>> noisy = stored[17].noise(0.25, rng=2)
        >>> overlaps = stored.overlaps(noisy)
        >>> int(overlaps.argmax()), int(overlaps.max())
        (17, 31)
    """

    __slots__ = ("dims", "words")
    __hash__ = None  # type: ignore[assignment]

    dims: tuple[int, ...]
    words: NDArray[np.uint64]

    def __init__(self, sdrs: Sequence[SDR]) -> None:
        rows = list(sdrs)
        if not rows or not all(isinstance(s, SDR) and s.dims == rows[0].dims for s in rows):
            kinds = sorted({str(s.dims) if isinstance(s, SDR) else type(s).__name__ for s in rows})
            raise ShapeError(f"SDRArray.sdrs: must be SDRs of equal dimensions, at least one, got {kinds or 'none'}.")
        words = np.zeros((len(rows), _width(rows[0].size)), np.uint64)
        starts = np.cumsum([0, *(s.active for s in rows)])
        kernels.pack_rows(np.concatenate([s.sparse for s in rows]), starts, words)
        self._take(rows[0].dims, words)

    @classmethod
    def random(
        cls, dims: int | Sequence[int], count: int, *, sparsity: float, seed: int, first: int = 0, stream: int = 0
    ) -> SDRArray:
        """Independent representations of ``round(sparsity * size)`` cells each, all choices equally likely.

        Row r depends on ``seed``, ``stream`` and ``first + r`` alone: rows 0..9 and 10..19 made one after the other
        are rows 0..19 made at once.

        Args:
            dims: shape of the population.
            count: number of rows, >= 1.
            sparsity: share of cells that are active, > 0 and <= 1.
            seed: 0..2**63 - 1.
            first: number of the first row.
            stream: 0..2**32 - 1; two streams of one seed are independent.
        """
        shape = dimensions("SDRArray.random: dims", dims)
        size = math.prod(shape)
        active = active_cells("SDRArray.random: sparsity", sparsity, size)
        words = np.zeros((whole("SDRArray.random: count", count, 1), _width(size)), np.uint64)
        key = np.uint64(seed_word("SDRArray.random: seed", seed))
        number = whole("SDRArray.random: first", first, 0, 2**62)
        of = np.uint64(whole("SDRArray.random: stream", stream, 0, 2**32 - 1))
        kernels.fill_random_rows(words, size, active, number, key, of)
        return cls._of(shape, words)

    @classmethod
    def _of(cls, dims: tuple[int, ...], words: NDArray[np.uint64]) -> SDRArray:
        made = cls.__new__(cls)
        made._take(dims, words)
        return made

    def _take(self, dims: tuple[int, ...], words: NDArray[np.uint64]) -> None:
        words.flags.writeable = False
        self.dims, self.words = dims, words

    @property
    def size(self) -> int:
        """Number of cells of each."""
        return math.prod(self.dims)

    @property
    def active(self) -> NDArray[np.int32]:
        """(rows,) number of active cells of each."""
        counts = np.empty(len(self), np.int32)
        kernels.count_active(self.words, counts)
        return counts

    def __len__(self) -> int:
        return len(self.words)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SDRArray):
            return NotImplemented
        return self.dims == other.dims and np.array_equal(self.words, other.words)

    def __repr__(self) -> str:
        return f"SDRArray({len(self)} of {self.dims}, {self.words.nbytes} bytes)"

    def __iter__(self) -> Iterator[SDR]:
        return (self._unpacked(row) for row in self.words)

    def __getitem__(self, row: int) -> SDR:
        """One of them."""
        row = whole("SDRArray: row", row, -len(self), len(self) - 1)
        return self._unpacked(self.words[row])

    def overlaps(self, other: SDR) -> NDArray[np.int32]:
        """(rows,) number of cells that are active in each and in ``other``."""
        counts = np.empty(len(self), np.int32)
        kernels.count_overlaps(self._row("overlaps", other), self.words, counts)
        return counts

    def matches(self, other: SDR, theta: int) -> int:
        """How many share at least ``theta`` active cells with ``other``."""
        theta = whole("SDRArray.matches: theta", theta, 1)
        return int(kernels.count_matches(self._row("matches", other), self.words, theta))

    def union(self) -> SDR:
        """Cells that are active in any of them."""
        row = np.zeros(self.words.shape[1], np.uint64)
        kernels.unite_rows(self.words, row)
        return self._unpacked(row)

    def cell_counts(self) -> NDArray[np.int64]:
        """How many of them have each cell active, in the shape of the population."""
        counts = np.zeros(self.size, np.int64)
        kernels.count_per_cell(self.words, counts)
        return counts.reshape(self.dims)

    def _row(self, where: str, other: Any) -> NDArray[np.uint64]:
        if not isinstance(other, SDR) or other.dims != self.dims:
            got = other.dims if isinstance(other, SDR) else type(other).__name__
            raise ShapeError(f"SDRArray.{where}: must be given an SDR of dimensions {self.dims}, got {got}.")
        row: NDArray[np.uint64] = SDRArray([other]).words[0]
        return row

    def _unpacked(self, row: NDArray[np.uint64]) -> SDR:
        counts = np.empty(1, np.int32)
        kernels.count_active(row[None], counts)
        indices = np.empty(int(counts[0]), np.int32)
        kernels.unpack_row(row, indices)
        return SDR._of(self.dims, frozen(indices, np.int32))


def _width(size: int) -> int:
    return -(-size // kernels.CELLS)
