"""N-MNIST and N-Caltech101 ``.bin``: 40-bit AER records of an ATIS camera.

Record, big-endian: x (8 bits), y (8), polarity (1, 1 is ON), timestamp [us] (23).
Source: garrickorchard.com/datasets/n-mnist; overflow rule from the author's event-Python reader: a record with
y == 240, just below the 240 rows of the sensor, is no event but adds 2**13 us to its own and all later timestamps.
"""

from __future__ import annotations

import numpy as np

from neurosim.data.formats._common import Path, Size, check_sensor, load, records, to_events
from neurosim.events import Events

OVERFLOW_ROW = 240
OVERFLOW_STEP = 1 << 13  # us
RECORD = 5  # bytes


def read_nmnist_bin(path: Path, sensor_size: Size = (34, 34, 2), *, on_disorder: str = "error") -> Events:
    """Read an N-MNIST or N-Caltech101 recording (also ``.bs2``, the same records).

    Args:
        path: the file, plain or gzip.
        sensor_size: (width, height, polarities); (34, 34, 2) for N-MNIST, (240, 180, 2) for N-Caltech101.
        on_disorder: "error" or "sort", what to do with timestamps that go backwards.

    Raises:
        FormatError: empty or cut file, coordinate outside the sensor, unsorted timestamps.
    """
    size = check_sensor("read_nmnist_bin", sensor_size)
    raw = records(path, load(path), 0, np.dtype((np.uint8, RECORD)))
    y = raw[:, 1]
    t = ((raw[:, 2] & 127).astype(np.int64) << 16) | (raw[:, 3].astype(np.int64) << 8) | raw[:, 4]
    overflow = y == OVERFLOW_ROW
    t += OVERFLOW_STEP * np.cumsum(overflow)
    kept = np.flatnonzero(~overflow)
    columns = (t[kept], raw[kept, 0], y[kept], raw[kept, 2] >> 7)
    return to_events(path, columns, size, lambda i: RECORD * int(kept[i]), on_disorder)
