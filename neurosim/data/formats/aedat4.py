"""AEDAT 4 (DV): flatbuffer packets, LZ4 or ZSTD; decoded by the library `aedat` (MIT), extra ``neurosim[events]``.

The library runs in a process of its own (about 0.2 s): some damage makes it abort the process or ask for any amount
of memory. Timestamps are absolute (microseconds since 1970): `Events.from_zero` moves them. Origin: upper left corner.
Source: docs.inivation.com, "AEDAT 4.0".
"""

from __future__ import annotations

import json
import os
import tempfile

import numpy as np

from neurosim.data.formats import _isolated
from neurosim.data.formats._common import Path, Size, check_sensor, fail, to_events
from neurosim.errors import require
from neurosim.events import Events

MAGIC = b"#!AER-DAT4.0"


def read_aedat4(
    path: Path, sensor_size: Size | None = None, *, stream: int | None = None, on_disorder: str = "error"
) -> Events:
    """Read the events of an AEDAT 4 recording; frames, IMU samples and triggers are left out.

    Args:
        path: the file.
        sensor_size: (width, height, polarities); default from the file.
        stream: id of the event stream, needed only where the file holds more than one.
        on_disorder: "error" or "sort", what to do with timestamps that go backwards.

    Raises:
        FormatError: not AEDAT 4, damaged, no or several event streams, coordinate outside the sensor.
        MissingExtraError: `aedat` is not installed.
    """
    with open(path, "rb") as file:
        magic = file.read(len(MAGIC))
    if magic != MAGIC:
        raise fail(path, 0, MAGIC.decode(), repr(magic), "AEDAT 2.0 and 3.1 have their own readers.")
    require("aedat", "events")
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "events.npy")
        said = json.loads(_isolated.run(path, "aedat4", out, "" if stream is None else str(stream)))
        if not os.path.exists(out):
            raise fail(path, "streams", "one event stream", f"ids {list(said['sizes'])}", "Choose one with stream=.")
        table = np.load(out, allow_pickle=False)
    if len(table) and int(table["t"].max()) >= 1 << 63:
        raise fail(path, "packets", "timestamps of 63 bits", str(int(table["t"].max())), "The file is damaged.")
    width, height = said["sizes"][str(said["stream"])]
    size = (max(int(width), 1), max(int(height), 1), 2)
    columns = (table["t"].astype(np.int64), table["x"], table["y"], table["p"].astype(np.uint8))
    size = check_sensor("read_aedat4", sensor_size or size)
    return to_events(path, columns, size, lambda i: f"event {i}", on_disorder)
