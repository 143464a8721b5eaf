"""The Spatial Pooler: learns to give any pattern a representation of fixed sparsity, and alike ones alike."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import FormatError, NeurosimError, RangeError, ShapeError
from neurosim.kernels import htm_base as base
from neurosim.kernels import htm_pooler as kernels
from neurosim.sdr import htm_store
from neurosim.sdr.checks import LARGEST, active_cells, dimensions, fraction, number, seed_word, switch, whole
from neurosim.sdr.inputs import bad_index, indices
from neurosim.sdr.sdr import SDR

KIND = "spatial pooler"
CONNECTED_AT_FIRST = 0.5  # share of potential synapses
SMALLEST_BUMP = 1e-6  # of permanences, so that raising them ends whatever the threshold is
STATE = ("permanence", "overlap_duty", "active_duty", "least_duty", "boost")
TYPES = {"begin": np.int64, "source": np.int32, **dict.fromkeys(STATE, np.float32)}


class SpatialPooler:
    """Columns that compete for inputs, each connected to some of those around its place.

    A column may have synapses from ``potential_pct`` of the inputs at most ``potential_radius`` from the input below
    it, along every axis. Its overlap is the number of connected synapses (permanence >= ``connected_permanence``)
    from active inputs, times its boost. The columns of largest overlap win: ``local_area_density`` of all, or of those
    around each. Winners learn: synapses from active inputs gain ``permanence_increment``, the others lose
    ``permanence_decrement``. Columns that rarely have an overlap raise all their permanences; with a
    ``boost_strength`` those that win less often than the target count more, by exp(strength * (target - duty cycle)).

    Args:
        input_dimensions: inputs, one number or as many as axes.
        column_dimensions: columns, with as many axes.
        potential_radius: inputs to every side, >= 0.
        potential_pct: share of these inputs that a column may connect to, above 0 and at most 1.
        global_inhibition: all columns compete; else those within a radius, which follows what columns are
            connected to, so that maps with a topology form.
        local_area_density: share of columns that win, above 0 and at most 1.
        stimulus_threshold: overlap that a winner needs, >= 0. At 0 as many win for every input, an empty one as well.
        permanence_increment: of winners' synapses from active inputs.
        permanence_decrement: of their others.
        connected_permanence: from which on a synapse counts.
        min_pct_overlap_duty_cycles: share of the largest overlap duty cycle (of all columns, or of those around)
            below which a column raises its permanences, by a tenth of ``connected_permanence`` a step.
        duty_cycle_period: steps over which duty cycles are running means, >= 1.
        boost_strength: >= 0; 0 does not boost.
        wrap_around: the last input and column along an axis are neighbours of the first.
        seed: of potential synapses and their first permanences, half of them connected.

    Raises:
        RangeError: a setting is out of range or does not fit another.
        ShapeError: inputs and columns with different numbers of axes.

    Note:
        Of equal columns the one with the lowest index wins; with local inhibition, equals count as better once they
        have won. With ``wrap_around`` what a column is connected to is measured the short way round (our
        formulation), so that columns at the ends have the radius of the others.
        Permanences and duty cycles are float32.

    Source: Cui, Ahmad and Hawkins, "The HTM spatial pooler, a neocortical algorithm for online sparse distributed
    coding", Front. Comput. Neurosci. 11:111, 2017; defaults as in htm.core.

    Example:
        >>> pooler = SpatialPooler(100, 200, potential_radius=100, local_area_density=0.05)
        >>> for _ in range(10):
        ...     winners = pooler.compute([1, 4, 9, 16, 25])
        >>> winners.active, winners == pooler.compute([1, 4, 9, 16, 25], learn=False)
        (10, True)
    """

    def __init__(
        self,
        input_dimensions: int | Sequence[int],
        column_dimensions: int | Sequence[int] = 2048,
        *,
        potential_radius: int = 16,
        potential_pct: float = 0.5,
        global_inhibition: bool = True,
        local_area_density: float = 0.05,
        stimulus_threshold: int = 0,
        permanence_increment: float = 0.05,
        permanence_decrement: float = 0.008,
        connected_permanence: float = 0.1,
        min_pct_overlap_duty_cycles: float = 0.001,
        duty_cycle_period: int = 1000,
        boost_strength: float = 0.0,
        wrap_around: bool = True,
        seed: int = 42,
    ) -> None:
        self.settings = s = _checked({name: value for name, value in locals().items() if name != "self"})
        self.input_dimensions: tuple[int, ...] = s["input_dimensions"]
        self.column_dimensions: tuple[int, ...] = s["column_dimensions"]
        self.columns = math.prod(self.column_dimensions)
        winners = active_cells("SpatialPooler.local_area_density", s["local_area_density"], self.columns)
        self._whole = np.array(
            [s["global_inhibition"], winners, s["stimulus_threshold"], s["duty_cycle_period"], s["wrap_around"]],
            np.int64,
        )
        self._rates = np.array(
            [
                s["local_area_density"], s["connected_permanence"], s["permanence_increment"],
                s["permanence_decrement"], max(0.1 * s["connected_permanence"], SMALLEST_BUMP),
                s["min_pct_overlap_duty_cycles"], s["boost_strength"],
            ],
            np.float32,
        )  # fmt: skip
        rng = np.random.default_rng(s["seed"])
        begin, source = _potential(s, rng)
        fewest = int(np.diff(begin).min())
        if s["stimulus_threshold"] > fewest:
            raise RangeError(
                "SpatialPooler.stimulus_threshold: must be at most the potential synapses of a column, "
                f"{fewest}, got {s['stimulus_threshold']}."
            )
        permanence = _first_permanences(len(source), s["connected_permanence"], rng)
        self._pooler = _arrays(s, begin, source, permanence)
        kernels.prepare(self._pooler, self._whole, self._rates)

    def compute(self, pattern: Any, learn: bool = True) -> SDR:
        """One step: the columns that win for a pattern.

        Args:
            pattern: the active inputs: an SDR of ``input_dimensions``, a dense array of bool or uint8 of this shape,
                or sorted flat indices.
            learn: change permanences, duty cycles and boost; without it all stays as it is.

        Raises:
            ShapeError: other dimensions.
            RangeError: indices are unsorted, there twice or out of range; nothing has changed then.
        """
        found = indices("SpatialPooler.compute: pattern", pattern, self.input_dimensions)
        status, value = kernels.step(self._pooler, found, learn, self._whole, self._rates)
        if status != base.DONE:
            size = math.prod(self.input_dimensions)
            raise bad_index("SpatialPooler.compute: pattern", status, value, found, size)
        return SDR._of(self.column_dimensions, self._pooler.winner[:value])

    @property
    def overlaps(self) -> NDArray[np.int32]:
        """(columns,) connected synapses from active inputs in the last step."""
        return self._pooler.overlap.copy()

    @property
    def boost(self) -> NDArray[np.float32]:
        """(columns,) factor of the overlap of each."""
        return self._pooler.boost.copy()

    @property
    def active_duty_cycles(self) -> NDArray[np.float32]:
        """(columns,) share of steps with learning that each won, a running mean."""
        return self._pooler.active_duty.copy()

    @property
    def overlap_duty_cycles(self) -> NDArray[np.float32]:
        """(columns,) share of steps with learning in which each had an overlap, a running mean."""
        return self._pooler.overlap_duty.copy()

    @property
    def inhibition_radius(self) -> int | None:
        """Columns to every side that each competes with; None if it is all."""
        return None if self.settings["global_inhibition"] else int(self._pooler.number[kernels.RADIUS])

    @property
    def steps(self) -> int:
        """Steps done with learning."""
        return int(self._pooler.number[kernels.STEP])

    def synapses(self, column: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Inputs that a column may connect to, ascending, and the permanences."""
        column = whole("SpatialPooler.synapses: column", column, 0, self.columns - 1)
        own = slice(*self._pooler.begin[column : column + 2])
        return self._pooler.source[own].copy(), self._pooler.permanence[own].copy()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file, so that it goes on bit for bit; the file appears whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        header = {"settings": self.settings, "number": self._pooler.number.tolist()}
        htm_store.save(path, KIND, header, {name: getattr(self._pooler, name) for name in TYPES})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SpatialPooler:
        """Read what `save` wrote.

        Raises:
            FormatError: another kind of file, damaged, or of a newer neurosim.
        """
        header, arrays = htm_store.load(path, KIND, TYPES)
        try:
            made = cls(**header["settings"])
            steps, radius = (whole("number", n, 0, 2**62) for n in header["number"])
            _check_arrays(arrays, made._pooler)
        except (KeyError, TypeError, ValueError, NeurosimError) as error:
            raise FormatError(f"{path}: holds no valid {KIND}: {error}. Restore it from a copy.") from None
        pooler = _arrays(made.settings, arrays["begin"], arrays["source"], arrays["permanence"])
        for name in STATE:
            getattr(pooler, name)[:] = arrays[name]
        pooler.number[:] = steps, radius
        made._pooler = pooler
        return made

    def __repr__(self) -> str:
        return (
            f"SpatialPooler({self.input_dimensions} -> {self.column_dimensions}, {len(self._pooler.source)} potential "
            f"synapses, {int(self._pooler.links.sum())} connected)"
        )


