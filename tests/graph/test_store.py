"""Graph files: what is loaded equals what was saved, and every damaged or foreign file is refused."""

import dataclasses
import json
import math
import os
import re

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from networks import DT
from random_graphs import graphs

from neurosim import graph as g
from neurosim.errors import FormatError, OutputError, RangeError
from neurosim.graph import store
from neurosim.units import LIF, Izhikevich


def small_graph():
    cells = g.Population.of("cells", LIF(), 3, DT, {"tau_mem": [1e-2, 2e-2, 3e-2]}, {"v": 0.5})
    link = g.Projection("link", "cells", "cells", "x", g.Explicit([0, 1], [1, 2]), np.float32([1, -1]), [1, 2])
    return g.Graph(DT, (cells,), (link,), seed=7)


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """The bytes of a good file."""
    path = tmp_path_factory.mktemp("graphs") / "small.graph"
    small_graph().save(path)
    return path.read_bytes()


@pytest.fixture
def saved(tmp_path, intact):
    path = tmp_path / "small.graph"
    path.write_bytes(intact)
    return path


def reforge(path, edit):
    """Change the HDF5 part of a file and give it a valid checksum again."""
    with h5py.File(path, "r+") as file:
        edit(file)
    store.seal(path)


def edit_structure(path, edit):
    def rewrite(file):
        structure = json.loads(file["graph"][()])
        edit(structure)
        del file["graph"]
        file["graph"] = np.bytes_(json.dumps(structure).encode())

    reforge(path, rewrite)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(graph=graphs())
def test_a_loaded_graph_equals_the_saved_one(tmp_path, graph):
    path = tmp_path / "a.graph"
    graph.save(path)
    loaded = g.Graph.load(path)
    assert loaded == graph
    assert loaded.populations == graph.populations and repr(loaded) == repr(graph)
    first = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == first, "the same graph gives the same bytes"
    assert store.fingerprint(loaded) == store.fingerprint(graph)
    assert os.listdir(tmp_path) == ["a.graph"]


def test_every_rule_and_distribution_survives(tmp_path):
    cells = g.Population.of("cells", Izhikevich(), 4, DT, positions=np.eye(4, 2))
    rules = [
        g.AllToAll(False), g.OneToOne(), g.Bernoulli(0.25, False), g.FixedInDegree(2, False, False),
        g.FixedOutDegree(3, multapses=False), g.FixedTotal(5, autapses=False), g.Explicit([3, 0], [0, 3]),
        g.Convolution((1, 2, 2), 1, (3, 3), padding=(1, 1)), g.DistanceDependent("gaussian", 0.5, extent=(1.0, 2.0)),
    ]  # fmt: skip
    weights = [
        1.0,
        g.Normal(0, 1),
        g.Uniform(-1, 1),
        g.LogNormal(0, 1, high=9),
        g.Normal(1, 0, low=-1, outside="redraw"),
        -2.0,
        [1.5, 2],
    ]
    weights += [np.arange(9.0).reshape(1, 1, 3, 3), 1.0]
    kept = {6: {"weight_type": "int8", "scale": 0.5}, 4: {"layout": "csr", "weight_type": "float16"}}
    links = [
        g.Projection(f"{k}", "cells", "cells", "x", rule, weight, 1, **kept.get(k, {}))
        for k, (rule, weight) in enumerate(zip(rules, weights, strict=True))
    ]
    graph = g.Graph(DT, (cells,), links)
    graph.save(tmp_path / "all.graph")
    assert g.Graph.load(tmp_path / "all.graph") == graph
    assert {type(r) for r in rules} == {*store.RULES}


def test_a_fingerprint_tells_every_change():
    graph = small_graph()
    link, cells = graph.projections[0], graph.populations[0]
    others = [
        dataclasses.replace(graph, seed=8),
        dataclasses.replace(graph, precision="float64"),
        dataclasses.replace(graph, probes=(g.SpikeProbe("cells"),)),
        dataclasses.replace(graph, projections=(dataclasses.replace(link, weight=np.float32([1, -2])),)),
        dataclasses.replace(graph, projections=(dataclasses.replace(link, weight=np.float64([1, -1])),)),
        dataclasses.replace(graph, projections=(dataclasses.replace(link, rule=g.Explicit([1, 0], [1, 2])),)),
        dataclasses.replace(graph, populations=(dataclasses.replace(cells, initial=[[0.25]]),)),
    ]
    assert len({store.fingerprint(one) for one in (graph, *others)}) == 1 + len(others)
    assert store.fingerprint(graph) == store.fingerprint(small_graph())


