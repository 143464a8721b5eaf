"""A stream without a grid: a grid of one microsecond, a plain reference, and closed forms."""

import heapq
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import nn, sim, units
from neurosim.errors import BackPressureError, RangeError, UnsupportedError
from neurosim.events import Events

INPUTS = 20


def line(t, channels, size=INPUTS):
    return Events(t, channels, [0] * len(t), [0] * len(t), (size, 1, 1))


def random_events(seed, n=300, span=3000, repeat=False):
    rng = np.random.default_rng(seed)
    t = rng.integers(0, span, n) if repeat else rng.choice(span, n, replace=False)
    return line(np.sort(t), rng.integers(0, INPUTS, n))


def network(unit, last, events=None, *, dt=1e-6, exact=True, drive=(), seed=0):
    """Input -> cells <-> cells -> end, with delays of some microseconds; weights on a grid if ``exact``."""
    rng = np.random.default_rng(seed)
    net = sim.Network(dt=dt, precision="float64")
    t, i = ([], []) if events is None else (events.t * 1e-6, events.x)
    source = net.spike_times(INPUTS, t, i, name="input")
    cells, end = net.population(unit, 30, name="cells"), net.population(last, 10, name="end")
    for pre, post, m, n, delay in ((source, cells, INPUTS, 30, 3), (cells, end, 30, 10, 2), (cells, cells, 30, 30, 7)):
        a, b = np.nonzero(rng.random((m, n)) < 0.3)
        w = rng.integers(-5, 9, len(a)) / 16 if exact else rng.normal(0.1, 0.3, len(a))
        delays = delay + rng.integers(0, 3 if post == end else 1, len(a))
        net.connect(pre, post, rule=sim.Explicit(a, b), weight=w, delay=delays * dt)
    if len(drive):
        net.current(cells, drive)
    net.probe(cells)
    if last.output == "spikes":
        net.probe(end)
    else:
        net.probe(end, "v")
    return net.graph()


def run(stream, events, end, places=()):
    """Push in parts; all spikes, and the values of every call."""
    stream.reset()
    cuts = [0, *sorted(p for p in places if p < len(events)), len(events)]
    outputs = [stream.push(events.take(slice(a, b))) for a, b in itertools.pairwise(cuts)]
    outputs.append(stream.advance_to(end))
    return (
        np.concatenate([o.t for o in outputs]), np.concatenate([o.neurons for o in outputs]),
        np.concatenate([o.values for o in outputs]),
    )  # fmt: skip


UNITS = {
    "IF": (units.IF(), True, ()),
    "IF to a value": (units.IF(v_reset=-0.25), True, ()),
    "LIF": (units.LIF(tau_mem=200e-6), False, ()),
    "LIF to a value": (units.LIF(tau_mem=300e-6, v_reset=-0.1, v_leak=0.2, v_threshold=0.6), False, ()),
    "driven": (units.LIF(tau_mem=200e-6, v_threshold=0.9), False, np.linspace(-0.005, 0.01, 30)),
    "driven to a value": (units.LIF(tau_mem=200e-6, v_reset=0.0), False, np.linspace(-0.005, 0.01, 30)),
}


@pytest.mark.parametrize("name", UNITS)
def test_it_equals_a_grid_of_one_microsecond(name):
    unit, exact, drive = UNITS[name]
    stream = sim.Stream(network(unit, units.IF(), exact=exact, drive=drive), grid=False)
    for seed in range(3):
        events = random_events(seed)
        want = sim.Simulation(network(unit, units.IF(), events, exact=exact, drive=drive), 1).run(4e-3).spikes("end")
        t, neurons, values = run(stream, events, 4000, [50, 51, 200])
        assert len(want) > 30 and values.shape[1] == 10 and not len(values)
        np.testing.assert_array_equal(t, np.round(want.times * 1e6))
        np.testing.assert_array_equal(neurons, want.neurons)


