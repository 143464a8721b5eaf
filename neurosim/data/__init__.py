"""Event data and neural recordings: readers, data sets, splits, transforms. Names are imported when first asked for."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "neurosim.data.formats": ("read_events",),
    "neurosim.data.cache": ("Cache",),
    "neurosim.data.camera": ("EventCamera",),
    "neurosim.data.datasets": (
        "CIFAR10DVS", "DVSGesture", "DigitsDVS", "EventDataset", "FolderOfRecordings", "NCaltech101", "NMNIST",
        "NpzDataset", "SHD", "SSC", "WindowedRecordings", "dvs128_objects",
    ),
    "neurosim.data.intervals": ("Intervals",),
    "neurosim.data.partition": ("by_block", "by_trial", "check_fitted", "check_split", "leave_one_out"),
    "neurosim.data.recording": ("Recording", "Signal", "Spikes"),
    "neurosim.data.recording_file": ("open_recording", "save_recording"),
    "neurosim.data.sessions": ("read_nwb", "read_phy"),
    "neurosim.data.tasks": ("delayed_recall",),
    "neurosim.data.transforms": ("Compose", "ToFrames", "Transform", "frames_batch", "from_config"),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOME_OF]
