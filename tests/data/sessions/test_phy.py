"""phy folders: a real one, and damaged ones."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.data.sessions import read_phy
from neurosim.errors import FormatError, NeurosimError, RangeError


def folder(path, times=(30, 10, 60, 60), clusters=(5, 2, 5, 9), params="sample_rate = 30.0\n"):
    path.mkdir(exist_ok=True)
    np.save(path / "spike_times.npy", np.array(times, np.uint64).reshape(-1, 1))
    np.save(path / "spike_clusters.npy", np.array(clusters, np.int32))
    (path / "cluster_group.tsv").write_text("cluster_id\tgroup\n5\tgood\n2\tmua\n77\tnoise\n")
    (path / "cluster_KSLabel.tsv").write_text("cluster_id\tamplitude\n5\t1.5\n9\t\n")
    (path / "params.py").write_text(f"dat_path = 'x.bin'\n{params}raise SystemExit('run as code')\n")
    return path


def test_a_folder_is_read(tmp_path):
    recording = read_phy(folder(tmp_path / "probe"))
    units = recording.spikes["units"]
    assert units.times.tolist() == [10 / 30, 1.0, 2.0, 2.0] and units.units.tolist() == [0, 1, 1, 2]
    assert units.table["cluster_id"].tolist() == [2, 5, 9] and units.table["group"].tolist() == ["mua", "good", ""]
    np.testing.assert_array_equal(units.table["amplitude"], [np.nan, 1.5, np.nan])
    assert recording.about["session"] == "probe"
    assert read_phy(tmp_path / "probe", rate=60.0).spikes["units"].times[-1] == 1.0


def test_a_real_folder(sessions):
    recording = read_phy(sessions / "phy_neuropixels", rate=30_000.0)
    units = recording.spikes["units"]
    assert units.times.shape == (379_321,) and units.n_units == 404 and round(recording.domain.duration, 1) == 119.8
    good = units.select(units.table["group"] == "good")
    assert 0 < good.n_units < 404 and set(units.table["group"]) >= {"good", "mua", "noise"}
    clusters = np.load(sessions / "phy_neuropixels" / "spike_clusters.npy")
    _, counts = recording[0:110].counts("units", 1.0)
    times = np.load(sessions / "phy_neuropixels" / "spike_times.npy").ravel() / 30_000
    first = times[0]
    inside = (times >= first) & (times < first + len(counts))
    assert counts.sum() == inside.sum()
    assert counts[:, 7].sum() == (clusters[inside] == units.table["cluster_id"][7]).sum()


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["spike_times.npy", "spike_clusters.npy", "cluster_group.tsv"]), st.binary(max_size=300))
def test_any_bytes_give_a_recording_or_an_error_of_ours(tmp_path_factory, name, noise):
    path = folder(tmp_path_factory.mktemp("p") / "probe")
    (path / name).write_bytes(noise)
    with contextlib.suppress(NeurosimError):
        read_phy(path)


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(FormatError, match=r"spike_times\.npy: is missing"):
        read_phy(tmp_path / "none")
    path = folder(tmp_path / "a", clusters=(1, 2, 3))
    with pytest.raises(FormatError, match=r"spike_clusters\.npy: must have one entry per spike time, 4, got 3"):
        read_phy(path)
    with pytest.raises(RangeError, match=r"rate: must be given, in Hz: .*params\.py does not say"):
        read_phy(folder(tmp_path / "b", params=""))
    with pytest.raises(RangeError, match=r"rate: must be > 0 Hz, got 0"):
        read_phy(folder(tmp_path / "b"), rate=0)
    path = folder(tmp_path / "c")
    data = (path / "spike_times.npy").read_bytes()
    for cut in (0, 5, 100, len(data) - 1):
        (path / "spike_times.npy").write_bytes(data[:cut])
        with pytest.raises(FormatError, match=r"spike_times\.npy: is no \.npy file of numbers, or is cut short"):
            read_phy(path)
    np.save(path / "spike_times.npy", np.array([1.5, 2.5, 3, 4]))
    with pytest.raises(FormatError, match=r"must hold whole numbers \(S,\) or \(S, 1\), got float64"):
        read_phy(path)
    np.save(path / "spike_times.npy", np.array([None, {}], object), allow_pickle=True)
    with pytest.raises(FormatError, match=r"is no \.npy file of numbers"):
        read_phy(path)
    path = folder(tmp_path / "d")
    (path / "cluster_group.tsv").write_text("id\tgroup\n1\tgood\n")
    with pytest.raises(FormatError, match=r"must have a column 'cluster_id', got \['id', 'group'\]"):
        read_phy(path)
