"""Library formats and files of many recordings: foreign HDF5, SHD, npz, ST-MNIST, and `read_events`."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
from format_encoders import (
    aedat3_header,
    aedat3_packet,
    encode_aedat2,
    encode_dat,
    encode_evt2,
    encode_evt3,
    encode_nmnist,
    events,
    write_npz,
    write_shd,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.data.formats import (
    NpzEvents,
    SHDFile,
    _isolated,
    read_aedat4,
    read_events,
    read_hdf5,
    read_npz,
    read_stmnist,
)
from neurosim.errors import FormatError, RangeError
from neurosim.events import Events

SMALL = Events([1, 5], [3, 33], [4, 0], [1, 0], (34, 34, 2))


# other HDF5


def test_hdf5_layouts(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name in "txyp":
            file[f"events/{name}"] = getattr(SMALL, name)
        file["t_offset"] = 100
        file.attrs["geometry"] = "34x34"
    e = read_events(path)
    assert e.t.tolist() == [101, 105] and e.x.tolist() == [3, 33]
    table = np.array([(3, 4, 1, 1), (33, 0, -1, 5)], [("x", "u2"), ("y", "u2"), ("p", "i2"), ("t", "i8")])
    with h5py.File(path, "w") as file:
        file["CD/events"] = table
        file.attrs["width"], file.attrs["height"] = 34, 34
    assert read_hdf5(path) == SMALL
    with h5py.File(path, "w") as file:
        for name in "xyp":
            file[f"events/{name}"] = getattr(SMALL, name)
        file["events/t"] = SMALL.t * 1e-6
    assert read_hdf5(path, (34, 34, 2), t_unit="s") == SMALL
    with pytest.raises(FormatError, match="Pass sensor_size="):
        read_hdf5(path, t_unit="s")
    with pytest.raises(FormatError, match="Pass t_unit="):
        read_hdf5(path, (34, 34, 2))
    with pytest.raises(RangeError, match="t_unit"):
        read_hdf5(path, t_unit="h")


def test_hdf5_blosc_needs_hdf5plugin(tmp_path):
    hdf5plugin = pytest.importorskip("hdf5plugin")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name in "txyp":
            file.create_dataset(f"events/{name}", data=getattr(SMALL, name), **hdf5plugin.Blosc())
    code = (
        f"import sys; from neurosim.data.formats import read_events as r; print(len(r({str(path)!r}, None, (34,34,2))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"


def test_hdf5_ecf_is_refused_by_name(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((4,))
        plist.set_filter(0x8ECF, h5py.h5z.FLAG_OPTIONAL)
        kind = h5py.h5t.py_create(np.dtype([("x", "u2"), ("y", "u2"), ("p", "i2"), ("t", "i8")]))
        h5py.h5d.create(file.create_group("CD").id, b"events", kind, h5py.h5s.create_simple((4,)), plist)
    with pytest.raises(FormatError, match=r"ECF codec \(0x8ECF\). Convert it"):
        read_events(path, sensor_size=(34, 34, 2))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda f: f.create_group("other"), "one of \\('CD/events', 'events'\\)"),
        (lambda f: f.create_dataset("spikes/times", data=[1.0]), "Use SHDFile"),
        (lambda f: f.create_dataset("events", data=[1.0]), "fields t, x, y, p"),
        (lambda f: f.create_group("events"), "dataset /events/t: expected it to exist"),
    ],
)
def test_hdf5_unknown_layouts(tmp_path, build, message):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        build(file)
    with pytest.raises(FormatError, match=message):
        read_hdf5(path, (34, 34, 2))


# SHD


@settings(max_examples=8, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 699)), max_size=30), min_size=1, max_size=4))
def test_shd_round_trip(folder, rows):
    path = folder / "shd.h5"
    samples = [(np.sort([t for t, _ in row]) * 1e-6, [u for _, u in row]) for row in rows]
    write_shd(path, samples, range(len(rows)), "f8")
    with SHDFile(path) as file:
        assert len(file) == len(rows) and file.class_names == ("zero", "one")
        for (e, label), (t, unit), i in zip(file, samples, range(len(rows)), strict=True):
            assert label == i and e.sensor_size == (700, 1, 1)
            assert np.array_equal(e.t, np.rint(t * 1e6)) and e.x.tolist() == unit


@pytest.mark.parametrize(
    ("times", "units", "message"),
    [
        ([0.2, 0.1], [1, 2], "sample 0, spike 1: expected a timestamp of at least"),
        ([0.1], [700], "expected x in 0..699, got 700"),
        ([np.nan], [1], "finite times"),
        ([-1.0], [1], "none below 0 us"),
        ([0.1, 0.2], [1], "one unit per time"),
    ],
)
def test_shd_bad_samples(tmp_path, times, units, message):
    write_shd(tmp_path / "a.h5", [(times, units)], [0], "f2")
    with SHDFile(tmp_path / "a.h5") as file, pytest.raises(FormatError, match=message):
        file[0]


def test_shd_sorts_when_asked_and_refuses_other_files(tmp_path):
    path = tmp_path / "a.h5"
    write_shd(path, [([0.2, 0.1], [1, 2])], [0])
    with SHDFile(path, on_disorder="sort") as file:
        assert file[0][0].x.tolist() == [2, 1]
    with pytest.raises(RangeError, match="on_disorder"):
        SHDFile(path, on_disorder="clip")
    with h5py.File(path, "r+") as file:
        del file["spikes/units"]
    with pytest.raises(FormatError, match="dataset /spikes/units"):
        SHDFile(path)
    path.write_bytes(b"no")
    with pytest.raises(FormatError, match="the HDF5 signature"):
        SHDFile(path)


# npz


@settings(max_examples=30, deadline=None)
@given(st.lists(events(), max_size=4))
def test_npz_round_trip(folder, rows):
    path = folder / "a.npz"
    write_npz(path, rows, np.arange(len(rows)))
    assert read_npz(path) == list(zip(rows, range(len(rows)), strict=True))


def _npz(path, **changes):
    arrays = {"x": [1, 2], "y": [1, 2], "p": [0, 1], "dt": [1, 2], "offsets": [0, 2], "labels": [3], **changes}
    np.savez(path, **{k: np.asarray(v) for k, v in arrays.items() if v is not None})
    return path


def test_npz_access(tmp_path):
    path = _npz(tmp_path / "a.npz")
    file = NpzEvents(path)
    assert file[-1][1] == 3 and file[0][0].t.tolist() == [1, 3] and read_events(path) == file[0][0]
    with pytest.raises(IndexError, match="index 1 is outside"):
        file[1]
    with pytest.raises(TypeError, match="index must be an integer"):
        file[1.0]
    with pytest.raises(FormatError, match="Use NpzEvents"):
        read_events(_npz(path, offsets=[0, 1, 2], labels=[1, 2]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offsets": None}, r"expected arrays \['offsets'\]"),
        ({"offsets": [0, 3]}, "rows that rise from 0 to 2"),
        ({"offsets": [[0, 2]]}, "offsets.npy: expected one row"),
        ({"x": [1]}, "x, y, p, dt of equal length"),
        ({"x": [1.5, 2.0]}, "x.npy: expected one row of kind 'iu'"),
        ({"labels": [1, 2]}, "labels.npy: expected 1 entries, got 2"),
        ({"labels": np.array([object()])}, "labels.npy"),
        ({"x": [1, 34]}, "event 1: expected x in 0..33, got 34"),
        ({"dt": [1, -2]}, "event 1: expected a timestamp"),
    ],
)
def test_npz_bad_files(tmp_path, changes, message):
    with pytest.raises(FormatError, match=message):
        read_npz(_npz(tmp_path / "a.npz", **changes))


def test_npz_header_that_claims_more_than_there_is(tmp_path):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (1 << 60,)})
    path = _npz(tmp_path / "a.npz", x=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x.npy", stream.getvalue())
    with pytest.raises(FormatError, match=r"x.npy: expected one row of kind 'iu' that fills the array"):
        read_npz(path)


# ST-MNIST and AEDAT 4


def test_stmnist_round_trip_and_bad_files(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    path, table = tmp_path / "a.mat", np.zeros((101, 2))
    table[-1], table[23, 0], table[99, 1] = [0.5, 0.25], 1, -1

    def save(**variables):
        scipy_io.savemat(path, variables)
        return path

    e = read_events(save(spiketrain=table), on_disorder="sort")
    assert e == Events([250000, 500000], [9, 3], [9, 2], [0, 1], (10, 10, 2))
    for variables, message in [
        ({"spiketrain": table}, "column 1: expected a timestamp of at least 500000 us"),
        ({"spiketrain": table[1:]}, "101 rows of float"),
        ({"spiketrain": 2 * table}, "-1, 0 or 1"),
        ({"spiketrain": np.where(table == 0.5, np.inf, table)}, "finite times"),
        ({"other": table}, "intact MATLAB data, got KeyError"),
    ]:
        with pytest.raises(FormatError, match=message):
            read_stmnist(save(**variables))
    path.write_bytes(b"MATLAB 7.3")
    with pytest.raises(FormatError, match=r"a MATLAB 5.0 file"):
        read_stmnist(path)


def test_a_decoder_that_crashes_or_hangs_is_a_format_error(tmp_path, monkeypatch):
    path, script = tmp_path / "a.h5", tmp_path / "child.py"
    path.write_bytes(b"\x89HDF\r\n\x1a\n\0")
    monkeypatch.setattr(_isolated._child, "__file__", str(script))
    script.write_text("import os; os.abort()")
    with pytest.raises(FormatError, match="a decoder that stopped with status -6"):
        read_hdf5(path)
    script.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(_isolated, "START_TIME", 0.5)
    with pytest.raises(FormatError, match="no end after"):
        read_hdf5(path)


def test_aedat4_asks_which_stream(recordings):
    with pytest.raises(FormatError, match="Choose one with stream="):
        read_aedat4(recordings / "formats" / "sample.aedat4", stream=3)
    assert len(read_aedat4(recordings / "formats" / "sample.aedat4", stream=0)) == 111954


def test_aedat4_refuses_others(tmp_path):
    path = tmp_path / "a.aedat4"
    path.write_bytes(b"#!AER-DAT3.1\r\n")
    with pytest.raises(FormatError, match=r"#!AER-DAT4.0"):
        read_aedat4(path)


# read_events


GENUINE = {
    "a.bin": encode_nmnist(SMALL),
    "a.aedat": encode_aedat2(SMALL),
    "b.aedat": aedat3_header() + aedat3_packet(SMALL),
    "a.raw": encode_evt2(SMALL),
    "b.raw": encode_evt3(SMALL),
    "a.dat": encode_dat(SMALL),
}


@pytest.mark.parametrize("name", GENUINE)
def test_read_events_finds_the_format(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(GENUINE[name])
    assert read_events(path, sensor_size=SMALL.sensor_size) == SMALL


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.xyz", b"hello", "one of the formats nmnist, aedat2, .*npz"),
        ("a.raw", b"% date 1\n", "a line evt, format or Version"),
        ("a.raw", b"% evt 2.1\n", "EVT 2.0 or 3.0, got EVT 2.1"),
        ("a.gz", b"\x1f\x8b\x08garbage", "intact gzip data"),
        ("a.xyz", b"", "one of the formats"),
    ],
)
def test_read_events_names_the_formats(tmp_path, name, data, message):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(FormatError, match=message):
        read_events(path)


def test_read_events_bad_arguments(tmp_path):
    with pytest.raises(RangeError, match="Did you mean 'evt3'"):
        read_events(tmp_path, "evt4")
    with pytest.raises(FileNotFoundError):
        read_events(tmp_path / "none.bin")


def test_import_is_light():
    heavy = "{'numba', 'h5py', 'scipy', 'aedat', 'tonic', 'hdf5plugin', 'torch'}"
    code = f"import sys, neurosim.data.formats; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
