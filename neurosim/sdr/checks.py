"""Checks of what representations, encoders and segments are given; see `neurosim.graph.base` for those of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError
from neurosim.graph.base import LARGEST, frozen, number, switch, whole, wholes


def fraction(where: str, value: Any) -> float:
    """A number in 0..1."""
    found = number(where, value)
    if not 0.0 <= found <= 1.0:
        raise RangeError(f"{where}: must be in 0..1, got {found!r}.")
    return found


def active_cells(where: str, sparsity: Any, size: int) -> int:
    """Number of active cells of ``size``, of a share above 0 and at most 1 that is at least one cell."""
    share = number(where, sparsity)
    if not 0.0 < share <= 1.0:
        raise RangeError(f"{where}: must be > 0 and <= 1, got {share!r}. (It is a share of all cells: 2 % is 0.02.)")
    active = round(share * size)
    if active == 0:
        raise RangeError(f"{where}: must be at least one cell, got {share!r} of {size}, which rounds to none.")
    return active


def dimensions(where: str, value: Any) -> tuple[int, ...]:
    """A shape of at least one axis, each at least 1 long; a whole number is a shape of one axis."""
    axes = tuple(value) if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str) else (value,)
    found = tuple(whole(where, axis, 1) for axis in axes)
    if not found:
        raise ShapeError(f"{where}: must have at least one axis, got ().")
    if math.prod(found) > LARGEST:
        raise RangeError(f"{where}: must have at most {LARGEST} cells, got {found}: {math.prod(found)}.")
    return found


def indices(where: str, value: Any, size: int) -> NDArray[np.int32]:
    """Flat indices of active cells as a read-only array: below ``size``, ascending, each once."""
    found = wholes(where, value, 0, size - 1)
    step = np.diff(found)
    if (step <= 0).any():
        i = int(np.argmax(step <= 0))
        fault = "twice" if step[i] == 0 else f"after {found[i]}"
        raise RangeError(
            f"{where}[{i + 1}]: must ascend, each index once, got {found[i + 1]} {fault}. Use numpy.unique(indices)."
        )
    return found


def generator(where: str, value: Any) -> np.random.Generator:
    """A generator of random numbers, made from a seed if it is a whole number."""
    if isinstance(value, np.random.Generator):
        return value
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 0:
        return np.random.default_rng(int(value))
    raise RangeError(f"{where}: must be a whole number >= 0 or a numpy.random.Generator, got {value!r}.")


def seed_word(where: str, value: Any) -> int:
    """A seed of a counter-based draw: a whole number of 63 bits."""
    return whole(where, value, 0, 2**63 - 1)


__all__ = [
    "LARGEST", "active_cells", "dimensions", "fraction", "frozen", "generator", "indices", "number", "seed_word",
    "switch", "whole",
]  # fmt: skip
