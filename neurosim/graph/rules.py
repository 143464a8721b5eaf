"""Which neurons are connected (rules), and how weights and delays are drawn (distributions)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError
from neurosim.graph.base import LARGEST, Part, number, switch, whole, wholes

Draw = tuple[str, float, float, float, float]  # kind, a, b, low, high: the fields of neurosim.kernels.connect.Draw


class Distribution:
    """Base of the distributions of weights, and of delays in seconds. Values outside low..high are clipped to it."""

    kind: ClassVar[str] = ""
    low: float
    high: float

    def _scaled(self, factor: float) -> tuple[float, float]:
        """The two numbers of the law of ``factor`` times this variable."""
        raise NotImplementedError

    def draw(self) -> Draw:
        """What the kernels draw from."""
        return (self.kind, *self._scaled(1.0), self.low, self.high)

    def draw_steps(self, dt: float) -> Draw:
        """What the kernels draw delays from: in steps of ``dt`` [s]; its bounds, which must be finite, become whole."""
        return (self.kind, *self._scaled(1 / dt), float(round(self.low / dt)), float(round(self.high / dt)))

    def _bounds(self) -> None:
        name = type(self).__name__
        for bound in ("low", "high"):
            value = getattr(self, bound)
            infinite = isinstance(value, float) and math.isinf(value) and (value < 0) == (bound == "low")
            object.__setattr__(self, bound, float(value) if infinite else number(f"{name}.{bound}", value))
        if self.low > self.high:
            raise RangeError(f"{name}: low must be <= high, got {self.low!r} and {self.high!r}.")


@dataclass(frozen=True)
class _Bell(Distribution):
    mean: float
    sd: float
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        name = type(self).__name__
        object.__setattr__(self, "mean", number(f"{name}.mean", self.mean))
        object.__setattr__(self, "sd", number(f"{name}.sd", self.sd, low=0))
        self._bounds()


@dataclass(frozen=True)
class Normal(_Bell):
    """Normal with ``mean`` and ``sd``, clipped to ``low..high``."""

    kind: ClassVar = "normal"

    def _scaled(self, factor: float) -> tuple[float, float]:
        return self.mean * factor, self.sd * factor


@dataclass(frozen=True)
class LogNormal(_Bell):
    """exp of a normal with ``mean`` and ``sd`` (those of the logarithm), clipped to ``low..high``."""

    kind: ClassVar = "lognormal"

    def _scaled(self, factor: float) -> tuple[float, float]:
        return self.mean + math.log(factor), self.sd


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform between ``low`` and ``high``."""

    low: float
    high: float
    kind: ClassVar = "uniform"

    def __post_init__(self) -> None:
        number("Uniform.low", self.low), number("Uniform.high", self.high)  # infinite bounds clip, but span no range
        self._bounds()

    def _scaled(self, factor: float) -> tuple[float, float]:
        return self.low * factor, self.high * factor


class Rule:
    """Base of the connection rules. ``same``: source and target are one population."""

    kind: ClassVar[str] = ""

    def check(self, where: str, sources: int, targets: int, same: bool) -> None:
        """Raise `NeurosimError` if populations of these sizes cannot be connected so."""
        raise NotImplementedError

    def expected(self, sources: int, targets: int, same: bool) -> float:
        """Expected number of synapses."""
        raise NotImplementedError


