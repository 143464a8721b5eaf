"""Pictures of events, spikes, membranes and training runs.

Every function takes ``ax`` (None makes a new figure) and returns matplotlib Axes; `save` writes them. Nothing is ever
shown, and pyplot is not used, so pictures can be made without a screen, in threads and in tests.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError, check_seconds
from neurosim.events import Events
from neurosim.viz.base import (
    BLUE,
    COLOURS,
    FAINT,
    INK,
    SKY,
    VERMILLION,
    PictureError,
    checked_array,
    new_axes,
    save,
    several_axes,
    time_unit,
    title,
    whole_numbers,
)
from neurosim.viz.cascade import dendrite_cycles
from neurosim.viz.htm import anomaly, predictions
from neurosim.viz.network import population_raster, raster_with_states
from neurosim.viz.sdr import error_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TRACES = 12

__all__ = [
    "PictureError",
    "anomaly",
    "confusion_matrix",
    "dendrite_cycles",
    "error_curves",
    "events_frame",
    "events_timeline",
    "firing_rates",
    "learning_curves",
    "population_raster",
    "predictions",
    "raster_with_states",
    "raster",
    "save",
    "traces",
    "weights",
]


def events_frame(events: Events, ax: Axes | None = None) -> Axes:
    """All events of a recording added up to one picture: ON blue, OFF orange, both grey.

    Args:
        events: of a camera, with one or two polarities.
        ax: axes to draw on.
    """
    _check_camera("events_frame", events)
    ax = new_axes(ax, (4.2, 4.2))
    counts = _counts(events)
    _show_counts(ax, counts, _brightest(counts))
    ax.set(xlabel="x [pixel]", ylabel="y [pixel]")
    unit, factor = time_unit(events.duration * 1e-6)
    title(ax, f"{len(events)} events in {events.duration * 1e-6 * factor:.4g} {unit}")
    whole_numbers(ax, "x", "y")
    if events.sensor_size[2] == 2:
        from matplotlib.patches import Patch

        on = int(np.count_nonzero(events.p))
        patches = [Patch(color=BLUE, label=f"ON ({on})"), Patch(color=VERMILLION, label=f"OFF ({len(events) - on})")]
        ax.legend(handles=patches, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
    return ax


def events_timeline(events: Events, frames: int = 6, ax: Sequence[Axes] | None = None) -> list[Axes]:
    """A strip of pictures, each of an equal part of the time from the first to the last event; colours as above.

    Args:
        events: of a camera, with one or two polarities.
        frames: number of pictures.
        ax: as many axes.
    """
    _check_camera("events_timeline", events)
    if isinstance(frames, bool) or not isinstance(frames, int) or not 1 <= frames <= 50:
        raise RangeError(f"events_timeline.frames: must be a whole number in 1..50, got {frames!r}.")
    width, height, _ = events.sensor_size
    axes = several_axes(ax, frames, (1.7 * frames, 1.7 * height / width + 0.9), "events_timeline")
    first = int(events.t[0]) if len(events) else 0
    edges = first + np.linspace(0, events.duration + 1, frames + 1)  # + 1 us: the last event belongs to the last frame
    pictures = [_counts(events.between(*pair)) for pair in itertools.pairwise(np.ceil(edges).astype(int).tolist())]
    unit, factor = time_unit(events.duration * 1e-6)
    starts = (edges - first) * 1e-6 * factor
    digits = 0 if starts[-1] / frames >= 5 else 1
    brightest = _brightest(*pictures)
    for a, counts, begin, end in zip(axes, pictures, starts, starts[1:], strict=False):
        _show_counts(a, counts, brightest)
        a.set_title(f"{begin:.{digits}f}-{end:.{digits}f} {unit}", fontsize=9)
        a.set(xticks=[], yticks=[])
        a.spines[:].set(visible=True, color=FAINT)
    return axes


def raster(spikes: Any, dt: float, ax: Axes | None = None) -> Axes:
    """One tick per spike, neurons over time.

    Args:
        spikes: (T, N) array or tensor of one sample; every value but zero is a spike.
        dt: time step [s].
        ax: axes to draw on.
    """
    z = checked_array("raster.spikes", spikes, 2, "T, N", "Choose a sample: spikes[:, 0], and flatten images.")
    check_seconds("raster.dt", dt)
    ax = new_axes(ax, (6.4, 3.2))
    unit, factor = time_unit(len(z) * dt)
    step, neuron = np.nonzero(z)
    points = ax.get_window_extent().height * 72 / ax.figure.dpi  # height of the axes
    size = float(np.clip(0.8 * points / z.shape[1], 3.0, 12.0))
    ax.plot(step * dt * factor, neuron, linestyle="none", marker="|", markersize=size, markeredgewidth=1.0, color=INK)
    ax.set(xlim=(-0.5 * dt * factor, len(z) * dt * factor), ylim=(-0.7, z.shape[1] - 0.3))
    ax.set(xlabel=f"time [{unit}]", ylabel="neuron")
    whole_numbers(ax, "y")
    title(ax, f"{z.shape[1]} neurons, {len(step)} spikes, mean rate {len(step) / z.size / dt:.3g} Hz")
    return ax


def traces(v: Any, dt: float, ax: Axes | None = None, threshold: float | None = None) -> Axes:
    """Membranes (or other states) of up to 12 neurons over time.

    Args:
        v: (T,) or (T, N) array or tensor of one sample.
        dt: time step [s].
        ax: axes to draw on.
        threshold: drawn as a dashed line.
    """
    v = checked_array(
        "traces.v", v[:, None] if getattr(v, "ndim", 0) == 1 else v, 2, "T, N", "Choose a sample: v[:, 0]."
    )
    check_seconds("traces.dt", dt)
    if v.shape[1] > MOST_TRACES:
        raise RangeError(f"traces.v: more than {MOST_TRACES} lines cannot be told apart, got {v.shape[1]}.")
    ax = new_axes(ax, (6.4, 3.2))
    unit, factor = time_unit(len(v) * dt)
    time = np.arange(len(v)) * dt * factor
    for i, line in enumerate(v.T):
        style = "-" if i < len(COLOURS) else (0, (4, 1.5))
        ax.plot(time, line, color=COLOURS[i % len(COLOURS)], linewidth=1.2, linestyle=style, label=f"neuron {i}")
    if threshold is not None:
        ax.axhline(threshold, color=INK, linestyle="--", linewidth=1, label="threshold")
    ax.set(xlabel=f"time [{unit}]", ylabel="membrane", xlim=(0, len(v) * dt * factor))
    if v.shape[1] > 1 or threshold is not None:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return ax


def learning_curves(history: Sequence[Mapping[str, Any]], ax: Sequence[Axes] | None = None) -> list[Axes]:
    """Loss, and accuracy where it was kept, over epochs.

    Args:
        history: a dict per epoch with "epoch" and any of "loss", "validation_loss", "accuracy",
            "validation_accuracy" (0..1); what is missing or None in an epoch is left out.
        ax: as many axes as there are quantities (loss, accuracy).
    """
    kinds = [k for k in ("loss", "accuracy") if any(_curve(history, p + k) for p in ("", "validation_"))]
    if not kinds:
        raise ShapeError("learning_curves.history: must be a list of dicts with 'epoch' and 'loss' or 'accuracy'.")
    axes = several_axes(ax, len(kinds), (4.6 * len(kinds), 3.2), "learning_curves")
    for a, kind in zip(axes, kinds, strict=True):
        scale = 100 if kind == "accuracy" else 1
        for key, label, colour in ((kind, "training", BLUE), (f"validation_{kind}", "validation", VERMILLION)):
            if points := _curve(history, key):
                epochs, values = np.array(points).T
                a.plot(epochs, values * scale, color=colour, label=label, linewidth=1.6, marker="o", markersize=3)
        a.set(xlabel="epoch", ylabel="accuracy [%]" if kind == "accuracy" else "loss")
        title(a, _best(history, kind))
        whole_numbers(a, "x")
        a.legend(frameon=False)
    return axes


def confusion_matrix(counts: Any, classes: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """Which classes are taken for which: rows are true classes, coloured by their share, with the counts.

    Args:
        counts: (C, C) whole numbers, row = true class, column = predicted class (`neurosim.nn.confusion`).
        classes: name of each class; None numbers them.
        ax: axes to draw on.
    """
    n = checked_array("confusion_matrix.counts", counts, 2, "C, C", "")
    if n.shape[0] != n.shape[1] or (n < 0).any():
        raise ShapeError(f"confusion_matrix.counts: must be (C, C) counts, not negative, got {n.shape}.")
    names = [str(c) for c in (classes if classes is not None else range(len(n)))]
    if len(names) != len(n):
        raise ShapeError(f"confusion_matrix.classes: must be {len(n)} names, one per class, got {len(names)}.")
    side = 1.6 + min(0.36 * len(n), 6.5) + 0.06 * max(map(len, names))
    ax = new_axes(ax, (side, side))
    share = n / np.maximum(n.sum(1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if len(n) <= 20:
        for (row, column), count in np.ndenumerate(n):
            if count:
                colour = "white" if share[row, column] > 0.55 else INK
                ax.text(column, row, f"{count:g}", ha="center", va="center", color=colour, fontsize=8)
    shown, every = range(0, len(n), -(-len(n) // 30)), -(-len(n) // 30)
    ax.set_xticks(shown, names[::every], rotation=90 if max(map(len, names)) > 3 else 0)
    ax.set_yticks(shown, names[::every])
    ax.set(xlabel="predicted class", ylabel="true class")
    title(ax, f"accuracy {100 * np.trace(n) / max(n.sum(), 1):.1f} % of {n.sum():g}")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return ax


def firing_rates(rates: Mapping[str, Any], ax: Axes | None = None, dt: float | None = None) -> Axes:
    """Mean rate of each layer as a bar, first layer on top; of rates per neuron also the range of the middle 90 %.

    Args:
        rates: layer name to spikes per neuron and step: a number, or an array with one per neuron.
        ax: axes to draw on.
        dt: time step [s]; rates are then shown in Hz.
    """
    if not isinstance(rates, Mapping) or not rates:
        raise ShapeError("firing_rates.rates: must be a dict of layer name to rate with at least one layer.")
    if dt is not None:
        check_seconds("firing_rates.dt", dt)
    values = [
        np.atleast_1d(checked_array(f"firing_rates.rates[{k!r}]", r, None, "...", "")).ravel() for k, r in rates.items()
    ]
    ax, scale = new_axes(ax, (6.0, 1.1 + 0.42 * len(rates))), 1.0 if dt is None else 1 / dt
    for row, v in enumerate(values):
        low, high = np.percentile(v, (5, 95)) * scale
        ax.barh(row, v.mean() * scale, color=SKY, height=0.6)
        if len(v) > 1:
            title(ax, "mean; line: middle 90 % of neurons")
            ax.plot([low, high], [row, row], color=INK, linewidth=1.4, solid_capstyle="butt")
        dead = f"   {np.mean(v == 0):.0%} silent" if len(v) > 1 else ""
        ax.annotate(
            f"{v.mean() * scale:.3g}{dead}", (max(v.mean() * scale, high), row), (5, 0), textcoords="offset points",
            va="center", color=INK, fontsize=9,
        )  # fmt: skip
    ax.set_yticks(range(len(values)), [str(k) for k in rates])
    ax.invert_yaxis()
    ax.set_xlim(0, 1.3 * max(float(np.percentile(v, 95).clip(v.mean())) for v in values) * scale or scale)
    ax.set(xlabel="mean rate [spikes per step]" if dt is None else "mean rate [Hz]", ylabel="layer")
    ax.grid(False, axis="y")
    return ax


def weights(weight: Any, ax: Axes | None = None) -> Axes:
    """A weight matrix, or the kernels of a convolution side by side; red is positive, blue negative, white zero.

    Args:
        weight: (out, in), or (out, in, height, width).
        ax: axes to draw on.
    """
    kernels = getattr(weight, "ndim", 0) == 4
    w = checked_array("weights.weight", weight, 4 if kernels else 2, "out, in" + kernels * ", height, width", "")
    heading = f"{' x '.join(map(str, w.shape))}, {np.mean(w == 0):.0%} zero"
    height, width = w.shape[2:] if kernels else (1, 1)
    if kernels:
        w = np.pad(w, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)  # gaps between kernels
        w = w.transpose(0, 2, 1, 3).reshape(w.shape[0] * (height + 1), -1)[:-1, :-1]
    ax = new_axes(ax, (5.2, 4.0) if not kernels else (1.8 + float(np.clip(4 * w.shape[1] / w.shape[0], 0.8, 8)), 4.4))
    title(ax, heading)
    ax.set_facecolor("#8C8C8C")  # of the gaps
    limit = float(np.nanmax(np.abs(w))) or 1.0
    aspect: Any = "equal" if kernels else "auto"
    picture = ax.imshow(w, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect=aspect)
    ax.set(xlabel="input channel" if kernels else "input", ylabel="output channel" if kernels else "output")
    for axis, cell, count in ((ax.xaxis, width, w.shape[1]), (ax.yaxis, height, w.shape[0])):
        if kernels:
            centres = np.arange((cell - 1) / 2, count, cell + 1)
            every = -(-len(centres) // 16)
            axis.set_ticks(list(centres[::every]), [str(i) for i in range(0, len(centres), every)])
        else:
            whole_numbers(ax, axis.axis_name)
    ax.grid(False)
    ax.figure.colorbar(picture, ax=ax, label="weight", shrink=0.9).outline.set_visible(False)
    return ax


def _check_camera(where: str, events: Any) -> None:
    if not isinstance(events, Events):
        raise ShapeError(f"{where}.events: must be neurosim Events, got {type(events).__name__}.")
    if events.sensor_size[1] < 2 or events.sensor_size[2] > 2:
        raise RangeError(
            f"{where}.events: needs a camera with rows and at most two polarities, got {events.sensor_size}. "
            "Bin other sensors into frames and draw them with raster."
        )


def _counts(events: Events) -> NDArray[np.int64]:
    """(2, height, width) events of each pixel, ON first; a sensor of one polarity has them all in the first."""
    width, height, polarities = events.sensor_size
    off = events.p == 0 if polarities == 2 else np.zeros(len(events), bool)
    cell = (off * height + events.y.astype(np.int64)) * width + events.x
    return np.bincount(cell, minlength=2 * height * width).reshape(2, height, width)


def _brightest(*pictures: NDArray[np.int64]) -> float:
    """Count that gets the full colour: a few hot pixels must not leave the rest pale."""
    totals = np.stack(pictures).sum(1)
    return float(np.percentile(totals[totals > 0], 98)) if totals.any() else 1.0


def _show_counts(ax: Axes, counts: NDArray[np.int64], brightest: float) -> None:
    """Hue says which polarity, depth how many; the root lets single events be seen."""
    from matplotlib.colors import to_rgb

    total = counts.sum(0)[..., None]
    depth = np.sqrt(np.minimum(total / brightest, 1.0))
    hue = np.tensordot(counts, np.array([to_rgb(BLUE), to_rgb(VERMILLION)]), (0, 0)) / np.maximum(total, 1)
    ax.imshow(1 - depth * (1 - hue), interpolation="nearest")
    ax.grid(False)


def _curve(history: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    try:
        return [(float(h["epoch"]), float(h[key])) for h in history if h.get(key) is not None]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ShapeError(
            f"learning_curves.history: must be a list of dicts with 'epoch' and numbers, got {error!r}."
        ) from None


def _best(history: Sequence[Mapping[str, Any]], kind: str) -> str:
    key = f"validation_{kind}" if _curve(history, f"validation_{kind}") else kind
    epoch, value = (max if kind == "accuracy" else min)(_curve(history, key), key=lambda point: point[1])
    shown = f"{100 * value:.1f} %" if kind == "accuracy" else f"{value:.3g}"
    return f"best {key.replace('_', ' ')} {shown} (epoch {epoch:g})"
