"""Pictures of simulated networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.errors import RangeError, ShapeError
from neurosim.viz.base import COLOURS, checked_array, new_axes, new_figure, style, time_unit, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_DOTS = 100_000
BINS = 100  # of rates


def population_raster(
    spikes: Mapping[str, Any], sizes: Mapping[str, int], seconds: float, ax: Axes | None = None
) -> Axes:
    """One dot per spike, populations above each other; a share of the neurons where there would be too many dots.

    Args:
        spikes: `neurosim.sim.Spikes` of each population, by name.
        sizes: neurons of each population.
        seconds: length of the recording [s].
        ax: axes to draw on.
    """
    if not spikes or set(spikes) - set(sizes):
        raise RangeError(f"population_raster.spikes: must be populations of {sorted(sizes)}, got {sorted(spikes)}.")
    ax = new_axes(ax, (6.4, 4.0))
    total = sum(len(s.times) for s in spikes.values())
    every = -(-total // MOST_DOTS) or 1
    unit, factor = time_unit(seconds)
    bottom, middles = 0, []
    for k, (name, s) in enumerate(spikes.items()):
        chosen = s.neurons % every == 0
        ax.plot(
            s.times[chosen] * factor, bottom + s.neurons[chosen], ",", color=COLOURS[k % len(COLOURS)], rasterized=True
        )
        middles.append(bottom + sizes[name] / 2)
        bottom += sizes[name]
    ax.set(xlim=(0, max(seconds * factor, 1e-9)), ylim=(0, max(bottom, 1)), xlabel=f"time [{unit}]")
    ax.set_yticks(middles, list(spikes))
    shown = f", one neuron in {every} shown" if every > 1 else ""
    rate = total / max(1, sum(sizes[n] for n in spikes)) / seconds if seconds else np.nan
    title(ax, f"{total:,} spikes, mean rate {rate:.3g} Hz{shown}")
    return ax


def raster_with_states(
    spikes: Mapping[str, Any], sizes: Mapping[str, int], seconds: float, states: Mapping[str, tuple[Any, Any]]
) -> list[Axes]:
    """Spikes, the rate of each population, and the course of states: single neurons thin, their mean thick.

    Args:
        spikes, sizes, seconds: as in `population_raster`.
        states: by what is to be written on them, times (T,) [s] and values (T, M), as `Simulation.trace` gives them.

    Returns:
        The axes: of the raster, of the rates, of each state.
    """
    if not states:
        raise RangeError("raster_with_states.states: must hold at least one state; see population_raster.")
    unit, factor = time_unit(seconds)
    figure = new_figure((7.2, 4.4 + 1.3 * len(states)))
    grid = figure.subplots(2 + len(states), 1, sharex=True, height_ratios=[2.6, *[1.0] * (1 + len(states))])
    axes = [style(ax) for ax in grid]
    population_raster(spikes, sizes, seconds, axes[0])
    axes[0].set_xlabel("")
    edges = np.linspace(0.0, seconds, BINS + 1)
    for k, (name, s) in enumerate(spikes.items()):
        rate = np.histogram(s.times, edges)[0] / max(sizes[name], 1) / (seconds / BINS)
        axes[1].plot(edges[:-1] * factor, rate, drawstyle="steps-post", color=COLOURS[k % len(COLOURS)], linewidth=1.2)
    title(axes[1], f"spikes per second and neuron [Hz], in bins of {1e3 * seconds / BINS:.3g} ms")
    for k, (ax, (name, (times, values))) in enumerate(zip(axes[2:], states.items(), strict=True)):
        where = f"raster_with_states.states[{name!r}]"
        t = checked_array(where, times, 1, "T", "")
        y = checked_array(where, values, 2, "T, M", "Record it with net.probe(population, state).")
        if len(t) != len(y):
            raise ShapeError(f"{where}: must be times (T,) and values (T, M), got {t.shape} and {y.shape}.")
        colour = COLOURS[(len(spikes) + k) % len(COLOURS)]
        ax.plot(t * factor, y, color=colour, linewidth=0.6, alpha=0.35)
        ax.plot(t * factor, y.mean(axis=1), color=colour, linewidth=2.0)
        title(ax, f"{name}, {y.shape[1]} cells and their mean")
    axes[-1].set_xlabel(f"time [{unit}]")
    return axes
