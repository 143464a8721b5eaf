"""Pictures of a sequence memory: what surprised it, and what it predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.errors import RangeError, ShapeError
from neurosim.graph.base import whole
from neurosim.viz.base import BLUE, INK, VERMILLION, checked_array, new_axes, title, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def anomaly(
    values: Any, window: int = 10, marks: Mapping[int, str] | None = None, xlabel: str = "step", ax: Axes | None = None
) -> Axes:
    """The anomaly of a temporal memory over time, with its running mean.

    Args:
        values: (T,) anomalies, 0..1.
        window: steps of the running mean, which looks back; 1 shows none.
        marks: step to what happened there, drawn as dashed lines.
        xlabel: what a step is.
        ax: axes to draw on.

    Raises:
        RangeError: an anomaly outside 0..1, a window below 1, or a mark outside the time.
        ShapeError: no row of numbers.
    """
    y = checked_array("anomaly.values", values, 1, "T", "")
    if (y < 0).any() or (y > 1).any():
        raise RangeError(f"anomaly.values: must be in 0..1, got {y.min():g}..{y.max():g}.")
    whole("anomaly.window", window, 1)
    for step in marks or {}:
        whole("anomaly.marks", step, 0, len(y) - 1)
    ax = new_axes(ax, (6.4, 2.8))
    ax.plot(y, color=BLUE, linewidth=0.8, alpha=0.6 if window > 1 else 1.0, label="anomaly")
    if window > 1:
        total = np.concatenate([[0.0], np.cumsum(y)])
        end = np.arange(1, len(y) + 1)
        begin = np.maximum(end - window, 0)
        mean = (total[end] - total[begin]) / (end - begin)
        ax.plot(mean, color=VERMILLION, linewidth=1.6, label=f"mean of {window} steps")
    for step, text in (marks or {}).items():
        ax.axvline(step, color=INK, linestyle="--", linewidth=1)
        ax.text(step, 1.04, f" {text}", fontsize=8, color=INK, va="bottom")
    ax.set(xlabel=xlabel, ylabel="anomaly", xlim=(0, max(len(y) - 1, 1)), ylim=(-0.03, 1.15 if marks else 1.03))
    whole_numbers(ax, "x")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return ax


def predictions(predicted: Sequence[Any], active: Sequence[Any], columns: int, ax: Axes | None = None) -> Axes:
    """Columns over time: active as predicted, active by surprise, and predicted in vain.

    Args:
        predicted: for each step, the columns that were predicted for it (`TemporalMemory.predicted_columns` after
            the step before).
        active: for each step, the active columns.
        columns: number of columns, >= 1.
        ax: axes to draw on.

    Raises:
        RangeError: a column out of range.
        ShapeError: no step, or different numbers of them.
    """
    whole("predictions.columns", columns, 1)
    if len(active) == 0 or len(predicted) != len(active):
        raise ShapeError(f"predictions.predicted: must be {len(active)} steps, at least one, got {len(predicted)}.")
    points: dict[str, list[tuple[int, int]]] = {"as predicted": [], "surprise": [], "in vain": []}
    for t, (before, now) in enumerate(zip(predicted, active, strict=True)):
        was = _columns(f"predictions.predicted[{t}]", before, columns)
        is_now = _columns(f"predictions.active[{t}]", now, columns)
        for name, cells in (("as predicted", was & is_now), ("surprise", is_now - was), ("in vain", was - is_now)):
            points[name] += [(t, c) for c in sorted(cells)]
    ax = new_axes(ax, (6.4, 3.2))
    for (name, found), colour in zip(points.items(), (BLUE, VERMILLION, "#bbbbbb"), strict=True):
        x, y = np.array(found, float).reshape(-1, 2).T
        ax.plot(x, y, linestyle="none", marker="s", markersize=2.2, color=colour, label=f"{name} ({len(found)})")
    ax.set(xlabel="step", ylabel="column", xlim=(-0.6, len(active) - 0.4), ylim=(-0.01 * columns, 1.01 * columns))
    whole_numbers(ax, "x", "y")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    hits, active_count = len(points["as predicted"]), len(points["as predicted"]) + len(points["surprise"])
    title(ax, f"{hits} of {active_count} active columns were predicted")
    return ax


def _columns(where: str, values: Any, columns: int) -> set[int]:
    found = np.asarray(getattr(values, "sparse", values))
    if found.size == 0:
        return set()
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise ShapeError(f"{where}: must be an SDR or a row of columns, got {found.dtype} of shape {found.shape}.")
    if found.min() < 0 or found.max() >= columns:
        raise RangeError(f"{where}: must be in 0..{columns - 1}, got {found.min()}..{found.max()}.")
    return {int(c) for c in found}
