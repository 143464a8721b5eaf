"""Pictures of how reliable sparse representations are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from neurosim.errors import RangeError, ShapeError
from neurosim.viz.base import COLOURS, new_axes, title, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = Mapping[int, float]


def error_curves(
    predicted: Mapping[str, Curve],
    measured: Mapping[str, Curve] | None = None,
    xlabel: str = "threshold [active synapses]",
    floor: float = 1e-9,
    ax: Axes | None = None,
) -> Axes:
    """Probabilities of an error over whole numbers, such as thresholds: predicted as lines, measured as dots.

    Args:
        predicted: name of each curve to its points, the number to the probability.
        measured: the same of experiments; a name that was predicted has the colour of its line.
        xlabel: what the numbers are.
        floor: smallest probability that is shown, > 0; what is below has no dot, and its line leaves the picture.
        ax: axes to draw on.

    Raises:
        RangeError: a probability outside 0..1, or such a floor.
        ShapeError: no curve, one without points, or a measured one that was not predicted.
    """
    measured = measured or {}
    if not predicted or not all(len(c) for c in (*predicted.values(), *measured.values())):
        raise ShapeError("error_curves.predicted: must be a dict of names to curves, each with at least one point.")
    if unknown := set(measured) - set(predicted):
        raise ShapeError(f"error_curves.measured: must be of {sorted(predicted)}, got also {sorted(unknown)}.")
    if not 0.0 < floor < 1.0:
        raise RangeError(f"error_curves.floor: must be above 0 and below 1, got {floor!r}.")
    for name, curve in (*predicted.items(), *measured.items()):
        if wrong := [p for p in curve.values() if not 0.0 <= p <= 1.0]:
            raise RangeError(f"error_curves: {name!r} must hold probabilities, 0..1, got {wrong[0]!r}.")
    ax = new_axes(ax, (6.0, 3.8))
    for k, (name, curve) in enumerate(predicted.items()):
        colour = COLOURS[k % len(COLOURS)]
        x, y = np.array(sorted(curve.items())).T
        ax.plot(x, np.maximum(y, floor * 1e-3), color=colour, linewidth=1.6, label=name)
        seen = sorted((x, p) for x, p in measured.get(name, {}).items() if p >= floor)
        if seen:
            ax.plot(*np.array(seen).T, color=colour, linestyle="none", marker="o", markersize=4.5)
    ax.set(yscale="log", ylim=(floor, 2.0), xlabel=xlabel, ylabel="probability of an error")
    whole_numbers(ax, "x")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    title(ax, "lines: predicted" + ("; dots: measured" if measured else ""))
    return ax
