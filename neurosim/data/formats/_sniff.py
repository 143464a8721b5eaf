"""`read_events`: find the format of a file from its first bytes, and read it."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from typing import Any

from neurosim.data.formats import aedat2, aedat3, aedat4, dat, evt, hdf5, nmnist, npz, stmnist
from neurosim.data.formats._common import Path, Size, fail, text_header
from neurosim.errors import check_choice
from neurosim.events import Events

ENOUGH = 1 << 16  # bytes; headers of Prophesee files are far shorter
READERS: dict[str, Callable[..., Events]] = {
    "nmnist": nmnist.read_nmnist_bin,
    "aedat2": aedat2.read_aedat2,
    "aedat31": aedat3.read_aedat31,
    "aedat4": aedat4.read_aedat4,
    "evt2": evt.read_evt2,
    "evt3": evt.read_evt3,
    "dat": dat.read_dat,
    "hdf5": hdf5.read_hdf5,
    "stmnist": stmnist.read_stmnist,
}
FORMATS = (*READERS, "npz")
MAGIC = {
    b"#!AER-DAT2": "aedat2",
    b"#!AER-DAT3.1": "aedat31",
    b"#!AER-DAT4": "aedat4",
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"PK\x03\x04": "npz",
    b"MATLAB 5.0": "stmnist",
}
SUFFIXES = {".bin": "nmnist", ".bs2": "nmnist"}
EVT = {"2.0": "evt2", "3.0": "evt3"}


def read_events(path: Path, format: str | None = None, sensor_size: Size | None = None, **options: Any) -> Events:
    """Read one recording of an event camera or tactile sensor, in any format we know.

    Args:
        path: the file.
        format: one of "nmnist", "aedat2", "aedat31", "aedat4", "evt2", "evt3", "dat", "hdf5", "stmnist", "npz";
            default from the first bytes, for N-MNIST (which has no signature) from the suffix .bin or .bs2.
        sensor_size: (width, height, polarities); default from the file or the format.
        **options: passed to the reader of that format, for example ``on_disorder="sort"``.

    Raises:
        FormatError: unknown format, damaged file, or a file of several recordings.
        FileNotFoundError: no such file.
        RangeError: unknown ``format``.

    Files of many recordings: `EventFile`, `NpzEvents`, `SHDFile`.
    """
    if format is None:
        format = sniff(path)
    check_choice("read_events.format", format, FORMATS)
    if sensor_size is not None:
        options["sensor_size"] = sensor_size
    if format != "npz":
        return READERS[format](path, **options)
    recordings = npz.NpzEvents(path, **options)
    if len(recordings) != 1:
        raise fail(path, "offsets.npy", "one recording", str(len(recordings)), "Use NpzEvents for files of many.")
    events: Events = recordings[0][0]
    return events


def sniff(path: Path) -> str:
    """Name of the format of a file, or a `FormatError` that lists the formats we know."""
    start = _start(path)
    for magic, name in MAGIC.items():
        if start.startswith(magic):
            return name
    if start.startswith(b"%"):
        return _prophesee(path, start)
    stem, suffix = os.path.splitext(os.fspath(path).lower())
    if suffix == ".gz":
        suffix = os.path.splitext(stem)[1]
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    hint = "Name the format: read_events(path, format=...)."
    raise fail(path, 0, f"one of the formats {', '.join(FORMATS)}", repr(start[:12]), hint)


def _start(path: Path) -> bytes:
    with open(path, "rb") as file:
        start = file.read(ENOUGH)
    if start[:2] != b"\x1f\x8b":
        return start
    try:
        with gzip.open(path) as stream:
            return stream.read(ENOUGH)
    except (OSError, EOFError, zlib.error) as error:
        raise fail(path, "gzip stream", "intact gzip data", str(error), "Download it again.") from None


def _prophesee(path: Path, start: bytes) -> str:
    lines, _ = text_header(path, start, b"%", "% end")
    keys = evt.header_keys(lines)
    if (version := evt.evt_version(keys)) is not None:
        if version in EVT:
            return EVT[version]
        raise fail(path, "header", "EVT 2.0 or 3.0", f"EVT {version}", "Convert it with metavision_file_to_dat.")
    if any("Data file containing" in line for line in lines) or "Version" in keys:
        return "dat"
    raise fail(
        path, "header", "a line evt, format or Version", f"{sorted(keys)}", "Pass format='evt2', 'evt3' or 'dat'."
    )
