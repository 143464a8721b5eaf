"""A stream on the grid: the dense model and the simulation, however the events are divided into pushes."""

import itertools
import tracemalloc
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import nn, sim, units
from neurosim.data.transforms import ToFrames
from neurosim.errors import BackPressureError, RangeError, ShapeError
from neurosim.events import Events
from neurosim.graph import Convolution, CurrentInput, SpikeProbe, StateProbe
from neurosim.nn.lowering import evaluation_form
from neurosim.sim.order import neighbours

SENSOR = (8, 6, 2)
BINS, DURATION = 7, 10_000  # us; a step is no whole number of microseconds
STEP = Fraction(DURATION, BINS)
CHANNELS = sim.Channels(SENSOR)


def on_grid(model, gain=2.0):
    model = evaluation_form(model)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "raw_" not in name:
                p.mul_(gain * 256).round_().div_(256)
    return model


def lif(**options):
    return nn.Spiking(units.LIF(tau_mem=5e-3, v_threshold=0.5), **options)


def image_model():
    torch.manual_seed(0)
    return on_grid(nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1, stride=2), nn.BatchNorm2d(6), lif(learn={"tau_mem": (6, 1, 1)}),
        nn.Conv2d(6, 5, 3, padding=1), lif(), nn.Flatten(), nn.Linear(60, 4),
    ))  # fmt: skip


def recurrent_model():
    torch.manual_seed(1)
    return on_grid(nn.Sequential(nn.Flatten(), nn.Linear(96, 30), nn.Recurrent(units.LIF(), 30, scale=1.0), lif()))


MODELS = {"values": image_model(), "spikes": recurrent_model()}
GRAPHS = {name: nn.lower(model, (2, 6, 8)) for name, model in MODELS.items()}
STREAMS = {
    (name, most): sim.Stream(graph, CHANNELS, step_us=STEP, most=most, start_us=50)
    for name, graph in GRAPHS.items()
    for most in (None, 1, 2)
}


def random_events(seed, n, pixels=20):
    """Events of few pixels, so that some repeat within a step."""
    rng = np.random.default_rng(seed)
    place = rng.integers(0, 96, pixels)[rng.integers(0, pixels, n)]
    t = 50 + np.sort(rng.integers(0, DURATION, n))
    return Events(t, place % 8, place // 8 % 6, place // 48, SENSOR)


def gather(outputs):
    """All of several outputs: (t, neurons), (value_t, values)."""
    return tuple(np.concatenate([getattr(o, f) for o in outputs]) for f in ("t", "neurons", "value_t", "values"))


def whole(stream, events, end=50 + DURATION):
    stream.reset()
    return gather([stream.push(events), stream.advance_to(end)])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(STREAMS, key=str)), st.integers(0, 10**6), st.integers(0, 400),
    st.lists(st.integers(0, 400)), st.lists(st.integers(0, 400)),
)  # fmt: skip
def test_any_division_into_pushes_gives_what_the_dense_model_gives(key, seed, n, cuts, announced):
    stream, (name, most) = STREAMS[key], key
    events = random_events(seed, n)
    frames = ToFrames(n_bins=BINS, duration_us=DURATION, start_us=50)(events)
    x = torch.from_numpy(np.minimum(frames, most or 1e9)).unsqueeze(1).float()
    with torch.no_grad():
        want = MODELS[name](x)[0][:, 0].flatten(1).numpy()
    stream.reset()
    outputs, places = [], [0, *sorted(c for c in cuts if c < n), n]
    for a, b in itertools.pairwise(places):
        outputs.append(stream.push(events.take(slice(a, b))))
        if a in announced and b < n:  # no event will come before the next one
            outputs.append(stream.advance_to(int(events.t[b])))
    outputs.append(stream.advance_to(50 + DURATION))
    t, neurons, value_t, values = gather(outputs)
    edges = 50 + -(-np.arange(BINS) * DURATION // BINS)
    np.testing.assert_array_equal(value_t, edges)
    if name == "values":
        np.testing.assert_array_equal(values, want)
    else:
        steps, where = want.nonzero()
        np.testing.assert_array_equal(t, edges[steps])
        np.testing.assert_array_equal(neurons, where)
    assert stream.report().events == n and stream.report().waiting == 0


def test_the_comparison_above_sees_spikes():
    frames = ToFrames(n_bins=BINS, duration_us=DURATION, start_us=50)(random_events(0, 400))
    for name in MODELS:
        with torch.no_grad():
            y = MODELS[name](torch.from_numpy(frames).unsqueeze(1))[0]
        assert int((y != 0).sum()) > 10, name


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(1, 5000), st.integers(0, 1000), st.integers(0, 10**6))
def test_steps_begin_where_the_bins_of_frames_do(n_bins, duration, start, seed):
    rng = np.random.default_rng(seed)
    t = np.sort(start + rng.integers(0, duration, 50))
    none = np.zeros(50, int)
    counts = ToFrames(n_bins=n_bins, duration_us=duration, start_us=start)(Events(t, none, none, none, (1, 1, 1)))
    line = STREAMS["values", None]
    stream = object.__new__(type(line))
    step = Fraction(duration, n_bins)
    stream.start_us, stream._numerator, stream._denominator = start, step.numerator, step.denominator
    bins = stream._bins(t)
    np.testing.assert_array_equal(np.bincount(bins, minlength=n_bins), counts[:, 0, 0, 0])
    np.testing.assert_array_equal(stream._bins(stream._edges(bins)), bins)
    assert (stream._edges(bins) <= t).all() and (t < stream._edges(bins + 1)).all()


