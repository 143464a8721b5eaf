"""The Spatial Pooler: against a slow reference step by step, what it promises, its files, and what it refuses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pooler_reference import Reference, coordinates, distances

from neurosim.errors import FormatError, NeurosimError, RangeError, ShapeError
from neurosim.sdr import SDR, SpatialPooler, TemporalMemory

SMALL = {"potential_radius": 60, "local_area_density": 0.1, "seed": 1}


@st.composite
def setting(draw):
    share = st.sampled_from([0.0, 0.008, 0.05, 0.1, 0.5, 1.0])
    shapes = [((20,), (15,)), ((7,), (30,)), ((5, 6), (6, 4)), ((3, 2, 4), (2, 3, 3))]
    inputs, columns = draw(st.sampled_from(shapes))
    return {
        "input_dimensions": inputs, "column_dimensions": columns, "potential_radius": draw(st.integers(1, 30)),
        "potential_pct": draw(st.sampled_from([0.5, 0.8, 1.0])), "global_inhibition": draw(st.booleans()),
        "local_area_density": draw(st.sampled_from([0.1, 0.2, 0.5, 1.0])),
        "stimulus_threshold": draw(st.integers(0, 2)), "permanence_increment": draw(share),
        "permanence_decrement": draw(share), "connected_permanence": draw(share),
        "min_pct_overlap_duty_cycles": draw(st.sampled_from([0.001, 0.5, 1.0])),
        "duty_cycle_period": draw(st.sampled_from([1, 10, 1000])),
        "boost_strength": draw(st.sampled_from([0.0, 1.0, 5.0])), "wrap_around": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**63 - 1)),
    }  # fmt: skip


def made(s):
    """A pooler; a threshold that the potential synapses cannot reach is lowered."""
    try:
        return SpatialPooler(**s)
    except RangeError:
        return SpatialPooler(**s | {"stimulus_threshold": 0})


def patterns_of(pooler, rng, n):
    size = int(np.prod(pooler.input_dimensions))
    return [np.sort(rng.choice(size, rng.integers(0, size + 1), replace=False)) for _ in range(n)]


def dense(pooler):
    out = np.zeros((pooler.columns, int(np.prod(pooler.input_dimensions))), np.float32)
    for c in range(pooler.columns):
        source, permanence = pooler.synapses(c)
        out[c, source] = permanence
    return out


def assert_equal(pooler, reference):
    assert np.array_equal(dense(pooler), reference.permanence)
    for name, wanted in (
        ("overlap_duty_cycles", reference.overlap_duty), ("active_duty_cycles", reference.active_duty),
        ("boost", reference.boost),
    ):  # fmt: skip
        assert np.array_equal(getattr(pooler, name), wanted), name
    assert pooler.inhibition_radius == reference.radius and pooler.steps == reference.step


@settings(max_examples=60)
@given(setting(), st.integers(0, 2**32 - 1), st.integers(1, 120))
def test_kernel_equals_reference_step_by_step(s, seed, steps):
    pooler, rng = made(s), np.random.default_rng(seed)
    reference = Reference(pooler)
    alphabet = patterns_of(pooler, rng, 6)
    for _ in range(steps):
        pattern, learn = alphabet[rng.integers(6)], bool(rng.random() < 0.9)
        overlap, winners = reference.compute(pattern, learn)
        found = pooler.compute(pattern, learn)
        assert np.array_equal(pooler.overlaps, overlap)
        assert np.array_equal(found.sparse, winners)
    assert_equal(pooler, reference)


@settings(max_examples=40)
@given(setting())
def test_potential_synapses_are_around_the_column(s):
    pooler = made(s)
    inputs, columns = np.array(pooler.input_dimensions), np.array(pooler.column_dimensions)
    centres = (2 * coordinates(columns) + 1) * inputs // (2 * columns)
    near = distances(tuple(inputs), centres, s["wrap_around"]) <= s["potential_radius"]
    for c in range(pooler.columns):
        source, permanence = pooler.synapses(c)
        assert near[c, source].all() and (np.diff(source) > 0).all()
        assert len(source) == max(1, round(s["potential_pct"] * near[c].sum()))
        assert ((permanence >= 0) & (permanence <= 1)).all()
        connected = (permanence >= np.float32(s["connected_permanence"])).sum()
        assert connected >= pooler.settings["stimulus_threshold"]


def test_half_of_the_synapses_are_connected_at_first():
    pooler = SpatialPooler(500, 500, potential_radius=500, seed=3)
    permanence = np.concatenate([pooler.synapses(c)[1] for c in range(500)])
    share = (permanence >= np.float32(0.1)).mean()
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(len(permanence))
    above = permanence[permanence >= np.float32(0.1)]
    assert abs(above.mean() - 0.55) < 4 * 0.9 / np.sqrt(12 * len(above))


@given(st.lists(st.integers(0, 59), unique=True).map(sorted))
def test_exactly_as_many_win_as_the_density_says(pattern):
    pooler = SpatialPooler(60, 100, **SMALL)
    assert pooler.compute(pattern).active == 10
    picky = SpatialPooler(60, 100, **SMALL | {"stimulus_threshold": 1})
    assert picky.compute([]).active == 0
    assert picky.compute(pattern).active <= 10


def overlap(a, b):
    return a.overlap(b) / a.active


def test_a_repeated_input_gets_one_representation_and_alike_ones_alike(rng):
    """Winners keep winning; the share that two inputs have in common rises with what they share. Strangers share
    no more than chance allows."""
    size = 400
    pooler = SpatialPooler(size, 1000, potential_radius=size, local_area_density=0.04, boost_strength=1.0)
    inputs = [SDR.random(size, sparsity=0.1, rng=rng) for _ in range(20)]
    before = [pooler.compute(x) for x in inputs]
    for _ in range(60):
        last, before = before, [pooler.compute(x) for x in inputs]
    assert np.mean([overlap(a, b) for a, b in zip(last, before, strict=True)]) > 0.99
    final = [pooler.compute(x, learn=False) for x in inputs]
    curve = []
    for share in (0.0, 0.1, 0.3, 0.5, 1.0):
        noisy = [pooler.compute(x.noise(share, rng), learn=False) for x in inputs]
        curve.append(np.mean([overlap(a, b) for a, b in zip(final, noisy, strict=True)]))
    assert curve[0] == 1.0 and curve[1] > 0.9 and all(a >= b for a, b in itertools.pairwise(curve))
    assert curve[-1] < 0.25


def test_boosting_spreads_the_work(rng):
    """Over inputs of unequal frequency the entropy of the duty cycles rises with the boost; without it few columns
    do all of the work."""
    inputs = [SDR.random(300, sparsity=0.1, rng=rng) for _ in range(5)]

    def entropy(strength):
        pooler = SpatialPooler(300, 500, potential_radius=300, boost_strength=strength, duty_cycle_period=100)
        for k in range(400):
            pooler.compute(inputs[k % 5])
        p = np.clip(pooler.active_duty_cycles.astype(float), 1e-12, 1 - 1e-12)
        return float(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)).sum())

    assert entropy(0.0) < 0.7 * entropy(20.0)


def test_local_inhibition_has_winners_everywhere(rng):
    """An input with all its activity on one side: globally all winners stand there, locally they do not."""
    x = SDR(400, np.arange(0, 100))
    local = SpatialPooler(400, 400, global_inhibition=False, local_area_density=0.1, wrap_around=False)
    everywhere = SpatialPooler(400, 400, local_area_density=0.1, wrap_around=False)
    assert everywhere.compute(x, learn=False).sparse.max() < 120
    found = local.compute(x, learn=False).sparse
    assert 12 <= local.inhibition_radius <= 14  # a quarter of 33 inputs is connected and spans about 27 of them
    assert np.histogram(found, 4, (0, 400))[0].min() >= 3


def test_seed_decides_everything(rng):
    inputs = [SDR.random(60, sparsity=0.2, rng=rng) for _ in range(10)] * 6
    runs = []
    for seed in (1, 1, 2):
        pooler = SpatialPooler(60, 100, **SMALL | {"seed": seed, "boost_strength": 2.0})
        runs.append([pooler.compute(x).sparse.tolist() for x in inputs])
    assert runs[0] == runs[1] != runs[2]


def test_pooler_without_learning_stays_as_it_is(rng):
    pooler = SpatialPooler(60, 100, **SMALL, boost_strength=1.0)
    for x in patterns_of(pooler, rng, 20):
        pooler.compute(x)
    before = [dense(pooler), pooler.boost, pooler.active_duty_cycles, pooler.overlap_duty_cycles]
    for x in patterns_of(pooler, rng, 20):
        pooler.compute(x, learn=False)
    after = [dense(pooler), pooler.boost, pooler.active_duty_cycles, pooler.overlap_duty_cycles]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)) and pooler.steps == 20


def test_winners_are_columns_of_a_temporal_memory(rng):
    """A cycle of inputs, each with a tenth of its cells moved at random, is predicted by pooler and memory."""
    pooler = SpatialPooler(400, 512, potential_radius=400, local_area_density=0.04)
    memory = TemporalMemory(512, cells_per_column=4, activation_threshold=10, min_threshold=8)
    cycle = [SDR.random(400, sparsity=0.1, rng=rng) for _ in range(8)]
    for x in cycle * 20:
        pooler.compute(x)
    anomaly = [memory.compute(pooler.compute(x.noise(0.1, rng), learn=False)) for x in cycle * 30]
    order = rng.integers(0, 8, 240)  # the same in any order: nothing to predict
    random = TemporalMemory(512, cells_per_column=4, activation_threshold=10, min_threshold=8)
    control = [random.compute(pooler.compute(cycle[k].noise(0.1, rng), learn=False)) for k in order]
    assert np.mean(anomaly[:8]) > 0.9 and np.mean(anomaly[-40:]) < 0.2 < 0.4 < np.mean(control[-40:])


@settings(max_examples=15)
@given(setting(), st.integers(0, 110))
def test_file_goes_on_bit_for_bit(tmp_path_factory, s, steps):
    path = tmp_path_factory.mktemp("pooler") / "pooler.npz"
    pooler, rng = made(s), np.random.default_rng(steps)
    for x in patterns_of(pooler, rng, steps):
        pooler.compute(x)
    pooler.save(path)
    loaded = SpatialPooler.load(path)
    assert loaded.settings == pooler.settings and loaded.steps == pooler.steps
    assert loaded.inhibition_radius == pooler.inhibition_radius and repr(loaded) == repr(pooler)
    for x in patterns_of(pooler, rng, 60):
        assert pooler.compute(x) == loaded.compute(x)
    assert np.array_equal(dense(pooler), dense(loaded))


@pytest.mark.parametrize(
    "name, value",
    [
        ("begin", lambda a: a[::-1].copy()),
        ("begin", lambda a: a + 1),
        ("source", lambda a: a + 60),
        ("source", lambda a: a[::-1].copy()),
        ("source", lambda a: a[:-1]),
        ("permanence", lambda a: a + 1),
        ("permanence", lambda a: a * np.nan),
        ("permanence", lambda a: a.astype(np.float64)),
        ("boost", lambda a: a * np.inf),
        ("boost", lambda a: a[:-1]),
        ("active_duty", lambda a: a - 1),
        ("header", lambda a: a[:-5]),
    ],
)
def test_damaged_files_are_refused(tmp_path, name, value):
    path = tmp_path / "pooler.npz"
    SpatialPooler(60, 100, **SMALL).save(path)
    with np.load(path) as file:
        arrays = {k: file[k] for k in file.files}
    np.savez(path, **arrays | {name: value(arrays[name])})
    with pytest.raises(FormatError, match=r"pooler.npz: .*(contradict|damaged|sorted|must be|range)"):
        SpatialPooler.load(path)


def test_files_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "memory.npz"
    TemporalMemory(64).save(path)
    with pytest.raises(FormatError, match="holds no spatial pooler"):
        SpatialPooler.load(path)
    path.write_bytes(b"")
    with pytest.raises(FormatError, match="holds no spatial pooler"):
        SpatialPooler.load(path)
    with pytest.raises(FileNotFoundError):
        SpatialPooler.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    "wrong, error, message",
    [
        ({"input_dimensions": 0}, RangeError, "input_dimensions: must be a whole number in 1"),
        ({"column_dimensions": (10, 10)}, ShapeError, r"column_dimensions: must have as many axes .* \(60,\), got"),
        ({"potential_radius": -1}, RangeError, "potential_radius: must be a whole number"),
        ({"potential_pct": 0.0}, RangeError, "potential_pct: must be above 0, got 0.0"),
        ({"potential_pct": 1.5}, RangeError, "potential_pct: must be in 0..1, got 1.5"),
        ({"global_inhibition": 1}, RangeError, "global_inhibition: must be True or False, got 1"),
        ({"local_area_density": 0}, RangeError, "local_area_density: must be > 0 and <= 1, got 0"),
        ({"local_area_density": 0.001}, RangeError, "local_area_density: must be at least one cell"),
        ({"stimulus_threshold": 18}, RangeError, r"stimulus_threshold: must be at most the potential synapses .* 16"),
        ({"stimulus_threshold": 1.5}, RangeError, "stimulus_threshold: must be a whole number"),
        ({"permanence_increment": 1.1}, RangeError, "permanence_increment: must be in 0..1, got 1.1"),
        ({"permanence_decrement": -0.1}, RangeError, "permanence_decrement: must be in 0..1, got -0.1"),
        ({"connected_permanence": float("nan")}, RangeError, "connected_permanence: must be a finite number"),
        ({"min_pct_overlap_duty_cycles": 2}, RangeError, "min_pct_overlap_duty_cycles: must be in 0..1"),
        ({"duty_cycle_period": 0}, RangeError, "duty_cycle_period: must be a whole number in 1"),
        ({"boost_strength": -1.0}, RangeError, "boost_strength: must be >= 0, got -1"),
        ({"wrap_around": None}, RangeError, "wrap_around: must be True or False"),
        ({"seed": -1}, RangeError, "seed: must be a whole number"),
    ],
)
def test_wrong_settings_are_named(wrong, error, message):
    with pytest.raises(error, match=message):
        SpatialPooler(**{"input_dimensions": 60, "column_dimensions": 100} | wrong)


@pytest.mark.parametrize(
    "pattern, error, message",
    [
        ([5, 3], RangeError, r"pattern\[1\]: must ascend, each index once, got 3 after 5"),
        ([3, 3], RangeError, r"pattern\[1\]: must ascend"),
        ([3, 60], RangeError, r"pattern\[1\]: must be in 0..59, got 60"),
        ([-1], RangeError, r"pattern\[0\]: must be in 0..59, got -1"),
        (np.zeros(61, np.uint8), ShapeError, r"must have the shape \(60,\), got \(61,\)"),
        (np.full(60, 2, np.uint8), RangeError, "must hold 0 and 1, got 2"),
        (SDR((6, 10), [1]), ShapeError, r"an SDR of dimensions \(60,\), got \(6, 10\)"),
        (3.5, ShapeError, "whole-number indices"),
    ],
)
def test_wrong_patterns_are_named_and_change_nothing(pattern, error, message):
    pooler = SpatialPooler(60, 100, **SMALL)
    before = dense(pooler)
    with pytest.raises(error, match=message):
        pooler.compute(pattern)
    assert pooler.steps == 0 and np.array_equal(before, dense(pooler))


def test_synapses_of_a_column_that_is_not_there():
    with pytest.raises(NeurosimError, match="synapses: column"):
        SpatialPooler(60, 100, **SMALL).synapses(100)
