"""The Tonic adapter: a small stand-in, and Tonic's own N-MNIST class where it is installed."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from neurosim.data.datasets import EventDataset
from neurosim.data.tonic import from_tonic
from neurosim.errors import FormatError, RangeError, ShapeError
from neurosim.events import Events

sys.path.append(str(Path(__file__).parent / "formats"))
FIELDS = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])


class Stand:
    """What a Tonic data set looks like from outside."""

    sensor_size = (8, 6, 2)
    classes = ("no", "yes")

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def sample(t=(5, 10), dtype=FIELDS):
    out = np.zeros(len(t), dtype)
    out["t"], out["x"], out["p"] = t, 3, 1
    return out


def test_items_become_events_and_labels():
    data = from_tonic(Stand([(sample(), 1), (sample((1, 2, 9)), np.int64(0))]))
    assert isinstance(data, EventDataset) and len(data) == 2
    assert (data.sensor_size, data.classes) == ((8, 6, 2), ("no", "yes"))
    assert data[0] == (Events([5, 10], [3, 3], [0, 0], [1, 1], (8, 6, 2)), 1)
    assert type(data[1][1]) is int
    assert data.key(0) == from_tonic(Stand([(sample(), 1)])).key(0) != data.key(1)


def test_events_out_of_order_are_sorted_and_a_line_sensor_needs_no_y():
    line = np.dtype([("t", int), ("x", int), ("p", int)])
    items = [(sample((10, 5), line), "yes")]
    events, label = from_tonic(Stand(items), sensor_size=(700, 1, 2))[0]
    assert label == 1 and events.t.tolist() == [5, 10] and events.y.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ({"b": 1, "a": 0, "c": 2}, ("a", "b", "c")),
        (np.array([b"null", b"eins"]), ("null", "eins")),
        (["0 - zero", "1 - one"], ("0 - zero", "1 - one")),
    ],
)
def test_class_names_come_in_tonic_s_ways(source, names):
    stand = Stand([])
    stand.classes = source
    assert from_tonic(stand).classes == names


@pytest.mark.parametrize(("targets", "names"), [([0, 2, 2], ("0", "1", "2")), (["owl", "ant", "owl"], ("ant", "owl"))])
def test_without_class_names_the_targets_count(targets, names):
    stand = Stand([])
    stand.classes, stand.targets = None, targets
    assert from_tonic(stand).classes == names


@pytest.mark.parametrize(
    ("item", "error", "match"),
    [
        ((np.zeros((4, 2, 6, 8)), 1), ShapeError, r"sample 0: must be a structured array.*ndarray float64"),
        (([1, 2], 1), ShapeError, "got list"),
        ((sample(), 2), RangeError, r"label must be in 0\.\.1, got 2"),
        ((sample(), "maybe"), FormatError, "'maybe' is not one of"),
        ((sample(), 1.5), FormatError, "integer or name"),
        ((sample(dtype=np.dtype([("t", int), ("p", int), ("x", "i4")]))[["t", "p"]], 1), ShapeError, "missing"),
    ],
)
def test_bad_items_are_named(item, error, match):
    with pytest.raises(error, match=match):
        from_tonic(Stand([item]))[0]


def test_a_source_without_size_or_classes_needs_them():
    with pytest.raises(RangeError, match="sensor_size"):
        from_tonic([(sample(), 0)])
    with pytest.raises(RangeError, match="classes"):
        from_tonic([(sample(), 0)], sensor_size=(8, 6, 2))


def test_tonic_s_own_nmnist_class_plugs_in_offline(tmp_path, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datasets = pytest.importorskip("tonic.datasets", reason="tonic is not installed")
    from format_encoders import encode_nmnist

    recording = Events([3, 900, 70_000], [1, 33, 5], [0, 20, 33], [1, 0, 1], (34, 34, 2))
    for digit in (2, 7):
        folder = tmp_path / "NMNIST" / "Test" / str(digit)
        folder.mkdir(parents=True)
        (folder / "00001.bin").write_bytes(encode_nmnist(recording))
    # It demands the archive and 10000 files; the reading itself is offline.
    monkeypatch.setattr(datasets.NMNIST, "_check_exists", lambda self: True)
    data = from_tonic(datasets.NMNIST(str(tmp_path), train=False))
    assert len(data) == 2 and data.classes[2] == "2 - two"
    assert [data[i] for i in range(2)] == [(recording, 2), (recording, 7)]
