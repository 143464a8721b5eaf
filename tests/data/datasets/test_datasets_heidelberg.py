"""`SHD` and `SSC` on small files in the genuine format."""

from __future__ import annotations

import pickle

import h5py
import numpy as np
import pytest
from format_encoders import write_shd

from neurosim.data.datasets import SHD, SSC, EventDataset, MissingDataError
from neurosim.errors import FormatError, RangeError


def write(path, n, classes, seed=0, speakers=True, keys=True):
    rng = np.random.default_rng(seed)
    samples = [(np.sort(rng.random(30)), rng.integers(700, size=30)) for _ in range(n)]
    write_shd(path, samples, np.arange(n) % classes)
    with h5py.File(path, "a") as file:
        del file["extra/keys"]
        if keys:
            file["extra/keys"] = np.array([f"word{c}".encode() for c in range(classes)])
        if speakers:
            file["extra/speaker"] = np.arange(n) % 3
    return samples


@pytest.fixture
def shd(tmp_path):
    train = write(tmp_path / "shd_train.h5", 200, 20)
    write(tmp_path / "shd_test.h5", 40, 20, seed=1)
    return tmp_path, train


def test_shd_reads_its_rows_with_names_and_speakers(shd):
    root, samples = shd
    train, held, test = (SHD(root, s) for s in ("train", "validation", "test"))
    assert isinstance(train, EventDataset) and train.sensor_size == (700, 1, 1)
    assert np.bincount(train.labels).tolist() == [9] * 20 and np.bincount(held.labels).tolist() == [1] * 20
    assert len(test) == 40 and train.classes[3] == "word3" and test.groups[4] == "speaker1"
    row = train.items[5].start
    events, label = train[5]
    seconds, units = samples[row]
    assert label == row % 20 and np.array_equal(events.x, units)
    assert np.abs(events.t - seconds.astype("f4") * 1e6).max() <= 0.5 + 1e-6
    assert not {i.id for i in train.items} & {i.id for i in held.items}
    assert pickle.loads(pickle.dumps(train))[5] == train[5]
    assert len({train.key(i) for i in range(len(train))}) == len(train)


def test_ssc_has_three_official_files(tmp_path):
    for n, part in enumerate(("train", "valid", "test")):
        write(tmp_path / f"ssc_{part}.h5", 70 + n, 35, seed=n, speakers=False, keys=False)
    assert [len(SSC(tmp_path, s)) for s in ("train", "validation", "test")] == [70, 71, 72]
    data = SSC(tmp_path, "validation")
    assert data.classes[34] == "34" and data.groups[0] == "" and data[36][1] == 1


def test_only_the_files_of_the_split_are_needed(tmp_path):
    write(tmp_path / "shd_test.h5", 20, 20)
    assert len(SHD(tmp_path, "test")) == 20
    with pytest.raises(MissingDataError, match=r"shd_train\.h5, shd_test\.h5.*zenkelab"):
        SHD(tmp_path, "validation")


def test_bad_labels_and_names_are_reported(shd):
    root, _ = shd
    with h5py.File(root / "shd_test.h5", "a") as file:
        file["labels"][7] = 20
    with pytest.raises(RangeError, match=r"shd_test\.h5, shd_test/7: label must be in 0\.\.19, got 20"):
        SHD(root, "test")
    with h5py.File(root / "shd_train.h5", "a") as file:
        del file["extra/keys"]
        file["extra/keys"] = np.array([b"one"])
    with pytest.raises(FormatError, match="20 class names, got 1"):
        SHD(root)
    with h5py.File(root / "shd_train.h5", "a") as file:
        del file["extra/speaker"]
        file["extra/speaker"] = np.arange(3)
    with pytest.raises(FormatError, match="200 entries, got 3"):
        SHD(root)
    with h5py.File(root / "shd_train.h5", "a") as file:
        del file["labels"]
    with pytest.raises(FormatError, match="nothing to train on"):
        SHD(root)


@pytest.mark.parametrize("kind", [SHD, SSC])
def test_an_unknown_split_is_named(kind, tmp_path):
    with pytest.raises(RangeError, match=rf"{kind.__name__}\.split"):
        kind(tmp_path, "valid")
