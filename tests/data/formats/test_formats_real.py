"""Real recordings, against expected decodes and against other readers (run as oracles, never copied)."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from neurosim.data.formats import NpzEvents, read_aedat4, read_events, read_nmnist_bin

SIZES = {
    "formats/evt2_sample.raw": (539481, (640, 480, 2)),
    "formats/evt3_sample.raw": (219596, (1280, 720, 2)),
    "formats/sample.aedat4": (111954, (320, 240, 2)),
    "formats/sample_ncars.dat": (2009, (304, 240, 2)),
    "formats/sample_nmnist.bin": (4325, (34, 34, 2)),
    "formats/sample_stmnist.mat": (2346, (10, 10, 2)),
    "formats/sample_aedat_header.aedat": (0, (346, 260, 2)),
}


@pytest.mark.parametrize("name", SIZES)
def test_sample_is_recognised(recordings, name):
    e = read_events(recordings / name)
    assert (len(e), e.sensor_size) == SIZES[name]


def test_evt3_equals_the_expected_decode(recordings):
    """x, y, p exactly; t exactly up to where the expected decode leaves the file's own time base.

    Ten times in this file EVT_TIME_LOW falls (0x32b, 0x320, no event between). The expected decode
    takes that for an overflow and adds 4096 us for good, so it ends 45 ms after the last EVT_TIME_HIGH word.
    """
    e = read_events(recordings / "formats" / "evt3_sample.raw")
    expected = np.load(recordings / "formats" / "evt3_sample_expected.npz")
    assert all(np.array_equal(getattr(e, c), expected[c]) for c in "xyp")
    ahead = expected["t"] - e.t
    assert np.all(ahead % 4096 == 0) and np.all(np.diff(ahead) >= 0)
    first = int(np.argmax(ahead > 0))
    assert first > 20_000 and np.array_equal(e.t[:first], expected["t"][:first])
    words = np.fromfile(recordings / "formats" / "evt3_sample.raw", "<u2", offset=166)
    highs = {int(w & 0xFFF) for w in words[words >> 12 == 8]}
    assert set((e.t >> 12).tolist()) == highs and not set((expected["t"] >> 12).tolist()) <= highs


@pytest.mark.parametrize(("name", "encoding"), [("evt2_sample.raw", "evt2"), ("sample_ncars.dat", "dat")])
def test_prophesee_files_equal_expelliarmus(recordings, name, encoding):
    expelliarmus = pytest.importorskip("expelliarmus", reason="the oracle expelliarmus is not installed")
    e = read_events(recordings / "formats" / name)
    expected = expelliarmus.Wizard(encoding=encoding).read(recordings / "formats" / name)
    assert all(np.array_equal(getattr(e, c), expected[c]) for c in "txyp")


@pytest.fixture
def tonic_io(monkeypatch):
    io = pytest.importorskip("tonic.io", reason="the oracle tonic is not installed")
    # tonic 1.7: its header reader returns three values where its DVS readers unpack two
    header = io.read_aedat_header_from_file
    monkeypatch.setattr(io, "read_aedat_header_from_file", lambda path: header(path)[:2])
    return io


def same(e, array):
    return all(np.array_equal(getattr(e, c), array[c]) for c in "txyp")


def test_nmnist_equals_tonic(recordings, tonic_io):
    path = recordings / "formats" / "sample_nmnist.bin"
    kind = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
    assert same(read_nmnist_bin(path), tonic_io.read_mnist_file(str(path), kind))


def test_aedat4_equals_tonic(recordings, tonic_io):
    path = recordings / "formats" / "sample.aedat4"
    assert same(read_aedat4(path), tonic_io.read_aedat4(str(path)))


def test_aedat31_equals_tonic(folder, tonic_io):
    from format_encoders import aedat3_header, aedat3_packet

    from neurosim.events import Events

    rng = np.random.default_rng(1)
    columns = np.sort(rng.integers(0, 99999, 500)), *rng.integers(0, 128, (2, 500)), rng.integers(0, 2, 500)
    e = Events(*columns, (128, 128, 2))
    path = folder / "gesture.aedat"
    path.write_bytes(aedat3_header() + aedat3_packet(e.take(slice(0, 300))) + aedat3_packet(e.take(slice(300, 500))))
    _, found = tonic_io.read_dvs_ibm(str(path))
    assert read_events(path) == e and same(e, found)


def test_real_aedat2_recordings_are_sorted_and_complete(recordings):
    files = sorted(recordings.glob("dvs128_*/*.aedat.gz"))
    assert len(files) >= 8
    for path in files:
        e = read_events(path)
        assert len(e) > 100_000 and e.sensor_size == (128, 128, 2) and 5e6 < e.duration < 60e6


def test_raw_nmnist_equals_the_npz(recordings, folder):
    samples = NpzEvents(recordings / "nmnist" / "val100.npz")
    with zipfile.ZipFile(recordings / "nmnist" / "raw_bs2_50.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".bs2")]
        for name in names:
            label, number = name.removesuffix(".bs2").split("/")
            path = folder / "one.bs2"
            path.write_bytes(archive.read(name))
            assert samples[int(number) - 901] == (read_events(path), int(label))
    assert len(names) == 50


def test_npz_with_text_labels(recordings):
    samples = NpzEvents(recordings / "letters_digits" / "presentation1.npz", (32, 32, 2))
    assert len(samples) == 36 and samples[0][1] == "X" and sum(len(e) for e, _ in samples) == 520844
