"""Representations: views, set operations against Python sets, noise, storage, and what is refused."""

import copy
import hashlib
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.errors import FormatError, OutputError, RangeError, ShapeError
from neurosim.sdr import SDR
from neurosim.sdr.store import MAGIC


@st.composite
def shapes(draw):
    return tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))


@st.composite
def several(draw, count):
    dims = draw(shapes())
    cells = st.sets(st.integers(0, int(np.prod(dims)) - 1))
    return [SDR(dims, sorted(draw(cells))) for _ in range(count)]


def cells(sdr):
    return set(sdr.sparse.tolist())


@given(several(1))
def test_views_are_of_the_same_cells(one):
    sdr = one[0]
    assert sdr.dense.shape == sdr.dims and sdr.dense.dtype == np.uint8 and sdr.sparse.dtype == np.int32
    assert SDR.from_dense(sdr.dense) == sdr
    assert SDR.from_coordinates(sdr.dims, sdr.coordinates) == sdr
    assert sdr.active == int(sdr.dense.sum()) == len(cells(sdr))
    assert sdr.sparsity == sdr.dense.mean()
    for view in (sdr.sparse, sdr.dense, *sdr.coordinates):
        assert not view.flags.writeable
    assert sdr.dense is sdr.dense and sdr.coordinates is sdr.coordinates


@given(several(3))
def test_set_operations_are_those_of_sets(three):
    a, b, c = three
    assert a.overlap(b) == b.overlap(a) == len(cells(a) & cells(b)) == int((a.dense & b.dense).sum())
    assert cells(a.union(b, c)) == cells(a) | cells(b) | cells(c)
    assert cells(a.intersection(b, c)) == cells(a) & cells(b) & cells(c)
    assert (a == b) == (cells(a) == cells(b))
    assert a.union() == a.intersection() == a


@given(several(1), st.data())
def test_concatenation_is_that_of_the_dense_views(one, data):
    a = one[0]
    axis = data.draw(st.integers(0, len(a.dims) - 1))
    dims = (*a.dims[:axis], data.draw(st.integers(1, 4)), *a.dims[axis + 1 :])
    b = SDR(dims, sorted(data.draw(st.sets(st.integers(0, int(np.prod(dims)) - 1)))))
    joined = a.concatenate(b, a, axis=axis)
    assert np.array_equal(joined.dense, np.concatenate((a.dense, b.dense, a.dense), axis=axis))
    flat = a.reshape(a.size)
    assert np.array_equal(flat.dense, a.dense.ravel()) and flat.reshape(a.dims) == a


@given(several(1), st.floats(0, 1), st.integers(0, 2**32))
def test_noise_moves_that_share_and_keeps_the_sparsity(one, share, seed):
    a = one[0]
    moved = round(share * a.active)
    if moved > a.size - a.active:
        with pytest.raises(RangeError, match=r"only .* are silent"):
            a.noise(share, seed)
        return
    b = a.noise(share, seed)
    assert b.active == a.active and a.overlap(b) == a.active - moved
    assert b == a.noise(share, np.random.default_rng(seed))
    assert (np.diff(b.sparse) > 0).all()


def test_noise_takes_every_cell_equally_often():
    a, rng = SDR(8, [1, 2, 6]), np.random.default_rng(0)
    lost, gained = np.zeros(8), np.zeros(8)
    for _ in range(3000):
        b = a.noise(1 / 3, rng).dense.astype(int)
        lost += (a.dense == 1) & (b == 0)
        gained += (a.dense == 0) & (b == 1)
    for counts, among in ((lost, 3), (gained, 5)):
        expected = 3000 / among
        assert np.count_nonzero(counts) == among
        assert np.abs(counts[counts > 0] - expected).max() < 4 * np.sqrt(expected)


@given(several(2), st.floats(0, 1), st.integers(0, 99))
def test_one_seed_kills_the_same_cells_of_all(two, share, seed):
    a, b = two
    dead = cells(SDR(a.dims, np.arange(a.size))) - cells(SDR(a.dims, np.arange(a.size)).kill(share, seed))
    assert len(dead) == round(share * a.size)
    assert cells(a.kill(share, seed)) == cells(a) - dead and cells(b.kill(share, seed)) == cells(b) - dead


