"""AEDAT 3.1 (cAER): header lines, then packets of one event type each; used by DVS128 Gesture.

Packet, little-endian: int16 type, int16 source, int32 size of an event, offset of its timestamp, timestamp overflow
count, capacity, number, number valid; then ``number`` events. Polarity event (type 1, 8 bytes): bit 0 valid, bit 1
polarity, bits 2-16 y, bits 17-31 x; int32 timestamp [us], of which the packet's overflow count holds bits 31 up.
Source: docs.inivation.com, "AEDAT 3.1"; libcaer documentation, ``events/common.h``. Origin: upper left corner.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats._common import CUT_SHORT, Path, Size, check_sensor, fail, load, text_header, to_events
from neurosim.events import Events

MAGIC = "#!AER-DAT3.1"
LAST_LINE = "#!END-HEADER"
HEADER = struct.Struct("<hhiiiiii")
POLARITY = 1
POLARITY_SIZE = 8
SIZES: dict[str, Size] = {
    "DVS128": (128, 128, 2),
    "DAVIS240": (240, 180, 2),
    "DAVIS346": (346, 260, 2),
    "DAVIS640": (640, 480, 2),
    "DAVIS128": (128, 128, 2),
}


class Packet(NamedTuple):
    """A polarity packet: where its events start, how many, from which source, timestamp overflows before it."""

    start: int
    number: int
    source: int
    overflow: int


def read_aedat31(
    path: Path, sensor_size: Size | None = None, *, source: int | None = None, on_disorder: str = "error"
) -> Events:
    """Read the polarity events of an AEDAT 3.1 recording; events marked invalid and other packets are left out.

    Args:
        path: the file, plain or gzip.
        sensor_size: (width, height, polarities); default from the header's ``#Source`` line.
        source: id of the camera, needed only where the file holds more than one.
        on_disorder: "error" or "sort", what to do with timestamps that go backwards.

    Raises:
        FormatError: another version, damaged or cut packets, unknown camera, several cameras and no ``source``,
            coordinate outside the sensor, unsorted timestamps.
    """
    data = load(path)
    lines, start = text_header(path, data, b"#", LAST_LINE)
    if not lines or lines[0] != MAGIC:
        raise fail(path, 0, MAGIC, repr(data[:16]), "AEDAT 2.0 and 4 have their own readers.")
    if lines[-1].rstrip() != LAST_LINE:
        raise fail(path, start, f"header line {LAST_LINE}", "the end of the header", CUT_SHORT)
    form = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("#Format:")), "RAW")
    if form != "RAW":
        raise fail(path, "header line #Format", "RAW", repr(form), "Convert the file to RAW with jAER or DV.")
    packets = list(_packets(path, data, start))
    source = _one_source(path, packets, source)
    size = check_sensor("read_aedat31", sensor_size or _size(path, lines, source))
    columns, offsets = _decode(path, data, [p for p in packets if p.source == source])
    return to_events(path, columns, size, lambda i: int(offsets[i]), on_disorder)


def _packets(path: Path, data: bytes, at: int) -> Iterator[Packet]:
    while at < len(data):
        if at + HEADER.size > len(data):
            raise fail(path, at, f"a packet header of {HEADER.size} bytes", f"{len(data) - at} bytes", CUT_SHORT)
        kind, source, item, stamp, overflow, _, number, _ = HEADER.unpack_from(data, at)
        body = at + HEADER.size
        end = body + item * number
        if item < 1 or number < 0 or end > len(data):
            got = f"{number} events of {item} bytes with {len(data) - body} bytes left"
            raise fail(path, at, "a packet that fits into the file", got, CUT_SHORT)
        if kind == POLARITY:
            if (item, stamp) != (POLARITY_SIZE, 4) or overflow < 0:
                got = f"{item} bytes, timestamp at {stamp}, overflow {overflow}"
                raise fail(path, at, "polarity events of 8 bytes, timestamp at 4, overflow >= 0", got, CUT_SHORT)
            yield Packet(body, number, source, overflow)
        at = end


def _one_source(path: Path, packets: list[Packet], source: int | None) -> int | None:
    found = sorted({p.source for p in packets})
    if source is not None:
        if source not in found:
            raise fail(path, "packets", f"polarity events of source {source}", f"sources {found}", "Choose one.")
        return source
    if len(found) > 1:
        raise fail(path, "packets", "one source of polarity events", f"sources {found}", "Choose one with source=.")
    return found[0] if found else None


def _size(path: Path, lines: list[str], source: int | None) -> Size:
    cameras = [line.split(":", 1)[1].strip() for line in lines if _is_source(line, source)]
    for camera in cameras:
        for name, size in SIZES.items():
            if camera.upper().startswith(name):
                return size
    raise fail(path, "header line #Source", f"one of {list(SIZES)}", repr(cameras), "Pass sensor_size=.")


def _is_source(line: str, source: int | None) -> bool:
    prefix = "#Source " if source is None else f"#Source {source}:"
    return line.startswith(prefix) and ":" in line


def _decode(path: Path, data: bytes, packets: list[Packet]) -> tuple[Any, NDArray[np.int64]]:
    pieces = [np.empty((0, 2), np.int64)]
    places = [np.empty(0, np.int64)]
    for packet in packets:
        pair = np.frombuffer(data, "<u4", 2 * packet.number, packet.start).reshape(-1, 2).astype(np.int64)
        place = packet.start + POLARITY_SIZE * np.arange(packet.number)
        if np.any(negative := pair[:, 1] >= 1 << 31):
            i = int(np.argmax(negative))
            raise fail(path, int(place[i]), "a timestamp of 31 bits", str(int(pair[i, 1])), CUT_SHORT)
        valid = (pair[:, 0] & 1) == 1
        pair[:, 1] += packet.overflow << 31
        pieces.append(pair[valid])
        places.append(place[valid])
    word, t = np.concatenate(pieces).T
    x, y, p = (word >> 17).astype(np.uint16), ((word >> 2) & 0x7FFF).astype(np.uint16), (word >> 1) & 1
    return (t, x, y, p.astype(np.uint8)), np.concatenate(places)
