"""The networks of the literature hold the numbers that the benchmark gives to the other simulators."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from neurosim import graph as g
from neurosim import units
from neurosim.sim.networks import brunel, coba, cuba, microcircuit

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "sim_parameters.py"
CONSTANTS = ("v_threshold", "v_reset", "refractory", "tau_mem", "tau_exc", "tau_inh", "v_leak")


@pytest.fixture(scope="module")
def given():
    """The benchmark's parameters; they run where there is no neurosim, so they cannot be imported from one place."""
    spec = importlib.util.spec_from_file_location("sim_parameters", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["sim_parameters"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["sim_parameters"]


def seconds(numbers):
    """The benchmark's numbers with times in s instead of ms."""
    times = ("tau_mem", "tau_exc", "tau_inh", "tau_syn", "refractory", "delay")
    return {name: value * 1e-3 if name in times else value for name, value in numbers.items()}


def unit_of(*populations):
    """The one unit of all these populations, read from its text; no neuron has parameters of its own."""
    (text,) = {p.unit for p in populations}
    assert all(p.coefficients.shape[1] == 1 for p in populations)
    return eval(text, vars(units).copy())


def assert_unit(unit, numbers, **names):
    for name in CONSTANTS:
        if name in numbers:
            assert getattr(unit, name) == pytest.approx(numbers[name]), name
    for ours, theirs in names.items():
        assert getattr(unit, ours) == pytest.approx(numbers[theirs]), ours


def assert_synapses(graph, numbers, rule):
    """Every population gets both kinds, from "exc" and "inh"."""
    assert {(p.source, p.target) for p in graph.projections} == {(s, t) for s in ("exc", "inh") for t in ("exc", "inh")}
    for p in graph.projections:
        assert p.port == p.source and p.rule == rule[p.source]
        assert p.weight == pytest.approx(numbers[f"w_{p.source}"])
        assert p.delay * graph.dt == pytest.approx(numbers["delay"])


def sizes_of(graph):
    return {p.name: p.size for p in graph.populations}


@pytest.mark.parametrize(("name", "scale"), [("cuba", 1.0), ("cuba20k", 5.0), ("cuba100k", 25.0)])
def test_cuba(given, name, scale):
    graph, p, n = cuba(scale).graph(), seconds(given.CUBA), given.CUBA_SIZES[name]
    assert graph.dt * 1e3 == pytest.approx(given.DT)
    assert sizes_of(graph) == {"exc": n * 4 // 5, "inh": n // 5}
    assert_unit(unit_of(*graph.populations), p)
    degrees = {"exc": g.FixedInDegree(p["k_exc"]), "inh": g.FixedInDegree(p["k_inh"])}
    assert_synapses(graph, p, dict.fromkeys(degrees, g.Bernoulli(p["p"])) if n == 4000 else degrees)
    assert (p["k_exc"], p["k_inh"]) == (p["p"] * 3200, p["p"] * 800)


def test_coba(given):
    graph, p = coba().graph(), seconds(given.COBA)
    assert graph.dt * 1e3 == pytest.approx(given.DT)
    assert sizes_of(graph) == {"exc": p["n"] * 4 // 5, "inh": p["n"] // 5}
    assert_unit(unit_of(*graph.populations), p, c_mem="capacitance", g_leak="g_leak", e_exc="e_exc", e_inh="e_inh")
    assert_synapses(graph, p, dict.fromkeys(("exc", "inh"), g.Bernoulli(p["p"])))


def test_brunel(given):
    graph, p = brunel().graph(), seconds(given.BRUNEL)
    assert graph.dt * 1e3 == pytest.approx(given.DT)
    assert sizes_of(graph) == {"exc": p["n_exc"], "inh": p["n_inh"]}
    assert_unit(unit_of(*graph.populations), {"v_leak": 0.0, **p})
    assert_synapses(graph, p, {"exc": g.FixedInDegree(p["k_exc"]), "inh": g.FixedInDegree(p["k_inh"])})
    assert [(s.target, s.rate, s.weight) for s in graph.stimuli] == [
        (target, pytest.approx(p["rate"]), p["w_exc"]) for target in ("exc", "inh")
    ]


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_microcircuit(given, scale):
    graph, p, peer = microcircuit(scale).graph(), seconds(given.MICROCIRCUIT), given.microcircuit(scale)
    assert graph.dt * 1e3 == pytest.approx(given.DT)
    names = [population.name for population in graph.populations]
    assert [population.size for population in graph.populations] == peer.sizes
    for population, constant in zip(graph.populations, peer.constant, strict=True):
        unit = unit_of(population)
        assert_unit(unit, p, tau_exc="tau_syn", tau_inh="tau_syn")
        assert unit.r_mem == pytest.approx(p["tau_mem"] * 1e3 / p["capacitance"])
        assert unit.i_const == pytest.approx(constant)
        v = population.initial[population.state.index("v")]
        middle, low = np.quantile(v, [0.5, 0.1587])  # which clipping at the threshold leaves as they are
        assert (middle, low) == pytest.approx((p["v_mean"], p["v_mean"] - p["v_sd"]), abs=6 * p["v_sd"] / len(v) ** 0.5)
    assert [(s.target, s.rate, s.weight) for s in graph.stimuli] == [
        (name, pytest.approx(rate), pytest.approx(peer.external)) for name, rate in zip(names, peer.rates, strict=True)
    ]
    ways = {(names.index(way.source), names.index(way.target)): way for way in graph.projections}
    assert len(ways) == len(graph.projections) == len(peer.pathways)
    for theirs in peer.pathways:
        ours = ways[theirs.source, theirs.target]
        assert ours.rule == g.FixedTotal(theirs.count) and ours.port == ("exc" if theirs.excitatory else "inh")
        assert (ours.weight.mean, ours.weight.sd) == pytest.approx(theirs.weight)
        assert (ours.delay.mean * 1e3, ours.delay.sd * 1e3) == pytest.approx(theirs.delay)
        assert (ours.weight.low, ours.weight.high) == ((0, float("inf")) if theirs.excitatory else (-float("inf"), 0))
