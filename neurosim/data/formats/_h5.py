"""HDF5 without surprises: damaged files give `FormatError`, and no allocation exceeds what the file can hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats import _isolated
from neurosim.data.formats._common import CUT_SHORT, MAX_EXPANSION, Path, fail
from neurosim.errors import NeurosimError, require
from neurosim.events import Events

ECF_FILTER = 0x8ECF
Sample = tuple[Events, int | str | None]


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turn whatever h5py raises on a damaged file into a `FormatError`."""
    try:
        yield
    except NeurosimError:
        raise
    except Exception as error:  # h5py maps HDF5's error stack to at least seven classes
        got = f"{type(error).__name__}: {str(error)[:200]}"
        raise fail(path, "HDF5", "intact HDF5 data", got, CUT_SHORT) from None


def superblock(path: Path) -> int:
    """Version of the HDF5 superblock; a missing or unreadable file is an `OSError` as usual."""
    with open(path, "rb") as file:
        start = file.read(9)
    if start[:8] != b"\x89HDF\r\n\x1a\n" or len(start) < 9:
        raise fail(path, 0, "the HDF5 signature", repr(start[:8]), "This is no HDF5 file.")
    return start[8]


def probe(path: Path) -> None:
    """Read a foreign file once in another process: some damage crashes libhdf5 or sends it into a loop."""
    superblock(path)
    _isolated.run(path, "hdf5")


def open_file(path: Path) -> Any:
    """An `h5py.File` for reading."""
    superblock(path)
    import h5py

    with damage(path):
        return h5py.File(path, "r", locking=False)


def dataset(path: Path, group: Any, name: str) -> Any:
    """Dataset ``name``; links to other files are refused, they would let a recording read any file."""
    import h5py

    at = group
    for part in name.split("/"):
        if not isinstance(at, h5py.Group) or part not in at:
            raise fail(path, f"dataset /{name}", "it to exist", "no such dataset", "This is another layout.")
        if isinstance(at.get(part, getlink=True), h5py.ExternalLink):
            raise fail(path, f"dataset /{name}", "data in this file", "a link to another file", "Merge the files.")
        at = at[part]
    if not isinstance(at, h5py.Dataset):
        raise fail(path, f"/{name}", "a dataset", type(at).__name__, "This is another layout.")
    if at.external or at.is_virtual:
        raise fail(path, f"dataset /{name}", "data in this file", "data in other files", "Merge the files.")
    if at.ndim != 1:
        raise fail(path, f"dataset /{name}", "one dimension", f"shape {at.shape}", "This is another layout.")
    _check_filters(path, at)
    return at


def read(path: Path, data: Any, start: int = 0, stop: int | None = None) -> NDArray[Any]:
    """Rows ``start`` to ``stop`` of a dataset, if the file can hold them at all."""
    stop = len(data) if stop is None else stop
    limit = MAX_EXPANSION * os.path.getsize(path)
    if (size := (stop - start) * data.dtype.itemsize) > limit:
        raise fail(path, f"dataset {data.name}", f"at most {limit} bytes", f"{size} bytes", CUT_SHORT)
    return np.asarray(data[start:stop])


def integers(path: Path, name: str, values: NDArray[Any]) -> NDArray[Any]:
    """``values``, if they are integers or bools."""
    if values.dtype.kind not in "iub":
        raise fail(path, f"dataset /{name}", "integers", str(values.dtype), "Convert the file.")
    return values


def labels(path: Path, group: Any, name: str, count: int) -> NDArray[Any] | None:
    """One integer or text label per recording, or None where the dataset is missing."""
    if name not in group:
        return None
    data = dataset(path, group, name)
    if len(data) != count:
        raise fail(path, f"dataset /{name}", f"{count} labels", str(len(data)), CUT_SHORT)
    values = read(path, data)
    if values.dtype.kind in "OS":
        return np.array([v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in values.tolist()], dtype=str)
    return integers(path, name, values).astype(np.int64)


def _check_filters(path: Path, data: Any) -> None:
    import h5py

    plist = data.id.get_create_plist()
    needed = [int(plist.get_filter(i)[0]) for i in range(plist.get_nfilters())]
    if ECF_FILTER in needed:
        hint = "Convert it with metavision_file_to_dat, or record RAW."
        raise fail(path, f"dataset {data.name}", "a filter we can decode", "Prophesee's ECF codec (0x8ECF)", hint)
    if all(h5py.h5z.filter_avail(code) for code in needed):
        return
    require("hdf5plugin", "events")
    if missing := [code for code in needed if not h5py.h5z.filter_avail(code)]:
        hint = "Rewrite the file with gzip: h5repack -f GZIP=4."
        raise fail(path, f"dataset {data.name}", "a filter we can decode", f"filters {missing}", hint)


class Recordings(Sequence[Sample]):
    """Recordings of one HDF5 file, each read when it is asked for; safe to pickle and to use after a fork."""

    def __init__(self, path: Path, check: Callable[[Any], None]) -> None:
        self.path = os.fspath(path)
        self._file: Any = None
        self._process = -1
        with damage(path):
            check(self.file)

    @property
    def file(self) -> Any:
        """The open file of this process."""
        if self._file is None or self._process != os.getpid():
            self._file = open_file(self.path)
            self._process = os.getpid()
        return self._file

    def close(self) -> None:
        """Close the file; the next access opens it again."""
        if self._file is not None and self._process == os.getpid():
            self._file.close()
        self._file = None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_process": -1}

    def _index(self, index: Any) -> int:
        if not isinstance(index, int | np.integer):
            raise TypeError(f"{type(self).__name__}: index must be an integer, got {index!r}.")
        i = int(index)
        if not -len(self) <= i < len(self):
            raise IndexError(f"{type(self).__name__}: index {i} is outside 0..{len(self) - 1}.")
        return i % len(self)


def plain(label: Any) -> int | str | None:
    """A label as a plain Python value."""
    return None if label is None else str(label) if isinstance(label, str) else int(label)
