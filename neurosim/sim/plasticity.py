"""The arrays of plastic projections, their weights, and what checkpoints keep of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.graph import Graph, Plasticity, Projection, RewardSTDP, TsodyksMarkram
from neurosim.sim.layouts import Stored

Array = NDArray[Any]
KEPT = {"stdp": 7, "reward": 11, "short_term": 3}  # arrays that `keep` gives


@dataclass(frozen=True)
class Synapses:
    """Synapses of one projection, ascending by source, delay and target.

    Args:
        pre, post: (S,) int64, numbers of the neurons in their populations.
        weight: (S,) now.
        delay: (S,) float64 [s].
    """

    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    weight: Array
    delay: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pre)


def own_weights(p: Projection, stored: Stored) -> Stored:
    """With one weight for each synapse where they change."""
    if p.plasticity is None or isinstance(p.plasticity, TsodyksMarkram):
        return stored
    start, target, weight, *rest = stored.arguments
    return replace(
        stored, kind="each", arguments=(start, target, np.array(np.broadcast_to(weight, target.shape)), *rest)
    )


def plastic_block(graph: Graph, p: Projection, rows: tuple[Any, ...], targets: int) -> tuple[Any, ...]:
    """What the kernels of a plastic projection work on in one lane, see `neurosim.kernels.plasticity`; () without."""
    from neurosim.kernels.plasticity import decay_table

    rule, dtype, dt = p.plasticity, np.dtype(graph.precision), graph.dt
    if rule is None:
        return ()
    count = len(rows[0]) - 1
    numbers = tuple(dtype.type(x) for x in rule.numbers())
    tables = tuple(decay_table(tau, dt, dtype) for tau in rule.taus)
    if isinstance(rule, TsodyksMarkram):
        state = (np.ones(count, dtype), np.full(count, rule.U, dtype), np.full(count, -1, np.int64))
        return state, tables, numbers
    pre, post = _traces(count, dtype), _traces(targets, dtype)
    block: tuple[Any, ...] = (pre, post, tables, numbers, _inward(rows, targets), rule.dendritic_steps(dt))
    if isinstance(rule, RewardSTDP):
        eligibility = (np.zeros(len(rows[1]), dtype), np.zeros(len(rows[1]), np.int32))
        block = (*block, eligibility, _reward(rule, dt), rule.modulator_steps(dt))
    return block


def lags(graph: Graph) -> tuple[list[int], list[int]]:
    """Steps after which spikes still matter: as a reward, and back at the synapses of the neuron that fired."""
    rules = [p.plasticity for p in graph.projections if p.plasticity is not None]
    rewards = [rule.modulator_steps(graph.dt) for rule in rules if isinstance(rule, RewardSTDP)]
    return rewards, [2 * rule.dendritic_steps(graph.dt) for rule in rules]


def _traces(n: int, dtype: Any) -> tuple[Array, Array, Array]:
    return np.zeros(n, dtype), np.zeros(n, dtype), np.zeros(n, np.int64)


def _inward(rows: tuple[Any, ...], targets: int) -> tuple[Array, Array, Array]:
    """Synapses by target: where each target's begin, the synapses, and the rows they lie in."""
    start, target = rows[:2]
    order = np.argsort(target, kind="stable").astype(np.int32 if len(target) < 2**31 else np.int64)
    begin = np.zeros(targets + 1, np.int64)
    np.cumsum(np.bincount(target, minlength=targets), out=begin[1:])
    return begin, order, rows_of(start).astype(np.int32)[order]


def rows_of(start: Array) -> NDArray[np.int64]:
    """The row of every synapse."""
    return np.repeat(np.arange(len(start) - 1), np.diff(start))


def _reward(rule: RewardSTDP, dt: float) -> tuple[Any, ...]:
    """(earned, decay, level, of_modulator, of_baseline, left) of `neurosim.kernels.plasticity.reward_step`."""
    steps = max(1, round(rule.tau_eligibility / dt))
    decay = np.exp(-np.arange(steps + 1) * (dt / rule.tau_eligibility))
    fast = 1 / rule.tau_eligibility + 1 / rule.tau_modulator
    return (
        np.zeros(steps + 1),
        decay,
        np.zeros(1),
        -math.expm1(-dt * fast) / fast,
        -math.expm1(-dt / rule.tau_eligibility) * rule.tau_eligibility * rule.baseline,
        math.exp(-dt / rule.tau_modulator),
    )


