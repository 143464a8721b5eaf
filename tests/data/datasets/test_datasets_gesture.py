"""`DVSGesture` on small recordings in the genuine format."""

from __future__ import annotations

import numpy as np
import pytest
from format_encoders import aedat3_header, aedat3_packet

from neurosim.data.datasets import DVSGesture, MissingDataError, load_split
from neurosim.errors import FormatError, RangeError
from neurosim.events import Events

HELD_OUT = load_split("dvs_gesture")["validation_users"][0]
TRAIN, TEST = "user01_fluorescent", "user24_led"


def write_recording(folder, name, events, rows):
    (folder / f"{name}.aedat").write_bytes(aedat3_header() + aedat3_packet(events))
    lines = ["class,startTime_usec,endTime_usec", *(",".join(map(str, row)) for row in rows)]
    (folder / f"{name}_labels.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def recording():
    """Four seconds, one event per millisecond."""
    t = np.arange(1_000_000, 5_000_000, 1000)
    return Events(t, t // 1000 % 128, t // 1000 % 100, t // 1000 % 2, (128, 128, 2))


@pytest.fixture
def root(tmp_path, recording):
    gestures = [(1, 1_000_000, 2_000_000), (8, 2_100_000, 4_900_000), (11, 4_900_000, 5_000_000)]
    for name in (TRAIN, f"{HELD_OUT}_natural", TEST):
        write_recording(tmp_path, name, recording, gestures)
    (tmp_path / "trials_to_train.txt").write_text(f"{TRAIN}.aedat\n{HELD_OUT}_natural.aedat\n")
    (tmp_path / "trials_to_test.txt").write_text(f"{TEST}.aedat\n")
    return tmp_path


def test_each_labelled_gesture_is_a_sample_counted_from_its_start(root, recording):
    data = DVSGesture(root)
    assert data.labels.tolist() == [0, 7, 10] and data.classes[7] == "arm roll"
    events, label = data[1]
    part = recording.between(2_100_000, 4_900_000)
    assert label == 7 and np.array_equal(events.t, part.t - 2_100_000) and np.array_equal(events.x, part.x)
    assert len({data.key(i) for i in range(3)}) == 3


def test_nobody_is_in_two_splits(root):
    groups = [set(DVSGesture(root, s).groups) for s in ("train", "validation", "test")]
    assert groups == [{"user01"}, {HELD_OUT}, {"user24"}]
    assert len(DVSGesture(root, "train+validation")) == 6


def test_gestures_can_be_cut_to_their_first_seconds(root):
    data, whole = DVSGesture(root, max_duration=1.5), DVSGesture(root)
    assert [len(data[i][0]) for i in range(3)] == [1000, 1500, 100]
    assert data.key(1) != whole.key(1) and data.key(0) == whole.key(0)


def test_the_folder_above_may_be_the_root(root, tmp_path_factory):
    above = tmp_path_factory.mktemp("above")
    (above / "DvsGesture").symlink_to(root)
    assert len(DVSGesture(above)) == 3


@pytest.mark.parametrize(
    ("row", "error", "match"),
    [
        ("12,0,10", RangeError, r"labels\.csv, line 2: class must be in 1\.\.11, got 12"),
        ("0,0,10", RangeError, "got 0"),
        ("1,10,10", RangeError, r"line 2: must have 0 <= start < end"),
        ("1,10", FormatError, "line 2: must be three integers"),
        ("a,1,2", FormatError, "must be three integers"),
    ],
)
def test_bad_labels_are_named_by_file_and_line(root, row, error, match):
    (root / f"{TRAIN}_labels.csv").write_text(f"class,startTime_usec,endTime_usec\n{row}\n")
    with pytest.raises(error, match=match):
        DVSGesture(root)


def test_other_columns_are_an_error(root):
    (root / f"{TRAIN}_labels.csv").write_text("start,end\n1,2\n")
    with pytest.raises(FormatError, match="got start,end"):
        DVSGesture(root)


def test_missing_files_are_named(root, tmp_path_factory):
    with pytest.raises(MissingDataError, match=r"trials_to_train\.txt"):
        DVSGesture(tmp_path_factory.mktemp("empty"))
    (root / f"{TRAIN}.aedat").unlink()
    with pytest.raises(MissingDataError, match=rf"{TRAIN}\.aedat"):
        DVSGesture(root)


def test_bad_arguments_are_named(root):
    with pytest.raises(RangeError, match="max_duration"):
        DVSGesture(root, max_duration=0)
    with pytest.raises(RangeError, match=r"DVSGesture\.split"):
        DVSGesture(root, "dev")
