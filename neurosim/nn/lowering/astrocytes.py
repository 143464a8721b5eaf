"""`AstroLayer` as a population whose astrocytes are driven by synapses like any other port."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurosim.errors import NotLowerableError
from neurosim.graph import Explicit, Projection
from neurosim.nn.domains import AstroLayer
from neurosim.nn.lowering.matrices import sparse

ASTRO = "astro"  # the port


def drives(layer: AstroLayer, source: str) -> Tensor | None:
    """Sparse matrix (n, in_features) from input spikes to the astrocyte port; None without a presynaptic share.

    Args:
        source: the population whose spikes come in as they are, or "".

    Raises:
        NotLowerableError: astrocytes are coupled, or their presynaptic drive is not of spikes.
    """
    if layer.coupling:
        raise NotLowerableError(
            "its astrocytes are coupled by gap junctions, through which states flow at every step, not spikes. Train "
            "it with coupling=0, or run the model as it is."
        )
    pre = layer.presynaptic(torch.float64)
    if pre is None:
        return None
    if not source:
        raise NotLowerableError(
            "its astrocytes see presynaptic spikes (a_pre), but what comes in are sums or states. Put it right behind "
            "a spiking layer or the input, or set a_pre=0."
        )
    rows = pre.detach()[layer.member]
    post, channel = rows.nonzero().unbind(1)
    return sparse(post, channel, rows[post, channel], (layer.n, layer.in_features))


def feedback(layer: AstroLayer, name: str) -> list[Projection]:
    """The recurrent weight, and the spikes of a domain that drive its astrocyte, one step later."""
    found: list[tuple[str, Any, Any, Any]] = []
    if layer.recurrent is not None:
        w = layer.recurrent.detach()
        post, pre = w.nonzero().unbind(1)
        found.append(("x", pre.numpy(), post.numpy(), w[post, pre].double().numpy()))
    if layer.a_post != 0:
        member = layer.member
        pre, post = (member.unsqueeze(1) == member).nonzero().unbind(1)
        found.append((ASTRO, pre.numpy(), post.numpy(), layer.shares(torch.float64)[member[post]].numpy()))
    return [
        Projection(f"{name} -> {name} ({port})", name, name, port, Explicit(pre, post), np.asarray(weight), 1)
        for port, pre, post, weight in found
    ]
