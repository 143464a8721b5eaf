"""`Stream`: feed a network with the events of a sensor while they happen."""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import BackPressureError, RangeError, ShapeError, UnsupportedError
from neurosim.events import Events
from neurosim.graph import Graph, Population, SpikeSource
from neurosim.graph.base import switch, whole
from neurosim.sim.eventwise import EventEngine
from neurosim.sim.grid import GridEngine
from neurosim.sim.latency import Latencies, StreamReport

LATEST = 2**62  # us, and steps
FARTHEST = 2**16  # steps that one call may take: what they give out must fit into memory


@dataclass(frozen=True)
class Channels:
    """Which channel of a source an event goes to: (polarity * height + y) * width + x.

    Args:
        sensor_size: (width, height, polarities) of the events.
        out_size: (width, height) to add pixels up to, as in `neurosim.data.transforms.ToFrames`; default the sensor's.
        merge: both polarities go to one channel.

    Example:
        >>> Channels((4, 2, 2), out_size=(2, 1)).size
        4
    """

    sensor_size: tuple[int, int, int]
    out_size: tuple[int, int] | None = None
    merge: bool = False

    def __post_init__(self) -> None:
        size = Events.empty(self.sensor_size).sensor_size
        object.__setattr__(self, "sensor_size", size)
        out = tuple(self.out_size) if self.out_size is not None else size[:2]
        if len(out) != 2 or not all(1 <= n <= most for n, most in zip(out, size, strict=False)):
            raise RangeError(f"Channels.out_size: must be (width, height) within {size[:2]}, got {self.out_size!r}.")
        object.__setattr__(self, "out_size", out)

    @property
    def size(self) -> int:
        """Number of channels."""
        columns, rows = self.out_size or self.sensor_size[:2]
        return (1 if self.merge else self.sensor_size[2]) * rows * columns

    def of(self, events: Events) -> NDArray[np.int32]:
        """Channel of every event (N,)."""
        width, height, _ = self.sensor_size
        columns, rows = self.out_size or (width, height)
        x, y = events.x.astype(np.int32), events.y.astype(np.int32)
        if (columns, rows) != (width, height):
            x, y = x * columns // width, y * rows // height
        if self.merge:
            return y * columns + x
        return (events.p.astype(np.int32) * rows + y) * columns + x


@dataclass(frozen=True)
class Output:
    """What a call of a stream gives out.

    Args:
        t: (S,) int64 [us], spikes of the output population; on a grid the start of their step.
        neurons: (S,) int32, ascending within a step.
        value_t: (T,) int64 [us], start of each completed step; without a grid, the last microsecond of the call.
        values: (T, N) state of an output population that never spikes; (T, 0) of one that does. Without a grid, an
            output that forgets within a step (the last linear layer of a lowered model) gives the sum of its input
            since the call before.
    """

    t: NDArray[np.int64]
    neurons: NDArray[np.int32]
    value_t: NDArray[np.int64]
    values: NDArray[Any]

    def __len__(self) -> int:
        return len(self.t)


