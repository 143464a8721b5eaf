"""Readers of event-camera and neuromorphic files; `read_events` finds the format by itself.

Any bytes give `Events` or a `FormatError` that names file, place, what was expected and what to do. Nothing is clipped,
and nothing that should be an event is left out in silence. Timestamps are int64 microseconds as in the file.
Format libraries and Numba are imported when a file needs them.
"""

from __future__ import annotations

from neurosim.data.formats._sniff import FORMATS, read_events
from neurosim.data.formats.aedat2 import read_aedat2
from neurosim.data.formats.aedat3 import read_aedat31
from neurosim.data.formats.aedat4 import read_aedat4
from neurosim.data.formats.dat import read_dat
from neurosim.data.formats.eventfile import EventFile, write_events
from neurosim.data.formats.evt import read_evt2, read_evt3
from neurosim.data.formats.hdf5 import read_hdf5
from neurosim.data.formats.idx import read_idx
from neurosim.data.formats.nmnist import read_nmnist_bin
from neurosim.data.formats.npz import NpzEvents, read_npz
from neurosim.data.formats.shd import SHDFile
from neurosim.data.formats.stmnist import read_stmnist

__all__ = [
    "FORMATS",
    "EventFile",
    "NpzEvents",
    "SHDFile",
    "read_aedat2",
    "read_aedat31",
    "read_aedat4",
    "read_dat",
    "read_events",
    "read_evt2",
    "read_evt3",
    "read_hdf5",
    "read_idx",
    "read_nmnist_bin",
    "read_npz",
    "read_stmnist",
    "write_events",
]
