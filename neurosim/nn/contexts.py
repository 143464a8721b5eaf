"""Contexts without labels: prototypes of tasks, the nearest of them, and clusters found while samples come in."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from neurosim.errors import RangeError, ShapeError, check_number

CONVERGED = 1e-15  # relative change at which the continued fraction ends
TINY = 1e-300  # stands for a zero in a denominator of the continued fraction
MOST_TERMS = 10_000
SAME = 1e-9  # relative; features that differ by less are constant


class Prototypes:
    """Means of the samples of each task; a new sample belongs to the nearest.

    Args:
        size: D, numbers in a sample.

    Raises:
        RangeError: `nearest` or `contexts` before any sample; samples with nan or inf.
        ShapeError: samples that are not (N, D).

    Source: Iyer et al. 2022, doi:10.3389/fnbot.2022.846219: one prototype per task, Euclidean distance.

    Example:
        >>> prototypes = Prototypes(2)
        >>> prototypes.add(torch.tensor([[0.0, 0.0], [0.0, 2.0]])), prototypes.add(torch.tensor([[5.0, 5.0]]))
        (0, 1)
        >>> prototypes.nearest(torch.tensor([[1.0, 1.0], [4.0, 4.0]])).tolist()
        [0, 1]
    """

    def __init__(self, size: int) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise RangeError(f"Prototypes.size: must be a whole number >= 1, got {size!r}.")
        self.size = size
        self._sums: list[Tensor] = []
        self._counts: list[int] = []

    def __len__(self) -> int:
        return len(self._sums)

    def add(self, samples: Tensor, task: int | None = None) -> int:
        """Add samples (N, D) to a prototype, or to a new one where ``task`` is None; its number."""
        samples = check_samples("Prototypes", samples, self.size)
        if task is None:
            self._sums.append(torch.zeros(self.size, dtype=torch.float64))
            self._counts.append(0)
            task = len(self) - 1
        if not 0 <= task < len(self):
            raise RangeError(f"Prototypes.task: must be the number of one of {len(self)} prototypes, got {task!r}.")
        self._sums[task] += samples.double().sum(0)
        self._counts[task] += len(samples)
        return task

    @property
    def contexts(self) -> Tensor:
        """(tasks, D), the means, float32."""
        if not self._sums:
            raise RangeError("Prototypes: there is none yet. Add samples of a task first.")
        return torch.stack([s / n for s, n in zip(self._sums, self._counts, strict=True)]).float()

    def nearest(self, samples: Tensor) -> Tensor:
        """(N,) number of the prototype with the least Euclidean distance to each sample (N, D)."""
        samples = check_samples("Prototypes", samples, self.size)
        return torch.cdist(samples.float(), self.contexts).argmin(1)


class OnlineClusters:
    """Tasks found while batches come in: a batch that fits no cluster starts a new one.

    A batch is compared with the kept samples of each cluster by `hotelling` on a random part of the features; it joins
    the one it fits best if that test is below ``threshold``, and moves its prototype.

    Args:
        size: D, numbers in a sample.
        features: compared, drawn once; at most D.
        threshold: of the cumulative probability of the test, above 0 and below 1. One test in 1 / (1 - threshold) of
            a batch with its own cluster fails by chance.
        exemplars: samples kept of each cluster, at least 2.
        seed: of the features and of the samples kept.

    Raises:
        RangeError: an argument out of range; too few samples for the test (see `hotelling`), nan or inf.
        ShapeError: samples that are not (N, D).

    Source: Iyer et al. 2022; which samples are kept (a uniform sample of all) is ours.
    """

    def __init__(
        self, size: int, *, features: int = 32, threshold: float = 0.9, exemplars: int = 256, seed: int = 0
    ) -> None:
        self.prototypes = Prototypes(size)
        if isinstance(features, bool) or not isinstance(features, int) or not 1 <= features <= size:
            raise RangeError(f"OnlineClusters.features: must be a whole number in 1..{size}, got {features!r}.")
        check_number("OnlineClusters.threshold", threshold)
        if not 0 < threshold < 1:
            raise RangeError(f"OnlineClusters.threshold: must be above 0 and below 1, got {threshold!r}.")
        if isinstance(exemplars, bool) or not isinstance(exemplars, int) or exemplars < 2:
            raise RangeError(f"OnlineClusters.exemplars: must be a whole number >= 2, got {exemplars!r}.")
        self.threshold, self.exemplars = threshold, exemplars
        self._generator = torch.Generator().manual_seed(seed)
        self.chosen = torch.randperm(size, generator=self._generator)[:features]
        self._kept: list[Tensor] = []
        self._rank: list[Tensor] = []  # random keys: the smallest are kept, which is a uniform sample

    def __len__(self) -> int:
        return len(self._kept)

    def observe(self, samples: Tensor) -> int:
        """Number of the cluster that a batch (N, D) of one task belongs to; it joins that cluster."""
        samples = check_samples("OnlineClusters", samples, self.prototypes.size)
        part = samples[:, self.chosen].double()
        if len(part) < 2:
            raise RangeError(f"OnlineClusters: a batch must have 2 or more samples, got {len(part)}.")
        distances = [hotelling(part, kept)[1] for kept in self._kept]
        best = min(range(len(distances)), key=distances.__getitem__, default=None)
        if best is None or distances[best] >= self.threshold:
            best = None
            self._kept.append(part[:0])
            self._rank.append(torch.empty(0, dtype=torch.float64))
        number = self.prototypes.add(samples, best)
        rank = torch.rand(len(part), generator=self._generator, dtype=torch.float64)
        ranks, kept = torch.cat([self._rank[number], rank]), torch.cat([self._kept[number], part])
        order = ranks.argsort()[: self.exemplars]
        self._rank[number], self._kept[number] = ranks[order], kept[order]
        return number


def hotelling(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Two-sample test of equal means: T^2, and its cumulative probability if the means are equal (0..1).

    The pooled covariance is inverted by the pseudo-inverse, and p is its rank. Constant features take no part, unless
    their values differ, which is certain. Under equal means ``T^2 (n - p - 1) / (p (n - 2))`` has Fisher's F
    distribution with p and n - p - 1 degrees of freedom.

    Args:
        a: (N, D) samples, at least 2.
        b: (M, D) samples, at least 2; N + M must be above the number of
            features that vary, plus 1.

    Raises:
        RangeError: fewer than 2 samples on a side, too few in all, nan or inf.
        ShapeError: samples that are not (N, D) and (M, D).
    """
    a = check_samples("hotelling", a, a.shape[-1] if isinstance(a, Tensor) and a.dim() else 0).double()
    b = check_samples("hotelling", b, a.shape[1]).double()
    n = len(a) + len(b)
    if min(len(a), len(b)) < 2:
        raise RangeError(f"hotelling: each side must have 2 or more samples, got {len(a)} and {len(b)}.")
    difference = a.mean(0) - b.mean(0)
    centred = torch.cat([a - a.mean(0), b - b.mean(0)])
    scale = SAME * (1 + torch.cat([a, b]).abs().amax(0))
    varies = centred.abs().amax(0) > scale
    if bool((difference.abs() > scale)[~varies].any()):  # a constant that has another value cannot be chance
        return math.inf, 1.0
    p = int(varies.sum())
    if p == 0:
        return 0.0, 0.0
    if n <= p + 1:
        raise RangeError(f"hotelling: {p} features need more than {p + 1} samples on both sides together, got {n}.")
    centred, difference = centred[:, varies], difference[varies]
    pooled = centred.T @ centred / (n - 2)
    p = int(torch.linalg.matrix_rank(pooled, hermitian=True))
    inverse = torch.linalg.pinv(pooled, hermitian=True)
    t2 = float(difference @ inverse @ difference) * len(a) * len(b) / n
    return t2, f_probability(t2 * (n - p - 1) / (p * (n - 2)), p, n - p - 1)


