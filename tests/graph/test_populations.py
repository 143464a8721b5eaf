"""Populations: units become numbers and text, per neuron or shared; bad ones are refused."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import CELLS, DT, graph, joined

from neurosim.errors import RangeError, ShapeError, UnsupportedError
from neurosim.graph import FixedInDegree, PoissonSource, Population, SpikeSource
from neurosim.kernels.trace import trace
from neurosim.units import ALL, LIF, SIMULATION, AdLIF, Arctan, CubaLIF, CurrentLIF, Decay, Izhikevich, Refractory


@pytest.mark.parametrize("kind", (*ALL, *SIMULATION), ids=lambda k: k.__name__)
def test_a_population_holds_its_unit_as_numbers_and_text(kind):
    unit = kind()
    p = Population.of("p", unit, 7, DT)
    assert p.program == trace(unit, Arctan(), unit.output).text()
    assert (p.ports, p.state, p.coeffs) == (unit.ports, unit.state, unit.coeffs)
    assert p.coefficients[:, 0].tolist() == [float(c) for c in unit.coefficients(DT)]
    assert p.initial[:, 0].tolist() == list(unit.initial())
    assert p.coefficients.shape[1] == p.initial.shape[1] == 1
    assert p.unit == repr(unit) and p.dt == DT and p.spiking == (unit.output == "spikes")


@given(
    tau=st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=6),
    unit=st.sampled_from([LIF(), LIF(gain="leak", v_leak=-0.5), CubaLIF(gain="leak"), AdLIF(), Refractory(LIF())]),
)
def test_parameters_per_neuron_give_each_neuron_the_coefficients_of_its_own_unit(tau, unit):
    several = Population.of("p", unit, len(tau), DT, {"tau_mem": tau, "v_threshold": 2.0})
    for k, value in enumerate(tau):
        alone = Population.of("p", unit, 1, DT, {"tau_mem": value, "v_threshold": 2.0})
        np.testing.assert_array_equal(
            np.broadcast_to(several.coefficients, (len(unit.coeffs), len(tau)))[:, k], alone.coefficients[:, 0]
        )
    assert "per neuron: tau_mem" in several.unit and "v_threshold=2.0" in several.unit


def test_decays_per_neuron_replace_a_decay():
    p = Population.of("p", LIF(tau_mem=Decay(0.5)), 2, DT, {"tau_mem": [0.25, 0.75]})
    assert p.coefficients[0].tolist() == [0.25, 0.75]
    shared = Population.of("p", LIF(tau_mem=Decay(0.5)), 2, DT, {"tau_mem": 0.25})
    assert shared.coefficients[0].tolist() == [0.25]
    assert Population.of("p", LIF(), 2, DT, {"tau_mem": Decay(0.5)}).coefficients[0, 0] == 0.5


def test_a_reset_per_neuron_is_traced_as_a_reset_to_value():
    p = Population.of("p", LIF(), 2, DT, {"v_reset": [0.0, 0.1]})
    assert p.program == trace(LIF(v_reset=0.0), Arctan()).text()
    assert p.coefficients[LIF.coeffs.index("v_reset")].tolist() == [0.0, 0.1]


def test_parameters_are_checked_together_as_each_neuron_has_them():
    resets = {"v_reset": [-60.0, -70.0]}
    for thresholds in (-50.0, [-50.0, -65.0]):
        p = Population.of("p", CurrentLIF(), 2, DT, resets | {"v_threshold": thresholds})
        assert p.coefficients[p.coeffs.index("v_reset")].tolist() == resets["v_reset"]
    with pytest.raises(RangeError, match=r"Population 'p': neuron 0: CurrentLIF\.v_reset: must be below"):
        Population.of("p", CurrentLIF(), 2, DT, resets | {"v_threshold": -65.0})


def test_a_refractory_period_per_neuron_may_be_none_for_some():
    p = Population.of("p", CurrentLIF(), 3, DT, {"refractory": [0.0, 2e-3, 5e-3]})
    assert p.state[-1] == "wait" and p.coeffs[-1] == "steps" and p.coefficients[-1].tolist() == [0, 2, 5]
    assert p.program == trace(CurrentLIF(refractory=2e-3), Arctan()).text()


def test_initial_states_come_from_the_unit_its_parameters_or_the_caller():
    assert Population.of("p", LIF(v_leak=-1.0), 2, DT).initial.tolist() == [[-1.0]]
    assert Population.of("p", LIF(), 2, DT, {"v_leak": [1.0, 2.0]}).initial.tolist() == [[1.0, 2.0]]
    p = Population.of("p", Izhikevich(), 2, DT, initial={"v": np.float32([-60, -50])})
    assert p.initial.tolist() == [[-60, -50], [-13, -13]]
    assert Population.of("p", AdLIF(), 2, DT, initial={"w": np.float64(3)}).initial.tolist() == [[0], [3]]


def test_populations_may_be_empty():
    p = Population.of("p", LIF(), 0, DT, {"tau_mem": []}, {"v": np.zeros(0)})
    assert p.coefficients.shape == (5, 0) and p.initial.shape == (1, 0)
    empty = graph(joined("p", "p", rule=FixedInDegree(3)), populations=(p, SpikeSource("s", 0, [], [])))
    assert empty.synapses("link") == 0


class Branching(LIF):
    """A unit whose coefficients look at a value."""

    def coefficients(self, dt, exp=math.exp):
        return super().coefficients(dt, exp) if self.v_threshold > 0 else ()


class Literal(LIF):
    """A unit whose step holds a parameter as a number."""

    def step(self, s, x, c):
        return (s[0] + x[0] * self.v_threshold,), s[0]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Population.of("", LIF(), 1, DT), RangeError, r"Population\.name: must be text that is not empty"),
        (lambda: Population.of("p", LIF(), -1, DT), RangeError, r"Population 'p'\.size: must be a whole number in 0"),
        (lambda: Population.of("p", LIF(), 2.0, DT), RangeError, r"size: must be a whole number .*got 2\.0"),
        (lambda: Population.of("p", LIF(), True, DT), RangeError, "size: must be a whole number .*got True"),
        (lambda: Population.of("p", LIF(), 2**31, DT), RangeError, "size: must be a whole number"),
        (lambda: Population.of("p", LIF, 1, DT), RangeError, "must be a unit such as"),
        (lambda: Population.of("p", LIF(), 1, 0.0), RangeError, r"'p'\.dt: must be > 0 s"),
        (lambda: Population.of("p", LIF(), 1, DT, {"tau_men": 1e-2}), RangeError, "no parameter 'tau_men'.*'tau_mem'"),
        (lambda: Population.of("p", Refractory(LIF()), 1, DT, {"v_leek": 0}), RangeError, "Did you mean 'v_leak'"),
        (lambda: Population.of("p", LIF(), 1, DT, {"tau_mem": 20.0}), RangeError, "did you mean 20e-3"),
        (lambda: Population.of("p", LIF(), 2, DT, {"tau_mem": [1e-2, 0]}), RangeError, r"neuron 1: .*LIF.*> 0 s"),
        (lambda: Population.of("p", LIF(), 2, DT, {"tau_mem": [1e-2, 20]}), RangeError, r"neuron 1: .*20e-3"),
        (
            lambda: Population.of("p", LIF(), 2, DT, {"v_leak": [0, math.nan]}),
            RangeError,
            r"v_leak\[1\]: .*finite.*nan",
        ),
        (lambda: Population.of("p", LIF(), 2, DT, {"v_leak": [0, 0, 0]}), ShapeError, r"2 entries.*got shape \(3,\)"),
        (lambda: Population.of("p", LIF(), 2, DT, {"gain": "leak"}), RangeError, "gain: must be a finite number"),
        (lambda: Population.of("p", LIF(), 2, DT, {"v_leak": 10**400}), RangeError, "beyond the range of floats"),
        (
            lambda: Population.of("p", LIF(discretisation="euler"), 2, DT, {"tau_mem": [1e-2, 1e-4]}),
            RangeError,
            r"neuron 1: .*dt: an Euler step",
        ),
        (
            lambda: Population.of("p", LIF(tau_mem=Decay(0.5)), 2, DT, {"tau_mem": [0.5, 1.5]}),
            RangeError,
            r"neuron 1: .*Decay",
        ),
        (lambda: Population.of("p", LIF(), 2, DT, initial={"w": 0}), RangeError, "no state is called 'w'.*'v'"),
        (lambda: Population.of("p", LIF(), 2, DT, initial={"v": [1]}), ShapeError, "2 entries"),
        (lambda: Population.of("p", LIF(), 2, DT, initial={"v": math.inf}), RangeError, "must be a finite number"),
        (
            lambda: Population.of("p", Branching(), 2, DT, {"v_threshold": [1.0, 2.0]}),
            RangeError,
            "Branching cannot take these parameters per neuron",
        ),
        (
            lambda: Population.of("p", Literal(), 2, DT, {"v_threshold": [1.0, 2.0]}),
            UnsupportedError,
            "Population 'p': a unit's functions work on numbers only, got array",
        ),
        (lambda: dataclasses.replace(CELLS, size=-1), RangeError, "size: must be a whole number"),
        (lambda: dataclasses.replace(CELLS, ports=("a", "a")), RangeError, "ports: names must differ"),
        (lambda: dataclasses.replace(CELLS, ports="x"), RangeError, "ports: must be a tuple of names"),
        (lambda: dataclasses.replace(CELLS, state=("v", "w")), ShapeError, "state: the program has 1"),
        (lambda: dataclasses.replace(CELLS, initial=np.zeros((1, 3))), ShapeError, r"must be \(1, 1\) or \(1, 5\)"),
        (lambda: dataclasses.replace(CELLS, initial=np.zeros(5)), ShapeError, "must have 2 dimensions"),
        (
            lambda: dataclasses.replace(CELLS, coefficients=np.full((5, 1), math.nan)),
            RangeError,
            r"coefficients\[0, 0\]: must be finite, got nan",
        ),
        (lambda: SpikeSource("s", 2, [0, 1], [0]), ShapeError, "one length, got 2 and 1"),
        (lambda: SpikeSource("s", 2, [0, 5, 4], [0, 1, 0]), RangeError, r"steps\[2\]: .*got 4 after 5.*argsort"),
        (lambda: SpikeSource("s", 2, [-1], [0]), RangeError, r"steps\[0\]: must be in 0"),
        (lambda: SpikeSource("s", 2, [0, 1], [0, 2]), RangeError, r"neurons\[1\]: must be in 0\.\.1, got 2"),
        (lambda: SpikeSource("s", 2, [0.5], [0]), ShapeError, "must be an array of integers, got float64"),
        (lambda: SpikeSource("s", -2, [], []), RangeError, "size: must be a whole number"),
        (lambda: PoissonSource("s", 2, -1.0), RangeError, r"rate: must be >= 0, got -1\.0"),
        (lambda: PoissonSource("s", 2, [1, -1.0]), RangeError, r"rate\[1\]: must be >= 0"),
        (lambda: PoissonSource("s", 2, math.inf), RangeError, "rate: must be a finite number"),
        (lambda: PoissonSource("s", 2, [1.0]), ShapeError, "2 entries"),
        (lambda: PoissonSource("s", -1, 1.0), RangeError, "size: must be a whole number"),
    ],
)
def test_bad_populations_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
