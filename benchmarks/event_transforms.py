"""Event transforms side by side with Tonic: the same events, the same output, medians of alternating runs.

    python benchmarks/event_transforms.py [--events 400000] [--repeats 15] [--json FILE]

Each library gets its own input type, made beforehand (Tonic a structured array, neurosim `Events`), and allocates its
output anew in each run unless the row says otherwise. Kernels are compiled before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

from neurosim.data.transforms import Denoise, Downsample, TimeSurface, ToFrames, frames_batch
from neurosim.events import Events

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import tonic.transforms as tonic

SENSOR = (128, 128, 2)  # DVS128
SPAN = 6_000_000  # us, a DVS-Gesture sample
BATCH = 16


@dataclass(frozen=True)
class Row:
    """Medians [ms] of one comparison."""

    name: str
    tonic_cpu: float
    tonic_wall: float
    neurosim_cpu: float
    neurosim_wall: float

    @property
    def speedup(self) -> float:
        """How many times less CPU time."""
        return self.tonic_cpu / self.neurosim_cpu


def compare(name: str, theirs: Callable[[], Any], ours: Callable[[], Any], repeats: int) -> Row:
    """Check that both give the same, then time them in turn."""
    expected, got = theirs(), ours()
    got = got.to_structured() if isinstance(got, Events) else got
    same = np.array_equal(got, expected) if got.dtype.kind != "f" else np.allclose(got, expected, atol=1e-6)
    if not same:
        raise SystemExit(f"{name}: outputs differ")
    cpu: tuple[list[float], list[float]] = ([], [])
    wall: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for i, run in enumerate((theirs, ours)):
            began = time.perf_counter(), time.process_time()
            run()
            wall[i].append(time.perf_counter() - began[0])
            cpu[i].append(time.process_time() - began[1])
    medians = [statistics.median(times) * 1e3 for times in (cpu[0], wall[0], cpu[1], wall[1])]
    return Row(name, *medians)


def recording(n: int, seed: int) -> Events:
    """Events spread evenly over the sensor and the time, the worst case for caches."""
    rng = np.random.default_rng(seed)
    x, y, p = (rng.integers(0, bound, n).astype(kind) for bound, kind in zip(SENSOR, ("u2", "u2", "u1"), strict=True))
    return Events(np.sort(rng.integers(0, SPAN, n)), x, y, p, SENSOR)


def measure(n: int, repeats: int) -> list[Row]:
    """All comparisons for recordings of ``n`` events."""
    events = recording(n, 0)
    table = events.to_structured()
    rows = []
    bins = ToFrames(n_bins=16, tail="drop"), tonic.ToFrame(sensor_size=SENSOR, n_time_bins=16)
    windows = ToFrames(window_us=10_000, tail="drop"), tonic.ToFrame(sensor_size=SENSOR, time_window=10_000)
    for label, (ours, theirs) in (("ToFrame, 16 time bins", bins), ("ToFrame, 10 ms windows", windows)):
        for dtype in ("int16", "float32"):  # int16 is what Tonic makes, float32 what training needs
            same = partial(replace(ours, dtype=dtype), events)
            rows.append(compare(f"{label}, {dtype}", partial(tonic_frames, theirs, table, dtype), same, repeats))
    rows.append(batch_row(n, repeats))
    few = max(3, repeats // 5)  # Tonic needs about a second
    denoise = tonic.Denoise(filter_time=10_000)
    rows.append(compare("Denoise, 10 ms", lambda: denoise(table), lambda: Denoise(10_000)(events), few))
    half = tonic.Downsample(spatial_factor=0.5)
    rows.append(compare("Downsample by 2", lambda: half(table), lambda: Downsample(factor=2)(events), repeats))
    surface = tonic.ToTimesurface(sensor_size=SENSOR, dt=100_000, tau=50_000)
    ours_surface = TimeSurface(50_000, 100_000, tail="drop")
    rows.append(compare("TimeSurface, every 100 ms", lambda: surface(table), lambda: ours_surface(events), few))
    return rows


def tonic_frames(frame: Any, table: Any, dtype: str) -> Any:
    """Tonic's frames in the wanted dtype; no copy if they are in it already."""
    return frame(table).astype(dtype, copy=False)


def batch_row(n: int, repeats: int) -> Row:
    """A training batch, time first, into an array that is used again."""
    batch = [recording(n // BATCH, seed) for seed in range(BATCH)]
    tables = [events.to_structured() for events in batch]
    grid, frame = ToFrames(n_bins=32, tail="drop"), tonic.ToFrame(sensor_size=SENSOR, n_time_bins=32)
    out = np.empty((32, BATCH, *SENSOR[::-1]), np.float32)
    return compare(
        f"batch of {BATCH} x {n // BATCH} events, 32 bins, float32, (T, B, P, H, W)",
        lambda: np.stack([frame(table) for table in tables], axis=1).astype(np.float32),
        lambda: frames_batch(batch, grid, out),
        repeats,
    )


def markdown(rows: list[Row]) -> str:
    """The table, CPU and wall medians in ms."""
    lines = [
        "| transform | Tonic cpu / wall [ms] | neurosim cpu / wall [ms] | times faster (cpu) |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {r.name} | {r.tonic_cpu:.2f} / {r.tonic_wall:.2f} | {r.neurosim_cpu:.2f} / {r.neurosim_wall:.2f} "
        f"| {r.speedup:.1f} |"
        for r in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, write JSON on request."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the medians and the machine here")
    arguments = parser.parse_args()
    about = describe(Path(__file__).parent.parent) | {name: version(name) for name in ("numpy", "numba", "tonic")}
    rows = measure(arguments.events, arguments.repeats)
    print(
        f"{arguments.events} events, {arguments.repeats} repeats; {', '.join(f'{k} {v}' for k, v in about.items())}\n"
    )
    print(markdown(rows))
    if arguments.json:
        result = {"machine": about, "events": arguments.events, "repeats": arguments.repeats}
        result |= {"rows": [asdict(row) | {"speedup": row.speedup} for row in rows]}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
