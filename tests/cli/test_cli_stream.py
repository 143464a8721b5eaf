"""``neurosim stream`` and ``neurosim verify``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from train.conftest import tiny_recipe, write_npz
from typer.testing import CliRunner

from neurosim.cli import app
from neurosim.data.formats import NpzEvents, write_events
from neurosim.events import Events
from neurosim.nn.lowering import equality
from neurosim.testing import Difference, Equality

runner = CliRunner()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with bars.npz, a finished run in out, recordings a.h5 and b.h5, and what is none."""
    folder = tmp_path_factory.mktemp("stream")
    write_npz(folder / "bars.npz")
    (folder / "tiny.toml").write_text(tiny_recipe(epochs=2).to_toml())
    arguments = ["train", str(folder / "tiny.toml"), "--data", str(folder / "bars.npz"), "--out", str(folder / "out")]
    done = runner.invoke(app, [*arguments, "--quiet"])
    assert done.exit_code == 0, done.output
    events = NpzEvents(folder / "bars.npz", (8, 8, 2))
    write_events(folder / "a.h5", events[0][0])
    write_events(folder / "b.h5", Events(np.r_[events[1][0].t, 9000], np.r_[events[1][0].x, 0],
                                         np.r_[events[1][0].y, 0], np.r_[events[1][0].p, 0], (8, 8, 2)))  # fmt: skip
    write_events(folder / "other.h5", Events.empty((9, 8, 2)))
    (folder / "text.h5").write_text("no recording")
    return folder


def test_stream_prints_a_line_and_writes_json(run: Path) -> None:
    done = runner.invoke(app, ["stream", str(run / "out"), str(run / "a.h5"), str(run / "b.h5"), "--json",
                               str(run / "s.json")])  # fmt: skip
    assert done.exit_code == 0, done.output
    found = json.loads((run / "s.json").read_text())
    assert [Path(r["recording"]).name for r in found["recordings"]] == ["a.h5", "b.h5"] and found["grid"] is True
    for one, left_out in zip(found["recordings"], (0, 1), strict=True):
        assert (one["events"], one["events_left_out"], one["steps"]) == (64, left_out, 4)
        assert one["prediction"] in ("right", "down", "noise") and len(one["scores"]) == 3
        assert 0 < one["latency_median"] <= one["latency_p99"] <= one["latency_max"]
        assert one["synaptic_operations"] > 100 and one["events_per_second"] > 0
    assert "a.h5" in done.output and "1 events lie outside the time grid" in done.output


def test_stream_without_a_grid(run: Path) -> None:
    done = runner.invoke(app, ["stream", str(run / "out"), str(run / "a.h5"), "--no-grid", "--packet", "100"])
    assert done.exit_code == 0 and "a.h5" in done.output


def test_verify_says_equal_with_code_0(run: Path) -> None:
    done = runner.invoke(app, ["verify", str(run / "out"), "--data", str(run / "bars.npz"), "--json",
                               str(run / "v.json")])  # fmt: skip
    found = json.loads((run / "v.json").read_text())
    assert found["recordings"] > 5 and found["spikes"] > 0
    assert done.exit_code == (0 if found["equal"] else 1), done.output
    assert all(d["distance"] < 1e-4 for d in found["differences"])  # rounding may move a spike
    assert f"{found['recordings'] - found['unequal']} recordings" in done.output


def test_verify_shows_where_it_differs_with_code_1(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Difference(2, 5, "spiking1", 17, 3e-5, True)
    monkeypatch.setattr(equality, "verify_equal", lambda model, x: Equality(x.shape[1], 9, (first,), 0.0))
    done = runner.invoke(app, ["verify", str(run / "out"), "--data", str(run / "bars.npz")])
    assert done.exit_code == 1
    row = done.output.strip().split("\n")[-1].split()
    assert row == ["2", "5", "spiking1", "17", "model", "3e-05"]


def test_verify_finds_an_event_form_that_is_wrong(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of the graph that are 5 % larger than the model's."""
    from dataclasses import replace

    lower = equality.lower

    def wrong(*args, **options):  # type: ignore[no-untyped-def]
        graph = lower(*args, **options)
        first, *rest = graph.projections
        return replace(graph, projections=(replace(first, weight=first.weight * 1.05), *rest))

    monkeypatch.setattr(equality, "lower", wrong)
    done = runner.invoke(app, ["verify", str(run / "out"), "--data", str(run / "bars.npz")])
    assert done.exit_code == 1 and "unequal" in done.output and "spiking1" in done.output, done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stream", "{0}/none", "{0}/a.h5"], "must exist"),
        (["stream", "{0}/out", "{0}/none.h5"], "none.h5: cannot be read: No such file"),
        (["stream", "{0}/out", "{0}/other.h5"], "other.h5: ModelStream.classify: needs events of a sensor (8, 8, 2)"),
        (["stream", "{0}/out", "{0}/text.h5"], "text.h5"),
        (["stream", "{0}/out", "{0}/a.h5", "--packet", "0"], "packet_us: must be > 0"),
        (["verify", "{0}/out", "--data", "{0}/none"], "does not exist"),
        (["verify", "{0}/none"], "must exist"),
        (["verify", "{0}/out", "--data", "{0}/bars.npz", "--split", "tset"], "split"),
    ],
)
def test_errors_are_one_message_and_code_2(run: Path, arguments: list[str], message: str) -> None:
    done = runner.invoke(app, [a.format(run) for a in arguments])
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split()) and "Traceback" not in done.output
