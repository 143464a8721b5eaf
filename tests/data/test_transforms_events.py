"""Transforms from events to events: what each one does to space, time, polarity and noise."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.data.transforms import (
    Centre,
    CentreCrop,
    Crop,
    Denoise,
    Downsample,
    DropByArea,
    DropByTime,
    DropEvents,
    FlipPolarity,
    FlipTime,
    FlipX,
    FlipY,
    MergePolarity,
    RandomCrop,
    RandomRotate,
    RandomScale,
    RandomTranslate,
    RemoveHotPixels,
    SelectPolarity,
    Shift,
    TimeJitter,
    TimeScale,
    TimeShift,
    ToFrames,
    UniformNoise,
)
from neurosim.data.transforms.spatial import rotated
from neurosim.errors import RangeError
from neurosim.events import Events

SENSOR = (8, 6, 2)
EMPTY = Events.empty(SENSOR)


def recording(n=400, span=4000, seed=0, sensor=SENSOR):
    rng = np.random.default_rng(seed)
    return Events(100 + np.sort(rng.integers(0, span, n)), *(rng.integers(0, b, n) for b in sensor), sensor)


def picture(events):
    return ToFrames(n_bins=1)(events)[0]


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture(scope="module")
def tonic():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tonic.transforms", reason="Tonic is not installed (extra 'tonic')")


# Space.


def test_crops_cut_the_picture():
    events = recording()
    whole = picture(events)
    assert np.array_equal(picture(Crop(x=2, y=1, size=(5, 4))(events)), whole[:, 1:5, 2:7])
    assert np.array_equal(picture(CentreCrop(size=(4, 3))(events)), whole[:, 1:4, 2:6])
    assert Crop(0, 0, (8, 6))(events) == events


def test_random_crop_is_one_of_all_crops_and_visits_each(rng):
    events = recording()
    everywhere = [Crop(x, y, (6, 5))(events) for x in range(3) for y in range(2)]
    seen = [everywhere.index(RandomCrop((6, 5))(events, rng)) for _ in range(100)]
    assert set(seen) == set(range(6))


@pytest.mark.parametrize("transform", [CentreCrop((9, 2)), RandomCrop((2, 7)), Downsample(size=(8, 7))])
def test_sizes_larger_than_the_sensor_raise(transform, rng):
    with pytest.raises(RangeError, match=r"size: .* \(width, height\) is larger than the sensor, \(8, 6\)"):
        transform(EMPTY, rng)


def test_crop_beyond_the_sensor_raises():
    with pytest.raises(RangeError, match=r"\(4, 4\) \(width, height\) at x=5, y=0 reaches beyond the sensor, \(8, 6\)"):
        Crop(5, 0, (4, 4))(EMPTY)


def test_downsampling_adds_up_blocks_of_pixels():
    events = recording()
    blocks = picture(events).reshape(2, 3, 2, 4, 2).sum(axis=(2, 4))
    assert np.array_equal(picture(Downsample(factor=2)(events)), blocks)
    assert np.array_equal(picture(Downsample(size=(4, 3))(events)), blocks)
    assert Downsample(factor=5)(events).sensor_size == (2, 2, 2)
    assert Downsample(size=(3, 5))(EMPTY).sensor_size == (3, 5, 2)


@pytest.mark.parametrize("duplicates", ["keep", "merge"])
def test_downsampling_merges_equal_time_pixel_and_polarity_only_on_request(duplicates):
    events = recording(span=50)
    small = Downsample(factor=4, duplicates=duplicates)(events)
    rows = list(zip(small.t, small.x, small.y, small.p, strict=True))
    expected = list(zip(events.t, events.x // 4, events.y // 4, events.p, strict=True))
    assert rows == (expected if duplicates == "keep" else list(dict.fromkeys(expected)))


def test_downsampling_equals_tonic(tonic):
    events = recording()
    ours = Downsample(factor=2)(events).to_structured()
    assert np.array_equal(ours, tonic.Downsample(spatial_factor=0.5)(events.to_structured()))
    ours = Downsample(size=(4, 3))(events).to_structured()
    theirs = tonic.Downsample(sensor_size=SENSOR, target_size=(4, 3))(events.to_structured())
    assert np.array_equal(ours, theirs)


def test_flips_mirror_the_picture(rng):
    events = recording()
    assert np.array_equal(picture(FlipX(p=1)(events, rng)), picture(events)[:, :, ::-1])
    assert np.array_equal(picture(FlipY(p=1)(events, rng)), picture(events)[:, ::-1])
    assert np.array_equal(picture(FlipPolarity(p=1)(events, rng)), picture(events)[::-1])


@pytest.mark.parametrize("flip", [FlipX, FlipY, FlipTime, FlipPolarity])
def test_flips_undo_themselves_and_happen_with_their_probability(flip, rng):
    events = recording()
    assert flip(p=1)(flip(p=1)(events, rng), rng) == events
    assert flip(p=1)(events, rng) != events
    assert flip(p=0)(events, rng) == events
    flipped = sum(flip(p=0.3)(events, rng) != events for _ in range(200))
    assert 35 < flipped < 85  # 60 expected, four standard deviations


def test_shift_moves_the_picture_and_removes_what_leaves():
    events = recording()
    shifted = Shift(dx=3, dy=-2)(events)
    expected = np.zeros_like(picture(events))
    expected[:, :-2, 3:] = picture(events)[:, 2:, :-3]
    assert np.array_equal(picture(shifted), expected)
    assert len(Shift(8, 0)(events)) == 0
    assert Shift(0, 0)(events) == events


def test_centre_moves_the_median_to_the_middle_and_keeps_the_shape():
    rng = np.random.default_rng(5)
    x, y = rng.integers(1, 4, 101), rng.integers(9, 12, 101)
    events = Events(np.arange(101), x, y, np.zeros(101, int), (16, 16, 2))
    moved = Centre()(events)
    assert (np.median(moved.x), np.median(moved.y)) == (8, 8)
    assert len(set(moved.x.astype(int) - x)) == 1
    assert len(set(moved.y.astype(int) - y)) == 1
    assert Centre()(moved) == moved
    assert len(Centre()(Events.empty((16, 16, 2)))) == 0


def test_random_translation_is_a_shift_within_its_limits(rng):
    events = recording()
    shifts = {(dx, dy): Shift(dx, dy)(events) for dx in range(-2, 3) for dy in range(-1, 2)}
    for _ in range(30):
        assert RandomTranslate(2, 1)(events, rng) in shifts.values()


def test_rotation_by_right_angles_equals_rot90():
    events = recording(sensor=(6, 6, 2))
    for quarter in range(-4, 5):
        turned = np.rot90(picture(events), quarter, axes=(1, 2))
        assert np.array_equal(picture(rotated(events, 90.0 * quarter)), turned)


def test_random_rotation_stays_within_its_angle_and_removes_what_leaves(rng):
    corner = Events([5], [20], [10], [0], (21, 21, 1))  # ten pixels right of the middle
    rows = [int(RandomRotate(20)(corner, rng).y[0]) for _ in range(300)]
    assert min(rows) == 10 - round(10 * np.sin(np.deg2rad(20))) and max(rows) == 10 + round(10 * np.sin(np.deg2rad(20)))
    assert len(rotated(Events([5], [0], [0], [0], (21, 21, 1)), 45)) == 0
    events = recording()
    assert RandomRotate(0)(events, rng) == events


def test_random_scale_zooms_about_the_middle(rng):
    events = Events([1, 2, 3], [10, 13, 20], [10, 10, 10], [0, 0, 0], (21, 21, 1))
    assert RandomScale(2, 2)(events, rng).x.tolist() == [10, 16]
    assert RandomScale(0.5, 0.5)(events, rng).x.tolist() == [10, 12, 15]
    assert RandomScale(1, 1)(events, rng) == events


# Time.


def test_reversed_time_mirrors_timestamps_and_polarity(rng):
    events = Events([2, 2, 5, 9], [0, 1, 2, 3], [0] * 4, [1, 0, 0, 0], SENSOR)
    assert FlipTime(p=1)(events, rng) == Events([2, 6, 9, 9], [3, 2, 1, 0], [0] * 4, [1, 1, 1, 0], SENSOR)
    assert FlipTime(p=1, polarity="keep")(events, rng).p.tolist() == [0, 0, 0, 1]
    assert FlipTime(p=1)(Events([1], [0], [0], [0], (1, 1, 1)), rng).p.tolist() == [0]


def test_jitter_moves_by_its_standard_deviation_and_never_below_zero(rng):
    events = Events(np.full(20_000, 10**6), *np.zeros((3, 20_000), int), SENSOR)
    jittered = TimeJitter(std_us=500)(events, rng)
    assert np.std(jittered.t) == pytest.approx(500, rel=0.03) and np.mean(jittered.t) == pytest.approx(10**6, abs=15)
    early = TimeJitter(std_us=10_000)(recording(), rng)
    assert early.t[0] == 0 and len(early) == 400
    assert TimeJitter(0)(recording(), rng) == recording()


def test_jitter_keeps_each_event_with_its_pixel(rng):
    events = Events(np.arange(48) * 10, np.arange(48) % 8, np.arange(48) // 8, np.zeros(48, int), SENSOR)
    jittered = TimeJitter(std_us=100)(events, rng)
    assert jittered != events and np.array_equal(picture(jittered), picture(events))


def test_scaling_stretches_the_time_since_the_first_event(rng):
    events = Events([100, 110, 200], [0] * 3, [0] * 3, [0] * 3, SENSOR)
    assert TimeScale(1.5, 1.5)(events, rng).t.tolist() == [100, 115, 250]
    durations = [TimeScale(0.5, 2)(events, rng).duration for _ in range(200)]
    assert 50 <= min(durations) < 70 and 180 < max(durations) <= 200


def test_time_shift_delays_by_up_to_its_limit(rng):
    events = recording()
    delays = {int((TimeShift(3)(events, rng).t - events.t).max()) for _ in range(100)}
    assert delays == {0, 1, 2, 3}


# Polarity.


def test_polarities_merge_and_are_selected():
    events = recording()
    merged = MergePolarity()(events)
    assert merged.sensor_size == (8, 6, 1) and np.array_equal(picture(merged)[0], picture(events).sum(axis=0))
    for p in (0, 1):
        assert np.array_equal(picture(SelectPolarity(p)(events))[0], picture(events)[p])
    with pytest.raises(RangeError, match=r"must be in 0..1 on this sensor, got 2"):
        SelectPolarity(2)(events)


@pytest.mark.parametrize("transform", [FlipPolarity(), FlipTime()])
def test_flips_of_polarity_need_on_and_off(transform, rng):
    with pytest.raises(RangeError, match="ON and OFF need a sensor of 2 polarities, got 3"):
        transform(Events.empty((2, 2, 3)), rng)


# Noise.


def denoised(events, window):
    """The filter, one event at a time: as if every pixel had fired at zero."""
    width, height, _ = events.sensor_size
    last = {(x, y): 0 for x in range(width) for y in range(height)}
    keep = []
    for t, x, y in zip(events.t.tolist(), events.x.tolist(), events.y.tolist(), strict=True):
        near = [last[n] for n in ((x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)) if n in last]
        keep.append(any(t - s < window for s in near))
        last[x, y] = t
    return events.take(np.array(keep, bool))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 60),
    st.integers(1, 300),
    st.integers(0, 99),
    st.sampled_from([SENSOR, (1, 1, 1), (1, 5, 2), (9, 1, 1)]),
)
def test_denoise_equals_the_loop_and_tonic(tonic, n, window, seed, sensor):
    rng = np.random.default_rng(seed)
    events = Events(np.sort(rng.integers(0, 2000, n)), *(rng.integers(0, b, n) for b in sensor), sensor)
    ours = Denoise(window)(events)
    assert ours == denoised(events, window)
    if n:
        assert np.array_equal(ours.to_structured(), tonic.Denoise(filter_time=window)(events.to_structured()))


def test_hot_pixels_are_removed_and_the_others_kept():
    t = np.arange(0, 1_000_001, 1000)  # 1 kHz for one second
    events = Events(t, np.where(np.arange(1001) % 10 == 0, 3, 2), np.zeros(1001), np.zeros(1001), SENSOR)
    assert set(RemoveHotPixels(max_rate_hz=100)(events).x.tolist()) == {3}  # (101 - 1) / 1 s is not above 100 Hz
    assert len(RemoveHotPixels(max_rate_hz=99.9)(events)) == 0
    assert RemoveHotPixels(max_rate_hz=900)(events) == events
    assert RemoveHotPixels(1e-3)(events.take(slice(0, 1))) == events.take(slice(0, 1))


def test_dropping_events_keeps_the_stated_part(rng):
    events = recording(n=20_000)
    assert len(DropEvents(0.3)(events, rng)) == pytest.approx(14_000, abs=260)  # four standard deviations
    assert DropEvents(0)(events, rng) == events and len(DropEvents(1)(events, rng)) == 0


def test_dropping_by_time_removes_one_stretch(rng):
    events = Events(np.arange(1000) + 50, *np.zeros((3, 1000), int), SENSOR)
    for _ in range(20):
        rest = DropByTime(0.25)(events, rng)
        gaps = np.diff(np.concatenate([[49], rest.t, [1050]]))
        assert len(rest) == 750 and sorted(gaps)[-1] == 251 and (gaps > 1).sum() == 1
    assert DropByTime(0)(events, rng) == events and len(DropByTime(1)(events, rng)) == 0


def test_dropping_by_area_removes_one_rectangle(rng):
    events = Events(np.arange(400), np.arange(400) % 20, np.arange(400) // 20, np.zeros(400), (20, 20, 1))
    for _ in range(20):
        gone = picture(DropByArea(0.25)(events, rng))[0] == 0
        ys, xs = np.nonzero(gone)
        assert gone.sum() == 100 and np.ptp(ys) == 9 and np.ptp(xs) == 9
    assert DropByArea(0)(events, rng) == events and len(DropByArea(1)(events, rng)) == 0


def test_uniform_noise_adds_events_within_the_recording(rng):
    events = recording(n=10)
    noisy = UniformNoise(5000)(events, rng)
    assert len(noisy) == 5010 and noisy.t[0] == events.t[0] and noisy.t[-1] == events.t[-1]
    assert picture(noisy).min() > 20  # 52 expected on each pixel and polarity
    rows = set(zip(noisy.t, noisy.x, noisy.y, noisy.p, strict=True))
    assert rows >= set(zip(events.t, events.x, events.y, events.p, strict=True))
    assert len(UniformNoise(9)(EMPTY, rng)) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Crop(-1, 0, (2, 2)), "Crop.x: must be >= 0, got -1"),
        (lambda: Crop(0, 0.5, (2, 2)), "Crop.y: must be a whole number"),
        (lambda: CentreCrop((2, 0)), "CentreCrop.size: must be >= 1, got 0"),
        (lambda: RandomCrop(3), r"RandomCrop.size: must be \(width, height\), got 3"),
        (lambda: Downsample(), "give one of factor and size, got factor=None, size=None"),
        (lambda: Downsample(2, (3, 3)), "give one of factor and size"),
        (lambda: Downsample(0), "Downsample.factor: must be >= 1"),
        (lambda: Downsample(2, duplicates="merged"), "Did you mean 'merge'"),
        (lambda: FlipX(1.5), "FlipX.p: must be in 0..1, got 1.5"),
        (lambda: FlipY(-0.1), "FlipY.p: must be in 0..1"),
        (lambda: FlipTime(float("nan")), "FlipTime.p: must be a finite number, got nan"),
        (lambda: FlipTime(polarity="flop"), "Did you mean 'flip'"),
        (lambda: FlipPolarity(None), "FlipPolarity.p: must be a finite number"),
        (lambda: Shift(1.5, 0), "Shift.dx: must be a whole number"),
        (lambda: RandomTranslate(1, -1), "RandomTranslate.max_dy: must be >= 0"),
        (lambda: RandomRotate(float("inf")), "RandomRotate.degrees: must be a finite number"),
        (lambda: RandomRotate(181), "RandomRotate.degrees: must be in 0..180"),
        (lambda: RandomScale(0, 1), "RandomScale.low: must be > 0"),
        (lambda: RandomScale(2, 1), "RandomScale.high: must be >= 2, got 1"),
        (lambda: TimeJitter(-1), "TimeJitter.std_us: must be in 0..1e"),
        (lambda: TimeScale(0, 1), "TimeScale.low: must be > 0"),
        (lambda: TimeScale(2, 1), "TimeScale.high: must be in 2..1e"),
        (lambda: TimeShift(-1), "TimeShift.max_us: must be >= 0"),
        (lambda: SelectPolarity(-1), "SelectPolarity.polarity: must be >= 0"),
        (lambda: Denoise(0), "Denoise.filter_us: must be >= 1"),
        (lambda: Denoise(1e4), r"Denoise.filter_us: must be a whole number, got 10000.0 \(float\)"),
        (lambda: RemoveHotPixels(0), "RemoveHotPixels.max_rate_hz: must be > 0"),
        (lambda: DropEvents(1.1), "DropEvents.p: must be in 0..1"),
        (lambda: DropByTime(-0.1), "DropByTime.fraction: must be in 0..1"),
        (lambda: DropByArea(float("nan")), "DropByArea.fraction: must be a finite number"),
        (lambda: UniformNoise(-1), "UniformNoise.n: must be >= 0"),
    ],
)
def test_bad_options_raise_at_construction(make, message):
    with pytest.raises(RangeError, match=message):
        make()