class Stream:
    """A network that takes events as they come and gives out what they cause, in bounded memory.

    A time step is computed as soon as it is complete: when an event of a later step comes, or `advance_to` or `flush`
    says that none of it will. So any division of a recording into pushes gives what one push gives, and that is what
    the dense layers give for its frames (see `neurosim.nn.lower` about rounding).

    Args:
        graph: its last population is the output.
        channels: where events go; default: the events have sensor size (channels, 1, 1).
        grid: True: on the time grid of the graph, as the model was trained. False: event by event at microseconds,
            for populations of IF, LIF and LI: an event acts when it is pushed, membranes decay in closed form between
            events, delays and constant currents keep their length and their effect. Events of one microsecond act one
            after the other; a neuron that stays above threshold fires again a microsecond later.
        source: name of the `SpikeSource` that is fed; default the only one.
        start_us: where the first step begins [us].
        step_us: length of a step [us], a whole number or a fraction; default the graph's dt.
        most: spikes of one channel in one step that count, as ``clip`` in a recipe; None: all.
        buffer: events that may wait.

    Raises:
        RangeError: no source or several, a source with spikes of its own, channels that do not fit it.
        UnsupportedError: synapses that change; without a grid: a unit without closed form, noise, or input that
            changes from step to step.

    Example:
        >>> from neurosim import sim, units
        >>> from neurosim.events import Events
        >>> net = sim.Network(dt=1e-3)
        >>> source, cell = net.spike_times(2, [], []), net.population(units.IF(), 1)
        >>> _ = net.connect(source, cell, rule=sim.AllToAll(), weight=0.6)
        >>> stream = sim.Stream(net.graph())
        >>> stream.push(Events([100, 200], [0, 1], [0, 0], [0, 0], (2, 1, 1))).t.tolist()
        []
        >>> stream.advance_to(3000).t.tolist()  # both fall into step 0 and arrive in step 1
        [1000]
    """

    def __init__(
        self,
        graph: Graph,
        channels: Channels | None = None,
        *,
        grid: bool = True,
        source: str | None = None,
        start_us: int = 0,
        step_us: int | Fraction | None = None,
        most: int | None = None,
        buffer: int = 65536,
    ) -> None:
        if not isinstance(graph, Graph):
            raise RangeError(f"Stream.graph: must be a Graph (see nn.lower), got {type(graph).__name__}.")
        fed = _source(graph, source)
        if not isinstance(graph.populations[-1], Population):
            raise RangeError(
                "Stream.graph: its last population is the output and must have neurons, "
                f"got {graph.populations[-1].name!r}."
            )
        changing = [p.name for p in graph.projections if p.plasticity is not None]
        if changing:
            raise UnsupportedError(f"Stream.graph: synapses do not change in a stream, those of {changing} would.")
        if graded := [p.name for p in graph.projections if p.graded]:
            raise UnsupportedError(
                f"Stream.graph: projections of states have no place in a stream, which goes by events, got {graded}. "
                "Use a Simulation."
            )
        self.graph = graph
        self.channels = channels if channels is not None else Channels((fed.size, 1, 1))
        if self.channels.size != fed.size:
            raise RangeError(
                f"Stream.channels: must be as many as {fed.name!r} has, {fed.size}, got {self.channels.size} "
                f"({self.channels})."
            )
        self.start_us = whole("Stream.start_us", start_us, high=LATEST)
        self.step_us = _step(graph.dt, step_us)
        self.buffer = whole("Stream.buffer", buffer, low=1)
        limit = 2**31 - 1 if most is None else whole("Stream.most", most, low=1)
        self.grid = switch("Stream.grid", grid)
        self._engine: GridEngine | EventEngine
        if self.grid:
            self._engine = GridEngine(graph, fed.name, self.buffer, limit)
        else:
            for name, value in (("most", most), ("step_us", step_us)):
                if value is not None:
                    raise RangeError(f"Stream.{name}: belongs to the grid, must be None without one, got {value!r}.")
            self.step_us, self._engine = Fraction(1), EventEngine(graph, fed.name, self.buffer)
        self._numerator, self._denominator = self.step_us.numerator, self.step_us.denominator
        self._begin()

    def reset(self) -> None:
        """Back to the start: the initial state, no events, an empty report."""
        self._engine.reset()
        self._begin()

    def push(self, events: Events) -> Output:
        """Take events and give out the steps they complete.

        Args:
            events: not before the last one of the push before, nor before what `advance_to` announced.

        Raises:
            ShapeError: no `Events`, or of another sensor.
            RangeError: events before the start, or out of order.
            BackPressureError: no room for them, or too many steps at once. None of them was taken: push fewer.
        """
        started = time.perf_counter()
        self._check(events)
        if not len(events):
            return self._run(started, self._engine.step)
        bins = self._bins(events.t)
        last = int(bins[-1])
        self._check_distance("push", last)
        if len(events) > (room := self._engine.room()):
            raise BackPressureError(
                f"Stream.push: {len(events)} events, but the buffer of {self.buffer} has room for {room}; none was "
                "taken. Push fewer at a time; if one step alone holds more, make a Stream with a larger buffer."
            )
        self._engine.put(bins, self.channels.of(events))
        output = self._run(started, last if self.grid else last + 1)
        self.now = int(events.t[-1])
        return output

    def advance_to(self, t_us: int) -> Output:
        """Give out all steps that end until ``t_us`` [us]: no event will come before."""
        started = time.perf_counter()
        t_us = whole("Stream.advance_to", t_us, high=LATEST)
        if t_us < self.now:
            raise RangeError(f"Stream.advance_to: must not go back, got {t_us} us after {self.now} us.")
        last = int(self._bins(np.array([t_us]))[0])
        self._check_distance("advance_to", last)
        output = self._run(started, last)
        self.now = t_us
        return output

    def flush(self) -> Output:
        """Give out the step that events wait in; later events must come after it."""
        return (
            self.advance_to(self._edge(self._engine.step + 1)) if self.report().waiting else self.advance_to(self.now)
        )

    def report(self) -> StreamReport:
        """Latency and throughput so far."""
        quantile = self._latencies.quantile
        return StreamReport(
            self._events, self.buffer - self._engine.room(), self._engine.step, self._spikes, self._synapses,
            self._seconds, self._events / self._seconds if self._seconds else 0.0,
            quantile(0.5), quantile(0.99), self._latencies.largest if self._events else None,
        )  # fmt: skip

    def _begin(self) -> None:
        self.now = self.start_us
        self._latencies, self._seconds = Latencies(), 0.0
        self._events = self._spikes = self._synapses = 0

    def _run(self, started: float, last: int) -> Output:
        steps, neurons, done, values, events, synapses = self._engine.advance(last)
        if len(steps) or len(done):
            steps, done = self._edges(steps), self._edges(done)
        output = Output(steps, neurons, done, values)
        elapsed = time.perf_counter() - started
        self._latencies.add(elapsed, events)
        self._seconds += elapsed
        self._events += events
        self._spikes += len(output)
        self._synapses += synapses
        return output

    def _check(self, events: Events) -> None:
        if not isinstance(events, Events):
            raise ShapeError(f"Stream.push: must be neurosim.events.Events, got {type(events).__name__}.")
        if events.sensor_size != self.channels.sensor_size:
            raise ShapeError(
                f"Stream.push: the sensor must be {self.channels.sensor_size} (width, height, polarities), "
                f"got {events.sensor_size}."
            )
        if len(events) and events.t[0] < self.now:
            what = "the start" if self.now == self.start_us else "what was pushed or announced before"
            raise RangeError(
                f"Stream.push: events must not come before {what}, {self.now} us, got {events.t[0]} us. "
                "Sort them by time, or reset() for another recording."
            )
        if len(events) and events.t[-1] > LATEST // self._denominator:
            raise RangeError(f"Stream.push: {events.t[-1]} us is too late for steps of {self.step_us} us.")

    def _check_distance(self, where: str, last: int) -> None:
        done = self._engine.step
        if self.grid and last - done > FARTHEST:
            raise BackPressureError(
                f"Stream.{where}: {last - done} steps lie between the last one done and this time, one call takes "
                f"{FARTHEST}; nothing was done. Go there in parts: advance_to({self._edge(done + FARTHEST)})."
            )

    def _bins(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        """Step of every time [us]."""
        passed: NDArray[np.int64] = t - self.start_us if self.start_us else t
        if self._denominator != 1:
            passed = passed * self._denominator
        return passed // self._numerator if self._numerator != 1 else passed

    def _edges(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        """First microsecond of every step."""
        edges: NDArray[np.int64] = self.start_us - -steps * self._numerator // self._denominator
        return edges

    def _edge(self, step: int) -> int:
        return int(self._edges(np.array([step]))[0])


def _source(graph: Graph, name: str | None) -> SpikeSource:
    """The source to feed."""
    found = [p for p in graph.populations if isinstance(p, SpikeSource) and name in (None, p.name)]
    if len(found) != 1:
        known = [p.name for p in graph.populations if isinstance(p, SpikeSource)]
        wanted = "" if name is None else f" called {name!r}"
        raise RangeError(
            f"Stream.source: there must be one SpikeSource{wanted} to feed, the graph has {known or 'none'}. "
            "Add one with net.spike_times(n, [], [])."
        )
    if len(found[0].steps):
        raise RangeError(
            f"Stream.source: {found[0].name!r} must have no spikes of its own, it has {len(found[0].steps)}. "
            "Make it with net.spike_times(n, [], [])."
        )
    return found[0]


def _step(dt: float, given: Any) -> Fraction:
    """Length of a step [us]."""
    if given is None:
        return Fraction(dt * 1e6).limit_denominator(1000)
    if isinstance(given, bool) or not isinstance(given, (int, Fraction)) or given <= 0 or given > LATEST:
        raise RangeError(f"Stream.step_us: must be a whole number or a Fraction of us above 0, got {given!r}.")
    return Fraction(given)
