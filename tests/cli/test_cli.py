"""The command line: exit codes, messages, files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from train.conftest import tiny_recipe, write_npz
from typer.testing import CliRunner

from neurosim.cli import app

runner = CliRunner()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with bars.npz, tiny.toml and a finished run in out."""
    folder = tmp_path_factory.mktemp("cli")
    write_npz(folder / "bars.npz")
    (folder / "tiny.toml").write_text(tiny_recipe(epochs=1).to_toml())
    done = runner.invoke(app, ["train", str(folder / "tiny.toml"), "--data", str(folder / "bars.npz"), "--out",
                               str(folder / "out"), "train.epochs=2", "--seeds", "0,1"])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "epoch   2/2" in done.output and "test accuracy over 2 seed(s)" in done.output
    return folder


def test_train_writes_results(run: Path) -> None:
    assert json.loads((run / "out" / "result.json").read_text())["seeds"] == [0, 1]


def test_evaluate_writes_json(run: Path) -> None:
    done = runner.invoke(app, ["evaluate", str(run / "out"), "--data", str(run / "bars.npz"), "--split", "test",
                               "--json", str(run / "scores.json")])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads((run / "scores.json").read_text()).keys() >= {"accuracy", "samples", "confusion", "spike_rate"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "nmnits"], "Did you mean 'nmnist'?"),
        (["train", "{0}/tiny.toml", "--data", "{0}/bars.npz", "--out", "{0}/x", "train.epoch=1"], "'epochs'?"),
        (["train", "{0}/tiny.toml", "--data", "{0}/bars.npz", "--out", "{0}/x", "--seeds", "a"], "--seeds: must be"),
        (["train", "{0}/tiny.toml", "--data", "{0}/bars.npz", "--out", "{0}/bars.npz/x"], "cannot be written"),
        (["train", "{0}/tiny.toml", "--data", "{0}/none", "--out", "{0}/x"], "does not exist"),
        (["evaluate", "{0}/none"], "must exist"),
        (["recipe", "nothing"], "no shipped recipe"),
    ],
)
def test_errors_are_one_message_and_code_2(run: Path, arguments: list[str], message: str) -> None:
    done = runner.invoke(app, [a.format(run) for a in arguments])
    assert done.exit_code == 2
    assert message in done.output and "Traceback" not in done.output
    assert not (run / "x").exists()


def test_ctrl_c_is_code_130_with_a_hint(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import neurosim.train

    def stopped(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(neurosim.train, "train", stopped)
    done = runner.invoke(app, ["train", str(run / "tiny.toml")])
    assert done.exit_code == 130 and "--resume" in done.output


def test_recipe_and_info_print() -> None:
    assert runner.invoke(app, ["recipe", "nmnist"]).output.startswith('name = "nmnist"')
    assert "dvs128_gesture_plif" in runner.invoke(app, ["recipe"]).output
    assert "label_smoothing" in runner.invoke(app, ["recipe", "--fields"]).output
    assert "torch" in runner.invoke(app, ["info"]).output


def test_simulate_writes_its_report_or_says_why_it_cannot(tmp_path: Path) -> None:
    start = ["simulate", "brunel", "--scale", "0.02", "--seconds", "0.05", "--quiet", "--json"]
    done = runner.invoke(app, [*start, str(tmp_path / "report.json")])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["neurons"] == 250 and found["spikes"] > 0
    failed = runner.invoke(app, [*start, str(tmp_path / "missing" / "report.json")])
    assert failed.exit_code == 2 and "OutputError" in failed.output and "There is no folder" in failed.output


def test_simulate_astro_reports_what_fires_and_draws_calcium(tmp_path: Path) -> None:
    command = ["simulate", "astro", "--scale", "0.1", "--seconds", "0.2", "--quiet", "--json", str(tmp_path / "a.json")]
    done = runner.invoke(app, [*command, "--plot", str(tmp_path / "a.png")])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["neurons"] == 120 and list(found["rates_hz"]) == ["exc", "inh"] and found["spikes"] > 0
    assert found["rate_hz"] == pytest.approx(found["spikes"] / 100 / 0.2)
    other = runner.invoke(app, ["simulate", "brunel", "--scale", "0.02", "--seconds", "0.01", "--quiet", "--json",
                                str(tmp_path / "b.json")])  # fmt: skip
    assert other.exit_code == 0 and set(json.loads((tmp_path / "b.json").read_text())) == set(found)
    assert (tmp_path / "a.png").stat().st_size > 20_000
