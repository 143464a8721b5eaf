"""`NMNIST` and `NpzDataset`: many short recordings, as single files or packed into one ``.npz``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurosim.data.datasets.base import Item, StoredDataset, missing
from neurosim.data.datasets.folders import class_items, of_split
from neurosim.data.datasets.splits import SPLITS, SplitRule, Stratified, parse_split
from neurosim.errors import FormatError, RangeError
from neurosim.events import Events

DIGITS = tuple(str(digit) for digit in range(10))
NMNIST_SIZE = (34, 34, 2)
VALIDATION = Stratified("nmnist", validation=0.1, test=0.0)
LAYOUT = (
    "Train/<0-9>/<number>.bin and Test/<0-9>/<number>.bin (the original files), or train*.npz and test*.npz or "
    "val*.npz (arrays x y p dt offsets labels ids)."
)


class NpzDataset(StoredDataset):
    """The recordings of one ``.npz``: x, y, p uint8, dt [us] since the previous event, offsets, labels, ids.

    Args:
        path: the file.
        split: ``"all"``, or with a ``rule`` one of ``"train"``, ``"validation"``, ``"test"`` or a sum.
        rule: decides the split from the recordings' ids and labels.
        classes: name of each label; by default the numbers 0 to the largest label.
        sensor_size: ``(width, height, polarities)``.

    Raises:
        FormatError: the file is damaged, or has no integer labels.
        RangeError: a label outside the classes, or an unknown split.
    """

    def __init__(
        self,
        path: str | Path,
        split: str = "all",
        *,
        rule: SplitRule = Stratified("npz"),  # noqa: B008  (frozen, never changed)
        classes: Sequence[str] | None = None,
        sensor_size: tuple[int, int, int] = NMNIST_SIZE,
    ) -> None:
        parts = parse_split("NpzDataset", split, (*SPLITS, "all"))
        items, self._rows = npz_items(Path(path), sensor_size)
        names = classes or tuple(str(n) for n in range(max((i.label for i in items), default=-1) + 1))
        super().__init__(of_split(items, rule, parts), names, sensor_size)

    def _read(self, item: Item) -> Events:
        events: Events = self._rows[item.start][0]
        return events


def npz_items(path: Path, sensor_size: tuple[int, int, int]) -> tuple[list[Item], Any]:
    """The items of an ``.npz``, named ``<label>/<id>``, and its `NpzEvents`."""
    from neurosim.data.formats import NpzEvents

    rows = NpzEvents(path, sensor_size)
    if rows.labels is None or rows.labels.dtype.kind not in "iu":
        got = "none" if rows.labels is None else str(rows.labels.dtype)
        raise FormatError(f"{path}, labels.npy: integer labels are needed to train on, got {got}.")
    numbers = range(len(rows)) if rows.ids is None else rows.ids
    pairs = zip(rows.labels, numbers, strict=True)
    return [Item(f"{label}/{number}", int(label), path, row) for row, (label, number) in enumerate(pairs)], rows


class NMNIST(StoredDataset):
    """N-MNIST: MNIST digits seen by an ATIS during three saccades, 34 x 34, about 300 ms.

    The test set is the official one. Validation is 10 % of every class of the official training set, in the order of
    the SHA-256 of ``<digit>/<number>`` (`Stratified`), for the complete data set.

    Args:
        root: folder with ``Train/`` and ``Test/``, or with ``train*.npz`` and ``test*.npz`` (or ``val*.npz``), of
            which the second is the test set.
        split: ``"train"`` (54000), ``"validation"`` (6000), ``"test"`` (10000), or a sum.

    Raises:
        MissingDataError: neither layout is there.
        RangeError: an unknown split, or a label outside 0..9.
        FormatError: on access, a damaged recording.

    Source: Orchard et al. 2015, doi:10.3389/fnins.2015.00437.
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        parts = parse_split("NMNIST", split)
        folder = Path(root)
        self._packed: dict[Path, Any] = {}
        items: list[Item] = []
        if "train" in parts or "validation" in parts:
            items += of_split(self._items(folder, "Train", ("train*.npz",)), VALIDATION, parts)
        if "test" in parts:
            items += self._items(folder, "Test", ("test*.npz", "val*.npz"))
        super().__init__(items, DIGITS, NMNIST_SIZE)

    def _items(self, root: Path, name: str, packed: tuple[str, ...]) -> list[Item]:
        if (root / name).is_dir():
            if absent := [digit for digit in DIGITS if not (root / name / digit).is_dir()]:
                raise missing("NMNIST", root, f"{name}/0 to {name}/9 ({absent} are not there).", _SOURCE)
            if items := class_items(root / name, DIGITS, (".bin", ".bs2")):
                return items
        found = next((files for pattern in packed if (files := sorted(root.glob(pattern)))), [])
        if len(found) > 1:
            raise RangeError(f"NMNIST: {str(root)!r} must hold one file {packed[0]}, got {[p.name for p in found]}.")
        if not found:
            raise missing("NMNIST", root, LAYOUT, _SOURCE)
        items, self._packed[found[0]] = npz_items(found[0], NMNIST_SIZE)
        return items

    def _read(self, item: Item) -> Events:
        from neurosim.data.formats import read_nmnist_bin

        if item.path in self._packed:
            events: Events = self._packed[item.path][item.start][0]
            return events
        return read_nmnist_bin(item.path, NMNIST_SIZE, on_disorder="sort")


_SOURCE = "Mendeley Data, 10.17632/468j46mzdv"
