"""Runs inside the environment "simulators" and lets Brian2 or NEST simulate what a test asks for.

``simulator_worker.py JOB IN OUT``: JOB names one of `JOBS`, IN and OUT are .npz files of plain arrays. A spike has
the number of the update (of ``dt`` ms) it was fired in, counted from 0; NEST stamps the end of that update.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def sorted_spikes(steps: Any, neurons: Any) -> Arrays:
    steps, neurons = np.asarray(steps, np.int64), np.asarray(neurons, np.int64)
    order = np.lexsort((neurons, steps))
    return {"steps": steps[order], "neurons": neurons[order]}


def brian2_cuba(given: Arrays) -> Arrays:
    """CUBA of Brian2's own example, with given synapses (pre, post, delay) and initial v."""
    import brian2 as b

    ms, mv, dt = b.ms, b.mV, float(given["dt"])
    b.prefs.codegen.target = "numpy"  # for one second of 4,000 neurons quicker than compiling
    b.defaultclock.dt = dt * ms
    cells = b.NeuronGroup(
        len(given["v"]),
        """dv/dt = (ge + gi - (v - v_leak)) / tau_mem : volt (unless refractory)
           dge/dt = -ge / tau_exc : volt
           dgi/dt = -gi / tau_inh : volt""",
        threshold="v > v_threshold", reset="v = v_reset", refractory=given["refractory"] * ms, method="exact",
        namespace={name: given[name] * ms for name in ("tau_mem", "tau_exc", "tau_inh")}
        | {name: given[name] * mv for name in ("v_leak", "v_threshold", "v_reset")},
    )  # fmt: skip
    cells.v = given["v"] * mv
    parts = [cells]
    for variable, weight, mine in (("ge", "w_exc", ~given["inh"]), ("gi", "w_inh", given["inh"])):
        synapses = b.Synapses(cells, cells, on_pre=f"{variable} += w", namespace={"w": given[weight] * mv})
        synapses.connect(i=given["pre"][mine], j=given["post"][mine])
        synapses.delay = given["delay"][mine] * dt * ms
        parts.append(synapses)
    monitor = b.SpikeMonitor(cells)
    b.Network(*parts, monitor).run(float(given["time"]) * ms)
    return sorted_spikes(np.rint(np.asarray(monitor.t / ms) / dt), monitor.i)


def nest_kernel(given: Arrays) -> Any:
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=float(given["dt"]))
    return nest


def nest_spikes(recorder: Any, first: int, dt: float) -> Arrays:
    found = recorder.events
    return sorted_spikes(np.rint(np.asarray(found["times"]) / dt) - 1, np.asarray(found["senders"]) - first)


def nest_cuba(given: Arrays) -> Arrays:
    """The same network with iaf_psc_exp; weights in pA."""
    nest, dt = nest_kernel(given), float(given["dt"])
    names = {
        "tau_m": "tau_mem", "tau_syn_ex": "tau_exc", "tau_syn_in": "tau_inh", "E_L": "v_leak", "V_th": "v_threshold",
        "V_reset": "v_reset", "t_ref": "refractory", "C_m": "capacitance",
    }  # fmt: skip
    cells = nest.Create("iaf_psc_exp", len(given["v"]), {theirs: float(given[ours]) for theirs, ours in names.items()})
    cells.V_m = given["v"]
    first = cells[0].global_id
    per_mv = given["capacitance"] / given["tau_mem"]  # a jump of 1 mV in Brian2's currents is one of C / tau here
    weight = np.where(given["inh"], given["w_inh"], given["w_exc"]) * per_mv
    nest.Connect(
        given["pre"] + first, given["post"] + first, "one_to_one",
        {"synapse_model": "static_synapse", "weight": weight, "delay": given["delay"] * dt},
    )  # fmt: skip
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    nest.Simulate(float(given["time"]))
    return nest_spikes(recorder, first, dt)


def nest_single_cells(given: Arrays) -> Arrays:
    """Unconnected cells of ``model`` with a constant current and a refractory period each, and shared input spikes."""
    nest, dt = nest_kernel(given), float(given["dt"])
    shared = {"tau_m": "tau_mem", "C_m": "capacitance", "E_L": "v_leak", "V_th": "v_threshold", "V_reset": "v_reset"}
    if given["model"] != "iaf_psc_delta":
        shared |= {"tau_syn_ex": "tau_exc", "tau_syn_in": "tau_inh"}
    cells = nest.Create(
        str(given["model"]), len(given["current"]), {theirs: float(given[ours]) for theirs, ours in shared.items()}
    )
    cells.set(I_e=given["current"], t_ref=given["refractory"], V_m=float(given["v_leak"]))
    if len(given["input"]):
        source = nest.Create("spike_generator", params={"spike_times": (given["input"] + 1) * dt})
        nest.Connect(source, cells, syn_spec={"weight": float(given["weight"]), "delay": float(given["delay"]) * dt})
    recorder, meter = nest.Create("spike_recorder"), nest.Create("multimeter")
    meter.set(record_from=["V_m"], interval=dt)
    nest.Connect(cells, recorder)
    nest.Connect(meter, cells)
    nest.Simulate(float(given["time"]) + 2.0)  # a multimeter misses the last updates, as many as the delay
    events = meter.events
    step, cell = np.rint(events["times"] / dt).astype(int) - 1, events["senders"] - cells[0].global_id
    v = np.full((step.max() + 1, len(given["current"])), np.nan)
    v[step, cell] = events["V_m"]
    return {**nest_spikes(recorder, cells[0].global_id, dt), "v": v}


