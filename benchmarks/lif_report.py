"""Markdown tables and verdicts from the measurements of ``lif_training.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median

from lif_impls import IMPLEMENTATIONS, WORKLOADS

FWD_CPU, FWD_WALL, BWD_CPU, BWD_WALL = range(4)  # columns of a sample, in seconds


@dataclass(frozen=True, order=True)
class Setting:
    """Where a time was taken."""

    workload: str
    threads: int
    heap: bool

    def __str__(self) -> str:
        return f"{self.workload}, {threads_of(self)}{', heap reuse' * self.heap}"


@dataclass
class Times:
    """The samples of one implementation in one setting."""

    first_s: float = 0.0
    rate: float = 0.0
    samples: list[list[float]] = field(default_factory=list)
    error: str = ""

    def ms(self, *columns: int) -> float:
        """Median over the repetitions of the sum of these columns."""
        return 1e3 * median(sum(sample[c] for c in columns) for sample in self.samples)

    def cpu(self) -> float:
        return self.ms(FWD_CPU, BWD_CPU)

    def wall(self) -> float:
        return self.ms(FWD_WALL, BWD_WALL)


@dataclass
class Results:
    """Everything one run measured."""

    header: dict[str, str] = field(default_factory=dict)
    times: dict[Setting, dict[str, Times]] = field(default_factory=dict)
    other_load: dict[Setting, float] = field(default_factory=dict)  # cores that other processes kept busy
    memory: dict[str, list[float] | str] = field(default_factory=dict)  # MB per implementation, or its error

    def measured(self, setting: Setting) -> dict[str, Times]:
        return {name: times for name, times in self.times.get(setting, {}).items() if times.samples}


def floor_of(workload: str) -> str:
    return "linear" if WORKLOADS[workload].linear else "memory"


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join([row(head), row(["---"] + ["---:"] * (len(head) - 1)), *map(row, rows)])


def ratio(times: Times | None, base: Times | None, total: Callable[[Times], float] = Times.cpu) -> str:
    return f"{total(times) / total(base):.2f}" if times and base else "-"


def triple(times: Times | None, fwd: int, bwd: int) -> str:
    """Forward / backward / total in milliseconds."""
    if times is None:
        return "-"
    return " / ".join(map(number, (times.ms(fwd), times.ms(bwd), times.ms(fwd, bwd))))


def firing(name: str, times: Times) -> str:
    return "-" if IMPLEMENTATIONS[name].kind == "floor" else f"{100 * times.rate:.1f} %"


def threads_of(setting: Setting) -> str:
    return f"{setting.threads} thread{'s' * (setting.threads > 1)}"


def time_table(results: Results, workload: str, heap: bool) -> str:
    """One row per implementation; ratios are of totals: CPU time on the fewest threads, wall time on the most."""
    settings = sorted(s for s in results.times if s.workload == workload and s.heap == heap)
    by_setting = [results.measured(setting) for setting in settings]
    first, last, floor = by_setting[0], by_setting[-1], floor_of(workload)
    head = ["implementation"]
    for setting in settings:
        head += [f"CPU ms, {threads_of(setting)}: fwd / bwd / total", f"wall ms, {threads_of(setting)}"]
    head += ["x floor, CPU", "x ours, CPU", f"x ours, wall, {threads_of(settings[-1])}", "rate"]
    rows = []
    for name, times in results.times[settings[0]].items():
        cells = [IMPLEMENTATIONS[name].label]
        if times.error:
            cells += ["failed: " + times.error, *[""] * (len(head) - 2)]
        else:
            for measured in by_setting:
                cells += [
                    triple(measured.get(name), *columns) for columns in ((FWD_CPU, BWD_CPU), (FWD_WALL, BWD_WALL))
                ]
            cells += [ratio(times, first.get(floor)), ratio(times, first.get("neurosim"))]
            cells += [ratio(last.get(name), last.get("neurosim"), Times.wall), firing(name, times)]
        rows.append(cells)
    return table(head, rows)


def load_line(results: Results, workload: str, heap: bool) -> str:
    loads = {s: cores for s, cores in results.other_load.items() if s.workload == workload and s.heap == heap}
    busy = ", ".join(f"{cores:.2f} cores ({threads_of(setting)})" for setting, cores in sorted(loads.items()))
    return f"Kept busy by other processes meanwhile: {busy}."


def memory_table(results: Results) -> str:
    rows = []
    jelly, ours = peak(results, "spikingjelly"), peak(results, "neurosim")
    for name, value in results.memory.items():
        label = IMPLEMENTATIONS[name].label
        if isinstance(value, str):
            rows.append([label, "failed: " + value, "", ""])
            continue
        mb = median(value)
        rows.append([label, number(mb), *(f"{mb / base:.2f}" if base else "-" for base in (jelly, ours))])
    return table(["implementation", "peak increase, MB", "x SpikingJelly", "x ours"], rows)


def peak(results: Results, name: str) -> float | None:
    value = results.memory.get(name, "")
    return None if isinstance(value, str) else median(value)


def compile_lines(results: Results) -> list[str]:
    """Time of the first call of compiled implementations: the compilation, unless a cache of this run had it."""
    return [
        f"- {IMPLEMENTATIONS[name].label}, {setting}: {times.first_s:.1f} s"
        for setting, by_name in sorted(results.times.items())
        for name, times in by_name.items()
        if IMPLEMENTATIONS[name].compiled and times.samples
    ]


def fastest_peer(measured: dict[str, Times]) -> str | None:
    peers = [name for name in measured if IMPLEMENTATIONS[name].kind == "peer"]
    return min(peers, key=lambda name: measured[name].cpu(), default=None)


def over_floor(results: Results, setting: Setting) -> float | None:
    measured = results.measured(setting)
    ours, floor = measured.get("neurosim"), measured.get(floor_of(setting.workload))
    return ours.cpu() / floor.cpu() if ours and floor else None


def speed_up(results: Results, setting: Setting) -> float | None:
    measured = results.measured(setting)
    best, ours = fastest_peer(measured), measured.get("neurosim")
    return measured[best].cpu() / ours.cpu() if best and ours else None


def verdict(claim: str, value: float | None, met: bool, detail: str) -> str:
    if value is None:
        return f"- {claim}: not measured"
    return f"- {claim}: **{'met' if met else 'NOT met'}**, {value:.2f} ({detail})"


def span(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{min(known):.2f} to {max(known):.2f}" if known else "nothing"


def verdicts(results: Results) -> list[str]:
    """The claims of the training layer, judged on T=500, one thread, plain heap, CPU time."""
    headline = Setting("linear500", 1, heap=False)
    linear = [setting for setting in results.times if WORKLOADS[setting.workload].linear]
    floor, faster = over_floor(results, headline), speed_up(results, headline)
    best = fastest_peer(results.measured(headline))
    peer = IMPLEMENTATIONS[best].label if best else "no peer"
    jelly, ours = peak(results, "spikingjelly"), peak(results, "neurosim")
    share = ours / jelly if ours is not None and jelly else None
    floors = span(over_floor(results, setting) for setting in linear)
    faster_all = span(speed_up(results, setting) for setting in results.times)
    where = f"{headline}, CPU time"
    over = f"{where}; {floors} over all Linear settings"
    against = f"against {peer}, {where}; {faster_all} over all settings, each against its fastest peer"
    return [
        verdict("total <= 1.3 x bare Linear", floor, (floor or 9) <= 1.3, over),
        verdict("at least 3 x faster than the fastest peer", faster, (faster or 0) >= 3, against),
        verdict("peak memory <= half of SpikingJelly's", share, (share or 9) <= 0.5, "one forward + backward, T=500"),
    ]


def markdown(results: Results) -> str:
    """The whole report."""
    parts = ["# LIF training: neurosim and its peers", "\n".join(f"- {k}: {v}" for k, v in results.header.items())]
    parts += ["## Verdicts", "\n".join(verdicts(results))]
    for workload in dict.fromkeys(setting.workload for setting in results.times):
        for heap in sorted({setting.heap for setting in results.times if setting.workload == workload}):
            parts.append(f"## {WORKLOADS[workload].title}{', heap reuse' * heap}")
            parts += [time_table(results, workload, heap), load_line(results, workload, heap)]
    if results.memory:
        parts += ["## Peak memory of one forward and backward, T=500", memory_table(results)]
    if lines := compile_lines(results):
        parts += ["## First call of what is compiled", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"
