"""`WindowedRecordings`: one long recording per class, cut into windows and split by time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from neurosim.data.datasets.base import MICROSECONDS, Item, StoredDataset, cut, missing, read_whole
from neurosim.data.datasets.folders import recording_files
from neurosim.data.datasets.splits import SPLITS, parse_split
from neurosim.errors import FormatError, RangeError, check_positive
from neurosim.events import Events

OBJECTS = ("caixa", "caneca", "estilete", "lapiseira", "tesoura")


@dataclass(frozen=True)
class TimeSplit:
    """The part of each recording that a split takes, as fractions of its duration; what lies between is not used.

    Neighbouring windows look alike, so a random split would test on what it has nearly seen; gaps keep them apart.

    Args:
        train: ``(start, stop)``.
        validation: ``(start, stop)``; by default the last part of the first 70 %, after a gap.
        test: ``(start, stop)``; by default the last 20 %, after a gap.

    Raises:
        RangeError: a part is not inside 0..1, empty, or overlaps another.
    """

    train: tuple[float, float] = (0.0, 0.55)
    validation: tuple[float, float] = (0.6, 0.7)
    test: tuple[float, float] = (0.8, 1.0)

    def __post_init__(self) -> None:
        ordered = sorted((self.train, self.validation, self.test))
        for start, stop in ordered:
            if not 0 <= start < stop <= 1:
                raise RangeError(f"TimeSplit: must have 0 <= start < stop <= 1, got {(start, stop)}.")
        for before, after in pairwise(ordered):
            if before[1] > after[0]:
                raise RangeError(f"TimeSplit: parts must not overlap, got {before} and {after}.")

    def part(self, split: str) -> tuple[float, float]:
        """``(start, stop)`` of a split; ``"all"`` is the whole recording."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test, "all": (0.0, 1.0)}
        return parts[split]


class WindowedRecordings(StoredDataset):
    """Windows of long recordings; the class of a recording is the start of its file's name.

    Windows lie wholly inside the part of the recording that belongs to the split, counted from its first event.

    Args:
        root: folder of recordings, any format that `read_events` knows; or one recording.
        split: ``"train"``, ``"validation"``, ``"test"``, a sum, or ``"all"``: every window of every recording, to
            evaluate on other recordings of the same classes.
        classes: names that the file names start with, in any case; by default the file names without suffix,
            in small letters.
        window: length [s].
        hop: time between the starts of windows of the training split [s]; by default the window's length. Shorter
            ones overlap, which is more to learn from; windows of the other splits never overlap.
        min_events: windows with fewer events are left out; ``dropped`` counts them by class.
        times: the parts of a recording.

    Attributes:
        dropped: number of windows left out for too few events, by class name.
        ignored: names of recordings that belong to none of ``classes``.

    Raises:
        MissingDataError: there is no recording, or (unless ``split="all"``) none of some class.
        RangeError: an unknown split, a window that is not positive, a negative ``min_events``.
        FormatError: a recording is damaged, or has another sensor size than the first.

    Note: recordings are decoded when the data set is made; the last six stay in memory.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        classes: Sequence[str] | None = None,
        window: float = 0.2,
        hop: float | None = None,
        min_events: int = 100,
        times: TimeSplit = TimeSplit(),
    ) -> None:
        parts = parse_split("WindowedRecordings", split, (*SPLITS, "all"))
        check_positive("WindowedRecordings.window", window)
        check_positive("WindowedRecordings.hop", window if hop is None else hop)
        if not isinstance(min_events, int) or min_events < 0:
            raise RangeError(f"WindowedRecordings.min_events: must be an integer >= 0, got {min_events!r}.")
        files = _files(Path(root))
        names = tuple(classes) if classes is not None else tuple(dict.fromkeys(_stem(p) for p in files))
        labelled = [(p, _label(p, names)) for p in files]
        self.ignored = tuple(p.name for p, label in labelled if label is None)
        found = [(p, label) for p, label in labelled if label is not None]
        absent = [c for n, c in enumerate(names) if n not in {label for _, label in found}]
        if not found or (absent and "all" not in parts):
            raise missing(
                "WindowedRecordings", Path(root), f"a recording named after each of {absent}.", "the page in its card"
            )
        sizes = {p.name: read_whole(p).sensor_size for p, _ in found}
        if len(set(sizes.values())) > 1:
            raise FormatError(f"WindowedRecordings: all recordings must have one sensor size, got {sizes}.")
        self.dropped: Counter[str] = Counter(dict.fromkeys(names, 0))
        items: list[Item] = []
        for path, label in found:
            for part in parts:
                step = hop if hop is not None and part == "train" else window
                lengths = round(window * MICROSECONDS), max(1, round(step * MICROSECONDS))
                kept, dropped = _windows(path, label, times.part(part), lengths, min_events)
                items += kept
                self.dropped[names[label]] += dropped
        super().__init__(items, names, next(iter(sizes.values())))

    def _read(self, item: Item) -> Events:
        return cut(read_whole(item.path), item.start, item.stop)


def dvs128_objects(root: str | Path, split: str = "train", *, window: float = 0.2) -> WindowedRecordings:
    """The five objects of the UFU BioLab before a DVS128 (box, mug, craft knife, mechanical pencil, scissors).

    Args:
        root: folder with ``caixa, caneca, estilete, lapiseira, tesoura`` as ``.aedat`` or ``.aedat.gz``.
        split: as in `WindowedRecordings`; ``"all"`` for other recordings of these objects.
        window: length [s].
    """
    return WindowedRecordings(root, split, classes=OBJECTS, window=window)


def _files(root: Path) -> list[Path]:
    files = [root] if root.is_file() else recording_files(root) if root.is_dir() else []
    if not files:
        raise missing("WindowedRecordings", root, "one recording per class, as <class>.aedat.", "the page in its card")
    return files


def _stem(path: Path) -> str:
    return path.name.split(".")[0].lower()


def _label(path: Path, names: Sequence[str]) -> int | None:
    """Index of the longest class name that the file name starts with."""
    fitting = [n for n, name in enumerate(names) if _stem(path).startswith(name.lower())]
    return max(fitting, key=lambda n: len(names[n]), default=None)


def _windows(
    path: Path, label: int, part: tuple[float, float], lengths: tuple[int, int], min_events: int
) -> tuple[list[Item], int]:
    """Items of the windows with enough events, and how many were dropped; ``lengths`` are of window and hop [us]."""
    length, hop = lengths
    events = read_whole(path)
    if not len(events):
        return [], 0
    first = int(events.t[0])
    # Rounded: 0.55 of a round duration must not lose a window to the last bit of a float.
    begin, end = (first + round(fraction * events.duration) for fraction in part)
    starts = range(begin, end - length + 1, hop)
    items, dropped = [], 0
    for start in starts:
        if len(events.between(start, start + length)) < min_events:
            dropped += 1
            continue
        items.append(Item(f"{_stem(path)}/{start}", label, path, start, start + length, _stem(path)))
    return items, dropped
