"""The pictures of a run: events in, what each layer does, learning curves, confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurosim import viz
from neurosim.analysis import record
from neurosim.train.evaluate import Score
from neurosim.train.model import ModelSpec, spiking_layers
from neurosim.train.pipeline import Framing, Samples

MOST_NEURONS, MOST_TRACES = 200, 6
TELLING_RATE = 0.25  # spikes per step of neurons whose membrane is worth a look: neither silent nor busy


def draw(
    out: Path, model: nn.Module, history: Sequence[Mapping[str, Any]], samples: Samples, spec: ModelSpec, test: Score
) -> None:
    """Write events.png, raster_<layer>.png, membrane_<layer>.png, learning_curves.png and confusion.png.

    Raises:
        PictureError: they cannot be written.
    """
    shown = next((i for i, events in enumerate(samples.events) if len(events)), 0)
    events, dt = samples.events[shown], spec.frames.step
    x = Framing(spec.frames)([events])
    if events.sensor_size[1] > 1:
        viz.save(viz.events_timeline(events), out / "events.png")
    else:
        viz.save(viz.raster(x[:, 0].flatten(1), dt), out / "events.png")
    with torch.no_grad():
        spikes, membranes = record(model, x), record(model, x, "v")
    units = spiking_layers(model)
    for name, z in spikes.items():
        viz.save(viz.raster(_some(z, MOST_NEURONS), dt), out / f"raster_{name}.png")
    for name, v in membranes.items():
        threshold = getattr(units[name].unit, "v_threshold", None) if name in units else None
        viz.save(viz.traces(_telling(v, spikes.get(name)), dt, threshold=threshold), out / f"membrane_{name}.png")
    viz.save(viz.learning_curves(history), out / "learning_curves.png")
    viz.save(viz.confusion_matrix(test.confusion, spec.classes), out / "confusion.png")


def _some(z: Tensor, n: int) -> Tensor:
    """(T, at most n) neurons of the one sample of (T, 1, ...), evenly chosen."""
    flat = z[:, 0].flatten(1)
    return flat[:, :: max(1, -(-flat.shape[1] // n))]


def _telling(v: Tensor, spikes: Tensor | None) -> Tensor:
    """(T, at most 6) of the neurons that fire now and then; the first ones of a layer that never does."""
    flat = v[:, 0].flatten(1)
    if spikes is None:
        return flat[:, :MOST_TRACES]
    order = (spikes[:, 0].flatten(1).mean(0) - TELLING_RATE).abs().argsort(stable=True)
    return flat[:, order[:MOST_TRACES]]