def nest_brunel(given: Arrays) -> Arrays:
    """Brunel's network of iaf_psc_delta with random synapses of NEST's own, started from uniform v; weights in mV."""
    nest, exc, inh = nest_kernel(given), int(given["exc"]), int(given["inh"])
    nest.set(rng_seed=int(given["seed"]))
    names = {"tau_m": "tau_mem", "V_th": "v_threshold", "V_reset": "v_reset", "t_ref": "refractory"}
    cells = nest.Create(
        "iaf_psc_delta",
        exc + inh,
        {"C_m": 1.0, "E_L": 0.0} | {nests: float(given[ours]) for nests, ours in names.items()},
    )
    cells.V_m = nest.random.uniform(0.0, float(given["v_threshold"]))
    noise = nest.Create("poisson_generator", params={"rate": float(given["rate"])})
    nest.Connect(noise, cells, syn_spec={"weight": float(given["w_exc"]), "delay": float(given["delay"])})
    for sources, sign in ((cells[:exc], "exc"), (cells[exc:], "inh")):
        rule = {"rule": "fixed_indegree", "indegree": int(given[f"k_{sign}"])}
        nest.Connect(
            sources, cells, rule, syn_spec={"weight": float(given[f"w_{sign}"]), "delay": float(given["delay"])}
        )
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    nest.Simulate(float(given["time"]))
    return nest_spikes(recorder, cells[0].global_id, float(given["dt"]))


def nest_astrocyte(given: Arrays) -> Arrays:
    """An astrocyte with given input spikes, and the current that reaches a neuron after ``delay`` steps."""
    nest, dt = nest_kernel(given), float(given["dt"])
    names = {"IP3_0": "ip3_0", "delta_IP3": "delta_ip3", "SIC_scale": "sic_scale"}
    glia = nest.Create("astrocyte_lr_1994", params={theirs: float(given[ours]) for theirs, ours in names.items()})
    glia.set(Ca_astro=float(given["ca"]), IP3=float(given["ip3"]))
    cell = nest.Create("aeif_cond_alpha_astro")
    source = nest.Create("spike_generator", params={"spike_times": (given["input"] + 1) * dt})
    nest.Connect(source, glia, syn_spec={"weight": float(given["weight"]), "delay": dt})
    out = {"synapse_model": "sic_connection", "weight": float(given["weight_out"]), "delay": float(given["delay"]) * dt}
    nest.Connect(glia, cell, syn_spec=out)
    meters = nest.Create("multimeter", 2)
    meters[0].set(record_from=["IP3", "Ca_astro", "h_IP3R"], interval=dt)
    meters[1].set(record_from=["I_SIC"], interval=dt)
    nest.Connect(meters[0], glia)
    nest.Connect(meters[1], cell)
    nest.Simulate(float(given["time"]))
    found: Arrays = {}
    for meter, kinds in zip(meters, (("IP3", "Ca_astro", "h_IP3R"), ("I_SIC",)), strict=True):
        found |= {kind: np.asarray(meter.events[kind]) for kind in kinds}
        found[f"steps {kinds[0]}"] = np.rint(np.asarray(meter.events["times"]) / dt).astype(int) - 1
    return found


def nest_tripartite(given: Arrays) -> Arrays:
    """Synapses (source, target) of the three projections that a tripartite rule makes."""
    nest = nest_kernel(given)
    nest.set(rng_seed=int(given["seed"]))
    pre, post = (nest.Create("aeif_cond_alpha_astro", int(given[name])) for name in ("pre", "post"))
    third = nest.Create("astrocyte_lr_1994", int(given["third"]))
    pool = {"pool_size": int(given["pool_size"]), "pool_type": str(given["pool_type"])}
    nest.TripartiteConnect(
        pre, post, third, conn_spec={"rule": "pairwise_bernoulli", "p": float(given["p_primary"])},
        third_factor_conn_spec={"rule": "third_factor_bernoulli_with_pool", "p": float(given["p_third"]), **pool},
        syn_specs={"primary": {}, "third_in": {}, "third_out": {"synapse_model": "sic_connection"}},
    )  # fmt: skip
    found = {}
    for name, (a, b) in {"primary": (pre, post), "third_in": (pre, third), "third_out": (third, post)}.items():
        ends = nest.GetConnections(a, b).get(["source", "target"])
        found[name] = np.stack(
            [np.asarray(ends["source"]) - a[0].global_id, np.asarray(ends["target"]) - b[0].global_id]
        )
    return found


JOBS = {
    "brian2_cuba": brian2_cuba, "nest_astrocyte": nest_astrocyte, "nest_brunel": nest_brunel, "nest_cuba": nest_cuba,
    "nest_single_cells": nest_single_cells, "nest_tripartite": nest_tripartite,
}  # fmt: skip


def main() -> None:
    job, given, out = sys.argv[1:]
    with np.load(given, allow_pickle=False) as file:
        arrays = dict(file)
    np.savez(out, **JOBS[job](arrays))


if __name__ == "__main__":
    main()