@given(several(1), st.data())
def test_a_subsample_is_part_of_it(one, data):
    a = one[0]
    count = data.draw(st.integers(0, a.active))
    part = a.subsample(count, 3)
    assert part.active == count and cells(part) <= cells(a) and part == a.subsample(count, 3)


def test_random_has_its_sparsity_and_depends_on_the_seed():
    a = SDR.random((20, 50), sparsity=0.02, rng=1)
    assert a.active == 20 and a == SDR.random((20, 50), sparsity=0.02, rng=1)
    assert a != SDR.random((20, 50), sparsity=0.02, rng=2)
    assert SDR.random(7, sparsity=1, rng=0) == SDR(7, np.arange(7))
    rng = np.random.default_rng(0)
    counts = sum(SDR.random(10, sparsity=0.3, rng=rng).dense.astype(int) for _ in range(2000))
    assert np.abs(counts - 600).max() < 4 * np.sqrt(600)


def test_it_keeps_copies_cannot_be_hashed_and_can_be_copied():
    dense, sparse = np.zeros((2, 3), np.uint8), np.array([1, 2], np.int32)
    dense[0, 1] = 1
    a, b = SDR.from_dense(dense), SDR(6, sparse)
    dense[:], sparse[0] = 1, 0
    assert cells(a) == {1} and cells(b) == {1, 2}
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)
    assert copy.deepcopy(a) == a == pickle.loads(pickle.dumps(a))
    assert a != SDR(6, [1]) and a != "SDR"
    assert repr(b) == "SDR((6,), [1, 2]: 2 active, 0.333)"


@given(several(1))
def test_bytes_hold_it_whole(one):
    data = one[0].to_bytes()
    again = SDR.from_bytes(data)
    assert again == one[0] and again.to_bytes() == data
    assert len(data) < 160 + 4 * one[0].active


def test_a_stored_one_of_version_1_can_always_be_read():
    head = b"dims 2 5\nactive 3\n"
    body = bytes([0, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0])
    digest = hashlib.sha256(head + body).hexdigest().encode()
    data = b"neurosim sdr\nversion 1\n" + head + b"sha256 " + digest + b"\n" + body
    assert SDR.from_bytes(data) == SDR((2, 5), [0, 4, 9]) and SDR((2, 5), [0, 4, 9]).to_bytes() == data


def test_files_hold_it_whole_and_are_named_in_errors(tmp_path):
    a, path = SDR.random((8, 8), sparsity=0.1, rng=0), tmp_path / "a.sdr"
    a.save(path)
    assert SDR.load(path) == a and list(tmp_path.iterdir()) == [path]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match=r"a\.sdr: must hold 24 bytes of 6 indices, got 23"):
        SDR.load(path)
    with pytest.raises(OutputError, match="no folder"):
        a.save(tmp_path / "none" / "a.sdr")


def stored(head, body):
    return MAGIC + b"version 1\n" + head + b"sha256 " + hashlib.sha256(head + body).hexdigest().encode() + b"\n" + body


@pytest.mark.parametrize("at", range(0, 118, 3))
def test_every_changed_byte_of_a_stored_one_is_noticed(at):
    data = bytearray(SDR(50, [0, 4, 9]).to_bytes())
    data[at] ^= 4
    with pytest.raises(FormatError):
        SDR.from_bytes(bytes(data))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must start with"),
        (b"\x89HDF", "no stored SDR"),
        ("text", "must be bytes, got str"),
        (MAGIC + b"version 2\n", "has version 2, this one reads 1"),
        (MAGIC + b"version 0\ndims 2\n", "damaged or cut"),
        (SDR(9, [1]).to_bytes()[:60], "damaged or cut"),
        (SDR(9, [1]).to_bytes() + b"\0", "must hold 4 bytes"),
        (stored(b"dims 4\nactive 1\n", b"\4\0\0\0"), r"no valid SDR: SDR.sparse\[0\]: must be in 0..3, got 4"),
        (stored(b"dims 4\nactive 2\n", b"\1\0\0\0\1\0\0\0"), "got 1 twice"),
        (stored(b"dims 0\nactive 0\n", b""), "no valid SDR: SDR.dims"),
    ],
)
def test_bytes_that_are_no_representation_are_refused(data, message):
    with pytest.raises(FormatError, match=message):
        SDR.from_bytes(data)


