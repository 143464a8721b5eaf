"""How layers of a recipe train: normalised weights, and one number shared by many neurons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from neurosim.errors import RangeError

PER = ("layer", "channel", "neuron")  # what one trained value of a unit's parameter is for


class SquaredNorm(nn.Module):
    """Weight over its squared norm per output: a unit fires when its input matches its kernel to ``v_threshold``.

    Source: Cordone, Miramond & Ferrante 2021, arXiv:2104.12579; there the membrane is divided, which is the same.
    """

    def forward(self, weight: Tensor) -> Tensor:
        """Normalise each output channel."""
        norm = weight.flatten(1).square().sum(1) + 1e-8
        return weight / norm.view(-1, *[1] * (weight.dim() - 1))

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Weights as they were drawn are what is normalised."""
        return weight


class Shared(nn.Module):
    """One trained number seen as many."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, value: Tensor) -> Tensor:
        """Repeat the number."""
        return value.expand(self.shape)

    def right_inverse(self, value: Tensor) -> Tensor:
        """The number."""
        return value.flatten()[0].clone()


def learning(layer: Any, learned: Mapping[str, str]) -> nn.Module:
    """Let parameters that train per layer share one number where others of the layer train per channel or neuron."""
    widest = max(learned.values(), key=PER.index, default="layer")
    for name, per in learned.items():
        if per not in (widest, "layer"):
            raise RangeError(f"learn.{name}: beside parameters per {widest}, one per {per} cannot train.")
        if per != widest:
            nn.utils.parametrize.register_parametrization(layer, f"raw_{name}", Shared(layer.shape))
    return layer  # type: ignore[no-any-return]


def weighted(layer: Any, init_gain: float | None, norm_threshold: bool) -> nn.Module:
    """Draw the weights of a layer with ``init_gain``, and divide them by their squared norms if wanted."""
    if init_gain is not None:
        fan_in = layer.weight[0].numel()
        nn.init.normal_(layer.weight, 0.0, init_gain / math.sqrt(fan_in))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    if norm_threshold:
        nn.utils.parametrize.register_parametrization(layer, "weight", SquaredNorm())
    return layer  # type: ignore[no-any-return]
