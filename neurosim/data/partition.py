"""Splits of recordings into parts to train on and to test on, and the check that nothing leaks from one to another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.data.intervals import Intervals
from neurosim.errors import LeakageError, RangeError, ShapeError, check_number


def by_block(domain: Intervals, shares: Mapping[str, float], gap: float = 0.0) -> dict[str, Intervals]:
    """Contiguous parts of a domain, in order, ``gap`` seconds apart.

    Args:
        domain: stretches of time; their duration is shared out, whatever the pauses between them.
        shares: by the name of the part, in order of time; they add up to 1.
        gap: seconds left out between neighbours, so that neither filters nor lags reach across.

    Raises:
        RangeError: shares not above 0 or not adding up to 1, a gap below 0, or one that leaves a part empty.
    """
    _check_shares("by_block", shares)
    check_number("by_block.gap", gap)
    one = domain.merged()
    room = one.duration - gap * (len(shares) - 1)
    if gap < 0 or room <= 0:
        raise RangeError(f"by_block.gap: must be >= 0 and leave something of {one.duration:g} s, got {gap!r}.")
    parts, at = {}, 0.0
    for name, share in shares.items():
        parts[name] = _stretch(one, at, at + share * room)
        at += share * room + gap
    check_split(parts)
    return parts


def by_trial(
    trials: Intervals, shares: Mapping[str, float], seed: int, together: ArrayLike | None = None
) -> dict[str, Intervals]:
    """Whole trials, dealt out at random.

    Args:
        trials: what is dealt out; they keep their columns and their order.
        shares: by the name of the part; they add up to 1.
        seed: the same seed, the same split.
        together: (N,) trials with one value go to one part, such as those of a block or a stimulus.

    Raises:
        LeakageError: trials of two parts overlap in time.
        RangeError, ShapeError: shares as in `by_block`, fewer groups than parts, lengths that differ.
    """
    _check_shares("by_trial", shares)
    groups = np.arange(len(trials)) if together is None else np.asarray(together)
    if groups.shape != (len(trials),):
        raise ShapeError(f"by_trial.together: must have {len(trials)} entries, one per trial, got {groups.shape}.")
    kinds, number = np.unique(groups, return_inverse=True)
    if len(kinds) < len(shares):
        raise RangeError(f"by_trial: {len(kinds)} trials or groups do not fill {len(shares)} parts.")
    order = np.random.default_rng(seed).permutation(len(kinds))
    ends: list[int] = []
    for k, share in enumerate(
        np.cumsum(list(shares.values()))
    ):  # one at least for each part, and for each that follows
        least, most = (ends[-1] if ends else 0) + 1, len(kinds) - (len(shares) - 1 - k)
        ends.append(min(max(round(share * len(kinds)), least), most))
    part_of = np.empty(len(kinds), int)
    part_of[order] = np.searchsorted(ends, np.arange(len(kinds)), side="right")
    parts = {name: trials[part_of[number] == k] for k, name in enumerate(shares)}
    check_split(parts)
    return parts


def leave_one_out(groups: Sequence[Any]) -> Iterator[tuple[Any, NDArray[np.int64], NDArray[np.int64]]]:
    """Each session or subject once: its name, the places of all others, and its own places.

    Raises:
        RangeError: fewer than two different groups.
    """
    values = np.asarray(groups)
    kinds = list(dict.fromkeys(groups))
    if len(kinds) < 2:
        raise RangeError(f"leave_one_out.groups: must hold two different groups or more, got {kinds!r}.")
    for kind in kinds:
        yield kind, np.flatnonzero(values != kind), np.flatnonzero(values == kind)


def check_split(parts: Mapping[str, Intervals], reach: float = 0.0) -> None:
    """Raise `LeakageError` where two parts share time.

    Args:
        parts: by name; trials, windows or stretches.
        reach: seconds before each interval that its inputs see too, such as lags, or the memory of a filter.
    """
    check_number("check_split.reach", reach)
    for (first, a), (second, b) in combinations(parts.items(), 2):
        wide = a.widened(before=reach), b.widened(before=reach)
        shared = wide[0] & wide[1]
        if shared.duration > 0:
            n = int(wide[0].overlaps(wide[1]).sum())
            seen = f" with the {reach:g} s that each sees before it" if reach else ""
            raise LeakageError(
                f"{first!r} and {second!r} share {shared.duration:g} s{seen}, first at {shared.start[0]:g} s ({n} of "
                f"{len(a)} intervals of {first!r}): what is tested on would have been learnt from. Split before "
                "cutting windows, or leave a gap."
            )


def check_fitted(fitted: Intervals, evaluated: Intervals, what: str = "normalisation") -> None:
    """Raise `LeakageError` where statistics were fitted on time that is evaluated."""
    shared = fitted & evaluated
    if shared.duration > 0:
        raise LeakageError(
            f"{what} was fitted on {shared.duration:g} s of what is evaluated, first at {shared.start[0]:g} s. Fit it "
            "on the part to train on, and apply it to the others."
        )


def _check_shares(where: str, shares: Mapping[str, float]) -> None:
    for name, share in shares.items():
        check_number(f"{where}.shares[{name!r}]", share)
        if share <= 0:
            raise RangeError(f"{where}.shares[{name!r}]: must be > 0, got {share!r}.")
    if not math.isclose(sum(shares.values()), 1.0, abs_tol=1e-9):
        raise RangeError(f"{where}.shares: must add up to 1, got {dict(shares)!r}.")


def _stretch(one: Intervals, first: float, last: float) -> Intervals:
    """What lies between two durations from the start, pauses not counted."""
    length = one.end - one.start
    before = np.cumsum(length) - length
    start, end = np.clip(first - before, 0, length), np.clip(last - before, 0, length)
    return Intervals(one.start + start, one.start + end).merged()
