"""SHD and SSC: spiking audio of 700 cochlea channels in HDF5, one ragged row per sample.

``spikes/times`` (float16 or float32 seconds), ``spikes/units`` (channel 0..699), ``labels``, and optionally
``extra/keys`` (class names) and ``extra/speaker``.
Source: Cramer et al. 2022, doi:10.1109/TNNLS.2020.3044364, and zenkelab.org/datasets. Times are rounded to 1 us;
float16 itself resolves only about 0.5 ms at 1 s. Opening reads the whole file once in another
process, since damage in ragged rows can crash the HDF5 library.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim.data.formats import _h5
from neurosim.data.formats._common import Path, fail, to_events
from neurosim.errors import check_choice

CHANNELS = 700
LONGEST = 1e6  # s; keeps seconds times 1e6 far inside int64


class SHDFile(_h5.Recordings):
    """Samples of an SHD or SSC file as (`Events` of sensor size (700, 1, 1), label), read when asked for.

    Args:
        path: the ``.h5`` file (unpack ``.h5.gz`` first: HDF5 needs random access).
        on_disorder: "error" or "sort", what to do with spike times that go backwards.

    Attributes:
        labels: (N,) int64 class of each sample, None where the file has no labels.
        class_names: text of each class, empty where the file has none.

    Raises:
        FormatError: another layout, damaged file; for a sample also channels outside 0..699 or unsorted times.
    """

    def __init__(self, path: Path, *, on_disorder: str = "error") -> None:
        check_choice("SHDFile.on_disorder", on_disorder, ("error", "sort"))
        self.on_disorder = on_disorder
        _h5.probe(path)
        super().__init__(path, self._check)

    def _check(self, file: Any) -> None:
        times, units = (_h5.dataset(self.path, file, f"spikes/{name}") for name in ("times", "units"))
        if len(times) != len(units):
            raise fail(self.path, "/spikes", "as many rows of times as of units", f"{len(times)} and {len(units)}", "")
        self._count = len(times)
        self.labels = _h5.labels(self.path, file, "labels", self._count)
        names = _h5.read(self.path, _h5.dataset(self.path, file, "extra/keys")) if "extra/keys" in file else ()
        self.class_names = tuple(n.decode("utf-8") if isinstance(n, bytes) else str(n) for n in names)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        i = self._index(index)
        with _h5.damage(self.path):
            times, units = (np.asarray(self.file[f"spikes/{name}"][i]) for name in ("times", "units"))
            return self._events(i, times, units), _h5.plain(None if self.labels is None else self.labels[i])

    def _events(self, i: int, times: Any, units: Any) -> Any:
        where = f"sample {i}"
        if times.ndim != 1 or times.shape != units.shape:
            raise fail(self.path, where, "one unit per time", f"{units.shape} units, {times.shape} times", "")
        if times.dtype.kind != "f" or units.dtype.kind not in "iu":
            got = f"{times.dtype} and {units.dtype}"
            raise fail(self.path, where, "times in float seconds and integer units", got, "This is another layout.")
        seconds = times.astype(np.float64)
        if not np.all(np.abs(seconds) < LONGEST):
            raise fail(self.path, where, f"finite times below {LONGEST:g} s", str(seconds), "The file is damaged.")
        none = np.zeros(len(units), np.uint8)
        columns = (np.rint(seconds * 1e6).astype(np.int64), units, none, none)
        return to_events(self.path, columns, (CHANNELS, 1, 1), lambda k: f"{where}, spike {k}", self.on_disorder)
