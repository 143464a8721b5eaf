"""Prophesee RAW: EVT 2.0 and EVT 3.0."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from format_encoders import encode_evt2, encode_evt3, events, evt_header
from hypothesis import given, settings

from neurosim.data.formats import read_evt2, read_evt3
from neurosim.errors import FormatError, NeurosimWarning, RangeError
from neurosim.events import Events

HD = (1280, 720, 2)
PLACED = [0x8000, 0x6000, 0x0000]  # time 0, row 0


def raw(path, words, dtype, header=None):
    path.write_bytes(evt_header("3.0" if dtype == "<u2" else "2.0", HD) if header is None else header)
    with path.open("ab") as file:
        file.write(np.array(words, dtype).tobytes())
    return path


@settings(deadline=None)
@given(events(size=HD, max_step=4_000_000, max_start=(1 << 24) - 1))
def test_evt3_round_trip_with_vectors_and_time_wraps(folder, e):
    path = folder / "a.raw"
    path.write_bytes(encode_evt3(e))
    assert read_evt3(path) == e


@settings(deadline=None)
@given(events(size=(40, 1, 2), max_step=3, max_events=200))
def test_evt3_round_trip_of_dense_rows(folder, e):
    path = folder / "b.raw"
    path.write_bytes(encode_evt3(e))
    assert read_evt3(path) == e


@settings(deadline=None)
@given(events(size=HD, max_step=1 << 32, max_start=(1 << 34) - 1))
def test_evt2_round_trip_with_time_wraps(folder, e):
    path = folder / "c.raw"
    path.write_bytes(encode_evt2(e))
    assert read_evt2(path) == e


def test_vector_covers_twelve_then_eight_columns(tmp_path):
    words = [*PLACED, 0x3000 | 1 << 11 | 100, 0x4FFF, 0x50FF, 0x4001]
    e = read_evt3(raw(tmp_path / "a.raw", words, "<u2"))
    assert e.x.tolist() == [*range(100, 121)] and set(e.p.tolist()) == {1}


def test_words_without_events_are_left_out(tmp_path):
    words = [*PLACED, 0xA000, 0xE000, 0xF000, 0x7000, 0x2005]
    assert read_evt3(raw(tmp_path / "a.raw", words, "<u2")).x.tolist() == [5]
    words = [0x80000000, 0xA0000000, 0xE0000000, 0xF0000000, 0x00000001]
    assert len(read_evt2(raw(tmp_path / "b.raw", words, "<u4"))) == 1


def test_big_endian_words(tmp_path):
    e = Events([70, 90], [3, 4], [5, 6], [1, 0], HD)
    body = encode_evt2(e, ">").replace(b"% end\n", b"% endianness big\n% end\n")
    path = tmp_path / "a.raw"
    path.write_bytes(body)
    assert read_evt2(path) == e


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (b"% evt 3.0\n% format EVT3;height=480;width=640\n", (640, 480, 2)),
        (b"% format EVT3;height=720;width=1280\n% end\n", HD),
        (b"% plugin_name hal_plugin_gen31_fx3\n", (640, 480, 2)),
        (b"% plugin_name hal_plugin_imx636_evk4\n", HD),
        (b"% sensor_generation 4.2\n", HD),
    ],
)
def test_sensor_size_comes_from_the_header(tmp_path, header, size):
    assert read_evt3(raw(tmp_path / "a.raw", [], "<u2", header)).sensor_size == size


def test_events_without_a_place_are_reported(tmp_path):
    path = raw(tmp_path / "a.raw", [0x2005, 0x0001, 0x3005, 0x4003, *PLACED, 0x2007], "<u2")
    with pytest.warns(NeurosimWarning, match="3 events before the first word"):
        assert read_evt3(path).x.tolist() == [7]
    with pytest.raises(FormatError, match="unplaced='drop'"):
        read_evt3(path, unplaced="error")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_evt3(path, unplaced="drop")) == 1
    path = raw(tmp_path / "b.raw", [1, 0x80000001, 2], "<u4")
    with pytest.raises(FormatError, match="1 events before"):
        read_evt2(path, unplaced="error")


def test_time_going_back_is_an_error_or_sorted(tmp_path):
    path = raw(tmp_path / "a.raw", [*PLACED, 0x6005, 0x2001, 0x6004, 0x2002], "<u2")
    with pytest.raises(FormatError, match=r"at least 5 us, got 4 us. Pass on_disorder='sort'"):
        read_evt3(path)
    e = read_evt3(path, on_disorder="sort")
    assert e.t.tolist() == [4, 5] and e.x.tolist() == [2, 1]
    vector = [*PLACED, 0x6005, 0x2001, 0x6004, 0x3002, 0x4001]
    with pytest.raises(FormatError, match="at least 5 us"):
        read_evt3(raw(tmp_path / "b.raw", vector, "<u2"))


def test_a_low_time_that_falls_without_events_between_is_harmless(tmp_path):
    # Gen 4.1 cameras send such pairs; the time base is not advanced by them
    e = read_evt3(raw(tmp_path / "a.raw", [*PLACED, 0x632B, 0x6320, 0x2001], "<u2"))
    assert e.t.tolist() == [0x320]


BAD3 = [
    ([*PLACED, 0x1000], "byte 69: expected a documented word type, got 0x1"),
    ([*PLACED, 0x2000 | 1280], "byte 69: expected x in 0..1279, got 1280"),
    ([*PLACED, 0x3000 | 1279, 0x4002], "byte 71: expected x in 0..1279, got 1280"),
    ([0x8000, 0x6000, 720], "byte 67: expected y in 0..719, got 720"),
]
BAD2 = [
    ([0x80000000, 0x20000000], "got 0x2"),
    ([0x80000000, 1280 << 11], "expected x in 0..1279, got 1280"),
    ([0x80000000, 720], "expected y in 0..719, got 720"),
    ([0x80000001, 1, 0x80000000, 1], "at least 64 us, got 0 us"),
]


@pytest.mark.parametrize(("words", "message"), BAD3)
def test_evt3_damage_is_named(tmp_path, words, message):
    with pytest.raises(FormatError, match=message):
        read_evt3(raw(tmp_path / "a.raw", words, "<u2"))


@pytest.mark.parametrize(("words", "message"), BAD2)
def test_evt2_damage_is_named(tmp_path, words, message):
    with pytest.raises(FormatError, match=message):
        read_evt2(raw(tmp_path / "a.raw", words, "<u4"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "zero bytes"),
        (b"% evt 2.1\n% geometry 10x10\n", "expected EVT 3.0, got EVT 2.1"),
        (b"% format EVT2;height=1;width=1\n", "expected EVT 3.0, got EVT 2.0"),
        (b"% evt 3.0\n", "Pass sensor_size="),
        (b"% evt 3.0\n% geometry 9999x9\n", "geometry within 2048x2048"),
        (evt_header("3.0", HD) + b"\0", "whole records of 2 bytes, got 1 bytes at the end"),
    ],
)
def test_evt3_bad_files(tmp_path, data, message):
    path = tmp_path / "a.raw"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=message):
        read_evt3(path)


def test_evt3_bad_arguments(tmp_path):
    path = raw(tmp_path / "a.raw", PLACED, "<u2")
    with pytest.raises(RangeError, match="unplaced"):
        read_evt3(path, unplaced="maybe")
    with pytest.raises(RangeError, match="on_disorder"):
        read_evt3(path, on_disorder="clip")
    with pytest.raises(RangeError, match="sensor_size"):
        read_evt3(path, (0, 1, 2))
    with pytest.raises(FileNotFoundError):
        read_evt3(tmp_path / "none.raw")
