"""Networks of the literature in neurosim, Brian2 and NEST: time to build, time to simulate, memory.

Makes the environment "simulators" first (``peers.py``). Every measurement is a fresh process, one after the other, the
simulators in turns; medians are shown. The starting interpreter must be one that has neurosim.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import machine
import peers
from lif_report import number, table, verdict
from scatter_limit import scatter_limit

HERE = Path(__file__).resolve().parent
NETWORKS = {  # name -> arguments of `neurosim simulate`
    "brunel": ["brunel"],
    "coba": ["coba"],
    "cuba": ["cuba"],
    "cuba20k": ["cuba", "--scale", "5"],
    "cuba100k": ["cuba", "--scale", "25"],
    "microcircuit": ["microcircuit", "--scale", "0.1"],
    "stdp": ["stdp"],
}
SECONDS = {"brunel": 1.0, "coba": 2.0, "cuba": 5.0, "cuba20k": 1.0, "cuba100k": 1.0, "microcircuit": 1.0,
           "stdp": 20.0}  # fmt: skip
FASTER = {"brunel": 12.0, "coba": 4.0, "cuba": 2.0, "cuba20k": 2.3, "cuba100k": 2.3, "microcircuit": 2.5,
          "stdp": 1.3}  # fmt: skip
SCALING = ("brunel", "cuba100k", "microcircuit")  # two threads at least 1.5 times as fast as one
OURS = "import sys; from neurosim.cli import main; sys.argv[0] = 'neurosim'; main()"


@dataclass(frozen=True)
class Simulator:
    label: str
    kind: str  # "neurosim", "brian2" or "nest"
    threads: int = 1
    target: str = ""  # of Brian2


SIMULATORS = {
    "neurosim": Simulator("neurosim, 1 thread", "neurosim"),
    "neurosim2": Simulator("neurosim, 2 threads", "neurosim", 2),
    "brian2": Simulator("Brian2 cpp_standalone", "brian2", target="cpp_standalone"),
    "brian2_cython": Simulator("Brian2 cython", "brian2", target="cython"),
    "nest": Simulator("NEST, 1 thread", "nest"),
    "nest2": Simulator("NEST, 2 threads", "nest", 2),
}


@dataclass
class Measured:
    """All repetitions of one simulator on one network."""

    network: str
    simulator: str
    seconds: float
    runs: list[dict[str, float]] = field(default_factory=list)
    error: str = ""

    def of(self, name: str) -> float | None:
        values = [run[name] for run in self.runs if run.get(name) is not None]
        return median(values) if values else None

    def factor(self) -> float | None:
        """Simulation time per biological second: below 1 is faster than real time."""
        sim = self.of("sim_seconds")
        return None if sim is None else sim / self.seconds


Results = dict[tuple[str, str], Measured]


class Runner:
    """Starts measurements, each in a process of its own."""

    def __init__(self, python: Path, cache: Path, limit: float) -> None:
        self.python, self.cache, self.limit = python, cache, limit

    def command(self, network: str, simulator: Simulator, seconds: float, seed: int, out: Path) -> list[str]:
        if simulator.kind == "neurosim":
            options = ["--seconds", str(seconds), "--threads", str(simulator.threads), "--seed", str(seed)]
            return [sys.executable, "-c", OURS, "simulate", *NETWORKS[network], *options, "--quiet", "--json", str(out)]
        script = str(HERE / f"sim_{simulator.kind}.py")
        if simulator.kind == "nest":
            return [str(self.python), script, network, str(seconds), str(simulator.threads), str(seed)]
        return [str(self.python), script, network, str(seconds), simulator.target, str(seed), str(self.cache)]

    def measure(self, network: str, simulator: Simulator, seconds: float, seed: int) -> dict[str, float]:
        """One run: what the process reports, its whole wall time, and the cores that others kept busy meanwhile."""
        others, before = machine.OtherLoad([]), resource.getrusage(resource.RUSAGE_CHILDREN)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "report.json"
            command = self.command(network, simulator, seconds, seed, out)
            start = os.times().elapsed
            done = subprocess.run(command, capture_output=True, text=True, timeout=self.limit, cwd=HERE.parent)
            wall = os.times().elapsed - start
            if done.returncode:
                raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
            found = json.loads(out.read_text() if out.exists() else done.stdout.strip().splitlines()[-1])
        after, busy = resource.getrusage(resource.RUSAGE_CHILDREN), others.cores()
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {**found, "process_seconds": wall, "other_cores": max(0.0, busy - cpu / wall)}


def run(args: argparse.Namespace, runner: Runner) -> Results:
    results = {
        (n, s): Measured(n, s, args.seconds or (0.1 if args.quick else SECONDS[n]))
        for n in args.networks
        for s in args.simulators
    }
    for network in args.networks:
        for name in (n for n in args.simulators if SIMULATORS[n].kind == "neurosim"):  # compile and cache the time loop
            attempt(runner, results[network, name], seed=1, seconds=1e-3, keep=False)
        for repeat in range(args.repeats):
            for name in args.simulators:
                attempt(runner, results[network, name], seed=repeat + 1)
    return results


def attempt(runner: Runner, there: Measured, seed: int, seconds: float | None = None, keep: bool = True) -> None:
    if there.error:
        return
    simulator = SIMULATORS[there.simulator]
    try:
        found = runner.measure(there.network, simulator, seconds or there.seconds, seed)
    except subprocess.TimeoutExpired:
        there.error = f"not done after {runner.limit:g} s"
    except (RuntimeError, ValueError) as error:
        there.error = str(error)
    else:
        there.runs += [found] * keep
    said = there.error or f"build {found['build_seconds']:.2f} s, simulation {found['sim_seconds']:.3f} s"
    print(f"{there.network}, {simulator.label}: {said}", file=sys.stderr, flush=True)


def shown(value: float | None, scale: float = 1.0) -> str:
    return "-" if value is None else f"{value * scale:.3f}" if value * scale < 0.1 else number(value * scale)


def network_table(results: Results, network: str) -> str:
    head = ["simulator", "build s", "simulation s", "wall / biological time", "x neurosim, 1 thread", "whole process s",
            "synapses, million", "rate Hz", "peak MB", "other cores"]  # fmt: skip
    rows, ours = [], results.get((network, "neurosim"))
    base = ours.factor() if ours else None
    for there in (m for m in results.values() if m.network == network):
        label, factor = SIMULATORS[there.simulator].label, there.factor()
        if factor is None:
            rows.append([label, "failed: " + there.error, *[""] * (len(head) - 2)])
            continue
        rate = there.of("spikes") / there.of("neurons") / there.seconds
        rows.append([
            label, shown(there.of("build_seconds")), shown(there.of("sim_seconds")), shown(factor),
            shown(factor / base if base else None), shown(there.of("process_seconds")),
            shown(there.of("synapses"), 1e-6), shown(rate), shown(there.of("peak_rss_mb")),
            shown(there.of("other_cores")),
        ])  # fmt: skip
    return table(head, rows)


def verdicts(results: Results) -> list[str]:
    """The claims of the event engine, on simulation time; peers count with their fastest setting of one thread."""
    lines = []
    for network in dict.fromkeys(n for n, _ in results):
        factors = {s: m.factor() for (n, s), m in results.items() if n == network and m.factor() is not None}
        theirs = {s: f for s, f in factors.items() if SIMULATORS[s].kind != "neurosim"}
        lines.append(against(network, factors.get("neurosim"), theirs, FASTER[network], threads=1))
        if network == "microcircuit":
            lines.append(against(network, factors.get("neurosim2"), theirs, 5.0, threads=2))
        if network in SCALING:
            one, two = factors.get("neurosim"), factors.get("neurosim2")
            gain = one / two if one and two else None
            lines.append(verdict(f"{network}: 2 threads at least 1.5 x one", gain, (gain or 0) >= 1.5, "neurosim"))
        if network == "brunel":
            own = factors.get("neurosim")
            detail = "wall / biological time, 1 thread"
            lines.append(verdict("brunel: faster than real time", own, (own or 9) < 1, detail))
    return lines


def against(network: str, ours: float | None, theirs: dict[str, float], wanted: float, threads: int) -> str:
    """Ours against the fastest peer that may use as many threads."""
    allowed = {s: f for s, f in theirs.items() if SIMULATORS[s].threads <= threads}
    best = min(allowed, key=lambda s: allowed[s], default=None)
    gain = allowed[best] / ours if best and ours else None
    claim = f"{network}: at least {wanted:g} x the fastest peer, {threads} thread{'s' * (threads > 1)}"
    return verdict(claim, gain, (gain or 0) >= wanted, SIMULATORS[best].label if best else "")


def against_limit(results: Results, limit: dict[str, float]) -> list[str]:
    """Synaptic events that Brunel's network delivers in a second, state and input included, against bare additions."""
    ours = results.get(("brunel", "neurosim"))
    if ours is None or not limit:
        return []
    events, seconds = ours.of("synaptic_events"), ours.of("sim_seconds")
    rate = events / seconds if events and seconds else 0.0
    return [
        verdict(f"brunel: at least 0.5 of {limit[order] / 1e9:.2f} G additions/s, places {order}", rate / limit[order],
                rate >= 0.5 * limit[order], f"{rate / 1e9:.2f} G synaptic events/s, 1 thread")
        for order in ("ascending", "random")
    ]  # fmt: skip


