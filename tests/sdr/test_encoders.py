"""Encoders: overlap falls with distance, is gone beyond the radius, and depends on nothing but encoder and value."""

import datetime
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from neurosim.errors import RangeError
from neurosim.kernels.philox import philox4
from neurosim.sdr import RDSE, CategoryEncoder, DateEncoder, ScalarEncoder, SimHashEncoder

NUMBERS = st.floats(-1e6, 1e6)


@st.composite
def scalars(draw, outside=("error", "clip", "wrap")):
    low = draw(st.floats(-100, 100))
    active = draw(st.integers(1, 20))
    size = active + draw(st.integers(1, 200))
    return ScalarEncoder(low, low + draw(st.floats(0.1, 100)), size, active, draw(st.sampled_from(outside)))


@given(scalars(), st.floats(0, 1), st.floats(0, 1))
def test_overlap_of_scalars_falls_with_their_distance(encoder, p, q):
    span = encoder.maximum - encoder.minimum
    a, b = (min(encoder.minimum + x * span, encoder.maximum) for x in (p, q))
    overlap = encoder.encode(a).overlap(encoder.encode(b))
    distance = abs(a - b)
    if encoder.outside == "wrap":
        distance = min(distance, span - distance)
        assume(2 * encoder.active <= encoder.size)  # else it meets itself on the other side
    steps = distance / encoder.resolution
    assert math.floor(encoder.active - steps - 1e-6) <= overlap + 1
    assert overlap <= max(0, math.ceil(encoder.active - steps + 1e-6) + 1)
    assert encoder.encode(a).active == encoder.active
    if distance >= encoder.radius + encoder.resolution:
        assert overlap == 0


@given(scalars(("error",)), st.integers(0, 1000))
def test_scalars_move_by_one_cell_per_resolution(encoder, k):
    k %= encoder.size - encoder.active + 1
    value = min(encoder.minimum + k * encoder.resolution, encoder.maximum)
    assert encoder.encode(value).sparse.tolist() == list(range(k, k + encoder.active))


@given(scalars(("clip",)), NUMBERS)
def test_clipped_scalars_are_those_of_the_nearer_end(encoder, value):
    inside = min(max(value, encoder.minimum), encoder.maximum)
    assert encoder.encode(value) == encoder.encode(inside)


def test_periodic_scalars_go_round():
    encoder = ScalarEncoder(0.0, 24.0, 24, 3, outside="wrap")
    assert encoder.encode(23.0).sparse.tolist() == [0, 1, 23] and encoder.encode(24.0) == encoder.encode(0.0)
    assert encoder.encode(-1.0) == encoder.encode(23.0) == encoder.encode(47.5)
    assert encoder.encode(-1e-300).active == 3
    assert encoder.radius == 3.0


@given(st.integers(0, 2**40), st.floats(-1e5, 1e5), st.integers(0, 60))
def test_rdse_loses_about_one_cell_per_bucket(seed, value, buckets):
    encoder = RDSE(size=2000, active=40, resolution=0.25, seed=seed)
    a, b = encoder.encode(value), encoder.encode(value + 0.25 * buckets)
    assert a.active == b.active == 40
    shared = max(0, 40 - buckets)
    # by chance: other cells in common (about 0.8 at most), and cells that a taken one pushed aside
    assert shared - 8 <= a.overlap(b) <= shared + 9
    assert a == encoder.encode(value) == RDSE(size=2000, active=40, radius=10.0, seed=seed).encode(value)


def test_overlap_of_rdse_follows_its_law():
    """Mean over places and seeds: active - d of common numbers, and what random cells share beyond the radius."""
    size, active = 1000, 20
    encoders = [RDSE(size=size, active=active, resolution=1.0, seed=s) for s in range(5)]
    places = range(0, 4000, 50)
    codes = [{x + d: e.encode(x + d) for x in places for d in range(26)} for e in encoders]
    means = [np.mean([c[x].overlap(c[x + d]) for c in codes for x in places]) for d in range(26)]
    assert means[0] == active and (np.diff(means[:21]) < 0).all()
    assert np.abs(np.array(means[:21]) - (active - np.arange(21))).max() < 0.6
    chance = active**2 / size
    assert np.abs(np.array(means[20:]) - chance).max() < 4 * math.sqrt(chance / 400)


