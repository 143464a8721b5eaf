"""Layers that have stopped firing, or fire all the time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from neurosim.errors import RangeError


def unhealthy(rates: Mapping[str, float | Tensor], dead: float = 0.0, saturated: float = 0.9) -> list[str]:
    """Names of layers that fire at most at rate ``dead``, or at least at ``saturated``; nan counts as unhealthy.

    Args:
        rates: spikes per neuron and step by layer, as ``measure(...)["spike_rate"]``; of a tensor the mean is taken.
        dead: highest rate of a dead layer.
        saturated: lowest rate of a saturated layer.

    Example:
        >>> unhealthy({"hidden1": 0.08, "hidden2": 0.0, "hidden3": 0.95})
        ['hidden2', 'hidden3']
    """
    if not 0 <= dead < saturated <= 1:
        raise RangeError(f"unhealthy: must be 0 <= dead < saturated <= 1, got dead={dead!r}, saturated={saturated!r}.")
    means = {name: float(torch.as_tensor(rate, dtype=torch.float64).detach().mean()) for name, rate in rates.items()}
    return [name for name, rate in means.items() if not dead < rate < saturated]


def dead_fraction(rates: Mapping[str, Tensor], dead: float = 0.0) -> dict[str, float]:
    """Share of neurons of each layer whose rate is at most ``dead``.

    Args:
        rates: rate of every neuron (...) by layer, as `Counter.rates` returns them.
        dead: highest rate of a dead neuron, spikes per step.

    Example:
        >>> dead_fraction({"hidden": torch.tensor([0.0, 0.1, 0.3, 0.0])})
        {'hidden': 0.5}
    """
    return {name: float((rate <= dead).double().mean()) for name, rate in rates.items()}
