"""Networks of the literature, written with `Network`: examples to read, benchmarks to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurosim.errors import check_choice
from neurosim.sim.network import Network
from neurosim.sim.networks.astro import astro
from neurosim.sim.networks.brunel import brunel
from neurosim.sim.networks.coba import coba
from neurosim.sim.networks.cuba import cuba
from neurosim.sim.networks.microcircuit import microcircuit
from neurosim.sim.networks.stdp import stdp

NETWORKS: dict[str, Callable[..., Network]] = {
    "astro": astro,
    "brunel": brunel,
    "coba": coba,
    "cuba": cuba,
    "microcircuit": microcircuit,
    "stdp": stdp,
}


def network(name: str, **options: Any) -> Network:
    """One of `NETWORKS` by its name; options are ``scale``, ``seed`` and ``precision``."""
    check_choice("network.name", name, tuple(NETWORKS))
    return NETWORKS[name](**options)


__all__ = ["NETWORKS", "astro", "brunel", "coba", "cuba", "microcircuit", "network", "stdp"]
