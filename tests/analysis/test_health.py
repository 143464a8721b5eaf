"""Dead and saturated layers."""

import pytest
import torch

from neurosim.analysis import dead_fraction, unhealthy
from neurosim.errors import RangeError


def test_dead_saturated_and_broken_layers_are_named_in_order():
    rates = {"a": 0.5, "b": 0.0, "c": 0.9, "d": 0.899, "e": float("nan"), "f": torch.tensor([0.0, 0.125])}
    assert unhealthy(rates) == ["b", "c", "e"]
    assert unhealthy(rates, dead=0.1, saturated=0.8) == ["b", "c", "d", "e", "f"]
    assert unhealthy({}) == []


@pytest.mark.parametrize(("dead", "saturated"), [(-0.1, 0.9), (0.5, 0.5), (0.0, 1.1)])
def test_bounds_out_of_order_are_refused(dead, saturated):
    with pytest.raises(RangeError, match="0 <= dead < saturated <= 1"):
        unhealthy({}, dead, saturated)


def test_dead_fraction_counts_neurons_at_or_below_the_bound():
    rates = {"a": torch.tensor([[0.0, 0.1], [0.2, 0.0]]), "b": torch.ones(3)}
    assert dead_fraction(rates) == {"a": 0.5, "b": 0.0}
    assert dead_fraction(rates, dead=0.1) == {"a": 0.75, "b": 0.0}
