"""From recordings to batches: events stay in memory, frames are made on a thread while the network computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurosim.data.datasets import EventDataset
from neurosim.data.transforms import MergePolarity, ToFrames, Transform, frames_batch
from neurosim.errors import FormatError, RangeError
from neurosim.events import Events
from neurosim.train.recipe import FramesSpec, event_transforms

AHEAD = 3  # batches that wait for the network
KEEP_BYTES = 256 * 2**20  # fixed frames of validation or test stay in memory up to this

Batch = tuple[Tensor, Tensor]  # frames (T, B, C, H, W) and labels (B,)


@dataclass(frozen=True)
class Samples:
    """Recordings and labels in memory.

    Args:
        events: of each sample.
        labels: (N,) index of the class.
        classes: name of each label.
        sensor_size: (width, height, polarities).
    """

    events: tuple[Events, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    sensor_size: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.events)


def load_samples(data: EventDataset, empty: str = "raise", step: Callable[[], object] | None = None) -> Samples:
    """Read all recordings of a data set.

    Args:
        data: the data set.
        empty: what to do about recordings without events, "raise" or "keep".
        step: called after each recording, for a progress bar.

    Raises:
        FormatError: no recordings at all; a recording is damaged, or empty.
        RangeError: a label that is not the index of a class.
    """
    if len(data) == 0:
        raise FormatError(f"{data}: the split holds no recordings.")
    events, labels = [], []
    for i in range(len(data)):
        recording, label = data[i]
        if not 0 <= label < len(data.classes):
            raise RangeError(f"{data}, sample {i}: label must be in 0..{len(data.classes) - 1}, got {label}.")
        if not len(recording) and empty == "raise":
            raise FormatError(
                f"{data}, sample {i} ({describe(data, i)}): the recording has no events. Remove it, or set "
                'data.empty = "keep" in the recipe.'
            )
        events.append(recording)
        labels.append(label)
        if step is not None:
            step()
    return Samples(tuple(events), np.array(labels, np.int64), data.classes, data.sensor_size)


def describe(data: EventDataset, index: int) -> str:
    """Name of a sample for messages."""
    items = getattr(data, "items", None)
    return f"{items[index].path}, {items[index].id}" if items else data.key(index).decode(errors="replace")


class Framing:
    """Recordings to frames (T, B, C, H, W), as a recipe's [frames] says."""

    def __init__(self, spec: FramesSpec) -> None:
        fixed = {} if spec.duration_us is None else {
            "duration_us": spec.duration_us, "start_us": spec.start_us, "bounds": "crop"
        }  # fmt: skip
        self.prepare = event_transforms(spec.prepare, "frames.prepare", random=False)
        self.spec, self.grid = spec, ToFrames(n_bins=spec.n_bins, out_size=spec.out_size, **fixed)  # type: ignore[arg-type]

    def __call__(self, recordings: Sequence[Events]) -> Tensor:
        """Frames of a batch, float32."""
        spec = self.spec
        if spec.prepare:
            recordings = [self.prepare(r) for r in recordings]
        if spec.polarity == "merge":
            merge = MergePolarity()
            recordings = [merge(r) for r in recordings]
        frames = frames_batch(recordings, self.grid)
        if spec.polarity in ("signed", "sign"):
            frames = frames[:, :, 1:] - frames[:, :, :1]
        if spec.polarity == "sign":
            np.sign(frames, out=frames)
        if spec.clip:
            np.clip(frames, -spec.clip, spec.clip, out=frames)
        if spec.scale != 1:
            frames *= np.float32(spec.scale)
        return torch.from_numpy(frames)


class TrainBatches:
    """Shuffled, augmented batches of an epoch; they depend on the seed and the epoch alone, not on timing."""

    def __init__(self, samples: Samples, framing: Framing, augment: Transform, batch_size: int, seed: int) -> None:
        self.samples, self.framing, self.augment = samples, framing, augment
        self.batch_size, self.seed = batch_size, seed

    def __len__(self) -> int:
        return -(-len(self.samples) // self.batch_size)

    def epoch(self, epoch: int) -> Generator[Batch, None, None]:
        """The batches of one epoch, prepared ahead on a thread."""
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.samples))
        chunks = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        return prefetched(lambda i: self._batch(epoch, chunks[i]), len(chunks))

    def _batch(self, epoch: int, index: NDArray[np.int64]) -> Batch:
        """Each sample has its own generator, so that neither its batch nor its neighbours matter."""
        recordings = [
            self.augment(self.samples.events[i], np.random.default_rng((self.seed, epoch, int(i)))) for i in index
        ]
        return self.framing(recordings), torch.from_numpy(self.samples.labels[index])


class FixedBatches:
    """Batches in the order of the samples, without augmentation; kept in memory if they are small."""

    def __init__(self, samples: Samples, framing: Framing, batch_size: int) -> None:
        self.samples, self.framing, self.batch_size = samples, framing, batch_size
        self._kept: list[Batch] = []
        self._fits: bool | None = None

    def __len__(self) -> int:
        return -(-len(self.samples) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        if len(self._kept) == len(self):
            yield from self._kept
            return
        kept: list[Batch] = []
        for batch in prefetched(self._batch, len(self)):
            if self._fits is None:
                self._fits = batch[0].nbytes * len(self) <= KEEP_BYTES
            if self._fits:
                kept.append(batch)
            yield batch
        self._kept = kept

    def _batch(self, i: int) -> Batch:
        part = slice(i * self.batch_size, (i + 1) * self.batch_size)
        return self.framing(self.samples.events[part]), torch.from_numpy(self.samples.labels[part])


def prefetched(make: Callable[[int], Batch], n: int) -> Generator[Batch, None, None]:
    """``make(0) ... make(n - 1)``, in order, made on another thread a few ahead; its errors are raised here."""
    ready: queue.Queue[Any] = queue.Queue(AHEAD)
    stop = threading.Event()

    def work() -> None:
        try:
            for i in range(n):
                put(make(i))
                if stop.is_set():
                    return
        except BaseException as error:
            put(error)

    def put(item: Any) -> None:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    thread = threading.Thread(target=work, name="neurosim-batches", daemon=True)
    thread.start()
    try:
        for _ in range(n):
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