def _checked(s: dict[str, Any]) -> dict[str, Any]:
    """The settings as plain numbers, or an error if they make no sense."""
    where = "SpatialPooler."
    for name in ("input_dimensions", "column_dimensions"):
        s[name] = dimensions(where + name, s[name])
    if len(s["input_dimensions"]) != len(s["column_dimensions"]):
        raise ShapeError(
            f"{where}column_dimensions: must have as many axes as input_dimensions {s['input_dimensions']}, "
            f"got {s['column_dimensions']}."
        )
    for name, low in (("potential_radius", 0), ("stimulus_threshold", 0), ("duty_cycle_period", 1)):
        s[name] = whole(where + name, s[name], low)
    for name in (
        "potential_pct", "local_area_density", "permanence_increment", "permanence_decrement", "connected_permanence",
        "min_pct_overlap_duty_cycles",
    ):  # fmt: skip
        s[name] = fraction(where + name, s[name])
    if s["potential_pct"] == 0.0:
        raise RangeError(f"{where}potential_pct: must be above 0, got 0.0.")
    for name in ("global_inhibition", "wrap_around"):
        s[name] = switch(where + name, s[name])
    s["boost_strength"] = number(where + "boost_strength", s["boost_strength"], 0.0)
    s["seed"] = seed_word(where + "seed", s["seed"])
    return s


