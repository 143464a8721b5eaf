"""k-winners: the k largest of a step pass with their values, the rest is zero; boosting evens out who wins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neurosim.errors import RangeError, ShapeError, check_number, check_positive
from neurosim.nn.layer import Layer, State, check_features, check_input


@dataclass(frozen=True)
class Boost:
    """How units that seldom win are helped: the score is ``x * exp(-strength * duty_cycle)``.

    Args:
        strength: at the start; 0 does not boost.
        factor: of the strength, applied by `update_boost_strength` once per epoch.
        period: samples over which duty cycles are averaged.

    Raises:
        RangeError: a negative strength, a factor outside 0..1, a period below 1.
    """

    strength: float = 1.0
    factor: float = 0.9
    period: int = 1000

    def __post_init__(self) -> None:
        for name in ("strength", "factor"):
            check_number(f"Boost.{name}", getattr(self, name))
        if self.strength < 0:
            raise RangeError(f"Boost.strength: must be >= 0, got {self.strength!r}.")
        if not 0 <= self.factor <= 1:
            raise RangeError(f"Boost.factor: must be in 0..1, got {self.factor!r}.")
        if isinstance(self.period, bool) or not isinstance(self.period, int) or self.period < 1:
            raise RangeError(f"Boost.period: must be a whole number >= 1, got {self.period!r}.")


NO_BOOST = Boost(strength=0.0)


def k_winners(
    x: Tensor, k: int, *, score: Tensor | None = None, relu: bool = False, break_ties: bool = False
) -> Tensor:
    """``x`` where it is among the k largest of the last axis, else zero.

    Args:
        x: (..., n).
        k: number of winners, 0..n; 0 gives zeros.
        score: (..., n), decides who wins; default ``x``. No gradient flows through it.
        relu: drop winners whose score is not above zero too.
        break_ties: keep exactly k. Without it all that equal the k-th largest stay, so that there may be more.

    Returns:
        (..., n). The gradient reaches the winners only.

    Raises:
        RangeError: k outside 0..n.

    Example:
        >>> k_winners(torch.tensor([3.0, -1.0, 2.0, 2.0]), 2).tolist()
        [3.0, 0.0, 2.0, 2.0]
    """
    n = x.shape[-1]
    if isinstance(k, bool) or not isinstance(k, int) or not 0 <= k <= n:
        raise RangeError(f"k_winners.k: must be a whole number in 0..{n}, got {k!r}.")
    if k == 0:
        return torch.zeros_like(x) * x  # zeros that keep their place in the graph
    score = (x if score is None else score).detach()
    top, where = score.topk(k, -1, sorted=False)
    if break_ties:
        off = torch.ones_like(score, dtype=torch.bool).scatter_(-1, where, False)
    else:
        off = score < top.amin(-1, keepdim=True)  # false for nan, which therefore stays to be seen
    if relu:
        off |= score <= 0
    return x.masked_fill(off, 0)


class _KWinners(Layer):
    """Duty cycles, boosting and the number of winners; what competes with what is up to the subclass."""

    duty_cycle: Tensor
    boost_strength: Tensor
    samples: Tensor

    def __init__(
        self, units: int, competitors: int, density: float, *, boost: Boost | None, k_inference_factor: float,
        relu: bool, break_ties: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        name = type(self).__name__
        if isinstance(units, bool) or not isinstance(units, int) or units < 1:
            raise RangeError(f"{name}: the number of units must be a whole number >= 1, got {units!r}.")
        check_number(f"{name}.density", density)
        if not 1 <= density * competitors <= competitors:
            raise RangeError(
                f"{name}.density: must keep 1 to {competitors} of {competitors} units, {1 / competitors:.3g}..1, got "
                f"{density!r}, which keeps {density * competitors:g}."
            )
        check_positive(f"{name}.k_inference_factor", k_inference_factor)
        if boost is not None and not isinstance(boost, Boost):
            raise RangeError(f"{name}.boost: must be a Boost or None, got {boost!r}.")
        self.units, self.competitors, self.density = units, competitors, float(density)
        self.boost, self.k_inference_factor = boost or NO_BOOST, float(k_inference_factor)
        self.relu, self.break_ties = relu, break_ties
        if not 1 <= self.k_inference <= competitors:
            raise RangeError(
                f"{name}.k_inference_factor: must keep 1 to {competitors} units in evaluation, got "
                f"{k_inference_factor!r}, which keeps {self.k_inference}."
            )
        self.register_buffer("duty_cycle", torch.zeros(units))
        self.register_buffer("boost_strength", torch.tensor(float(self.boost.strength)))
        self.register_buffer("samples", torch.tensor(0))

    @property
    def k_train(self) -> int:
        """Winners in training: round(density * competitors)."""
        return round(self.competitors * self.density)

    @property
    def k_inference(self) -> int:
        """Winners in evaluation."""
        raise NotImplementedError

    @property
    def k(self) -> int:
        """Winners in the present mode."""
        return self.k_train if self.training else self.k_inference

    def update_boost_strength(self) -> None:
        """Multiply the strength by the factor of `Boost`: once per epoch."""
        self.boost_strength.mul_(self.boost.factor)

    def entropy(self) -> Tensor:
        """Sum of the binary entropies of the duty cycles [bit]: how evenly the units take part."""
        p = self.duty_cycle.double().clamp(0, 1)
        return -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).sum() / math.log(2)

    def max_entropy(self) -> float:
        """The entropy [bit] when every unit is on equally often, in k of n samples."""
        p = self.k_train / self.competitors
        return self.units * (-sum(q * math.log2(q) for q in (p, 1 - p) if q > 0))

    def extra_repr(self) -> str:
        return f"{self.units}, density={self.density:g}, {self.boost}, relu={self.relu}"

    def _score(self, x: Tensor, axis: int) -> Tensor:
        """What decides: ``x`` times the boost of each unit of ``axis``."""
        if float(self.boost_strength) == 0:
            return x.detach()
        shape = [1] * x.dim()
        shape[axis] = -1
        return x.detach() * torch.exp(-self.boost_strength * self.duty_cycle).to(x.dtype).view(shape)

    def _count(self, y: Tensor, batch: int) -> None:
        """Move the duty cycles towards the share of ``batch`` samples in which y (samples, units, places) is > 0."""
        with torch.no_grad():
            self.samples += batch
            # a batch longer than the period counts as a whole: the published rule would weigh the past negatively
            period = max(min(self.boost.period, int(self.samples)), batch)
            on = (y > 0).sum((0, 2)).to(self.duty_cycle) / y.shape[2]
            self.duty_cycle.mul_(period - batch).add_(on).div_(period)


class KWinners(_KWinners):
    """The k largest of n units pass at each time step, the rest is zero.

    In training each of the T x B samples moves the duty cycles (buffers, saved in checkpoints): the share of the last
    samples in which a unit's output was above zero. The boosted score decides who wins, the value passes unboosted.

    Args:
        n: units.
        density: share that wins in training, k = round(density * n).
        boost: `Boost`, or None for none.
        k_inference_factor: in evaluation int(k * factor) win.
        relu: drop winners that are not above zero too.
        break_ties: keep exactly k instead of all that equal the k-th largest.

    Shape:
        x (T, B, n) -> y (T, B, n); state: None.

    Raises:
        RangeError: a density that keeps less than one unit or more than all, in training or evaluation.
        ShapeError: x is not (T, B, n).

    Source: Ahmad & Scheinkman 2019, "How can we be so dense?", arXiv:1903.11257; boosting as in nupic.torch.
    Deviation: a batch longer than the duty-cycle period replaces the duty cycles by its own shares.

    Example:
        >>> from neurosim import nn
        >>> y, _ = nn.KWinners(4, density=0.5)(torch.tensor([[[3.0, -1.0, 2.0, 1.0]]]))
        >>> y.tolist()
        [[[3.0, 0.0, 2.0, 0.0]]]
    """

    def __init__(
        self, n: int, density: float, *, boost: Boost | None = Boost(),
        k_inference_factor: float = 1.5, relu: bool = False, break_ties: bool = False,
    ) -> None:  # fmt: skip
        options = {"relu": relu, "break_ties": break_ties, "k_inference_factor": k_inference_factor}
        super().__init__(n, n, density, boost=boost, **options)  # type: ignore[arg-type]

    @property
    def k_inference(self) -> int:
        """Winners in evaluation: int(k * k_inference_factor)."""
        return int(self.k_train * self.k_inference_factor)

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Let the winners of each step pass; see the class."""
        del state
        check_input(self, x, 3, f"T, B, {self.units}")
        check_features(self, x, 2, self.units, f"T, B, {self.units}")
        y = k_winners(x, self.k, score=self._score(x, 2), relu=self.relu, break_ties=self.break_ties)
        if self.training:
            self._count(y.detach().flatten(0, 1).unsqueeze(2), x.shape[0] * x.shape[1])
        return y, None