@pytest.mark.parametrize(
    ("dims", "sparse", "error", "message"),
    [
        (4, [0, 4], RangeError, r"SDR.sparse\[1\]: must be in 0..3, got 4"),
        (4, [-1], RangeError, r"SDR.sparse\[0\]: must be in 0..3, got -1"),
        (4, [2, 1], RangeError, r"SDR.sparse\[1\]: must ascend, each index once, got 1 after 2.*unique"),
        (4, [1, 1], RangeError, "got 1 twice"),
        (4, [0.0, 1.0], ShapeError, "must be an array of integers, got float64"),
        (4, [[0, 1]], ShapeError, "must have one dimension"),
        (4, "abc", ShapeError, "must be an array of integers"),
        ((), [], ShapeError, "at least one axis"),
        (0, [], RangeError, "SDR.dims: must be a whole number in 1"),
        ((3, -1), [], RangeError, "SDR.dims: must be a whole number in 1"),
        (2.0, [], RangeError, "SDR.dims: must be a whole number"),
        (True, [], RangeError, "SDR.dims: must be a whole number"),
        ("ab", [], RangeError, "SDR.dims: must be a whole number"),
        ((2**16, 2**16), [], RangeError, "at most 2147483647 cells"),
    ],
)
def test_indices_and_dimensions_that_are_wrong_are_refused(dims, sparse, error, message):
    with pytest.raises(error, match=message):
        SDR(dims, sparse)


A = SDR((2, 4), [0, 5])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: A.overlap(SDR((4, 2), [0])), ShapeError, r"must be equal: \(2, 4\), got \(4, 2\)"),
        (lambda: A.union(A, SDR(8, [0])), ShapeError, r"SDR.union: dimensions must be equal"),
        (lambda: A.intersection([0, 5]), ShapeError, "must be given an SDR, got list"),
        (lambda: A.concatenate(SDR((3, 4)), axis=1), ShapeError, "must be equal but for axis 1"),
        (lambda: A.concatenate(SDR(4)), ShapeError, "must be equal but for axis 0"),
        (lambda: A.concatenate(A, axis=2), RangeError, r"axis: must be a whole number in 0..1, got 2"),
        (lambda: A.concatenate(np.zeros((2, 4))), ShapeError, "must be given an SDR, got ndarray"),
        (lambda: A.reshape((3, 3)), ShapeError, r"must have 8 cells as \(2, 4\) has, got \(3, 3\)"),
        (lambda: A.noise(1.5, 0), RangeError, "share: must be in 0..1, got 1.5"),
        (lambda: A.noise(float("nan"), 0), RangeError, "share: must be a finite number"),
        (lambda: A.noise(0.5, None), RangeError, "rng: must be a whole number >= 0 or a numpy.random.Generator"),
        (lambda: A.noise(0.5, -1), RangeError, "rng: must be"),
        (lambda: A.kill(-0.1, 0), RangeError, "share: must be in 0..1"),
        (lambda: A.kill(0.1, 1.5), RangeError, "seed: must be a whole number"),
        (lambda: A.subsample(3, 0), RangeError, "active: must be a whole number in 0..2, got 3"),
        (lambda: SDR.random(9, sparsity=0, rng=0), RangeError, "sparsity: must be > 0 and <= 1, got 0"),
        (lambda: SDR.random(9, sparsity=1.01, rng=0), RangeError, "sparsity: must be > 0 and <= 1, got 1.01"),
        (lambda: SDR.random(9, sparsity=0.01, rng=0), RangeError, "at least one cell, got 0.01 of 9"),
        (lambda: SDR.from_dense([0, 2]), RangeError, "must be 0 or 1, got 2. Apply a threshold"),
        (lambda: SDR.from_dense([0, float("nan")]), RangeError, "must be 0 or 1, got nan"),
        (lambda: SDR.from_dense([]), ShapeError, "not empty"),
        (lambda: SDR.from_dense(["a"]), ShapeError, "must be an array of 0 and 1"),
        (lambda: SDR.from_coordinates((2, 4), [[0, 1]]), ShapeError, "must be 2 arrays of one length"),
        (lambda: SDR.from_coordinates((2, 4), [[0, 1], [0]]), ShapeError, "must be 2 arrays of one length"),
        (lambda: SDR.from_coordinates((2, 4), [[0, 1], [0, 4]]), RangeError, "axis 1 must hold .* in 0..3, got"),
        (lambda: SDR.from_coordinates((2, 4), [[0, 0], [1, 1]]), RangeError, "got 1 twice"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