def f_probability(x: float, d1: float, d2: float) -> float:
    """Cumulative probability of Fisher's F distribution with d1 and d2 degrees of freedom."""
    return _beta(d1 * x / (d1 * x + d2), d1 / 2, d2 / 2) if x > 0 else 0.0


def _beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function, by its continued fraction (Lentz's method)."""
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # converges fast on this side of the mean only
        return 1.0 - _beta(1 - x, b, a)
    log = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    total = d
    for m in range(1, MOST_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / _away(1 + term * d), _away(1 + term / c)
            total *= c * d
        if abs(c * d - 1) < CONVERGED:
            break
    return math.exp(log) * total / a


def _away(value: float) -> float:
    return value if abs(value) > TINY else TINY


def check_samples(where: str, samples: Tensor, size: int) -> Tensor:
    """Raise unless samples are a floating, finite tensor (N, size) with N >= 1."""
    if not isinstance(samples, Tensor) or not samples.is_floating_point() or samples.dim() != 2:
        got = f"{tuple(samples.shape)} {samples.dtype}" if isinstance(samples, Tensor) else type(samples).__name__
        raise ShapeError(f"{where}: samples must be a floating tensor (N, {size}), got {got}.")
    if samples.shape[1] != size or len(samples) == 0:
        raise ShapeError(f"{where}: samples must be (N, {size}) with N >= 1, got {tuple(samples.shape)}.")
    if not bool(samples.isfinite().all()):
        raise RangeError(f"{where}: samples hold nan or inf.")
    return samples.detach()
