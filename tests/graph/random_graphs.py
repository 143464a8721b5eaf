"""Strategies of hypothesis for graphs of every kind of part."""

import numpy as np
from hypothesis import strategies as st
from networks import DT

from neurosim import graph as g
from neurosim.units import ALL, LIF, SIMULATION, Refractory

numbers = st.floats(-1e6, 1e6, width=32)
sizes = st.integers(0, 5)
names = st.text(min_size=1, max_size=8)


def arrays(elements, size, dtype):
    return st.lists(elements, min_size=size, max_size=size).map(lambda v: np.array(v, dtype))


@st.composite
def populations(draw):
    name, size, kind = draw(names), draw(sizes), draw(st.sampled_from(["unit", "given", "poisson"]))
    if kind == "given":
        n = draw(st.integers(0, 4)) if size else 0
        steps = draw(arrays(st.integers(0, 2**62), n, np.int64).map(np.sort))
        neurons = draw(arrays(st.integers(0, max(size - 1, 0)), n, np.int32))
        return g.SpikeSource(name, size, steps, neurons, positions=np.ones((size, 2)))
    if kind == "poisson":
        rate = draw(st.floats(0, 1e5) | arrays(st.floats(0, 1e5), size, np.float64))
        return g.PoissonSource(name, size, rate, positions=np.zeros((size, 2)))
    unit = draw(st.sampled_from((*ALL, *SIMULATION)))()
    unit = Refractory(unit) if isinstance(unit, LIF) and draw(st.booleans()) else unit
    start = {s: draw(numbers | arrays(numbers, size, np.float64)) for s in unit.state if draw(st.booleans())}
    positions = draw(st.none() | arrays(st.floats(-1e6, 1e6), 2 * size, np.float64).map(lambda v: v.reshape(-1, 2)))
    return g.Population.of(name, unit, size, DT, initial=start, positions=positions)


@st.composite
def laws(draw):
    low, high = sorted(draw(st.tuples(numbers, numbers)))
    bell = draw(st.sampled_from([g.Normal, g.LogNormal]))
    return draw(
        st.sampled_from(
            [
                g.Uniform(low, high),
                bell(low, abs(high)),
                bell(0.0, 1.0, low, high),
                bell(0.0, 1.0, high=high),
                g.Normal(low, 1.0, low - 1, outside="redraw"),
            ]
        )
    )


@st.composite
def projections(draw, among):
    spiking = [p for p in among if not isinstance(p, g.Population) or p.spiking]
    targets = [p for p in among if isinstance(p, g.Population)]
    source, target = draw(st.sampled_from(spiking)), draw(st.sampled_from(targets))
    delay = draw(
        st.integers(1, 10_000)
        | st.just(g.Normal(2e-3, 1e-3, 1e-3, 5e-3))
        | st.just(g.Uniform(1e-3, 4e-3))
        | st.just(g.Normal(2e-3, 1e-3, 1e-3, 5e-3, "redraw"))
    )
    weight = draw(numbers | laws())
    rule = draw(
        st.sampled_from([g.AllToAll(), g.AllToAll(False), g.Bernoulli(0.3), g.FixedTotal(0), g.Explicit([], [])])
    )
    if source.positions is not None and target.positions is not None and draw(st.booleans()):
        extent = draw(st.none() | st.tuples(st.floats(1e-3, 9), st.floats(1e-3, 9)))
        kernel = draw(st.sampled_from(["gaussian", "exponential", "boxcar"]))
        rule = g.DistanceDependent(kernel, draw(st.floats(1e-3, 9)), 0.5, draw(st.none() | st.floats(1e-3, 9)), extent)
    if isinstance(rule, g.Explicit):
        n = draw(st.integers(0, 4)) if source.size and target.size else 0
        ends = [draw(arrays(st.integers(0, p.size - 1), n, np.int64)) for p in (source, target)] if n else ([], [])
        rule = g.Explicit(*ends)
        weight = draw(numbers | arrays(numbers, n, draw(st.sampled_from([np.float32, np.float64]))))
        delay = draw(st.integers(1, 9) | arrays(st.integers(1, 9), n, np.int32))
    states = source.state if isinstance(source, g.Population) else ()
    signal = draw(st.sampled_from(("spikes", *states)))
    return g.Projection(draw(names), source.name, target.name, target.ports[0], rule, weight, delay, signal=signal)


@st.composite
def graphs(draw):
    found = tuple(draw(st.lists(populations(), max_size=4, unique_by=lambda p: p.name)))
    units = [p for p in found if isinstance(p, g.Population)]
    spiking = [p for p in found if not isinstance(p, g.Population) or p.spiking]
    links, stimuli, probes = [], [], []
    if units:
        for p in draw(st.lists(st.sampled_from(units), max_size=3)):
            value = draw(numbers | arrays(numbers, p.size, np.float64) | st.just(np.ones((2, p.size), np.float32)))
            stimuli.append(g.CurrentInput(p.name, p.ports[0], value))
            stimuli.append(g.PoissonInput(p.name, p.ports[0], draw(st.floats(0, 1e4)), draw(numbers)))
            neurons = draw(st.none() | st.just(np.arange(p.size)))
            probes.append(g.StateProbe(p.name, p.state[0], neurons, draw(st.integers(1, 9))))
    if units and spiking:
        links = draw(st.lists(projections(found), max_size=3, unique_by=lambda p: p.name))
        probes.append(g.SpikeProbe(spiking[0].name))
        probes += [g.RateProbe(p.name, draw(st.integers(1, 9))) for p in spiking if p.size]
    precision = draw(st.sampled_from(["float32", "float64"]))
    return g.Graph(DT, found, links, stimuli, probes, draw(st.integers(0, 2**64 - 1)), precision)