def markdown(header: dict[str, str], results: Results, limit: dict[str, float]) -> str:
    parts = ["# Simulators: neurosim, Brian2 and NEST", "\n".join(f"- {k}: {v}" for k, v in header.items())]
    parts += ["## Verdicts", "\n".join([*verdicts(results), *against_limit(results, limit)])]
    for network in dict.fromkeys(n for n, _ in results):
        seconds = next(m.seconds for (n, _), m in results.items() if n == network)
        parts += [f"## {network}, {seconds:g} s of biological time", network_table(results, network)]
    return "\n\n".join(parts) + "\n"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="0.1 s of biological time, one repetition, no cython")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--simulators", nargs="+", choices=SIMULATORS, help="default all (quick: no brian2_cython)")
    parser.add_argument("--repeats", type=int, help="runs of which the median counts (default 3, quick 1)")
    parser.add_argument("--seconds", type=float, help="biological time (default 1 to 5, quick 0.1)")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds after which a run is given up")
    parser.add_argument("--json", type=Path, help="write every run here")
    parser.add_argument("--markdown", type=Path, help="write the tables here as well as to standard output")
    parser.add_argument("--envs", type=Path, default=peers.ENVS, help="where the peers' environment lives")
    args = parser.parse_args()
    args.repeats = args.repeats or (1 if args.quick else 3)
    args.simulators = args.simulators or [s for s in SIMULATORS if not (args.quick and s == "brian2_cython")]
    return args


def main() -> None:
    args = parse()
    python = peers.environment(args.envs, peers.SIMULATORS)
    header = machine.describe(HERE.parent)
    header["versions"] = ", ".join(f"{n} {v}" for n, v in peers.versions(python, peers.SIMULATORS).items())
    header["runs"] = f"median of {args.repeats}; other cores: kept busy by other processes meanwhile"
    results = run(args, Runner(python, args.envs / "cython", args.limit))
    limit = scatter_limit() if "brunel" in args.networks else {}
    header["load at the end"] = f"{os.getloadavg()[0]:.2f}"
    report = markdown(header, results, limit)
    print(report)
    if args.markdown:
        args.markdown.write_text(report)
    if args.json:
        everything = {
            "header": header,
            "additions_per_second": limit,
            "measured": [asdict(there) for there in results.values()],
        }
        args.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
