"""Encoders: a value to the SDR that stands for it; like values share active cells.

Names and behaviour follow HTM's encoders (Purdy, "Encoding data for HTM systems", arXiv:1602.05925); where ours differ
is said at each. None of them is random: the same encoder gives the same SDR of a value on every machine.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.errors import RangeError, check_choice, nearest
from neurosim.graph.base import switch, texts
from neurosim.kernels import sdr as kernels
from neurosim.sdr.checks import active_cells, number, seed_word, whole
from neurosim.sdr.sdr import SDR

LARGEST_BUCKET = 2**62


@dataclass(frozen=True)
class ScalarEncoder:
    """A run of ``active`` cells whose place is that of the value between ``minimum`` and ``maximum``.

    Values up to half a ``resolution`` apart may be the same; those a ``radius`` or more apart share no cell. Between
    them the overlap falls by one cell with each resolution.

    Args:
        minimum, maximum: ends of the values.
        size: number of cells, > active.
        active: number of active cells, >= 1.
        outside: what a value outside is: "error", "clip" (the nearer end), or "wrap", of a quantity that is periodic
            (``maximum`` is then the same value as ``minimum``, and the run of cells goes on at the other end).

    Raises:
        RangeError: at construction, active >= size or minimum >= maximum; at encode, a value outside or not finite.

    Example:
        >>> encoder = ScalarEncoder(minimum=0.0, maximum=10.0, size=14, active=4)
        >>> encoder.encode(0.0), encoder.encode(10.0)
        (SDR((14,), [0, 1, 2, 3]: 4 active, 0.286), SDR((14,), [10, 11, 12, 13]: 4 active, 0.286))
    """

    minimum: float
    maximum: float
    size: int
    active: int
    outside: str = "error"

    def __post_init__(self) -> None:
        low, high = (number(f"ScalarEncoder.{name}", getattr(self, name)) for name in ("minimum", "maximum"))
        if low >= high:
            raise RangeError(f"ScalarEncoder.maximum: must be > minimum {low!r}, got {high!r}.")
        whole("ScalarEncoder.size", self.size, 2)
        whole("ScalarEncoder.active", self.active, 1, self.size - 1)
        check_choice("ScalarEncoder.outside", self.outside, ("error", "clip", "wrap"))

    @property
    def resolution(self) -> float:
        """Difference of values that moves the run by one cell."""
        steps = self.size if self.outside == "wrap" else self.size - self.active
        return (self.maximum - self.minimum) / steps

    @property
    def radius(self) -> float:
        """Difference of values from which on no cell is shared."""
        return self.active * self.resolution

    def encode(self, value: float) -> SDR:
        """The SDR of a value."""
        x = number("ScalarEncoder.encode: value", value)
        if self.outside == "wrap":
            share = (x - self.minimum) / (self.maximum - self.minimum)
            first = int((share - math.floor(share)) * self.size) % self.size  # 1 - 1e-17 is 1
            return SDR(self.size, np.sort((first + np.arange(self.active)) % self.size))
        if self.outside == "error" and not self.minimum <= x <= self.maximum:
            raise RangeError(
                f"ScalarEncoder.encode: value must be in {self.minimum:g}..{self.maximum:g}, got {x!r}. "
                'Use outside="clip" to take the nearer end.'
            )
        share = (min(max(x, self.minimum), self.maximum) - self.minimum) / (self.maximum - self.minimum)
        first = math.floor(share * (self.size - self.active) + 0.5)
        return SDR(self.size, np.arange(first, first + self.active))


@dataclass(frozen=True)
class RDSE:
    """Random distributed scalar encoder: values without bounds; each keeps all but one cell of its neighbour.

    Value x lies in bucket b = floor(x / resolution + 1/2), which has the cells hashed from the numbers b .. b + active
    - 1. Buckets d < active apart share the active - d cells of their common numbers, and others by chance, as random
    representations do. Our formulation: a hash that meets a cell that is taken is drawn again, so that there are
    always ``active`` cells (HTM's has fewer then); at each step of one bucket about one more cell in size / active
    changes. There is no way back from cells to values.

    Args:
        size: number of cells.
        active: number of active cells; or give ``sparsity``, their share of size.
        radius: difference of values from which on cells are shared by chance only, active * resolution; or give
            ``resolution``, the width of a bucket; or ``category=True``, for values that are whole numbers and not
            alike at all.
        seed: 0..2**63 - 1; encoders of different seeds give unrelated cells. (In HTM, 0 draws a seed.)

    Raises:
        RangeError: both or none of active and sparsity; not just one of radius, resolution and category; more active
            cells than cells; at encode, a value that is not finite, or no whole number where it is a category.

    Example:
        >>> encoder = RDSE(size=1000, active=20, resolution=0.5, seed=1)
        >>> a = encoder.encode(7.0)
        >>> [a.overlap(encoder.encode(7.0 + x)) for x in (0.0, 0.5, 2.5, 20.0)]
        [20, 19, 15, 0]
    """

    size: int
    active: int | None = None
    sparsity: float | None = None
    radius: float | None = None
    resolution: float | None = None
    category: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        size = whole("RDSE.size", self.size, 1)
        if (self.active is None) == (self.sparsity is None):
            raise RangeError(
                f"RDSE: give either active or sparsity, got active={self.active!r}, sparsity={self.sparsity!r}."
            )
        given = [self.radius is not None, self.resolution is not None, switch("RDSE.category", self.category)]
        if sum(given) != 1:
            raise RangeError(
                f"RDSE: give one of radius, resolution and category, got radius={self.radius!r}, "
                f"resolution={self.resolution!r}, category={self.category!r}."
            )
        if self.active is None:
            active_cells("RDSE.sparsity", self.sparsity, size)
        else:
            whole("RDSE.active", self.active, 1, size)
        for name, value in (("radius", self.radius), ("resolution", self.resolution)):
            if value is not None and number(f"RDSE.{name}", value) <= 0.0:
                raise RangeError(f"RDSE.{name}: must be > 0, got {value!r}.")
        seed_word("RDSE.seed", self.seed)

    @property
    def cells(self) -> int:
        """Number of active cells, of either way to give it."""
        return self.active or active_cells("RDSE.sparsity", self.sparsity, self.size)

    def encode(self, value: float) -> SDR:
        """The SDR of a value."""
        x = number("RDSE.encode: value", value)
        if self.category and x != math.floor(x):
            raise RangeError(f"RDSE.encode: value must be a whole number, as it is a category, got {value!r}.")
        resolution = self.resolution or (1.0 if self.category else float(self.radius or 0.0)) / self.cells
        bucket = x / resolution
        if not abs(bucket) < LARGEST_BUCKET:
            raise RangeError(f"RDSE.encode: value must be within 2**62 resolutions of {resolution:g}, got {value!r}.")
        cells = np.empty(self.cells, np.int32)
        kernels.fill_hashed(cells, math.floor(bucket + 0.5), self.size, np.uint64(self.seed))
        return SDR(self.size, np.sort(cells))


@dataclass(frozen=True)
class CategoryEncoder:
    """Names, each with ``active`` cells of its own: no two share any.

    Args:
        categories: the names, all different.
        active: number of active cells of each, >= 1.

    Raises:
        RangeError: no name, or one twice; at encode, a name that is none of them.
    """

    categories: tuple[str, ...]
    active: int

    def __post_init__(self) -> None:
        names = texts("CategoryEncoder.categories", self.categories)
        if not names:
            raise RangeError("CategoryEncoder.categories: must be at least one name, got none.")
        object.__setattr__(self, "categories", names)
        whole("CategoryEncoder.active", self.active, 1)
        whole("CategoryEncoder: active * categories", self.size, 1)

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.active * len(self.categories)

    def encode(self, value: str) -> SDR:
        """The SDR of a name."""
        if value not in self.categories:
            hint = nearest(value, self.categories)
            raise RangeError(f"CategoryEncoder.encode: must be one of {self.categories}, got {value!r}.{hint}")
        first = self.categories.index(value) * self.active
        return SDR(self.size, np.arange(first, first + self.active))


@dataclass(frozen=True)
class SimHashEncoder:
    """A bag of words: texts that share words share cells; the order of the words plays no part.

    Every word has a random number for each cell; the active cells are those with the largest sums over the words.
    Our formulation of SimHash (Charikar, STOC 2002), which takes the sign of each sum, for a fixed number of cells.

    Args:
        size: number of cells.
        active: number of active cells, <= size.
        seed: 0..2**63 - 1; encoders of different seeds give unrelated cells.

    Raises:
        RangeError: active > size; at encode, no word, or weights that are not above 0.
    """

    size: int
    active: int
    seed: int = 0

    def __post_init__(self) -> None:
        whole("SimHashEncoder.active", self.active, 1, whole("SimHashEncoder.size", self.size, 1))
        seed_word("SimHashEncoder.seed", self.seed)

    def encode(self, words: Iterable[str] | Mapping[str, float]) -> SDR:
        """The SDR of words, each of weight 1 as often as it occurs, or with weights."""
        if isinstance(words, str):
            raise RangeError(f"SimHashEncoder.encode: must be words, not one text: {words!r:.40}. Use text.split().")
        bag: Mapping[Any, Any] = words if isinstance(words, Mapping) else Counter(words)
        if not bag:
            raise RangeError("SimHashEncoder.encode: must be at least one word, got none.")
        sums = np.zeros(self.size)
        for word in sorted(bag):  # the same rounding in any order
            weight = number(f"SimHashEncoder.encode: weight of {word!r}", bag[word])
            if weight <= 0.0:
                raise RangeError(f"SimHashEncoder.encode: weight of {word!r} must be > 0, got {weight!r}.")
            sums += weight * self._numbers(word)
        return SDR(self.size, np.sort(np.argsort(-sums, kind="stable")[: self.active]))

    def _numbers(self, word: Any) -> Any:
        if not isinstance(word, str):
            raise RangeError(f"SimHashEncoder.encode: words must be text, got {word!r}.")
        hashed = hashlib.shake_128(self.seed.to_bytes(8, "little") + word.encode())
        return np.frombuffer(hashed.digest(4 * self.size), "<u4") / 2.0**32 - 0.5