def test_rdse_cells_are_hashes_of_the_numbers_of_the_bucket():
    encoder, taken = RDSE(size=30, active=10, resolution=2.0, seed=2**33 + 7), []
    for k in range(10):
        number, attempt = (-4 + k) % 2**64, 0  # bucket of -7.9 is floor(-3.95 + 0.5)
        while True:
            words = philox4(number % 2**32, number >> 32, (7 << 29) + attempt, 0, 7, 2)
            cell = ((int(words[0]) << 32) + int(words[1])) * 30 >> 64
            if cell not in taken:
                break
            attempt += 1
        taken.append(cell)
    assert encoder.encode(-7.9).sparse.tolist() == sorted(taken)


def test_rdse_of_another_seed_is_unrelated_and_of_all_cells_full():
    a = RDSE(size=2000, active=40, radius=1.0, seed=1).encode(5.0)
    b = RDSE(size=2000, sparsity=0.02, radius=1.0, seed=2).encode(5.0)
    assert b.active == 40 and a.overlap(b) < 8
    assert RDSE(size=50, active=50, radius=1.0).encode(3.0).active == 50
    counts = np.sum([RDSE(size=50, active=5, radius=1.0).encode(float(x)).dense.astype(int) for x in range(2000)], 0)
    assert np.abs(counts - 200).max() < 5 * math.sqrt(200)


def test_rdse_categories_are_not_alike():
    encoder = RDSE(size=2000, active=40, category=True, seed=3)
    codes = [encoder.encode(float(k)) for k in range(-20, 20)]
    overlaps = [a.overlap(b) for i, a in enumerate(codes) for b in codes[:i]]
    assert np.mean(overlaps) == pytest.approx(40 * 40 / 2000, abs=4 * math.sqrt(0.8 / 780)) and max(overlaps) < 9


def test_categories_share_no_cell():
    encoder = CategoryEncoder(("cat", "dog", "owl"), 4)
    codes = [encoder.encode(name) for name in encoder.categories]
    assert [c.sparse.tolist() for c in codes] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert all(c.dims == (12,) == (encoder.size,) for c in codes)


def test_texts_share_cells_as_they_share_words():
    words = [f"word{k}" for k in range(40)]
    encoder = SimHashEncoder(size=2048, active=80, seed=1)
    a = encoder.encode(words)
    overlaps = [a.overlap(encoder.encode([*words[k:], *(f"other{k}" for k in range(k))])) for k in range(0, 41, 8)]
    assert overlaps[0] == a.active == 80 and (np.diff(overlaps) < 0).all() and overlaps[-1] < 12
    assert encoder.encode(words[::-1]) == a == encoder.encode(dict.fromkeys(words, 2.5))
    assert encoder.encode(["a", "a", "b"]) == encoder.encode({"b": 1, "a": 2})
    assert a.overlap(SimHashEncoder(size=2048, active=80, seed=2).encode(words)) < 12
    assert encoder.encode(["one"]).sparse.max() > 1024


DAY = datetime.datetime(2026, 7, 4, 12, 30)  # a Saturday


