"""The layers of a recipe: one frozen dataclass per ``type``; input sizes are found, not written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import torch
from torch import nn

from neurosim import nn as snn
from neurosim import units
from neurosim.errors import RangeError, ShapeError, check_choice, check_positive, nearest
from neurosim.train.config import parse
from neurosim.train.weights import weighted

Shape = tuple[int, ...]  # of one sample at one time step, (C, H, W) or (N,)
Named = str | dict[str, Any]
PER = ("layer", "channel", "neuron")  # what one trained value of a unit's parameter is for


@dataclass(frozen=True)
class LayerSpec:
    """Base of the layers of a recipe. Every type also takes ``name``; by default its type and a number."""

    type: ClassVar[str]
    keeps_shape: ClassVar[bool] = False

    def build(self, shape: Shape, dt: float) -> nn.Module:
        """The layer for input of ``shape`` and time steps of ``dt`` [s]."""
        raise NotImplementedError


@dataclass(frozen=True)
class Conv2dSpec(LayerSpec):
    """Convolution.

    Args:
        channels: of the output.
        kernel: side of the kernel [px].
        stride: [px].
        padding: [px]; default kernel // 2.
        groups: of channels that are kept apart.
        bias: whether there is one.
        init_gain: weights start normal with this / sqrt(fan in) as deviation; default torch's.
        norm_threshold: divide each kernel by its squared norm (Cordone et al. 2021, arXiv:2104.12579).
    """

    type: ClassVar = "conv2d"
    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int | None = None
    groups: int = 1
    bias: bool = False
    init_gain: float | None = None
    norm_threshold: bool = False

    def __post_init__(self) -> None:
        for name in ("channels", "kernel", "stride", "groups"):
            check_positive(name, getattr(self, name))

    def build(self, shape: Shape, dt: float) -> nn.Module:
        """See the base."""
        padding = self.kernel // 2 if self.padding is None else self.padding
        inner = snn.Conv2d(
            _axes(self.type, shape, 3)[0], self.channels, self.kernel, self.stride, padding,
            groups=self.groups, bias=self.bias,
        )  # fmt: skip
        return weighted(inner, self.init_gain, self.norm_threshold)


@dataclass(frozen=True)
class LinearSpec(LayerSpec):
    """Full connection.

    Args:
        features: of the output; 0 takes the number of classes.
        bias: whether there is one.
        init_gain: weights start normal with this / sqrt(fan in) as deviation; default torch's.
        norm_threshold: divide each row of the weight by its squared norm.
    """

    type: ClassVar = "linear"
    features: int = 0
    bias: bool = True
    init_gain: float | None = None
    norm_threshold: bool = False

    def __post_init__(self) -> None:
        if self.features < 0:
            raise RangeError(f"features: must be >= 0, got {self.features}.")

    def build(self, shape: Shape, dt: float) -> nn.Module:
        """See the base."""
        inner = snn.Linear(_axes(self.type, shape, 1)[0], self.features, bias=self.bias)
        return weighted(inner, self.init_gain, self.norm_threshold)


@dataclass(frozen=True)
class NormSpec(LayerSpec):
    """Batch normalisation over time, batch and pixels; "batchnorm" fits images and vectors.

    Args:
        momentum: of the running statistics.
        weight: initial value of the trained factor.
    """

    type: ClassVar = "batchnorm"
    keeps_shape: ClassVar = True
    momentum: float = 0.1
    weight: float = 1.0

    def build(self, shape: Shape, dt: float) -> nn.Module:
        """See the base."""
        kind = snn.BatchNorm2d if len(shape) == 3 else snn.BatchNorm1d
        norm = kind(shape[0], momentum=self.momentum)
        nn.init.constant_(norm.weight, self.weight)
        return norm


@dataclass(frozen=True)
class PoolSpec(LayerSpec):
    """Pooling.

    Args:
        mode: "avg", "sum" (keeps spike counts), "max" (any spike), or "global" (mean over all pixels).
        kernel: side of the windows, which do not overlap [px].
    """

    type: ClassVar = "pool"
    mode: Literal["avg", "sum", "max", "global"] = "avg"
    kernel: int = 2

    def build(self, shape: Shape, dt: float) -> nn.Module:
        """See the base."""
        _axes(self.type, shape, 3)
        if self.mode == "global":
            return snn.AdaptiveAvgPool2d(1)
        kinds: dict[str, type[nn.Module]] = {"avg": snn.AvgPool2d, "sum": snn.SumPool2d, "max": snn.MaxPool2d}
        return kinds[self.mode](self.kernel)


@dataclass(frozen=True)
class DropoutSpec(LayerSpec):
    """Dropout with one mask for all time steps.

    Args:
        p: probability that an element is zeroed in training.
    """

    type: ClassVar = "dropout"
    keeps_shape: ClassVar = True
    p: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise RangeError(f"p: must be in 0..1 and below 1, got {self.p!r}.")

    def build(self, shape: Shape, dt: float) -> nn.Module:
        """See the base."""
        return snn.Dropout(self.p)


@dataclass(frozen=True)
class FlattenSpec(LayerSpec):
    """Join channels and pixels to one axis."""

    type: ClassVar = "flatten"

    def build(self, shape: Shape, dt: float) -> nn.Module:
        """See the base."""
        return snn.Flatten()


@dataclass(frozen=True)
class SpikingSpec(LayerSpec):
    """Units, one per element.

    Args:
        unit: name of a unit, or a table of it and its fields, ``{ name = "LIF", tau_mem = 20e-3 }``; a time constant
            may be a factor per step, ``{ per_step = 0.9 }``.
        surrogate: name of a surrogate slope, or a table of it and its fields.
        learn: parameters of the unit to train, each one per "layer", "channel" or "neuron": ``{ tau_mem = "layer" }``;
            a list of names means per layer.
        output: "spikes", or the name of a state that is given on instead; default the unit's own.
        detach_reset: let no gradient flow through the reset.
    """

    type: ClassVar = "spiking"
    keeps_shape: ClassVar = True
    unit: str | dict[str, Any] = "LIF"
    surrogate: str | dict[str, Any] = "Arctan"
    learn: dict[str, Any] | tuple[str, ...] = ()
    output: str | None = None
    detach_reset: bool = False

    def __post_init__(self) -> None:
        named("unit", self.unit, units.ALL)
        named("surrogate", self.surrogate, units.SURROGATES)
        for name, per in self.learned.items():
            check_choice(f"learn.{name}", per, PER)

    @property
    def learned(self) -> dict[str, str]:
        """What is trained, and one value per what."""
        return dict(self.learn) if isinstance(self.learn, Mapping) else dict.fromkeys(self.learn, "layer")

    def build(self, shape: Shape, dt: float) -> nn.Module:
        """See the base."""
        return snn.Spiking(**self.options(shape, dt), output=self.output)

    def options(self, shape: Shape, dt: float) -> dict[str, Any]:
        """Arguments that `Spiking` and `Recurrent` share."""
        sizes = {"layer": (), "channel": (shape[0], *[1] * (len(shape) - 1)), "neuron": shape}
        return {
            "unit": named("unit", self.unit, units.ALL),
            "surrogate": named("surrogate", self.surrogate, units.SURROGATES),
            "learn": {name: sizes[per] for name, per in self.learned.items()}, "dt": dt,
            "detach_reset": self.detach_reset,
        }  # fmt: skip


@dataclass(frozen=True)
class RecurrentSpec(SpikingSpec):
    """Units with a recurrent weight; the input must be flat. Takes what "spiking" takes, except ``output``.

    Args:
        init: of the recurrent weight, "orthogonal" or "uniform".
        scale: size of the initial weight.
    """

    type: ClassVar = "recurrent"
    init: Literal["orthogonal", "uniform"] = "orthogonal"
    scale: float = 0.2

    def build(self, shape: Shape, dt: float) -> nn.Module:
        """See the base."""
        if self.output is not None:
            raise RangeError("output: a recurrent layer gives spikes.")
        (n,) = _axes(self.type, shape, 1)
        return snn.Recurrent(n=n, init=self.init, scale=self.scale, **self.options(shape, dt))


@dataclass(frozen=True)
class ReadoutSpec(LayerSpec):
    """Reduce time; the last layer.

    Args:
        mode: "mean", "last", "max", "count", or "membrane" (mean of a leaky integrator over time).
        unit: the integrator of "membrane", a name or a table.
    """

    type: ClassVar = "readout"
    keeps_shape: ClassVar = True
    mode: Literal["mean", "last", "max", "count", "membrane"] = "mean"
    unit: str | dict[str, Any] = "LI"

    def __post_init__(self) -> None:
        named("unit", self.unit, units.ALL)

    def build(self, shape: Shape, dt: float) -> nn.Module:
        """See the base."""
        return snn.Readout(self.mode, named("unit", self.unit, units.ALL), dt)


@dataclass(frozen=True)
class ResidualSpec(LayerSpec):
    """x plus what inner layers make of it.

    Args:
        layers: the inner layers; they must keep the shape.
    """

    type: ClassVar = "residual"
    keeps_shape: ClassVar = True
    layers: tuple[dict[str, Any], ...]

    def __post_init__(self) -> None:
        parse_layers(self.layers)

    def build(self, shape: Shape, dt: float) -> nn.Module:
        """See the base."""
        named_layers, after = build_layers(parse_layers(self.layers), shape, dt)
        if after != shape:
            raise ShapeError(f"residual: the inner layers must keep the shape {shape}, got {after}.")
        residual = snn.Residual()
        for name, layer in named_layers:
            residual.inner.add_module(name, layer)
        return residual


ALL: tuple[type[LayerSpec], ...] = (
    Conv2dSpec, LinearSpec, NormSpec, PoolSpec, DropoutSpec, FlattenSpec, SpikingSpec, RecurrentSpec, ReadoutSpec,
    ResidualSpec,
)  # fmt: skip


def parse_layers(tables: Sequence[Mapping[str, Any]]) -> list[tuple[str, LayerSpec]]:
    """Names and layers from the tables of a recipe.

    Raises:
        RangeError: an unknown type or key (with the nearest match), a wrong type, a value out of range, a name twice.
    """
    kinds = {kind.type: kind for kind in ALL}
    layers: dict[str, LayerSpec] = {}
    for i, table in enumerate(tables):
        where = f"layers[{i}]"
        if not isinstance(table, Mapping) or "type" not in table:
            raise RangeError(f"{where}: must be a table with a type, one of {', '.join(kinds)}; got {table!r}.")
        kind = table["type"]
        check_choice(f"{where}.type", kind, tuple(kinds))
        number = 1 + sum(spec.type == kind for spec in layers.values())
        name = table.get("name", f"{kind}{number}")
        if not isinstance(name, str) or not name or "." in name or name in layers:
            raise RangeError(f"{where}.name: must be unique text without dots, got {name!r}.")
        layers[name] = parse(kinds[kind], {k: v for k, v in table.items() if k not in ("type", "name")}, where)
    if not layers:
        raise RangeError("layers: must have at least one layer, got none.")
    if early := [n for n, s in list(layers.items())[:-1] if isinstance(s, ReadoutSpec)]:
        raise RangeError(f"layers: the readout {early[0]!r} must be the last layer.")
    return list(layers.items())


def build_layers(
    specs: Sequence[tuple[str, LayerSpec]], shape: Shape, dt: float
) -> tuple[list[tuple[str, nn.Module]], Shape]:
    """Modules by name, and the shape of their output per sample and time step."""
    built: list[tuple[str, nn.Module]] = []
    for name, spec in specs:
        try:
            layer = spec.build(shape, dt)
            shape = shape if spec.keeps_shape else _after(layer, shape)
        except (RangeError, ShapeError) as error:
            raise type(error)(f"layer {name!r}: {error}") from None
        except RuntimeError as error:
            raise ShapeError(f"layer {name!r}: input of shape {shape} does not fit {spec}: {error}") from None
        built.append((name, layer))
    return built, shape


def named(where: str, value: Named, kinds: Sequence[type[Any]]) -> Any:
    """An object of one of ``kinds`` from its name, or a table of its name and fields."""
    table: dict[str, Any] = {"name": value} if isinstance(value, str) else dict(value)
    by_name = {kind.__name__: kind for kind in kinds}
    name = table.pop("name", None)
    check_choice(f"{where}.name", name, tuple(by_name))
    kind = by_name[str(name)]
    known = [f.name for f in fields(kind)]
    for key, given in table.items():
        if key not in known:
            raise RangeError(f"{where}: {name} has no {key!r}.{nearest(key, known)} It has {', '.join(known)}.")
        if isinstance(given, Mapping):
            if list(given) != ["per_step"]:
                raise RangeError(f"{where}.{key}: must be a number or {{ per_step = number }}, got {given!r}.")
            table[key] = units.Decay(given["per_step"])
    return kind(**table)


def _axes(kind: str, shape: Shape, dims: int) -> Shape:
    if len(shape) != dims:
        wanted = "images (C, H, W)" if dims == 3 else "a flat input (N,); put a flatten layer before it"
        raise ShapeError(f"{kind}: needs {wanted}, got {shape}.")
    return shape


def _after(layer: nn.Module, shape: Shape) -> Shape:
    training = layer.training
    with torch.no_grad():
        y, _ = layer.eval()(torch.zeros(1, 1, *shape))
    layer.train(training)
    return tuple(y.shape[2:])
