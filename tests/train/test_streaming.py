"""Trained models on streams: the class, the scores and the spikes are those of the model on frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from neurosim.data.formats import NpzEvents
from neurosim.errors import FormatError, RangeError, ShapeError, UnsupportedError
from neurosim.events import Events
from neurosim.train.model import build_model, load_model, save_model
from neurosim.train.objective import scores
from neurosim.train.pipeline import Framing
from neurosim.train.streaming import ModelStream

SENSOR = (8, 8, 2)


def recordings(bars):
    return [events for events, _ in NpzEvents(bars, SENSOR)]


def test_scores_are_those_of_the_model(trained: Path, bars: Path) -> None:
    model, spec = load_model(trained)
    stream = ModelStream(trained)
    for events in recordings(bars)[:12]:
        with torch.no_grad():
            want = scores(model(Framing(spec.frames)([events]))[0], spec.loss)[0]
        for packet in (1000, 1, 10**6):
            got = stream.classify(events, packet)
            np.testing.assert_allclose(got.scores, want.numpy(), atol=1e-5)
        assert got.label == spec.classes[got.index] == spec.classes[int(want.argmax())]
        assert got.report.events == len(events) and got.report.steps == spec.frames.n_bins and got.left_out == 0


def changed(trained: Path, folder: Path, frames=None, readout: object = ..., bias: bool = True) -> Path:
    """The model with other frames, or another readout at its end."""
    model, spec = load_model(trained)
    layers = spec.layers if readout is ... else (*spec.layers[:-1], *([readout] if readout else []))
    spec = replace(spec, layers=layers, frames=replace(spec.frames, **(frames or {})))
    other = build_model(spec)
    other.load_state_dict(model.state_dict(), strict=False)
    folder.mkdir(exist_ok=True)
    save_model(folder, spec, other.state_dict(), {})
    return folder


@pytest.mark.parametrize(
    ("frames", "readout"),
    [
        ({}, None), ({}, {"type": "readout", "mode": "max"}), ({}, {"type": "readout", "mode": "last"}),
        ({"clip": 0.0}, ...), ({"clip": 2.0, "start_us": 1000, "duration_us": 5000}, ...),
        ({"prepare": ({"name": "Centre"},)}, ...),
    ],
)  # fmt: skip
def test_readouts_and_frames_of_all_kinds(trained: Path, bars: Path, tmp_path: Path, frames, readout) -> None:
    folder = changed(trained, tmp_path / "other", frames, readout)
    model, spec = load_model(folder)
    stream = ModelStream(folder)
    for events in recordings(bars)[:3]:
        with torch.no_grad():
            want = scores(model(Framing(spec.frames)([events]))[0], spec.loss)[0]
        got = stream.classify(events)
        np.testing.assert_allclose(got.scores, want.numpy(), atol=1e-5)
        first, last = spec.frames.start_us, spec.frames.start_us + spec.frames.duration_us
        assert got.left_out == int(((events.t < first) | (events.t >= last)).sum())


def test_without_a_grid_it_still_tells_bars_apart(trained: Path, bars: Path) -> None:
    stream = ModelStream(trained, grid=False)
    got = [stream.classify(e, packet).index for e in recordings(bars)[:30] for packet in (500,)]
    assert np.mean(np.array(got) == np.arange(30) % 3) > 0.6  # trained on the grid; chance is a third
    assert stream.classify(recordings(bars)[0]).report.steps == 8000


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ({"duration_us": None, "dt": 1e-3}, "end of a recording"),
        ({"scale": 0.5}, r"frames.scale = 0\.5"),
        ({"clip": 1.5}, r"frames.clip = 1\.5 cuts"),
    ],
)
def test_frames_that_no_stream_can_make_are_refused(trained: Path, tmp_path: Path, frames, message) -> None:
    with pytest.raises(UnsupportedError, match=message):
        ModelStream(changed(trained, tmp_path / "other", frames))


def test_signed_polarity_is_refused() -> None:
    from neurosim.train.recipe import FramesSpec
    from neurosim.train.streaming import assert_streamable

    for polarity in ("signed", "sign"):
        with pytest.raises(UnsupportedError, match="counts events as -1"):
            assert_streamable(FramesSpec(4, duration_us=100, polarity=polarity))


def test_bad_input_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="must exist"):
        ModelStream(tmp_path)
    stream = ModelStream(trained)
    with pytest.raises(ShapeError, match=r"sensor \(8, 8, 2\), got \(9, 8, 2\)"):
        stream.classify(Events.empty((9, 8, 2)))
    with pytest.raises(ShapeError, match="got ndarray"):
        stream.classify(np.zeros(3))
    with pytest.raises(RangeError, match="packet_us"):
        stream.classify(Events.empty(SENSOR), 0)
    assert stream.classify(Events.empty(SENSOR)).report.events == 0
    with pytest.raises(UnsupportedError, match="'max' needs time steps"):
        ModelStream(changed(trained, tmp_path / "max", readout={"type": "readout", "mode": "max"}), grid=False)