def test_time_constants_of_their_own_and_a_readout():
    """Each neuron decays with its own; the output is a leaky integrator, within rounding."""
    rng = np.random.default_rng(4)

    def graph(events=None):
        net = sim.Network(dt=1e-6, precision="float64")
        source = net.spike_times(INPUTS, *(([], []) if events is None else (events.t * 1e-6, events.x)))
        taus = np.random.default_rng(0).uniform(50e-6, 400e-6, 30)
        cells = net.population(units.LIF(), 30, name="cells", parameters={"tau_mem": taus}, v=0.3)
        end = net.population(units.LI(tau_mem=150e-6), 4, name="end")
        weight = np.random.default_rng(1).normal(0.2, 0.4, INPUTS * 30)
        net.connect(source, cells, rule=sim.Explicit(*np.divmod(np.arange(INPUTS * 30), 30)), weight=weight)
        net.connect(cells, end, rule=sim.AllToAll(), weight=0.5)
        net.probe(cells)
        net.probe(end, "v")
        return net.graph()

    events = random_events(int(rng.integers(99)))
    simulation = sim.Simulation(graph(events), 1).run(3.5e-3)
    stream = sim.Stream(graph(), grid=False)
    ends = np.arange(100, 3500, 100)
    outputs = []
    for a, b in itertools.pairwise([0, *ends]):
        stream.push(events.between(a, b))
        outputs.append(stream.advance_to(b))
    assert len(simulation.spikes("cells")) > 100
    np.testing.assert_array_equal([o.value_t[0] for o in outputs], ends - 1)
    np.testing.assert_allclose(
        np.concatenate([o.values for o in outputs]), simulation.trace(1)[1][ends - 1], rtol=1e-9, atol=1e-12
    )


def reference(events, weight_in, weight_out, tau, delay, theta=1.0):
    """Plain Python: two layers, a delay between them; every state is decayed when it is looked at."""
    sizes = [len(weight_in[0]), len(weight_out[0])]
    v, seen = [[0.0] * n for n in sizes], [[0] * n for n in sizes]
    queue = [(int(t), 1, k, 0, int(i)) for k, (t, i) in enumerate(zip(events.t, events.x, strict=True))]
    fired: list[tuple[int, int]] = []
    heapq.heapify(queue)
    number = len(queue)
    while queue:
        together = [heapq.heappop(queue)]
        now, kind, _, layer, _ = together[0]
        while kind == 0 and queue and queue[0][:2] == (now, 0):  # spikes that arrive at once
            together.append(heapq.heappop(queue))
        reached = set()
        for _, _, _, _, i in together:
            if i < 0:  # looked at again
                reached.add(-1 - i)
                v[layer][-1 - i] *= math.exp(-(now - seen[layer][-1 - i]) / tau)
                seen[layer][-1 - i] = now
                continue
            for j in np.flatnonzero((weight_in, weight_out)[layer][i]):
                v[layer][j] *= math.exp(-(now - seen[layer][j]) / tau)
                v[layer][j] += (weight_in, weight_out)[layer][i][j]
                seen[layer][j] = now
                reached.add(int(j))
        for j in reached:
            if v[layer][j] > theta:
                v[layer][j] -= theta
                if layer == 0:
                    number += 1
                    heapq.heappush(queue, (now + delay, 0, number, 1, j))
                else:
                    fired.append((now, j))
                if v[layer][j] > theta:
                    number += 1
                    heapq.heappush(queue, (now + 1, 0, number, layer, -1 - j))
    return sorted(fired)


def test_it_equals_a_plain_reference_on_a_graph_with_a_coarse_step():
    """dt is 1 ms, times are microseconds. Spikes that arrive at once act together."""
    rng = np.random.default_rng(2)
    weight_in = rng.uniform(0.1, 0.5, (INPUTS, 25)) * (rng.random((INPUTS, 25)) < 0.4)
    weight_out = rng.uniform(0.2, 0.7, (25, 8)) * (rng.random((25, 8)) < 0.5)
    net = sim.Network(dt=1e-3)
    source = net.spike_times(INPUTS, [], [])
    hidden, end = (net.population(units.LIF(tau_mem=5e-3), n) for n in (25, 8))
    for pre, post, w in ((source, hidden, weight_in), (hidden, end, weight_out)):
        rule = sim.Explicit(*np.nonzero(w))
        net.connect(pre, post, rule=rule, weight=w[np.nonzero(w)].astype(np.float32), delay=2e-3)
    events = random_events(5, 3000, 60_000)
    stream = sim.Stream(net.graph(), grid=False)
    t, neurons, _ = run(stream, events, 100_000)
    w_in, w_out = (w.astype(np.float32).astype(float) for w in (weight_in, weight_out))
    want = reference(events, w_in, w_out, 5000.0, 2000)
    want = [(a + 2000, j) for a, j in want]  # the first projection's delay
    assert len(want) > 100
    np.testing.assert_array_equal(sorted(zip(t.tolist(), neurons.tolist(), strict=True)), want)


