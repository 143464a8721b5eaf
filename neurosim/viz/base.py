"""Figures, axes, their style, and files of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import NeurosimError, RangeError, ShapeError, nearest, require
from neurosim.files import replacing, writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's colours, told apart with any colour vision; https://jfly.uni-koeln.de/color
BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY)
INK, FAINT = "#333333", "#D9D9D9"


class PictureError(NeurosimError, OSError):
    """A picture cannot be written."""


def save(picture: Axes | Figure | Sequence[Axes], path: str | os.PathLike[str]) -> Path:
    """Write a picture; the format follows the file name (.png, .svg, .pdf, ...). A file is there whole or not at all.

    Args:
        picture: axes, a list of axes or a figure.
        path: file to write; its folder must exist.

    Raises:
        PictureError: the file cannot be written.
        RangeError: a format matplotlib does not know.
    """
    first: Any = picture[0] if isinstance(picture, (list, tuple)) else picture
    figure = first.figure or first
    path = Path(path)
    known = sorted(figure.canvas.get_supported_filetypes())
    kind = path.suffix.lower().removeprefix(".")
    if kind not in known:
        raise RangeError(f"save.path: the name must end in one of {known}, got {path.name!r}.{nearest(kind, known)}")
    try:
        with writing(path), replacing(path) as part, open(part, "wb") as file:
            figure.savefig(file, format=kind, dpi=150, bbox_inches="tight", facecolor="white")
    except OSError as error:
        raise PictureError(f"save.path: {error}") from error.__cause__
    return path


def new_figure(size: tuple[float, float]) -> Figure:
    figure: Figure = require("matplotlib.figure", "viz").Figure(figsize=size, layout="constrained")
    require("matplotlib.backends.backend_agg", "viz").FigureCanvasAgg(figure)
    return figure


def new_axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    return style(new_figure(size).add_subplot() if ax is None else ax)


def several_axes(ax: Sequence[Axes] | None, count: int, size: tuple[float, float], where: str) -> list[Axes]:
    if ax is None:
        return [style(a) for a in np.ravel(new_figure(size).subplots(1, count))]
    if not isinstance(ax, (Sequence, np.ndarray)) or len(ax) != count:
        got = f"{len(ax)} axes" if isinstance(ax, (Sequence, np.ndarray)) else type(ax).__name__
        raise ShapeError(f"{where}.ax: must be a list of {count} axes, got {got}.")
    return [style(a) for a in ax]


def style(ax: Axes) -> Axes:
    ax.set_axisbelow(True)
    ax.grid(True, color=FAINT, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=9)
    return ax


def title(ax: Axes, text: str) -> None:
    ax.set_title(text, loc="left", fontsize=10, color=INK)


def whole_numbers(ax: Axes, *names: str) -> None:
    from matplotlib.ticker import MaxNLocator

    for name in names:
        getattr(ax, f"{name}axis").set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def checked_array(where: str, values: Any, dims: int | None, axes: str, hint: str) -> NDArray[np.float64]:
    values = values.detach().cpu() if hasattr(values, "detach") else values
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ShapeError(f"{where}: must be an array or tensor ({axes}), got {type(values).__name__}.") from None
    if (dims is not None and array.ndim != dims) or array.size == 0:
        raise ShapeError(f"{where}: must be ({axes}), not empty, got {array.shape}. {hint}".rstrip())
    if not np.isfinite(array).all():
        raise RangeError(f"{where}: must be finite, got {np.count_nonzero(~np.isfinite(array))} nan or inf.")
    return array


def time_unit(seconds: float) -> tuple[str, float]:
    return ("s", 1.0) if seconds >= 2 else ("ms", 1e3)
