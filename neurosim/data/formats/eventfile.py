"""neurosim's own file of recordings: HDF5 with one column per field and a ragged index.

Layout, version 1. Root attributes: ``format`` = "neurosim-events", ``version`` = 1, ``t_unit`` = "us",
``sensor_size`` = (width, height, polarities). Datasets of all recordings, one after the other: ``t`` int64 [us],
``x`` uint16, ``y`` uint16, ``p`` uint8, each (events,), in chunks, shuffled, compressed with gzip, with checksums.
``index_ptr`` int64 (recordings + 1,): recording i holds rows index_ptr[i] to index_ptr[i + 1]. ``labels``, optional,
(recordings,): int64 or UTF-8 text.

HDF5's newer metadata format (superblock 2 or 3) is required, since it has checksums: without them damage can crash
the HDF5 library. Writing is atomic: readers see the old file or the new one, never a part.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from neurosim.data.formats import _h5
from neurosim.data.formats._common import CUT_SHORT, Path, Size, check_sensor, fail, to_events
from neurosim.errors import FormatError, RangeError, ShapeError
from neurosim.events import Events
from neurosim.files import replacing

FORMAT = "neurosim-events"
VERSION = 1
CHECKED_SUPERBLOCKS = (2, 3)
COLUMNS = {"t": np.int64, "x": np.uint16, "y": np.uint16, "p": np.uint8}
CHUNK = 1 << 15  # events; small enough to read one recording without unpacking many


class EventFile(_h5.Recordings):
    """Recordings of a neurosim event file as (`Events`, label), read when asked for.

    Args:
        path: a file written by `write_events`.

    Attributes:
        sensor_size: (width, height, polarities) of all recordings.
        labels: (N,) int64 or text, or None.

    Raises:
        FormatError: not such a file, unknown version, damaged.
    """

    def __init__(self, path: Path) -> None:
        if (version := _h5.superblock(path)) not in CHECKED_SUPERBLOCKS:
            hint = "Write it again with write_events; use read_events for other HDF5."
            raise fail(path, 8, f"an HDF5 superblock in {CHECKED_SUPERBLOCKS}", str(version), hint)
        super().__init__(path, self._check)

    def _check(self, file: Any) -> None:
        if (found := file.attrs.get("format")) != FORMAT:
            raise fail(self.path, "attribute format", repr(FORMAT), repr(found), "Use read_events for other HDF5.")
        if (version := file.attrs.get("version")) != VERSION:
            raise fail(self.path, "attribute version", str(VERSION), repr(version), "Update neurosim to read it.")
        if (unit := file.attrs.get("t_unit")) != "us":
            raise fail(self.path, "attribute t_unit", "'us'", repr(unit), "The file is damaged.")
        try:
            self.sensor_size: Size = check_sensor("EventFile", file.attrs.get("sensor_size"))
        except RangeError as error:
            raise FormatError(f"{self.path}, attribute sensor_size: {error}") from None
        columns = [_h5.dataset(self.path, file, name) for name in COLUMNS]
        for name, column in zip(COLUMNS, columns, strict=True):
            if column.dtype.kind not in "iu" or len(column) != len(columns[0]):
                got = f"{len(column)} of {column.dtype}"
                raise fail(self.path, f"dataset /{name}", f"{len(columns[0])} integers", got, CUT_SHORT)
        self._starts = self._index_ptr(file, len(columns[0]))
        self.labels = _h5.labels(self.path, file, "labels", len(self))

    def _index_ptr(self, file: Any, rows: int) -> Any:
        starts = _h5.integers(self.path, "index_ptr", _h5.read(self.path, _h5.dataset(self.path, file, "index_ptr")))
        starts = starts.astype(np.int64)
        if not len(starts) or starts[0] != 0 or starts[-1] != rows or np.any(np.diff(starts) < 0):
            expected = f"rows that rise from 0 to {rows}"
            raise fail(self.path, "dataset /index_ptr", expected, str(starts), "The file is damaged.")
        return starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, index: Any) -> Any:
        i = self._index(index)
        start, stop = (int(n) for n in self._starts[i : i + 2])
        with _h5.damage(self.path):
            t, x, y, p = (_h5.read(self.path, self.file[name], start, stop) for name in COLUMNS)
        events = to_events(self.path, (t, x, y, p), self.sensor_size, lambda k: f"row {start + k}", "error")
        return events, _h5.plain(None if self.labels is None else self.labels[i])


def write_events(
    path: Path,
    recordings: Events | Iterable[Events],
    labels: Iterable[int] | Iterable[str] | None = None,
    sensor_size: Size | None = None,
) -> None:
    """Write recordings to one file that `EventFile` reads; an existing file is replaced at the end, or not at all.

    Args:
        path: the file to write.
        recordings: one `Events` or any iterable of them; taken one by one, so a generator needs little memory.
        labels: one integer or text per recording.
        sensor_size: of all recordings; default that of the first one. Needed where there are none.

    Raises:
        ShapeError: a recording of another sensor, or not as many labels as recordings.
        OutputError: no such folder, no rights or no space.
        RangeError: no recordings and no ``sensor_size``; labels that are neither integers nor text.
    """
    each = iter([recordings] if isinstance(recordings, Events) else recordings)
    with replacing(path) as part:
        _write(part, each, None if labels is None else list(labels), sensor_size)


def _write(path: Path, recordings: Iterable[Events], labels: list[Any] | None, sensor_size: Size | None) -> None:
    import h5py

    size = None if sensor_size is None else check_sensor("write_events", sensor_size)
    starts = [0]
    with h5py.File(path, "w", libver="latest") as file:
        options = {
            "shape": (0,),
            "maxshape": (None,),
            "chunks": (CHUNK,),
            "compression": "gzip",
            "shuffle": True,
            "fletcher32": True,
        }
        columns = {name: file.create_dataset(name, dtype=dtype, **options) for name, dtype in COLUMNS.items()}
        for i, events in enumerate(recordings):
            size = size or events.sensor_size
            if events.sensor_size != size:
                raise ShapeError(f"write_events: recording {i} must be of sensor {size}, got {events.sensor_size}.")
            starts.append(starts[-1] + len(events))
            for name, column in columns.items():
                column.resize((starts[-1],))
                column[starts[-2] :] = getattr(events, name)
        if size is None:
            raise RangeError("write_events.sensor_size: must be given where there are no recordings.")
        file.attrs.update({"format": FORMAT, "version": VERSION, "t_unit": "us", "sensor_size": np.array(size)})
        file["index_ptr"] = np.array(starts, np.int64)
        if labels is not None:
            _write_labels(file, labels, len(starts) - 1)


def _write_labels(file: Any, labels: list[Any], count: int) -> None:
    import h5py

    if len(labels) != count:
        raise ShapeError(f"write_events.labels: must have one entry per recording ({count}), got {len(labels)}.")
    if all(isinstance(label, str) for label in labels) and labels:
        file.create_dataset("labels", data=labels, dtype=h5py.string_dtype())
    elif all(isinstance(label, int | np.integer) for label in labels):
        file["labels"] = np.array(labels, np.int64)
    else:
        raise RangeError(f"write_events.labels: must be all integers or all text, got {labels[:5]!r}.")
