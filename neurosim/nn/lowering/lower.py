"""`lower`: from a trained model to the `Graph` that the event engine runs."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Sequence as Several
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurosim.errors import (
    NeurosimError,
    NotLowerableError,
    RangeError,
    ShapeError,
    UnsupportedError,
    check_choice,
    check_seconds,
)
from neurosim.graph import CurrentInput, Explicit, Graph, Population, Projection, SpikeProbe, SpikeSource, StateProbe
from neurosim.kernels.trace import trace
from neurosim.nn.cascade.wrapper import CascadeDendrites
from neurosim.nn.dendritic import ActiveDendrites
from neurosim.nn.domains import AstroLayer
from neurosim.nn.kwinners import KWinners, KWinners2d
from neurosim.nn.layer import PerStep
from neurosim.nn.linear import Dropout, Flatten, plain_weights
from neurosim.nn.lowering.astrocytes import ASTRO, drives, feedback
from neurosim.nn.lowering.filters import Filter, Map, entries, linear, max_pool
from neurosim.nn.lowering.matrices import LINEAR, MAX_POOLS, Shape, identity, product, sparse
from neurosim.nn.readout import MODES, Readout
from neurosim.nn.recurrent import Recurrent
from neurosim.nn.sequential import Ports, Residual, Sequential
from neurosim.nn.spiking import UnitLayer
from neurosim.sim import Simulation
from neurosim.units import IF, LI, Arctan, Decay

INPUT, OUTPUT = "input", "output"
DEFAULT_DT = 1e-3  # s; of a model in which no layer has a time step
DTYPES = {"float32": torch.float32, "float64": torch.float64}
RESHAPES = (Flatten, nn.Flatten, nn.Unflatten)
NOTHING = (Dropout, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Identity)  # in evaluation
RELAY = IF(v_threshold=0.5, v_reset=0.0)  # spikes in every step with any input of weight 1, and is at 0 after each


def lower(model: nn.Module, input_shape: Several[int], *, dt: float | None = None, precision: str = "float32") -> Graph:
    """The network of a model in evaluation, as a `Graph` of populations and synapses.

    Batch norms are folded; linear layers between two spiking layers become one projection without the synapses whose
    weight is zero. One convolution or pool between them keeps its kernel instead (see `neurosim.graph.Convolution`).
    The source "input" has one channel per input number and no spikes yet (see `neurosim.sim.feed`): an event is one
    spike, so frames must be 0/1 (``clip = 1`` in a recipe). Every spiking layer is a population that goes by its name
    in the model. The last population is the output: it spikes, or its probed state is the output before any `Readout`
    (see `read_out`).

    Spikes equal those of the model bit for bit when weights and biases are multiples of a power of two whose sums fit
    the precision; else sums in another order may move a spike whose membrane is within rounding of the threshold.
    See `neurosim.testing.verify_equal`.

    Args:
        model: a `Sequential`, or one layer.
        input_shape: of one frame, without time and batch, such as (2, 34, 34).
        dt: time step [s]; that of the layers, which is the default.
        precision: "float32" or "float64".

    Raises:
        NotLowerableError: a layer has no event form; the message says which, why, and what to do.
        ShapeError: the layers do not fit the input shape.
        RangeError: layers with different time steps, or another ``dt``.

    Example:
        >>> from neurosim import nn, units
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.Spiking(units.LIF()), nn.Readout("count"))
        >>> [p.name for p in nn.lower(model, (4,)).populations]
        ['input', '1']
    """
    check_choice("lower.precision", precision, tuple(DTYPES))
    shape = _input_shape(input_shape)
    model = evaluation_form(model)
    _check_shapes(model, shape)
    source = SpikeSource(INPUT, math.prod(shape), np.empty(0, np.int64), np.empty(0, np.int32))
    parts = _Builder(_time_step(model, dt), precision, [source])
    parts.finish(parts.chain(model, "", Signal(shape, {INPUT: None})))
    return Graph(
        parts.dt, tuple(parts.populations), tuple(parts.projections), tuple(parts.stimuli), tuple(parts.probes),
        precision=precision,
    )  # fmt: skip


def evaluation_form(model: nn.Module) -> Sequential:
    """A copy of ``model`` in evaluation, with folded norms and with parametrised weights made ordinary ones."""
    copied = plain_weights(copy.deepcopy(model).eval())
    if not isinstance(copied, Sequential):
        copied = Sequential(OrderedDict({type(model).__name__: copied})).eval()
    try:
        return copied.fold_norms().eval()
    except UnsupportedError as error:
        raise NotLowerableError(f"lower: {error}") from None


def read_out(simulation: Simulation, mode: str | None = None) -> Tensor:
    """What a lowered model says.

    Args:
        simulation: of its graph, after a run.
        mode: of the model's `Readout`; None if it has none.

    Returns:
        (T, N): the output at every step; or (N,): reduced over time.
    """
    if mode is not None:
        check_choice("read_out.mode", mode, MODES)
    last = simulation.graph.populations[-1]
    for number, probe in enumerate(simulation.graph.probes):
        if isinstance(probe, StateProbe) and probe.population == last.name:
            y = torch.from_numpy(simulation.trace(number)[1])
            break
    else:
        y = torch.zeros(simulation.step, last.size, dtype=DTYPES[simulation.graph.precision])
        spikes = simulation.spikes(last.name)
        steps = np.round(spikes.times / simulation.graph.dt).astype(np.int64)
        y[torch.from_numpy(steps), torch.from_numpy(spikes.neurons).long()] = 1
    if mode is None:
        return y
    reduced: Tensor = Readout("mean" if mode == "membrane" else mode)(y.unsqueeze(1))[0].squeeze(0)
    return reduced


@dataclass(frozen=True)
class Signal:
    """What flows between layers: a weighted sum of spikes, and a bias.

    Args:
        shape: without time and batch.
        terms: population -> matrix (values, neurons) or filter its spikes go through; None: as they are.
        bias: (values,).
        state: the only population's state is meant, not its spikes.
        ended: a `Readout` has reduced time.
        ports: what goes to each port of the units that follow; the other fields are those of the first.
    """

    shape: Shape
    terms: dict[str, Map | None]
    bias: Tensor | None = None
    state: str = ""
    ended: bool = False
    ports: dict[str, Signal] | None = None

    @property
    def spikes(self) -> str:
        """The population whose spikes this is, or ""."""
        plain = len(self.terms) == 1 and None in self.terms.values() and self.bias is None and not self.state
        return next(iter(self.terms)) if plain else ""

    def through(self, layer: Map, bias: Tensor | None, shape: Shape) -> Signal:
        """What a linear layer makes of it."""
        terms = {n: layer if m is None else product(entries(layer), entries(m)) for n, m in self.terms.items()}
        return Signal(shape, {**terms}, _sum(None if self.bias is None else entries(layer) @ self.bias, bias))

    def plus(self, other: Signal) -> Signal:
        """The sum of two."""
        size, terms = math.prod(self.shape), dict(self.terms)
        for name, m in other.terms.items():
            both = [identity(size) if t is None else entries(t) for t in (terms[name], m)] if name in terms else []
            terms[name] = (both[0] + both[1]).coalesce() if both else m
        return Signal(self.shape, terms, _sum(self.bias, other.bias))

    def reshaped(self, shape: Shape) -> Signal:
        """The same numbers in another shape."""
        return Signal(shape, self.terms, self.bias, self.state, self.ended)


@dataclass
class _Builder:
    """The parts of the graph so far."""

    dt: float
    precision: str
    populations: list[Any]
    projections: list[Projection] = field(default_factory=list)
    stimuli: list[CurrentInput] = field(default_factory=list)
    probes: list[Any] = field(default_factory=list)

    def chain(self, layers: nn.Module, prefix: str, signal: Signal) -> Signal:
        """Lower layers one after the other."""
        for name, layer in layers.named_children():
            try:
                signal = self.layer(layer, f"{prefix}{name}", signal)
            except NeurosimError as error:
                if str(error).startswith("lower: "):
                    raise
                raise type(error)(f"lower: layer '{prefix}{name}' ({_kind(layer)}): {error}") from None
        return signal

    def layer(self, layer: nn.Module, name: str, signal: Signal) -> Signal:
        """Lower one layer."""
        inner = layer.module if isinstance(layer, PerStep) else layer
        if isinstance(inner, NOTHING):
            return signal
        if signal.ended:
            raise NotLowerableError("comes after the Readout, which ends a network. Apply it to what read_out gives.")
        if isinstance(inner, RESHAPES):
            dims = (math.prod(signal.shape),) if isinstance(inner, Flatten) else \
                tuple(inner(torch.empty(1, *signal.shape)).shape[1:])  # fmt: skip
            return signal.reshaped(dims)
        if isinstance(inner, Readout):
            return self.readout(inner, name, signal)
        if signal.state:
            raise NotLowerableError(
                f"takes the state {signal.state!r} of the layer before, but neurons send spikes to each other, not "
                "states. Let that layer give spikes (output='spikes'), or end the network with it."
            )
        if isinstance(inner, CascadeDendrites):
            if len(inner.dendrites):
                raise NotLowerableError(
                    f"has {len(inner.dendrites)} dendrites per unit, which are graded: they say a number in every "
                    "step, and the event engine sends spikes. Run the model as it is, or put the layer's `main` in its "
                    "place and train it on."
                )
            return self.layer(inner.main, f"{name}.main", signal)
        if isinstance(inner, (Sequential, nn.Sequential)):
            return self.chain(inner, f"{name}.", signal)
        if isinstance(inner, Residual):
            y = self.chain(inner.inner, f"{name}.inner.", signal)
            if y.state or y.ended:
                raise NotLowerableError(
                    "its inner layers end in a state. Let them give spikes or a linear layer's sum."
                )
            return signal.plus(y)
        if isinstance(inner, Ports):
            return self.ports(inner, name, signal)
        if isinstance(inner, AstroLayer):
            signal = _astrocytes(inner, signal)
        if isinstance(inner, UnitLayer):
            return self.units(inner, name, signal)
        if isinstance(inner, MAX_POOLS):
            return self.relay(inner, name, signal)
        if isinstance(inner, LINEAR):
            return signal.through(*linear(inner, signal.shape))
        if isinstance(inner, ActiveDendrites):
            raise NotLowerableError(
                "its gates depend on a context, which a graph does not have. Fold one first: "
                "lower(nn.fold_context(model, context), ...)."
            )
        if isinstance(inner, (KWinners, KWinners2d)):
            raise NotLowerableError(
                "compares all its inputs of a step, which no event announces. Put a spiking layer in its place, or run "
                "the model as it is."
            )
        raise NotLowerableError(
            "has no event form: between spiking layers there may be Linear, Conv2d, pools, batch norms, Flatten and "
            "Dropout only. Put a spiking layer in its place, or run the model as it is."
        )

    def units(self, layer: UnitLayer, name: str, signal: Signal) -> Signal:
        """A population of the layer's units, and what leads to it."""
        unit = layer.unit
        parts = signal.ports if signal.ports is not None else {unit.ports[0]: signal}
        size = math.prod(signal.shape)
        with torch.no_grad():
            c = layer.coefficients(signal.shape, DTYPES[self.precision]).double().numpy()
        rest = np.array(unit.initial(), np.float64).reshape(-1, 1)
        program = trace(unit, Arctan(), layer.output).text()  # learned values are in the coefficients
        self.populations.append(
            Population(name, size, repr(unit), program, unit.ports, unit.state, unit.coeffs, c, rest, float(layer.dt))
        )
        for port in unit.ports:
            self.join(name, port, parts[port])
        if isinstance(layer, Recurrent):
            w = layer.weight.detach()
            post, pre = w.nonzero().unbind(1)
            rule = Explicit(pre.numpy(), post.numpy())
            weight = w[post, pre].double().numpy()
            self.projections.append(Projection(f"{name} -> {name}", name, name, unit.ports[0], rule, weight, 1))
        elif isinstance(layer, AstroLayer):
            self.projections += feedback(layer, name)
        if layer.output == "spikes":
            self.probes.append(SpikeProbe(name))
            return Signal(signal.shape, {name: None})
        self.probes.append(StateProbe(name, layer.output, np.arange(size)))
        return Signal(signal.shape, {name: None}, state=layer.output)

    def join(self, target: str, port: str, signal: Signal) -> None:
        """Projections and a constant current that bring a signal to a population, in the step it is made."""
        for source, matrix in signal.terms.items():
            name = f"{source} -> {target}"
            name = f"{name} ({port})" if any(p.name == name for p in self.projections) else name
            if isinstance(matrix, Filter):
                self.projections.append(Projection(name, source, target, port, matrix.rule, matrix.kernel.numpy(), 0))
                continue
            m = identity(math.prod(signal.shape)) if matrix is None else matrix
            post, pre = m.indices().numpy()
            rule, weight = Explicit(pre, post), m.values().numpy()
            if self.precision == "float32":
                kept = weight.astype(np.float32) != 0  # too small for the precision: no synapse
                rule, weight = Explicit(pre[kept], post[kept]), weight[kept]
            self.projections.append(Projection(name, source, target, port, rule, weight, 0))
        if signal.bias is not None and bool(signal.bias.any()):
            self.stimuli.append(CurrentInput(target, port, signal.bias.numpy()))

    def ports(self, layer: Ports, name: str, signal: Signal) -> Signal:
        """Lower the layers of every port."""
        found = {port: self.chain(inner, f"{name}.{port}.", signal) for port, inner in layer.named_children()}
        for port, part in found.items():
            if part.state or part.ended:
                raise NotLowerableError(f"its port {port!r} is fed a state. Let it end in spikes or a linear layer.")
        return replace(next(iter(found.values())), ports=found)

    def relay(self, layer: nn.Module, name: str, signal: Signal) -> Signal:
        """A max pool of spikes: a neuron per window that spikes in every step in which any of its inputs does."""
        if not signal.spikes:
            raise NotLowerableError(
                "takes the largest of sums, which no event announces; of spikes it can be lowered. Move it behind the "
                "spiking layer, or use SumPool2d or AvgPool2d."
            )
        if isinstance(layer, (nn.MaxPool2d, nn.AdaptiveMaxPool2d)) and layer.return_indices:
            raise NotLowerableError("return_indices has no event form. Set it to False.")
        windows, shape = max_pool(layer, signal.shape)
        self.populations.append(Population.of(name, RELAY, math.prod(shape), self.dt))
        self.join(name, "x", signal.through(windows, None, shape))
        return Signal(shape, {name: None})

    def readout(self, layer: Readout, name: str, signal: Signal) -> Signal:
        """The integrator of mode "membrane"; what is left to do in any mode is `read_out`."""
        if layer.integrator is not None:
            if signal.state:
                raise NotLowerableError("integrates a state of the layer before, not spikes. Use mode 'mean'.")
            signal = self.units(layer.integrator, f"{name}.integrator", signal)
        return Signal(signal.shape, signal.terms, signal.bias, signal.state, ended=True)

    def finish(self, signal: Signal) -> None:
        """Make the last population the output."""
        if signal.state or signal.spikes not in ("", INPUT):
            if self.populations[-1].name not in signal.terms:
                raise NotLowerableError("lower: the output must be that of the last spiking layer.")
            if not signal.state and SpikeProbe(signal.spikes) not in self.probes:  # a max pool
                self.probes.append(SpikeProbe(signal.spikes))
            return
        taken = {p.name for p in self.populations}
        name = OUTPUT if OUTPUT not in taken else f"{OUTPUT} of the model"
        unit = LI(tau_mem=Decay(0.0), gain="one")  # forgets at once: its state is the input of the step
        size = math.prod(signal.shape)
        self.populations.append(Population.of(name, unit, size, self.dt))
        self.join(name, "x", signal)
        self.probes.append(StateProbe(name, "v", np.arange(size)))