def network(events=None, seed=3):
    """Drawn connections with delays, noise and a given train beside the stream's source; all cells are the output."""
    net = sim.Network(dt=1e-3, seed=seed)
    t, i = ([], []) if events is None else (events.t // 1000 * 1e-3, events.x)
    source = net.spike_times(40, t, i, name="camera")
    given_ = net.spike_times(10, [0.002, 0.013], [3, 4], name="given")
    noise = net.poisson_source(30, 100.0)
    cells = net.population(units.CubaLIF(), 150, name="cells")
    for p, delay in ((source, 3e-3), (given_, 1e-3), (noise, 2e-3), (cells, 4e-3)):
        net.connect(p, cells, rule=sim.FixedInDegree(5), weight=0.25, delay=delay)
    net.poisson(cells, rate=300.0, weight=0.1)
    net.probe(cells)
    return net.graph()


def test_a_network_of_any_kind_streams_as_it_simulates():
    rng = np.random.default_rng(0)
    n = 600
    events = Events(np.sort(rng.integers(0, 50_000, n)), rng.integers(0, 40, n), [0] * n, [0] * n, (40, 1, 1))
    simulation = sim.Simulation(network(events), 1).run(0.06)
    wanted = simulation.spikes("cells")
    stream = sim.Stream(network(), source="camera")
    for _ in range(2):  # the second time after a reset
        outputs = [stream.push(events.between(a, a + 777)) for a in range(0, 50_000, 777)] + [stream.advance_to(60_000)]
        t, neurons, value_t, values = gather(outputs)
        assert len(wanted) > 500
        np.testing.assert_array_equal(t, np.round(wanted.times * 1e6))
        np.testing.assert_array_equal(neurons, wanted.neurons)
        assert len(value_t) == 60 and values.shape == (60, 0)
        stream.reset()


def stretches(rule):
    pre, post = rule.expand()[:2] if isinstance(rule, Convolution) else (rule.pre, rule.post)
    return 1 + int((np.diff(post[np.lexsort((post, pre))]) != 1).sum())


def test_neurons_in_another_order_do_the_same():
    graph, rng = GRAPHS["values"], np.random.default_rng(1)
    size = graph.population("2").size
    graph = replace(graph, stimuli=(*graph.stimuli, CurrentInput("2", "x", rng.integers(0, 9, (5, size)) / 16)))
    ordered, old = neighbours(graph)
    moved = old["2"]
    assert sorted(moved) == list(range(size)) and not np.array_equal(moved, np.arange(size))
    before, after = (sum(stretches(p.rule) for p in g.projections[:2]) for g in (graph, ordered))
    assert after < before / 2  # stretches of neighbouring targets
    probes = (StateProbe("2", "v", np.arange(size)), StateProbe("output", "v", np.arange(4)))
    events = random_events(5, 300)
    frames = ToFrames(n_bins=BINS, duration_us=DURATION, start_us=50)(events)
    spikes = {"input": np.minimum(frames, 1).reshape(BINS, -1).nonzero()}
    a, b = (sim.feed(sim.Simulation(replace(g, probes=probes), 1), spikes).run(BINS * g.dt) for g in (graph, ordered))
    np.testing.assert_array_equal(a.trace(0)[1][:, moved], b.trace(0)[1])
    np.testing.assert_array_equal(a.trace(1)[1], b.trace(1)[1])
    assert np.abs(a.trace(1)[1]).max() > 0


def test_report_counts_what_was_done():
    stream, graph, events = STREAMS["values", 1], GRAPHS["values"], random_events(3, 400)
    stream.reset()
    stream.push(events)
    report = stream.report()
    waiting = int((stream._bins(events.t) == BINS - 1).sum())
    assert (report.waiting, report.events, report.steps) == (waiting, 400 - waiting, BINS - 1)
    stream.advance_to(50 + DURATION)
    spiking = [p for p in graph.probes if isinstance(p, SpikeProbe)]
    probed = replace(graph, probes=(*spiking, SpikeProbe("input")))
    frames = ToFrames(n_bins=BINS, duration_us=DURATION, start_us=50)(events)
    simulation = sim.feed(sim.Simulation(probed, 1), {"input": np.minimum(frames, 1).reshape(BINS, -1).nonzero()})
    report = stream.report()
    assert report.synaptic_operations == simulation.run(BINS * graph.dt).synaptic_events() > 1000
    assert (report.events, report.waiting, report.steps, report.spikes) == (400, 0, BINS, 0)
    assert 0 < report.latency_median <= report.latency_p99 <= report.latency_max <= report.seconds
    assert report.events_per_second == pytest.approx(400 / report.seconds)
    stream.reset()
    empty = stream.report()
    assert (empty.events, empty.latency_median, empty.latency_max, empty.events_per_second) == (0, None, None, 0.0)


def test_quantiles_of_latency_are_within_a_percent():
    from neurosim.sim.latency import Latencies

    values, counts = np.random.default_rng(0).lognormal(-9, 2, 4000), np.random.default_rng(1).integers(1, 9, 4000)
    found = Latencies()
    for value, count in zip(values, counts, strict=True):
        found.add(value, count)
    each = np.sort(np.repeat(values, counts))
    for share in (0.5, 0.99):
        assert found.quantile(share) == pytest.approx(each[int(np.ceil(share * len(each))) - 1], rel=0.01)
    assert found.largest == values.max() and found.quantile(1.0) <= values.max()


def test_a_full_buffer_refuses_the_whole_push_and_nothing_is_lost():
    events = random_events(7, 300)
    want = whole(STREAMS["values", None], events)
    stream = sim.Stream(GRAPHS["values"], CHANNELS, step_us=STEP, start_us=50, buffer=100)
    with pytest.raises(BackPressureError, match=r"300 events, but the buffer of 100 has room for 100; none was taken"):
        stream.push(events)
    assert stream.report().waiting == 0
    outputs = [stream.push(events.take(slice(a, a + 20))) for a in range(0, 300, 20)]
    outputs.append(stream.advance_to(50 + DURATION))
    for a, b in zip(gather(outputs), want, strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_channel_may_fire_more_often_in_a_step_than_the_source_has_channels():
    net = sim.Network(dt=1e-3)
    source, cell = net.spike_times(1, [], []), net.population(units.IF(v_threshold=1e9), 1, name="cell")
    leaky = net.population(units.LI(tau_mem=units.Decay(0.0), gain="one"), 1)
    for target in (cell, leaky):
        net.connect(source, target, rule=sim.AllToAll(), weight=1.0)
    stream = sim.Stream(net.graph(), buffer=5000)
    n = 5000
    stream.push(Events([10] * n, [0] * n, [0] * n, [0] * n, (1, 1, 1)))
    assert stream.advance_to(2000).values.ravel().tolist() == [0.0, float(n)]


def test_memory_does_not_grow():
    stream, events = STREAMS["spikes", 1], random_events(2, 300)
    stream.reset()

    def run(first, count):
        for k in range(first, first + count):
            stream.push(Events(events.t + k * DURATION, events.x, events.y, events.p, SENSOR))

    run(0, 20)
    tracemalloc.start()
    run(20, 200)
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert grown < 20_000, grown


def test_flush_ends_the_step_under_way():
    stream, events = STREAMS["values", None], random_events(3, 50)
    stream.reset()
    assert len(stream.flush().value_t) == 0  # nothing waits
    stream.push(events.take(slice(0, 1)))
    first = int(stream._bins(events.t[:1])[0])
    assert stream.flush().value_t.tolist()[-1] == stream._edge(first)
    with pytest.raises(RangeError, match="what was pushed or announced before"):
        stream.push(events.take(slice(0, 1)))
    assert len(stream.flush().value_t) == 0


def none(n=0, size=SENSOR):
    return Events([0] * n, [0] * n, [0] * n, [0] * n, size)


def test_bad_events_are_refused_and_change_nothing():
    stream, events = STREAMS["values", None], random_events(4, 200)
    want = whole(stream, events)
    stream.reset()
    early, late = events.take(slice(0, 120)), events.take(slice(120, 200))
    outputs = [stream.push(early)]
    for bad, error, message in (
        (events, RangeError, r"must not come before what was pushed .*Sort them"),
        (none(1), RangeError, "must not come before"),
        (none(1, (9, 6, 2)), ShapeError, r"the sensor must be \(8, 6, 2\).*got \(9, 6, 2\)"),
        (np.zeros(3), ShapeError, "must be neurosim.events.Events, got ndarray"),
        (Events([2**61], [0], [0], [0], SENSOR), RangeError, "too late"),
        (Events([10**9], [0], [0], [0], SENSOR), BackPressureError, r"one call takes 65536.*advance_to\("),
    ):
        with pytest.raises(error, match=message):
            stream.push(bad)
    with pytest.raises(RangeError, match="must not go back"):
        stream.advance_to(3)
    with pytest.raises(RangeError, match="whole number"):
        stream.advance_to(float("nan"))
    with pytest.raises(BackPressureError, match="nothing was done"):
        stream.advance_to(10**9)
    outputs += [stream.push(none()), stream.push(late), stream.advance_to(50 + DURATION)]
    for a, b in zip(gather(outputs), want, strict=True):
        np.testing.assert_array_equal(a, b)
    stream.reset()
    with pytest.raises(RangeError, match="before the start, 50 us, got 0 us"):
        stream.push(none(1))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"t": [5, 4]}, "must not decrease"),
        ({"t": [-1, 4]}, "must not be negative"),
        ({"t": [float("nan"), 4]}, "whole numbers"),
        ({"x": [0, 8]}, r"0\.\.7 on this sensor"),
        ({"p": [0, 2]}, r"0\.\.1 on this sensor"),
    ],
)
def test_what_is_no_recording_never_reaches_a_stream(columns, message):
    with pytest.raises(RangeError, match=message):
        Events(**{"t": [0, 1], "x": [0, 0], "y": [0, 0], "p": [0, 0], "sensor_size": SENSOR} | columns)


