"""One network in Brian2: ``sim_brian2.py NETWORK SECONDS TARGET SEED FOLDER`` prints a line of JSON.

TARGET is cpp_standalone (without OpenMP, which is not faster) or cython, whose compiled code is kept in FOLDER.
"""

from __future__ import annotations

import json
import sys
import tempfile
from typing import Any

import brian2 as b
import numpy as np
import sim_parameters as given

Parts = list[Any]  # the group of neurons, then whatever else is in the network


def cells_of(n: int, equations: str, p: dict[str, Any], method: str = "exact", **more: Any) -> Any:
    """Neurons that do not integrate for ``refractory`` ms after a spike."""
    names = {name: p[name] * b.ms for name in ("tau_mem", "tau_exc", "tau_inh", "tau_syn") if name in p}
    names |= {name: p.get(name, 0.0) * b.mV for name in ("v_leak", "v_threshold", "v_reset")}
    return b.NeuronGroup(
        n, equations, threshold="v > v_threshold", reset="v = v_reset", refractory=p["refractory"] * b.ms,
        method=method, namespace=names | more,
    )  # fmt: skip


def synapses(cells: Any, exc: int, p: dict[str, Any], unit: Any, actions: tuple[str, str], rule: Any) -> Parts:
    """Excitatory and inhibitory synapses; ``actions`` are what a spike does, with its weight ``w``."""
    parts = []
    for sign, sources, action in zip(("exc", "inh"), (cells[:exc], cells[exc:]), actions, strict=True):
        made = b.Synapses(
            sources, cells, on_pre=action, delay=p["delay"] * b.ms, namespace={"w": p[f"w_{sign}"] * unit}
        )
        made.connect(**rule(sign))
        parts.append(made)
    return parts


def in_degrees(p: dict[str, Any]) -> Any:
    return lambda sign: {"i": f"k for k in sample(N_pre, size={p[f'k_{sign}']})"}


