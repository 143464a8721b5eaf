"""``neurosim simulate``: run a network of the literature and say how fast."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neurosim.errors import check_number, check_positive
from neurosim.graph import StateProbe
from neurosim.sim.networks import network
from neurosim.sim.simulation import Simulation

NAMES = {"ca": "calcium [uM]", "ip3": "IP3 [uM]", "i_sic": "slow inward current [pA]"}  # of states, in pictures


def simulate(
    name: str, seconds: float, scale: float, threads: int | None, seed: int, precision: str, quiet: bool
) -> tuple[Simulation, dict[str, Any]]:
    """Build and run the network; returns the simulation and its report."""
    check_number("simulate.seconds", seconds)
    check_positive("simulate.scale", scale)
    simulation = network(name, scale=scale, seed=seed, precision=precision).build(threads)
    with _progress(quiet) as show:
        try:
            simulation.run(seconds, show)
        except KeyboardInterrupt:
            print(f"stopped at {simulation.time:.4f} s; the report is of what was run", file=sys.stderr)
    return simulation, report(simulation)


def report(simulation: Simulation) -> dict[str, Any]:
    """Sizes, activity and times of a simulation that has run."""
    graph = simulation.graph
    counts = simulation.spike_counts()
    firing = sum(graph.population(name).size for name in counts)
    neurons, spikes = sum(p.size for p in graph.populations), sum(counts.values())
    seconds = simulation.time
    return {
        "biological_seconds": seconds,
        "build_seconds": simulation.build_seconds,
        "sim_seconds": simulation.run_seconds,
        "neurons": neurons,
        "synapses": simulation.synapses,
        "spikes": spikes,
        "rate_hz": spikes / firing / seconds if seconds else 0.0,
        "rates_hz": {n: count / graph.population(n).size / seconds if seconds else 0.0 for n, count in counts.items()},
        "synaptic_events": simulation.synaptic_events(),
        "threads": simulation.threads,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def text(name: str, found: dict[str, Any]) -> str:
    """The report for people."""
    biological, wall = found["biological_seconds"], found["sim_seconds"]
    speed = f"{biological / wall:.2f} x real time" if wall else "not run"
    events = found["synaptic_events"] / wall / 1e6 if wall else 0.0
    lines = [
        f"{name}: {found['neurons']:,} neurons, {found['synapses']:,} synapses, "
        f"built in {found['build_seconds']:.2f} s",
        f"{biological:g} s simulated in {wall:.2f} s on {found['threads']} threads: {speed}, "
        f"{events:,.0f} M synaptic events/s, peak memory {found['peak_rss_mb']:,.0f} MB",
        f"{found['spikes']:,} spikes, {found['rate_hz']:.2f} Hz: "
        + ", ".join(f"{p} {rate:.2f}" for p, rate in found["rates_hz"].items()),
    ]
    return "\n".join(lines)


def save_raster(simulation: Simulation, path: Path) -> None:
    """A picture of all spikes, and of the states that are recorded."""
    from neurosim import viz

    graph = simulation.graph
    sizes = {name: graph.population(name).size for name in simulation.recorded}
    spikes = {name: simulation.spikes(name) for name in sizes}
    probes = [(k, probe) for k, probe in enumerate(graph.probes) if isinstance(probe, StateProbe)]
    if not probes or not simulation.step:
        viz.save(viz.population_raster(spikes, sizes, simulation.time), path)
        return
    states = {f"{probe.population}: {NAMES.get(probe.state, probe.state)}": simulation.trace(k) for k, probe in probes}
    viz.save(viz.raster_with_states(spikes, sizes, simulation.time, states), path)


@contextmanager
def _progress(quiet: bool) -> Iterator[Any]:
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("simulating", total=1.0, speed="")

        def show(simulation: Simulation, part: float) -> None:
            factor = simulation.run_seconds / simulation.time
            spikes = sum(simulation.spike_counts().values())
            firing = sum(simulation.graph.population(name).size for name in simulation.recorded)
            rate = spikes / firing / simulation.time
            bars.update(task, completed=part, speed=f"real-time factor {factor:.2f}, {rate:.1f} Hz")

        yield show