def _input_shape(given: Several[int]) -> Shape:
    shape = tuple(given) if isinstance(given, (tuple, list, torch.Size)) else ()
    if not shape or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in shape):
        raise ShapeError(
            f"lower.input_shape: must be (2, 34, 34) or such, whole numbers without time and batch, got {given!r}."
        )
    return shape


def _check_shapes(model: Sequential, shape: Shape) -> None:
    """Raise `ShapeError` unless the model takes frames of this shape."""
    dtype = next((p.dtype for p in model.parameters()), torch.float32)
    try:
        with torch.no_grad():
            model(torch.zeros(2, 1, *shape, dtype=dtype))
    except NeurosimError as error:
        raise type(error)(f"lower: {error}") from None
    except (RuntimeError, ValueError) as error:  # of an ordinary torch module
        raise ShapeError(f"lower: the model does not take frames of shape {shape}: {error}") from None


def _time_step(model: Sequential, dt: float | None) -> float:
    found = {m.dt for m in model.modules() if isinstance(m, UnitLayer)}
    if dt is not None:
        check_seconds("lower.dt", dt)
    steps = sorted(found | ({dt} if dt is not None else set())) or [DEFAULT_DT]
    if len(steps) > 1:
        raise RangeError(f"lower.dt: the layers and dt must have one time step, got {steps} s. Build them with one dt.")
    return float(steps[0])


def _astrocytes(layer: AstroLayer, signal: Signal) -> Signal:
    """What goes to the neurons of a layer, and to their astrocytes."""
    weight, pre, shape = layer.weight.detach(), drives(layer, signal.spikes), (layer.n,)
    post, channel = weight.nonzero().unbind(1)
    matrix = sparse(post, channel, weight[post, channel], (layer.n, layer.in_features))
    currents = signal.through(matrix, layer.bias.detach().double(), shape)
    astro = Signal(shape, {}) if pre is None else signal.through(pre, None, shape)
    return replace(currents, ports={"x": currents, ASTRO: astro})


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


def _kind(layer: nn.Module) -> str:
    return type(layer.module if isinstance(layer, PerStep) else layer).__name__