def test_a_loaded_graph_shares_no_writable_memory(saved):
    loaded = g.Graph.load(str(saved))
    assert not loaded.projections[0].weight.flags.writeable and loaded.projections[0].weight.dtype == np.float32


def test_the_file_opens_as_hdf5_and_says_what_it_is(saved):
    with h5py.File(saved) as file:
        assert file.attrs["format"] == "neurosim graph" and file.attrs["version"] == 1
        assert file["projections/0/weight"][:].tolist() == [1, -1]
    assert saved.read_bytes().startswith(b"neurosim graph\nversion 1\nbytes ")


# ---------------------------------------------------------------------------------------------------- writing


def test_saving_replaces_the_file_at_once_or_not_at_all(saved, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr(store.os, "fsync", lambda *_: (_ for _ in ()).throw(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        g.Graph(DT, ()).save(saved)
    assert saved.read_bytes() == before and os.listdir(saved.parent) == [saved.name]
    monkeypatch.undo()
    g.Graph(DT, ()).save(saved)
    assert g.Graph.load(saved) == g.Graph(DT, ())


def test_saving_into_a_folder_that_is_missing_says_so(tmp_path):
    with pytest.raises(OutputError, match=r"a\.graph: cannot be written: No such file.*There is no folder"):
        small_graph().save(tmp_path / "missing" / "a.graph")


def test_loading_a_file_that_is_missing_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        g.Graph.load(tmp_path / "missing.graph")


# ---------------------------------------------------------------------------------------------------- damage


def test_a_file_cut_anywhere_is_refused_as_cut_short(saved):
    whole = saved.read_bytes()
    lengths = {*range(600), *range(600, len(whole), 61), *range(len(whole) - 20, len(whole))}
    for length in sorted(lengths):
        saved.write_bytes(whole[:length])
        with pytest.raises(FormatError, match="is cut short: expected"):
            g.Graph.load(saved)
    saved.write_bytes(whole)
    assert g.Graph.load(saved) == small_graph()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
def test_any_flipped_byte_is_refused(tmp_path, intact, data):
    content = bytearray(intact)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, 600) | st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
    assume(content != intact)  # not flipped there and back
    path = tmp_path / "damaged.graph"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=re.escape(str(path))):
        g.Graph.load(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    noise=st.binary(max_size=2000), start=st.sampled_from([b"", store.MAGIC, b"neurosim graph\nversion 1\nbytes 1\n"])
)
def test_noise_is_refused(tmp_path, noise, start):
    path = tmp_path / "noise.graph"
    path.write_bytes(start + noise)
    with pytest.raises(FormatError):
        g.Graph.load(path)


def test_appended_bytes_are_refused(saved):
    with open(saved, "ab") as file:
        file.write(b"\0")
    with pytest.raises(FormatError, match="is damaged: its checksum"):
        g.Graph.load(saved)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04" + b"\0" * 999, "must start with b'neurosim graph.n', got b'PK.*no graph file"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 999, "It is HDF5, of another kind"),
        (b"neurosim graph\nversion 3\n" + b"\0" * 999, "version 3 of the format, .* reads 2. Update neurosim"),
        (b"neurosim graph\nversion 0\n" + b"\0" * 999, "is damaged"),
        (b"", "is cut short"),
    ],
)
def test_other_files_are_refused_with_what_they_are(tmp_path, content, message):
    path = tmp_path / "other.graph"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        g.Graph.load(path)


# ---------------------------------------------------------------------------------------------------- bad intent


def break_links(name, link):
    def edit(file):
        del file[name]
        file[name] = link

    return edit


def unwritten(file):
    del file["projections/0/weight"]
    file.create_dataset("projections/0/weight", (2**40,), "f4")  # no bytes in the file, 4 TiB in memory


def compressed(file):
    del file["projections/0/weight"]
    file.create_dataset("projections/0/weight", data=np.zeros(100_000, "f4"), compression="gzip")


def textual(file):
    del file["projections/0/weight"]
    file["projections/0/weight"] = ["1", "2"]


def not_a_number(file):
    file["projections/0/weight"][0] = math.nan