def _potential(s: dict[str, Any], rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Where the synapses of each column begin, and from which inputs they may be."""
    inputs, columns = (np.array(s[name], np.int64) for name in ("input_dimensions", "column_dimensions"))
    radius = min(s["potential_radius"], int(inputs.max()))
    at = np.array(np.unravel_index(np.arange(columns.prod()), s["column_dimensions"])).T
    centres = np.ravel_multi_index(tuple(((2 * at + 1) * inputs // (2 * columns)).T), s["input_dimensions"])
    near, chosen = np.empty(inputs.prod(), np.int32), []
    for centre in centres:
        around = near[: kernels.neighbours(inputs, radius, s["wrap_around"], centre, near)]
        n = max(1, round(s["potential_pct"] * len(around)))
        if n * len(centres) > LARGEST:
            raise RangeError(f"SpatialPooler.potential_pct: at most {LARGEST} synapses, got {n * len(centres)}.")
        chosen.append(np.sort(rng.choice(np.sort(around), n, replace=False, shuffle=False)))
    return np.cumsum([0, *(len(c) for c in chosen)]), np.concatenate(chosen)


def _first_permanences(n: int, connected: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Half of them evenly between the threshold and 1, the others evenly below it."""
    above, value = rng.random(n) < CONNECTED_AT_FIRST, rng.random(n)
    threshold = np.float32(connected)
    below = np.minimum((value * connected).astype(np.float32), np.nextafter(threshold, np.float32(0)))
    high = np.clip((connected + value * (1.0 - connected)).astype(np.float32), threshold, np.float32(1))
    return np.where(above, high, below)


def _arrays(
    s: dict[str, Any], begin: NDArray[np.int64], source: NDArray[np.int32], permanence: NDArray[np.float32]
) -> kernels.Pooler:
    """A pooler before its first step: the lists of the inputs are made from the synapses."""
    columns, inputs = len(begin) - 1, math.prod(s["input_dimensions"])
    on = permanence >= np.float32(s["connected_permanence"])
    order = np.argsort(source, kind="stable").astype(np.int32)
    column = np.repeat(np.arange(columns), np.diff(begin))
    place = np.empty_like(order)
    place[order] = np.arange(len(order), dtype=np.int32)
    target = (2 * column + on).astype(np.uint32)[order]
    first = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=inputs))])
    return kernels.Pooler(
        begin, source, permanence.copy(), place, first, target,
        np.bincount(column[on], minlength=columns).astype(np.int32), np.zeros(columns, np.int32),
        np.zeros(columns, np.float32), np.ones(columns, np.float32), np.zeros(columns, np.float32),
        np.zeros(columns, np.float32), np.zeros(columns, np.float32),
        np.zeros(columns, np.uint32), np.zeros(columns, np.int32),
        np.full(inputs, -s["permanence_decrement"], np.float32), np.zeros(np.diff(begin).max(), np.float32),
        np.zeros(columns, np.int64), np.array(s["column_dimensions"], np.int64),
        np.array(s["input_dimensions"], np.int64), np.zeros(2, np.int64),
    )  # fmt: skip


def _check_arrays(a: htm_store.Arrays, fresh: kernels.Pooler) -> None:
    """Raise unless the arrays of a file fit each other and its settings, so that no kernel leaves its arrays."""
    begin, source, inputs = a["begin"], a["source"], len(fresh.change)
    if not np.array_equal(begin, fresh.begin) or len(source) != begin[-1] or len(a["permanence"]) != begin[-1]:
        raise ValueError("its synapses contradict the settings")
    if ((source < 0) | (source >= inputs)).any() or (np.diff(source)[np.diff(_owners(begin)) == 0] <= 0).any():
        raise ValueError("its inputs are out of range or not sorted")
    for name in STATE:
        most = np.inf if name == "boost" else 1.0
        if name != "permanence" and len(a[name]) != len(fresh.links):
            raise ValueError(f"its {name} must be one for each column")
        if not ((a[name] >= 0) & (a[name] <= most) & np.isfinite(a[name])).all():
            raise ValueError(f"its {name} must be in 0..{most:g}")


def _owners(begin: NDArray[np.int64]) -> NDArray[np.int64]:
    """Column of each synapse."""
    return np.repeat(np.arange(len(begin) - 1), np.diff(begin))
