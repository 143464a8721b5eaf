"""``neurosim stream`` and ``neurosim verify``: trained models on events, and whether that equals the model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from neurosim.data.formats import read_events
from neurosim.errors import NeurosimError, RangeError

BATCH = 32
SHOWN = 10  # recordings with differences that are listed
ROUNDING = 1e-4  # of the output; sums in another order differ by less


def stream(model: Path, recordings: list[Path], grid: bool, packet_us: int) -> list[dict[str, Any]]:
    """Classify recordings by streaming them; one report for each."""
    from neurosim.train.streaming import ModelStream

    if not recordings:
        raise RangeError("stream: give at least one recording.")
    found, running = [], ModelStream(model, grid)
    for path in recordings:
        try:
            events = read_events(path, sensor_size=running.spec.sensor_size if path.suffix == ".npz" else None)
            said = running.classify(events, packet_us)
        except NeurosimError as error:
            raise error if str(path) in str(error) else type(error)(f"{path}: {error}") from None
        except OSError as error:
            raise RangeError(f"{path}: cannot be read: {error.strerror or error}.") from None
        found.append({
            "recording": str(path), "prediction": said.label, "index": said.index, "scores": list(said.scores),
            "duration_us": events.duration, "events_left_out": said.left_out, **asdict(said.report),
        })  # fmt: skip
    return found


def stream_text(found: list[dict[str, Any]]) -> str:
    """The reports for people."""
    lines = [
        f"{'recording':28} {'prediction':12} {'events':>9} {'latency median':>15} {'p99':>10} {'max':>10} "
        f"{'events/s':>12} {'synops':>13}"
    ]
    for one in found:
        times = (_time(one[f"latency_{name}"]) for name in ("median", "p99", "max"))
        median, p99, largest = times
        lines.append(
            f"{Path(one['recording']).name[-28:]:28} {one['prediction']:12} {one['events']:9,} {median:>15} {p99:>10} "
            f"{largest:>10} {one['events_per_second']:12,.0f} {one['synaptic_operations']:13,}"
        )
    if left := sum(one["events_left_out"] for one in found):
        lines.append(f"{left:,} events lie outside the time grid of the model and were left out, as in training")
    return "\n".join(lines)


def verify(model: Path, data: Path | None, split: str | None) -> dict[str, Any]:
    """Compare the event-driven form with the model on recordings; every spike and the output."""
    import torch

    from neurosim.nn.lowering import evaluation_form
    from neurosim.nn.lowering.equality import verify_equal
    from neurosim.train.model import load_model
    from neurosim.train.pipeline import Framing, load_samples
    from neurosim.train.sets import open_other

    network, spec = load_model(model)
    dataset, taken = open_other(spec.data.set, spec.data.options, data, split, spec.classes, spec.files)
    if tuple(dataset.sensor_size) != spec.sensor_size:
        raise RangeError(f"verify: the sensor must be {spec.sensor_size} as in training, got {dataset.sensor_size}.")
    samples, framing, plain = load_samples(dataset, spec.data.empty), Framing(spec.frames), evaluation_form(network)
    spikes, error, differences = 0, 0.0, []
    with torch.no_grad():
        for at in range(0, len(samples), BATCH):
            found = verify_equal(plain, framing(samples.events[at : at + BATCH]))
            spikes, error = spikes + found.spikes, max(error, found.output_error)
            differences += [asdict(d) | {"sample": at + d.sample} for d in found.differences]
    return {
        "model": spec.name, "data": spec.data.set, "split": taken, "recordings": len(samples), "spikes": spikes,
        "unequal": len(differences), "output_error": error, "differences": differences,
        "equal": not differences and error <= ROUNDING,
    }  # fmt: skip


def verify_text(found: dict[str, Any]) -> str:
    """The comparison for people."""
    lines = [
        f"{found['model']} on {found['recordings']} recordings ({found['split']}): {found['spikes']:,} spikes",
        f"equal spikes   {found['recordings'] - found['unequal']} recordings",
        f"output         off by at most {found['output_error']:.2g}",
    ]
    if found["unequal"]:
        lines.append(f"unequal        {found['unequal']} recordings; where each first differs:")
        lines.append(f"{'recording':>9} {'step':>6} {'layer':20} {'neuron':>8} {'spikes in':12} {'from threshold':>15}")
    for d in found["differences"][:SHOWN]:
        who = "model" if d["dense"] else "event form"
        lines.append(f"{d['sample']:9} {d['step']:6} {d['layer']:20} {d['neuron']:8} {who:12} {d['distance']:15.3g}")
    return "\n".join(lines)


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1e3:.3f} ms" if seconds < 1 else f"{seconds:.2f} s"
