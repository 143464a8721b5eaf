"""`EventDataset`: what a data set of event recordings offers, and what the stored ones share."""

from __future__ import annotations

import hashlib
import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import FormatError, RangeError
from neurosim.events import Events

MICROSECONDS = 1_000_000


class MissingDataError(FormatError, FileNotFoundError):
    """The folder given as ``root`` does not hold the data set; the message has the layout and the source."""


@runtime_checkable
class EventDataset(Protocol):
    """A map-style data set of event recordings; anything with these members can be trained on.

    Attributes:
        sensor_size: ``(width, height, polarities)`` of every recording.
        classes: name of each label.
    """

    @property
    def sensor_size(self) -> tuple[int, int, int]: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Events, int]:
        """Recording and label of sample ``index``."""
        ...

    def key(self, index: int) -> bytes:
        """Name of the content of sample ``index`` for the cache: equal keys hold equal events, on any machine."""
        ...


@dataclass(frozen=True)
class Item:
    """Where one sample lies.

    Args:
        id: name of the sample within its data set, the same on every machine; splits depend on it alone.
        label: index of its class.
        path: file that holds it.
        start: row within the file, or start of its time window [us].
        stop: end of its time window [us].
        group: who or what it shares with other samples (subject, speaker, recording); empty when unknown.
    """

    id: str
    label: int
    path: Path
    start: int = 0
    stop: int = 0
    group: str = ""


class StoredDataset(ABC):
    """A data set whose samples lie in files; a subclass lists the items and reads one.

    Args:
        items: the samples of this split, in their order.
        classes: name of each label.
        sensor_size: ``(width, height, polarities)``.
        options: settings that change what an item reads as; part of every `key`.

    Raises:
        RangeError: a label is not the index of a class; the message names the file.
    """

    def __init__(
        self, items: Sequence[Item], classes: Sequence[str], sensor_size: tuple[int, int, int], options: str = ""
    ) -> None:
        self.items = tuple(items)
        self._classes = tuple(classes)
        self._sensor_size = sensor_size
        self._options = options
        for item in self.items:
            if not 0 <= item.label < len(self._classes):
                raise RangeError(
                    f"{item.path}, {item.id}: label must be in 0..{len(self._classes) - 1}, got {item.label}."
                )

    @property
    def sensor_size(self) -> tuple[int, int, int]:
        """``(width, height, polarities)`` of every recording."""
        return self._sensor_size

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each label."""
        return self._classes

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) label of each sample, without reading any recording."""
        return np.array([item.label for item in self.items], np.int64)

    @property
    def groups(self) -> tuple[str, ...]:
        """What each sample shares with others (subject, speaker, recording); empty strings when unknown."""
        return tuple(item.group for item in self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Events, int]:
        """Recording and label of sample ``index``; a negative index counts from the end."""
        item = self.items[operator.index(index)]
        return self._read(item), item.label

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} samples, {len(self.classes)} classes, sensor {self.sensor_size})"

    def key(self, index: int) -> bytes:
        """Name of the content of sample ``index``, from the bytes of its file, its place there and the options."""
        item = self.items[index]
        where = f"{item.start}:{item.stop}"
        parts = (type(self).__name__, file_digest(item.path), where, self._options, str(self.sensor_size))
        return "/".join(parts).encode()

    @abstractmethod
    def _read(self, item: Item) -> Events:
        """The recording of one item."""


def file_digest(path: Path) -> str:
    """SHA-256 of a file; computed again only when its size or time of change differ."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_whole(path: Path, format: str | None = None) -> Events:
    """The events of a file that holds several samples; the last few files stay in memory.

    Timestamps that go backwards, as USB cameras sometimes write, are put back in order.
    """
    stat = path.stat()
    return _read_whole(path, format, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=6)
def _read_whole(path: Path, format: str | None, size: int, changed: int) -> Events:
    from neurosim.data.formats import read_events

    return read_events(path, format, on_disorder="sort")


def cut(events: Events, start: int, stop: int) -> Events:
    """Events with ``start <= t < stop`` [us], their time counted from ``start``."""
    part = events.between(start, stop)
    return Events(part.t - start, part.x, part.y, part.p, part.sensor_size)


def missing(name: str, root: Path, layout: str, source: str) -> MissingDataError:
    """The error for a ``root`` without the expected files."""
    found = sorted(p.name for p in root.iterdir())[:8] if root.is_dir() else None
    state = f"it holds {found}" if found is not None else "it does not exist"
    return MissingDataError(
        f"{name}: the data set was not found in {str(root)!r} ({state}). Expected below root: {layout} "
        f"neurosim downloads nothing: get it from {source}, and pass that folder as root=."
    )
