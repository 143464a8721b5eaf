"""Many short recordings in one ``.npz``: x, y, p uint8, ``dt`` [us] since the previous event, offsets, labels, ids.

Recording i holds events offsets[i] to offsets[i + 1]; its first ``dt`` counts from 0. ``labels`` (integers or text)
and ``ids`` are optional. Nothing is ever unpickled, and array headers are checked against the bytes that are there.
"""

from __future__ import annotations

import io
import math
import os
import warnings
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats._common import CUT_SHORT, MAX_EXPANSION, Path, Size, check_sensor, fail, to_events
from neurosim.events import Events

COLUMNS = ("x", "y", "p", "dt")
KINDS = {"x": "iu", "y": "iu", "p": "iub", "dt": "iu", "offsets": "iu", "labels": "iuU", "ids": "iuU"}


class NpzEvents(Sequence[tuple[Events, int | str | None]]):
    """Recordings of an ``.npz`` as (`Events`, label); the columns are in memory, recordings are built when asked for.

    Args:
        path: the file.
        sensor_size: (width, height, polarities); the layout does not say, the default is N-MNIST's.

    Attributes:
        labels: (N,) integers or text, or None.
        ids: (N,) names of the recordings, or None.

    Raises:
        FormatError: no zip archive, missing or damaged arrays, lengths that do not fit; for a recording also
            coordinates outside the sensor.
    """

    def __init__(self, path: Path, sensor_size: Size = (34, 34, 2)) -> None:
        self.path = os.fspath(path)
        self.sensor_size = check_sensor("NpzEvents", sensor_size)
        arrays = _load(path)
        if missing := [name for name in (*COLUMNS, "offsets") if name not in arrays]:
            raise fail(path, "archive", f"arrays {missing}", f"{sorted(arrays)}", "This is another layout.")
        self._columns = {name: arrays[name] for name in COLUMNS}
        self._offsets = arrays["offsets"].astype(np.int64)
        self.labels, self.ids = arrays.get("labels"), arrays.get("ids")
        self._check()

    def _check(self) -> None:
        lengths = {name: len(column) for name, column in self._columns.items()}
        if len(set(lengths.values())) != 1:
            raise fail(self.path, "archive", "x, y, p, dt of equal length", str(lengths), CUT_SHORT)
        starts, rows = self._offsets, lengths["x"]
        if not len(starts) or starts[0] != 0 or starts[-1] != rows or np.any(np.diff(starts) < 0):
            raise fail(
                self.path, "offsets.npy", f"rows that rise from 0 to {rows}", str(starts), "The file is damaged."
            )
        for name, values in (("labels", self.labels), ("ids", self.ids)):
            if values is not None and len(values) != len(self):
                raise fail(self.path, f"{name}.npy", f"{len(self)} entries", str(len(values)), CUT_SHORT)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, int | np.integer):
            raise TypeError(f"NpzEvents: index must be an integer, got {index!r}.")
        if not -len(self) <= index < len(self):
            raise IndexError(f"NpzEvents: index {index} is outside 0..{len(self) - 1}.")
        i = int(index) % len(self)
        start, stop = (int(n) for n in self._offsets[i : i + 2])
        x, y, p, dt = (self._columns[name][start:stop] for name in COLUMNS)
        t = np.cumsum(dt, dtype=np.int64)
        events = to_events(self.path, (t, x, y, p), self.sensor_size, lambda k: f"event {start + k}", "error")
        return events, None if self.labels is None else self.labels[i].item()


def read_npz(path: Path, sensor_size: Size = (34, 34, 2)) -> list[tuple[Events, int | str | None]]:
    """All recordings of an ``.npz`` as a list of (`Events`, label); see `NpzEvents`."""
    return list(NpzEvents(path, sensor_size))


def _load(path: Path) -> dict[str, NDArray[Any]]:
    with open(path, "rb") as file:
        data = file.read()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = {name: info for name, info in members.items() if name in KINDS}
            total = sum(info.file_size for info in wanted.values())
            if total > MAX_EXPANSION * len(data):
                raise zipfile.BadZipFile(f"{total} bytes unpacked from {len(data)}")
            contents = {name: archive.read(info) for name, info in wanted.items()}
    except Exception as error:  # zipfile raises struct, zlib, Unicode and OS errors besides its own
        raise fail(path, "archive", "an intact zip archive", f"{type(error).__name__}: {error}", CUT_SHORT) from None
    return {name: _array(path, name, content) for name, content in contents.items()}


def _array(path: Path, name: str, data: bytes) -> NDArray[Any]:
    stream = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            version = np.lib.format.read_magic(stream)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = reader(stream)
    except Exception as error:  # a header is a Python literal: damage gives any of a dozen classes
        raise fail(path, f"{name}.npy", "an array header", f"{error}", CUT_SHORT) from None
    left = len(data) - stream.tell()
    if len(shape) != 1 or dtype.kind not in KINDS[name] or math.prod(shape) * dtype.itemsize != left or left < 0:
        got = f"{dtype} {shape} in {left} bytes"
        raise fail(path, f"{name}.npy", f"one row of kind {KINDS[name]!r} that fills the array", got, CUT_SHORT)
    return np.frombuffer(data, dtype, offset=stream.tell())
