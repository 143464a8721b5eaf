"""Any bytes give `Events` or `FormatError`: random bytes, cut genuine files, genuine files with changed bytes."""

from __future__ import annotations

import gzip

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
    write_npz,
    write_shd,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.data.formats import (
    EventFile,
    SHDFile,
    read_aedat2,
    read_aedat4,
    read_aedat31,
    read_dat,
    read_events,
    read_evt2,
    read_evt3,
    read_hdf5,
    read_nmnist_bin,
    read_npz,
    read_stmnist,
    write_events,
)
from neurosim.errors import FormatError
from neurosim.events import Events

RNG = np.random.default_rng(0)
N = 40
EVENTS = Events(np.sort(RNG.integers(0, 9999, N)), *RNG.integers(0, 34, (2, N)), RNG.integers(0, 2, N), (34, 34, 2))


def _own(path):
    with EventFile(path) as file:
        return [e for e, _ in file]


def _shd(path):
    with SHDFile(path) as file:
        return [e for e, _ in file]


def _evt2(path):
    return [read_evt2(path, unplaced="drop")]


def _evt3(path):
    return [read_evt3(path, unplaced="drop")]


def _one(reader):
    return lambda path: [reader(path)]


READERS = {
    "nmnist": _one(read_nmnist_bin),
    "aedat2": _one(read_aedat2),
    "aedat2.gz": _one(read_aedat2),
    "aedat31": _one(read_aedat31),
    "evt2": _evt2,
    "evt3": _evt3,
    "dat": _one(read_dat),
    "own": _own,
    "hdf5": _one(read_hdf5),
    "shd": _shd,
    "npz": lambda path: [e for e, _ in read_npz(path)],
    "stmnist": _one(read_stmnist),
    "aedat4": _one(read_aedat4),
}
LIBRARY = ("own", "hdf5", "shd", "npz", "stmnist", "aedat4")  # a library parses the container
ISOLATED = ("hdf5", "shd", "aedat4")  # in a process of its own, about 0.2 s per file
DIRECT = [name for name in READERS if name not in ISOLATED]


@pytest.fixture(scope="session")
def genuine(folder):
    own, npz, shd = folder / "genuine.h5", folder / "genuine.npz", folder / "genuine_shd.h5"
    foreign = folder / "foreign.h5"
    write_events(own, EVENTS, labels=[1])
    write_npz(npz, [EVENTS, EVENTS], [0, 1])
    with h5py.File(foreign, "w") as file:  # the old metadata format, which has no checksums
        file.attrs["geometry"] = "34x34"
        for name in "txyp":
            file.create_dataset(f"events/{name}", data=getattr(EVENTS, name), compression="gzip")
    write_shd(shd, [(EVENTS.t * 1e-6, EVENTS.x)], [1])
    files = {
        "nmnist": encode_nmnist(EVENTS),
        "aedat2": encode_aedat2(EVENTS),
        "aedat2.gz": gzip.compress(encode_aedat2(EVENTS)),
        "aedat31": aedat3_header() + aedat3_packet(EVENTS) + aedat3_packet(EVENTS, kind=2),
        "evt2": encode_evt2(EVENTS),
        "evt3": encode_evt3(EVENTS),
        "dat": encode_dat(EVENTS),
        "own": own.read_bytes(),
        "hdf5": foreign.read_bytes(),
        "shd": shd.read_bytes(),
        "npz": npz.read_bytes(),
    }
    scipy_io = pytest.importorskip("scipy.io")
    table = np.zeros((101, N))
    table[EVENTS.x, np.arange(N)], table[-1] = 1, EVENTS.t * 1e-6
    scipy_io.savemat(folder / "genuine.mat", {"spiketrain": table}, do_compression=True)
    return {**files, "stmnist": (folder / "genuine.mat").read_bytes()}


def check(reader, path, data):
    """``reader`` gives Events or FormatError; any other exception fails the test."""
    path.write_bytes(data)
    try:
        found = reader(path)
    except FormatError as error:
        assert str(path) in str(error) and "expected" in str(error)
        return
    assert all(isinstance(e, Events) for e in found)


@pytest.mark.parametrize("name", [n for n in READERS if n != "aedat4"])
def test_genuine_file_is_read(folder, genuine, name):
    (folder / "whole").write_bytes(genuine[name])
    assert len(READERS[name](folder / "whole")[0]) == N


RANDOM = {"data": st.binary(max_size=300), "keep": st.integers(0, 200)}


def check_random(folder, genuine, name, data, keep):
    check(READERS[name], folder / "random", genuine.get(name, b"#!AER-DAT4.0\r\n")[:keep] + data)


@pytest.mark.parametrize("name", DIRECT)
@settings(max_examples=50, deadline=None)
@given(**RANDOM)
def test_random_bytes_after_a_genuine_start(folder, genuine, name, data, keep):
    check_random(folder, genuine, name, data, keep)


@pytest.mark.parametrize("name", ISOLATED)
@settings(max_examples=8, deadline=None)
@given(**RANDOM)
def test_random_bytes_after_a_genuine_start_isolated(folder, genuine, name, data, keep):
    check_random(folder, genuine, name, data, keep)


@pytest.mark.parametrize("name", READERS)
def test_zero_bytes(tmp_path, name):
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(FormatError):
        READERS[name](tmp_path / "empty")


@pytest.mark.parametrize("name", [n for n in READERS if n not in LIBRARY])
def test_every_cut_of_a_record_format_is_noticed_or_on_a_record(folder, genuine, name):
    data = genuine[name]
    for size in range(1, len(data)):
        check(READERS[name], folder / "cut", data[:size])


@pytest.mark.parametrize("name", [n for n in LIBRARY if n != "aedat4"])
def test_cut_containers(folder, genuine, name):
    data = genuine[name]
    for size in np.linspace(1, len(data) - 1, 8 if name in ISOLATED else 40).astype(int):
        check(READERS[name], folder / "cut", data[:size])


CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8)


def changed(data, changes):
    out = bytearray(data)
    for place, value in changes:
        out[int(place * len(out))] = value
    return bytes(out)


def check_changed(folder, genuine, name, changes, header):
    data = genuine[name]
    first = data[:128] if header else data
    check(READERS[name], folder / "changed", changed(first, changes) + data[len(first) :])


@pytest.mark.parametrize("name", DIRECT)
@settings(max_examples=60, deadline=None)
@given(changes=CHANGES, header=st.booleans())
def test_changed_bytes(folder, genuine, name, changes, header):
    check_changed(folder, genuine, name, changes, header)


@pytest.mark.parametrize("name", ("hdf5", "shd"))
@settings(max_examples=8, deadline=None)
@given(changes=CHANGES, header=st.booleans())
def test_changed_bytes_isolated(folder, genuine, name, changes, header):
    check_changed(folder, genuine, name, changes, header)


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=200), magic=st.sampled_from([b"", b"% ", b"#!AER-DAT2.0\r\n", b"PK\x03\x04", b"\x1f\x8b"])
)
def test_read_events_of_random_bytes(folder, data, magic):
    check(lambda path: [read_events(path)], folder / "sniffed.bin", magic + data)


@settings(max_examples=12, deadline=None)
@given(changes=CHANGES, part=st.floats(0, 1))
def test_changed_and_cut_real_aedat4(recordings, folder, changes, part):
    pytest.importorskip("aedat")
    data = (recordings / "formats" / "sample.aedat4").read_bytes()[:60_000]
    check(_one(read_aedat4), folder / "changed.aedat4", changed(data, changes)[: 1 + int(part * len(data))])
