"""Graphs as a whole: equality, names, sizes, memory, and every part that does not fit the others."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
from networks import CELLS, DT, GIVEN, NOISE, graph, joined

from neurosim.errors import NeurosimError, RangeError, ShapeError
from neurosim.graph import (
    AllToAll,
    Bernoulli,
    CurrentInput,
    Explicit,
    FixedInDegree,
    FixedOutDegree,
    FixedTotal,
    Graph,
    LogNormal,
    Normal,
    OneToOne,
    PoissonInput,
    Population,
    Projection,
    SpikeProbe,
    StateProbe,
    Uniform,
)
from neurosim.units import IF, LIF


def test_what_a_graph_holds_cannot_be_changed_from_outside():
    weight, pre = np.ones(2), np.array([0, 1])
    g = graph(joined(rule=Explicit(pre, pre), weight=weight))
    weight[:] = math.nan
    pre[:] = 99
    assert g.projections[0].weight.tolist() == [1, 1] and g.projections[0].rule.pre.tolist() == [0, 1]
    for array in (g.projections[0].weight, g.projections[0].rule.post, CELLS.coefficients, GIVEN.steps):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        g.seed = 1


def test_equal_means_equal_in_every_value_and_type():
    assert graph(joined()) == graph(joined())
    assert graph(joined()) != graph(joined(weight=2.0)) and graph() != graph(seed=1)
    one, other = (joined(rule=Explicit([0], [0]), weight=np.ones(1, d)) for d in (np.float32, np.float64))
    assert one != other and one != joined(rule=Explicit([0], [0]), weight=1.0) and one != "link"
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: graph(dt=1.0e2), RangeError, r"Graph\.dt"),
        (lambda: graph(dt=-1), RangeError, r"Graph\.dt: must be > 0 s"),
        (lambda: graph(dt=1e-4), RangeError, r"'cells': is made for dt = 0\.001 s, the graph has dt = 0\.0001 s"),
        (lambda: graph(precision="float16"), RangeError, "must be one of 'float32', 'float64'"),
        (lambda: graph(seed=-1), RangeError, r"Graph\.seed"),
        (lambda: graph(seed=2**64), RangeError, r"Graph\.seed"),
        (lambda: graph(populations=CELLS), RangeError, r"Graph\.populations: must be a sequence"),
        (lambda: graph(populations=("cells",)), RangeError, r"populations\[0\]: must be a Population or SpikeSource"),
        (lambda: graph("link"), RangeError, r"projections\[0\]: must be a Projection, got 'link'"),
        (lambda: graph(stimuli=(CELLS,)), RangeError, r"stimuli\[0\]: must be a PoissonInput or CurrentInput"),
        (lambda: graph(probes=(CELLS,)), RangeError, r"probes\[0\]: must be a SpikeProbe or RateProbe or StateProbe"),
        (
            lambda: graph(populations=(CELLS, GIVEN, CELLS)),
            RangeError,
            r"populations\[2\]: 'cells' is the name of .*\[0\]",
        ),
        (lambda: graph(joined(), joined()), RangeError, r"projections\[1\]: 'link' is the name"),
        (lambda: graph(joined(source="givn")), RangeError, "no population is called 'givn'.*Did you mean 'given'"),
        (lambda: graph(joined(target="cell")), RangeError, r"'link'\.target: no population.*Did you mean 'cells'"),
        (lambda: graph(joined(port="y")), RangeError, r"'link'\.port: no port of 'cells' is called 'y'; there are 'x'"),
        (lambda: graph(joined(target="noise")), RangeError, "'noise' is a PoissonSource, which has no ports"),
        (lambda: graph(joined(source="readout")), RangeError, "'readout' never spikes"),
        (lambda: graph(joined(rule=OneToOne())), ShapeError, "one size, got 3 sources, 5 targets"),
        (lambda: graph(joined(rule=Explicit([0, 3], [0, 0]))), RangeError, r"rule\.pre\[1\]: must be in 0\.\.2, got 3"),
        (
            lambda: graph(joined(rule=Explicit([0, 2], [0, 5]))),
            RangeError,
            r"rule\.post\[1\]: must be in 0\.\.4, got 5",
        ),
        (lambda: graph(joined(rule=FixedInDegree(4, multapses=False))), RangeError, "leave 3. Allow multapses"),
        (lambda: graph(joined(rule=FixedTotal(16, multapses=False))), RangeError, "leave 15. Allow multapses"),
        (lambda: graph(joined(weight=-1e300)), RangeError, r"weight: -1e\+300 is beyond .*float32; use precision"),
        (
            lambda: graph(populations=(Population.of("p", IF(v_threshold=1e39), 1, DT),)),
            RangeError,
            r"'p'\.coefficients: 1e\+39 is beyond",
        ),
        (lambda: graph(stimuli=[PoissonInput("cels", "x", 1.0, 1.0)]), RangeError, "Did you mean 'cells'"),
        (lambda: graph(stimuli=[PoissonInput("cells", "i", 1.0, 1.0)]), RangeError, "no port of 'cells'"),
        (lambda: graph(stimuli=[PoissonInput("given", "x", 1.0, 1.0)]), RangeError, "SpikeSource, which has no ports"),
        (lambda: graph(stimuli=[PoissonInput("cells", "x", [1.0], 1.0)]), ShapeError, "rate: .*5 entries"),
        (lambda: PoissonInput("cells", "x", -1.0, 1.0), RangeError, "PoissonInput to 'cells'.rate: must be >= 0"),
        (lambda: PoissonInput("cells", "x", 1.0, math.nan), RangeError, "weight: must be a finite number"),
        (lambda: graph(stimuli=[CurrentInput("cells", "x", np.zeros((7, 4)))]), ShapeError, r"value.*\(7, 4\)"),
        (lambda: CurrentInput("cells", "x", np.zeros((1, 1, 1))), ShapeError, "must have 1 or 2 dimensions"),
        (lambda: CurrentInput("cells", "x", [[0.0], [math.inf]]), RangeError, r"value\[1, 0\]: must be finite"),
        (lambda: CurrentInput("cells", "", 1.0), RangeError, "port: must be text"),
        (lambda: graph(probes=[SpikeProbe("cell")]), RangeError, "Did you mean 'cells'"),
        (lambda: graph(probes=[SpikeProbe("readout")]), RangeError, "never spikes.*probe one of its states"),
        (lambda: graph(probes=[StateProbe("cells", "w")]), RangeError, "no state of 'cells' is called 'w'.*'v'"),
        (lambda: graph(probes=[StateProbe("noise", "v")]), RangeError, "there are none"),
        (lambda: graph(probes=[StateProbe("cells", "v", [0, 5])]), RangeError, r"neurons\[1\]: must be in 0\.\.4"),
        (lambda: StateProbe("cells", "v", every=0), RangeError, "every: must be a whole number in 1"),
        (lambda: SpikeProbe(3), RangeError, r"SpikeProbe\.population: must be text"),
        (lambda: graph().population("cell"), RangeError, "Graph: no population is called 'cell'.*Did you mean 'cells'"),
        (lambda: graph(joined()).synapses("lnk"), RangeError, "no projection is called 'lnk'.*Did you mean 'link'"),
        (lambda: graph().memory_bytes(0), RangeError, "lanes: must be a whole number in 1"),
    ],
)
def test_bad_graphs_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


class Nonsense:
    """Nothing that any argument could be."""


@pytest.mark.parametrize(
    "part",
    [
        graph(), CELLS, GIVEN, NOISE, joined(), PoissonInput("cells", "x", 1.0, 1.0), CurrentInput("cells", "x", 1.0),
        SpikeProbe("cells"), StateProbe("cells", "v"), AllToAll(), Bernoulli(0.5), FixedInDegree(1), FixedOutDegree(1),
        FixedTotal(1), Explicit([0], [0]), Normal(0, 1), Uniform(0, 1), LogNormal(0, 1),
    ],
    ids=lambda p: type(p).__name__,
)  # fmt: skip
def test_nonsense_is_refused_for_every_argument(part):
    for field in dataclasses.fields(part):
        with pytest.raises(NeurosimError):
            dataclasses.replace(part, **{field.name: Nonsense()})


def test_a_number_beyond_float32_is_welcome_in_float64():
    assert graph(joined(weight=1e300), precision="float64").projections[0].weight == 1e300


def test_two_projections_may_share_a_port_and_a_population_may_reach_itself():
    loop = dataclasses.replace(joined("cells", rule=AllToAll(autapses=False)), name="loop")
    g = graph(joined(), loop)
    assert (g.synapses("link"), g.synapses("loop")) == (15, 20)
    assert g.projection("loop") is loop and g.population("noise") is NOISE
    assert repr(g) == "Graph(4 populations of 14, 2 projections of 35 synapses, dt=0.001 s, float32)"


def test_memory_of_a_brunel_network_is_two_bytes_per_synapse_and_its_tables():
    e, i = (Population.of(n, LIF(), size, 1e-4) for n, size in (("e", 10_000), ("i", 2_500)))
    projections = [
        Projection(f"{s}{t}", s, t, "x", FixedInDegree(n), w, 15)
        for s, n, w in (("e", 1000, 0.1), ("i", 250, -0.5))
        for t in "ei"
    ]
    g = Graph(1e-4, (e, i), projections)
    synapses, rows, history = 15_625_000, 2 * (12_500 + 2), 12_500 * 4 * 16
    states = 12_500 * (4 + 4 + 1)  # v, x, a flag for spikes
    for lanes in (1, 2):
        arrays = 2 * 8 * 6  # five coefficients and a state of each population
        assert g.memory_bytes(lanes) == 2 * synapses + lanes * 4 * rows + history + states + arrays


def test_memory_counts_wide_indices_weights_and_delays():
    def of(size, lanes=1, precision="float32", **change):
        big = Population.of("big", LIF(), size, DT)
        with_link, without = (
            Graph(DT, (GIVEN, big), links, precision=precision).memory_bytes(lanes)
            for links in ([joined(target="big", rule=FixedTotal(1_000_000), **change)], [])
        )
        longest = max(change.get("delay", 1), 1) if isinstance(change.get("delay", 1), int) else 5
        return with_link - without - 4 * 3 * (1 << longest.bit_length())

    assert of(65_536) == 2_000_000 + 4 * 4
    assert of(65_537) == 4_000_000 + 4 * 4
    assert of(65_537, lanes=2) == 2_000_000 + 2 * 4 * 4
    assert of(10, weight=Normal(0, 1)) == 6_000_000 + 4 * 4
    assert of(10, weight=Normal(0, 1), precision="float64") == 10_000_000 + 4 * 4
    assert of(10, delay=Uniform(1e-3, 5e-3)) == 2_000_000 + 4 * (3 * 5 + 1)


def test_the_graph_needs_neither_torch_nor_numba_nor_h5py():
    code = (
        "import sys, neurosim.graph as g; from neurosim.units import LIF\n"
        "g.Graph(1e-3, (g.Population.of('p', LIF(), 3, 1e-3),))\n"
        "assert not {'torch', 'numba', 'h5py'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