STREAM = sim.Stream(
    network(units.LIF(tau_mem=200e-6), units.LI(tau_mem=1e-3), exact=False, drive=np.linspace(-0.005, 0.008, 30)),
    grid=False,
)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 300), st.lists(st.integers(0, 300)))
def test_any_division_into_pushes_gives_the_same(seed, n, places):
    events = random_events(seed, n, repeat=True)
    one = run(STREAM, events, 4000)[2][-1]
    np.testing.assert_allclose(run(STREAM, events, 4000, places)[2][-1], one, rtol=1e-12)


def lone(unit, weight=1.0, dt=1e-3, **options):
    net = sim.Network(dt=dt, precision="float64")
    source, cell = net.spike_times(2, [], []), net.population(unit, 1, name="cell", **options)
    net.connect(source, cell, rule=sim.Explicit([0, 1], [0, 0]), weight=np.array([weight, -weight]), delay=dt)
    return net


def test_a_driven_neuron_fires_when_the_formula_says():
    net = lone(units.LIF(tau_mem=10e-3, v_reset=0.0))
    net.current("cell", 0.15)
    rest = 0.15 / (1 - math.exp(-0.1))
    first = 10e3 * math.log(rest / (rest - 1))
    stream = sim.Stream(net.graph(), grid=False)
    t = stream.advance_to(100_000).t
    period = math.floor(first) + 1
    assert abs(t[0] - first) < 1.5 and set(np.diff(t)) == {period} and len(t) == pytest.approx(1e5 / first, abs=1)
    inhibited = lone(units.LIF(tau_mem=10e-3, v_reset=0.0))
    inhibited.current("cell", 0.15)
    stream = sim.Stream(inhibited.graph(), grid=False)
    stream.push(line([4000], [1], 2))  # arrives at 5 ms and takes 1 away
    v = rest * (1 - math.exp(-0.5001)) - 1  # the state at the start is that of microsecond -1
    assert stream.advance_to(100_000).t[0] == math.floor(5000 + 10e3 * math.log((rest - v) / (rest - 1))) + 1


def test_months_without_events_and_many_time_constants():
    stream = sim.Stream(lone(units.LI(tau_mem=20e-3, gain="one"), weight=3.0).graph(), grid=False)
    month = 30 * 24 * 3600 * 10**6
    stream.push(line([5, month, month + 7000], [0, 0, 1], 2))
    got = stream.advance_to(month + 11_000).values[0, 0]
    assert got == pytest.approx(3 * (math.exp(-9.999 / 20) - math.exp(-2.999 / 20)), rel=2e-4)
    assert stream.advance_to(2 * month).values[0, 0] == 0


def test_events_of_one_microsecond_act_one_after_the_other_and_what_is_left_fires_later():
    net = sim.Network(dt=1e-3)
    source, cell = net.spike_times(1, [], []), net.population(units.IF(v_threshold=1.0), 1)
    net.connect(source, cell, rule=sim.AllToAll(), weight=3.5)
    stream = sim.Stream(net.graph(), grid=False)
    assert len(stream.push(line([10], [0], 1))) == 0
    assert stream.advance_to(3000).t.tolist() == [1010, 1011, 1012]
    net = nn.lower(nn.Sequential(torch.nn.Identity(), nn.Spiking(units.IF())), (2,))
    stream = sim.Stream(net, sim.Channels((2, 1, 1)), grid=False)
    assert stream.push(line([5] * 5, [0] * 4 + [1], 2)).t.tolist() == [5, 5, 5]  # 1, then three times 1 + 1 > 1
    assert stream.advance_to(100).t.tolist() == []


