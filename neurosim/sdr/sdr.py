"""`SDR`: a sparse distributed representation, the set of cells of a population that are active."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError
from neurosim.files import write_bytes
from neurosim.sdr.checks import active_cells, dimensions, fraction, frozen, generator, indices, whole


class SDR:
    """The active cells of a population, as flat indices, as zeros and ones, and as coordinates.

    It never changes: every operation returns a new one. A view is made when it is first asked for, and then kept; all
    arrays are read-only. Two are equal if they have the same dimensions and active cells; they cannot be hashed.

    Args:
        dims: shape of the population; a whole number is one axis.
        sparse: (active,) flat indices of the active cells in C order, ascending, each once. Default none.

    Raises:
        RangeError: an index that is out of range, not ascending, or there twice; an axis shorter than 1.
        ShapeError: indices that are no list of integers; no axis.

    Example:
        >>> a = SDR((4, 8), [1, 9, 30])
        >>> a.coordinates
        (array([0, 1, 3]), array([1, 1, 6]))
        >>> a.overlap(SDR((4, 8), [9, 30, 31])), a.sparsity
        (2, 0.09375)
    """

    __slots__ = ("_coordinates", "_dense", "dims", "sparse")
    __hash__ = None  # type: ignore[assignment]

    dims: tuple[int, ...]
    sparse: NDArray[np.int32]

    def __init__(self, dims: int | Sequence[int], sparse: Any = ()) -> None:
        self.dims = dimensions("SDR.dims", dims)
        self.sparse = indices("SDR.sparse", sparse, math.prod(self.dims))
        self._dense: NDArray[np.uint8] | None = None
        self._coordinates: tuple[NDArray[np.intp], ...] | None = None

    @classmethod
    def from_dense(cls, dense: Any) -> SDR:
        """Cells where ``dense`` (numbers or bools, 0 or 1 each) is 1; its shape gives the dimensions.

        Raises:
            RangeError: a value other than 0 and 1.
            ShapeError: no array of numbers, or an empty one.
        """
        values = np.asarray(dense)
        if values.dtype.kind not in "biuf" or values.ndim == 0 or values.size == 0:
            raise ShapeError(
                f"SDR.from_dense: must be an array of 0 and 1, not empty, got {values.dtype} of shape {values.shape}."
            )
        active = values != 0
        if not (values[active] == 1).all():
            wrong = values[active & (values != 1)][0].item()
            raise RangeError(f"SDR.from_dense: must be 0 or 1, got {wrong!r}. Apply a threshold first.")
        return cls._of(dimensions("SDR.from_dense", values.shape), np.flatnonzero(active))

    @classmethod
    def from_coordinates(cls, dims: int | Sequence[int], coordinates: Any) -> SDR:
        """Cells at ``coordinates``: one array of indices for each axis, in any order of cells.

        Raises:
            RangeError: a coordinate out of range, or a cell given twice.
            ShapeError: not one array for each axis, or arrays of different lengths.
        """
        shape = dimensions("SDR.from_coordinates: dims", dims)
        axes = [np.asarray(axis) for axis in coordinates]
        if len(axes) != len(shape) or any(axis.shape != axes[0].shape or axis.ndim != 1 for axis in axes):
            got = [axis.shape for axis in axes]
            raise ShapeError(f"SDR.from_coordinates: must be {len(shape)} arrays of one length, got shapes {got}.")
        for k, (axis, size) in enumerate(zip(axes, shape, strict=True)):
            if axis.size and (axis.dtype.kind not in "iu" or axis.min() < 0 or axis.max() >= size):
                raise RangeError(
                    f"SDR.from_coordinates: axis {k} must hold whole numbers in 0..{size - 1}, "
                    f"got {axis.dtype} in {axis.min()}..{axis.max()}."
                )
        flat = np.ravel_multi_index([axis.astype(np.intp) for axis in axes], shape)
        return cls(shape, np.sort(flat))

    @classmethod
    def random(cls, dims: int | Sequence[int], *, sparsity: float, rng: int | np.random.Generator) -> SDR:
        """``round(sparsity * size)`` different cells, all choices equally likely.

        Args:
            dims: shape of the population.
            sparsity: share of cells that are active, > 0 and <= 1.
            rng: seed or generator.

        Raises:
            RangeError: a sparsity outside that range, or so small that no cell is active.
        """
        shape = dimensions("SDR.random: dims", dims)
        size = math.prod(shape)
        active = active_cells("SDR.random: sparsity", sparsity, size)
        return cls._of(shape, np.sort(_choose(generator("SDR.random: rng", rng), size, active)))

    @classmethod
    def _of(cls, dims: tuple[int, ...], sparse: NDArray[Any]) -> SDR:
        """One of indices that are known to be in order."""
        made = cls.__new__(cls)
        made.dims, made.sparse = dims, frozen(sparse, np.int32)
        made._dense = made._coordinates = None
        return made

    @property
    def size(self) -> int:
        """Number of cells."""
        return math.prod(self.dims)

    @property
    def active(self) -> int:
        """Number of active cells."""
        return self.sparse.size

    @property
    def sparsity(self) -> float:
        """Share of cells that are active."""
        return self.active / self.size

    @property
    def dense(self) -> NDArray[np.uint8]:
        """Zeros and ones, in the shape of the population; read-only."""
        if self._dense is None:
            dense = np.zeros(self.size, np.uint8)
            dense[self.sparse] = 1
            self._dense = dense.reshape(self.dims)
            self._dense.flags.writeable = False
        return self._dense

    @property
    def coordinates(self) -> tuple[NDArray[np.intp], ...]:
        """For each axis, the indices of the active cells along it; read-only."""
        if self._coordinates is None:
            self._coordinates = np.unravel_index(self.sparse, self.dims)
            for axis in self._coordinates:
                axis.flags.writeable = False
        return self._coordinates

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SDR):
            return NotImplemented
        return self.dims == other.dims and np.array_equal(self.sparse, other.sparse)

    def __repr__(self) -> str:
        shown = ", ".join(map(str, self.sparse[:10])) + (", ..." if self.active > 10 else "")
        return f"SDR({self.dims}, [{shown}]: {self.active} active, {self.sparsity:.3g})"

    def overlap(self, other: SDR) -> int:
        """Number of cells that are active in both.

        Raises:
            ShapeError: the other has other dimensions; so for every operation on two.
        """
        return self.intersection(other).active

    def intersection(self, *others: SDR) -> SDR:
        """Cells that are active in all."""
        sparse = self.sparse
        for other in self._alike("intersection", others):
            sparse = np.intersect1d(sparse, other.sparse, assume_unique=True)
        return self._of(self.dims, sparse)

    def union(self, *others: SDR) -> SDR:
        """Cells that are active in any."""
        parts = [self.sparse, *(other.sparse for other in self._alike("union", others))]
        return self._of(self.dims, np.unique(np.concatenate(parts)))

    def concatenate(self, *others: SDR, axis: int = 0) -> SDR:
        """The populations of all put side by side along ``axis``; their other axes must be equal."""
        axis = whole("SDR.concatenate: axis", axis, 0, len(self.dims) - 1)
        for other in others:
            _check_sdr("SDR.concatenate", other)
            rest = [(*s.dims[:axis], *s.dims[axis + 1 :], len(s.dims)) for s in (self, other)]
            if rest[0] != rest[1]:
                raise ShapeError(
                    f"SDR.concatenate: dimensions must be equal but for axis {axis}: {self.dims}, got {other.dims}."
                )
        moved, start = [], 0
        for part in (self, *others):
            moved.append([x + start * (k == axis) for k, x in enumerate(part.coordinates)])
            start += part.dims[axis]
        dims = dimensions("SDR.concatenate", (*self.dims[:axis], start, *self.dims[axis + 1 :]))
        flat = np.ravel_multi_index([np.concatenate(x) for x in zip(*moved, strict=True)], dims)
        return self._of(dims, np.sort(flat))

    def reshape(self, dims: int | Sequence[int]) -> SDR:
        """The same cells, in C order, as a population of another shape and equal size."""
        shape = dimensions("SDR.reshape: dims", dims)
        if math.prod(shape) != self.size:
            raise ShapeError(f"SDR.reshape: dims must have {self.size} cells as {self.dims} has, got {shape}.")
        return self._of(shape, self.sparse)

    def noise(self, share: float, rng: int | np.random.Generator) -> SDR:
        """Move a share of the active cells to cells that were silent; the number of active cells stays.

        Args:
            share: of the active cells, 0..1; ``round(share * active)`` are moved.
            rng: seed or generator.

        Raises:
            RangeError: a share outside 0..1, or more cells to move than are silent.
        """
        moved = round(fraction("SDR.noise: share", share) * self.active)
        silent = self.size - self.active
        if moved > silent:
            raise RangeError(f"SDR.noise: share {share!r} moves {moved} active cells, but only {silent} are silent.")
        rng = generator("SDR.noise: rng", rng)
        kept = np.delete(self.sparse, _choose(rng, self.active, moved))
        # rank r among the silent cells is index r + (number of active cells below it)
        rank = np.sort(_choose(rng, silent, moved))
        gained = rank + np.searchsorted(self.sparse - np.arange(self.active), rank, side="right")
        return self._of(self.dims, np.sort(np.concatenate((kept, gained))))

    def kill(self, share: float, seed: int) -> SDR:
        """Without the active ones among ``round(share * size)`` cells that are dead.

        Which cells are dead depends on size, share and seed alone, so that one seed kills the same cells of each.
        """
        dead = round(fraction("SDR.kill: share", share) * self.size)
        rng = generator("SDR.kill: seed", whole("SDR.kill: seed", seed))
        return self._of(self.dims, np.setdiff1d(self.sparse, _choose(rng, self.size, dead), assume_unique=True))

    def subsample(self, active: int, rng: int | np.random.Generator) -> SDR:
        """``active`` of the active cells, all choices equally likely."""
        count = whole("SDR.subsample: active", active, 0, self.active)
        chosen = _choose(generator("SDR.subsample: rng", rng), self.active, count)
        return self._of(self.dims, self.sparse[np.sort(chosen)])

    def to_bytes(self) -> bytes:
        """The representation as bytes; the format is stated in `neurosim.sdr.store`."""
        from neurosim.sdr.store import to_bytes

        return to_bytes(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> SDR:
        """Read what `to_bytes` gave.

        Raises:
            FormatError: other, damaged or cut bytes, or those of a newer version.
        """
        from neurosim.sdr.store import from_bytes

        return from_bytes(data)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_bytes` to a file, which appears whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        write_bytes(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SDR:
        """Read a file of `save`; raises as `from_bytes`, naming the file."""
        from neurosim.sdr.store import from_bytes

        return from_bytes(Path(path).read_bytes(), str(path))

    def _alike(self, where: str, others: Sequence[SDR]) -> Sequence[SDR]:
        for other in others:
            _check_sdr(f"SDR.{where}", other)
            if other.dims != self.dims:
                raise ShapeError(f"SDR.{where}: dimensions must be equal: {self.dims}, got {other.dims}.")
        return others


def _check_sdr(where: str, value: Any) -> None:
    if not isinstance(value, SDR):
        raise ShapeError(f"{where}: must be given an SDR, got {type(value).__name__}.")


def _choose(rng: np.random.Generator, size: int, count: int) -> NDArray[np.int64]:
    """``count`` different numbers below ``size``."""
    return rng.choice(size, count, replace=False, shuffle=False)
