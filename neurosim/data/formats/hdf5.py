"""One recording in HDF5: Prophesee's and the layouts in common use.

``CD/events`` or ``events`` as a compound dataset with fields t, x, y, p; or a group ``events`` (or ``CD/events``) with
datasets t, x, y, p, as in DSEC, whose ``t_offset`` beside the group is added. Polarity may be 0/1, bool or -1/+1.
Source: docs.prophesee.ai, "HDF5 Event File Format"; dsec.ifi.uzh.ch, "Data Format". Prophesee compresses with its own
codec ECF, for which there is no decoder on PyPI: such files are refused by name.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats import _h5
from neurosim.data.formats._common import Columns, Path, Size, check_sensor, fail, to_events
from neurosim.data.formats.eventfile import FORMAT, EventFile
from neurosim.errors import check_choice
from neurosim.events import Events

PLACES = ("CD/events", "events")
US_PER = {"us": 1.0, "ms": 1e3, "s": 1e6, "ns": 1e-3}
LONGEST = 2.0**53  # us; float64 counts single microseconds up to here


def read_hdf5(path: Path, sensor_size: Size | None = None, *, t_unit: str = "us", on_disorder: str = "error") -> Events:
    """Read the events of an HDF5 file, also a neurosim event file with one recording.

    Args:
        path: the file.
        sensor_size: (width, height, polarities); default from the file's ``geometry``, or attributes or root
            datasets ``width`` and ``height``.
        t_unit: unit of ``t`` in the file: "us", "ms", "s" or "ns"; other than "us" is rounded to whole us.
        on_disorder: "error" or "sort", what to do with timestamps that go backwards.

    Raises:
        FormatError: no known layout, ECF codec, damaged file, unknown sensor, coordinate outside it.
        MissingExtraError: a compression that needs `hdf5plugin`, which is not installed.
    """
    check_choice("read_hdf5.t_unit", t_unit, tuple(US_PER))
    _h5.probe(path)
    with _h5.open_file(path) as file, _h5.damage(path):
        if file.attrs.get("format") != FORMAT:
            columns, found = _columns(path, file, t_unit), _size(file)
            if sensor_size is None and found is None:
                hint = "Pass sensor_size=(width, height, polarities)."
                raise fail(path, "attributes", "geometry, or width and height", "neither", hint)
            size = check_sensor("read_hdf5", sensor_size or found or (1, 1, 1))
            return to_events(path, columns, size, lambda i: f"event {i}", on_disorder)
    with EventFile(path) as recordings:
        if len(recordings) != 1:
            hint = "Use neurosim.data.formats.EventFile for files of many."
            raise fail(path, "index_ptr", "one recording", str(len(recordings)), hint)
        events: Events = recordings[0][0]
        return events


def _columns(path: Path, file: Any, t_unit: str) -> Columns:
    import h5py

    place = next((name for name in PLACES if name in file), None)
    if place is None:
        hint = "Use SHDFile." if "spikes/times" in file else "Convert it with write_events."
        raise fail(path, "/", f"one of {PLACES}", f"{sorted(file)[:8]}", hint)
    if isinstance(file[place], h5py.Group):
        t, x, y, p = (_h5.read(path, _h5.dataset(path, file, f"{place}/{name}")) for name in "txyp")
    else:
        table = _h5.read(path, _h5.dataset(path, file, place))
        if not set("txyp") <= set(table.dtype.names or ()):
            raise fail(path, f"dataset /{place}", "fields t, x, y, p", str(table.dtype), "Convert the file.")
        t, x, y, p = (table[name] for name in "txyp")
    if not len(t) == len(x) == len(y) == len(p):
        got = f"{[len(c) for c in (t, x, y, p)]}"
        raise fail(path, f"/{place}", "t, x, y, p of equal length", got, "The file is damaged.")
    t = _microseconds(path, t, t_unit) + _offset(file)
    x, y, p = (_h5.integers(path, name, c) for name, c in zip("xyp", (x, y, p), strict=True))
    return t, x, y, _polarity(p)


def _microseconds(path: Path, t: NDArray[Any], unit: str) -> NDArray[np.int64]:
    if unit == "us" and t.dtype.kind in "iu":
        return t.astype(np.int64)
    if t.dtype.kind not in "iuf" or unit == "us":
        hint = "Pass t_unit= if they are not microseconds."
        raise fail(path, "dataset t", "whole microseconds", str(t.dtype), hint)
    us = t.astype(np.float64) * US_PER[unit]
    if not np.all(np.abs(us) < LONGEST):
        raise fail(path, "dataset t", f"finite times below {LONGEST:g} us", str(us), "Check t_unit.")
    return np.rint(us).astype(np.int64)


def _offset(file: Any) -> int:
    if "t_offset" not in file:
        return 0
    return int(np.asarray(file["t_offset"][()]).reshape(-1)[0])


def _polarity(p: NDArray[Any]) -> NDArray[Any]:
    if p.dtype.kind == "i" and np.any(p == -1) and not np.any(p == 0):
        return np.where(p == -1, 0, p)
    return p


def _size(file: Any) -> Size | None:
    text = file.attrs.get("geometry", "")
    text = text.decode("latin-1") if isinstance(text, bytes) else str(text)
    if match := re.fullmatch(r"(\d{1,5})x(\d{1,5})", text, re.ASCII):
        return int(match[1]), int(match[2]), 2
    if "sensor_size" in file.attrs:
        return check_sensor("read_hdf5", file.attrs["sensor_size"])
    if "width" in file.attrs and "height" in file.attrs:
        return int(file.attrs["width"]), int(file.attrs["height"]), 2
    if "width" in file and "height" in file:
        return int(file["width"][()]), int(file["height"][()]), 2
    return None