def newer(file):
    file.attrs["version"] = 2


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (break_links("projections/0/weight", h5py.ExternalLink("/etc/passwd", "/x")), "there is no dataset"),
        (break_links("projections/0/weight", h5py.SoftLink("/projections/0/delay")), "there is no dataset"),
        (break_links("projections", h5py.ExternalLink("/etc/passwd", "/x")), "there is no dataset"),
        (unwritten, "must lie whole and uncompressed"),
        (compressed, "must lie whole and uncompressed"),
        (textual, "must be a dataset of kind 'iuf'"),
        (not_a_number, r"weight\[0\]: must be finite, got nan"),
        (newer, "another format or version"),
        (lambda f: f.__delitem__("projections"), "there is no dataset"),
        (lambda f: f.__delitem__("graph"), "there is no dataset 'graph'"),
        (lambda f: f.attrs.__delitem__("format"), "holds no valid graph"),
    ],
    ids=["external", "soft", "folder", "unwritten", "compressed", "text", "nan", "newer", "missing", "empty", "attrs"],
)
def test_hdf5_that_is_not_ours_is_refused_although_its_checksum_fits(saved, edit, message):
    reforge(saved, edit)
    with pytest.raises(FormatError, match=message):
        g.Graph.load(saved)


def update(*keys, value):
    def edit(structure):
        for key in keys[:-1]:
            structure = structure[key]
        structure[keys[-1]] = value

    return edit


POPULATION, LINK = ("populations", 0), ("projections", 0)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (update("kind", value="Grph"), "unknown kind 'Grph'.*Did you mean 'Graph'"),
        (update("kind", value=[]), "holds no valid graph"),
        (update("more", value=1), "a Graph must have the fields"),
        (update("seed", value="x"), r"Graph\.seed"),
        (update("dt", value=math.nan), r"Graph\.dt"),
        (update("populations", value=[]), "no population is called 'cells'"),
        (update("populations", value=3), "must be a sequence"),
        (update(*POPULATION, "kind", value="HodgkinHuxley"), "unknown kind 'HodgkinHuxley', perhaps of a newer"),
        (update(*POPULATION, "program", value="import os"), "program: must be the text of a traced unit"),
        (update(*POPULATION, "initial", "at", value="/nowhere"), "there is no dataset '/nowhere'"),
        (update(*POPULATION, "initial", "at", value="/projections"), "must be a dataset"),
        (update(*POPULATION, "initial", "at", value=None), "there is no dataset"),
        (update(*POPULATION, "initial", value={"kind": "infinity", "sign": 2}), "unknown kind 'infinity'"),
        (update(*POPULATION, "name", value={"kind": "infinity", "sign": 1}), "must be text"),
        (update(*LINK, "rule", value={"kind": "Ring"}), "unknown kind 'Ring'"),
        (update(*LINK, "rule", value={"kind": "Graph"}), "a Graph must have the fields"),
        (update(*LINK, "rule", value={"kind": "OneToOne"}), "goes with Explicit"),
        (update(*LINK, "rule", value=None), "must be one of AllToAll"),
        (update(*LINK, "plasticity", value="stdp"), "must be one of PairSTDP"),
        (update(*LINK, "delay", value=0), "at least one step"),
    ],
)
def test_structure_that_is_not_ours_is_refused_although_its_checksum_fits(saved, edit, message):
    edit_structure(saved, edit)
    with pytest.raises(FormatError, match=message):
        g.Graph.load(saved)


def test_a_part_that_is_no_graph_is_refused(saved):
    def replace(file):
        del file["graph"]
        file["graph"] = np.bytes_(b'{"kind": "OneToOne"}')

    reforge(saved, replace)
    with pytest.raises(FormatError, match="must hold a Graph, got OneToOne"):
        g.Graph.load(saved)


def test_deeply_nested_structure_is_refused(saved):
    def replace(file):
        del file["graph"]
        file["graph"] = np.bytes_(b"[" * 100_000)

    reforge(saved, replace)
    with pytest.raises(FormatError, match="holds no valid graph"):
        g.Graph.load(saved)


def test_names_of_any_characters_survive(tmp_path):
    cells = [g.Population.of(n, LIF(), 1, DT) for n in ("a/b", "..", "kind", "é\n\0", "\ud800")]
    graph = g.Graph(DT, cells)
    graph.save(tmp_path / "names.graph")
    assert g.Graph.load(tmp_path / "names.graph") == graph
    with pytest.raises(RangeError, match="Did you mean 'kind'"):
        graph.population("kin")
