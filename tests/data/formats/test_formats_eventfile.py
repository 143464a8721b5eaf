"""neurosim's own HDF5 file of recordings: round trip, atomic writing, named damage."""

from __future__ import annotations

import os
import pickle

import h5py
import pytest
from format_encoders import events
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.data.formats import EventFile, read_events, write_events
from neurosim.errors import FormatError, RangeError, ShapeError
from neurosim.events import Events

SMALL = Events([1, 5], [3, 33], [4, 0], [1, 0], (34, 34, 2))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(events(), st.integers(-5, 9)), max_size=5))
def test_own_file_round_trip(folder, rows):
    path = folder / "own.h5"
    write_events(path, (e for e, _ in rows), labels=[label for _, label in rows], sensor_size=(34, 34, 2))
    with EventFile(path) as found:
        assert list(found) == rows and found.sensor_size == (34, 34, 2)


def test_own_file_text_labels_no_labels_and_pickling(tmp_path):
    path = tmp_path / "a.h5"
    write_events(path, [SMALL, SMALL.take([0])], labels=["zero", "\u00fcber"])
    with EventFile(path) as file:
        assert file[-1] == (SMALL.take([0]), "\u00fcber")
        with pickle.loads(pickle.dumps(file)) as copy:
            assert copy[0] == (SMALL, "zero")
        with pytest.raises(IndexError, match=r"index 2 is outside 0..1"):
            file[2]
        with pytest.raises(TypeError, match="index must be an integer"):
            file["0"]
    write_events(path, SMALL)
    assert read_events(path) == SMALL
    with EventFile(path) as file:
        assert file[0][1] is None and file.labels is None


def test_writing_is_atomic(tmp_path):
    path = tmp_path / "a.h5"
    write_events(path, SMALL)
    before = path.read_bytes()

    def broken():
        yield SMALL
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_events(path, broken())
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.h5"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([SMALL, Events.empty((2, 2, 2))],), ShapeError, "recording 1 must be of sensor"),
        (([],), RangeError, "sensor_size: must be given"),
        (([SMALL], [1, 2]), ShapeError, r"one entry per recording \(1\), got 2"),
        (([SMALL], [1.5]), RangeError, "all integers or all text"),
        (([SMALL], None, (0, 1, 1)), RangeError, "sensor_size"),
    ],
)
def test_writing_bad_arguments(tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        write_events(tmp_path / "a.h5", *arguments)
    assert os.listdir(tmp_path) == []


def _change(name, value):
    def change(file):
        if name.startswith("@"):
            file.attrs[name[1:]] = value
        else:
            del file[name]
            file[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change("@format", "other"), "attribute format"),
        (_change("@version", 2), "attribute version: expected 1, got"),
        (_change("@t_unit", "s"), "attribute t_unit"),
        (_change("@sensor_size", [0, 1, 2]), "sensor_size"),
        (_change("@sensor_size", "big"), "sensor_size"),
        (_change("index_ptr", [0, 3]), "/index_ptr: expected rows that rise from 0 to 2"),
        (_change("index_ptr", [0, 2, 1, 2]), "/index_ptr"),
        (_change("index_ptr", [0.0, 2.0]), "expected integers, got float64"),
        (_change("x", [1]), "dataset /x: expected 2 integers"),
        (_change("x", [1, 34]), "row 1: expected x in 0..33, got 34"),
        (_change("t", [5, 1]), "row 1: expected a timestamp of at least 5 us"),
        (_change("t", [-5, 1]), "none below 0 us"),
        (_change("p", [[1, 0]]), "expected one dimension"),
        (_change("labels", [1, 2]), "expected 1 labels, got 2"),
        (_change("x", h5py.ExternalLink("/etc/passwd", "/x")), "a link to another file"),
        (lambda file: file.pop("y"), "no such dataset"),
    ],
)
def test_own_file_damage_is_named(tmp_path, change, message):
    path = tmp_path / "a.h5"
    write_events(path, SMALL, labels=[1])
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(FormatError, match=message), EventFile(path) as found:
        list(found)


def test_a_huge_shape_allocates_nothing(tmp_path):
    path = tmp_path / "a.h5"
    write_events(path, SMALL)
    with h5py.File(path, "r+") as file:
        for name in ("t", "x", "y", "p"):
            file[name].resize((1 << 40,))
        file["index_ptr"][1] = 1 << 40
    with pytest.raises(FormatError, match="expected at most"), EventFile(path) as found:
        found[0]


def test_own_file_needs_checksums_in_its_metadata(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["format"] = "neurosim-events"
    with pytest.raises(FormatError, match=r"superblock in \(2, 3\), got 0. Write it again"):
        EventFile(tmp_path / "a.h5")
