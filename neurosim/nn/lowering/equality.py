"""`verify_equal`: a model and its event-driven form, spike for spike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurosim.errors import RangeError, ShapeError
from neurosim.graph import SpikeProbe
from neurosim.nn.domains import AstroLayer
from neurosim.nn.lowering.lower import INPUT, evaluation_form, lower, read_out
from neurosim.nn.readout import Readout
from neurosim.nn.recurrent import Recurrent
from neurosim.nn.spiking import UnitLayer
from neurosim.sim import Simulation, feed


@dataclass(frozen=True)
class Difference:
    """The first spike that only one of the two has.

    Args:
        sample: of the batch.
        step: at which it is.
        layer: name of the first layer, in the order of the model, that differs in this step.
        neuron: its index among the flattened neurons of the layer.
        distance: |u| of the model there, distance of the membrane from the threshold; rounding explains a small one.
        dense: whether the model spikes (then the event form does not).
    """

    sample: int
    step: int
    layer: str
    neuron: int
    distance: float
    dense: bool

    def __str__(self) -> str:
        who = ("the event form", "the model")[self.dense]
        return (
            f"sample {self.sample}, step {self.step}: neuron {self.neuron} of layer {self.layer!r} spikes only in "
            f"{who}, {self.distance:.3g} from the threshold"
        )


@dataclass(frozen=True)
class Equality:
    """What `verify_equal` found.

    Args:
        samples: compared.
        spikes: of the model's spiking layers in all samples.
        differences: the first of each sample that differs.
        output_error: largest absolute difference of the output, in samples whose spikes are equal.
    """

    samples: int
    spikes: int
    differences: tuple[Difference, ...]
    output_error: float

    @property
    def equal(self) -> bool:
        """Whether all spikes and outputs are equal, bit for bit."""
        return not self.differences and self.output_error == 0

    def __str__(self) -> str:
        first = f"; first: {self.differences[0]}" if self.differences else ""
        return (
            f"{self.samples - len(self.differences)} of {self.samples} samples have equal spikes ({self.spikes:,} in "
            f"all), their output is off by at most {self.output_error:.2g}{first}"
        )


def verify_equal(model: nn.Module, x: Tensor) -> Equality:
    """Run a model and its event-driven form (see `neurosim.nn.lower`) and compare every spike and the output.

    Args:
        model: to check; its form in evaluation with folded norms is run.
        x: frames (T, B, ...) of 0 and 1.

    Returns:
        What differs; ``equal`` is True where weights lie on a power-of-two grid.

    Raises:
        NotLowerableError: a layer has no event form.
        RangeError: x holds other numbers than 0 and 1.

    Example:
        >>> import torch
        >>> from neurosim import nn, units
        >>> from neurosim.testing import verify_equal
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Linear(8, 4), nn.Spiking(units.LIF()), nn.Readout("count"))
        >>> verify_equal(model, (torch.rand(20, 3, 8) < 0.5).float()).differences
        ()
    """
    if not isinstance(x, Tensor) or x.dim() < 3 or x.dtype not in (torch.float32, torch.float64):
        raise ShapeError("verify_equal: x must be a tensor (T, B, ...) of float32 or float64.")
    if not bool(((x == 0) | (x == 1)).all()):
        raise RangeError("verify_equal: x must hold 0 and 1 only, as an event is one spike; clip the counts to 1.")
    dense = evaluation_form(model)
    graph = lower(dense, x.shape[2:], precision=str(x.dtype).removeprefix("torch."))
    calls, want = _run_dense(dense, x)
    mode = next((m.mode for m in dense.modules() if isinstance(m, Readout)), None)
    order = [p.population for p in graph.probes if isinstance(p, SpikeProbe) and p.population in calls]
    simulation, differences, error = Simulation(graph, threads=1), [], 0.0
    for sample in range(x.shape[1]):
        steps, neurons = x[:, sample].flatten(1).nonzero().numpy().T
        feed(simulation, {INPUT: (steps, neurons)}).run(x.shape[0] * graph.dt)
        found = _first_difference(simulation, calls, order, sample)
        if found is None:
            y = want[sample].flatten() if mode else want[:, sample].flatten(1)
            error = max(error, float((read_out(simulation, mode) - y).abs().max()))
        else:
            differences.append(found)
    spikes = sum(int(calls[name].y.sum()) for name in order)
    return Equality(x.shape[1], spikes, tuple(differences), error)


@dataclass(frozen=True)
class _Call:
    """One run of a spiking layer: input of each port and output (T, B, ...)."""

    layer: UnitLayer
    x: tuple[Tensor, ...]
    y: Tensor


def _run_dense(model: nn.Module, x: Tensor) -> tuple[dict[str, _Call], Tensor]:
    """What every spiking layer was given and made of it, by name, and the output."""
    calls: dict[str, _Call] = {}

    def keep(name: str) -> Any:
        def hook(layer: UnitLayer, given: tuple[Any, ...], output: Any) -> None:
            calls[name] = _Call(layer, layer.inputs(given[0]), output[0])

        return hook

    spiking = {n: m for n, m in model.named_modules() if isinstance(m, UnitLayer) and m.output == "spikes"}
    handles = [m.register_forward_hook(keep(n)) for n, m in spiking.items()]
    try:
        with torch.no_grad():
            y, _ = model(x)
    finally:
        for handle in handles:
            handle.remove()
    return calls, y


def _first_difference(
    simulation: Simulation, calls: dict[str, _Call], order: list[str], sample: int
) -> Difference | None:
    found = [(*_places(simulation, name, calls[name].y[:, sample].flatten(1)), k) for k, name in enumerate(order)]
    differ = [(step, k, neuron) for codes, size, k in found for step, neuron in _first(codes, size)]
    if not differ:
        return None
    step, k, neuron = min(differ)
    call = calls[order[k]]
    spikes = bool(call.y[step, sample].flatten()[neuron] > 0)
    return Difference(sample, step, order[k], neuron, abs(_distance(call, sample, step, neuron)), spikes)


def _places(simulation: Simulation, name: str, dense: Tensor) -> tuple[NDArray[np.int64], int]:
    """Where only one of the two spikes, as step * size + neuron."""
    size = dense.shape[1]
    events = simulation.spikes(name)
    ours = np.round(events.times / simulation.graph.dt).astype(np.int64) * size + events.neurons
    return np.setxor1d(dense.flatten().nonzero().flatten().numpy(), ours), size


def _first(codes: NDArray[np.int64], size: int) -> Iterator[tuple[int, int]]:
    if len(codes):
        yield int(codes[0]) // size, int(codes[0]) % size


def _distance(call: _Call, sample: int, step: int, neuron: int) -> float:
    """u of one neuron of the model at a step: how far above the threshold it was."""
    layer, unit = call.layer, call.layer.unit
    ports = tuple(port[: step + 1, sample : sample + 1] for port in call.x)
    x = ports[0]
    shape = (layer.n,) if isinstance(layer, AstroLayer) else x.shape[2:]
    names = (*unit.state, "z")[: len(unit.state) + isinstance(layer, (AstroLayer, Recurrent))]
    with torch.no_grad():
        before = tuple(port[:step] for port in ports)
        state = layer(before if len(ports) > 1 else before[0])[1] if step else None
        rows = layer.start(state, names, x.new_empty(1, 1, *shape))
        if isinstance(layer, AstroLayer):
            given = tuple(port[0, neuron] for port in layer.ports_at(x[step], rows[-1]))
        else:
            given = tuple(port[step].flatten()[neuron] for port in ports)
        if isinstance(layer, Recurrent):
            given = (given[0] + layer.weight[neuron] @ rows[-1].flatten(),)
        c = layer.coefficients(shape, x.dtype)
        c = c[:, neuron % math.prod(shape)] if c.shape[1] > 1 else c[:, 0]
        s = rows[: len(unit.state)].flatten(1)[:, neuron]
        return float(unit.step(tuple(s), given, tuple(c))[1])
