"""What a network costs: parameters, bytes, sparsity and operations, in the definitions of NeuroBench.

Source: Yik et al. 2025, "The NeuroBench framework for benchmarking neuromorphic computing algorithms and systems",
Nature Communications 16:1545, doi:10.1038/s41467-025-56739-4, and the metrics of neurobench 2.3. Deviations:
whether a layer accumulates (AC) or multiplies (MAC) is decided per layer and forward pass, where NeuroBench, which
runs a network one time step at a time, decides it anew in each step; recurrent weights count, like those of an RNN
cell; nothing is rounded.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from neurosim.analysis.health import dead_fraction
from neurosim.analysis.record import SPIKES, bound, layer_name, unroll
from neurosim.errors import NeurosimWarning, RangeError, ShapeError
from neurosim.nn import Recurrent, State
from neurosim.nn.spiking import UnitLayer

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
CONNECTIONS = (nn.Linear, *CONVOLUTIONS, Recurrent)
ACTIVATIONS = (nn.ReLU, nn.Sigmoid)
NO_PRODUCTS = (*CONNECTIONS, UnitLayer, nn.Embedding)  # counted, or a table whose rows are only looked up


def measure(model: nn.Module, x: Any) -> dict[str, Any]:
    """Cost of ``model`` on one batch ``x`` (T, B, ...), in evaluation and without gradients; see `Counter.result`.

    Example:
        >>> from neurosim import nn, units
        >>> model = nn.Sequential(nn.Linear(3, 4), nn.Spiking(units.LIF()))
        >>> measure(model, torch.ones(10, 2, 3))["effective_acs_per_sample"]
        120.0
    """
    training = [module for module in model.modules() if module.training]
    try:
        model.eval()
        with Counter(model) as counter, torch.no_grad():
            model(x)
    finally:
        for module in training:
            module.training = True
    return counter.result()


class Counter:
    """A context that counts what the forward passes of ``model`` inside it do, over as many batches as are run.

    An operation counts when both the input value and the weight are not zero. Where the whole input of a layer is in
    {-1, 0, 1} it is an accumulation (AC), otherwise a multiply-accumulate (MAC). Counted are linear layers,
    convolutions (what falls on zero padding is no operation) and recurrent weights, ours and torch's; biases, norms and
    pooling are not. A call that goes on from a state adds operations but no samples: chunks cost what the whole does.

    Args:
        model: takes ``x (T, B, ...)``, time first.

    Warns:
        NeurosimWarning: layers with weight matrices whose operations are not counted.

    Example:
        >>> from neurosim import nn, units
        >>> model = nn.Sequential(nn.Linear(3, 4), nn.Spiking(units.LIF()))
        >>> with Counter(model) as counter:
        ...     for batch in (torch.ones(10, 2, 3), torch.zeros(10, 2, 3)):
        ...         _ = model(batch)
        >>> counter.result()["samples"], counter.result()["synops_per_sample"]
        (4, 60.0)
    """

    def __init__(self, model: nn.Module) -> None:
        if not isinstance(model, nn.Module):
            raise RangeError(f"Counter.model: must be a torch module, got {type(model).__name__}.")
        self.model = model
        self.samples = 0
        self.operations = {"acs": 0, "macs": 0, "dense": 0, "membrane": 0}
        self._handles: list[Any] = []
        self._zeros: defaultdict[str, int] = defaultdict(int)  # activations by layer
        self._values: defaultdict[str, int] = defaultdict(int)
        self._spikes: dict[str, Tensor] = {}  # spikes of each neuron, (...) float64
        self._steps: defaultdict[str, int] = defaultdict(int)  # T * B by layer

    def __enter__(self) -> Self:
        modules = {layer_name(self.model, name): module for name, module in self.model.named_modules()}
        if left_out := [f"{name!r} ({type(m).__name__})" for name, m in modules.items() if _left_out(m)]:
            warnings.warn(
                f"Counter: operations of {', '.join(left_out)} are not counted, only those of linear, convolution and "
                "recurrent layers.",
                NeurosimWarning,
                stacklevel=2,
            )
        self._hook(self.model, self._on_model)
        for name, module in modules.items():
            if isinstance(module, (nn.Linear, *CONVOLUTIONS)):
                self._hook(module, self._on_connection)
            elif isinstance(module, UnitLayer):
                self._hook(module, self._on_units, name)
            elif isinstance(module, ACTIVATIONS):
                self._hook(module, self._on_activation, name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _hook(self, module: nn.Module, function: Callable[..., None], *extra: str) -> None:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            with torch.no_grad():
                function(module, bound(args, kwargs), output, *extra)

        self._handles.append(module.register_forward_hook(hook, with_kwargs=True))

    def _on_model(self, module: nn.Module, inputs: tuple[Any, State], output: Any) -> None:
        x, state = inputs
        x = x[0] if isinstance(x, tuple) else x
        if not isinstance(x, Tensor) or x.dim() < 2:
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ShapeError(f"Counter: x must be a tensor (T, B, ...), time first, got {got}.")
        self.samples += int(x.shape[1]) if state is None else 0

    def _on_connection(self, module: Any, inputs: tuple[Any, State], output: Any) -> None:
        effective, dense = _linear(inputs[0], module) if isinstance(module, nn.Linear) else _conv(inputs[0], module)
        self._add(effective, dense, inputs[0])

    def _on_units(self, layer: UnitLayer, inputs: tuple[Any, State], output: Any, name: str) -> None:
        x, state = inputs
        y: Tensor = output[0]
        if isinstance(layer, Recurrent):
            first = torch.zeros_like(y[:1]) if state is None else state["z"].unsqueeze(0)
            before = torch.cat([first, y[:-1]])
            self._add(*_linear(before, layer), before)
        self.operations["membrane"] += _membrane_updates(layer, x, state, y)
        if layer.output == SPIKES:
            self._on_activation(layer, inputs, y, name)
            spikes = y.flatten(0, 1).sum(0, dtype=torch.float64).cpu()
            kept = self._spikes.setdefault(name, torch.zeros_like(spikes))
            if kept.shape != spikes.shape:
                raise ShapeError(
                    f"Counter: layer {name!r} has neurons {tuple(spikes.shape)}, but {tuple(kept.shape)} in the batch "
                    "before. Use one Counter for each size of input."
                )
            kept += spikes
            self._steps[name] += y.shape[0] * y.shape[1]

    def _on_activation(self, module: nn.Module, inputs: tuple[Any, State], y: Tensor, name: str) -> None:
        self._zeros[name] += y.numel() - int(torch.count_nonzero(y))
        self._values[name] += y.numel()

    def _add(self, effective: int, dense: int, x: Tensor) -> None:
        spikes = bool(((x == 0) | (x.abs() == 1)).all())
        self.operations["acs" if spikes else "macs"] += effective
        self.operations["dense"] += dense

    def rates(self) -> dict[str, Tensor]:
        """Rate of each neuron (...) by spiking layer: spikes per step, mean over steps and samples, float64."""
        return {name: spikes / self._steps[name] for name, spikes in self._spikes.items()}

    def result(self) -> dict[str, Any]:
        """What was counted so far, ready for JSON.

        Returns:
            dict: with these keys, whatever the model

            - parameters: number of parameters (ParameterCount)
            - bytes: parameters and buffers as they lie in memory (Footprint)
            - connection_sparsity: share of weights that are zero (ConnectionSparsity)
            - synops_per_sample: effective operations, ACs and MACs (SynapticOperations, as the two below)
            - effective_acs_per_sample, effective_macs_per_sample
            - dense_ops_per_sample: operations if no input and no weight were zero
            - spike_rate: mean spikes per neuron and step, by layer
            - dead_fraction: share of neurons that never fired, by layer
            - activation_sparsity: share of outputs that are zero, by layer (ActivationSparsityByLayer)
            - activation_sparsity_total: the same over all layers (ActivationSparsity)
            - membrane_updates_per_sample: neurons times the steps in which v changed; the first step from rest changes
              all, and so does every step of a unit without v (MembraneUpdates)
            - samples

        Raises:
            RangeError: no forward pass has been counted.
        """
        if not self.samples:
            raise RangeError("Counter.result: no sample was counted; run the model inside the context, from rest.")
        each = {name: n / self.samples for name, n in self.operations.items()}
        rates = self.rates()
        return {
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "bytes": sum(t.numel() * t.element_size() for t in (*self.model.parameters(), *self.model.buffers())),
            "connection_sparsity": connection_sparsity(self.model),
            "synops_per_sample": each["acs"] + each["macs"],
            "effective_acs_per_sample": each["acs"],
            "effective_macs_per_sample": each["macs"],
            "dense_ops_per_sample": each["dense"],
            "spike_rate": {name: float(rate.mean()) for name, rate in rates.items()},
            "dead_fraction": dead_fraction(rates),
            "activation_sparsity": {name: zeros / self._values[name] for name, zeros in self._zeros.items()},
            "activation_sparsity_total": sum(self._zeros.values()) / max(1, sum(self._values.values())),
            "membrane_updates_per_sample": each["membrane"],
            "samples": self.samples,
        }


def connection_sparsity(model: nn.Module) -> float:
    """Share of zeros among the weights of linear, convolution and recurrent layers; 0 when there are none."""
    weights: list[Any] = [m.weight for m in model.modules() if isinstance(m, CONNECTIONS)]
    zeros = sum(w.numel() - int(torch.count_nonzero(w)) for w in weights)
    return float(zeros / max(1, sum(w.numel() for w in weights)))


def as_neurobench(result: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of `measure` under the names that NeuroBench saves them."""
    return {
        "Footprint": result["bytes"],
        "ParameterCount": result["parameters"],
        "ConnectionSparsity": result["connection_sparsity"],
        "ActivationSparsity": result["activation_sparsity_total"],
        "ActivationSparsityByLayer": dict(result["activation_sparsity"]),
        "SynapticOperations": {
            "Effective_MACs": result["effective_macs_per_sample"],
            "Effective_ACs": result["effective_acs_per_sample"],
            "Dense": result["dense_ops_per_sample"],
        },
        "MembraneUpdates": result["membrane_updates_per_sample"],
    }


