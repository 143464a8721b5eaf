"""Which neurons are connected."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError, check_choice
from neurosim.graph.base import LARGEST, Part, is_array, number, switch, whole, wholes

SHORTEST = 1e-12  # m
SAMPLED = 64  # targets whose synapses are summed to estimate those of all


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

    def numbers(self, same: bool) -> dict[str, Any]:
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
class DistanceDependent(Drawn):
    """Each pair with probability ``p_max`` k(d), d the distance of their positions [m].

    Args:
        kernel: "gaussian", k = exp(-d^2 / (2 scale^2)); "exponential", k = exp(-d / scale); "boxcar", k = 1 up to
            d = scale and 0 beyond.
        scale: [m], > 0.
        p_max: probability at distance 0, in 0..1.
        radius: beyond it no pair is connected [m]; None: no such limit.
        extent: size of a periodic box along each axis [m], one number per dimension; the distance is then the shortest
            of those to all images. None: no box.
        autapses: whether a neuron may connect to itself.
    """

    kernel: str
    scale: float
    p_max: float = 1.0
    radius: float | None = None
    extent: tuple[float, ...] | None = None
    autapses: bool = True
    kind: ClassVar = "distance"

    def __post_init__(self) -> None:
        check_choice("DistanceDependent.kernel", self.kernel, ("gaussian", "exponential", "boxcar"))
        p = number("DistanceDependent.p_max", self.p_max)
        if not 0 <= p <= 1:
            raise RangeError(f"DistanceDependent.p_max: must be in 0..1, got {p!r}.")
        object.__setattr__(self, "p_max", p)
        object.__setattr__(self, "autapses", switch("DistanceDependent.autapses", self.autapses))
        object.__setattr__(self, "scale", _length("DistanceDependent.scale", self.scale))
        if self.radius is not None:
            object.__setattr__(self, "radius", _length("DistanceDependent.radius", self.radius))
        if self.extent is not None:
            if not is_array(self.extent):
                raise ShapeError(f"DistanceDependent.extent: must be a length per dimension, got {self.extent!r}.")
            sides = (_length(f"DistanceDependent.extent[{k}]", side) for k, side in enumerate(self.extent))
            object.__setattr__(self, "extent", tuple(sides))

    def numbers(self, same: bool) -> dict[str, Any]:
        factor = {"gaussian": -0.5 / self.scale**2, "exponential": -1 / self.scale, "boxcar": 0.0}[self.kernel]
        reach = min(self.scale if self.kernel == "boxcar" else math.inf, self.radius or math.inf)
        limit = reach**2 * (1 + 1e-9)  # a distance that is the radius but for rounding is within it
        given = {"p_max": self.p_max, "factor": factor, "root": self.kernel == "exponential", "limit": limit}
        return {**given, "autapses": self.autapses, "same": same}

    def check_positions(self, where: str, here: Any, there: Any) -> None:
        """Raise `NeurosimError` unless source and target have positions of the same number of dimensions."""
        for side, positions in (("source", here), ("target", there)):
            if positions is None:
                raise RangeError(f"{where}.rule: DistanceDependent needs positions, the {side} population has none.")
        box = () if self.extent is None else (len(self.extent),)
        if len({here.shape[1], there.shape[1], *box}) > 1:
            raise ShapeError(
                f"{where}.rule: positions and extent must have one number of dimensions, got {here.shape[1]} (source), "
                f"{there.shape[1]} (target){''.join(f', {n} (extent)' for n in box)}."
            )

    def expected_at(self, here: NDArray[Any], there: NDArray[Any], same: bool) -> float:
        """Expected number of synapses between positions (N, D) and (M, D), estimated from some of the targets."""
        law, total = self.numbers(same), 0.0
        some = np.unique(np.linspace(0, max(len(there) - 1, 0), SAMPLED).astype(int))[: len(there)]
        for t in some:
            d = there[t] - here
            if self.extent is not None:
                box = np.array(self.extent)
                d = d - box * np.floor(d / box + 0.5)
            x = (d * d).sum(1)
            p = np.where(x <= law["limit"], np.exp(law["factor"] * (np.sqrt(x) if law["root"] else x)), 0.0)
            total += self.p_max * (p.sum() - (p[t] if same and not self.autapses else 0.0))
        return float(total * len(there) / max(len(some), 1))


def _length(where: str, value: Any) -> float:
    length = number(where, value)
    if not length >= SHORTEST:
        raise RangeError(f"{where}: must be at least {SHORTEST:g} m, got {length!r}.")
    return length


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


RULES: tuple[type[Rule], ...] = (
    AllToAll, OneToOne, Bernoulli, DistanceDependent, FixedInDegree, FixedOutDegree, FixedTotal, Explicit, Convolution,
)  # fmt: skip
