"""Streaming a recording through a trained network, event-driven, beside the dense torch path at batch 1, on one thread.

Both paths make the same predictions from the same events; the event-driven one is checked against the dense one before
anything is timed. Start it with an interpreter that has neurosim.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import machine
import numpy as np
import torch

from neurosim.errors import NeurosimError
from neurosim.events import Events
from neurosim.nn.lowering import evaluation_form
from neurosim.train import load_recipe, train
from neurosim.train.model import load_model
from neurosim.train.pipeline import Framing
from neurosim.train.sets import open_split
from neurosim.train.streaming import ModelStream

REPO = Path(__file__).resolve().parent.parent
RATES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)  # times the recording's own
PATHS = {
    "whole": "event-driven, whole recording at once",
    "packets": "event-driven, packets of 1 ms",
    "dense": "dense torch, whole recording at once",
    "steps": "dense torch, step by step",
    "no grid": "event by event without a grid, packets of 1 ms",
}
Times = dict[str, float]


def at_rate(events: Events, factor: float, rng: np.random.Generator) -> Events:
    """The recording with more or fewer events: a random part of them, or copies moved by up to 5 ms and 2 px."""
    chosen = rng.random(len(events)) < factor % 1
    parts = [events.take(chosen)] if factor % 1 else []
    for copy in range(int(factor)):
        if not copy:
            parts.append(events)
            continue
        width, height, _ = events.sensor_size
        n = len(events)
        t = np.clip(events.t + rng.integers(-5000, 5000, n), events.t[0], events.t[-1])
        x = np.clip(events.x + rng.integers(-2, 3, n), 0, width - 1)
        y = np.clip(events.y + rng.integers(-2, 3, n), 0, height - 1)
        order = np.argsort(t, kind="stable")
        parts.append(Events(t[order], x[order], y[order], events.p[order], events.sensor_size))
    columns = [np.concatenate([getattr(e, c) for e in parts]) for c in "txyp"]
    order = np.argsort(columns[0], kind="stable")
    return Events(*(c[order] for c in columns), events.sensor_size)


class Contenders:
    """The paths for one model; each takes a recording and gives scores."""

    def __init__(self, model: Path) -> None:
        network, self.spec = load_model(model)
        self.dense, self.framing = evaluation_form(network), Framing(self.spec.frames)
        self.stream, self.end = ModelStream(model), self.spec.frames.start_us + (self.spec.frames.duration_us or 0)
        try:
            self.free: ModelStream | None = ModelStream(model, grid=False)
        except NeurosimError as error:
            print(f"without a grid: {error}")
            self.free = None

    def run(self, name: str, events: Events, packets: list[Events]) -> Any:
        """Scores; only what a path needs while events come in is done here: frames count, cutting packets does not."""
        if name == "dense":
            return self.dense(self.framing([events]))[0]
        if name == "steps":
            frames, state = self.framing([events]), None
            for t in range(len(frames)):
                y, state = self.dense(frames[t : t + 1], state)
            return y
        running = self.free if name == "no grid" else self.stream
        assert running is not None
        stream = running.stream
        stream.reset()
        outputs = [stream.push(part) for part in ([events] if name == "whole" else packets)]
        outputs.append(stream.advance_to(self.end))
        return outputs

    def check(self, events: Events) -> None:
        """Raise unless the event-driven path says what the dense one does."""
        with torch.no_grad():
            got, want = self.stream.classify(events), self.run("dense", events, [])
        want = want[0] if want.dim() == 2 else want.sum(0)[0]
        if not np.allclose(got.scores, want.numpy(), atol=1e-3):
            raise SystemExit(f"the paths differ: {got.scores} and {want.tolist()}")


def measure(contenders: Contenders, events: Events, seconds: float) -> tuple[Times, Any]:
    """Median seconds by path, the paths in turns, and the report of the packets on the grid."""
    packets = [events.between(t, t + 1000) for t in range(contenders.spec.frames.start_us, contenders.end, 1000)]
    packets = [p for p in packets if len(p)]
    names = [n for n in PATHS if n != "no grid" or contenders.free]
    found: dict[str, list[float]] = {name: [] for name in names}
    report: Any = None
    begun = perf_counter()
    with torch.no_grad():
        while perf_counter() - begun < seconds or len(found["dense"]) < 5:
            for name in names:
                if name == "no grid" and len(found[name]) >= 5:  # slow
                    continue
                contenders.run(name, events, packets)  # untimed: the path's data come back into the caches
                found[name].append(timed(lambda name=name: contenders.run(name, events, packets)))
                if name == "packets":
                    report = contenders.stream.stream.report()
    return {name: median(times) for name, times in found.items()}, report


def timed(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def model_of(name: str, given: Path | None, data: Path | None, folder: Path) -> Path:
    """The model to measure: a given one, or a recipe trained for some epochs."""
    if given is not None:
        return given
    epochs = {"digits_dvs": 5, "nmnist": 4, "dvs128_objects": 4}[name]
    train(load_recipe(name, (f"train.epochs={epochs}", "train.threads=1")), data, folder / name, (0,))
    return folder / name


def table(rows: list[dict[str, Any]]) -> str:
    """The curve as Markdown."""
    lines = [
        "| events/s of the sensor | event-driven [ms] | packets of 1 ms [ms] | dense [ms] | dense by steps [ms] | "
        "no grid [ms] | dense / event-driven | by steps / packets | SynOps |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        t = {name: f"{row['seconds'][name] * 1e3:.2f}" if name in row["seconds"] else "" for name in PATHS}
        lines.append(
            f"| {row['rate']:,.0f} | {t['whole']} | {t['packets']} | {t['dense']} | {t['steps']} | {t['no grid']} | "
            f"{row['seconds']['dense'] / row['seconds']['whole']:.2f} | "
            f"{row['seconds']['steps'] / row['seconds']['packets']:.2f} | {row['report']['synaptic_operations']:,} |"
        )
    return "\n".join(lines)


def latency(row: dict[str, Any]) -> str:
    r = row["report"]
    return (
        f"At the recording's own rate, in packets of 1 ms: latency per event median {r['latency_median'] * 1e3:.3f} "
        f"ms, p99 {r['latency_p99'] * 1e3:.3f} ms, max {r['latency_max'] * 1e3:.3f} ms; {r['events_per_second']:,.0f} "
        f"events/s; {r['synaptic_operations'] / r['seconds'] / 1e6:,.0f} M synaptic operations/s."
    )


def picture(curves: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Time over input rate, one panel per model."""
    from neurosim.viz.base import COLOURS, new_figure, save, style, title

    figure = new_figure((5.5 * len(curves), 4.0))
    for ax, (name, rows) in zip(np.ravel(figure.subplots(1, len(curves))), curves.items(), strict=True):
        style(ax)
        title(ax, name)
        for colour, path_name in zip(COLOURS, PATHS, strict=False):
            if path_name in rows[0]["seconds"]:
                x, y = [r["rate"] for r in rows], [r["seconds"][path_name] * 1e3 for r in rows]
                ax.loglog(x, y, "o-", color=colour, label=PATHS[path_name], markersize=4)
        ax.set_xlabel("events per second of the sensor")
        ax.set_ylabel("time for one recording [ms]")
        ax.legend(fontsize=7, frameon=False)
    save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["nmnist"], choices=["digits_dvs", "nmnist", "dvs128_objects"],
                        help="digits_dvs needs no files")  # fmt: skip
    parser.add_argument("--model", type=Path, help="trained model or run folder, for the first set; default: train one")
    parser.add_argument("--data", type=Path, help="data folder")
    parser.add_argument("--recording", type=int, default=3, help="number in the test split")
    parser.add_argument("--seconds", type=float, default=5.0, help="per rate")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    about, curves, text = machine.describe(REPO), {}, []
    with tempfile.TemporaryDirectory() as scratch:
        for k, name in enumerate(options.sets):
            model = model_of(name, options.model if k == 0 else None, options.data, Path(scratch))
            torch.set_num_threads(1)  # training may have set its own
            contenders = Contenders(model)
            data = contenders.spec.data
            events = open_split(data.set, data.options, options.data, "test")[options.recording][0]
            rows, rng = [], np.random.default_rng(0)
            for factor in RATES:
                changed = at_rate(events, factor, rng)
                contenders.check(changed)
                load = machine.OtherLoad([os.getpid()])
                seconds, report = measure(contenders, changed, options.seconds)
                row = {
                    "factor": factor, "events": len(changed), "rate": len(changed) / max(events.duration, 1) * 1e6,
                    "seconds": seconds, "report": vars(report), "other_load": load.cores(),
                }  # fmt: skip
                rows.append(row)
                print(
                    name, factor, {n: f"{s * 1e3:.3f} ms" for n, s in seconds.items()}, f"load {row['other_load']:.2f}"
                )
            curves[name] = rows
            own = next(r for r in rows if r["factor"] == 1.0)
            text += [f"### {name}\n", f"{len(events):,} events in {events.duration / 1e3:.0f} ms, "
                     f"{contenders.spec.frames.n_bins} steps.\n", table(rows), "", latency(own), ""]  # fmt: skip
    shown = "\n".join([*(f"- {key}: {value}" for key, value in about.items()), "", *text])
    print(shown)
    if options.markdown:
        options.markdown.write_text(shown + "\n")
    if options.json:
        options.json.write_text(json.dumps({"machine": about, "curves": curves}, indent=1) + "\n")
    if options.picture:
        picture(curves, options.picture)


if __name__ == "__main__":
    main()
