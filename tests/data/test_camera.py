"""The simulated event camera against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurosim.data.camera import EventCamera, saccades
from neurosim.errors import NeurosimError, RangeError, ShapeError


def log_ramp(change: float, n: int = 11, duration: float = 0.1, shape=(2, 3)):
    """Frames whose log intensity moves linearly by ``change``, and their times [s]."""
    level = np.linspace(0, change, n)[:, None, None] * np.ones((1, *shape))
    return np.exp(level), np.linspace(0, duration, n)


@pytest.mark.parametrize("change", [1.05, 0.299, 3.7, -1.05, -0.299, -3.7])
@pytest.mark.parametrize("threshold", [0.1, 0.23])
@pytest.mark.parametrize("frames", [2, 11])
def test_a_log_ramp_gives_the_whole_number_of_thresholds_it_crosses(change, threshold, frames):
    events = EventCamera(c_on=threshold, c_off=threshold, eps=0.0).record(*log_ramp(change, frames))
    counts = np.zeros((2, 3), int)
    np.add.at(counts, (events.y, events.x), 1)
    assert np.all(counts == math.floor(abs(change) / threshold))
    assert np.all(events.p == (change > 0))


@pytest.mark.parametrize("frames", [2, 7, 101])
def test_crossing_times_of_a_log_ramp_are_right_to_a_microsecond(frames):
    events = EventCamera(c_on=0.3, eps=0.0).record(*log_ramp(2.0, frames, 0.1, (1, 1)))
    expected = np.arange(1, 7) * 0.3 / 2.0 * 1e5
    assert np.all(np.abs(events.t - expected) <= 1)


def test_an_exact_multiple_of_the_threshold_is_not_lost_to_rounding():
    events = EventCamera(c_on=0.1, eps=0.0).record(*log_ramp(1.0, 11, 0.1, (1, 1)))
    assert len(events) == 10


def test_on_and_off_have_their_own_thresholds_and_sign():
    up, times = log_ramp(1.0, 11, 0.1, (1, 1))
    frames = np.concatenate([up, up[-2::-1]])
    clock = np.concatenate([times, 0.1 + times[1:]])
    events = EventCamera(c_on=0.3, c_off=0.4, eps=0.0).record(frames, clock)
    assert events.p.tolist() == [1, 1, 1, 0, 0]  # reference 0.9 on top; 0.5 and 0.1 on the way down
    assert np.abs(events.t - [30000, 60000, 90000, 150000, 190000]).max() <= 1


def test_zero_contrast_gives_no_events():
    camera = EventCamera(sigma=0.05, refractory=1e-3)
    assert len(camera.record(np.full((5, 4, 4), 0.7), np.arange(5) * 0.01)) == 0
    assert len(camera.record_along(np.full((8, 8), 0.7), *saccades())) == 0


def test_a_refractory_period_lowers_the_rate_and_keeps_events_apart():
    frames, times = log_ramp(5.0, 11, 0.1, (3, 3))
    free = EventCamera(c_on=0.05, eps=0.0).record(frames, times)
    held = EventCamera(c_on=0.05, eps=0.0, refractory=5e-3).record(frames, times)
    assert len(held) < len(free)
    assert np.diff(held.t[(held.x == 1) & (held.y == 1)]).min() >= 5000
    assert len(held) == 9 * 20  # thresholds are crossed every 1 ms: the first, and then every fifth


@pytest.mark.parametrize("seed", range(3))
def test_shot_noise_has_its_rate_within_four_sigma(seed):
    camera = EventCamera(shot_rate=5.0)
    events = camera.record(np.ones((2, 20, 20)), [0.0, 2.0], np.random.default_rng(seed))
    expected = 5.0 * 2.0 * 400
    assert abs(len(events) - expected) < 4 * math.sqrt(expected)
    assert abs(events.p.mean() - 0.5) < 4 * 0.5 / math.sqrt(expected)
    assert events.t.min() >= 0 and events.t.max() <= 2_000_000


def test_leak_gives_on_events_at_its_rate_out_of_step_between_pixels():
    events = EventCamera(leak_rate=0.5).record(np.ones((2, 30, 30)), [0.0, 5.0], np.random.default_rng(0))
    # 2.5 expected per pixel; the phase is uniform, so each pixel has 2 or 3 with equal chance.
    assert abs(len(events) - 2250) < 4 * 0.5 * math.sqrt(900)
    assert np.all(events.p == 1)
    assert len(np.unique(events.t)) > 2000


def test_mismatch_has_its_mean_and_spread_and_stays_positive():
    on, off = EventCamera(c_on=0.3, c_off=0.2, sigma=0.03).thresholds(100, 100)
    assert abs(on.mean() - 0.3) < 4 * 0.03 / 100 and abs(off.mean() - 0.2) < 4 * 0.03 / 100
    assert abs(on.std() - 0.03) < 0.001
    assert min(c.min() for c in EventCamera(sigma=1.0).thresholds(50, 50)) >= 0.02 - 1e-12
    assert not np.array_equal(on, EventCamera(c_on=0.3, sigma=0.03, seed=1).thresholds(100, 100)[0])


def test_the_same_seed_gives_the_same_events():
    camera = EventCamera(sigma=0.03, leak_rate=0.1, shot_rate=1.0)
    image = np.random.default_rng(0).random((16, 16))
    one, two = (camera.record_along(image, *saccades(np.random.default_rng(7))) for _ in range(2))
    other = camera.record_along(image, *saccades(np.random.default_rng(7)), np.random.default_rng(1))
    assert one == two and one != other


def test_a_still_image_seen_along_a_path_equals_its_shifted_frames():
    image = np.random.default_rng(0).random((12, 10)) + 0.1
    path = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [-1.0, 0.0], [0.5, 0.0]])
    times = np.arange(5) * 0.01
    padded = np.pad(image, 3, mode="edge")
    frames = [padded[3 + int(dy) : 15 + int(dy), 3 + int(dx) : 13 + int(dx)] for dx, dy in path[:4]]
    frames.append((image + padded[3:15, 4:14]) / 2)  # half a pixel to the right
    camera = EventCamera()
    assert camera.record_along(image, times, path) == camera.record(frames, times)


def test_more_events_than_first_expected_are_all_kept():
    events = EventCamera(c_on=0.01, eps=0.0).record(*log_ramp(1.005, 3, 0.1, (4, 4)))
    assert len(events) == 16 * 100


def test_events_are_sorted_and_inside_the_recording():
    image = np.random.default_rng(3).random((20, 24))
    events = EventCamera(shot_rate=10.0, refractory=2e-3).record_along(image, *saccades(amplitude=6.0))
    assert events.sensor_size == (24, 20, 2)
    assert np.all(np.diff(events.t) >= 0) and events.t[0] >= 0 and events.t[-1] <= 300_000


def test_saccades_close_their_triangle_and_stop_at_its_corners():
    times, path = saccades(amplitude=6.0, duration=0.3, step=1e-3)
    assert times[0] == 0 and times[-1] == pytest.approx(0.3) and len(times) == 301
    assert (
        path[0] == pytest.approx(path[-1])
        and path[100] == pytest.approx([0, 3])
        and path[200] == pytest.approx([3, -3])
    )
    speed = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert speed[[0, 99, 100, 199, 200, 299]].max() < 0.01 < speed.max()
    jittered = saccades(np.random.default_rng(0))[1]
    assert not np.allclose(jittered, saccades()[1])
    assert np.array_equal(jittered, saccades(np.random.default_rng(0))[1])


@pytest.mark.parametrize("name", ["c_on", "c_off", "sigma", "refractory", "leak_rate", "shot_rate", "eps"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf, "much", None])
def test_bad_camera_arguments_are_named(name, value):
    with pytest.raises(RangeError, match=f"EventCamera.{name}"):
        EventCamera(**{name: value})


def test_bad_seeds_and_generators_are_named():
    with pytest.raises(RangeError, match=r"EventCamera\.seed"):
        EventCamera(seed=-1)
    with pytest.raises(RangeError, match="rng must be"):
        EventCamera().record(np.ones((2, 1, 1)), [0, 1], rng=3)


def test_a_threshold_no_pixel_resolves_is_refused():
    with pytest.raises(RangeError, match=r"c_off: must be at least 0\.001"):
        EventCamera(c_off=1e-20)


@pytest.mark.parametrize("name", ["c_on", "c_off"])
def test_a_threshold_of_zero_is_refused(name):
    with pytest.raises(RangeError, match="must be > 0"):
        EventCamera(**{name: 0.0})


@pytest.mark.parametrize(
    ("frames", "times", "error", "match"),
    [
        (np.full((2, 2, 2), np.nan), [0, 1], RangeError, "finite and >= 0"),
        (-np.ones((2, 2, 2)), [0, 1], RangeError, "got a minimum of -1.0"),
        (np.ones((2, 2)), [0, 1], ShapeError, r"\(T, H, W\)"),
        (np.ones((0, 2, 2)), [], ShapeError, "empty axes"),
        (np.ones((2, 2, 2)), [0, 1, 2], ShapeError, r"shape \(2,\)"),
        (np.ones((2, 2, 2)), [1, 1], RangeError, "increase"),
        (np.ones((2, 2, 2)), [-1, 1], RangeError, ">= 0"),
        (np.ones((2, 2, 2)), [0, np.nan], RangeError, "finite"),
    ],
)
def test_bad_frames_and_times_are_named(frames, times, error, match):
    with pytest.raises(error, match=match):
        EventCamera().record(frames, times)


@pytest.mark.parametrize(
    ("image", "path", "error", "match"),
    [
        (np.ones((2, 2, 2)), np.zeros((2, 2)), ShapeError, "image must be"),
        (-np.ones((2, 2)), np.zeros((2, 2)), RangeError, ">= 0"),
        (np.ones((2, 2)), np.zeros((2, 3)), ShapeError, "path must be"),
        (np.ones((2, 2)), np.full((2, 2), np.inf), RangeError, "path must be finite"),
        (np.ones((2, 2)), np.zeros((3, 2)), ShapeError, "one entry per frame"),
    ],
)
def test_bad_images_and_paths_are_named(image, path, error, match):
    with pytest.raises(error, match=match):
        EventCamera().record_along(image, [0.0, 1.0], path)


def test_a_black_pixel_needs_an_eps():
    with pytest.raises(RangeError, match="Give an eps > 0"):
        EventCamera(eps=0.0).record(np.zeros((2, 1, 1)), [0, 1])


@pytest.mark.parametrize("name", ["amplitude", "duration", "step", "jitter"])
def test_bad_saccades_are_named(name):
    with pytest.raises(NeurosimError, match=f"saccades.{name}"):
        saccades(**{name: -1.0})
