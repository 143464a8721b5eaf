"""Prophesee DAT, versions 1 and 2: decoded change-detection (CD) events of 8 bytes, little-endian.

'%' header lines, one byte event type, one byte event size, then uint32 timestamp [us] and a uint32 word.
Version 2: x bits 0-13, y bits 14-27, polarity bits 28-31. Version 1 (ATIS): x bits 0-8, y bits 9-16, polarity bit 17.
Source: docs.prophesee.ai, "DAT File Format"; version 1 as in Prophesee's published load_td_data example.
"""

from __future__ import annotations

import numpy as np

from neurosim.data.formats._common import (
    CUT_SHORT,
    Path,
    Size,
    check_sensor,
    fail,
    load,
    records,
    text_header,
    to_events,
    unwrap32,
)
from neurosim.events import Events

ATIS: Size = (304, 240, 2)  # the sensor of files from before the header had Width and Height
CD_TYPES = (0, 12)  # Event2d and EventCD share one layout
FIELDS = {1: ((0, 9), (9, 8), (17, 1)), 2: ((0, 14), (14, 14), (28, 4))}  # (shift, bits) of x, y, p


def read_dat(path: Path, sensor_size: Size | None = None, *, on_disorder: str = "error") -> Events:
    """Read a Prophesee DAT file of CD events.

    A timestamp counter that wraps at 2**32 us is continued.

    Args:
        path: the file, plain or gzip.
        sensor_size: (width, height, polarities); default from the header, else the ATIS's (304, 240, 2).
        on_disorder: "error" or "sort", what to do with timestamps that go backwards.

    Raises:
        FormatError: no header, unknown version or event type, cut file, coordinate outside the sensor.
    """
    data = load(path)
    lines, start = text_header(path, data, b"%")
    if not lines:
        raise fail(path, 0, "a header line that starts with '%'", repr(data[:8]), "This is no DAT file.")
    keys = dict(line.lstrip("% ").split(" ", 1) for line in lines if " " in line.lstrip("% "))
    version = keys.get("Version", "1").strip()
    if version not in ("1", "2"):
        raise fail(path, "header line Version", "1 or 2", repr(version), "Convert the file to version 2.")
    kind = tuple(data[start : start + 2])
    if len(kind) < 2 or kind[0] not in CD_TYPES or kind[1] != 8:
        hint = "Only CD events can be read; triggers have their own files."
        raise fail(path, start, f"event type in {CD_TYPES} and event size 8", str(kind), hint)
    start += 2
    size = check_sensor("read_dat", sensor_size or _size(path, keys))
    pairs = records(path, data, start, np.dtype([("t", "<u4"), ("word", "<u4")]))
    x, y, p = ((pairs["word"] >> shift) & ((1 << bits) - 1) for shift, bits in FIELDS[int(version)])
    columns = (unwrap32(pairs["t"]), x.astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8))
    return to_events(path, columns, size, lambda i: start + 8 * i, on_disorder)


def _size(path: Path, keys: dict[str, str]) -> Size:
    if "Width" not in keys and "Height" not in keys:
        return ATIS
    texts = keys.get("Width", "").strip(), keys.get("Height", "").strip()
    if not all(text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 16384 for text in texts):
        raise fail(path, "header lines Width, Height", "two numbers in 1..16384", repr(texts), CUT_SHORT)
    return int(texts[0]), int(texts[1]), 2
