"""Delivery by runs equals delivery synapse by synapse."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.kernels.runs import as_runs, deliver_runs

NEURONS = 40


@st.composite
def rows(draw):
    """Rows of synapses, mostly made of stretches of neighbours, with few different weights."""
    target, start = [], [0]
    for _ in range(draw(st.integers(0, 8))):
        for _ in range(draw(st.integers(0, 4))):
            first = draw(st.integers(0, NEURONS - 1))
            target += range(first, min(NEURONS, first + draw(st.integers(1, 20))))
        start.append(len(target))
    seed = draw(st.integers(0, 99))
    one = draw(st.booleans())
    weight = np.random.default_rng(seed).integers(-3, 4, 1 if one else len(target)).astype(np.float32)
    return np.array(start, np.int32), np.array(target, np.uint16), weight


@settings(max_examples=200, deadline=None)
@given(rows(), st.data())
def test_runs_deliver_what_synapses_do(given_rows, data):
    start, target, weight = given_rows
    found = as_runs(start, target, weight)
    spikes = data.draw(st.lists(st.integers(0, len(start) - 2))) if len(start) > 1 else []
    want = np.zeros(NEURONS)
    for row in spikes:
        for q in range(start[row], start[row + 1]):
            want[target[q]] += weight[q if len(weight) > 1 else 0]
    stretches = [target[a:b].astype(int) for a, b in itertools.pairwise(start) if b > a]
    breaks = sum(1 + int((np.diff(row) != 1).sum()) for row in stretches)
    assert (found is None) == (len(target) == 0 or len(target) < 4 * breaks)
    if found is not None:
        begin, runs, values = found
        assert len(runs) == breaks
        acc = np.zeros(NEURONS, np.float32)
        a, b = (begin[np.array(spikes, int) + k] for k in (0, 1))
        deliver_runs(acc, a, b, len(spikes), runs, values, np.ones(1, values.dtype))
        np.testing.assert_array_equal(acc, want)


def test_equal_vectors_of_weights_are_kept_once():
    """Ten pixels that each reach five channels with the same kernel."""
    kernel = np.array([1, 2, 3, 4, 5], np.float32)
    start, target = np.arange(0, 51, 5), np.concatenate([np.arange(7 * k, 7 * k + 5) for k in range(10)])
    _, runs, values = as_runs(start, target, np.tile(kernel, 10))
    np.testing.assert_array_equal(values, kernel)
    assert runs[:, 1].tolist() == [5] * 10 and runs[:, 0].tolist() == list(range(0, 70, 7))


def test_the_last_of_65536_targets_and_the_first_are_no_neighbours():
    target = np.array([65532, 65533, 65534, 65535, 0, 1, 2, 3], np.uint16)
    _, runs, _ = as_runs(np.array([0, 8]), target, np.arange(8, dtype=np.float32))
    assert runs[:, :2].tolist() == [[65532, 4], [0, 4]]
