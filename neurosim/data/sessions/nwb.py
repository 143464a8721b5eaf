"""NWB files (Neurodata Without Borders 2), through h5py: units, and tables of trials and other intervals."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats import _h5
from neurosim.data.intervals import Intervals
from neurosim.data.recording import Recording, Spikes
from neurosim.errors import FormatError

Array = NDArray[Any]


def read_nwb(path: str | os.PathLike[str]) -> Recording:
    """The sorted units of an NWB file as spikes "units", and its tables of intervals by their names.

    Columns of one number or text per row follow into the tables; ragged ones and references stay behind. Signals are
    not read.

    Args:
        path: a .nwb file of version 2.

    Raises:
        FormatError: no NWB file, an old one, or one that is damaged; a unit whose spikes are not in order.
        FileNotFoundError: no file.
    """
    file_path = Path(path)
    _h5.probe(file_path)
    with _h5.open_file(file_path) as file, _h5.damage(file_path):
        version = str(file.attrs.get("nwb_version", ""))
        if not version.startswith("2"):
            raise FormatError(f"{path}: must be an NWB file of version 2, got nwb_version {version!r}.")
        spikes = {"units": _units(file["units"], path)} if "units" in file else {}
        tables = {k: _intervals(v, path) for k, v in file.get("intervals", {}).items() if "start_time" in v}
        about = {key: _text(file[name]) for key, name in (("session", "identifier"),) if name in file}
        if "general/subject/subject_id" in file:
            about["subject"] = _text(file["general/subject/subject_id"])
    return Recording(spikes, intervals=tables, about=about)


def _units(group: Any, path: Any) -> Spikes:
    ends = np.asarray(group["spike_times_index"][...], np.int64)
    times = np.asarray(group["spike_times"][...], np.float64)
    if len(ends) and (np.any(np.diff(ends, prepend=0) < 0) or ends[-1] != len(times)):
        raise FormatError(
            f"{path}: units/spike_times_index must ascend to {len(times)} spikes, got {ends.tolist()[:9]}."
        )
    units = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    order = np.argsort(times, kind="stable")
    return Spikes(times[order], units[order], len(ends), _columns(group, len(ends)))


def _intervals(group: Any, path: Any) -> Intervals:
    start, end = (np.asarray(group[name][...], np.float64) for name in ("start_time", "stop_time"))
    columns = _columns(group, len(start))
    try:
        return Intervals(start, end, **{k: v for k, v in columns.items() if k not in ("start_time", "stop_time")})
    except ValueError as error:
        raise FormatError(f"{path}: {group.name}: {error}") from error


def _columns(group: Any, rows: int) -> dict[str, Array]:
    """Columns of plain numbers or text with one entry per row."""
    import h5py

    found = {}
    for name, values in group.items():
        if not isinstance(values, h5py.Dataset) or values.shape != (rows,) or f"{name}_index" in group:
            continue
        if h5py.check_string_dtype(values.dtype) is not None:
            found[name] = np.asarray(values.asstr()[...]).astype(str)
        elif values.dtype.kind in "iufb" and not name.endswith("_index"):
            found[name] = values[...]
    return found


def _text(values: Any) -> str:
    return str(values.asstr()[()])