def cuba(n: int) -> Parts:
    p = given.CUBA
    equations = """dv/dt = (ge + gi - (v - v_leak)) / tau_mem : volt (unless refractory)
                   dge/dt = -ge / tau_exc : volt
                   dgi/dt = -gi / tau_inh : volt"""
    cells = cells_of(n, equations, p)
    cells.v = "v_reset + rand() * (v_threshold - v_reset)"
    rule = in_degrees(p) if n > given.CUBA_SIZES["cuba"] else lambda sign: {"p": p["p"]}
    return [cells, *synapses(cells, n * 4 // 5, p, b.mV, ("ge += w", "gi += w"), rule)]


def coba() -> Parts:
    p = given.COBA
    equations = """dv/dt = (g_leak * (v_leak - v) + ge * (e_exc - v) + gi * (e_inh - v)) / c : volt (unless refractory)
                   dge/dt = -ge / tau_exc : siemens
                   dgi/dt = -gi / tau_inh : siemens"""
    more = {"g_leak": p["g_leak"] * b.nS, "c": p["capacitance"] * b.pF}
    more |= {name: p[name] * b.mV for name in ("e_exc", "e_inh")}
    cells = cells_of(p["n"], equations, p, "exponential_euler", **more)
    cells.v = "v_leak + (5 * randn() - 5) * mV"
    cells.ge = "clip(1.5 * randn() + 4, 0, inf) * 10 * nS"
    cells.gi = "clip(12 * randn() + 20, 0, inf) * 10 * nS"
    return [cells, *synapses(cells, p["n"] * 4 // 5, p, b.nS, ("ge += w", "gi += w"), lambda sign: {"p": p["p"]})]


def brunel() -> Parts:
    p = given.BRUNEL
    cells = cells_of(p["n_exc"] + p["n_inh"], "dv/dt = -v / tau_mem : volt (unless refractory)", p)
    cells.v = "rand() * v_threshold"
    cells.namespace["w_noise"] = p["w_exc"] * b.mV
    jump = "v += w * int(not_refractory_post)"  # input to a refractory neuron is lost, as in NEST
    rate = p["rate"] / p["k_exc"] * b.Hz
    noise = b.PoissonInput(cells, "v", N=p["k_exc"], rate=rate, weight="w_noise * int(not_refractory)")
    return [cells, *synapses(cells, p["n_exc"], p, b.mV, (jump, jump), in_degrees(p)), noise]


def microcircuit(seed: int) -> Parts:
    p, net, rng = given.MICROCIRCUIT, given.microcircuit(), np.random.default_rng(seed)
    equations = """dv/dt = (v_leak - v) / tau_mem + (current + constant) / c : volt (unless refractory)
                   dcurrent/dt = -current / tau_syn : amp
                   constant : amp (constant)
                   mean : 1 (constant)"""
    more = {"c": p["capacitance"] * b.pF, "w_noise": net.external * b.pA}
    n, first = sum(net.sizes), np.cumsum([0, *net.sizes])
    cells = cells_of(n, equations, p, **more)
    cells.v = np.minimum(p["v_mean"] + p["v_sd"] * rng.standard_normal(n), p["v_threshold"] - 0.001) * b.mV
    cells.constant = np.repeat(net.constant, net.sizes) * b.pA
    cells.mean = np.repeat(net.rates, net.sizes) * given.DT * 1e-3  # external spikes per step
    cells.run_regularly("current += w_noise * poisson(mean)", dt=given.DT * b.ms)
    pre, post, weight, delay = [], [], [], []
    for way in net.pathways:
        pre.append(first[way.source] + rng.integers(0, net.sizes[way.source], way.count))
        post.append(first[way.target] + rng.integers(0, net.sizes[way.target], way.count))
        drawn = rng.normal(*way.weight, way.count)
        weight.append(np.maximum(drawn, 0) if way.excitatory else np.minimum(drawn, 0))
        delay.append(np.maximum(np.round(rng.normal(*way.delay, way.count) / given.DT), 1) * given.DT)
    made = b.Synapses(cells, cells, "w : amp", on_pre="current += w")
    made.connect(i=np.concatenate(pre), j=np.concatenate(post))
    made.w = np.concatenate(weight) * b.pA
    made.delay = np.concatenate(delay) * b.ms
    return [cells, made]


def stdp() -> Parts:
    p = given.STDP
    equations = """dv/dt = (ge * (e_exc - v) / g_leak + v_leak - v) / tau_mem : volt (unless refractory)
                   dge/dt = -ge / tau_exc : siemens"""
    more = {"g_leak": p["g_leak"] * b.nS, "e_exc": p["e_exc"] * b.mV}
    cells = cells_of(p["n"], equations, p, "exponential_euler", **more)
    cells.v = "v_reset"
    noise = b.PoissonGroup(p["inputs"], rates=p["rate"] * b.Hz)
    rule = {name: p[name] * b.ms for name in ("tau_plus", "tau_minus")}
    rule |= {name: p[name] * p["w_max"] * b.nS for name in ("a_plus", "a_minus")} | {"w_max": p["w_max"] * b.nS}
    plastic = b.Synapses(
        noise, cells,
        """w : siemens
           dx/dt = -x / tau_plus : siemens (event-driven)
           dy/dt = -y / tau_minus : siemens (event-driven)""",
        on_pre="""ge += w
                  x += a_plus
                  w = clip(w - y, 0 * siemens, w_max)""",
        on_post="""y += a_minus
                   w = clip(w + x, 0 * siemens, w_max)""",
        delay={"pre": p["delay"] * b.ms}, namespace=rule,
    )  # fmt: skip
    plastic.connect()
    plastic.w = "rand() * w_max"
    return [cells, noise, plastic]


def network(name: str, seed: int) -> Parts:
    if name in given.CUBA_SIZES:
        return cuba(given.CUBA_SIZES[name])
    return microcircuit(seed) if name == "microcircuit" else {"coba": coba, "brunel": brunel, "stdp": stdp}[name]()


def run(parts: Parts, seconds: float, folder: str | None, clock: given.Clock) -> tuple[float, float, float | None]:
    """Build and simulation time, and peak memory where it is known; compiles in ``folder`` if given."""
    net, took = b.Network(*parts), [0.0]
    if folder:
        net.run(seconds * b.second)
        b.device.build(directory=folder, compile=True, run=False)
        build = clock.lap()
        b.device.run(directory=folder, with_output=False)
        return build, b.device._last_run_time, None

    def watch(elapsed: Any, completed: float, start: Any, duration: Any) -> None:
        took[0] = float(elapsed)

    net.run(0 * b.second)
    build = clock.lap()
    net.run(seconds * b.second, report=watch, report_period=1e6 * b.second)
    return build, took[0], given.peak_mb()


def main() -> None:
    name, seconds, target, seed, cache = sys.argv[1], float(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]
    with tempfile.TemporaryDirectory() as folder:
        standalone = target == "cpp_standalone"
        if standalone:
            b.set_device("cpp_standalone", directory=folder, build_on_run=False)
        else:
            b.prefs.codegen.target = "cython"
            b.prefs.codegen.runtime.cython.cache_dir = cache
        b.seed(seed)
        b.defaultclock.dt = given.DT * b.ms
        clock = given.Clock()
        parts = network(name, seed)
        monitor = b.SpikeMonitor(parts[0])
        build, sim, peak = run([*parts, monitor], seconds, folder if standalone else None, clock)
        count = sum(len(part) for part in parts if isinstance(part, b.Synapses))
        print(json.dumps(given.answer(build, sim, len(parts[0]), count, int(monitor.num_spikes), peak)))


if __name__ == "__main__":
    main()