def now(rule: Plasticity, rows: tuple[Any, ...], block: tuple[Any, ...], step: int) -> tuple[Any, ...]:
    """``rows`` with the weights of this step: with what eligibility earned since each synapse was last looked at."""
    if not isinstance(rule, RewardSTDP):
        return rows
    (c, past), (earned, decay, *_) = block[6], block[7]
    last = step % (len(earned) - 1) or (len(earned) - 1 if step else 0)
    weight = np.clip(rows[2] + c * (earned[last] - earned[past]) / decay[past], rule.w_min, rule.w_max)
    return (*rows[:2], np.asarray(weight, rows[2].dtype), *rows[3:])


def synapses(parts: Sequence[tuple[Any, ...]], cuts: Sequence[int], dt: float) -> Synapses:
    """All synapses of a projection. parts: of each lane (start, target, weight, scale, base, spread)."""
    row, post = _places(parts, cuts)
    order = np.lexsort((post, row))
    base, spread = parts[0][4:]
    weight = np.concatenate([np.broadcast_to(part[2], part[1].shape) for part in parts])
    row = row[order]
    return Synapses(row // spread, post[order], weight[order], (base + row % spread) * dt)


def _places(parts: Sequence[tuple[Any, ...]], cuts: Sequence[int]) -> tuple[Array, Array]:
    row = np.concatenate([rows_of(start) for start, *_ in parts])
    post = np.concatenate([target.astype(np.int64) + cut for (_, target, *_), cut in zip(parts, cuts, strict=False)])
    return row, post


def keep(rule: Plasticity, parts: Sequence[tuple[Any, ...]], blocks: Sequence[Any], cuts: Sequence[int]) -> list[Array]:
    """The state of a plastic projection in an order that does not depend on the lanes."""
    newest = np.argmax(
        [block[0][2] for block in blocks], axis=0
    )  # a lane a source does not reach knows no spikes of it
    kept = [np.take_along_axis(np.stack([block[0][k] for block in blocks]), newest[None], 0)[0] for k in range(3)]
    if isinstance(rule, TsodyksMarkram):
        return kept
    kept += [np.concatenate([block[1][k] for block in blocks]) for k in range(3)]
    row, post = _places(parts, cuts)
    order = np.lexsort((post, row))
    kept.append(np.concatenate([part[2] for part in parts])[order])
    if isinstance(rule, RewardSTDP):
        kept += [np.concatenate([block[6][k] for block in blocks])[order] for k in range(2)]
        kept += [blocks[0][7][0], blocks[0][7][2]]
    return kept


def put(
    rule: Plasticity,
    parts: Sequence[tuple[Any, ...]],
    blocks: Sequence[Any],
    cuts: Sequence[int],
    kept: Sequence[Array],
) -> None:
    """Take over what `keep` gave, from a simulation with any number of lanes."""
    for block in blocks:
        for own, values in zip(block[0], kept[:3], strict=True):
            own[:] = values
    if isinstance(rule, TsodyksMarkram):
        return
    row, post = _places(parts, cuts)
    order = np.lexsort((post, row))
    synaptic = [[part[2] for part in parts]]
    if isinstance(rule, RewardSTDP):
        synaptic += [[block[6][k] for block in blocks] for k in range(2)]
        for block in blocks:
            block[7][0][:], block[7][2][:] = kept[9], kept[10]
    for k in range(3):
        _split(kept[3 + k], [block[1][k] for block in blocks])
    for own, values in zip(synaptic, kept[6:9], strict=False):
        unsorted = np.empty_like(values)
        unsorted[order] = values
        _split(unsorted, own)


def _split(values: Array, parts: Sequence[Array]) -> None:
    at = 0
    for part in parts:
        part[:] = values[at : at + len(part)]
        at += len(part)
