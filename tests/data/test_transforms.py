"""What all transforms have in common: one line per check, for each of them."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.data import transforms as T
from neurosim.errors import NeurosimError, RangeError, ShapeError
from neurosim.events import Events

EXAMPLES = [
    T.ToFrames(n_bins=3),
    T.ToFrames(n_bins=4, out_size=(3, 2), dtype="int32", start_us=5, duration_us=90, bounds="crop"),
    T.VoxelGrid(4),
    T.TimeSurface(100.0, window_us=30),
    T.Denoise(20),
    T.RemoveHotPixels(1e4),
    T.DropEvents(0.5),
    T.DropByTime(0.4),
    T.DropByArea(0.3),
    T.UniformNoise(7),
    T.Crop(1, 0, (3, 4)),
    T.CentreCrop((3, 3)),
    T.RandomCrop((3, 3)),
    T.Downsample(factor=2),
    T.Downsample(size=(3, 2), duplicates="merge"),
    T.FlipX(),
    T.FlipY(),
    T.Centre(),
    T.Shift(-1, 2),
    T.RandomTranslate(2, 2),
    T.RandomRotate(30),
    T.RandomScale(0.7, 1.3),
    T.FlipTime(),
    T.TimeJitter(25),
    T.TimeScale(0.5, 1.5),
    T.TimeShift(50),
    T.MergePolarity(),
    T.SelectPolarity(1),
    T.FlipPolarity(),
    T.Compose([]),
    T.Compose([T.FlipX(0.5), T.Compose([T.Denoise(50)]), T.ToFrames(n_bins=2), T.SignedPolarity()]),
]
KEEP_ALL = (T.FlipX, T.FlipY, T.FlipTime, T.FlipPolarity, T.TimeJitter, T.TimeScale, T.TimeShift, T.MergePolarity)
NEVER_MORE = (
    T.Denoise,
    T.RemoveHotPixels,
    T.DropEvents,
    T.DropByTime,
    T.DropByArea,
    T.Crop,
    T.CentreCrop,
    T.RandomCrop,
)
NEVER_MORE += (T.Centre, T.Shift, T.RandomTranslate, T.RandomRotate, T.RandomScale, T.SelectPolarity, T.Downsample)
each = pytest.mark.parametrize("transform", EXAMPLES, ids=lambda t: type(t).__name__)


@st.composite
def recordings(draw):
    sensor = draw(st.sampled_from([(5, 4, 2), (3, 6, 2), (16, 5, 2)]))
    times = sorted(draw(st.lists(st.integers(0, 200), max_size=25)))
    columns = (draw(st.lists(st.integers(0, b - 1), min_size=len(times), max_size=len(times))) for b in sensor)
    return Events(times, *columns, sensor)


def equal(a, b):
    return a == b if isinstance(a, Events) else np.array_equal(a, b)


def test_every_transform_is_among_the_examples():
    shown = {type(t) for t in EXAMPLES} | {T.SignedPolarity}
    assert shown == set(T.ALL)
    assert {kind.__name__ for kind in T.ALL} <= set(T.__all__)


@pytest.mark.parametrize("transform", [*EXAMPLES, T.SignedPolarity()], ids=lambda t: type(t).__name__)
def test_configuration_goes_through_json_and_back(transform):
    config = json.loads(json.dumps(transform.to_config()))
    again = T.from_config(config)
    assert again == transform and hash(again) == hash(transform) and again.to_config() == transform.to_config()


@each
@settings(deadline=None, max_examples=25)
@given(events=recordings(), seed=st.integers(0, 10))
def test_same_seed_same_result_and_input_untouched(transform, events, seed):
    before = events.to_structured()
    try:
        first = transform(events, np.random.default_rng(seed))
    except RangeError as error:  # a crop on a smaller sensor
        assert "sensor" in str(error)
        return
    assert equal(first, transform(events, np.random.default_rng(seed)))
    assert np.array_equal(before, events.to_structured())
    if isinstance(first, Events):  # sorted, inside its sensor: Events checked it
        if isinstance(transform, KEEP_ALL):
            assert len(first) == len(events)
        if isinstance(transform, NEVER_MORE):
            assert len(first) <= len(events)


@each
def test_empty_recordings_and_single_events_pass(transform):
    rng = np.random.default_rng(0)
    nothing = transform(Events.empty((5, 4, 2)), rng)
    assert len(nothing) == 0 if isinstance(nothing, Events) else not nothing.any()
    transform(Events([9], [2], [2], [1], (5, 4, 2)), rng)


@each
def test_random_ones_demand_a_generator_and_the_others_ignore_it(transform):
    events = Events([9], [2], [2], [1], (5, 4, 2))
    if not transform.random:
        assert equal(transform(events), transform(events, np.random.default_rng(3)))
        return
    for wrong in (None, 3, np.random.RandomState(0)):
        with pytest.raises(
            RangeError, match=r"is random and needs a generator .* Pass rng=np.random.default_rng\(seed\)"
        ):
            transform(events, wrong)


@each
@pytest.mark.parametrize(
    "wrong", [None, np.zeros((3, 2, 4, 5)), np.zeros(3, [("t", int)])], ids=["none", "frames", "void"]
)
def test_other_things_than_events_raise(transform, wrong):
    if transform != T.Compose([]):  # which looks at nothing
        with pytest.raises(ShapeError, match="takes Events, got"):
            transform(wrong, np.random.default_rng(0))


@each
def test_nonsense_parameters_raise_neurosim_errors(transform):
    for field in dataclasses.fields(transform):
        with pytest.raises((NeurosimError, TypeError)):
            dataclasses.replace(transform, **{field.name: object()})


@each
def test_transforms_are_immutable(transform):
    for field in dataclasses.fields(transform):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(transform, field.name, 1)


def test_compose_is_one_after_the_other_with_one_generator():
    events = Events([3, 50, 70], [0, 1, 2], [0, 1, 2], [0, 1, 1], (5, 4, 2))
    steps = [T.FlipX(), T.TimeJitter(5), T.ToFrames(n_bins=2)]
    rng, expected = np.random.default_rng(4), events
    for step in steps:
        expected = step(expected, rng)
    assert np.array_equal(T.Compose(steps)(events, np.random.default_rng(4)), expected)
    assert T.Compose([])(events) is events
    assert not T.Compose(steps[2:]).random


def test_compose_names_the_random_ones_before_it_works():
    with pytest.raises(RangeError, match="Compose of FlipX, FlipY: is random"):
        T.Compose([T.Denoise(5), T.FlipX(), T.FlipY()])(Events.empty((2, 2, 2)))


def test_compose_of_something_else_raises():
    with pytest.raises(ShapeError, match="item 1 must be a Transform, got <class"):
        T.Compose([T.FlipX(), T.FlipY])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "ToFrame", "n_bins": 3}, "no transform 'ToFrame'. Did you mean 'ToFrames'"),
        ({"name": "ToFrames", "nbins": 3}, "ToFrames has no parameter 'nbins'. Did you mean 'n_bins'"),
        ({"name": "Crop", "x": 1}, "Crop needs y, size, got only"),
        ({"name": "Denoise", "filter_us": -1}, "must be >= 1"),
        ({"n_bins": 3}, "a dict with a 'name'"),
        ("ToFrames", "a dict with a 'name'"),
        ({"name": "Compose", "transforms": [{"name": "Flip"}]}, "no transform 'Flip'. Did you mean 'FlipY'|'FlipX'"),
        ({"name": ["x"]}, "a dict with a 'name'"),
    ],
)
def test_bad_configurations_raise(config, message):
    with pytest.raises(RangeError, match=message):
        T.from_config(config)


def test_import_stays_light():
    code = "import sys, neurosim.data.cache; print({'numba', 'torch', 'tonic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
