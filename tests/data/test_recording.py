"""Recordings: slicing reads what it should and no more, in memory and from files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.data.intervals import Intervals
from neurosim.data.recording import Recording, Signal, Spikes
from neurosim.data.recording_file import open_recording, save_recording
from neurosim.errors import FormatError, OutputError, RangeError, ShapeError


def session(seed=0, spikes=400, seconds=10.0):
    rng = np.random.default_rng(seed)
    table = {"area": np.array(["V1", "CA1", "V1"]), "depth": np.array([1.0, 2.0, 3.0])}
    return Recording(
        {"units": Spikes(np.sort(rng.uniform(0, seconds, spikes)), rng.integers(0, 3, spikes), 3, table)},
        {"lfp": Signal(rng.normal(size=(int(seconds * 50), 2)), 50.0, channels=("a", "b"))},
        {"trials": Intervals([1, 4, 7.5], [2, 6, 8], choice=[0, 1, 0], name=["x", "y", "z"])},
        Intervals([0], [seconds]), {"subject": "m1", "age": 3},
    )  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 30)), min_size=1, max_size=5), st.integers(0, 5))
def test_counts_and_samples_are_those_of_masks(stretches, seed):
    recording = session(seed)
    of = Intervals([a / 10 for a, _ in stretches], [min(a + n, 100) / 10 for a, n in stretches]).merged()
    part = recording.restricted(of)
    t, values = part.samples("lfp")
    every = np.arange(500) / 50
    inside = Intervals(of.start - 1e-9, of.end - 1e-9).contain(every)
    np.testing.assert_allclose(t, every[inside])
    np.testing.assert_array_equal(values, recording.signals["lfp"].values[inside])
    start, counts = part.counts("units", 0.1)
    times, units = recording.spikes["units"].times, recording.spikes["units"].units
    for row, begin in zip(counts, start, strict=True):
        here = (times >= begin) & (times < begin + 0.1)
        np.testing.assert_array_equal(row, np.bincount(units[here], minlength=3))
    assert len(start) == round(of.duration * 10)


def test_a_slice_keeps_whole_trials_only_and_slices_again():
    recording = session()
    part = recording[1.5:8]
    assert part.intervals["trials"].columns["name"].tolist() == ["y", "z"]
    assert [r.domain.start[0] for r in recording.restricted(Intervals([1, 5], [2, 6])).pieces()] == [1, 5]
    assert part[0:100].domain == Intervals([1.5], [8]) and recording[20:30].domain.duration == 0
    assert recording[20:30].samples("lfp")[1].shape == (0, 2) and recording[20:30].counts("units", 1)[1].shape == (0, 3)
    assert recording[20:30][0:1].domain.duration == 0
    assert part.spikes["units"] is recording.spikes["units"], "nothing is copied"
    assert repr(part) == "Recording(units: 3 units, 400 spikes; lfp: 2 channels at 50 Hz; trials: 2; 1.5 to 8 s)"
    v1 = recording.spikes["units"].select(recording.spikes["units"].table["area"] == "V1")
    assert v1.n_units == 2 and v1.table["depth"].tolist() == [1, 3]
    assert np.bincount(v1.units).tolist() == np.bincount(recording.spikes["units"].units)[[0, 2]].tolist()
    assert Recording(intervals={"trials": Intervals([1], [2])}).domain == Intervals([1], [2])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 60), st.integers(0, 9), st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5))
def test_a_file_gives_the_same(tmp_path_factory, spikes, seed, name):
    recording, path = session(seed, spikes), tmp_path_factory.mktemp("r") / "a.h5"
    recording = Recording({f"{name}u": recording.spikes["units"]}, recording.signals,
                          {f"{name}i": recording.intervals["trials"]}, recording.domain, recording.about)  # fmt: skip
    save_recording(recording, path)
    with open_recording(path) as opened:
        assert dict(opened.about) == recording.about and opened.domain == recording.domain
        assert opened.intervals[f"{name}i"] == recording.intervals[f"{name}i"]
        for r in (lambda x: x, lambda x: x[2.5:7]):
            np.testing.assert_array_equal(r(opened).counts(f"{name}u", 0.5)[1], r(recording).counts(f"{name}u", 0.5)[1])
            np.testing.assert_array_equal(r(opened).samples("lfp")[1], r(recording).samples("lfp")[1])
        assert opened.signals["lfp"].channels == ("a", "b")
        assert opened.spikes[f"{name}u"].table["area"].tolist() == ["V1", "CA1", "V1"]


def test_a_slice_of_a_file_reads_little(tmp_path):
    class Counting:
        """An array in a file that says how much of it was read."""

        def __init__(self, values):
            self.values, self.shape, self.dtype, self.read = values, values.shape, values.dtype, 0

        def __getitem__(self, which):
            out = self.values[which]
            self.read += np.size(out)
            return out

    times, units = Counting(np.arange(1_000_000) / 1000), Counting(np.zeros(1_000_000, int))
    values = Counting(np.zeros((1_000_000, 4)))
    recording = Recording({"u": Spikes(times, units, 1)}, {"s": Signal(values, 1000.0)}, domain=Intervals([0], [1000]))
    recording[500:501].counts("u", 0.1), recording[500:501].samples("s")
    assert times.read < 1100 and units.read == 1000 and values.read == 4000


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    save_recording(session(), path)
    data = path.read_bytes()
    for cut in (0, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(FormatError, match=r"a\.h5: is no HDF5 file, or is cut short"), open_recording(path):
            pass
    import h5py

    for change, message in (
        (lambda f: f.attrs.update(version=2), "has version 2 of the format, this one reads 1"),
        (lambda f: f.attrs.update(format="x"), "must be a 'neurosim recording', got 'x'"),
        (lambda f: f.__delitem__("domain"), "is damaged"),
        (lambda f: f["spikes/units"].attrs.update(n_units="many"), "is damaged"),
        (lambda f: f["signals/lfp"].attrs.update(rate=-1.0), r"is damaged: Signal\.rate: must be > 0"),
    ):
        path.write_bytes(data)
        with h5py.File(path, "r+") as file:
            change(file)
        with pytest.raises(FormatError, match=message), open_recording(path):
            pass
    with h5py.File(path, "r+") as file:
        file["signals/lfp"].attrs["rate"] = 50.0
        file["spikes/units/times"][7] = 9.9
    with open_recording(path) as opened, pytest.raises(RangeError, match=r"times\[8\]: must ascend"):
        opened[0:9.95].counts("units", 0.1)
    with pytest.raises(FileNotFoundError), open_recording(tmp_path / "none.h5"):
        pass
    with pytest.raises(OutputError, match="no folder"):
        save_recording(session(), tmp_path / "none" / "a.h5")
    with pytest.raises(RangeError, match="must hold text and numbers"):
        save_recording(Recording(about={"x": {1}}), tmp_path / "b.h5")
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


TWO = (np.array([0.0, 1.0]), np.array([0, 1]))


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: Spikes([1.0, 0.5], [0, 0], 1), RangeError, r"times\[1\]: must ascend, got 0\.5 s after 1 s.*together"),
    (lambda: Spikes([0.0, np.nan], [0, 0], 1), RangeError, r"times\[1\]: must be finite, got nan"),
    (lambda: Spikes([0.0, 1.0], [0, 3], 2), RangeError, r"units\[1\]: must be in 0\.\.1, got 3"),
    (lambda: Spikes([0.0, 1.0], [0], 2), ShapeError, r"units: must have one entry per time, \(2,\), got \(1,\)"),
    (lambda: Spikes([0.0, 1.0], [0.0, 1.0], 2), ShapeError, "must be whole numbers, got float64"),
    (lambda: Spikes(*TWO, 2, {"area": np.array(["a"])}), ShapeError, r"table\['area'\]: must have 2 entries"),
    (lambda: Spikes(*TWO, 2).select([1, 0]), RangeError, r"select\.units: must ascend in 0\.\.1"),
    (lambda: Signal([1.0, 2.0], 5.0), ShapeError, r"values: must be \(T, C\), got \(2,\)"),
    (lambda: Signal([[1.0]], 0.0), RangeError, r"rate: must be > 0 Hz"),
    (lambda: Signal([[1.0]], 5.0, channels=("a", "b")), ShapeError, "must have 1 names, one per channel, got 2"),
    (lambda: Recording({"a": Spikes(*TWO, 2)}, {"a": Signal([[1.0]], 5.0)}), RangeError, "name must be there once"),
    (lambda: Recording({}, {"x": Signal(np.zeros((5, 1)), 5.0)}, domain=Intervals([0], [2])), RangeError,
     r"must lie within signal 'x', 0 to 1 s, got 0 to 2 s. Do their clocks agree"),
    (lambda: Recording(intervals={"trials": Intervals([0, 3], [1, 5])}, domain=Intervals([0], [4])), RangeError,
     r"intervals\['trials'\]: 3 to 5 s \(number 1\) is outside the domain, 0 to 4 s"),
    (lambda: session().counts("unit", 0.1), RangeError, r"there is no 'unit' here, only \['units'\]"),
    (lambda: session().counts("units", 0.0), RangeError, "must be > 0 s"),
    (lambda: session()[1], ShapeError, r"takes recording\[start:end\] in seconds, got 1"),
])  # fmt: skip
def test_bad_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
