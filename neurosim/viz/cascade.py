"""Pictures of training with dendrites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neurosim.errors import ShapeError
from neurosim.viz.base import BLUE, INK, VERMILLION, checked_array, new_axes, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def dendrite_cycles(records: Sequence[Mapping[str, Any]], ax: Axes | None = None, *, score: str = "score") -> Axes:
    """Best score of every cycle of dendrites; dendrites that were rejected are hollow and not on the line.

    Args:
        records: of `neurosim.nn.PhaseScheduler`.
        ax: axes to draw on.
        score: what the score is, for the axis.

    Raises:
        ShapeError: there are no records, or one lacks a key.
    """
    try:
        rows = [(r["dendrites"], r["parameters"], r["accepted"], r["validation"], r.get("test")) for r in records]
    except (KeyError, TypeError, AttributeError) as error:
        raise ShapeError(
            f"dendrite_cycles.records: must be the records of a PhaseScheduler, got one without {error}."
        ) from None
    if not rows:
        raise ShapeError("dendrite_cycles.records: must hold at least one cycle, got none.")
    ax = new_axes(ax, (4.8, 3.4))
    for place, name, colour in ((3, "validation", BLUE), (4, "test", VERMILLION)):
        shown = [(k, row[place], row[2]) for k, row in enumerate(rows) if row[place] is not None]
        if not shown:
            continue
        checked_array(f"dendrite_cycles.records {name}", [value for _, value, _ in shown], 1, "cycles", "")
        kept, dropped = ([(k, v) for k, v, accepted in shown if accepted is which] for which in (True, False))
        ax.plot(*zip(*kept, strict=True), color=colour, marker="o", linewidth=1.6, label=name)
        if dropped:
            ax.plot(*zip(*dropped, strict=True), "o", color=colour, markerfacecolor="white", label=f"{name}, rejected")
    ax.set_xticks(range(len(rows)), [f"{row[0]}\n{row[1]:,}" for row in rows])
    ax.set_xlabel("dendrites per unit, parameters", color=INK)
    ax.set_ylabel(score)
    first, last = (next(row[3] for row in order if row[2]) for order in (rows, rows[::-1]))
    title(ax, f"{score} {first:.4g} without dendrites, {last:.4g} at the end")
    ax.legend(frameon=False)
    return ax