class KWinners2d(_KWinners):
    """k-winners of images: among all channels and pixels, or with ``local`` among the channels of each pixel.

    Duty cycles are per channel: the share of its pixels above zero, averaged over samples.

    Args:
        size: (C, H, W) of the images.
        density: share that wins in training, k = round(density * C * H * W), or round(density * C) with ``local``.
        local: winners at each pixel instead of over the image.
        boost: `Boost`, or None for none.
        k_inference_factor: in evaluation round(density * factor * C * H * W) win, or ``C`` alone with ``local``.
        relu: drop winners that are not above zero too.
        break_ties: keep exactly k instead of all that equal the k-th largest.

    Shape:
        x (T, B, C, H, W) -> y alike; state: None.

    Raises:
        RangeError: a density that keeps less than one unit or more than all, in training or evaluation.
        ShapeError: x is not (T, B, C, H, W).

    Source: as `KWinners`.
    """

    def __init__(
        self, size: tuple[int, int, int], density: float, *, local: bool = False,
        boost: Boost | None = Boost(),
        k_inference_factor: float = 1.5, relu: bool = False, break_ties: bool = False,
    ) -> None:  # fmt: skip
        sides = tuple(size) if isinstance(size, (tuple, list)) else ()
        if len(sides) != 3 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sides):
            raise ShapeError(f"KWinners2d.size: must be (C, H, W), whole numbers >= 1, got {size!r}.")
        options = {"relu": relu, "break_ties": break_ties, "k_inference_factor": k_inference_factor}
        competitors = sides[0] if local else math.prod(sides)
        super().__init__(sides[0], competitors, density, boost=boost, **options)  # type: ignore[arg-type]
        self.size, self.local = sides, local

    @property
    def k_inference(self) -> int:
        """Winners in evaluation: round(density * k_inference_factor * competitors)."""
        return round(self.competitors * self.density * self.k_inference_factor)

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Let the winners of each step pass; see the class."""
        del state
        check_input(self, x, 5, "T, B, C, H, W")
        if x.shape[2:] != self.size:
            raise ShapeError(f"KWinners2d: x must be (T, B, *{self.size}), got {tuple(x.shape)}.")
        both = [t.movedim(2, -1) if self.local else t.flatten(2) for t in (x, self._score(x, 2))]
        y = k_winners(both[0], self.k, score=both[1], relu=self.relu, break_ties=self.break_ties)
        y = y.movedim(-1, 2) if self.local else y.view(x.shape)
        if self.training:
            self._count(y.detach().flatten(0, 1).flatten(2), x.shape[0] * x.shape[1])
        return y, None

    def extra_repr(self) -> str:
        return f"{self.size}, {super().extra_repr()}, local={self.local}"


def update_boost_strength(model: nn.Module) -> None:
    """Call `update_boost_strength` of every k-winner layer of a model: once at the end of each epoch."""
    for layer in model.modules():
        if isinstance(layer, _KWinners):
            layer.update_boost_strength()
