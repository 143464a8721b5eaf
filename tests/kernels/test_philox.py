"""Philox against its published answers, and against itself in plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neurosim.kernels.philox import fill_uniform, philox4

ONES = 0xFFFFFFFF
KNOWN = [  # counter, key, answer: kat_vectors of Random123
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((ONES,) * 4, (ONES,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]
words = st.integers(0, ONES)
wide = st.integers(0, 2**63 - 1)


def plain(c, k):
    """Philox4x32-10 in Python integers, as the paper writes it."""
    c, k = list(c), list(k)
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c[0], 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c[2], 2**32)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return tuple(c)


def uniform(first, n, step=7, seed=3, stream=1, spare=0):
    u = np.full(n + spare, 12345, np.uint32)
    fill_uniform(u, first, n, step, seed, stream)
    return u


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter, key, answer):
    assert tuple(philox4(*counter, *key)) == tuple(int(word, 16) for word in answer.split())


@given(st.tuples(words, words, words, words), st.tuples(words, words))
def test_philox_is_that_of_the_paper(counter, key):
    assert tuple(philox4(*counter, *key)) == plain(counter, key)


@given(st.integers(0, 2**20), st.integers(0, 40), wide, st.integers(0, 2**64 - 1), words)
def test_the_counter_is_neuron_step_and_stream_and_the_key_the_seed(block, n, step, seed, stream):
    u = uniform(4 * block, n, step, np.uint64(seed), stream, spare=3)
    expected = [
        plain((block + j // 4, step % 2**32, step >> 32, stream), (seed % 2**32, seed >> 32))[j % 4] for j in range(n)
    ]
    assert u.tolist() == [*expected, 12345, 12345, 12345]


@given(st.integers(0, 50), st.lists(st.integers(0, 40), max_size=4), st.integers(0, 3))
def test_the_draws_do_not_depend_on_how_the_neurons_are_cut(first, blocks, rest):
    whole = uniform(4 * first, 4 * sum(blocks) + rest)
    at, parts = first, []
    for block in blocks:
        parts.append(uniform(4 * at, 4 * block))
        at += block
    parts.append(uniform(4 * at, rest))
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_the_draws_are_uniform_and_differ_between_steps_seeds_and_streams():
    one = uniform(0, 200_000)
    assert stats.kstest(one / 2**32, "uniform").pvalue > 1e-3
    for other in (uniform(0, 200_000, step=8), uniform(0, 200_000, seed=4), uniform(0, 200_000, stream=2)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(one.size)
