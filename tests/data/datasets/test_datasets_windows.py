"""`WindowedRecordings`: windows, parts in time, classes by name."""

from __future__ import annotations

import numpy as np
import pytest
from format_encoders import encode_aedat2, encode_nmnist

from neurosim.data.datasets import EventDataset, MissingDataError, TimeSplit, WindowedRecordings, dvs128_objects
from neurosim.errors import FormatError, RangeError
from neurosim.events import Events

SIZE = (128, 128, 2)


def steady(start=500_000, seconds=10, quiet=None) -> Events:
    """One event per millisecond from ``start`` on, none in the span ``quiet`` [us after the start]."""
    t = np.arange(0, seconds * 1_000_000 + 1, 1000)
    if quiet is not None:
        t = t[(t < quiet[0]) | (t >= quiet[1])]
    return Events(t + start, t // 1000 % 128, t // 7000 % 128, t // 1000 % 2, SIZE)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "Cup.aedat").write_bytes(encode_aedat2(steady()))
    (tmp_path / "key.aedat").write_bytes(encode_aedat2(steady(start=0, quiet=(200_000, 350_000))))
    return tmp_path


def test_windows_lie_inside_their_part_and_splits_are_apart(root):
    parts = {s: WindowedRecordings(root, s) for s in ("train", "validation", "test", "all")}
    assert isinstance(parts["train"], EventDataset)
    counts = {s: np.bincount(d.labels).tolist() for s, d in parts.items()}
    assert counts == {"train": [27, 26], "validation": [5, 5], "test": [10, 10], "all": [50, 49]}
    cup = {s: [(i.start - 500_000, i.stop - 500_000) for i in d.items if i.label == 0] for s, d in parts.items()}
    assert cup["train"][0] == (0, 200_000) and cup["train"][-1][1] <= 5_500_000
    assert cup["validation"][0][0] == 6_000_000 and cup["validation"][-1][1] == 7_000_000
    assert cup["test"][0][0] == 8_000_000 and cup["test"][-1][1] == 10_000_000
    assert set(parts["train"].groups) == {"cup", "key"}


def test_windows_do_not_overlap_and_hold_all_their_events(root):
    data = WindowedRecordings(root, "all", min_events=0)
    starts = [i.start for i in data.items if i.label == 1]
    assert np.all(np.diff(starts) == 200_000)
    events, label = data[len(data) - 1]
    assert label == 1 and np.array_equal(events.t, np.arange(0, 200_000, 1000))
    assert sum(len(data[i][0]) for i in range(50)) == 10_000


def test_training_windows_may_overlap_and_those_of_other_splits_never_do(root):
    train, test = (WindowedRecordings(root, s, hop=0.05, min_events=0) for s in ("train", "test"))
    starts = [i.start for i in train.items if i.label == 1]
    assert np.all(np.diff(starts) == 50_000) and train.items[0].stop - train.items[0].start == 200_000
    assert max(i.stop for i in train.items if i.label == 1) <= 5_500_000
    assert np.all(np.diff([i.start for i in test.items if i.label == 1]) == 200_000)
    with pytest.raises(RangeError, match=r"hop: must be > 0"):
        WindowedRecordings(root, hop=0)


def test_windows_with_few_events_are_dropped_and_counted(root):
    data = WindowedRecordings(root, "train")
    assert dict(data.dropped) == {"cup": 0, "key": 1}
    assert dict(WindowedRecordings(root, "train", min_events=0).dropped) == {"cup": 0, "key": 0}
    assert dict(WindowedRecordings(root, "train", min_events=201).dropped) == {"cup": 27, "key": 27}


def test_the_class_is_the_start_of_the_file_name_in_any_case(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "CUP_2.aedat").write_bytes(encode_aedat2(steady(seconds=1)))
    (other / "cupboard-b.aedat").write_bytes(encode_aedat2(steady(seconds=2)))
    (other / "person.aedat").write_bytes(encode_aedat2(steady(seconds=1)))
    data = WindowedRecordings(other, "all", classes=("cup", "cupboard", "key"))
    assert np.bincount(data.labels).tolist() == [5, 10] and data.ignored == ("person.aedat",)
    with pytest.raises(MissingDataError, match=r"\['key'\]"):
        WindowedRecordings(other, "train", classes=("cup", "cupboard", "key"))
    with pytest.raises(MissingDataError, match="key"):
        WindowedRecordings(other, "all", classes=("key",))


def test_one_recording_and_an_empty_one_are_accepted(root):
    assert len(WindowedRecordings(root / "Cup.aedat", "all")) == 50
    (root / "none.aedat").write_bytes(encode_aedat2(Events.empty(SIZE)))
    assert np.bincount(WindowedRecordings(root, "test").labels, minlength=3).tolist() == [10, 10, 0]


def test_keys_name_file_and_window(root):
    train, everything = WindowedRecordings(root), WindowedRecordings(root, "all")
    assert len({everything.key(i) for i in range(len(everything))}) == len(everything)
    assert train.key(0) == everything.key(0)


def test_two_sensors_are_an_error(root):
    (root / "z.bin").write_bytes(encode_nmnist(Events([1], [1], [1], [1], (34, 34, 2))))
    with pytest.raises(FormatError, match="one sensor size"):
        WindowedRecordings(root)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"window": 0}, "window"),
        ({"min_events": -1}, "min_events"),
        ({"min_events": 1.5}, "min_events"),
        ({"split": "dev"}, "split"),
    ],
)
def test_bad_arguments_are_named(root, arguments, match):
    with pytest.raises(RangeError, match=rf"WindowedRecordings\.{match}"):
        WindowedRecordings(root, **arguments)


@pytest.mark.parametrize("train", [(0.5, 0.4), (-0.1, 0.2), (0.0, 0.65), (0.0, 2.0)])
def test_bad_parts_are_refused(train):
    with pytest.raises(RangeError, match="TimeSplit"):
        TimeSplit(train=train)


def test_a_missing_root_says_what_is_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"<class>\.aedat"):
        WindowedRecordings(tmp_path / "nowhere")


def test_real_objects_give_windows_of_every_class(recordings):
    train, held, test = (dvs128_objects(recordings / "dvs128_objects", s) for s in ("train", "validation", "test"))
    for data, least in ((train, 80), (held, 10), (test, 25)):
        assert len(data.classes) == 5 and np.bincount(data.labels).min() >= least
        assert sum(data.dropped.values()) == 0
    latest = max(i.stop for i in train.items if i.label == 0)
    assert latest < min(i.start for i in held.items if i.label == 0)
    events, label = test[0]
    assert label == 0 and events.sensor_size == (128, 128, 2) and events.t[0] >= 0 and events.t[-1] < 200_000
    assert len(dvs128_objects(recordings / "dvs128_objects", "all")) > 800
