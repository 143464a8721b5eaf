"""`NMNIST` in both layouts and `NpzDataset`, on genuine small files and on real recordings."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest
from format_encoders import encode_nmnist, write_npz

from neurosim.data.datasets import NMNIST, FolderOfRecordings, MissingDataError, NpzDataset
from neurosim.errors import FormatError, RangeError


@pytest.fixture
def original(tmp_path, make_events):
    for part, per_class in (("Train", 10), ("Test", 2)):
        for digit in range(10):
            (tmp_path / part / str(digit)).mkdir(parents=True)
            for n in range(per_class):
                content = encode_nmnist(make_events(seed=digit * 100 + n + 50 * (part == "Test")))
                (tmp_path / part / str(digit) / f"{n:05d}.bin").write_bytes(content)
    return tmp_path


def test_the_original_folders_are_read(original, make_events):
    parts = {s: NMNIST(original, s) for s in ("train", "validation", "test")}
    assert {s: np.bincount(d.labels).tolist() for s, d in parts.items()} == {
        "train": [9] * 10,
        "validation": [1] * 10,
        "test": [2] * 10,
    }
    train = {i.path for i in parts["train"].items}
    assert not train & {i.path for i in parts["validation"].items}
    assert len(NMNIST(original, "train+validation")) == 100
    assert parts["test"][5] == (make_events(seed=251), 2)
    assert parts["test"].sensor_size == (34, 34, 2) and parts["test"].classes[7] == "7"


def test_a_missing_class_folder_is_named(original):
    for file in (original / "Train" / "4").iterdir():
        file.unlink()
    (original / "Train" / "4").rmdir()
    with pytest.raises(MissingDataError, match=r"\['4'\]"):
        NMNIST(original)


def test_the_packed_layout_is_read(tmp_path, make_events):
    train = [make_events(seed=n) for n in range(100)]
    write_npz(tmp_path / "train100.npz", train, np.arange(100) % 10)
    write_npz(tmp_path / "val3.npz", [make_events(seed=n) for n in (200, 201, 202)], np.array([4, 5, 6]))
    data, held = NMNIST(tmp_path), NMNIST(tmp_path, "validation")
    assert (len(data), len(held)) == (90, 10) and np.bincount(held.labels).tolist() == [1] * 10
    row = data.items[7].start
    assert data[7] == (train[row], row % 10)
    assert NMNIST(tmp_path, "test")[1] == (make_events(seed=201), 5)
    assert pickle.loads(pickle.dumps(data))[7] == data[7]
    assert len({data.key(i) for i in range(90)}) == 90


def test_two_files_for_one_split_are_an_error(tmp_path, make_events):
    for name in ("train1", "train2"):
        write_npz(tmp_path / f"{name}.npz", [make_events()], np.array([1]))
    with pytest.raises(RangeError, match=r"train1\.npz.*train2\.npz"):
        NMNIST(tmp_path)


def test_a_label_outside_the_classes_is_named_with_its_file(tmp_path, make_events):
    write_npz(tmp_path / "test.npz", [make_events(), make_events()], np.array([3, 12]))
    with pytest.raises(RangeError, match=r"test\.npz, 12/1: label must be in 0\.\.9, got 12"):
        NMNIST(tmp_path, "test")


@pytest.mark.parametrize("labels", [np.array(["a", "b"])])
def test_text_labels_are_refused(tmp_path, make_events, labels):
    write_npz(tmp_path / "a.npz", [make_events(), make_events()], labels)
    with pytest.raises(FormatError, match="integer labels are needed"):
        NpzDataset(tmp_path / "a.npz")


def test_an_npz_alone_is_a_data_set(tmp_path, make_events):
    write_npz(tmp_path / "a.npz", [make_events(seed=n) for n in range(20)], np.arange(20) % 2)
    data = NpzDataset(tmp_path / "a.npz")
    assert len(data) == 20 and data.classes == ("0", "1") and data[3] == (make_events(seed=3), 1)
    assert [len(NpzDataset(tmp_path / "a.npz", s)) for s in ("train", "validation", "test")] == [16, 2, 2]
    assert NpzDataset(tmp_path / "a.npz", classes=["no", "yes"]).classes == ("no", "yes")
    with pytest.raises(RangeError, match=r"label must be in 0\.\.0"):
        NpzDataset(tmp_path / "a.npz", classes=["no"])


def test_a_missing_root_says_both_layouts(tmp_path):
    with pytest.raises(MissingDataError, match=r"Train/<0-9>.*train\*\.npz.*Mendeley"):
        NMNIST(tmp_path / "nowhere")


def test_real_recordings_are_read_and_split(recordings):
    root = recordings / "nmnist"
    train, held, test = (NMNIST(root, s) for s in ("train", "validation", "test"))
    assert len(train) + len(held) == 900 and len(test) == 100
    assert np.abs(np.bincount(held.labels) - np.bincount(train.labels) / 9).max() <= 1
    events, label = train[0]
    assert 1000 < len(events) < 20000 and 0 <= label <= 9 and 250_000 < events.duration < 350_000


def test_real_packed_recordings_equal_their_original_files(recordings, tmp_path):
    with zipfile.ZipFile(recordings / "nmnist" / "raw_bs2_50.zip") as archive:
        archive.extractall(tmp_path)
    packed = NpzDataset(recordings / "nmnist" / "val100.npz")
    rows = {item.id: n for n, item in enumerate(packed.items)}
    single = FolderOfRecordings(tmp_path, "all", sensor_size=(34, 34, 2))
    assert len(single) == 50
    for n, item in enumerate(single.items):
        assert single[n] == packed[rows[item.id]]
