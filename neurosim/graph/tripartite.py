"""Tripartite connectivity: synapses between neurons, some of which have a third cell, such as an astrocyte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, check_choice
from neurosim.graph.base import number, switch, whole

Indices = NDArray[np.int64]
POOLS = ("random", "block")
SOME = 1 << 20  # pairs decided at a time


@dataclass(frozen=True)
class TripartiteBernoulli:
    """Each pair of neurons with probability ``p_primary``; each such synapse with a third cell, with ``p_third``.

    The third cell is drawn from the pool of the target, every member with one chance: it gets the spikes of the
    synapse's source and acts on its target.

    Args:
        p_primary: probability of a synapse, in 0..1.
        p_third: probability that a synapse has a third cell, in 0..1.
        pool_size: third cells of each target, 1 or more.
        pool_type: "random": ``pool_size`` different ones are drawn for each target. "block": neighbours; with
            pool_size 1, as many targets in a row share a cell as there are targets per cell, a whole number; with more,
            target i has the cells from i pool_size on, of which there are pool_size times as many as targets.
        autapses: whether a neuron may connect to itself.

    Raises:
        RangeError: a probability outside 0..1, no such pool.

    Source: NEST's tripartite connection, pairwise_bernoulli with third_factor_bernoulli_with_pool.
    """

    p_primary: float
    p_third: float
    pool_size: int = 1
    pool_type: str = "random"
    autapses: bool = True

    def __post_init__(self) -> None:
        for name in ("p_primary", "p_third"):
            p = number(f"TripartiteBernoulli.{name}", getattr(self, name))
            if not 0 <= p <= 1:
                raise RangeError(f"TripartiteBernoulli.{name}: must be in 0..1, got {p!r}.")
            object.__setattr__(self, name, p)
        object.__setattr__(self, "pool_size", whole("TripartiteBernoulli.pool_size", self.pool_size, low=1))
        object.__setattr__(self, "autapses", switch("TripartiteBernoulli.autapses", self.autapses))
        check_choice("TripartiteBernoulli.pool_type", self.pool_type, POOLS)

    def check(self, where: str, targets: int, thirds: int) -> None:
        """Raise `RangeError` if populations of these sizes have no such pools."""
        if self.pool_type == "random":
            if self.pool_size > thirds:
                raise RangeError(
                    f"{where}.pool_size: must be at most the {thirds} third cells there are, got {self.pool_size}."
                )
        elif self.pool_size == 1:
            if not thirds or targets % thirds:
                raise RangeError(
                    f"{where}.pool_size: blocks with pool_size 1 need a multiple of the {thirds} third cells as "
                    f"targets, got {targets}."
                )
        elif targets * self.pool_size != thirds:
            raise RangeError(
                f"{where}.pool_size: blocks with pool_size {self.pool_size} need {targets * self.pool_size} third "
                f"cells for {targets} targets, got {thirds}."
            )

    def pools(self, targets: int, thirds: int, rng: np.random.Generator) -> Indices:
        """The third cells of each target (targets, pool_size)."""
        if self.pool_type == "block" and self.pool_size == 1:
            return np.arange(targets).reshape(-1, 1) // max(1, targets // thirds)
        if self.pool_type == "block":
            return np.arange(thirds).reshape(targets, self.pool_size)
        drawn = [rng.choice(thirds, self.pool_size, replace=False) for _ in range(targets)]
        return np.array(drawn, np.int64).reshape(targets, self.pool_size)

    def draw(
        self, sources: int, targets: int, thirds: int, same: bool, rng: np.random.Generator
    ) -> tuple[Indices, Indices, Indices]:
        """All synapses, by target, then source.

        Args:
            sources, targets, thirds: sizes of the populations.
            same: source and target are one population.

        Returns:
            Source, target and third cell of each; -1: none.
        """
        self.check("TripartiteBernoulli", targets, thirds)
        places = [np.empty(0, np.int64), *self._successes(sources * targets, rng)]
        post, pre = np.divmod(np.concatenate(places), max(1, sources))
        if same and not self.autapses:
            pre, post = pre[pre != post], post[pre != post]
        pools = self.pools(targets, thirds, rng)
        third = pools[post, rng.integers(0, self.pool_size, len(post))]
        return pre, post, np.where(rng.random(len(post)) < self.p_third, third, -1)

    def _successes(self, pairs: int, rng: np.random.Generator) -> Iterator[Indices]:
        """Numbers of the pairs that are joined, ascending: what lies between two is geometric."""
        at = -1
        while self.p_primary and at < pairs:
            found = at + np.cumsum(np.minimum(rng.geometric(self.p_primary, SOME), pairs + 1))
            at = int(found[-1])
            yield found[found < pairs]
