"""The data sets recipes may name, and where their files are."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurosim.data.datasets import (
    CIFAR10DVS,
    NMNIST,
    SHD,
    SSC,
    ByHash,
    DigitsDVS,
    DVSGesture,
    EventDataset,
    FolderOfRecordings,
    MissingDataError,
    NCaltech101,
    NpzDataset,
    Stratified,
    TimeSplit,
    WindowedRecordings,
)
from neurosim.data.datasets.base import file_digest
from neurosim.data.datasets.windows import OBJECTS
from neurosim.errors import RangeError, check_choice, nearest

MAX_FILES = 64  # more files than this belong to a data set with splits of its own: no need to tell them apart
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class SetEntry:
    """A data set by name.

    Args:
        open: makes it from (root, split, **options).
        folder: below the data root; "" for a data set without files.
        options: that a recipe may give.
        whole: makes all recordings of any other files of the kind, from (root, classes, **options); None where only
            the layout of the data set itself is understood.
    """

    open: Callable[..., EventDataset]
    folder: str
    options: tuple[str, ...] = ()
    whole: Callable[..., EventDataset] | None = None


class Joined:
    """Several data sets of one kind as one."""

    def __init__(self, parts: Sequence[EventDataset]) -> None:
        self.parts = tuple(parts)
        self.sensor_size, self.classes = parts[0].sensor_size, parts[0].classes
        self.items = tuple(item for part in parts for item in getattr(part, "items", ()))
        self._place = [(part, i) for part in parts for i in range(len(part))]

    def __len__(self) -> int:
        return len(self._place)

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.parts))

    def __getitem__(self, index: int) -> Any:
        part, i = self._place[index]
        return part[i]

    def key(self, index: int) -> bytes:
        """Name of the content, as in the part it is from."""
        part, i = self._place[index]
        return part.key(i)


def _digits(root: Path, split: str, **options: Any) -> EventDataset:
    del root
    return DigitsDVS(split, **options)


def _windows(root: Path, split: str, *, times: Mapping[str, Any] | None = None, **options: Any) -> EventDataset:
    split_times = TimeSplit(**{k: tuple(v) for k, v in times.items()}) if times else TimeSplit()
    return WindowedRecordings(root, split, times=split_times, **options)


def _objects(root: Path, split: str, **options: Any) -> EventDataset:
    return _windows(root, split, classes=OBJECTS, **options)


def _all_windows(root: Path, classes: Sequence[str], **options: Any) -> EventDataset:
    return _windows(root, "all", classes=tuple(classes), **options)


def _rule(options: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {"stratified": Stratified, "by_hash": ByHash}
    rest = dict(options)
    if "rule" in rest:
        table = dict(rest.pop("rule"))
        check_choice("data.options.rule.name", name := table.pop("name", None), tuple(kinds))
        rest["rule"] = kinds[name](**table)
    if "sensor_size" in rest:
        rest["sensor_size"] = tuple(rest["sensor_size"])
    return rest


def _folder(root: Path, split: str, **options: Any) -> EventDataset:
    return FolderOfRecordings(root, split, **_rule(options))


def _npz(root: Path, split: str, **options: Any) -> EventDataset:
    return NpzDataset(root, split, **_rule(options))


def _all_npz(root: Path, classes: Sequence[str], **options: Any) -> EventDataset:
    size = tuple(options.get("sensor_size", (34, 34, 2)))
    files = [root] if root.is_file() else sorted(root.glob("*.npz"))
    if not files:
        raise MissingDataError(f"{root}: holds no .npz file and not the layout of the data set.")
    return Joined([NpzDataset(file, classes=tuple(classes), sensor_size=size) for file in files])


SETS: dict[str, SetEntry] = {
    "digits_dvs": SetEntry(_digits, "", ("size", "seed")),
    "nmnist": SetEntry(NMNIST, "events/nmnist", whole=_all_npz),
    "dvs128_objects": SetEntry(
        _objects, "events/dvs128_objects", ("window", "hop", "min_events", "times"), _all_windows
    ),
    "dvs128_gesture": SetEntry(DVSGesture, "events/dvs128_gesture", ("max_duration",)),
    "shd": SetEntry(SHD, "events/shd"),
    "ssc": SetEntry(SSC, "events/ssc"),
    "cifar10_dvs": SetEntry(CIFAR10DVS, "events/cifar10_dvs"),
    "ncaltech101": SetEntry(NCaltech101, "events/ncaltech101"),
    "folder": SetEntry(_folder, "events/folder", ("rule", "format", "sensor_size")),
    "npz": SetEntry(_npz, "events/npz", ("rule", "classes", "sensor_size"), _all_npz),
    "windows": SetEntry(_windows, "events/windows", ("classes", "window", "hop", "min_events", "times"), _all_windows),
}


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise `RangeError` unless ``name`` is a data set that takes ``options``."""
    check_choice("set", name, tuple(SETS))
    for key in options:
        if key not in SETS[name].options:
            listed = ", ".join(SETS[name].options) or "none"
            raise RangeError(f"options: {name} has no {key!r}.{nearest(key, SETS[name].options)} It takes: {listed}.")


