"""ST-MNIST ``.mat``: handwritten digits on a 10 x 10 tactile sensor; needs `scipy`, extra ``neurosim[events]``.

Variable ``spiketrain``, (101, columns): the last row is time [s], rows 0-99 are the taxels with +1 (pressed, ON),
-1 (released, OFF) or 0. Taxel k is x = k % 10, y = k // 10. Times are rounded to 1 us.
Source: See et al. 2020, arXiv:2005.04319, and the data set's README.
"""

from __future__ import annotations

import io

import numpy as np

from neurosim.data.formats._common import CUT_SHORT, MAX_EXPANSION, Path, fail, load, to_events
from neurosim.errors import require
from neurosim.events import Events

SIDE = 10
LONGEST = 1e6  # s; keeps seconds times 1e6 far inside int64


def read_stmnist(path: Path, *, on_disorder: str = "error") -> Events:
    """Read one ST-MNIST recording; the sensor size is (10, 10, 2).

    Args:
        path: the ``.mat`` file (MATLAB 5).
        on_disorder: "error" or "sort", what to do with timestamps that go backwards.

    Raises:
        FormatError: no MATLAB 5 file, no such variable, values other than -1, 0, 1, damaged file.
        MissingExtraError: `scipy` is not installed.
    """
    data = load(path)
    if not data.startswith(b"MATLAB 5.0"):
        raise fail(path, 0, "a MATLAB 5.0 file", repr(data[:10]), "Save it with MATLAB's -v6 or -v7.")
    reader = require("scipy.io", "events")
    try:
        names = {name: shape for name, shape, _ in reader.whosmat(io.BytesIO(data))}
        if 8 * int(np.prod([float(n) for n in names.get("spiketrain", (0,))])) > MAX_EXPANSION * len(data):
            raise ValueError(f"spiketrain of shape {names['spiketrain']} in {len(data)} bytes")
        table = reader.loadmat(io.BytesIO(data), variable_names=["spiketrain"])["spiketrain"]
    except Exception as error:  # scipy has no class of its own for damaged files
        got = f"{type(error).__name__}: {str(error)[:200]}"
        raise fail(path, "variable spiketrain", "intact MATLAB data", got, CUT_SHORT) from None
    if not isinstance(table, np.ndarray) or table.ndim != 2 or len(table) != SIDE * SIDE + 1 or table.dtype.kind != "f":
        got = f"{getattr(table, 'dtype', type(table))} {getattr(table, 'shape', '')}"
        raise fail(path, "variable spiketrain", "101 rows of float", got, "This is another data set.")
    spikes, seconds = table[:-1].T, table[-1]
    if not np.all(np.isin(spikes, (-1, 0, 1))):
        raise fail(path, "variable spiketrain", "-1, 0 or 1 for each taxel", "other values", "The file is damaged.")
    if not np.all(np.abs(seconds) < LONGEST):
        raise fail(path, "variable spiketrain", f"finite times below {LONGEST:g} s", "others", "The file is damaged.")
    column, taxel = np.nonzero(spikes)
    t = np.rint(seconds[column] * 1e6).astype(np.int64)
    columns = (t, taxel % SIDE, taxel // SIDE, (spikes[column, taxel] > 0).astype(np.uint8))
    return to_events(path, columns, (SIDE, SIDE, 2), lambda i: f"column {column[i]}", on_disorder)
