"""Rows of bits: against the representations they are made of, and random rows against the laws of chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neurosim.errors import RangeError, ShapeError
from neurosim.kernels import sdr as kernels
from neurosim.kernels.philox import philox4
from neurosim.sdr import SDR, SDRArray


@st.composite
def many(draw):
    dims = draw(st.sampled_from([(1,), (63,), (64,), (65,), (5, 40), (2, 3, 32)]))
    cells = st.sets(st.integers(0, int(np.prod(dims)) - 1), max_size=30)
    return [SDR(dims, sorted(draw(cells))) for _ in range(draw(st.integers(1, 6)))]


@given(many())
def test_rows_are_the_representations(sdrs):
    array = SDRArray(sdrs)
    assert len(array) == len(sdrs) and array.dims == sdrs[0].dims and list(array) == sdrs
    assert array[-1] == sdrs[-1] and array == SDRArray(list(array)) and array != SDRArray([*sdrs, sdrs[0]])
    bits = np.unpackbits(array.words.view(np.uint8), axis=1, bitorder="little")  # of little-endian words
    assert np.array_equal(bits[:, : array.size], [s.dense.ravel() for s in sdrs]) and not bits[:, array.size :].any()
    assert array.active.tolist() == [s.active for s in sdrs]


@given(many(), st.integers(1, 4))
def test_overlaps_matches_and_union_are_those_of_single_ones(sdrs, theta):
    array, one = SDRArray(sdrs), sdrs[0]
    overlaps = [one.overlap(s) for s in sdrs]
    assert array.overlaps(one).tolist() == overlaps and array.overlaps(one).dtype == np.int32
    assert array.matches(one, theta) == sum(o >= theta for o in overlaps)
    assert array.union() == one.union(*sdrs)
    assert np.array_equal(array.cell_counts(), np.sum([s.dense.astype(int) for s in sdrs], 0))


def test_every_value_of_a_word_is_counted():
    words = np.random.default_rng(0).integers(0, 2**64, (50, 3), np.uint64)
    counts = np.empty(50, np.int32)
    kernels.count_active(words, counts)
    assert counts.tolist() == [sum(int(w).bit_count() for w in row) for row in words]


@pytest.mark.parametrize(("size", "active"), [(1, 1), (64, 0), (64, 1), (64, 64), (65, 60), (500, 128), (500, 251)])
def test_random_rows_have_their_number_of_cells(size, active):
    words = np.zeros((20, -(-size // 64)), np.uint64)
    kernels.fill_random_rows(words, size, active, 0, np.uint64(3), np.uint64(0))
    array = SDRArray._of((size,), words)
    assert (array.active == active).all()
    assert all(s.sparse.max(initial=-1) < size for s in array)


@pytest.mark.parametrize(("size", "active"), [(70, 9), (70, 61)])
def test_random_rows_take_every_cell_and_pair_equally_often(size, active):
    n = 20_000
    array = SDRArray.random(size, n, sparsity=active / size, seed=5)
    expected = n * active / size
    statistic = ((array.cell_counts() - expected) ** 2).sum() / (expected * (1 - active / size))
    # the counts sum to n * active, which takes one degree of freedom
    assert 1e-3 < stats.chi2.sf(statistic * (size - 1) / size, size - 1) < 1 - 1e-3
    with_both = array.matches(SDR(size, [3, size - 1]), 2)
    p = active * (active - 1) / (size * (size - 1))
    assert abs(with_both - n * p) < 4 * np.sqrt(n * p * (1 - p))


def test_overlaps_of_random_rows_follow_the_hypergeometric_law():
    n = 50_000
    overlaps = SDRArray.random(200, n, sparsity=0.2, seed=8).overlaps(SDR(200, np.arange(0, 200, 8)))
    expected = n * stats.hypergeom.pmf(np.arange(26), 200, 25, 40)
    counts = np.bincount(overlaps, minlength=26).astype(float)
    common = expected > 10
    counts, expected = (np.append(x[common], x[~common].sum()) for x in (counts, expected))
    assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-3


def test_a_row_depends_on_its_number_the_seed_and_the_stream_alone():
    whole = SDRArray.random(300, 9, sparsity=0.1, seed=4)
    parts = [SDRArray.random(300, n, sparsity=0.1, seed=4, first=k) for k, n in ((0, 2), (2, 7))]
    assert list(whole) == [*parts[0], *parts[1]]
    others = (
        SDRArray.random(300, 9, sparsity=0.1, seed=5),
        SDRArray.random(300, 9, sparsity=0.1, seed=4, stream=1),
        SDRArray.random(300, 9, sparsity=0.1, seed=4 + 2**40),
        SDRArray.random(300, 9, sparsity=0.1, seed=4, first=2**32),
    )
    rows = {tuple(s.sparse) for array in (whole, *others) for s in array}
    assert len(rows) == 45


@pytest.mark.parametrize(("size", "active", "seed", "row"), [(100, 4, 1, 0), (1000, 41, 2**40 + 3, 2**33 + 1)])
def test_random_rows_are_floyds_draw_in_plain_python(size, active, seed, row):
    """Also pins what a seed means: a change here changes the results of everyone's seeds."""
    chosen = set()
    for k in range(active):
        counter = (row % 2**32, row >> 32, (3 << 30) + k // 2, 7)
        high, low = philox4(*counter, seed % 2**32, seed >> 32)[k % 2 * 2 :][:2]
        last = size - active + k
        cell = ((int(high) << 32) + int(low)) * (last + 1) >> 64
        chosen.add(last if cell in chosen else cell)
    array = SDRArray.random(size, 1, sparsity=active / size, seed=seed, first=row, stream=7)
    assert array[0].sparse.tolist() == sorted(chosen)


A = SDRArray([SDR(9, [1, 2]), SDR(9, [3])])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: SDRArray([]), ShapeError, "at least one, got none"),
        (lambda: SDRArray([SDR(3), SDR(4)]), ShapeError, r"equal dimensions, at least one, got \['\(3,\)', '\(4,\)'\]"),
        (lambda: SDRArray([SDR(3), 3]), ShapeError, "equal dimensions"),
        (lambda: A[2], RangeError, r"row: must be a whole number in -2..1, got 2"),
        (lambda: A.overlaps(SDR(8)), ShapeError, r"an SDR of dimensions \(9,\), got \(8,\)"),
        (lambda: A.matches([1], 1), ShapeError, "got list"),
        (lambda: A.matches(SDR(9), 0), RangeError, "theta: must be a whole number in 1"),
        (lambda: A.matches(SDR(9), 1.5), RangeError, "theta: must be a whole number"),
        (lambda: SDRArray.random(9, 0, sparsity=0.5, seed=0), RangeError, "count: must be a whole number in 1"),
        (lambda: SDRArray.random(9, 1, sparsity=0.0, seed=0), RangeError, "sparsity: must be > 0"),
        (lambda: SDRArray.random(9, 1, sparsity=2, seed=0), RangeError, "sparsity: must be > 0 and <= 1"),
        (lambda: SDRArray.random(9, 1, sparsity=0.5, seed=-1), RangeError, "seed: must be a whole number"),
        (lambda: SDRArray.random(9, 1, sparsity=0.5, seed=0, stream=2**32), RangeError, "stream: must be"),
        (lambda: SDRArray.random(9, 1, sparsity=0.5, seed=0, first=-1), RangeError, "first: must be"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
