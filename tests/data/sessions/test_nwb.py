"""NWB files: a real one, one written by hand, and damaged ones."""

import h5py
import numpy as np
import pytest

from neurosim.data.sessions import read_nwb
from neurosim.errors import FormatError, RangeError


def write(path, times=(0.5, 1.5, 0.2, 0.9), index=(2, 2, 4), version="2.6.0"):
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = version
        file.create_dataset("identifier", data="s1", dtype=text)
        file.create_dataset("general/subject/subject_id", data="mouse", dtype=text)
        units = file.create_group("units")
        units["spike_times"], units["spike_times_index"], units["id"] = times, index, np.arange(len(index))
        units.create_dataset("location", data=["V1", "CA1", "V1"], dtype=text)
        trials = file.create_group("intervals/trials")
        trials["start_time"], trials["stop_time"], trials["id"] = [0.0, 1.0], [0.5, 1.6], [0, 1]
        trials.create_dataset("side", data=["left", "right"], dtype=text)
        trials["tags"], trials["tags_index"] = [1, 2], [1, 2]
    return path


def test_units_and_trials(tmp_path):
    recording = read_nwb(write(tmp_path / "a.nwb"))
    units, trials = recording.spikes["units"], recording.intervals["trials"]
    assert units.times.tolist() == [0.2, 0.5, 0.9, 1.5] and units.units.tolist() == [2, 0, 2, 0] and units.n_units == 3
    assert units.table["location"].tolist() == ["V1", "CA1", "V1"]
    assert trials.columns["side"].tolist() == ["left", "right"] and "tags" not in trials.columns
    assert dict(recording.about) == {"session": "s1", "subject": "mouse"}
    assert recording.restricted(trials).counts("units", 0.1)[1].sum() == 2


def test_a_real_file(sessions):
    (path,) = (sessions / "nwb").glob("*.nwb")
    recording = read_nwb(path)
    units = recording.spikes["units"]
    assert units.n_units == 3 and units.times.shape == (21_354,) and recording.about["session"] == "A8604-211122"
    with h5py.File(path) as file:
        ends = file["units/spike_times_index"][...].astype(int)
        np.testing.assert_array_equal(np.bincount(units.units), np.diff(ends, prepend=0))
        np.testing.assert_array_equal(
            np.asarray(units.times)[units.units == 1], np.sort(file["units/spike_times"][ends[0] : ends[1]])
        )
    assert len(units.table["location"]) == 3


def test_bad_files_are_refused(tmp_path):
    path = write(tmp_path / "a.nwb")
    data = path.read_bytes()
    for cut in (0, 50, len(data) // 2):
        path.write_bytes(data[:cut])
        with pytest.raises(FormatError):
            read_nwb(path)
    with pytest.raises(FormatError, match=r"must be an NWB file of version 2, got nwb_version '1\.0'"):
        read_nwb(write(path, version="1.0"))
    with pytest.raises(FormatError, match=r"spike_times_index must ascend to 4 spikes, got \[2, 1, 4\]"):
        read_nwb(write(path, index=(2, 1, 4)))
    with pytest.raises(FormatError, match=r"spike_times_index must ascend to 4 spikes"):
        read_nwb(write(path, index=(2, 2, 3)))
    with pytest.raises((FormatError, RangeError), match=r"times\[3\]: must be finite"):
        read_nwb(write(path, times=(0.5, 1.5, np.nan, 0.9)))
    write(path)
    with h5py.File(path, "r+") as file:
        file["intervals/trials/stop_time"][0] = -1.0
    with pytest.raises(FormatError, match=r"/intervals/trials: Intervals\.end\[0\]: must not be before"):
        read_nwb(path)
    with pytest.raises(FileNotFoundError):
        read_nwb(tmp_path / "none.nwb")
