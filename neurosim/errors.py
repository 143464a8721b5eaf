"""Errors of neurosim, and the checks that raise them.

Every message has one shape: where, what was expected, what was given, what to do.
Input is checked once, at the border (constructors, readers, ``forward``); kernels never check.
"""

from __future__ import annotations

import difflib
import importlib
import math
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

LONGEST_TIME_CONSTANT = 10.0  # s; a larger tau or dt is a number meant in ms


class NeurosimError(Exception):
    """Base of every error neurosim raises on purpose."""


class ShapeError(NeurosimError, ValueError):
    """An array or tensor has the wrong shape, dtype or axis order."""


class RangeError(NeurosimError, ValueError):
    """A number or choice lies outside what is allowed."""


class FormatError(NeurosimError, ValueError):
    """A file, stream or checkpoint is not what it claims to be, or is damaged."""


class OutputError(NeurosimError, OSError):
    """A file cannot be written: no rights, no space, no such folder."""


class UnsupportedError(NeurosimError, NotImplementedError):
    """The request is understood, but neurosim cannot do it."""


class NotLowerableError(UnsupportedError):
    """A layer has no event-driven form; the message says what to do."""


class BackPressureError(NeurosimError, BufferError):
    """A stream has no room for what it was given; it has taken nothing of it."""


class LeakageError(NeurosimError, ValueError):
    """What is tested on was also learnt from: intervals, windows or statistics of two parts of a split overlap."""


class MissingExtraError(NeurosimError, ImportError):
    """An optional dependency is not installed; the message names the extra."""


class NeurosimWarning(UserWarning):
    """Something the user can change and probably wants to."""


def require(module: str, extra: str) -> ModuleType:
    """Import the optional ``module``, or raise `MissingExtraError` that names the extra to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{module.split('.')[0]} is needed here and is not installed ({error}). "
            f"Install it with: pip install 'neurosim[{extra}]'"
        ) from error


def check_positive(where: str, value: Any) -> None:
    """Raise `RangeError` unless ``value`` is a finite number above zero."""
    check_number(where, value)
    if not value > 0:
        raise RangeError(f"{where}: must be > 0, got {value!r}.")


def check_number(where: str, value: Any) -> None:
    """Raise `RangeError` unless ``value`` is a finite real number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RangeError(f"{where}: must be a finite number, got {value!r} ({type(value).__name__}).")


def check_seconds(where: str, value: Any) -> None:
    """Raise `RangeError` unless ``value`` is a time constant or step in seconds (not milliseconds)."""
    check_number(where, value)
    if not value > 0:
        raise RangeError(f"{where}: must be > 0 s, got {value!r}. (Times are in seconds: 20 ms is 20e-3.)")
    if value >= LONGEST_TIME_CONSTANT:
        raise RangeError(
            f"{where}: {value!r} s is longer than any time constant in use; times are in seconds, "
            f"did you mean {value:g}e-3?"
        )


def nearest(value: object, choices: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the choice closest to ``value``, or an empty string."""
    found = difflib.get_close_matches(str(value), list(choices), n=1, cutoff=0.5)
    return f" Did you mean {found[0]!r}?" if found else ""


def check_choice(where: str, value: Any, choices: Sequence[str]) -> None:
    """Raise `RangeError` unless ``value`` is one of ``choices``; the message has the nearest match."""
    if value not in choices:
        listed = ", ".join(repr(c) for c in choices)
        raise RangeError(f"{where}: must be one of {listed}, got {value!r}.{nearest(value, choices)}")
