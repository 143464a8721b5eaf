"""Drawn tasks: what a trial of delayed recall consists of."""

import math

import pytest
import torch

from neurosim.data import delayed_recall
from neurosim.errors import RangeError


def test_a_trial_is_a_cue_distractors_and_a_question():
    x, labels = delayed_recall(500, 30, cue=4, query=6, rate=0.2, generator=torch.Generator().manual_seed(0))
    assert x.shape == (40, 500, 5) and set(x.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(x[:4].mean(0), torch.nn.functional.one_hot(labels, 5).float())
    assert not x[:34, :, 4].any() and x[34:, :, 4].all() and not x[34:, :, :4].any()
    n = 30 * 500 * 4
    assert abs(float(x[4:34, :, :4].sum()) - 0.2 * n) < 5 * math.sqrt(n * 0.16)
    assert (torch.bincount(labels, minlength=4) > 80).all()


def test_distractors_say_nothing_about_the_cue():
    x, labels = delayed_recall(20_000, 10, generator=torch.Generator().manual_seed(1))
    own = x[5:15, torch.arange(20_000), labels].mean()
    assert abs(float(own) - 0.1) < 5 * math.sqrt(0.09 / 200_000)


def test_the_generator_decides():
    a, b, c = (delayed_recall(8, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) and not torch.equal(a[0], c[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, r"delayed_recall\.size: must be a whole number of at least 1, got 0"),
        ({"delay": -1}, r"delayed_recall\.delay: must be a whole number of at least 0"),
        ({"channels": 0}, r"delayed_recall\.channels"),
        ({"cue": True}, r"delayed_recall\.cue.*got True"),
        ({"query": 1.5}, r"delayed_recall\.query.*got 1\.5"),
        ({"rate": 1.5}, r"delayed_recall\.rate: must be in 0\.\.1, got 1\.5"),
        ({"rate": math.nan}, r"delayed_recall\.rate: must be a finite number"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(RangeError, match=message):
        delayed_recall(**{"size": 4, **options})
