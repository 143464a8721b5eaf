"""Work that a file can crash, done in a process of its own; run as a script by `_isolated.run`.

`aedat` (Rust) aborts and libhdf5 crashes or loops on some damaged files. Imports nothing of neurosim, to start fast.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

BLOCK = 1 << 20  # items read at a time when a file is probed


def aedat4(path: str, out: str, stream: str) -> None:
    """Write the events of one stream to ``out`` (``.npy``) and print {"sizes": {id: [width, height]}, "stream": id}."""
    import aedat

    decoder = aedat.Decoder(path)
    streams = {k: v for k, v in decoder.id_to_stream().items() if v["type"] == "events"}
    chosen = int(stream) if stream else next(iter(streams)) if len(streams) == 1 else None
    print(json.dumps({"sizes": {k: [v["width"], v["height"]] for k, v in streams.items()}, "stream": chosen}))
    if chosen in streams:
        packets = [packet["events"] for packet in decoder if packet["stream_id"] == chosen]
        kind = packets[0].dtype if packets else np.dtype([("t", "u8"), ("x", "u2"), ("y", "u2"), ("p", "?")])
        np.save(out, np.concatenate([np.empty(0, kind), *packets]))


def hdf5(path: str) -> None:
    """Read all of an HDF5 file; Python errors do not matter here, only whether the process survives."""
    import h5py

    def visit(_: str, item: Any) -> None:
        try:
            list(item.attrs.items())
            if isinstance(item, h5py.Dataset) and not (item.external or item.is_virtual) and item.ndim == 1:
                # storage that is not there reads as zeros for as long as the shape says: no need to read it
                rows = len(item) if item.id.get_storage_size() else 0
                step = BLOCK // 64 if item.dtype.hasobject else BLOCK
                for start in range(0, rows, step):
                    item[start : start + step]
        except Exception:
            return

    try:
        with h5py.File(path, "r", locking=False) as file:
            visit("/", file)
            file.visititems(visit)
    except Exception:
        return


def _limit_memory(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


TASKS: dict[str, Callable[..., None]] = {"aedat4": aedat4, "hdf5": hdf5}

if __name__ == "__main__":
    _limit_memory(int(sys.argv[1]))
    TASKS[sys.argv[2]](*sys.argv[3:])