def test_dates_are_alike_where_they_recur():
    encoder = DateEncoder(season=(20, 20.0), day_of_week=7, time_of_day=(24, 4.0), weekend=5, holiday=3,
                          holidays=((7, 4), (2025, 12, 24)))  # fmt: skip
    parts = encoder.parts
    assert list(parts) == ["season", "day_of_week", "time_of_day", "weekend", "holiday"]
    assert encoder.size == sum(e.size for e in parts.values()) == encoder.encode(DAY).size
    assert encoder.encode(DAY).active == 20 + 7 + 24 + 5 + 3
    starts = np.cumsum([0, *(e.size for e in parts.values())])

    def shared(**delta):
        a, b = encoder.encode(DAY).dense, encoder.encode(DAY + datetime.timedelta(**delta)).dense
        return {name: int((a & b)[i:j].sum()) for name, i, j in zip(parts, starts, starts[1:], strict=False)}

    assert shared(days=7) == {"season": 13, "day_of_week": 7, "time_of_day": 24, "weekend": 5, "holiday": 0}
    assert shared(days=1) == {"season": 19, "day_of_week": 0, "time_of_day": 24, "weekend": 5, "holiday": 0}
    assert shared(days=2)["weekend"] == 0
    assert [shared(hours=h)["time_of_day"] for h in range(6)] == [24, 18, 12, 6, 0, 0]
    assert shared(days=20)["season"] == 0 < shared(days=19)["season"]
    new_year = [encoder.encode(datetime.datetime(y, m, d)).dense[: starts[1]] for y, m, d in ((2025, 12, 31),
                (2026, 1, 2))]  # fmt: skip
    assert (new_year[0] & new_year[1]).sum() >= 17


@pytest.mark.parametrize("when", [datetime.datetime(2024, 12, 31, 23, 59, 59, 999999), datetime.datetime(2023, 1, 1)])
def test_every_date_has_its_cells(when):
    encoder = DateEncoder(season=9, day_of_week=3, time_of_day=5)
    assert encoder.encode(when).active == 17


def test_holidays_of_one_year_and_of_all():
    encoder = DateEncoder(holiday=2, holidays=((7, 4), (2025, 12, 24)))
    dates = [(2026, 7, 4), (1999, 7, 4), (2025, 12, 24), (2026, 12, 24), (2026, 7, 5)]
    found = [encoder.encode(datetime.datetime(*d)).sparse.tolist() == [2, 3] for d in dates]
    assert found == [True, True, True, False, False]


