"""AEDAT 2.0 (jAER): lines that start with '#', then big-endian pairs of 32-bit address and 32-bit timestamp [us].

Source: docs.inivation.com, "AEDAT 2.0" and "AEDAT 1.0" (address bits of DVS128 and DAVIS). Coordinates are the
address fields; their origin is the lower left corner, so y points up. One point is disputed: the published table says
that polarity bit 0 = 1 is ON for DVS128, while jAER's DVS128 extractor takes 0 as ON and mirrors x.
``layout="dvs128"`` follows the published table, ``layout="jaer_dvs128"`` follows jAER.
CIFAR10-DVS is DVS128 turned by the data set's ``dat2mat.m``: x = 127 - Y, y = 127 - X, p = 1 - bit 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats._common import (
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
from neurosim.errors import check_choice
from neurosim.events import Events

MAGIC = "#!AER-DAT2"
LAST_LINE = "#End Of ASCII Header"


class Layout(NamedTuple):
    """Where an address holds x, y and polarity, and how the fields become coordinates."""

    x: tuple[int, int]  # shift, bits
    y: tuple[int, int]
    p: int  # bit
    other: int  # any of these bits set: no pixel event (external input, frame or IMU sample)
    size: Size
    mirror_x: bool = False
    mirror_y: bool = False
    swap: bool = False
    invert: bool = False


DVS128 = Layout((1, 7), (8, 7), 0, 1 << 15, (128, 128, 2))
LAYOUTS = {
    "dvs128": DVS128,
    "jaer_dvs128": DVS128._replace(mirror_x=True, invert=True),
    "cifar10dvs": DVS128._replace(mirror_x=True, mirror_y=True, swap=True, invert=True),
    # bit 31: frame or IMU sample, bit 10: external input
    "davis": Layout((12, 10), (22, 9), 11, (1 << 31) | (1 << 10), (346, 260, 2)),
}
CHIP_SIZES: dict[str, Size] = {
    "davis128": (128, 128, 2),
    "davis208": (208, 192, 2),
    "davis240": (240, 180, 2),
    "davis346": (346, 260, 2),
    "davis640": (640, 480, 2),
}
USED_DVS128 = 0xFFFF  # an address above this is not a DVS128's


def read_aedat2(
    path: Path, sensor_size: Size | None = None, *, layout: str | None = None, on_disorder: str = "error"
) -> Events:
    """Read an AEDAT 2.0 recording, plain or gzip.

    Events from other sources in the same stream (external input, frames, IMU) are not pixel events and are left out.
    A timestamp counter that wraps at 2**32 is continued.

    Args:
        path: the file.
        sensor_size: (width, height, polarities); default from the header's chip.
        layout: "dvs128", "jaer_dvs128", "cifar10dvs" or "davis"; default from the header's ``AEChip`` line, and
            "dvs128" where that line is missing.
        on_disorder: "error" or "sort", what to do with timestamps that go backwards.

    Raises:
        FormatError: another version, cut file, unknown chip, coordinate outside the sensor, unsorted timestamps.
        RangeError: unknown ``layout``.
    """
    data = load(path)
    lines, start = text_header(path, data, b"#", LAST_LINE)
    if not lines or not lines[0].startswith(MAGIC):
        got = repr(data[:16])
        raise fail(path, 0, f"{MAGIC}.0", got, "AEDAT 3.1 and 4 have their own readers; AEDAT 1 is not supported.")
    chip = _chip(lines)
    form = LAYOUTS[_layout_name(path, chip, layout)]
    size = check_sensor("read_aedat2", sensor_size or _size(chip, form))
    pairs = records(path, data, start, np.dtype([("address", ">u4"), ("t", ">u4")]))
    address = pairs["address"].astype(np.uint32)
    if form.other == DVS128.other and np.any(wide := address > USED_DVS128):
        i = int(np.argmax(wide))
        hint = "If the camera is a DAVIS, pass layout='davis'."
        raise fail(path, start + 8 * i, "a 16-bit DVS128 address", hex(int(address[i])), hint)
    kept = np.flatnonzero((address & np.uint32(form.other)) == 0)
    columns = (unwrap32(pairs["t"])[kept], *_fields(address[kept], form))
    return to_events(path, columns, size, lambda i: start + 8 * int(kept[i]), on_disorder)


def _chip(lines: list[str]) -> str:
    found = [line.split(":", 1)[1].strip() for line in lines if line.lstrip("# ").startswith("AEChip:")]
    return found[0].rsplit(".", 1)[-1].lower() if found else ""


def _layout_name(path: Path, chip: str, layout: str | None) -> str:
    if layout is not None:
        check_choice("read_aedat2.layout", layout, tuple(LAYOUTS))
        return layout
    if chip.startswith("davis"):
        return "davis"
    if chip in ("", "dvs128"):
        return "dvs128"
    raise fail(path, "header line AEChip", "DVS128 or a DAVIS", repr(chip), f"Pass layout=, one of {list(LAYOUTS)}.")


def _size(chip: str, form: Layout) -> Size:
    return next((size for name, size in CHIP_SIZES.items() if chip.startswith(name)), form.size)


def _fields(address: NDArray[np.uint32], form: Layout) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    x, y = (((address >> shift) & ((1 << bits) - 1)).astype(np.uint16) for shift, bits in (form.x, form.y))
    x = ((1 << form.x[1]) - 1) - x if form.mirror_x else x
    y = ((1 << form.y[1]) - 1) - y if form.mirror_y else y
    p = ((address >> form.p) & 1).astype(np.uint8) ^ np.uint8(form.invert)
    return (y, x, p) if form.swap else (x, y, p)
