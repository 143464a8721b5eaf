"""`SHD` and `SSC`: spoken digits and words as spikes of 700 cochlea channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neurosim.data.datasets.base import Item, StoredDataset, missing
from neurosim.data.datasets.folders import of_split
from neurosim.data.datasets.splits import Stratified, parse_split
from neurosim.errors import FormatError
from neurosim.events import Events

SIZE = (700, 1, 1)
VALIDATION = Stratified("shd", validation=0.1, test=0.0)
SOURCE = "zenkelab.org/datasets (unpack the .gz or .zip first)"


class _Heidelberg(StoredDataset):
    """What SHD and SSC share: one HDF5 file per official split, one ragged row per sample."""

    def __init__(self, root: str | Path, files: dict[str, str], n_classes: int, split: str) -> None:
        name = type(self).__name__
        parts = parse_split(name, split)
        self._files: dict[Path, Any] = {}
        items: list[Item] = []
        for official, file in files.items():
            shared = official == "train" and "validation" not in files
            if official not in parts and not (shared and "validation" in parts):
                continue
            path = Path(root) / file
            if not path.is_file():
                raise missing(name, Path(root), f"{', '.join(files.values())}.", SOURCE)
            rows = self._rows(path)
            items += of_split(rows, VALIDATION, parts) if shared else rows
        super().__init__(items, self._class_names(n_classes), SIZE)

    def _open(self, path: Path) -> Any:
        from neurosim.data.formats import SHDFile

        if path not in self._files:
            self._files[path] = SHDFile(path, on_disorder="sort")
        return self._files[path]

    def _rows(self, path: Path) -> list[Item]:
        file = self._open(path)
        if file.labels is None:
            raise FormatError(f"{path}: /labels is not there, so there is nothing to train on. Download it again.")
        speakers = np.asarray(file.file["extra/speaker"][:]) if "extra/speaker" in file.file else None
        if speakers is not None and len(speakers) != len(file):
            raise FormatError(f"{path}, /extra/speaker: must have {len(file)} entries, got {len(speakers)}.")
        groups = [""] * len(file) if speakers is None else [f"speaker{int(n)}" for n in speakers]
        return [Item(f"{path.stem}/{n}", int(file.labels[n]), path, n, 0, groups[n]) for n in range(len(file))]

    def _class_names(self, n: int) -> tuple[str, ...]:
        path, file = next(iter(self._files.items()))
        names: tuple[str, ...] = file.class_names
        if names and len(names) != n:
            raise FormatError(f"{path}, /extra/keys: must have {n} class names, got {len(names)}.")
        return names or tuple(str(label) for label in range(n))

    def _read(self, item: Item) -> Events:
        events: Events = self._open(item.path)[item.start][0]
        return events


class SHD(_Heidelberg):
    """Spiking Heidelberg Digits: German and English spoken digits, 20 classes, 12 speakers.

    The test set is the official one, with two speakers that the training set does not have. There is no official
    validation set; ours is 10 % of every class of the training file, in the order of the SHA-256 of
    ``shd_train/<row>`` (`Stratified`), so its speakers are known: expect a higher accuracy there than in the test.
    ``groups`` has the speaker of each sample, for splits by speaker.

    Args:
        root: folder with ``shd_train.h5`` and ``shd_test.h5``.
        split: ``"train"``, ``"validation"``, ``"test"``, or a sum.

    Raises:
        MissingDataError: a file is not there.
        FormatError: a file is damaged, has no labels, or not 20 class names.
        RangeError: an unknown split, or a label outside 0..19.

    Source: Cramer et al. 2022, doi:10.1109/TNNLS.2020.3044364.
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        files = {"train": "shd_train.h5", "test": "shd_test.h5"}
        super().__init__(root, files, 20, split)


class SSC(_Heidelberg):
    """Spiking Speech Commands: 35 spoken words, with official training, validation and test files.

    Args:
        root: folder with ``ssc_train.h5``, ``ssc_valid.h5`` and ``ssc_test.h5``.
        split: ``"train"``, ``"validation"``, ``"test"``, or a sum.

    Raises:
        MissingDataError: a file is not there.
        FormatError: a file is damaged, has no labels, or not 35 class names.
        RangeError: an unknown split, or a label outside 0..34.

    Source: Cramer et al. 2022, doi:10.1109/TNNLS.2020.3044364.
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        files = {"train": "ssc_train.h5", "validation": "ssc_valid.h5", "test": "ssc_test.h5"}
        super().__init__(root, files, 35, split)