def test_encoders_give_the_same_in_another_process():
    code = (
        "from neurosim.sdr import *; print(RDSE(size=500, active=9, radius=2.0, seed=4).encode(3.3).sparse.tolist(), "
        "SimHashEncoder(300, 8, 4).encode(['x', 'y']).sparse.tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = (RDSE(size=500, active=9, radius=2.0, seed=4).encode(3.3), SimHashEncoder(300, 8, 4).encode({"y", "x"}))
    assert done.stdout.strip() == f"{here[0].sparse.tolist()} {here[1].sparse.tolist()}"


S = ScalarEncoder(0.0, 1.0, 10, 3)
R = RDSE(size=100, active=5, radius=1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ScalarEncoder(1.0, 1.0, 10, 3), r"maximum: must be > minimum 1.0, got 1.0"),
        (lambda: ScalarEncoder(math.nan, 1.0, 10, 3), r"minimum: must be a finite number"),
        (lambda: ScalarEncoder(0.0, 1.0, 3, 4), r"ScalarEncoder.active: must be a whole number in 1..2, got 4"),
        (lambda: ScalarEncoder(0.0, 1.0, 10, 0), r"ScalarEncoder.active: must be a whole number in 1..9, got 0"),
        (lambda: ScalarEncoder(0.0, 1.0, 10.0, 3), r"ScalarEncoder.size: must be a whole number"),
        (lambda: ScalarEncoder(0.0, 1.0, 10, 3, "wrapp"), r"outside: must be one of .* Did you mean 'wrap'"),
        (lambda: S.encode(1.1), r"value must be in 0..1, got 1.1.*clip"),
        (lambda: S.encode(math.nan), r"value: must be a finite number, got nan"),
        (lambda: S.encode("1"), r"value: must be a finite number, got '1'"),
        (lambda: RDSE(size=100, radius=1.0), r"either active or sparsity, got active=None, sparsity=None"),
        (lambda: RDSE(size=100, active=5, sparsity=0.05, radius=1.0), r"either active or sparsity, got active=5"),
        (lambda: RDSE(size=100, active=5), r"one of radius, resolution and category, got radius=None"),
        (lambda: RDSE(size=100, active=5, radius=1.0, resolution=0.2), r"one of radius, resolution and category"),
        (lambda: RDSE(size=100, active=5, radius=1.0, category=True), r"one of radius, resolution and category"),
        (lambda: RDSE(size=100, active=101, radius=1.0), r"RDSE.active: must be a whole number in 1..100, got 101"),
        (lambda: RDSE(size=100, active=0, radius=1.0), r"RDSE.active: must be a whole number in 1..100, got 0"),
        (lambda: RDSE(size=100, sparsity=0.0, radius=1.0), r"RDSE.sparsity: must be > 0 and <= 1"),
        (lambda: RDSE(size=100, sparsity=1.5, radius=1.0), r"RDSE.sparsity: must be > 0 and <= 1"),
        (lambda: RDSE(size=100, sparsity=1e-9, radius=1.0), r"RDSE.sparsity: must be at least one cell"),
        (lambda: RDSE(size=100, active=5, radius=0.0), r"RDSE.radius: must be > 0, got 0.0"),
        (lambda: RDSE(size=100, active=5, resolution=-1.0), r"RDSE.resolution: must be > 0, got -1.0"),
        (lambda: RDSE(size=100, active=5, resolution=1.0, seed=-1), r"RDSE.seed: must be a whole number in 0"),
        (lambda: RDSE(size=100, active=5, resolution=1.0, category=1), r"RDSE.category: must be True or False"),
        (lambda: R.encode(math.inf), r"RDSE.encode: value: must be a finite number"),
        (lambda: R.encode(1e300), r"within 2\*\*62 resolutions of 0.2, got 1e\+300"),
        (lambda: RDSE(size=9, active=2, category=True).encode(0.5), r"must be a whole number, as it is a category"),
        (lambda: CategoryEncoder((), 3), r"must be at least one name"),
        (lambda: CategoryEncoder(("a", "a"), 3), r"names must differ"),
        (lambda: CategoryEncoder(("a", "b"), 0), r"CategoryEncoder.active: must be a whole number in 1"),
        (lambda: CategoryEncoder(("cat", "dog"), 3).encode("cats"), r"got 'cats'. Did you mean 'cat'"),
        (lambda: SimHashEncoder(10, 11), r"SimHashEncoder.active: must be a whole number in 1..10, got 11"),
        (lambda: SimHashEncoder(10, 2, -1), r"SimHashEncoder.seed: must be"),
        (lambda: SimHashEncoder(10, 2).encode([]), r"at least one word, got none"),
        (lambda: SimHashEncoder(10, 2).encode("some text"), r"must be words, not one text: 'some text'"),
        (lambda: SimHashEncoder(10, 2).encode([3]), r"words must be text, got 3"),
        (lambda: SimHashEncoder(10, 2).encode({"a": 0.0}), r"weight of 'a' must be > 0, got 0.0"),
        (lambda: DateEncoder(), r"give at least one of season, day_of_week"),
        (lambda: DateEncoder(season=0), r"DateEncoder.season: active: must be a whole number in 1"),
        (lambda: DateEncoder(season=(5, 0.0)), r"DateEncoder.season: radius must be above 0 and below the period 366"),
        (lambda: DateEncoder(time_of_day=(5, 24.0)), r"time_of_day: radius must be .* period 24, got 24.0"),
        (lambda: DateEncoder(weekend=0), r"DateEncoder.weekend: must be a whole number in 1"),
        (lambda: DateEncoder(holiday=3), r"give holiday, a number of cells, and holidays together, got 3 and \(\)"),
        (lambda: DateEncoder(season=3, holidays=((1, 1),)), r"holidays together, got None"),
        (lambda: DateEncoder(holiday=3, holidays=((2, 30),)), r"holidays: must be .* got \(2, 30\)"),
        (lambda: DateEncoder(holiday=3, holidays=((1,),)), r"holidays: must be .* got \(1,\)"),
        (lambda: DateEncoder(season=3).encode("2026-01-01"), r"must be a datetime.datetime, got str"),
        (lambda: DateEncoder(season=3).encode(datetime.date(2026, 1, 1)), r"a datetime.datetime, got date"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(RangeError, match=message):
        call()
