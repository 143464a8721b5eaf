"""Recordings as HDF5 files, of which only what is asked for is read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from neurosim.data.intervals import Intervals
from neurosim.data.recording import Recording, Signal, Spikes
from neurosim.errors import FormatError, NeurosimError, RangeError
from neurosim.files import replacing, writing

FORMAT, VERSION = "neurosim recording", 1
BLOCK = 1 << 20  # entries copied at a time


def save_recording(recording: Recording, path: str | os.PathLike[str]) -> None:
    """Write a whole recording, some entries at a time; whoever reads sees the old file or the new one.

    Raises:
        OutputError: the file cannot be written; nothing is left behind.
        RangeError: a column or a fact that HDF5 or JSON cannot hold.
    """
    import h5py

    with writing(path), replacing(path) as part, h5py.File(part, "w", locking=False) as file:
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        try:
            file.attrs["about"] = json.dumps(dict(recording.about))
        except TypeError as error:
            raise RangeError(f"Recording.about: must hold text and numbers, got {recording.about!r}.") from error
        assert recording.domain is not None
        _write_intervals(file.create_group("domain"), recording.domain)
        for name, spikes in recording.spikes.items():
            group = file.create_group(f"spikes/{_key(name)}")
            group.attrs["n_units"] = spikes.n_units
            for key in ("times", "units"):
                _copy(group, key, getattr(spikes, key))
            for column, values in spikes.table.items():
                _write_column(group.require_group("table"), column, values)
        for name, signal in recording.signals.items():
            group = file.create_group(f"signals/{_key(name)}")
            group.attrs.update(rate=signal.rate, start=signal.start, channels=json.dumps(signal.channels))
            _copy(group, "values", signal.values)
        for name, given in recording.intervals.items():
            _write_intervals(file.create_group(f"intervals/{_key(name)}"), given)


@contextmanager
def open_recording(path: str | os.PathLike[str]) -> Iterator[Recording]:
    """A recording whose spikes and samples stay in the file until they are asked for, while the context is open.

    Raises:
        FormatError: no such HDF5 file, one that is damaged or cut short, of another kind or newer.
        FileNotFoundError: no file.

    Example:
        >>> with open_recording("session.h5") as recording:  # doctest: +SKIP
        ...     start, counts = recording[600:660].counts("units", 0.05)
    """
    import h5py

    os.stat(path)
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise FormatError(f"{path}: is no HDF5 file, or is cut short: {error}. Restore it from a copy.") from error
    with file:
        yield _read(file, path)


def _read(file: Any, path: Any) -> Recording:
    if (found := file.attrs.get("format")) != FORMAT:
        raise FormatError(f"{path}: must be a {FORMAT!r}, got {found!r}.")
    if (version := int(file.attrs["version"])) > VERSION:
        raise FormatError(f"{path}: has version {version} of the format, this one reads {VERSION}. Update neurosim.")
    try:
        spikes = {
            _name(key): Spikes(g["times"], g["units"], int(g.attrs["n_units"]), _columns(g.get("table", {})))
            for key, g in file.get("spikes", {}).items()
        }
        signals = {
            _name(key): Signal(
                g["values"], float(g.attrs["rate"]), float(g.attrs["start"]), tuple(json.loads(g.attrs["channels"]))
            )
            for key, g in file.get("signals", {}).items()
        }
        intervals = {_name(key): _intervals(g) for key, g in file.get("intervals", {}).items()}
        about = json.loads(file.attrs["about"])
        return Recording(spikes, signals, intervals, _intervals(file["domain"]), about)
    except (KeyError, TypeError, ValueError, OSError) as error:
        reason = str(error) if isinstance(error, NeurosimError) else f"{type(error).__name__}: {error}"
        raise FormatError(f"{path}: is damaged: {reason}") from error


def _copy(group: Any, name: str, values: Any) -> None:
    """Write an array of any length without holding it in memory."""
    out = group.create_dataset(name, values.shape, values.dtype, chunks=True if values.shape[0] else None)
    rows = max(1, BLOCK // max(1, int(np.prod(values.shape[1:]))))
    for at in range(0, values.shape[0], rows):
        out[at : at + rows] = values[at : at + rows]


def _write_intervals(group: Any, given: Intervals) -> None:
    group["start"], group["end"] = given.start, given.end
    for column, values in given.columns.items():
        _write_column(group.require_group("table"), column, values)


def _write_column(group: Any, name: str, values: Any) -> None:
    import h5py

    values = np.asarray(values)
    if values.dtype.kind in "OUS":
        if not all(isinstance(v, str) for v in values.ravel().tolist()):
            raise RangeError(f"column {name!r}: must hold numbers or text, got {values.dtype}.")
        values = values.astype(h5py.string_dtype())
    group[_key(name)] = values


def _columns(group: Mapping[str, Any]) -> dict[str, Any]:
    return {_name(k): v.asstr()[...].astype(str) if v.dtype.kind == "O" else v[...] for k, v in group.items()}


def _intervals(group: Any) -> Intervals:
    return Intervals(group["start"][...], group["end"][...], **_columns(group.get("table", {})))


def _key(name: str) -> str:
    """A name as HDF5 takes it: a slash would be a folder."""
    return name.replace("%", "%25").replace("/", "%2F").replace(".", "%2E") or "%"


def _name(key: str) -> str:
    return "" if key == "%" else key.replace("%2E", ".").replace("%2F", "/").replace("%25", "%")