def data_root(given: str | Path | None) -> Path:
    """The data folder: ``given``, else the environment's NEUROSIM_DATA, else ../shared/data or data if it is there."""
    if given is not None:
        return Path(given)
    if os.environ.get("NEUROSIM_DATA"):
        return Path(os.environ["NEUROSIM_DATA"])
    return next((p for p in (Path("../shared/data"), Path("data")) if p.is_dir()), Path("data"))


def set_folder(name: str, root: str | Path | None) -> Path:
    """Folder of a data set: below the data folder ``root``, or ``root`` itself.

    Raises:
        MissingDataError: a ``root`` that was given does not exist.
    """
    entry, base = SETS[name], data_root(root)
    if entry.folder and root is not None and not base.exists():
        raise MissingDataError(f"--data: {str(base)!r} does not exist. Give the folder of the data set or above it.")
    below = [base / entry.folder, base / Path(entry.folder).name] if entry.folder else []
    return next((p for p in below if p.is_dir()), base)


def open_split(name: str, options: Mapping[str, Any], root: str | Path | None, split: str) -> EventDataset:
    """A split of a data set.

    Raises:
        RangeError: an unknown data set or split.
        MissingDataError, FormatError: its files are not there or damaged.
    """
    check_options(name, options)
    return SETS[name].open(set_folder(name, root), split, **options)


def open_other(
    name: str, options: Mapping[str, Any], root: str | Path | None, split: str | None, classes: Sequence[str],
    known: Sequence[str] = (),
) -> tuple[EventDataset, str]:  # fmt: skip
    """Recordings to score a model on, and the name of what was taken of them.

    Args:
        name: data set of the model.
        options: of it.
        root: the data set, files of the same kind, or None for the default place.
        split: of the data set, or "all". Default: "test"; of files that are not those of the training, that is all.
        classes: of the model.
        known: digests of the files of the training.

    Raises:
        RangeError: an unknown split, a label that is not one of ``classes``.
        MissingDataError, FormatError: the files are not there or damaged.
    """
    entry, folder = SETS[name], set_folder(name, root)
    if entry.whole is not None:
        bare = not _has_layout(name, folder)
        foreign = bool(known) and root is not None and not (set(digests(folder)) & set(known))
        if bare or split == "all" or (split in (None, "test") and foreign):
            rest = {key: value for key, value in options.items() if key != "classes"}
            return entry.whole(folder, classes, **rest), "all"
    if split == "all":
        split = "+".join(SPLITS)
    split = split or "test"
    return entry.open(folder, split, **options), split


def _has_layout(name: str, folder: Path) -> bool:
    """Whether a folder (or file) has the splits of the data set, and is not just of its kind."""
    if name == "npz":
        return folder.is_file()
    if name != "nmnist":
        return folder.is_dir()
    return (folder / "Test").is_dir() or (any(folder.glob("train*.npz")) and _one_test(folder))


def _one_test(folder: Path) -> bool:
    return any(len(list(folder.glob(pattern))) == 1 for pattern in ("test*.npz", "val*.npz"))


def digests(folder: Path) -> tuple[str, ...]:
    """SHA-256 of the files of a folder, or of a file; nothing where they are more than 64."""
    files = [folder] if folder.is_file() else sorted(folder.iterdir()) if folder.is_dir() else []
    files = [p for p in files if p.is_file() and not p.name.startswith(".")]
    return tuple(file_digest(p) for p in files) if len(files) <= MAX_FILES else ()
