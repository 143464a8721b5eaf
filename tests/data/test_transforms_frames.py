"""Frames from events, against np.histogramdd, Tonic and the formulas of the docstring."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.data.transforms import SignedPolarity, ToFrames, frames_batch
from neurosim.errors import RangeError, ShapeError
from neurosim.events import Events

SENSOR = (7, 5, 2)
EMPTY = Events.empty(SENSOR)


def recording(n=500, span=10_000, seed=0, sensor=SENSOR, start=300):
    rng = np.random.default_rng(seed)
    t = start + np.sort(rng.integers(0, span + 1, n))
    return Events(t, *(rng.integers(0, bound, n) for bound in sensor), sensor)


def at(times):
    """Events of one pixel at the given times."""
    zero = np.zeros(len(times), int)
    return Events(times, zero, zero, zero, (1, 1, 1))


def counts(transform, times):
    return transform(at(times)).ravel().tolist()


def histogram(events, edges):
    """Frames by np.histogramdd; its last edge is closed, so ours come with no event on it."""
    width, height, polarities = events.sensor_size
    sample = np.stack([events.t, events.p, events.y, events.x], axis=1).astype(float)
    bounds = [np.arange(n + 1) - 0.5 for n in (polarities, height, width)]
    return np.histogramdd(sample, bins=[np.asarray(edges, float), *bounds])[0]


@pytest.fixture(scope="module")
def tonic():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tonic.transforms", reason="Tonic is not installed (extra 'tonic')")


times = st.lists(st.integers(0, 300), max_size=40).map(sorted)
slicings = st.one_of(
    st.integers(1, 50).map(lambda n: {"n_bins": n}),
    st.integers(1, 400).map(lambda n: {"window_us": n}),
    st.integers(1, 50).map(lambda n: {"events_per_frame": n}),
)


@pytest.mark.parametrize("tail", ["keep", "drop"])
@pytest.mark.parametrize("n", [1, 3, 16, 999])
def test_bins_equal_histogramdd(n, tail):
    events = recording()
    width = events.duration // n
    edges = events.t[0] + np.arange(n + 1) * width
    if tail == "keep":
        edges[-1] = events.t[-1] + 1
        inside = events
    else:
        inside = events.between(0, int(edges[-1]))
    assert np.array_equal(ToFrames(n_bins=n, tail=tail)(events), histogram(inside, edges))


@pytest.mark.parametrize("window", [1000, 1, 777, 50_000])
def test_windows_equal_histogramdd(window):
    events = recording(span=2000)
    edges = events.t[0] + np.arange(events.duration // window + 2) * window
    assert np.array_equal(ToFrames(window_us=window)(events), histogram(events, edges))


@pytest.mark.parametrize(("start", "duration", "n"), [(0, 11_000, 7), (300, 10_001, 16), (250, 10_100, 10_100)])
def test_fixed_grid_is_the_stated_formula(start, duration, n):
    events = recording()
    expected = np.zeros((n, 2, 5, 7))
    np.add.at(expected, ((events.t - start) * n // duration, events.p, events.y, events.x), 1)
    assert np.array_equal(ToFrames(n_bins=n, start_us=start, duration_us=duration)(events), expected)


def test_fixed_grid_raises_or_crops_what_lies_outside():
    events = recording()
    with pytest.raises(RangeError, match=r"the grid 1000..5000 us leaves out \d+ of 500 events .*bounds=\"crop\""):
        ToFrames(n_bins=4, start_us=1000, duration_us=4000)(events)
    cropped = ToFrames(n_bins=4, start_us=1000, duration_us=4000, bounds="crop")(events)
    assert np.array_equal(cropped, histogram(events.between(1000, 5000), np.arange(1000, 5001, 1000)))
    at_the_end = ToFrames(n_bins=2, duration_us=10)
    with pytest.raises(RangeError, match="leaves out 1 of 2"):
        at_the_end(at([0, 10]))
    assert counts(at_the_end, [0, 9]) == [1, 1]


@pytest.mark.parametrize(
    ("options", "keep", "drop"),
    [
        ({"n_bins": 3}, [3, 3, 5], [3, 3, 3]),
        ({"n_bins": 11}, [1] * 11, [0] * 11),
        ({"n_bins": 20}, [1] * 11 + [0] * 9, [0] * 20),
        ({"window_us": 3}, [3, 3, 3, 2], [3, 3, 3]),
        ({"window_us": 5}, [5, 5, 1], [5, 5]),
        ({"window_us": 20}, [11], [11]),
        ({"events_per_frame": 3}, [3, 3, 3, 2], [3, 3, 3]),
        ({"events_per_frame": 11}, [11], [11]),
        ({"events_per_frame": 20}, [11], [11]),
    ],
)
def test_edges_and_tails_of_eleven_events(options, keep, drop):
    assert counts(ToFrames(**options), range(11)) == keep
    assert counts(ToFrames(**options, tail="drop"), range(11)) == drop


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"n_bins": 16}, {"n_time_bins": 16}),
        ({"n_bins": 1}, {"n_time_bins": 1}),
        ({"n_bins": 700}, {"n_time_bins": 700}),
        ({"window_us": 1000}, {"time_window": 1000}),
        ({"window_us": 333}, {"time_window": 333}),
        ({"window_us": 90_000}, {"time_window": 90_000}),
        ({"events_per_frame": 70}, {"event_count": 70}),
        ({"events_per_frame": 9000}, {"event_count": 9000}),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_dropping_the_tail_equals_tonic(tonic, ours, theirs, seed):
    events = recording(seed=seed)
    got = ToFrames(**ours, tail="drop", dtype="int16")(events)
    expected = tonic.ToFrame(sensor_size=SENSOR, **theirs)(events.to_structured())
    assert got.dtype == expected.dtype and np.array_equal(got, expected)


@settings(deadline=None, max_examples=150)
@given(times=times.filter(len), n=st.integers(1, 40), window=st.integers(1, 400))
def test_dropping_the_tail_equals_tonic_on_any_times(tonic, times, n, window):
    events = at(times)
    for ours, theirs in (({"n_bins": n}, {"n_time_bins": n}), ({"window_us": window}, {"time_window": window})):
        expected = tonic.ToFrame(sensor_size=(1, 1, 1), **theirs)(events.to_structured())
        assert np.array_equal(ToFrames(**ours, tail="drop")(events), expected)


@settings(deadline=None)
@given(times=times, slicing=slicings)
def test_every_event_is_counted_once_by_default(times, slicing):
    assert sum(counts(ToFrames(**slicing), times)) == len(times)


@settings(deadline=None)
@given(times=times, slicing=slicings)
def test_dropping_the_tail_only_drops_at_the_end(times, slicing):
    kept, dropped = counts(ToFrames(**slicing), times), counts(ToFrames(**slicing, tail="drop"), times)
    assert len(dropped) <= len(kept)
    if slicing.get("n_bins", 0) <= (times[-1] - times[0] if times else 0):  # else bins have no width: all is tail
        assert dropped[:-1] == kept[: len(dropped) - 1]


def test_out_size_adds_up_pixels():
    events = recording(sensor=(8, 6, 2))
    full = ToFrames(n_bins=3)(events)
    assert np.array_equal(ToFrames(n_bins=3, out_size=(4, 3))(events), full.reshape(3, 2, 3, 2, 4, 2).sum(axis=(3, 5)))
    uneven = ToFrames(n_bins=3, out_size=(5, 4))(events)
    expected = np.zeros((3, 2, 4, 5))
    for y in range(6):
        for x in range(8):
            expected[:, :, y * 4 // 6, x * 5 // 8] += full[:, :, y, x]
    assert np.array_equal(uneven, expected)


@pytest.mark.parametrize("dtype", ["float32", "int16", "int32", "uint8"])
def test_dtypes_hold_the_same_counts(dtype):
    frames = ToFrames(n_bins=5, dtype=dtype)(recording())
    assert frames.dtype == dtype and np.array_equal(frames, ToFrames(n_bins=5)(recording()))


def test_count_beyond_the_dtype_raises_instead_of_wrapping():
    assert counts(ToFrames(n_bins=1, dtype="uint8"), [0] * 255) == [255]
    with pytest.raises(RangeError, match=r"more than 255 events in frame 1, which uint8 cannot hold"):
        ToFrames(window_us=1, dtype="uint8")(at([0] * 255 + [1] * 256))


@pytest.mark.parametrize(
    ("options", "frames"), [({"n_bins": 4}, 4), ({"window_us": 9}, 1), ({"events_per_frame": 2}, 1)]
)
@pytest.mark.parametrize("tail", ["keep", "drop"])
def test_empty_recordings_give_empty_frames(options, frames, tail):
    got = ToFrames(**options, tail=tail)(EMPTY)
    assert got.shape == (frames, 2, 5, 7) and got.dtype == np.float32 and not got.any()


@pytest.mark.parametrize("options", [{"n_bins": 4}, {"window_us": 9}, {"events_per_frame": 2}])
def test_single_event_is_in_the_first_frame(options):
    frames = ToFrames(**options)(Events([77], [6], [4], [1], SENSOR))
    assert frames[0, 1, 4, 6] == 1 and frames.sum() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of n_bins, window_us and events_per_frame, got none"),
        ({"n_bins": 2, "window_us": 3}, "got n_bins and window_us"),
        ({"n_bins": 0}, r"ToFrames.n_bins: must be >= 1, got 0"),
        ({"n_bins": -3}, "must be >= 1"),
        ({"n_bins": 2.5}, r"must be a whole number, got 2.5 \(float\)"),
        ({"n_bins": True}, "must be a whole number"),
        ({"n_bins": 2**70}, "must be below 2"),
        ({"window_us": float("nan")}, "must be a whole number, got nan"),
        ({"events_per_frame": "3"}, "must be a whole number"),
        ({"n_bins": 2, "out_size": 3}, r"out_size: must be \(width, height\)"),
        ({"n_bins": 2, "out_size": (0, 4)}, "out_size: must be >= 1"),
        ({"n_bins": 2, "dtype": "float16"}, "Did you mean 'float32'"),
        ({"n_bins": 2, "tail": "dropped"}, "Did you mean 'drop'"),
        ({"n_bins": 2, "duration_us": 9, "bounds": "rise"}, "Did you mean 'raise'"),
        ({"n_bins": 2, "start_us": 5}, "give duration_us too"),
        ({"n_bins": 2, "bounds": "crop"}, "give duration_us too"),
        ({"n_bins": 2, "duration_us": 0}, "duration_us: must be >= 1"),
        ({"window_us": 2, "duration_us": 5}, "makes a fixed grid of n_bins"),
        ({"n_bins": 2, "duration_us": 5, "tail": "drop"}, "has no tail to drop"),
        ({"n_bins": 2**31, "duration_us": 2**32}, "is too long"),
    ],
)
def test_bad_options_raise_at_construction(options, message):
    with pytest.raises(RangeError, match=message):
        ToFrames(**options)


def test_out_size_larger_than_the_sensor_raises():
    with pytest.raises(RangeError, match=r"\(8, 5\) \(width, height\) is larger than the sensor, \(7, 5\)"):
        ToFrames(n_bins=1, out_size=(8, 5))(EMPTY)


def test_numpy_integers_are_welcome_and_become_plain():
    assert ToFrames(n_bins=np.int64(4)) == ToFrames(n_bins=4)
    assert type(ToFrames(n_bins=np.int64(4)).n_bins) is int


@pytest.mark.parametrize("grid", [ToFrames(n_bins=6), ToFrames(n_bins=6, duration_us=20_000, out_size=(3, 2))])
def test_batch_equals_frames_of_each_recording(grid):
    batch = [recording(seed=0), EMPTY, recording(n=1, seed=2), recording(n=50, span=99)]
    got = frames_batch(batch, grid)
    assert got.dtype == np.float32
    assert np.array_equal(got, np.stack([grid(events) for events in batch], axis=1))
    out = np.full_like(got, np.nan)
    assert frames_batch(batch, grid, out) is out
    assert np.array_equal(out, got)


@pytest.mark.parametrize(
    ("batch", "grid", "error", "message"),
    [
        ([], ToFrames(n_bins=2), RangeError, "at least one recording"),
        ([EMPTY], ToFrames(window_us=2), RangeError, "must have n_bins"),
        ([EMPTY], ToFrames(n_bins=2, dtype="int16"), RangeError, "dtype 'float32'"),
        ([EMPTY, Events.empty((1, 1, 1))], ToFrames(n_bins=2), RangeError, r"of one sensor, got sizes \[\(1, 1, 1\), "),
        ([EMPTY, None], ToFrames(n_bins=2), ShapeError, "takes Events, got NoneType"),
        ([recording()], ToFrames(n_bins=2, duration_us=5), RangeError, "leaves out 500 of 500"),
    ],
)
def test_bad_batches_raise(batch, grid, error, message):
    with pytest.raises(error, match=message):
        frames_batch(batch, grid)


@pytest.mark.parametrize(
    "out",
    [np.zeros((2, 1, 2, 5, 6), np.float32), np.zeros((2, 1, 2, 5, 7)), np.zeros((4, 1, 2, 5, 7), np.float32)[::2]],
)
def test_batch_output_that_does_not_fit_raises(out):
    with pytest.raises(ShapeError, match=r"frames_batch.out: must be \(T, B, P, H, W\) = \(2, 1, 2, 5, 7\)"):
        frames_batch([EMPTY], ToFrames(n_bins=2), out)


def test_signed_polarity_is_on_minus_off():
    frames = ToFrames(n_bins=3)(recording())
    signed = SignedPolarity()(frames)
    assert signed.shape == (3, 1, 5, 7) and np.array_equal(signed[:, 0], frames[:, 1] - frames[:, 0])


@pytest.mark.parametrize("bad", [EMPTY, np.zeros((3, 1, 5, 7)), np.zeros((2, 5)), np.zeros((1, 2, 5, 7), np.uint8)])
def test_signed_polarity_refuses_what_has_no_two_signed_channels(bad):
    with pytest.raises(ShapeError, match=r"SignedPolarity: takes frames \(..., 2, H, W\)"):
        SignedPolarity()(bad)
