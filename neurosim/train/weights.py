"""Weights of the layers of a recipe: how they are drawn, and normalised by their squared norm."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn


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
