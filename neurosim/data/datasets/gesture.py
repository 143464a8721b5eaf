"""`DVSGesture`: the labelled gestures of IBM's DVS128 Gesture recordings."""

from __future__ import annotations

import csv
from pathlib import Path

from neurosim.data.datasets.base import MICROSECONDS, Item, StoredDataset, cut, missing, read_whole
from neurosim.data.datasets.splits import load_split, parse_split
from neurosim.errors import FormatError, RangeError, check_positive
from neurosim.events import Events

GESTURES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter-clockwise",
    "left arm clockwise",
    "left arm counter-clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other",
)
COLUMNS = ["class", "startTime_usec", "endTime_usec"]
TRIALS = {"train": "trials_to_train.txt", "test": "trials_to_test.txt"}


class DVSGesture(StoredDataset):
    """DVS128 Gesture: 11 gestures of 29 persons under several lights; every labelled gesture is one sample.

    Test is the official list of recordings (persons 24 to 29). Validation are all recordings of some persons of the
    official training list, named in the shipped ``splits/dvs_gesture.json``: as in the test, nobody is in two splits.

    A recording holds some 12 gestures and is decoded as a whole; the last few stay in memory. Read samples in order,
    or put a cache between, before shuffling.

    Args:
        root: folder (or the folder above ``DvsGesture/``) with ``trials_to_train.txt``, ``trials_to_test.txt``, the
            recordings ``user01_fluorescent.aedat`` (AEDAT 3.1) and their ``user01_fluorescent_labels.csv``.
        split: ``"train"``, ``"validation"``, ``"test"``, or a sum; ``"train+validation"`` is the official training set.
        max_duration: keep only this much from the start of each gesture [s], for example 1.5.

    Raises:
        MissingDataError: the lists, a recording or its labels are not there.
        FormatError: a labels file with other columns or values; on access, a damaged recording.
        RangeError: a class outside 1..11 or a gesture that ends before it starts, by file and line; unknown split.

    Source: Amir et al. 2017, doi:10.1109/CVPR.2017.781. Time counts from the start of the gesture.
    """

    def __init__(self, root: str | Path, split: str = "train", *, max_duration: float | None = None) -> None:
        parts = parse_split("DVSGesture", split)
        if max_duration is not None:
            check_positive("DVSGesture.max_duration", max_duration)
        folder = Path(root) / "DvsGesture" if (Path(root) / "DvsGesture").is_dir() else Path(root)
        longest = None if max_duration is None else round(max_duration * MICROSECONDS)
        items: list[Item] = []
        for name in _recordings(folder, parts):
            items += _gestures(folder, name, longest)
        super().__init__(items, GESTURES, (128, 128, 2))

    def _read(self, item: Item) -> Events:
        return cut(read_whole(item.path, "aedat31"), item.start, item.stop)


def _recordings(folder: Path, parts: tuple[str, ...]) -> list[str]:
    """Names of the recordings of the chosen splits, in the order of the official lists."""
    held_out = set(load_split("dvs_gesture")["validation_users"])
    chosen: list[str] = []
    for official, name in TRIALS.items():
        if not (folder / name).is_file():
            layout = "trials_to_train.txt, trials_to_test.txt, user*_*.aedat and user*_*_labels.csv."
            raise missing("DVSGesture", folder, layout, "IBM's page of DVS128 Gesture (DvsGesture.tar.gz)")
        for line in (folder / name).read_text().split():
            validation = official == "train" and line.split("_")[0] in held_out
            if ("validation" if validation else official) in parts:
                chosen.append(line)
    return chosen


def _gestures(folder: Path, name: str, longest: int | None) -> list[Item]:
    """One item for each line of the labels file of a recording."""
    path = folder / name
    table = folder / f"{path.stem}_labels.csv"
    if absent := [p.name for p in (path, table) if not p.is_file()]:
        raise missing("DVSGesture", folder, f"{absent}, which the lists of trials name.", "IBM's DvsGesture.tar.gz")
    with table.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    if not rows or [c.strip() for c in rows[0]] != COLUMNS:
        raise FormatError(
            f"{table}, line 1: must be {','.join(COLUMNS)}, got {','.join(rows[0]) if rows else 'nothing'}."
        )
    items = []
    for line, row in enumerate(rows[1:], 2):
        gesture, start, end = _numbers(table, line, row)
        stop = end if longest is None else min(end, start + longest)
        items.append(Item(f"{path.stem}/{line - 2}", gesture - 1, path, start, stop, path.stem.split("_")[0]))
    return items


def _numbers(table: Path, line: int, row: list[str]) -> tuple[int, int, int]:
    try:
        gesture, start, end = (int(cell) for cell in row)
    except ValueError:
        raise FormatError(f"{table}, line {line}: must be three integers, got {','.join(row)!r}.") from None
    if not 1 <= gesture <= len(GESTURES):
        raise RangeError(f"{table}, line {line}: class must be in 1..{len(GESTURES)}, got {gesture}.")
    if not 0 <= start < end:
        raise RangeError(f"{table}, line {line}: must have 0 <= start < end [us], got {start} and {end}.")
    return gesture, start, end
