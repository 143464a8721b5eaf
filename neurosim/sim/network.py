"""`Network`: describe a network population by population, then run it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.errors import RangeError, ShapeError, check_choice, check_number, check_seconds, nearest
from neurosim.events import Events
from neurosim.graph import (
    CurrentInput,
    Explicit,
    Graph,
    LogNormal,
    Normal,
    Plasticity,
    PoissonInput,
    PoissonSource,
    Population,
    Projection,
    RateProbe,
    SpikeProbe,
    SpikeSource,
    StateProbe,
    TripartiteBernoulli,
    WeightProbe,
)
from neurosim.graph.base import whole
from neurosim.kernels.trace import Program
from neurosim.sim.recording import Spikes
from neurosim.sim.simulation import Simulation
from neurosim.units import Unit

FARTHEST = 8.0  # standard deviations: beyond, a law of delays is cut (probability 1e-15)


class Network:
    """A spiking network: populations, projections, stimuli and probes.

    Args:
        dt: time step [s].
        seed: of everything that is random: connections, weights, delays, Poisson input.
        precision: "float32", or "float64" to compare with other simulators spike for spike.

    Example:
        >>> from neurosim import sim, units
        >>> net = sim.Network(dt=1e-3)
        >>> cells = net.population(units.LIF(tau_mem=20e-3), 100)
        >>> net.poisson(cells, rate=1000.0, weight=0.1)
        >>> probe = net.probe(cells, "spikes")
        >>> simulation = net.run(0.5)
        >>> rate = len(simulation.spikes(cells)) / 100 / 0.5  # Hz; without leak a tenth of the input's
        >>> 50 < rate < 100
        True
    """

    def __init__(self, dt: float = 1e-4, *, seed: int = 0, precision: str = "float32") -> None:
        check_seconds("Network.dt", dt)
        check_choice("Network.precision", precision, ("float32", "float64"))
        self.dt, self.seed, self.precision = dt, seed, precision
        self._populations: list[Any] = []
        self._projections: list[Projection] = []
        self._stimuli: list[Any] = []
        self._probes: list[Any] = []
        self._simulation: Simulation | None = None

    def population(
        self,
        unit: Unit,
        n: int,
        *,
        name: str | None = None,
        parameters: Mapping[str, ArrayLike] | None = None,
        positions: ArrayLike | None = None,
        **initial: ArrayLike,
    ) -> str:
        """Add ``n`` neurons.

        Args:
            unit: their unit, such as ``units.CurrentLIF()``.
            name: default the unit's name and a number.
            parameters: parameters that differ between neurons: name -> (N,).
            positions: (N, D) [m] with D = 1, 2 or 3, for `DistanceDependent`.
            **initial: initial states: one number or (N,); default the unit's rest.

        Returns:
            The population's name, to connect it by.
        """
        name = self._name(name, type(unit).__name__)
        where = None if positions is None else np.asarray(positions)
        self._populations.append(Population.of(name, unit, n, self.dt, dict(parameters or {}), initial, where))
        return name

    def spike_times(
        self,
        n: int,
        times: ArrayLike,
        neurons: ArrayLike,
        *,
        name: str | None = None,
        positions: ArrayLike | None = None,
    ) -> str:
        """Add a source of ``n`` channels that spike at given times [s], each rounded to the nearest step."""
        name = self._name(name, "spike_times")
        t, i = np.asarray(times, np.float64), np.asarray(neurons)
        if t.shape != i.shape or t.ndim != 1:
            raise ShapeError(f"Network.spike_times: times and neurons must be (S,) both, got {t.shape} and {i.shape}.")
        steps = np.round(t / self.dt).astype(np.int64)
        order = np.lexsort((i, steps))
        where = None if positions is None else np.asarray(positions)
        self._populations.append(SpikeSource(name, n, steps[order], i[order].astype(np.int32), where))
        return name

    def events(self, events: Events, *, name: str | None = None) -> str:
        """Add the recording of an event camera as a source: channel = (polarity * height + y) * width + x."""
        width, height, polarities = events.sensor_size
        channel = (events.p.astype(np.int64) * height + events.y) * width + events.x
        return self.spike_times(polarities * height * width, events.t * 1e-6, channel, name=self._name(name, "events"))

    def poisson_source(
        self, n: int, rate: ArrayLike, *, name: str | None = None, positions: ArrayLike | None = None
    ) -> str:
        """Add a source of ``n`` channels with Poisson spikes of a rate [Hz], at most one spike per step."""
        name = self._name(name, "poisson_source")
        where = None if positions is None else np.asarray(positions)
        self._populations.append(PoissonSource(name, n, _number_or_array(rate), where))
        return name

    def connect(
        self,
        pre: str,
        post: str,
        *,
        rule: Any,
        weight: Any = 1.0,
        delay: Any = None,
        port: str | None = None,
        plasticity: Plasticity | None = None,
        name: str | None = None,
        layout: str = "auto",
        weight_type: str = "float",
        scale: float | None = None,
        signal: str = "spikes",
    ) -> str:
        """Connect two populations.

        Args:
            rule: `AllToAll`, `OneToOne`, `Bernoulli`, `FixedInDegree`, `FixedOutDegree`, `FixedTotal`,
                `DistanceDependent`, `Explicit` or `Convolution`.
            weight: a number, a distribution, or an array: with `Explicit` one per synapse, with `Convolution` a kernel.
            delay: seconds: a number, a distribution, or (with `Explicit`) an array; default one time step.
            port: port of the target's unit; default its first.
            plasticity: how the synapses change: `PairSTDP`, `TripletSTDP`, `VogelsSprekeler`, `RewardSTDP` or
                `TsodyksMarkram`; default they do not.
            layout: how synapses are kept in memory; no result depends on it. See `neurosim.graph.Projection`.
            weight_type: "float", "float16" or "int8".
            scale: of int8 weights.
            signal: "spikes", or a state of ``pre`` whose value every synapse passes on in each step, times its weight,
                such as the slow inward current "i_sic" of `LiRinzel`.

        Returns:
            The projection's name, for `probe` and `Simulation.synapses_of`.
        """
        target = self._population(post, "post")
        self._population(pre, "pre")
        ports = target.ports if isinstance(target, Population) else ()
        port = port if port is not None or not ports else ports[0]
        name = name or f"{pre} -> {post}{f' ({port})' if len(ports) > 1 else ''} {len(self._projections)}"
        kept = {
            "plasticity": plasticity,
            "layout": layout,
            "weight_type": weight_type,
            "scale": scale,
            "signal": signal,
        }
        self._projections.append(
            Projection(name, pre, post, port or "", rule, _weight(weight), self._steps(delay), **kept)  # type: ignore[arg-type]
        )
        return name

    def connect_tripartite(
        self,
        pre: str,
        post: str,
        third: str,
        *,
        rule: TripartiteBernoulli,
        primary: Mapping[str, Any] | None = None,
        third_in: Mapping[str, Any] | None = None,
        third_out: Mapping[str, Any] | None = None,
    ) -> tuple[str, str, str]:
        """Connect two populations, some of the synapses together with a cell of a ``third``, such as an astrocyte.

        Three ordinary projections result, drawn here from the network's seed: ``pre`` to ``post``; for each synapse
        that has a third cell, ``pre`` to that cell, and that cell to ``post``. Two synapses of a target may have one
        third cell, which then acts twice, as in NEST.

        Args:
            rule: `TripartiteBernoulli`.
            primary, third_in, third_out: of each projection what `connect` takes: weight (one number), delay, port,
                signal, name, ...; a third cell that never spikes gives its output, such as ``i_sic``, by default.

        Returns:
            The names of the three projections.

        Raises:
            RangeError: another rule, pools that do not fit the populations, what `connect` refuses.
        """
        if not isinstance(rule, TripartiteBernoulli):
            raise RangeError(
                "Network.connect_tripartite.rule: must be TripartiteBernoulli(p_primary=0.1, p_third=0.5) or such, "
                f"got {rule!r}."
            )
        sources, targets = (self._population(name, where).size for where, name in (("pre", pre), ("post", post)))
        cell, output = self._population(third, "third"), {}
        rule.check("Network.connect_tripartite", targets, cell.size)
        seed = whole("Network.seed", self.seed, high=2**64 - 1)
        rng = np.random.Generator(np.random.Philox(key=np.array([seed, len(self._projections)], np.uint64)))
        i, j, k = rule.draw(sources, targets, cell.size, pre == post, rng)
        mine = k >= 0
        if isinstance(cell, Population) and not cell.spiking:
            output = {"signal": cell.state[Program.from_text(cell.program).output]}
        return (
            self.connect(pre, post, rule=Explicit(i, j), **(primary or {})),
            self.connect(pre, third, rule=Explicit(i[mine], k[mine]), **(third_in or {})),
            self.connect(third, post, rule=Explicit(k[mine], j[mine]), **{**output, **(third_out or {})}),
        )

    def poisson(self, target: str, rate: ArrayLike, weight: float, *, port: str | None = None) -> None:
        """Give every neuron of ``target`` its own Poisson input of ``rate`` [Hz], each spike with ``weight``."""
        self._stimuli.append(PoissonInput(target, self._port(target, port), _number_or_array(rate), weight))

    def current(self, target: str, value: ArrayLike, *, port: str | None = None) -> None:
        """Add ``value`` to a port in every step: a number, (N,), or (T, N) for the first T steps."""
        self._stimuli.append(CurrentInput(target, self._port(target, port), _number_or_array(value)))

    def probe(self, population: str, what: str = "spikes", *, neurons: ArrayLike | None = None, every: int = 1) -> int:
        """Record "spikes", the "rate" of the population, or a state by its name; of a projection its "weights".

        Args:
            population: its name; for "weights" the projection's.
            neurons: of a state: which, default all; of weights: which synapses, in the order of
                `Simulation.synapses_of`, default all.
            every: of a state or weights: steps from one sample to the next; of a rate: steps in a bin.

        Returns:
            The probe's number, for `Simulation.trace`.
        """
        if what == "weights":
            self._probes.append(WeightProbe(population, None if neurons is None else np.asarray(neurons), every))
            return len(self._probes) - 1
        p = self._population(population, "population")
        if what == "spikes":
            if neurons is not None or every != 1:
                raise RangeError(
                    "Network.probe: spikes are recorded of all neurons in every step, got "
                    f"neurons={neurons!r}, every={every!r}; choose among `Simulation.spikes`."
                )
            self._probes.append(SpikeProbe(population))
        elif what == "rate":
            if neurons is not None:
                raise RangeError(f"Network.probe.neurons: a rate is that of the whole population, got {neurons!r}.")
            self._probes.append(RateProbe(population, every))
        else:
            chosen = np.arange(p.size) if neurons is None else np.asarray(neurons)
            self._probes.append(StateProbe(population, what, chosen, every))
        return len(self._probes) - 1

    def graph(self) -> Graph:
        """The network as a `Graph`."""
        return Graph(
            self.dt, tuple(self._populations), tuple(self._projections), tuple(self._stimuli), tuple(self._probes),
            seed=self.seed, precision=self.precision,
        )  # fmt: skip

    def build(self, threads: int | None = None, like: Simulation | None = None) -> Simulation:
        """Make all synapses and load the time loop.

        Args:
            like: a simulation whose synapses are shared where they are the same: for sweeps over other parameters.
        """
        self._simulation = Simulation(self.graph(), threads, like)
        return self._simulation

    def run(
        self,
        seconds: float,
        *,
        threads: int | None = None,
        progress: Callable[[Simulation, float], None] | None = None,
    ) -> Simulation:
        """Build the network anew and run it from its initial state; see `Simulation.run`."""
        return self.build(threads).run(seconds, progress)

    def _name(self, name: str | None, kind: str) -> str:
        return name if name is not None else f"{kind} {len(self._populations)}"

    def _population(self, name: str, where: str) -> Any:
        for p in self._populations:
            if p.name == name:
                return p
        known = [p.name for p in self._populations]
        raise RangeError(f"Network.{where}: unknown population {name!r}; there are {known}.{nearest(str(name), known)}")

    def _port(self, target: str, port: str | None) -> str:
        p = self._population(target, "target")
        if not isinstance(p, Population):
            raise RangeError(f"Network.target: {target!r} is a source of spikes and takes no input.")
        return port if port is not None else p.ports[0]

    def _steps(self, delay: Any) -> Any:
        if delay is None:
            return 1
        if isinstance(delay, (int, float)):
            check_number("Network.connect.delay", delay)
            if round(delay / self.dt) < 1:
                raise RangeError(
                    f"Network.connect.delay: {delay:g} s is below one time step of dt = {self.dt:g} s; "
                    "a spike can arrive in the next step at the earliest."
                )
            return round(delay / self.dt)
        if isinstance(delay, (np.ndarray, list, tuple)):
            return np.round(np.asarray(delay, np.float64) / self.dt).astype(np.int64)
        if isinstance(delay, (Normal, LogNormal)):  # a law without ends: from one step to where nothing is ever drawn
            top = delay.mean + FARTHEST * delay.sd
            high = top if isinstance(delay, Normal) else math.exp(top)
            return replace(delay, low=max(delay.low, self.dt), high=min(delay.high, high))
        return delay


def _number_or_array(value: ArrayLike) -> float | NDArray[np.float64]:
    array = np.asarray(value, np.float64)
    return array if array.ndim else float(array)


def _weight(weight: Any) -> Any:
    return np.asarray(weight, np.float64) if isinstance(weight, (np.ndarray, list, tuple)) else weight


__all__ = ["Network", "Simulation", "Spikes"]
