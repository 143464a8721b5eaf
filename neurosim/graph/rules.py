"""Which neurons are connected (rules), and how weights and delays are drawn (distributions)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError, check_choice
from neurosim.graph.base import LARGEST, Part, is_array, number, switch, whole, wholes

SHORTEST = 1e-12  # m
SAMPLED = 64  # targets whose synapses are summed to estimate those of all
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

    def check(self, where: str, sources: int, targets: int, same: bool) -> None:
        for side, indices, size in (("pre", self.pre, sources), ("post", self.post, targets)):
            wholes(f"{where}.rule.{side}", indices, high=size - 1)

    def expected(self, sources: int, targets: int, same: bool) -> float:
        return len(self)


DISTRIBUTIONS: tuple[type[Distribution], ...] = (Normal, Uniform, LogNormal)
RULES: tuple[type[Rule], ...] = (
    AllToAll, OneToOne, Bernoulli, DistanceDependent, FixedInDegree, FixedOutDegree, FixedTotal, Explicit,
)  # fmt: skip
