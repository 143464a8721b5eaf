"""Formats of fixed records: N-MNIST, DAT, AEDAT 2.0 and 3.1."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from format_encoders import (
    aedat3_header,
    aedat3_packet,
    encode_aedat2,
    encode_dat,
    encode_nmnist,
    events,
)
from hypothesis import given
from hypothesis import strategies as st

from neurosim.data.formats import read_aedat2, read_aedat31, read_dat, read_nmnist_bin
from neurosim.errors import FormatError, RangeError
from neurosim.events import Events

DVS = (128, 128, 2)


def put(folder, data, name="a.bin"):
    path = folder / name
    path.write_bytes(data)
    return path


# N-MNIST


@given(events(max_step=1000).filter(len))
def test_nmnist_round_trip(folder, e):
    assert read_nmnist_bin(put(folder, encode_nmnist(e))) == e


def test_nmnist_overflow_records_advance_the_time(tmp_path):
    data = bytes([1, 2, 0, 0, 9, 0, 240, 0, 0, 0, 3, 4, 128, 0, 1, 0, 240, 0, 0, 0, 5, 6, 0, 0, 2])
    e = read_nmnist_bin(put(tmp_path, data), (240, 180, 2))
    assert e.t.tolist() == [9, 8193, 16386] and e.x.tolist() == [1, 3, 5] and e.p.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "zero bytes"),
        (b"\0" * 7, "byte 5: expected whole records of 5 bytes, got 2 bytes at the end"),
        (bytes([0, 240, 0, 0, 0, 34, 0, 0, 0, 0]), "byte 5: expected x in 0..33, got 34"),
        (bytes([0, 0, 0, 0, 5, 0, 0, 0, 0, 4]), "byte 5: expected a timestamp of at least 5 us, got 4"),
    ],
)
def test_nmnist_bad_files(tmp_path, data, message):
    with pytest.raises(FormatError, match=message):
        read_nmnist_bin(put(tmp_path, data))


def test_nmnist_sorts_when_asked(tmp_path):
    path = put(tmp_path, bytes([0, 0, 0, 0, 5, 1, 0, 0, 0, 4]))
    assert read_nmnist_bin(path, on_disorder="sort").x.tolist() == [1, 0]
    with pytest.raises(RangeError, match="on_disorder"):
        read_nmnist_bin(path, on_disorder="clip")


# DAT


@given(events(size=(304, 240, 2), max_step=(1 << 31) - 1, max_start=(1 << 32) - 1), st.sampled_from([1, 2]))
def test_dat_round_trip_with_time_wraps(folder, e, version):
    assert read_dat(put(folder, encode_dat(e, version))) == e


def test_dat_without_a_size_is_an_atis(tmp_path):
    e = Events([1], [303], [239], [1], (304, 240, 2))
    assert read_dat(put(tmp_path, encode_dat(e, header=False))) == e


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0\0", "header line that starts with '%'"),
        (b"% Version 3\n\x0c\x08", "Version: expected 1 or 2, got '3'"),
        (b"% Version 2\n\x0e\x08", "event type in"),
        (b"% Version 2\n", "event type in"),
        (b"% Version 2\n% Width x\n\x00\x08", "two numbers"),
        (b"% Version 2\n\x00\x08\0\0\0\0\0\0\0\x20", "byte 14: expected p in 0..1, got 2"),
        (b"% Version 2\n\x00\x08\0\0\0", "got 3 bytes at the end"),
    ],
)
def test_dat_bad_files(tmp_path, data, message):
    with pytest.raises(FormatError, match=message):
        read_dat(put(tmp_path, data))


# AEDAT 2.0


@given(events(size=DVS, max_step=(1 << 31) - 1, max_start=(1 << 32) - 1))
def test_aedat2_round_trip_with_time_wraps(folder, e):
    assert read_aedat2(put(folder, encode_aedat2(e))) == e


@given(events(size=(346, 260, 2)))
def test_aedat2_davis_round_trip_gzip(folder, e):
    assert read_aedat2(put(folder, gzip.compress(encode_aedat2(e, "Davis346red"), 1))) == e


def test_aedat2_layouts_turn_the_same_address(tmp_path):
    path = put(tmp_path, encode_aedat2(Events([0], [10], [20], [1], DVS)))
    found = {}
    for layout in ("dvs128", "jaer_dvs128", "cifar10dvs"):
        e = read_aedat2(path, layout=layout)
        found[layout] = (int(e.x[0]), int(e.y[0]), int(e.p[0]))
    assert found == {"dvs128": (10, 20, 1), "jaer_dvs128": (117, 20, 0), "cifar10dvs": (107, 117, 0)}


def test_aedat2_leaves_out_what_is_no_pixel_event(tmp_path):
    pairs = np.array([[0x8000, 1], [0x0002, 2]], ">u4").tobytes()
    assert read_aedat2(put(tmp_path, b"#!AER-DAT2.0\r\n" + pairs)).x.tolist() == [1]
    davis = b"#!AER-DAT2.0\r\n# AEChip: eu.Davis240C\r\n"
    pairs = np.array([[1 << 31, 1], [1 << 10, 2], [3 << 12 | 2 << 22, 3]], ">u4").tobytes()
    e = read_aedat2(put(tmp_path, davis + pairs))
    assert e.x.tolist() == [3] and e.sensor_size == (240, 180, 2)


def test_aedat2_data_may_begin_with_the_header_mark(tmp_path):
    davis = b"#!AER-DAT2.0\r\n# AEChip: eu.Davis346\r\n"
    address = ord("#") << 24
    e = read_aedat2(put(tmp_path, davis + struct.pack(">II", address, 10) + struct.pack(">II", address, 11)))
    assert e.t.tolist() == [10, 11] and set(e.y.tolist()) == {address >> 22}


HEAD2 = b"#!AER-DAT2.0\r\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"#!AER-DAT3.1\r\n", "expected #!AER-DAT2.0"),
        (b"\0" * 8, "expected #!AER-DAT2.0"),
        (HEAD2 + b"# AEChip: a.Cochlea\r\n", "Pass layout="),
        (HEAD2 + b"\0" * 9, "byte 22: expected whole records of 8 bytes, got 1"),
        (HEAD2 + struct.pack(">II", 0x10000, 0), "byte 14: expected a 16-bit DVS128 address, got 0x10000"),
        (HEAD2 + struct.pack(">IIII", 0, 9, 0, 8), "byte 22: expected a timestamp of at least 9 us, got 8 us"),
        (gzip.compress(HEAD2)[:-4], "intact gzip data"),
        (gzip.compress(b""), "zero bytes"),
        (gzip.compress(b"\0" * 10_000_000), "bytes unpacked"),
    ],
)
def test_aedat2_bad_files(tmp_path, data, message):
    with pytest.raises(FormatError, match=message):
        read_aedat2(put(tmp_path, data))


def test_aedat2_bad_arguments_and_negative_times(tmp_path):
    path = put(tmp_path, HEAD2 + struct.pack(">IIII", 0, 0, 0, 0xFFFFFFFF))
    with pytest.raises(RangeError, match="Did you mean 'dvs128'"):
        read_aedat2(path, layout="dvs12")
    with pytest.raises(FormatError, match="none below 0 us, got -1 us"):
        read_aedat2(path, on_disorder="sort")


# AEDAT 3.1


@given(st.lists(events(size=DVS, max_start=1 << 30), max_size=4), st.integers(0, 3))
def test_aedat31_round_trip_with_overflow(folder, packets, overflow):
    base, moved = overflow << 31, []
    for e in packets:
        moved.append(Events(e.t + base, e.x, e.y, e.p, DVS))
        base += 1 << 31  # every packet after the next overflow of the 31-bit counter
    data = aedat3_header() + b"".join(aedat3_packet(e) for e in moved)
    whole = read_aedat31(put(folder, data), sensor_size=DVS)
    assert whole == Events(*(np.concatenate([[], *(getattr(e, c) for e in moved)]) for c in "txyp"), DVS)


def test_aedat31_skips_invalid_events_and_other_packets(tmp_path):
    e = Events([1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 0, 1], DVS)
    data = aedat3_header() + aedat3_packet(e, kind=0) + aedat3_packet(e, valid=[1, 0, 1])
    assert read_aedat31(put(tmp_path, data)) == e.take([0, 2])


def test_aedat31_asks_which_camera(tmp_path):
    e = Events([1], [4], [7], [1], DVS)
    path = put(tmp_path, aedat3_header() + aedat3_packet(e) + aedat3_packet(e.take([]), source=2))
    with pytest.raises(FormatError, match="Choose one with source="):
        read_aedat31(path)
    assert read_aedat31(path, source=1) == e
    with pytest.raises(FormatError, match="polarity events of source 5"):
        read_aedat31(path, source=5)


ONE = aedat3_packet(Events([1], [4], [7], [1], DVS))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"#!AER-DAT2.0\r\n", "expected #!AER-DAT3.1"),
        (b"#!AER-DAT3.1\r\n", "header line #!END-HEADER"),
        (aedat3_header().replace(b"RAW", b"PNG"), "#Format: expected RAW, got 'PNG'"),
        (aedat3_header("Cochlea") + ONE, "Pass sensor_size="),
        (aedat3_header() + ONE[:20], "a packet header of 28 bytes, got 20"),
        (aedat3_header() + ONE[:-1], "a packet that fits into the file"),
        (aedat3_header() + struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, 0, -1, 0), "fits into the file, got -1 events"),
        (aedat3_header() + struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, 0, 2**31 - 1, 0), "fits into the file"),
        (aedat3_header() + struct.pack("<hhiiiiii", 1, 1, 12, 4, 0, 0, 0, 0), "polarity events of 8 bytes"),
        (aedat3_header() + ONE[:-4] + b"\xff" * 4, "a timestamp of 31 bits"),
        (aedat3_header() + aedat3_packet(Events([1], [130], [7], [1], (200, 200, 2))), "expected x in 0..127, got 130"),
    ],
)
def test_aedat31_bad_files(tmp_path, data, message):
    with pytest.raises(FormatError, match=message):
        read_aedat31(put(tmp_path, data))
