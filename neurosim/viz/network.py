"""Pictures of simulated networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.errors import RangeError
from neurosim.viz.base import COLOURS, new_axes, time_unit, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_DOTS = 100_000


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
