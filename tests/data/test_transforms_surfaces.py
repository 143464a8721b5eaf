"""Voxel grids and time surfaces against loops written from the papers' formulas, and Tonic."""

import warnings

import numpy as np
import pytest

from neurosim.data.transforms import TimeSurface, VoxelGrid
from neurosim.errors import RangeError
from neurosim.events import Events

SENSOR = (4, 3, 2)
EMPTY = Events.empty(SENSOR)


def recording(n=300, span=5000, seed=0, sensor=SENSOR):
    rng = np.random.default_rng(seed)
    return Events(100 + np.sort(rng.integers(0, span, n)), *(rng.integers(0, b, n) for b in sensor), sensor)


def voxels(events, n_bins, signed):
    """Zhu et al. 2019, one event and one bin at a time."""
    width, height, polarities = events.sensor_size
    out = np.zeros((n_bins, 1 if signed else polarities, height, width))
    for t, x, y, p in zip(events.t, events.x, events.y, events.p, strict=True):
        position = (n_bins - 1) * (t - events.t[0]) / events.duration if events.duration else 0.0
        value = (1 if p else -1) if signed and polarities == 2 else 1
        for b in range(n_bins):
            out[b, 0 if signed else p, y, x] += value * max(0.0, 1.0 - abs(b - position))
    return out


def surface(events, read_at, tau):
    """Exponential of the age of each pixel's latest event before ``read_at``."""
    width, height, polarities = events.sensor_size
    out = np.zeros((polarities, height, width))
    for t, x, y, p in zip(events.t, events.x, events.y, events.p, strict=True):
        if t < read_at:
            out[p, y, x] = np.exp(-(read_at - t) / tau)
    return out


@pytest.fixture(scope="module")
def tonic():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tonic.transforms", reason="Tonic is not installed (extra 'tonic')")


@pytest.mark.parametrize("n_bins", [1, 2, 5, 40])
@pytest.mark.parametrize("polarity", ["signed", "split"])
@pytest.mark.parametrize("sensor", [SENSOR, (4, 3, 1)])
def test_voxel_grid_equals_the_paper(n_bins, polarity, sensor):
    events = recording(sensor=sensor)
    got = VoxelGrid(n_bins, polarity)(events)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, voxels(events, n_bins, polarity == "signed"), atol=1e-4)


@pytest.mark.parametrize("n_bins", [1, 3, 7])
def test_voxel_grid_neither_loses_nor_invents_weight(n_bins):
    for seed in range(5):
        events = recording(seed=seed)
        assert VoxelGrid(n_bins, "split")(events).sum(dtype=float) == pytest.approx(len(events), rel=1e-5)
        signed = VoxelGrid(n_bins)(events).sum(dtype=float)
        assert signed == pytest.approx(2.0 * events.p.sum() - len(events), abs=1e-3)


def test_voxel_grid_of_recordings_without_duration_fills_the_first_bin():
    events = Events([7, 7], [0, 1], [0, 0], [1, 0], SENSOR)
    grid = VoxelGrid(4)(events)
    assert grid[0, 0, 0, :2].tolist() == [1, -1] and not grid[1:].any()
    assert VoxelGrid(4)(EMPTY).shape == (4, 1, 3, 4) and not VoxelGrid(4)(EMPTY).any()


def test_signed_voxel_grid_of_many_channels_raises():
    with pytest.raises(RangeError, match="3 polarities has no signs; use polarity='split'"):
        VoxelGrid(4)(recording(sensor=(2, 2, 3)))


@pytest.mark.parametrize("window", [100, 999, 9999])
def test_time_surfaces_at_windows_equal_the_loop(window):
    events = recording()
    got = TimeSurface(tau_us=700, window_us=window)(events)
    read_at = events.t[0] + window * np.arange(1, events.duration // window + 2)
    np.testing.assert_allclose(got, [surface(events, r, 700) for r in read_at], rtol=1e-6)


def test_single_time_surface_is_read_at_the_last_event():
    events = recording()
    got = TimeSurface(tau_us=700)(events)
    age_one = surface(events, events.t[-1] + 1, 700)
    np.testing.assert_allclose(got, [age_one * np.exp(1 / 700)], rtol=1e-6)
    assert got[0, events.p[-1], events.y[-1], events.x[-1]] == 1


@pytest.mark.parametrize("window", [100, 250])
def test_time_surface_equals_tonic(tonic, window):
    events = recording()
    expected = tonic.ToTimesurface(sensor_size=SENSOR, dt=window, tau=700)(events.to_structured())
    np.testing.assert_allclose(TimeSurface(700, window, tail="drop")(events), expected, rtol=1e-6)


def test_empty_recording_has_a_dark_surface():
    for transform in (TimeSurface(10), TimeSurface(10, 5)):
        assert transform(EMPTY).shape == (1, 2, 3, 4) and not transform(EMPTY).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VoxelGrid(0), "VoxelGrid.n_bins: must be >= 1"),
        (lambda: VoxelGrid(2, "sign"), "Did you mean 'signed'"),
        (lambda: TimeSurface(0), "TimeSurface.tau_us: must be > 0, got 0"),
        (lambda: TimeSurface(-1.0), "TimeSurface.tau_us: must be >= 0"),
        (lambda: TimeSurface(float("nan")), "must be a finite number"),
        (lambda: TimeSurface("ten"), "must be a finite number"),
        (lambda: TimeSurface(1, 0), "window_us: must be >= 1"),
        (lambda: TimeSurface(1, 5, "dropp"), "Did you mean 'drop'"),
        (lambda: TimeSurface(1, tail="drop"), "a single surface has no tail"),
    ],
)
def test_bad_options_raise(make, message):
    with pytest.raises(RangeError, match=message):
        make()
