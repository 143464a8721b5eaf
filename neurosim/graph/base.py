"""What all parts of a graph share: comparison by value, and checks that give back a value in its one stored form.

Arrays are stored as read-only copies: a graph that was checked stays as it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError, check_number, nearest

Named = TypeVar("Named")
LARGEST = 2**31 - 1  # of indices, sizes and delays: they are stored in 32 bits


class Part:
    """Base of frozen dataclasses that hold arrays: equal if all fields are, arrays by dtype, shape and values."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(_equal(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))  # type: ignore[arg-type]

    def store(self, **values: Any) -> None:
        """Replace fields by their checked form; for ``__post_init__`` only."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b)


def text(where: str, value: Any) -> str:
    """A name: text that is not empty."""
    if not isinstance(value, str) or not value:
        raise RangeError(f"{where}: must be text that is not empty, got {value!r}.")
    return str(value)


def texts(where: str, value: Any) -> tuple[str, ...]:
    """Names, all different."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise RangeError(f"{where}: must be a tuple of names, got {value!r}.")
    names = tuple(text(where, v) for v in value)
    if len(set(names)) != len(names):
        raise RangeError(f"{where}: names must differ, got {names}.")
    return names


def switch(where: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise RangeError(f"{where}: must be True or False, got {value!r}.")
    return bool(value)


def number(where: str, value: Any, low: float = -math.inf) -> float:
    """A finite real number, at least ``low``; NumPy's scalars count."""
    value = _plain(value)
    try:
        check_number(where, value)
    except OverflowError:
        raise RangeError(f"{where}: must be a finite number, got an integer beyond the range of floats.") from None
    if value < low:
        raise RangeError(f"{where}: must be >= {low:g}, got {value!r}.")
    return float(value)


def whole(where: str, value: Any, low: int = 0, high: int = LARGEST) -> int:
    """An integer in ``low..high``."""
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RangeError(f"{where}: must be a whole number in {low}..{high}, got {value!r}.")
    return value


def reals(where: str, value: Any, ndim: tuple[int, ...] = (1,), low: float = -math.inf) -> NDArray[Any]:
    """Finite numbers, at least ``low``, as a read-only array of float32 (if they came so) or float64."""
    found = _array(where, value, "iuf", "numbers")
    if found.ndim not in ndim:
        expected = " or ".join(str(n) for n in ndim)
        raise ShapeError(f"{where}: must have {expected} dimensions, got shape {found.shape}.")
    _refuse(where, found, ~np.isfinite(found), "finite")
    _refuse(where, found, found < low, f">= {low:g}")
    return frozen(found, np.float32 if found.dtype.kind == "f" and found.dtype.itemsize <= 4 else np.float64)


def wholes(where: str, value: Any, low: int = 0, high: int = LARGEST, dtype: Any = np.int32) -> NDArray[Any]:
    """Integers in ``low..high`` as a read-only array of one dimension."""
    found = _array(where, value, "iu", "integers")
    if found.ndim != 1:
        raise ShapeError(f"{where}: must have one dimension, got shape {found.shape}.")
    _refuse(where, found, (found < low) | (found > high), f"in {low}..{high}")
    return frozen(found, dtype)


def real_or_reals(where: str, value: Any, low: float = -math.inf) -> float | NDArray[Any]:
    """One number, or one per neuron."""
    return reals(where, value, low=low) if is_array(value) else number(where, value, low)


def is_array(value: Any) -> bool:
    """Whether ``value`` is meant as an array: anything with a length but text."""
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes, dict)) and getattr(value, "ndim", 1) > 0


def per_neuron(where: str, value: Any, size: int) -> None:
    """Raise `ShapeError` unless an array has one entry per neuron; a number fits any size."""
    if isinstance(value, np.ndarray) and value.shape[-1] != size:
        raise ShapeError(f"{where}: must be a number or hold {size} entries, one per neuron, got shape {value.shape}.")


def frozen(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """A read-only copy, or ``values`` itself if nobody can write to it."""
    safe = values.base is None and not values.flags.writeable
    if safe and values.dtype == dtype and values.flags.c_contiguous:
        return values
    copy = np.array(values, dtype=dtype, order="C")
    copy.flags.writeable = False
    return copy


def find(where: str, name: Any, among: dict[str, Named], kind: str) -> Named:
    """The entry called ``name``, or `RangeError` with the nearest match."""
    if not isinstance(name, str) or name not in among:
        listed = ", ".join(repr(n) for n in among) or "none"
        raise RangeError(f"{where}: no {kind} is called {name!r}; there are {listed}.{nearest(name, among)}")
    return among[name]


def _plain(value: Any) -> Any:
    return (
        value.item() if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim) else value
    )


def _array(where: str, value: Any, kinds: str, noun: str) -> NDArray[Any]:
    try:
        found = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists; tensors that need a gradient
        raise ShapeError(f"{where}: must be an array of {noun}, got {type(value).__name__} ({error}).") from None
    if not found.size and not isinstance(value, np.ndarray):  # an empty list has no kind of its own
        found = found.astype(np.int64)
    if found.dtype.kind not in kinds:
        raise ShapeError(f"{where}: must be an array of {noun}, got {found.dtype} of shape {found.shape}.")
    return found


def _refuse(where: str, values: NDArray[Any], bad: NDArray[np.bool_], rule: str) -> None:
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise RangeError(f"{where}[{', '.join(map(str, at))}]: must be {rule}, got {values[at].item()!r}.")
