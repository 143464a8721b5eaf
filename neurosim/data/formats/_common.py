"""What every reader needs: bytes with a bound, header lines, whole records, and events checked with file and offset."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import FormatError, RangeError, check_choice
from neurosim.events import Events

Path = str | os.PathLike[str]
Size = tuple[int, int, int]
Columns = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]

MAX_EXPANSION = 1000  # deflate cannot do better than 1032:1; more than this is a bomb or damage, never a recording
DISORDER = ("error", "sort")
CUT_SHORT = "The file was cut short or damaged: copy or download it again."


def fail(path: Path, where: str | int, expected: str, got: str, hint: str) -> FormatError:
    """A `FormatError` in the house's shape; an integer ``where`` is a byte offset."""
    place = f"byte {where}" if isinstance(where, int) else where
    return FormatError(f"{os.fspath(path)}, {place}: expected {expected}, got {got}. {hint}")


def load(path: Path) -> bytes:
    """The bytes of a file, unpacked if they are gzip; never more than `MAX_EXPANSION` times its size."""
    with open(path, "rb") as file:
        data = file.read()
    if not data:
        raise fail(path, 0, "a recording", "a file of zero bytes", CUT_SHORT)
    return _gunzip(path, data) if data[:2] == b"\x1f\x8b" else data


def _gunzip(path: Path, data: bytes) -> bytes:
    limit = MAX_EXPANSION * len(data)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            out = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise fail(path, "gzip stream", "intact gzip data", str(error), CUT_SHORT) from None
    if len(out) > limit:
        raise fail(path, "gzip stream", f"at most {limit} bytes unpacked", "more", "This is no recording.")
    if not out:
        raise fail(path, "gzip stream", "a recording", "zero bytes", CUT_SHORT)
    return out


def text_header(path: Path, data: bytes, marker: bytes, last: str | None = None) -> tuple[list[str], int]:
    """Header lines that start with ``marker``, and the offset where the data begins.

    Event data may begin with the marker byte by chance, so a line with control characters is data, and
    the line ``last``, where a format has one, always ends the header.
    """
    lines: list[str] = []
    at = 0
    while data.startswith(marker, at):
        end = data.find(b"\n", at)
        if end < 0 or any(byte < 32 and byte not in b"\t\r" for byte in data[at:end]):
            break
        line = data[at:end].decode("latin-1").rstrip("\r")
        lines.append(line)
        at = end + 1
        if line.rstrip() == last:
            break
    return lines, at


def records(path: Path, data: bytes, start: int, dtype: Any) -> NDArray[Any]:
    """The rest of ``data`` as records of ``dtype``, without a copy; a partial record is an error."""
    item = np.dtype(dtype).itemsize
    if left := (len(data) - start) % item:
        raise fail(path, len(data) - left, f"whole records of {item} bytes", f"{left} bytes at the end", CUT_SHORT)
    return np.frombuffer(data, dtype, offset=start)


def unwrap32(ticks: NDArray[Any]) -> NDArray[np.int64]:
    """Timestamps of a 32-bit counter on one int64 axis.

    Steps are taken modulo 2**32, so a wrap is a small step forward; a step of 2**31 or more reads as backwards.
    """
    ticks = ticks.astype(np.uint32)
    out = np.empty(len(ticks), np.int64)
    out[:1] = ticks[:1]
    np.cumsum(np.diff(ticks).view(np.int32), out=out[1:])
    out[1:] += out[:1]
    return out


def check_sensor(where: str, size: Size) -> Size:
    """Raise `RangeError` unless ``size`` is (width, height, polarities)."""
    try:
        width, height, polarities = (int(n) for n in size)
    except (TypeError, ValueError):
        raise RangeError(f"{where}.sensor_size: must be (width, height, polarities), got {size!r}.") from None
    if not (1 <= width <= 65536 and 1 <= height <= 65536 and 1 <= polarities <= 256):
        raise RangeError(f"{where}.sensor_size: must be positive and at most (65536, 65536, 256), got {size!r}.")
    return width, height, polarities


def to_events(path: Path, columns: Columns, size: Size, offset: Callable[[int], str | int], on_disorder: str) -> Events:
    """Events from raw columns (t, x, y, p), or a `FormatError` that says which record is wrong.

    Args:
        path: the file, for messages.
        columns: t [us], x, y, p of equal length, in the order of the file.
        size: (width, height, polarities).
        offset: where event i stands in the file.
        on_disorder: "error", or "sort" to put events with earlier timestamps back in order (stable).
    """
    check_choice("on_disorder", on_disorder, DISORDER)
    t, x, y, p = columns
    for name, column, bound in zip("xyp", (x, y, p), size, strict=True):
        _check_bound(path, name, column, bound, offset)
    if np.any(back := t[1:] < t[:-1]):
        if on_disorder == "error":
            i = int(np.argmax(back)) + 1
            raise disorder(path, offset(i), int(t[i - 1]), int(t[i]))
        order = np.argsort(t, kind="stable")
        t, x, y, p = t[order], x[order], y[order], p[order]
    if len(t) and t[0] < 0:
        raise fail(path, "timestamps", "none below 0 us", f"{t[0]} us", "The time base of this file is damaged.")
    return Events(t, x, y, p, size)


def disorder(path: Path, where: str | int, before: int, after: int) -> FormatError:
    """The error of a timestamp that goes backwards."""
    hint = "Pass on_disorder='sort' to put the events in the order of time."
    return fail(path, where, f"a timestamp of at least {before} us", f"{after} us", hint)


def _check_bound(path: Path, name: str, column: NDArray[Any], bound: int, offset: Callable[[int], str | int]) -> None:
    if len(column) and (int(column.min()) < 0 or int(column.max()) >= bound):
        i = int(np.argmax((column < 0) | (column >= bound)))
        hint = "The file is damaged or comes from another sensor: check sensor_size."
        raise fail(path, offset(i), f"{name} in 0..{bound - 1}", str(int(column[i])), hint)
