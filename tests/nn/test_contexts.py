"""Prototypes and clusters; Hotelling's test against scipy's F distribution and against a t test."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import nn
from neurosim.errors import RangeError, ShapeError
from neurosim.nn.contexts import f_probability

stats = pytest.importorskip("scipy.stats", reason="scipy is the oracle")


@settings(max_examples=200)
@given(x=st.floats(1e-6, 1e4), d1=st.integers(1, 300), d2=st.integers(1, 600))
def test_f_probability_is_that_of_scipy(x, d1, d2):
    assert f_probability(x, d1, d2) == pytest.approx(float(stats.f.cdf(x, d1, d2)), abs=1e-10)


def test_of_one_feature_it_is_the_square_of_the_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(9, 1)), rng.normal(0.5, 1, size=(14, 1))
    t2, probability = nn.hotelling(torch.tensor(a), torch.tensor(b))
    t, p = stats.ttest_ind(a[:, 0], b[:, 0])
    assert t2 == pytest.approx(t**2) and 1 - probability == pytest.approx(p)


def test_under_equal_means_the_probability_is_uniform_and_a_shift_is_found():
    rng = np.random.default_rng(1)
    mix = rng.normal(size=(5, 5))
    pairs = [torch.tensor(rng.normal(size=(2, 30, 5)) @ mix) for _ in range(400)]
    found = [nn.hotelling(a, b)[1] for a, b in pairs]
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert min(nn.hotelling(a, b + 3)[1] for a, b in pairs) > 0.99


def test_constant_features_take_no_part():
    a, b = torch.randn(20, 3), torch.randn(25, 3)
    wide = [torch.cat([t, torch.ones(len(t), 4)], 1) for t in (a, b)]
    assert nn.hotelling(*wide) == pytest.approx(nn.hotelling(a, b))
    same = torch.ones(4, 2)
    assert nn.hotelling(same, same) == (0.0, 0.0) and nn.hotelling(same, same + 1)[1] == 1.0


def test_prototypes_are_means_and_the_nearest_is_found():
    prototypes, (a, b) = nn.Prototypes(3), torch.randn(2, 10, 3)
    assert prototypes.add(a[:4]) == 0 and prototypes.add(b) == 1 and prototypes.add(a[4:], 0) == 0
    torch.testing.assert_close(prototypes.contexts, torch.stack([a.mean(0), b.mean(0)]))
    x = torch.randn(50, 3)
    want = [min((0, 1), key=lambda k: float((row - prototypes.contexts[k]).norm())) for row in x]
    assert prototypes.nearest(x).tolist() == want and len(prototypes) == 2


def test_clusters_follow_the_tasks_and_forget_none():
    torch.manual_seed(0)
    means = 3 * torch.randn(4, 20)
    clusters = nn.OnlineClusters(20, features=8, threshold=0.999, exemplars=50)
    found = [clusters.observe(means[task] + torch.randn(40, 20)) for task in (0, 0, 1, 1, 2, 0, 3, 1)]
    assert found == [0, 0, 1, 1, 2, 0, 3, 1]
    assert all(len(kept) <= 50 for kept in clusters._kept)
    assert clusters.prototypes.nearest(means).tolist() == [0, 1, 2, 3]


BAD = {
    "one sample": (
        lambda: nn.OnlineClusters(4, features=2).observe(torch.rand(1, 4)),
        RangeError,
        r"2 or more samples",
    ),
    "one in the test": (lambda: nn.hotelling(torch.rand(1, 2), torch.rand(9, 2)), RangeError, r"got 1 and 9"),
    "too few": (lambda: nn.hotelling(torch.randn(3, 5), torch.randn(3, 5)), RangeError, r"features need more than"),
    "early nearest": (lambda: nn.Prototypes(2).nearest(torch.rand(3, 2)), RangeError, r"Prototypes: there is none yet"),
    "early contexts": (lambda: nn.Prototypes(2).contexts, RangeError, r"Add samples of a task first"),
    "nan": (lambda: nn.Prototypes(2).add(torch.full((2, 2), float("nan"))), RangeError, r"samples hold nan or inf"),
    "empty": (lambda: nn.Prototypes(2).add(torch.rand(0, 2)), ShapeError, r"\(N, 2\) with N >= 1, got \(0, 2\)"),
    "size": (lambda: nn.Prototypes(2).add(torch.rand(3, 4)), ShapeError, r"must be \(N, 2\) .* got \(3, 4\)"),
    "dims": (lambda: nn.hotelling(torch.rand(3), torch.rand(3, 1)), ShapeError, r"must be a floating tensor \(N, 3\)"),
    "other size": (lambda: nn.hotelling(torch.rand(3, 2), torch.rand(3, 1)), ShapeError, r"got \(3, 1\)"),
    "task": (
        lambda: nn.Prototypes(2).add(torch.rand(3, 2), 1),
        RangeError,
        r"task: must be the number of one of 0 proto",
    ),
    "no size": (lambda: nn.Prototypes(0), RangeError, r"Prototypes.size: must be a whole number >= 1, got 0"),
    "features": (
        lambda: nn.OnlineClusters(4, features=5),
        RangeError,
        r"features: must be a whole number in 1..4, got",
    ),
    "threshold": (lambda: nn.OnlineClusters(40, threshold=1.0), RangeError, r"threshold: must be above 0 and below 1"),
    "exemplars": (lambda: nn.OnlineClusters(40, exemplars=1), RangeError, r"exemplars: must be a whole number >= 2"),
}


@pytest.mark.parametrize(("make", "error", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
