"""`Events`: sorted, inside the sensor, unchanged by a round trip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.errors import RangeError, ShapeError
from neurosim.events import Events

SIZE = (4, 3, 2)


def make(t=(0, 5, 5, 9), x=(0, 1, 2, 3), y=(0, 1, 2, 0), p=(0, 1, 0, 1), size=SIZE):
    return Events(t=t, x=x, y=y, p=p, sensor_size=size)


@st.composite
def recordings(draw):
    n = draw(st.integers(0, 30))
    columns = [draw(st.lists(st.integers(0, m - 1), min_size=n, max_size=n)) for m in SIZE]
    return Events(sorted(draw(st.lists(st.integers(0, 2**40), min_size=n, max_size=n))), *columns, SIZE)


@given(recordings())
def test_structured_arrays_round_trip(events):
    assert Events.from_structured(events.to_structured(), SIZE) == events


@given(recordings(), st.integers(0, 2**40), st.integers(0, 2**40))
def test_parts_of_a_recording_make_up_the_whole(events, a, b):
    a, b = sorted((a, b))
    parts = [events.between(0, a), events.between(a, b), events.between(b, 2**41)]
    assert np.array_equal(np.concatenate([q.t for q in parts]), events.t)
    assert all(a <= t < b for t in parts[1].t)


def test_columns_have_their_types_and_the_recording_its_length():
    e = make()
    assert [c.dtype for c in (e.t, e.x, e.y, e.p)] == [np.int64, np.uint16, np.uint16, np.uint8]
    assert (len(e), e.duration, repr(e)) == (4, 9, "Events(4 events, 4x3x2, 0..9 us)")


def test_whole_floats_and_booleans_are_accepted():
    assert make(t=np.array([0.0, 5.0, 5.0, 9.0]), p=np.array([False, True, False, True])) == make()


def test_empty_recordings_are_recordings():
    e = Events.empty(SIZE)
    assert (len(e), e.duration, repr(e)) == (0, 0, "Events(0 events, 4x3x2, empty)")
    assert e.from_zero() == e == e.between(0, 5)


def test_from_zero_moves_only_time():
    e = make(t=(7, 8, 9, 10)).from_zero()
    assert e.t.tolist() == [0, 1, 2, 3]
    assert e.x.tolist() == [0, 1, 2, 3]


def test_take_follows_a_mask():
    e = make()
    assert e.take(e.p == 1).t.tolist() == [5, 9]
    assert e != e.take(slice(1))
    assert e != 3


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"t": (0, 5, 4, 9)}, RangeError, "must not decrease, got 4 us after 5 us at index 2"),
        ({"t": (-1, 0, 0, 0)}, RangeError, "must not be negative, got -1 us"),
        ({"t": (0.5, 1, 2, 3)}, RangeError, "whole numbers"),
        ({"t": (0, 1, 2, float("nan"))}, RangeError, "whole numbers"),
        ({"x": (0, 1, 2, 4)}, RangeError, r"Events\.x: must be in 0\.\.3 on this sensor, got 4 at index 3"),
        ({"y": (0, -1, 2, 0)}, RangeError, r"Events\.y: must be in 0\.\.2"),
        ({"p": (0, 1, 0, 2)}, RangeError, r"Events\.p: must be in 0\.\.1"),
        ({"x": (0, 1)}, ShapeError, r"one entry per timestamp \(4\), got 2"),
        ({"x": np.zeros((2, 2))}, ShapeError, "one-dimensional"),
        ({"x": ("a", "b", "c", "d")}, ShapeError, "integer array"),
        ({"size": (4, 3)}, RangeError, "sensor_size"),
        ({"size": (0, 3, 2)}, RangeError, "sensor_size"),
        ({"size": (70_000, 3, 2)}, RangeError, "sensor_size"),
    ],
)
def test_bad_columns_are_named_with_their_index(changes, error, message):
    with pytest.raises(error, match=message):
        make(**changes)


def test_a_structured_array_without_a_field_is_refused():
    with pytest.raises(ShapeError, match=r"fields \['p'\] are missing"):
        Events.from_structured(np.zeros(2, [("t", "i8"), ("x", "i2")]), SIZE)


def test_a_line_sensor_needs_no_rows():
    line = np.zeros(2, [("t", "i8"), ("x", "i2"), ("p", "?")])
    assert Events.from_structured(line, (4, 1, 2)).y.tolist() == [0, 0]