def test_a_state_that_is_not_finite_is_named_by_its_own_number():
    net = sim.Network(dt=1e-3)
    source = net.spike_times(2, [], [])
    cells = net.population(units.LI(gain="one"), 3, name="cells", parameters={"tau_mem": [1e-3, 2e-3, 3e-3]})
    net.connect(source, cells, rule=sim.Explicit([1], [2]), weight=3e38)
    stream = sim.Stream(net.graph())
    stream.push(Events([10] * 3, [1] * 3, [0] * 3, [0] * 3, (2, 1, 1)))
    with pytest.raises(RangeError, match=r"v of neuron 2 of population 'cells' is inf .*reset\(\)"):
        stream.advance_to(3000)


def small(*sources, last=True):
    net = sim.Network(dt=1e-3)
    cell = net.population(units.IF(), 1) if last else None
    for k, (t, i) in enumerate(sources):
        source = net.spike_times(2, t, i, name=f"s{k}")
        if cell:
            net.connect(source, cell, rule=sim.AllToAll())
    net.population(units.IF(), 1, name="end") if last else None
    return net.graph()


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        ("graph", {}, "Stream.graph: must be a Graph"),
        (small(), {}, r"Stream.source: there must be one SpikeSource to feed, the graph has none\. Add one"),
        (small(([], []), ([], [])), {}, r"one SpikeSource to feed, the graph has \['s0', 's1'\]"),
        (small(([], [])), {"source": "s1"}, r"one SpikeSource called 's1' to feed, the graph has \['s0'\]"),
        (small(([0.1], [1])), {}, "must have no spikes of its own, it has 1"),
        (small(([], []), last=False), {}, "its last population is the output and must have neurons"),
        (small(([], [])), {"channels": sim.Channels((3, 1, 1))}, "must be as many as 's0' has, 2, got 3"),
        (small(([], [])), {"start_us": -1}, "Stream.start_us"),
        (small(([], [])), {"step_us": 0}, "Stream.step_us"),
        (small(([], [])), {"step_us": 0.5}, "Stream.step_us"),
        (small(([], [])), {"most": 0}, "Stream.most"),
        (small(([], [])), {"buffer": 0}, "Stream.buffer"),
    ],
)
def test_bad_arguments_are_named(graph, options, message):
    with pytest.raises(RangeError, match=message):
        sim.Stream(graph, **options)


def test_channels_are_those_of_frames():
    events = random_events(8, 200)
    for out, merge in ((None, False), ((4, 2), False), ((5, 6), True)):
        channels = sim.Channels(SENSOR, out, merge)
        frames = ToFrames(n_bins=1, out_size=out)(events)[0]
        frames = frames.sum(0) if merge else frames
        np.testing.assert_array_equal(np.bincount(channels.of(events), minlength=channels.size), frames.ravel())
    for size, out in (((0, 1, 1), None), (SENSOR, (9, 6)), (SENSOR, (8, 0)), (SENSOR, (8,))):
        with pytest.raises(RangeError, match=r"sensor_size|out_size"):
            sim.Channels(size, out)