def _left_out(module: nn.Module) -> bool:
    """Whether the module has weight matrices of its own that nobody counts."""
    return not isinstance(module, NO_PRODUCTS) and any(p.dim() > 1 for p in module.parameters(recurse=False))


def _linear(x: Tensor, layer: Any) -> tuple[int, int]:
    """Effective and dense operations of a weight (out, in) on x (..., in)."""
    weight = layer.weight
    active = torch.count_nonzero(x.reshape(-1, weight.shape[1]), dim=0)
    fan_out = torch.count_nonzero(weight, dim=0)
    return int((active * fan_out).sum()), x.numel() * int(weight.shape[0])


def _conv(x: Tensor, layer: Any) -> tuple[int, int]:
    """Effective and dense operations of a convolution on x (..., C, *image).

    The count is a convolution of the mask of the input with the mask of the weight, summed over everything. It is
    linear in both, so images and the output channels of a group are summed first: one small convolution in float64.
    """
    images = x.reshape(-1, *x.shape[1 - layer.weight.dim() :])
    masks = [(torch.count_nonzero(images, dim=0), layer.weight != 0)]
    masks += [(torch.full_like(masks[0][0], len(images)), torch.ones_like(masks[0][1]))]
    totals = []
    for counts, weight in masks:
        fan_out = weight.double().unflatten(0, (layer.groups, -1)).sum(1)
        totals.append(int(layer._conv_forward(counts.double().unsqueeze(0), fan_out, None).sum().round()))
    return totals[0], totals[1]


def _membrane_updates(layer: UnitLayer, x: Any, state: State, y: Tensor) -> int:
    if "v" not in layer.unit.state:
        return y.numel()
    changed = 0
    for after in unroll(layer, x, state):
        changed += after["v"].numel() if state is None else int((after["v"] != state["v"]).sum())
        state = after
    return changed
