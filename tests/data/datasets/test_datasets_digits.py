"""`DigitsDVS`: shipped split, determinism, and that the digits can be told apart."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest

from neurosim.data.camera import EventCamera
from neurosim.data.datasets import DigitsDVS, EventDataset, load_split
from neurosim.errors import MissingExtraError, RangeError

pytest.importorskip("sklearn", reason="scikit-learn is not installed")


def test_the_shipped_split_covers_every_image_once_and_is_stratified():
    table = load_split("digits_dvs")
    parts = [DigitsDVS(split) for split in ("train", "validation", "test")]
    assert [len(p) for p in parts] == [1000, 297, 500] == [len(table[s]) for s in ("train", "validation", "test")]
    assert sorted(i for p in parts for i in p.ids) == list(range(1797))
    shares = np.array([np.bincount(p.labels, minlength=10) / len(p) for p in parts])
    assert np.ptp(shares, axis=0).max() < 0.005


def test_samples_are_the_same_on_every_call_and_differ_by_seed():
    data, other = DigitsDVS("test"), DigitsDVS("test", seed=1)
    assert isinstance(data, EventDataset)
    assert data[3] == DigitsDVS("test")[3] and data[3][0] != other[3][0]
    assert data[3][1] == data.labels[3] == other[3][1]
    assert data.key(3) == DigitsDVS("test").key(3) and isinstance(data.key(3), bytes)
    keys = {data.key(3), data.key(4), other.key(3), DigitsDVS("test", camera=EventCamera()).key(3)}
    assert len(keys) == 4
    assert len(DigitsDVS("train+validation")) == 1297


def test_recordings_have_the_shape_of_three_saccades():
    events, _ = DigitsDVS("train")[0]
    assert events.sensor_size == (32, 32, 2) and 1000 < len(events) < 10000
    assert events.t[0] >= 0 and 250_000 < events.t[-1] <= 300_000
    assert abs(events.p.mean() - 0.5) < 0.1  # what gets brighter gets dark again
    assert DigitsDVS("train", size=40)[0][0].sensor_size == (40, 40, 2)


def test_all_recordings_take_less_than_ten_seconds():
    data = DigitsDVS("train")
    assert data[0][1] in range(10)  # compiled
    start = time.process_time()
    for i in range(60):
        data[i]
    assert (time.process_time() - start) / 60 * 1797 < 10


def test_a_linear_classifier_on_counts_reads_the_digits():
    def counts(data):
        out = np.zeros((len(data), 3, 2, 32, 32))
        for n in range(len(data)):
            e, _ = data[n]
            np.add.at(out[n], (np.minimum(e.t // 100_000, 2), e.p, e.y, e.x), 1)
        return out.reshape(len(data), 3, 2, 8, 4, 8, 4).sum((4, 6)).reshape(len(data), -1)

    train, test = DigitsDVS("train"), DigitsDVS("validation")
    x, y = counts(train), np.eye(10)[train.labels]
    mean = x.mean(0)
    gram = (x - mean).T @ (x - mean) + 3e3 * np.eye(x.shape[1])
    weight = np.linalg.solve(gram, (x - mean).T @ (y - y.mean(0)))
    predicted = ((counts(test) - mean) @ weight + y.mean(0)).argmax(1)
    assert (predicted == test.labels).mean() > 0.9


def test_bad_arguments_are_named(monkeypatch):
    with pytest.raises(RangeError, match="Did you mean 'train'"):
        DigitsDVS("trian")
    with pytest.raises(RangeError, match=r"DigitsDVS\.size"):
        DigitsDVS(size=8)
    with pytest.raises(RangeError, match=r"DigitsDVS\.seed"):
        DigitsDVS(seed=-1)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    from neurosim.data.datasets import digits

    digits._digits.cache_clear()
    with pytest.raises(MissingExtraError, match=r"neurosim\[demo\]"):
        DigitsDVS()
