"""The Temporal Memory: against a slow reference step by step, its files, and what it refuses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from memory_reference import Reference

from neurosim.errors import FormatError, RangeError, ShapeError
from neurosim.sdr import SDR, TemporalMemory, temporal_memory

SMALL = {
    "cells_per_column": 4, "activation_threshold": 3, "min_threshold": 2, "max_new_synapse_count": 5, "seed": 3,
    "initial_permanence": 0.4, "connected_permanence": 0.5, "permanence_increment": 0.15, "permanence_decrement": 0.1,
    "predicted_segment_decrement": 0.03, "max_segments_per_cell": 3, "max_synapses_per_segment": 6,
}  # fmt: skip


@st.composite
def setting(draw):
    minimum, new = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    share = st.sampled_from([0.0, 0.05, 0.1, 0.25, 0.5, 1.0])
    return {
        "cells_per_column": draw(st.integers(1, 4)), "min_threshold": minimum,
        "activation_threshold": minimum + draw(st.integers(0, 2)), "max_new_synapse_count": new,
        "max_synapses_per_segment": new + draw(st.integers(0, 4)), "max_segments_per_cell": draw(st.integers(1, 4)),
        "initial_permanence": draw(st.sampled_from([0.0, 0.21, 0.5, 0.8])), "connected_permanence": draw(share),
        "permanence_increment": draw(share), "permanence_decrement": draw(share),
        "predicted_segment_decrement": draw(st.sampled_from([0.0, 0.02, 0.1])), "seed": draw(st.integers(0, 2**63 - 1)),
    }  # fmt: skip


def assert_equal(memory: TemporalMemory, reference: Reference) -> None:
    assert set(memory.active_cells.tolist()) == reference.active
    assert memory.winner_cells.tolist() == sorted(reference.winners)
    assert memory.predictive_cells.tolist() == reference.predictive()
    found = [
        (g.cell, g.used, dict(zip(g.source.tolist(), g.permanence.tolist(), strict=True))) for g in memory.segments()
    ]
    wanted = [
        (c, g.used, {k: float(v) for k, v in sorted(g.permanence.items())})
        for c, own in enumerate(reference.segments)
        for g in own
    ]
    assert found == wanted
    assert memory.segment_count == len(wanted)
    assert memory.synapse_count == sum(len(s) for _, _, s in wanted)


patterns = st.lists(st.lists(st.integers(0, 11), max_size=6, unique=True).map(sorted), min_size=2, max_size=5)


@settings(max_examples=60)
@given(setting(), patterns, st.data())
def test_kernel_equals_reference_step_by_step(s, alphabet, data):
    """Patterns come again, so that segments match, fight for room, are punished, replaced and cut."""
    memory, reference = TemporalMemory(12, **s), Reference(12, **s)
    for _ in range(data.draw(st.integers(5, 40))):
        pattern = alphabet[data.draw(st.integers(0, len(alphabet) - 1))]
        learn = data.draw(st.integers(0, 5)) > 0
        assert memory.compute(pattern, learn) == reference.compute(pattern, learn)
        assert_equal(memory, reference)
        if data.draw(st.integers(0, 9)) == 0:
            memory.reset()
            reference.reset()


def test_kernel_equals_reference_where_arrays_grow(rng):
    """Many more segments and listeners than there is room for at the start."""
    s = SMALL | {
        "max_synapses_per_segment": 40, "max_new_synapse_count": 20, "max_segments_per_cell": 50, "min_threshold": 19,
        "activation_threshold": 19,
    }  # fmt: skip
    memory, reference = TemporalMemory(60, **s), Reference(60, **s)
    first = [len(memory._memory.born), len(memory._memory.source), len(memory._memory.listener)]
    for _ in range(60):
        pattern = np.sort(rng.choice(60, 40, replace=False))
        assert memory.compute(pattern) == reference.compute(pattern.tolist(), True)
    assert_equal(memory, reference)
    now = [len(memory._memory.born), len(memory._memory.source), len(memory._memory.listener)]
    assert all(b > a for a, b in zip(first, now, strict=True))


@example([1025, 2049])
@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=5))
def test_every_array_of_segments_has_room_for_all_of_them(needs):
    m = TemporalMemory(8, **SMALL)._memory
    for n in needs:
        m = temporal_memory._enlarged(m, n, n, n)
        assert len(m.born) >= n and len(m.touched) > len(m.born)
        assert {len(a) for a in (m.segment, m.used, m.counter, m.matching, m.key)} == {len(m.born)}
        assert len(m.source) == len(m.permanence) == len(m.back) >= n and len(m.listener) >= n


def test_a_memory_too_large_for_its_numbers_is_refused(rng, monkeypatch):
    monkeypatch.setattr("neurosim.sdr.temporal_memory.MOST_ENTRIES", 40_000)
    memory = TemporalMemory(128, **SMALL | {"min_threshold": 3, "max_segments_per_cell": 255})
    with pytest.raises(RangeError, match=r"a step may need .* at most 40000: limit max_segments_per_cell"):
        memory.run(sequence(rng, 10_000))


def sequence(rng, n, columns=128, active=8):
    return [np.sort(rng.choice(columns, active, replace=False)) for _ in range(n)]


def test_run_equals_compute(rng):
    s = SMALL | {"max_synapses_per_segment": 30, "max_new_synapse_count": 8, "max_segments_per_cell": 20}
    words = sequence(rng, 12) * 20
    one, other = TemporalMemory(128, **s), TemporalMemory(128, **s)
    found = one.run(words)
    assert found.tolist() == [other.compute(w) for w in words]
    assert found[:12].mean() == 1 and found[-12:].mean() < 0.2
    assert one.anomaly == other.anomaly == found[-1]
    assert one.run([]).shape == (0,)


def test_every_form_of_a_pattern_means_the_same(rng):
    flat = [3, 17, 40, 90]
    dense = np.zeros((8, 16), np.uint8)
    dense.flat[flat] = 1
    forms = [flat, np.array(flat, np.int32), np.array(flat, np.uint64), np.arange(128)[flat], dense, dense.astype(bool),
             SDR((8, 16), flat)]  # fmt: skip
    for form in forms:
        memory = TemporalMemory((8, 16), **SMALL)
        assert memory.compute(form) == 1
        assert (memory.active_cells // 4).tolist() == np.repeat(flat, 4).tolist()


def test_memory_without_learning_changes_no_segment(rng):
    memory = TemporalMemory(128, **SMALL)
    words = sequence(rng, 10)
    memory.run(words * 8)
    before = [(g.cell, g.used, g.source.tolist(), g.permanence.tolist()) for g in memory.segments()]
    memory.run([*words, *sequence(rng, 10)], learn=False)
    assert before == [(g.cell, g.used, g.source.tolist(), g.permanence.tolist()) for g in memory.segments()]


def test_seed_decides_everything(rng):
    words = sequence(rng, 10) * 5
    a, b, c = (TemporalMemory(128, **SMALL | {"seed": seed}) for seed in (1, 1, 2))
    for memory in (a, b, c):
        memory.run(words)
    cells = [[g.cell for g in memory.segments()] for memory in (a, b, c)]
    assert cells[0] == cells[1] != cells[2]


def test_reset_forgets_the_past_but_not_what_was_learnt(rng):
    memory = TemporalMemory(128, **SMALL)
    words = sequence(rng, 5)
    memory.run(words * 12)
    assert len(memory.predictive_cells)
    memory.reset()
    assert not any(len(x) for x in (memory.active_cells, memory.winner_cells, memory.predictive_cells))
    assert memory.compute(words[0]) == 1 and memory.segment_count
    memory.reset()
    memory.compute([])
    assert memory.anomaly == 0


def test_no_segment_or_cell_has_more_than_it_may(rng):
    s = SMALL | {"max_segments_per_cell": 2, "max_synapses_per_segment": 5, "cells_per_column": 1}
    memory = TemporalMemory(64, **s)
    memory.run(sequence(rng, 300, columns=64))
    segments = list(memory.segments())
    assert max(len(g.source) for g in segments) == 5
    assert np.bincount([g.cell for g in segments]).max() == 2
    assert all(((g.permanence > 0) & (g.permanence <= 1)).all() and (np.diff(g.source) > 0).all() for g in segments)


@settings(max_examples=15)
@given(setting(), patterns, st.integers(0, 30))
def test_file_goes_on_bit_for_bit(tmp_path_factory, s, alphabet, steps):
    path = tmp_path_factory.mktemp("memory") / "memory.npz"
    memory = TemporalMemory((3, 4), **s)
    memory.run([alphabet[k % len(alphabet)] for k in range(steps)])
    memory.save(path)
    loaded = TemporalMemory.load(path)
    assert loaded.settings == memory.settings and loaded.anomaly == memory.anomaly and loaded.steps == memory.steps
    for k in range(10):
        for name in ("active_cells", "winner_cells", "predictive_cells"):
            assert np.array_equal(getattr(memory, name), getattr(loaded, name))
        pattern = alphabet[k * k % len(alphabet)]
        assert memory.compute(pattern) == loaded.compute(pattern)
    for a, b in itertools.zip_longest(memory.segments(), loaded.segments()):
        assert (a.cell, a.used, a.source.tolist(), a.permanence.tolist()) == (
            b.cell, b.used, b.source.tolist(), b.permanence.tolist(),
        )  # fmt: skip


def change(path, **arrays):
    with np.load(path) as file:
        np.savez(path, **{**{k: file[k] for k in file.files}, **arrays})


@pytest.mark.parametrize(
    "name, value",
    [
        ("cell", lambda a: a + 10_000),
        ("source", lambda a: a[::-1].copy()),
        ("source", lambda a: a - 1000),
        ("begin", lambda a: a[:-1]),
        ("begin", lambda a: a[::-1].copy()),
        ("permanence", lambda a: a + 1),
        ("permanence", lambda a: a * np.nan),
        ("permanence", lambda a: a.astype(np.float64)),
        ("born", lambda a: a * 0),
        ("used", lambda a: a + 1000),
        ("active", lambda a: a[::-1].copy()),
        ("winner", lambda a: a + 5000),
        ("random", lambda a: a[:0]),
        ("header", lambda a: a[:-5]),
    ],
)
def test_damaged_files_are_refused(rng, tmp_path, name, value):
    path = tmp_path / "memory.npz"
    memory = TemporalMemory(128, **SMALL)
    memory.run(sequence(rng, 10) * 5)
    memory.save(path)
    with np.load(path) as file:
        change(path, **{name: value(file[name])})
    with pytest.raises(FormatError, match=r"memory.npz: .*(contradict|damaged|sorted|must be)"):
        TemporalMemory.load(path)


def test_files_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "memory.npz"
    path.write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(FormatError, match="holds no temporal memory"):
        TemporalMemory.load(path)
    np.savez(path, header=np.frombuffer(b'{"format": "neurosim temporal memory", "version": 2}', np.uint8))
    with pytest.raises(FormatError, match="version 2, this neurosim reads 1"):
        TemporalMemory.load(path)
    np.savez(path, header=np.frombuffer(b'{"format": "neurosim spatial pooler", "version": 1}', np.uint8))
    with pytest.raises(FormatError, match="holds no temporal memory"):
        TemporalMemory.load(path)
    with pytest.raises(FileNotFoundError):
        TemporalMemory.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"column_dimensions": 0}, "column_dimensions: must be a whole number in 1"),
        ({"cells_per_column": 0}, "cells_per_column: must be a whole number in 1"),
        ({"cells_per_column": 2**20}, "cells_per_column: at most"),
        ({"min_threshold": 14}, r"min_threshold: must be at most activation_threshold \(13\), got 14"),
        ({"min_threshold": 0}, "min_threshold: must be a whole number"),
        ({"activation_threshold": 2.5}, "activation_threshold: must be a whole number"),
        ({"max_new_synapse_count": 256}, r"max_new_synapse_count: must be at most max_synapses_per_segment \(255\)"),
        ({"max_synapses_per_segment": 65536}, "max_synapses_per_segment: must be a whole number in 1..65535"),
        ({"max_segments_per_cell": True}, "max_segments_per_cell: must be a whole number"),
        ({"initial_permanence": 1.1}, r"initial_permanence: must be in 0..1, got 1.1"),
        ({"connected_permanence": -0.1}, "connected_permanence: must be in 0..1"),
        ({"permanence_increment": float("nan")}, "permanence_increment: must be a finite number"),
        ({"permanence_decrement": 2}, "permanence_decrement: must be in 0..1"),
        ({"predicted_segment_decrement": -1}, "predicted_segment_decrement: must be in 0..1"),
        ({"seed": -1}, "seed: must be a whole number"),
    ],
)
def test_wrong_settings_are_named(wrong, message):
    with pytest.raises(RangeError, match=message):
        TemporalMemory(**wrong)


@pytest.mark.parametrize(
    "pattern, error, message",
    [
        ([5, 3], RangeError, r"columns\[1\]: must ascend, each index once, got 3 after 5"),
        ([3, 3], RangeError, r"columns\[1\]: must ascend"),
        ([3, 64], RangeError, r"columns\[1\]: must be in 0..63, got 64"),
        ([-1], RangeError, r"columns\[0\]: must be in 0..63, got -1"),
        ([1.0, 2.0], ShapeError, "whole-number indices, got list of shape"),
        ([[1, 2]], ShapeError, "whole-number indices"),
        (np.zeros(63, np.uint8), ShapeError, r"must have the shape \(64,\), got \(63,\)"),
        (np.full(64, 2, np.uint8), RangeError, "must hold 0 and 1, got 2"),
        (np.array([2**63], np.uint64), RangeError, "below 2"),
        (SDR((8, 8), [1]), ShapeError, r"an SDR of dimensions \(64,\), got \(8, 8\)"),
        ("abc", ShapeError, "got str"),
    ],
)
def test_wrong_patterns_are_named_and_change_nothing(pattern, error, message):
    memory = TemporalMemory(64, **SMALL)
    memory.compute([1, 2, 3])
    for call in (memory.compute, lambda p: memory.run([[1, 2], p])):
        with pytest.raises(error, match=message.replace("columns", r"(columns|patterns\[1\])")):
            call(pattern)
    assert memory.steps == 1 and memory.winner_cells.size == 3
