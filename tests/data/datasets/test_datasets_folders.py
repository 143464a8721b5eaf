"""Data sets with one folder per class, on genuine small files."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from format_encoders import encode_aedat2, encode_nmnist

from neurosim.data.datasets import (
    CIFAR10DVS,
    ByHash,
    EventDataset,
    FolderOfRecordings,
    MissingDataError,
    NCaltech101,
    Stratified,
    load_split,
)
from neurosim.data.datasets.folders import CIFAR10_CLASSES
from neurosim.errors import FormatError, RangeError


@pytest.fixture
def caltech(tmp_path, make_events):
    for c, name in enumerate(("ant", "BACKGROUND_Google", "zebra")):
        (tmp_path / "Caltech101" / name).mkdir(parents=True)
        for n in range(1, 21):
            content = encode_nmnist(make_events(size=(240, 180, 2), seed=100 * c + n))
            (tmp_path / "Caltech101" / name / f"image_{n:04d}.bin").write_bytes(content)
    return tmp_path


def test_ncaltech101_reads_its_files_and_splits_every_class(caltech, make_events):
    parts = {s: NCaltech101(caltech, s) for s in ("train", "validation", "test")}
    assert isinstance(parts["train"], EventDataset)
    for name, n in (("train", 16), ("validation", 2), ("test", 2)):
        assert np.bincount(parts[name].labels).tolist() == [n] * 3
    assert parts["train"].classes == ("BACKGROUND_Google", "ant", "zebra")
    names = [i.id for p in parts.values() for i in p.items]
    assert len(set(names)) == 60
    train = parts["train"]
    i = next(n for n, item in enumerate(train.items) if item.id.startswith("zebra"))
    number = int(train.items[i].id[-4:])
    assert train[i] == (make_events(size=(240, 180, 2), seed=200 + number), 2)


def test_either_folder_may_be_the_root_and_the_split_does_not_depend_on_it(caltech):
    above, below = NCaltech101(caltech, "test"), NCaltech101(caltech / "Caltech101", "test")
    assert [i.id for i in above.items] == [i.id for i in below.items]
    assert above.key(0) == below.key(0)


def test_a_recording_larger_than_the_sensor_is_an_error(caltech):
    with pytest.raises(FormatError, match=r"image_\d+\.bin"):
        NCaltech101(caltech, sensor_size=(34, 34, 2))[0]


def test_an_index_is_one_integer_and_iteration_ends(caltech):
    data = NCaltech101(caltech, "test")
    assert len(list(data)) == len(data) == 6 and data[np.int64(5)] == data[-1]
    with pytest.raises(IndexError):
        data[6]
    with pytest.raises(TypeError):
        data[1:2]


def test_keys_follow_the_content(caltech, make_events):
    data = NCaltech101(caltech)
    before = [data.key(i) for i in range(len(data))]
    assert len(set(before)) == len(data) and all(isinstance(k, bytes) for k in before)
    data.items[0].path.write_bytes(encode_nmnist(make_events(n=51, size=(240, 180, 2), seed=999)))
    after = [data.key(i) for i in range(len(data))]
    assert after[0] != before[0] and after[1:] == before[1:]


@pytest.fixture
def cifar(tmp_path, make_events):
    table = load_split("cifar10_dvs")
    numbers = [table["test"][0], table["validation"][0], table["validation"][1]]
    numbers += [n for n in range(1000) if n not in table["test"] + table["validation"]][:4]
    for c, name in enumerate(CIFAR10_CLASSES):
        (tmp_path / name).mkdir()
        for n in numbers:
            content = encode_aedat2(make_events(size=(128, 128, 2), seed=1000 * c + n))
            (tmp_path / name / f"cifar10_{name}_{n}.aedat").write_bytes(content)
    return tmp_path


def test_cifar10dvs_uses_the_shipped_numbers_and_turns_the_image_upright(cifar, make_events):
    parts = {s: CIFAR10DVS(cifar, s) for s in ("train", "validation", "test")}
    for name, n in (("train", 4), ("validation", 2), ("test", 1)):
        assert np.bincount(parts[name].labels).tolist() == [n] * 10
    number = load_split("cifar10_dvs")["test"][0]
    raw = make_events(size=(128, 128, 2), seed=3000 + number)
    events, label = parts["test"][3]
    assert label == 3 and parts["test"].classes[3] == "cat"
    for column, expected in (("t", raw.t), ("x", 127 - raw.y), ("y", 127 - raw.x), ("p", 1 - raw.p)):
        assert np.array_equal(getattr(events, column), expected)


def test_a_cifar_recording_without_a_number_is_named(cifar, make_events):
    (cifar / "cat" / "copy.aedat").write_bytes(encode_aedat2(make_events(size=(128, 128, 2))))
    with pytest.raises(FormatError, match="cat/copy"):
        CIFAR10DVS(cifar)


def test_any_folder_of_recordings_works_in_mixed_formats(tmp_path, make_events):
    for c, name in enumerate(("left", "right")):
        (tmp_path / name).mkdir()
        for n in range(10):
            e = make_events(size=(128, 128, 2), seed=10 * c + n)
            path = tmp_path / name / f"{n}.aedat"
            path.write_bytes(encode_aedat2(e))
    (tmp_path / "left" / "0.aedat.gz").write_bytes(gzip.compress((tmp_path / "left" / "0.aedat").read_bytes()))
    (tmp_path / "left" / "0.aedat").unlink()
    (tmp_path / "left" / "notes.txt").write_text("not a recording")
    (tmp_path / "empty").mkdir()
    data = FolderOfRecordings(tmp_path, "all")
    assert (len(data), data.classes, data.sensor_size) == (20, ("left", "right"), (128, 128, 2))
    assert data[0] == (make_events(size=(128, 128, 2), seed=0), 0)
    assert data[-1] == (make_events(size=(128, 128, 2), seed=19), 1)
    rule = Stratified("mine", validation=0.2, test=0.2)
    assert [len(FolderOfRecordings(tmp_path, s, rule=rule)) for s in ("train", "validation", "test")] == [12, 4, 4]
    by_hash = [FolderOfRecordings(tmp_path, s, rule=ByHash("h", 0.3, 0.3)) for s in ("train", "validation", "test")]
    assert sum(len(d) for d in by_hash) == 20


def test_a_folder_with_two_sensors_is_an_error(tmp_path, make_events):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.aedat").write_bytes(encode_aedat2(make_events(size=(128, 128, 2))))
    (tmp_path / "a" / "1.aedat").write_bytes(encode_aedat2(make_events(), chip="DavisBlue240C"))
    with pytest.raises(FormatError, match=r"1\.aedat.*keep one sensor per folder"):
        FolderOfRecordings(tmp_path, "all")[1]


@pytest.mark.parametrize("kind", [NCaltech101, CIFAR10DVS, FolderOfRecordings])
def test_a_missing_root_says_what_is_expected_and_where_to_get_it(kind, tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"{kind.__name__}.*does not exist.*Expected below root.*get it from"):
        kind(tmp_path / "nowhere")
    (tmp_path / "other").mkdir()
    with pytest.raises(MissingDataError, match=r"it holds \['other'\]"):
        kind(tmp_path)


@pytest.mark.parametrize("kind", [NCaltech101, CIFAR10DVS, FolderOfRecordings])
def test_an_unknown_split_is_named(kind, tmp_path):
    with pytest.raises(RangeError, match=rf"{kind.__name__}\.split"):
        kind(tmp_path, "dev")
