"""Projections: weights, delays, and what is refused where it is made."""

import math

import numpy as np
import pytest
from networks import DT, graph, joined

from neurosim.errors import RangeError, ShapeError
from neurosim.graph import Explicit, FixedInDegree, FixedTotal, Normal, Uniform


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"rule": "fixed_indegree"},
            RangeError,
            r"'link'\.rule: must be one of AllToAll.*Did you mean 'FixedInDegree'",
        ),
        ({"rule": FixedTotal}, RangeError, "with its numbers.*Did you mean 'FixedTotal'"),
        ({"weight": math.nan}, RangeError, r"'link'\.weight: must be a finite number, got nan"),
        ({"weight": "1"}, RangeError, "weight: must be a finite number"),
        ({"rule": Explicit([0, 1], [0, 1]), "weight": [1, math.nan]}, RangeError, r"weight\[1\]: .*finite, got nan"),
        ({"rule": Explicit([0, 1], [0, 1]), "weight": [1.0]}, ShapeError, "weight: must hold 2 entries.*got 1"),
        ({"rule": Explicit([0, 1], [0, 1]), "delay": [1, 2, 3]}, ShapeError, "delay: must hold 2 entries.*got 3"),
        ({"rule": Explicit([0, 1], [0, 1]), "delay": [1.0, 2.0]}, ShapeError, "delay: must be an array of integers"),
        ({"rule": Explicit([0], [0]), "weight": Normal(0, 1)}, RangeError, "Draw it with numpy"),
        ({"weight": [1.0, 2.0]}, ShapeError, r"of shape \(2,\), goes with Explicit"),
        ({"delay": 1.5e-3}, RangeError, r"whole steps, got 0\.0015; .*round\(delay / dt\)"),
        ({"delay": "1"}, RangeError, "delay: must be a whole number"),
        ({"delay": 2**31}, RangeError, "delay: must be a whole number"),
        ({"source": ""}, RangeError, r"source: must be text"),
        ({"plasticity": "stdp"}, RangeError, "plasticity: must be one of PairSTDP, .*got 'stdp'"),
    ],
)
def test_bad_projections_are_refused_where_they_are_made(change, error, message):
    with pytest.raises(error, match=message):
        joined(**change)


def test_numbers_of_numpy_are_numbers():
    p = joined(weight=np.float32(0.5), delay=np.int64(3), rule=FixedInDegree(np.int16(2)))
    assert p == joined(weight=0.5, delay=3, rule=FixedInDegree(2)) and type(p.delay) is int and type(p.rule.n) is int
    assert joined(weight=np.array(0.5)) == joined(weight=0.5)


def test_weights_keep_single_precision_and_widen_everything_else():
    for given_as, kept in (("f4", "f4"), (">f4", "f4"), ("f2", "f4"), ("f8", "f8"), ("i4", "f8")):
        assert joined(rule=Explicit([0], [0]), weight=np.ones(1, given_as)).weight.dtype == kept


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        (3, (3, 3)),
        (10_000, (10_000, 10_000)),
        (Normal(1.5e-3, 1e-3, low=1e-3, high=5e-3), (1, 5)),
        (Uniform(2e-3, 2e-3), (2, 2)),
    ],
)
def test_delays_span_whole_steps(delay, expected):
    assert joined(delay=delay).delays(DT) == expected


def test_delays_per_synapse_span_their_smallest_and_largest():
    assert joined(rule=Explicit([0, 1], [0, 1]), delay=[7, 2]).delays(DT) == (2, 7)
    assert joined(rule=Explicit([], []), delay=[], weight=[]).delays(DT) == (1, 1)


@pytest.mark.parametrize(
    ("delay", "message"),
    [
        (0, r"must be at least one step \(dt = 0\.001 s\), got 0: spikes can arrive in their own step only"),
        (-3, "got -3 steps"),
        ([1, 0], r"delay\[1\]: must be at least one step"),
        (Normal(1e-3, 1e-3), r"low of at least one step \(dt = 0\.001 s\) and a finite high.*low=0\.001"),
        (Normal(1e-3, 1e-3, low=1e-4, high=1), "low of at least one step"),
        (Normal(1e-3, 1e-3, low=1e-3), "a finite high"),
        (Uniform(1e-4, 1e-3), "low of at least one step"),
    ],
)
def test_delays_below_one_step_are_refused(delay, message):
    rule = Explicit([0, 1], [0, 1]) if isinstance(delay, list) else None
    with pytest.raises(RangeError, match=message):
        graph(joined(delay=delay, rule=rule))
