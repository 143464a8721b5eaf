"""Tonic data sets as `EventDataset`: anything whose items are (structured event array, target)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import FormatError, RangeError, ShapeError
from neurosim.events import Events


class TonicStyle(Protocol):
    """What of a Tonic data set is used: length and items (structured array with fields t, p, x and often y, target)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


class FromTonic:
    """A Tonic data set as an `EventDataset`; made by `from_tonic`."""

    def __init__(self, source: TonicStyle, sensor_size: tuple[int, int, int], classes: tuple[str, ...]) -> None:
        self._source = source
        self._sensor_size = sensor_size
        self._classes = classes
        self._numbers = {name: n for n, name in enumerate(classes)}

    @property
    def sensor_size(self) -> tuple[int, int, int]:
        """``(width, height, polarities)``."""
        return self._sensor_size

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each label."""
        return self._classes

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> tuple[Events, int]:
        """Recording and label of sample ``index``, events put in the order of time."""
        events, target = self._source[index]
        return self._events(index, events), self._label(index, target)

    def key(self, index: int) -> bytes:
        """Name of the content of sample ``index``; it is read for that, as Tonic does not tell where it lies."""
        events, label = self[index]
        digest = hashlib.sha256(f"tonic/{self._sensor_size}/{label}".encode())
        for name in "txyp":
            digest.update(getattr(events, name).tobytes())
        return digest.digest()

    def _events(self, index: int, array: Any) -> Events:
        if not isinstance(array, np.ndarray) or array.dtype.names is None:
            kind = f"{type(array).__name__} {getattr(array, 'dtype', '')}".strip()
            raise ShapeError(
                f"from_tonic, sample {index}: must be a structured array with fields x, y, t, p, got {kind}. "
                "Give the Tonic data set no transform; neurosim's transforms come after."
            )
        t: NDArray[Any] = array["t"]
        ordered = array if not np.any(t[1:] < t[:-1]) else array[np.argsort(t, kind="stable")]
        return Events.from_structured(ordered, self._sensor_size)

    def _label(self, index: int, target: Any) -> int:
        if isinstance(target, str):
            if target not in self._numbers:
                raise FormatError(f"from_tonic, sample {index}: target {target!r} is not one of {self._classes}.")
            return self._numbers[target]
        if not isinstance(target, int | np.integer):
            raise FormatError(f"from_tonic, sample {index}: target must be an integer or name, got {target!r}.")
        if not 0 <= target < len(self._classes):
            raise RangeError(f"from_tonic, sample {index}: label must be in 0..{len(self._classes) - 1}, got {target}.")
        return int(target)


def from_tonic(
    dataset: TonicStyle, sensor_size: tuple[int, int, int] | None = None, classes: Sequence[str] | None = None
) -> FromTonic:
    """Make a Tonic data set usable wherever an `EventDataset` is; neither Tonic nor torch is imported.

    Args:
        dataset: a Tonic data set without a transform: items are (structured array with t in us, target).
        sensor_size: ``(width, height, polarities)``; by default the data set's own attribute.
        classes: name of each label; by default the data set's ``classes`` (a list, or a dict of name and number), and
            else the sorted values of its ``targets``.

    Raises:
        RangeError: no sensor size is given and the data set has none, or no classes; on access, a label out of range.
        ShapeError: on access, an item that is not a structured array.
        FormatError: on access, a target that is neither an integer nor a class name.

    Example:
        >>> event = np.array([(1, 2, 30, 1)], dtype=[("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")])
        >>> from_tonic([(event, 1)], sensor_size=(4, 4, 2), classes=["no", "yes"])[0]
        (Events(1 events, 4x4x2, 30..30 us), 1)
    """
    size = sensor_size or getattr(dataset, "sensor_size", None)
    if size is None:
        raise RangeError("from_tonic.sensor_size: the data set does not name one. Pass (width, height, polarities).")
    names = _class_names(dataset) if classes is None else tuple(classes)
    if not names:
        raise RangeError("from_tonic.classes: the data set names neither classes nor targets. Pass classes=.")
    width, height, polarities = (int(n) for n in size)
    return FromTonic(dataset, (width, height, polarities), names)


def _class_names(dataset: Any) -> tuple[str, ...]:
    own = getattr(dataset, "classes", None)
    if isinstance(own, dict):
        return tuple(str(name) for name in sorted(own, key=own.__getitem__))
    if own is not None:
        return tuple(n.decode() if isinstance(n, bytes) else str(n) for n in own)
    targets = set(getattr(dataset, "targets", ()))
    if targets and all(isinstance(target, int | np.integer) for target in targets):
        return tuple(str(n) for n in range(int(max(targets)) + 1))
    return tuple(sorted(str(target) for target in targets))
