"""One network in NEST: ``sim_nest.py NETWORK SECONDS THREADS SEED`` prints a line of JSON; see ``simulators.py``."""

from __future__ import annotations

import json
import sys
from typing import Any

import nest
import numpy as np
import sim_parameters as given

CUBA_CAPACITANCE = 200.0  # pF; turns the weights of CUBA from mV into pA


def names(p: dict[str, float], **more: float) -> dict[str, float]:
    """NEST's names of the parameters that all neurons have."""
    return {
        "E_L": p.get("v_leak", 0.0), "V_th": p["v_threshold"], "V_reset": p["v_reset"], "t_ref": p["refractory"], **more
    }  # fmt: skip


def connect(p: dict[str, Any], exc: Any, cells: Any, rules: dict[str, dict[str, Any]], per_weight: float = 1.0) -> None:
    for sign, sources in (("exc", cells[:exc]), ("inh", cells[exc:])):
        nest.CopyModel("static_synapse", sign, {"weight": p[f"w_{sign}"] * per_weight, "delay": p["delay"]})
        nest.Connect(sources, cells, rules[sign], sign)


def in_degrees(p: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {sign: {"rule": "fixed_indegree", "indegree": p[f"k_{sign}"]} for sign in ("exc", "inh")}


def pairwise(p: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {sign: {"rule": "pairwise_bernoulli", "p": p["p"]} for sign in ("exc", "inh")}


def cuba(n: int, seed: int) -> Any:
    p = given.CUBA
    more = {"tau_m": p["tau_mem"], "tau_syn_ex": p["tau_exc"], "tau_syn_in": p["tau_inh"], "C_m": CUBA_CAPACITANCE}
    cells = nest.Create("iaf_psc_exp", n, names(p, **more))
    cells.V_m = nest.random.uniform(p["v_reset"], p["v_threshold"])
    rules = pairwise(p) if n <= given.CUBA_SIZES["cuba"] else in_degrees(p)
    connect(p, n * 4 // 5, cells, rules, CUBA_CAPACITANCE / p["tau_mem"])
    return cells


def coba(seed: int) -> Any:
    p, rng = given.COBA, np.random.default_rng(seed)
    n = p["n"]
    more = {"C_m": p["capacitance"], "g_L": p["g_leak"], "E_ex": p["e_exc"], "E_in": p["e_inh"],
            "tau_syn_ex": p["tau_exc"], "tau_syn_in": p["tau_inh"]}  # fmt: skip
    cells = nest.Create("iaf_cond_exp", n, names(p, **more))
    cells.set(
        V_m=p["v_leak"] - 5 + 5 * rng.standard_normal(n),
        g_ex=10 * np.maximum(1.5 * rng.standard_normal(n) + 4, 0),
        g_in=10 * np.maximum(12 * rng.standard_normal(n) + 20, 0),
    )
    connect({**p, "w_inh": -p["w_inh"]}, n * 4 // 5, cells, pairwise(p))
    return cells


def brunel(seed: int) -> Any:
    p = given.BRUNEL
    n = p["n_exc"] + p["n_inh"]
    cells = nest.Create("iaf_psc_delta", n, names(p, C_m=1.0, tau_m=p["tau_mem"]))
    cells.V_m = nest.random.uniform(0.0, p["v_threshold"])
    noise = nest.Create("poisson_generator", params={"rate": p["rate"]})
    nest.Connect(noise, cells, syn_spec={"weight": p["w_exc"], "delay": p["delay"]})
    connect(p, p["n_exc"], cells, in_degrees(p))
    return cells


def stdp(seed: int) -> Any:
    p = given.STDP
    more = {"C_m": p["capacitance"], "g_L": p["g_leak"], "E_ex": p["e_exc"], "tau_syn_ex": p["tau_exc"]}
    cells = nest.Create("iaf_cond_exp", p["n"], names(p, tau_minus=p["tau_minus"], V_m=p["v_reset"], **more))
    noise, inputs = (
        nest.Create("poisson_generator", params={"rate": p["rate"]}),
        nest.Create("parrot_neuron", p["inputs"]),
    )
    nest.Connect(noise, inputs)
    rule = {"Wmax": p["w_max"], "alpha": p["a_minus"] / p["a_plus"], "mu_plus": 0.0, "mu_minus": 0.0}
    nest.CopyModel("stdp_synapse", "plastic", {**rule, "tau_plus": p["tau_plus"], "delay": p["delay"]})
    nest.SetDefaults("plastic", {"lambda": p["a_plus"]})
    weight = nest.random.uniform(0.0, p["w_max"])
    nest.Connect(inputs, cells, "all_to_all", {"synapse_model": "plastic", "weight": weight})
    return cells


def microcircuit(seed: int) -> Any:
    p, net, rng, populations = given.MICROCIRCUIT, given.microcircuit(), np.random.default_rng(seed), []
    for size, constant, rate in zip(net.sizes, net.constant, net.rates, strict=True):
        more = {"tau_m": p["tau_mem"], "tau_syn_ex": p["tau_syn"], "tau_syn_in": p["tau_syn"], "C_m": p["capacitance"]}
        cells = nest.Create("iaf_psc_exp", size, names(p, I_e=constant, **more))
        cells.V_m = np.minimum(p["v_mean"] + p["v_sd"] * rng.standard_normal(size), p["v_threshold"] - 0.001)
        noise = nest.Create("poisson_generator", params={"rate": rate})
        nest.Connect(noise, cells, syn_spec={"weight": net.external, "delay": 1.5})
        populations.append(cells)
    for way in net.pathways:
        ends = {"min": 0.0, "max": np.inf} if way.excitatory else {"min": -np.inf, "max": 0.0}
        nest.Connect(
            populations[way.source],
            populations[way.target],
            {"rule": "fixed_total_number", "N": way.count},
            {
                "synapse_model": "static_synapse",
                "weight": nest.math.redraw(nest.random.normal(*way.weight), **ends),
                "delay": nest.math.redraw(nest.random.normal(*way.delay), min=given.DT / 2, max=np.inf),
            },
        )
    return sum(populations[1:], populations[0])


def main() -> None:
    name, seconds, threads, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(resolution=given.DT, local_num_threads=threads, rng_seed=seed)
    clock = given.Clock()
    if name in given.CUBA_SIZES:
        cells = cuba(given.CUBA_SIZES[name], seed)
    else:
        cells = {"coba": coba, "brunel": brunel, "microcircuit": microcircuit, "stdp": stdp}[name](seed)
    synapses = nest.num_connections
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    nest.Prepare()
    build = clock.lap()
    nest.Run(1000 * seconds)
    sim = clock.lap()
    print(json.dumps(given.answer(build, sim, len(cells), synapses, recorder.n_events, given.peak_mb())))


if __name__ == "__main__":
    main()
