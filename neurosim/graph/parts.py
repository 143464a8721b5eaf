"""What joins populations and reaches into them: projections, stimuli, probes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError, nearest
from neurosim.graph.base import LARGEST, Part, is_array, number, real_or_reals, reals, text, whole, wholes
from neurosim.graph.distributions import Distribution
from neurosim.graph.layouts import check_layout
from neurosim.graph.plasticity import PLASTICITIES, Plasticity
from neurosim.graph.rules import RULES, Convolution, Explicit, Rule

Weight = float | Distribution | NDArray[Any]
Delay = int | Distribution | NDArray[Any]
SPIKES = "spikes"  # as a signal: not a state


@dataclass(frozen=True, eq=False)
class Projection(Part):
    """Synapses from one population to a port of another.

    Args:
        name: of the projection, unique in its graph.
        source: name of the population whose spikes it carries.
        target: name of the population it reaches; may be the source.
        port: of the target.
        rule: which neurons are connected, such as ``FixedInDegree(100)``.
        weight: one for all synapses, a distribution, or (with `Explicit`) one per synapse.
        delay: whole steps for all synapses, a distribution in seconds with finite bounds, or (with `Explicit`) whole
            steps per synapse; at least one step. 0 for all: spikes arrive in the step they are fired in, as between
            the layers of a trained network; the source must then come before the target in the graph.
        plasticity: how the synapses change, such as `PairSTDP`; None: they do not.
        layout: how synapses are kept: "csr", "bits", "dense", "one_to_one", "convolution" or "procedural"; "auto"
            takes one that needs the least memory. Spikes do not depend on it.
        weight_type: how weights per synapse are kept: "float" (the graph's precision), "float16", or "int8" in units
            of ``scale``; each is rounded to the nearest there is.
        scale: of int8 weights; default such that the largest weight (of a distribution: its larger bound) is 127.
        signal: "spikes", or the name of a state of the source: then every synapse adds weight times the value that the
            state had at the end of the step a delay ago (before the first step: nothing), in every step.

    With `Convolution`, the weight is its kernel, of four dimensions.

    Raises:
        RangeError: no such rule, a weight that is not finite or beyond its type or the range of its plasticity, a
            delay that is no whole number.
        ShapeError: weights or delays per synapse that do not fit the rule.
        UnsupportedError: a layout or weight type that does not go with the rule, the weight, the delay or plasticity.
    """

    name: str
    source: str
    target: str
    port: str
    rule: Rule
    weight: Weight
    delay: Delay
    plasticity: Plasticity | None = None
    layout: str = "auto"
    weight_type: str = "float"
    scale: float | None = None
    signal: str = SPIKES

    def __post_init__(self) -> None:
        where = f"Projection {text('Projection.name', self.name)!r}"
        for end in ("source", "target", "port", "signal"):
            text(f"{where}.{end}", getattr(self, end))
        _check_kind(f"{where}.rule", self.rule, RULES, "FixedInDegree(100)")
        weight, delay = self.weight, self.delay
        if isinstance(self.rule, Convolution):
            weight = reals(f"{where}.weight", weight, (4,))
        elif not isinstance(weight, Distribution):
            weight = real_or_reals(f"{where}.weight", weight)
        if isinstance(delay, float):
            raise RangeError(
                f"{where}.delay: must be whole steps, got {delay!r}; if it is in seconds: round(delay / dt)."
            )
        if not isinstance(delay, Distribution):
            check = wholes if is_array(delay) else whole
            delay = check(f"{where}.delay", delay, low=-LARGEST)  # `delays`, which knows dt, says what is too short
        self.store(weight=weight, delay=delay)
        for noun, values in (("weight", weight), ("delay", delay)):
            self._check_fit(f"{where}.{noun}", values)
        if self.plasticity is not None:
            _check_kind(f"{where}.plasticity", self.plasticity, PLASTICITIES, "PairSTDP(a_plus=0.01)")
            self.plasticity.check_weights(where, weight)
        check_layout(where, self)

    @property
    def graded(self) -> bool:
        """Whether it carries a state of its source, not spikes."""
        return self.signal != SPIKES

    def _check_fit(self, where: str, values: Any) -> None:
        """One value per synapse goes with `Explicit` only, and a distribution with all drawn rules."""
        if isinstance(self.rule, Convolution):
            shape = self.rule.kernel_shape if where.endswith(".weight") else ()
            if np.shape(values) != shape or isinstance(values, Distribution):
                expected = f"a kernel {shape}" if shape else "one number"
                given = f"shape {values.shape}" if is_array(values) else repr(values)
                raise ShapeError(f"{where}: must be {expected} with {self.rule!r}, got {given}.")
            return
        explicit = isinstance(self.rule, Explicit)
        if isinstance(values, Distribution) and explicit:
            raise RangeError(
                f"{where}: Explicit synapses take a number or an array, got {values!r}. Draw it with numpy."
            )
        if not is_array(values):
            return
        if not isinstance(self.rule, Explicit):
            raise ShapeError(
                f"{where}: an array, of shape {values.shape}, goes with Explicit(pre, post) only, got {self.rule!r}."
            )
        if len(values) != len(self.rule):
            raise ShapeError(f"{where}: must hold {len(self.rule)} entries, one per synapse, got {len(values)}.")

    def delays(self, dt: float) -> tuple[int, int]:
        """Smallest and largest delay [steps of ``dt`` seconds].

        Raises:
            RangeError: below one step, or drawn without bounds.
        """
        where, delay = f"Projection {self.name!r}.delay", self.delay
        if isinstance(delay, Distribution):
            if not delay.low >= dt * (1 - 1e-9) or not delay.high <= LARGEST * dt:
                raise RangeError(
                    f"{where}: a drawn delay needs bounds: low of at least one step (dt = {dt:g} s) and a finite high, "
                    f"got {delay!r}. Write {type(delay).__name__}(..., low={dt:g}, high=...), in seconds."
                )
            return round(delay.low / dt), round(delay.high / dt)
        if isinstance(delay, int):
            low, high, at = delay, delay, ""
        else:
            at = f"[{delay.argmin()}]" if len(delay) else ""
            low, high = (int(delay.min()), int(delay.max())) if len(delay) else (1, 1)
        if low < 1 and not (isinstance(delay, int) and delay == 0):
            raise RangeError(f"{where}{at}: must be at least one step (dt = {dt:g} s), got {low} steps.")
        return low, high


@dataclass(frozen=True, eq=False)
class PoissonInput(Part):
    """Independent Poisson spikes to every neuron of a population, each adding ``weight`` to a port.

    Args:
        target: name of the population.
        port: of the target.
        rate: of each neuron [Hz], or (N,).
        weight: of one spike.
    """

    target: str
    port: str
    rate: float | NDArray[Any]
    weight: float

    def __post_init__(self) -> None:
        where = _stimulus(self)
        self.store(rate=real_or_reals(f"{where}.rate", self.rate, low=0), weight=number(f"{where}.weight", self.weight))


@dataclass(frozen=True, eq=False)
class CurrentInput(Part):
    """A value added to a port in every step.

    Args:
        target: name of the population.
        port: of the target.
        value: one for all neurons, (N,), or (T, N) for the first T steps and nothing after them.
    """

    target: str
    port: str
    value: float | NDArray[Any] = field(repr=False)

    def __post_init__(self) -> None:
        where = f"{_stimulus(self)}.value"
        self.store(value=reals(where, self.value, (1, 2)) if is_array(self.value) else number(where, self.value))


@dataclass(frozen=True)
class SpikeProbe:
    """Record the spikes of a population."""

    population: str

    def __post_init__(self) -> None:
        text("SpikeProbe.population", self.population)


@dataclass(frozen=True, eq=False)
class StateProbe(Part):
    """Record a state.

    Args:
        population: its name.
        state: name of the state.
        neurons: (M,) which to record; None for all.
        every: steps from one sample to the next.
    """

    population: str
    state: str
    neurons: NDArray[Any] | None = None
    every: int = 1

    def __post_init__(self) -> None:
        where = f"StateProbe {text('StateProbe.population', self.population)!r}"
        text(f"{where}.state", self.state)
        if self.neurons is not None:
            self.store(neurons=wholes(f"{where}.neurons", self.neurons))
        self.store(every=whole(f"{where}.every", self.every, low=1))


@dataclass(frozen=True, eq=False)
class WeightProbe(Part):
    """Record the weights of a projection.

    Args:
        projection: its name.
        synapses: (M,) which to record, numbered by source, then delay, then target; None for all.
        every: steps from one sample to the next.
    """

    projection: str
    synapses: NDArray[Any] | None = None
    every: int = 1

    def __post_init__(self) -> None:
        where = f"WeightProbe {text('WeightProbe.projection', self.projection)!r}"
        if self.synapses is not None:
            self.store(synapses=wholes(f"{where}.synapses", self.synapses))
        self.store(every=whole(f"{where}.every", self.every, low=1))


@dataclass(frozen=True)
class RateProbe:
    """Record the rate of a population: its spikes in bins of ``every`` steps, without keeping them.

    Args:
        population: its name.
        every: steps in a bin.
    """

    population: str
    every: int

    def __post_init__(self) -> None:
        where = f"RateProbe {text('RateProbe.population', self.population)!r}"
        object.__setattr__(self, "every", whole(f"{where}.every", self.every, low=1))


def _stimulus(part: PoissonInput | CurrentInput) -> str:
    kind = type(part).__name__
    text(f"{kind}.port", part.port)
    return f"{kind} to {text(f'{kind}.target', part.target)!r}"


def _check_kind(where: str, part: Any, kinds: tuple[type, ...], example: str) -> None:
    if isinstance(part, kinds):
        return
    names = [kind.__name__ for kind in kinds]
    given = part.__name__ if isinstance(part, type) else str(part).title().replace("_", "")
    raise RangeError(
        f"{where}: must be one of {', '.join(names)}, with its numbers, such as {example}, "
        f"got {part!r}.{nearest(given, names)}"
    )
