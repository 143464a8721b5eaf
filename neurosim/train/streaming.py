"""Trained models on streams of events: `ModelStream`."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neurosim.errors import ShapeError, UnsupportedError, check_positive
from neurosim.events import Events
from neurosim.graph import Population
from neurosim.nn import Readout, lower
from neurosim.sim import Channels, Output, Stream, StreamReport
from neurosim.train.model import ModelSpec, load_model
from neurosim.train.objective import scores
from neurosim.train.recipe import FramesSpec, event_transforms

PACKET_US = 1000  # of a camera: it hands over its events about so often
SUMS = ("mean", "count")  # readouts that are sums over time, which need no steps


@dataclass(frozen=True)
class Prediction:
    """What a model says about a recording.

    Args:
        label: name of the class.
        index: of the class.
        scores: one per class.
        left_out: events outside the model's time grid, which training crops as well.
        report: latency and throughput.
    """

    label: str
    index: int
    scores: tuple[float, ...]
    left_out: int
    report: StreamReport


class ModelStream:
    """A trained model as a `neurosim.sim.Stream` that takes the events its frames were made from.

    Args:
        model: ``model.safetensors``, or the folder of a finished run.
        grid: on the time grid the model was trained with; False: event by event.
        buffer: events that may wait.

    Attributes:
        stream: for events that come live.
        spec: of the model.

    Raises:
        FormatError: no model.
        NotLowerableError: a layer has no event form.
        UnsupportedError: frames that no events give one by one: signed or scaled counts, bins that depend on the whole
            recording; without a grid also units without closed form and readouts that need steps.
    """

    def __init__(self, model: str | Path, grid: bool = True, buffer: int = 1 << 20) -> None:
        network, self.spec = load_model(model)
        self.stream = stream_of(network, self.spec, grid, buffer)
        self.mode = next((m.mode for m in network.modules() if isinstance(m, Readout)), None)
        if not grid and (self.mode or "count") not in SUMS:
            raise UnsupportedError(f"ModelStream: readout {self.mode!r} needs time steps. Stream it on the grid.")

    def classify(self, events: Events, packet_us: int = PACKET_US) -> Prediction:
        """Stream a recording from the beginning, in packets of ``packet_us`` [us], and say its class."""
        check_positive("ModelStream.classify.packet_us", packet_us)
        frames, width = self.spec.frames, int(packet_us)
        assert frames.duration_us is not None  # `stream_of` saw to it
        if not isinstance(events, Events) or events.sensor_size != self.spec.sensor_size:
            got = events.sensor_size if isinstance(events, Events) else type(events).__name__
            raise ShapeError(f"ModelStream.classify: needs events of a sensor {self.spec.sensor_size}, got {got}.")
        prepared = event_transforms(frames.prepare, "prepare", random=False)(events) if frames.prepare else events
        first, last = frames.start_us, frames.start_us + frames.duration_us
        inside = prepared.between(first, last)
        self.stream.reset()
        cuts = np.searchsorted(inside.t, np.arange(first + width, last + width, width))
        outputs = [self.stream.push(inside.take(slice(a, b))) for a, b in zip([0, *cuts], cuts, strict=False) if b > a]
        outputs.append(self.stream.advance_to(last))
        y = self._scores(outputs)
        index = int(y.argmax())
        return Prediction(
            self.spec.classes[index], index, tuple(y.tolist()), len(prepared) - len(inside), self.stream.report()
        )

    def _scores(self, outputs: list[Output]) -> Any:
        """Scores (classes,) as the model's readout and loss make them of its output."""
        bins, last = self.spec.frames.n_bins, self.stream.graph.populations[-1]
        assert isinstance(last, Population)
        t = np.concatenate([o.t for o in outputs])
        values = np.concatenate([o.values for o in outputs])
        if last.spiking:
            steps = (t - self.stream.start_us) * bins // (self.spec.frames.duration_us or 1)
            values = np.zeros((bins, last.size), np.float32)
            np.add.at(values, (steps, np.concatenate([o.neurons for o in outputs])), 1)
        y = torch.from_numpy(values).unsqueeze(1)
        if not self.stream.grid:
            return y.sum(0)[0] / (bins if self.mode == "mean" else 1)
        if self.mode is None:
            return scores(y, self.spec.loss)[0]
        return Readout("mean" if self.mode == "membrane" else self.mode)(y)[0][0]


def stream_of(network: nn.Module, spec: ModelSpec, grid: bool = True, buffer: int = 1 << 20) -> Stream:
    """A model as a stream; see `ModelStream`."""
    frames = spec.frames
    assert_streamable(frames)
    graph = lower(network, spec.input_shape, dt=frames.step)
    channels = Channels(spec.sensor_size, frames.out_size, frames.polarity == "merge")
    start, most = frames.start_us, int(frames.clip) or None
    if not grid:
        return Stream(graph, channels, grid=False, start_us=start, buffer=buffer)
    step = Fraction(frames.duration_us or 0, frames.n_bins)
    return Stream(graph, channels, start_us=start, step_us=step, most=most, buffer=buffer)


def assert_streamable(frames: FramesSpec) -> None:
    """Raise `UnsupportedError` where frames are not what events add up to one by one."""
    retrain = "Train a model without it to stream."
    if frames.duration_us is None:
        raise UnsupportedError(
            "ModelStream: frames without duration_us are cut by the end of a recording, which a stream does not know. "
            "Train with frames.duration_us."
        )
    if frames.polarity not in ("split", "merge"):
        raise UnsupportedError(f"ModelStream: frames.polarity = {frames.polarity!r} counts events as -1. {retrain}")
    if frames.scale != 1:
        raise UnsupportedError(f"ModelStream: frames.scale = {frames.scale:g}, but an event counts as 1. {retrain}")
    if frames.clip != int(frames.clip):
        raise UnsupportedError(f"ModelStream: frames.clip = {frames.clip:g} cuts through an event. {retrain}")