def test_a_lowered_model_of_integrators_gives_what_its_grid_gives():
    """Instant connections, a max pool, biases none; the sum of the last layer's output over time."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.Spiking(units.IF(), dt=1e-6), nn.MaxPool2d(2),
        nn.Conv2d(6, 5, 2, bias=False), nn.Spiking(units.IF(), dt=1e-6), nn.Flatten(), nn.Linear(20, 4, bias=False),
    )  # fmt: skip
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(5 * 64).round_().div_(64)
    graph = nn.lower(model, (1, 6, 6), precision="float64")
    rng = np.random.default_rng(0)
    t = np.sort(rng.choice(4000, 600, replace=False))
    events = Events(t, rng.integers(0, 6, 600), rng.integers(0, 6, 600), [0] * 600, (6, 6, 1))
    simulation = sim.feed(sim.Simulation(graph, 1), {"input": (t, events.y.astype(int) * 6 + events.x)}).run(4e-3)
    stream = sim.Stream(graph, sim.Channels((6, 6, 1)), grid=False)
    _, _, values = run(stream, events, 4000, [100, 250, 251])
    want = nn.read_out(simulation).sum(0).numpy()
    assert np.abs(want).max() > 5
    np.testing.assert_array_equal(values.sum(0), want)
    assert stream.report().synaptic_operations > 5000 and stream.report().steps == 4000


def noisy():
    net = lone(units.LIF())
    net.poisson("cell", rate=10.0, weight=0.1)
    return net.graph()


def changing():
    net = lone(units.LIF())
    net.current("cell", np.ones((5, 1)))
    return net.graph()


def poisson_source():
    net = sim.Network(dt=1e-3)
    net.spike_times(2, [], [])
    net.poisson_source(3, 10.0, name="noise")
    net.population(units.LIF(), 1)
    return net.graph()


def ramp():
    net = lone(units.IF())
    net.current("cell", 0.1)
    return net.graph()


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (lone(units.CubaLIF()).graph(), r"population 'cell' \(CubaLIF\(.*\)\) has no closed form .* LI have"),
        (lone(units.Izhikevich()).graph(), r"Izhikevich.*no closed form"),
        (lone(units.Refractory(units.LIF())).graph(), r"Refractory.*no closed form"),
        (noisy(), "input to 'cell' changes from step to step"),
        (changing(), "input to 'cell' changes from step to step"),
        (poisson_source(), "source 'noise' gives spikes on the grid only"),
        (ramp(), "adds up a constant current without leak"),
        (lone(units.LIF(tau_mem=units.Decay(0.0))).graph(), "forgets within a step"),
    ],
)  # fmt: skip
def test_what_has_no_closed_form_is_refused_with_the_population_and_a_way_out(graph, message):
    with pytest.raises(UnsupportedError, match=message + r".*Use the time grid"):
        sim.Stream(graph, grid=False)
    assert sim.Stream(graph).step_us == 1000


def test_options_of_the_grid_are_refused_without_one():
    graph = lone(units.LIF()).graph()
    with pytest.raises(RangeError, match=r"Stream.most: belongs to the grid"):
        sim.Stream(graph, grid=False, most=1)
    with pytest.raises(RangeError, match=r"Stream.step_us: belongs to the grid"):
        sim.Stream(graph, grid=False, step_us=1)
    with pytest.raises(RangeError, match=r"Stream.grid"):
        sim.Stream(graph, grid="no")


def test_too_many_spikes_on_their_way_refuse_the_push_and_nothing_is_lost():
    """A source whose spikes travel for 50 ms: ten fit."""
    net = sim.Network(dt=1e-3, precision="float64")
    source, cell = net.spike_times(1, [], []), net.population(units.LI(tau_mem=20e-3), 1)
    net.connect(source, cell, rule=sim.AllToAll(), delay=50e-3)
    small, large = (sim.Stream(net.graph(), grid=False, buffer=n) for n in (10, 1000))
    first, second = line(np.arange(8) * 100, [0] * 8, 1), line(1000 + np.arange(8) * 100, [0] * 8, 1)
    large.push(first)
    large.push(second)
    small.push(first)
    with pytest.raises(BackPressureError, match=r"more than 10 spikes .* none of the events was taken"):
        small.push(second)
    with pytest.raises(BackPressureError, match=r"30 events, but the buffer of 10"):
        small.push(line([1000] * 30, [0] * 30, 1))
    small.push(second.take(slice(0, 2)))
    with pytest.raises(BackPressureError):
        small.push(second.take(slice(2, 3)))
    reports = small.report(), large.report()
    assert (reports[0].events, reports[1].events) == (10, 16)
    assert small.advance_to(50_950).values == pytest.approx(large.advance_to(50_950).values, rel=1e-12)
    assert small.advance_to(51_300).values < large.advance_to(51_300).values