class Drawn(Rule):
    """Base of the rules that a kernel carries out by name."""

    autapses: bool = True

    def numbers(self, same: bool) -> dict[str, float | int | bool]:
        """What the kernel needs beside its name ``kind``."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        return {"autapses": True, "multapses": False, **given, "same": same}

    def check(self, where: str, sources: int, targets: int, same: bool) -> None:
        """Nothing can be wrong unless a rule says so."""

    def expected(self, sources: int, targets: int, same: bool) -> float:
        return self.pairs(sources, targets, same)

    def pairs(self, sources: int, targets: int, same: bool) -> int:
        """Pairs that may be connected."""
        return sources * targets - (sources if same and not self.autapses else 0)


@dataclass(frozen=True)
class AllToAll(Drawn):
    """Every source to every target; ``autapses``: also a neuron to itself."""

    autapses: bool = True
    kind: ClassVar = "all_to_all"

    def __post_init__(self) -> None:
        object.__setattr__(self, "autapses", switch("AllToAll.autapses", self.autapses))


@dataclass(frozen=True)
class OneToOne(Drawn):
    """Source i to target i; the populations have one size."""

    kind: ClassVar = "one_to_one"

    def check(self, where: str, sources: int, targets: int, same: bool) -> None:
        if sources != targets:
            raise ShapeError(
                f"{where}: OneToOne needs populations of one size, got {sources} sources, {targets} targets."
            )

    def expected(self, sources: int, targets: int, same: bool) -> float:
        return sources


@dataclass(frozen=True)
class Bernoulli(Drawn):
    """Each pair with probability ``p``."""

    p: float
    autapses: bool = True
    kind: ClassVar = "bernoulli"

    def __post_init__(self) -> None:
        p = number("Bernoulli.p", self.p)
        if not 0 <= p <= 1:
            raise RangeError(f"Bernoulli.p: must be in 0..1, got {p!r}.")
        object.__setattr__(self, "p", p)
        object.__setattr__(self, "autapses", switch("Bernoulli.autapses", self.autapses))

    def expected(self, sources: int, targets: int, same: bool) -> float:
        return self.p * self.pairs(sources, targets, same)


@dataclass(frozen=True)
class _Fixed(Drawn):
    n: int
    autapses: bool = True
    multapses: bool = True
    largest: ClassVar[int] = LARGEST

    def __post_init__(self) -> None:
        name = type(self).__name__
        object.__setattr__(self, "n", whole(f"{name}.n", self.n, high=self.largest))
        object.__setattr__(self, "autapses", switch(f"{name}.autapses", self.autapses))
        object.__setattr__(self, "multapses", switch(f"{name}.multapses", self.multapses))

    def choices(self, sources: int, targets: int, same: bool) -> int:
        """Among how many each of the ``n`` is drawn."""
        raise NotImplementedError

    def check(self, where: str, sources: int, targets: int, same: bool) -> None:
        if not self.expected(sources, targets, same):
            return
        choices = self.choices(sources, targets, same)
        needed = 1 if self.multapses else self.n
        if choices < needed:
            hint = "" if self.multapses else " Allow multapses, or take a smaller n."
            raise RangeError(
                f"{where}: {self!r} draws from {needed} or more, but {sources} sources and {targets} targets "
                f"leave {choices}.{hint}"
            )


@dataclass(frozen=True)
class FixedInDegree(_Fixed):
    """``n`` sources drawn for each target; ``multapses``: one may be drawn twice."""

    kind: ClassVar = "fixed_in_degree"

    def choices(self, sources: int, targets: int, same: bool) -> int:
        return sources - (same and not self.autapses)

    def expected(self, sources: int, targets: int, same: bool) -> float:
        return self.n * targets


@dataclass(frozen=True)
class FixedOutDegree(_Fixed):
    """``n`` targets drawn for each source; ``multapses``: one may be drawn twice."""

    kind: ClassVar = "fixed_out_degree"

    def choices(self, sources: int, targets: int, same: bool) -> int:
        return targets - (same and not self.autapses)

    def expected(self, sources: int, targets: int, same: bool) -> float:
        return self.n * sources


@dataclass(frozen=True)
class FixedTotal(_Fixed):
    """``n`` pairs drawn in all; ``multapses``: one may be drawn twice."""

    kind: ClassVar = "fixed_total"
    largest: ClassVar = 2**53

    def choices(self, sources: int, targets: int, same: bool) -> int:
        return self.pairs(sources, targets, same)

    def expected(self, sources: int, targets: int, same: bool) -> float:
        return self.n


@dataclass(frozen=True, eq=False)
class Explicit(Part, Rule):
    """Synapse k leads from ``pre[k]`` to ``post[k]``, indices into the source and the target population."""

    pre: NDArray[Any] = field(repr=False)
    post: NDArray[Any] = field(repr=False)
    kind: ClassVar = "explicit"

    def __post_init__(self) -> None:
        self.store(pre=wholes("Explicit.pre", self.pre), post=wholes("Explicit.post", self.post))
        if len(self.pre) != len(self.post):
            raise ShapeError(
                f"Explicit: pre and post must have one length, got {len(self.pre)} and {len(self.post)} entries."
            )

    def __len__(self) -> int:
        return len(self.pre)

    @cached_property
    def repeats(self) -> bool:
        """Whether two synapses join one pair."""
        pair = self.pre.astype(np.int64) << 32 | self.post
        if (np.diff(pair) > 0).all():
            return False
        return bool((np.diff(np.sort(pair)) == 0).any())

    def check(self, where: str, sources: int, targets: int, same: bool) -> None:
        for side, indices, size in (("pre", self.pre, sources), ("post", self.post, targets)):
            wholes(f"{where}.rule.{side}", indices, high=size - 1)

    def expected(self, sources: int, targets: int, same: bool) -> float:
        return len(self)


@dataclass(frozen=True)
class Convolution(Rule):
    """A two-dimensional convolution of spikes: a neuron is a pixel, all synapses of one kernel entry share a weight.

    Source neuron (c * height + y) * width + x is pixel (y, x) of channel c; target neurons likewise. The weight of the
    projection is the kernel (out_channels, channels / groups, kernel height, kernel width), used as `torch.nn.Conv2d`
    uses it.

    Args:
        shape: of the source (channels, height, width).
        out_channels: channels of the target.
        kernel_size: height and width.
        stride: down and across.
        padding: pixels without spikes around the source, up and down, left and right.
        dilation: distance of kernel entries, down and across.
        groups: the channels are cut into so many parts, each seen by its own part of the target's channels.
    """

    shape: tuple[int, int, int]
    out_channels: int
    kernel_size: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    kind: ClassVar = "convolution"

    def __post_init__(self) -> None:
        for name, size, low in (
            ("shape", 3, 1), ("kernel_size", 2, 1), ("stride", 2, 1), ("padding", 2, 0), ("dilation", 2, 1),
        ):  # fmt: skip
            object.__setattr__(self, name, _sizes(f"Convolution.{name}", getattr(self, name), size, low))
        for name in ("out_channels", "groups"):
            object.__setattr__(self, name, whole(f"Convolution.{name}", getattr(self, name), low=1))
        if self.shape[0] % self.groups or self.out_channels % self.groups:
            raise ShapeError(
                f"Convolution.groups: must divide {self.shape[0]} channels and {self.out_channels} out_channels, "
                f"got {self.groups}."
            )
        if min(self.out_shape[1:]) < 1:
            raise ShapeError(f"Convolution.kernel_size: {self.kernel_size} is larger than the padded source: {self!r}.")

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """Shape of the projection's weight."""
        return (self.out_channels, self.shape[0] // self.groups, *self.kernel_size)

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """Shape of the target (channels, height, width)."""
        height, width = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(
                self.shape[1:], self.padding, self.dilation, self.kernel_size, self.stride, strict=True
            )
        )
        return self.out_channels, height, width

    def check(self, where: str, sources: int, targets: int, same: bool) -> None:
        for side, shape, size in (("source", self.shape, sources), ("target", self.out_shape, targets)):
            if math.prod(shape) != size:
                raise ShapeError(f"{where}: the {side} of {self!r} is {shape}, {math.prod(shape)} neurons, got {size}.")

    def expected(self, sources: int, targets: int, same: bool) -> float:
        down, across = (len(self.taps(axis)[0]) for axis in (0, 1))
        return self.out_channels * (self.shape[0] // self.groups) * down * across

    def taps(self, axis: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Source and target coordinate and kernel index along an axis (0: down), wherever a kernel meets the source."""
        k, o = np.meshgrid(np.arange(self.kernel_size[axis]), np.arange(self.out_shape[1 + axis]), indexing="ij")
        at = o * self.stride[axis] + k * self.dilation[axis] - self.padding[axis]
        inside = (at >= 0) & (at < self.shape[1 + axis])
        return at[inside], o[inside], k[inside]

    def expand(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Source, target and place in the flat kernel of every synapse."""
        (y, oy, ky), (x, ox, kx) = self.taps(0), self.taps(1)
        inputs, (_, height, width) = self.shape[0] // self.groups, self.out_shape
        o, c = np.ogrid[: self.out_channels, :inputs]
        o, c = o.reshape(-1, 1, 1, 1), c.reshape(1, -1, 1, 1)
        channel = o // (self.out_channels // self.groups) * inputs + c
        y, oy, ky = (a.reshape(1, 1, -1, 1) for a in (y, oy, ky))
        pre = (channel * self.shape[1] + y) * self.shape[2] + x
        post = (o * height + oy) * width + ox
        place = ((o * inputs + c) * self.kernel_size[0] + ky) * self.kernel_size[1] + kx
        return tuple(a.reshape(-1) for a in np.broadcast_arrays(pre, post, place))  # type: ignore[return-value]


def _sizes(where: str, value: Any, count: int, low: int) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)) or len(value) != count:
        raise ShapeError(f"{where}: must be {count} whole numbers, got {value!r}.")
    return tuple(whole(f"{where}[{k}]", v, low=low) for k, v in enumerate(value))


DISTRIBUTIONS: tuple[type[Distribution], ...] = (Normal, Uniform, LogNormal)
RULES: tuple[type[Rule], ...] = (
    AllToAll, OneToOne, Bernoulli, FixedInDegree, FixedOutDegree, FixedTotal, Explicit, Convolution,
)  # fmt: skip
