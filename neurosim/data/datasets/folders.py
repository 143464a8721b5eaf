"""Data sets with one folder per class: `FolderOfRecordings`, `CIFAR10DVS`, `NCaltech101`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neurosim.data.datasets.base import Item, StoredDataset, missing
from neurosim.data.datasets.splits import SPLITS, ByHash, SplitRule, Stratified, chosen, load_split, parse_split
from neurosim.errors import FormatError
from neurosim.events import Events

RECORDINGS = (".aedat", ".aedat4", ".bin", ".bs2", ".raw", ".dat", ".h5", ".hdf5", ".mat", ".npz")
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def recording_files(folder: Path, suffixes: Sequence[str] = RECORDINGS) -> list[Path]:
    """Recordings in a folder by suffix (plain or gzip), sorted by name; hidden files are left out."""
    names = (p for p in folder.iterdir() if not p.name.startswith("."))
    return sorted(p for p in names if p.name.lower().removesuffix(".gz").endswith(tuple(suffixes)))


def class_folders(root: Path, suffixes: Sequence[str] = RECORDINGS) -> tuple[str, ...]:
    """Names of the folders below ``root`` that hold recordings, sorted; none where there is no such folder."""
    if not root.is_dir():
        return ()
    return tuple(sorted(p.name for p in root.iterdir() if p.is_dir() and recording_files(p, suffixes)))


def class_items(root: Path, classes: Sequence[str], suffixes: Sequence[str] = RECORDINGS) -> list[Item]:
    """The recordings ``root/<class>/*`` as items named ``<class>/<stem>``."""
    items = []
    for label, name in enumerate(classes):
        items += [Item(f"{name}/{p.name.split('.')[0]}", label, p) for p in recording_files(root / name, suffixes)]
    return items


def of_split(items: Sequence[Item], rule: SplitRule, parts: Sequence[str]) -> list[Item]:
    """The items that a rule puts into one of ``parts``; all of them for ``"all"``."""
    if "all" in parts:
        return list(items)
    assigned = rule.assign([i.id for i in items], [i.label for i in items])
    return [items[n] for n in chosen(assigned, parts)]


class FolderOfRecordings(StoredDataset):
    """Any folder of class folders of recordings, in any format that `read_events` knows.

    Args:
        root: folder with one folder per class; the sorted folder names are the classes.
        split: ``"train"``, ``"validation"``, ``"test"``, a sum such as ``"train+validation"``, or ``"all"``.
        rule: decides the split from the name ``<class>/<stem>``; by default 80 / 10 / 10 % by hash, so that
            recordings added later do not move the others.
        format: as in `read_events`; by default found from each file.
        sensor_size: ``(width, height, polarities)``; by default that of the first recording.

    Raises:
        MissingDataError: ``root`` holds no class folder with recordings.
        RangeError: an unknown split.
        FormatError: on access, a recording from a sensor of another size, or damaged.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        rule: SplitRule = ByHash("folder"),  # noqa: B008  (frozen, never changed)
        format: str | None = None,
        sensor_size: tuple[int, int, int] | None = None,
    ) -> None:
        parts = parse_split("FolderOfRecordings", split, (*SPLITS, "all"))
        folder = Path(root)
        classes = class_folders(folder)
        if not classes:
            layout = f"<class>/<recording> with a suffix of {', '.join(RECORDINGS)}."
            raise missing("FolderOfRecordings", folder, layout, "your camera")
        items = class_items(folder, classes)
        self._format = format
        self._given = sensor_size
        size = sensor_size or self._open(items[0]).sensor_size
        super().__init__(of_split(items, rule, parts), classes, size, f"format={format}")

    def _open(self, item: Item) -> Events:
        from neurosim.data.formats import read_events

        return read_events(item.path, self._format, self._given)

    def _read(self, item: Item) -> Events:
        events = self._open(item)
        if events.sensor_size != self.sensor_size:
            raise FormatError(
                f"{item.path}: the sensor must be {self.sensor_size} as in the first recording, got "
                f"{events.sensor_size}. Pass sensor_size=, or keep one sensor per folder."
            )
        return events


@dataclass(frozen=True)
class _ByNumber:
    """Split by the number at the end of the name, modulo 1000, with the lists of a shipped file."""

    name: str

    def assign(self, ids: Sequence[str], labels: Sequence[int]) -> list[str]:
        table = load_split(self.name)
        held = {number: part for part in ("validation", "test") for number in table[part]}
        return [held.get(self._number(i), "train") for i in ids]

    def _number(self, name: str) -> int:
        if (found := re.search(r"(\d+)$", name)) is None:
            raise FormatError(
                f"{name}: the file name must end in the number of the recording, as cifar10_cat_17.aedat."
            )
        return int(found[1]) % 1000


class CIFAR10DVS(StoredDataset):
    """CIFAR10-DVS: 10 x 1000 CIFAR-10 images moved on a screen before a DVS128.

    There is no official split. Ours is shipped (``splits/cifar10_dvs.json``): 100 numbers of every class for test and
    100 for validation, so that each class is split alike and 90 / 10 % train+validation / test.

    Args:
        root: folder with ``airplane/ ... truck/``, each of ``cifar10_<class>_<number>.aedat`` (or ``.aedat4``).
        split: ``"train"`` (8000), ``"validation"`` (1000), ``"test"`` (1000), or a sum.

    Raises:
        MissingDataError: ``root`` lacks a class folder.
        FormatError: a file name without a number; on access, a damaged recording.
        RangeError: an unknown split.

    Source: Li et al. 2017, doi:10.3389/fnins.2017.00309. AEDAT 2.0 files are turned upright as the authors'
        ``dat2mat.m`` does; timestamps that go backwards are put back in order.
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        parts = parse_split("CIFAR10DVS", split)
        folder = Path(root)
        if not set(CIFAR10_CLASSES) <= set(class_folders(folder, (".aedat", ".aedat4"))):
            layout = f"{CIFAR10_CLASSES[0]}/cifar10_{CIFAR10_CLASSES[0]}_0.aedat and so on, for {CIFAR10_CLASSES}."
            raise missing("CIFAR10DVS", folder, layout, "figshare, article 4724671")
        items = class_items(folder, CIFAR10_CLASSES, (".aedat", ".aedat4"))
        super().__init__(of_split(items, _ByNumber("cifar10_dvs"), parts), CIFAR10_CLASSES, (128, 128, 2))

    def _read(self, item: Item) -> Events:
        from neurosim.data.formats import read_aedat2, read_aedat4

        if ".aedat4" in item.path.name:
            return read_aedat4(item.path, on_disorder="sort")
        return read_aedat2(item.path, layout="cifar10dvs", on_disorder="sort")


class NCaltech101(StoredDataset):
    """N-Caltech101: Caltech-101 images seen by an ATIS during three saccades.

    There is no official split; ours takes 10 % of every class for test and 10 % for validation, in the order of the
    SHA-256 of ``<class>/<stem>`` (`Stratified`), for the complete data set.

    Args:
        root: folder with ``<class>/image_0001.bin``, or the folder above it (``Caltech101/<class>/...``).
        split: ``"train"``, ``"validation"``, ``"test"``, or a sum.
        sensor_size: of all recordings; images were at most 240 x 180.

    Raises:
        MissingDataError: ``root`` holds no class folder with ``.bin`` files.
        RangeError: an unknown split.
        FormatError: on access, a damaged recording, or one that is larger than ``sensor_size``.

    Source: Orchard et al. 2015, doi:10.3389/fnins.2015.00437.
    """

    def __init__(
        self, root: str | Path, split: str = "train", *, sensor_size: tuple[int, int, int] = (240, 180, 2)
    ) -> None:
        parts = parse_split("NCaltech101", split)
        folder = Path(root) / "Caltech101" if (Path(root) / "Caltech101").is_dir() else Path(root)
        classes = class_folders(folder, (".bin",))
        if not classes:
            raise missing("NCaltech101", folder, "<class>/image_0001.bin.", "Mendeley Data, 10.17632/cy6cvx3ryv")
        items = class_items(folder, classes, (".bin",))
        super().__init__(of_split(items, Stratified("ncaltech101"), parts), classes, sensor_size)

    def _read(self, item: Item) -> Events:
        from neurosim.data.formats import read_nmnist_bin

        return read_nmnist_bin(item.path, self.sensor_size, on_disorder="sort")
