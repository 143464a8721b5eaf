"""Rules and distributions: their numbers, how many synapses to expect, what they refuse."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.errors import NeurosimError, RangeError
from neurosim.graph import (
    AllToAll,
    Bernoulli,
    Explicit,
    FixedInDegree,
    FixedOutDegree,
    FixedTotal,
    LogNormal,
    Normal,
    OneToOne,
    Uniform,
)


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        (AllToAll(), {"autapses": True, "multapses": False}),
        (OneToOne(), {"autapses": True, "multapses": False}),
        (Bernoulli(0.5, autapses=False), {"p": 0.5, "autapses": False, "multapses": False}),
        (FixedInDegree(2), {"n": 2, "autapses": True, "multapses": True}),
        (FixedOutDegree(2, multapses=False), {"n": 2, "autapses": True, "multapses": False}),
        (FixedTotal(2, autapses=False), {"n": 2, "autapses": False, "multapses": True}),
    ],
    ids=lambda r: getattr(r, "kind", ""),
)
def test_rules_tell_the_kernel_all_it_needs(rule, numbers):
    assert rule.numbers(same=True) == {**numbers, "same": True}


@given(
    sources=st.integers(0, 5),
    targets=st.integers(0, 5),
    same=st.booleans(),
    autapses=st.booleans(),
    p=st.floats(0, 1),
    n=st.integers(0, 4),
)
def test_expected_synapses_equal_a_count_of_pairs(sources, targets, same, autapses, p, n):
    targets = sources if same else targets
    pairs = [(i, j) for i in range(sources) for j in range(targets) if autapses or not same or i != j]
    assert AllToAll(autapses).expected(sources, targets, same) == len(pairs)
    assert Bernoulli(p, autapses).expected(sources, targets, same) == pytest.approx(p * len(pairs))
    assert FixedInDegree(n, autapses).expected(sources, targets, same) == n * targets
    assert FixedOutDegree(n, autapses).expected(sources, targets, same) == n * sources
    assert FixedTotal(n, autapses).expected(sources, targets, same) == n
    assert Explicit(range(n), range(n)).expected(5, 5, same) == n
    for multapses in (True, False):
        most = math.inf if multapses else 1
        per_target = min((sum(j == t for _, j in pairs) for t in range(targets)), default=0)
        per_source = min((sum(i == s for i, _ in pairs) for s in range(sources)), default=0)
        for kind, ends, choices in (
            (FixedInDegree, targets, per_target),
            (FixedOutDegree, sources, per_source),
            (FixedTotal, 1, len(pairs)),
        ):
            possible = n * ends == 0 or (choices > 0 and n <= choices * most)
            rule = kind(n, autapses=autapses, multapses=multapses)
            if possible:
                rule.check("here", sources, targets, same)
            else:
                with pytest.raises(RangeError, match=r"here: .*draws from .* or more"):
                    rule.check("here", sources, targets, same)


def test_distributions_give_their_numbers_also_in_steps():
    assert Normal(1.0, 0.5).draw() == ("normal", 1.0, 0.5, -math.inf, math.inf, False)
    assert Uniform(-1, 2).draw() == ("uniform", -1.0, 2.0, -1.0, 2.0, False)
    assert LogNormal(0.5, 0.1, high=3).draw() == ("lognormal", 0.5, 0.1, -math.inf, 3.0, False)
    assert Normal(1, 2, low=0, outside="redraw").draw() == ("normal", 1.0, 2.0, 0.0, math.inf, True)
    for law, dt, kind, expected in (
        (Normal(1.5e-3, 0.75e-3, 1e-4, 6.4e-3), 1e-4, "normal", (15, 7.5, 1, 64)),
        (Uniform(1e-3, 3.6e-3), 1e-3, "uniform", (1, 3.6, 1, 4)),
        (LogNormal(math.log(2e-3), 0.3, 1e-3, 5e-3), 1e-3, "lognormal", (math.log(2), 0.3, 1, 5)),
    ):
        assert law.draw_steps(dt)[0] == kind and law.draw_steps(dt)[1:5] == pytest.approx(expected)
        assert all(bound == round(bound) for bound in law.draw_steps(dt)[3:5])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normal(math.nan, 1), r"Normal\.mean: must be a finite number"),
        (lambda: Normal(0, -1), r"Normal\.sd: must be >= 0"),
        (lambda: Normal(0, 1, low=2, high=1), "low must be <= high, got 2.0 and 1.0"),
        (lambda: Normal(0, 1, low=math.inf), r"Normal\.low: must be a finite number"),
        (lambda: Normal(0, 1, high=math.nan), r"Normal\.high"),
        (lambda: LogNormal(0, math.inf), r"LogNormal\.sd"),
        (lambda: Normal(0, 1, low=0, outside="drop"), r"Normal\.outside: must be .*'clip'.*'redraw'.* got 'drop'"),
        (lambda: Normal(0, 1, low=3, outside="redraw"), r"'redraw' needs at least 1% .* got 0\.13% in 3\.\.inf"),
        (lambda: Normal(0, 0, low=1, outside="redraw"), r"got 0\.00% in 1\.\.inf"),
        (lambda: LogNormal(0, 1, high=0, outside="redraw"), r"LogNormal\.outside: 'redraw' needs"),
        (lambda: Uniform(1, 0), "low must be <= high"),
        (lambda: Uniform(-math.inf, 0), r"Uniform\.low: must be a finite number"),
        (lambda: Uniform("a", 0), r"Uniform\.low: must be a finite number"),
        (lambda: Bernoulli(1.1), r"Bernoulli\.p: must be in 0\.\.1, got 1\.1"),
        (lambda: Bernoulli(math.nan), r"Bernoulli\.p"),
        (lambda: Bernoulli(0.1, autapses=1), r"Bernoulli\.autapses: must be True or False"),
        (lambda: AllToAll("no"), r"AllToAll\.autapses: must be True or False"),
        (lambda: FixedInDegree(-1), r"FixedInDegree\.n: must be a whole number in 0"),
        (lambda: FixedInDegree(1.5), r"FixedInDegree\.n"),
        (lambda: FixedOutDegree(1, multapses=None), r"FixedOutDegree\.multapses"),
        (lambda: FixedTotal(2**60), r"FixedTotal\.n"),
        (lambda: Explicit([0, 1], [0]), "one length, got 2 and 1"),
        (lambda: Explicit([0, -1], [0, 0]), r"Explicit\.pre\[1\]: must be in 0.*got -1"),
        (lambda: Explicit([0.0], [0]), "must be an array of integers, got float64"),
        (lambda: Explicit([[0]], [0]), r"one dimension, got shape \(1, 1\)"),
        (lambda: Explicit([0], ["a"]), "must be an array of integers, got <U1"),
        (lambda: Explicit([0], [[0], [1, 2]]), "must be an array of integers, got list"),
        (lambda: Explicit(0, 0), "one dimension"),
        (lambda: Explicit(np.uint64([2**63]), [0]), r"pre\[0\]: must be in 0"),
    ],
)
def test_bad_rules_and_distributions_are_refused(make, message):
    with pytest.raises(NeurosimError, match=message):
        make()
