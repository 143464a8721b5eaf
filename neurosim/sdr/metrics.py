"""`Metrics`: how sparse, how evenly used and how stable the representations of a stream are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError
from neurosim.sdr.checks import dimensions, whole
from neurosim.sdr.sdr import SDR


class Summary(NamedTuple):
    """Of a quantity: least, mean, standard deviation and greatest."""

    least: float
    mean: float
    sd: float
    greatest: float


class Metrics:
    """Running averages of a stream of SDRs: over all while there are at most ``period``, then exponential.

    Args:
        dims: dimensions of the representations.
        period: number of representations the averages reach back, >= 1.

    Example:
        >>> metrics = Metrics(4, period=100)
        >>> for sparse in ([0, 1], [1, 2], [1, 3]):
        ...     metrics.add(SDR(4, sparse))
        >>> metrics.activation_frequency.round(2).tolist(), metrics.overlap.mean
        ([0.33, 1.0, 0.33, 0.33], 0.5)
    """

    def __init__(self, dims: int | Sequence[int], period: int = 1000) -> None:
        self.dims = dimensions("Metrics.dims", dims)
        self.period = whole("Metrics.period", period, 1)
        self.samples = 0
        self._frequency = np.zeros(math.prod(self.dims))
        self._sparsity, self._overlap = _Running(self.period), _Running(self.period)
        self._last: SDR | None = None

    def add(self, sdr: SDR) -> None:
        """Take the next representation.

        Raises:
            ShapeError: it has other dimensions.
        """
        if not isinstance(sdr, SDR) or sdr.dims != self.dims:
            got = sdr.dims if isinstance(sdr, SDR) else type(sdr).__name__
            raise ShapeError(f"Metrics.add: must be an SDR of dimensions {self.dims}, got {got}.")
        self.samples += 1
        share = 1.0 / min(self.period, self.samples)
        self._frequency *= 1.0 - share
        self._frequency[sdr.sparse] += share
        self._sparsity.add(sdr.sparsity)
        if self._last is not None:
            most = max(self._last.active, sdr.active)
            self._overlap.add(self._last.overlap(sdr) / most if most else 1.0)
        self._last = sdr

    def reset(self) -> None:
        """Say that the next representation does not follow the last: their overlap is not counted."""
        self._last = None

    @property
    def sparsity(self) -> Summary:
        """Share of active cells."""
        return self._sparsity.summary("sparsity", 1)

    @property
    def overlap(self) -> Summary:
        """Overlap of each with the one before it, as a share of the active cells of the larger (1 if none has any)."""
        return self._overlap.summary("overlap", 2)

    @property
    def activation_frequency(self) -> NDArray[np.float64]:
        """Share of the representations in which each cell is active, in the shape of the population."""
        self._sparsity.summary("activation_frequency", 1)
        return self._frequency.reshape(self.dims).copy()

    @property
    def entropy(self) -> float:
        """Mean entropy of the cells, as a share of what it would be if all were active equally often: 0..1.

        0 where each cell is always active or always silent, so also where all are.
        """
        frequency = self.activation_frequency
        most = float(_entropy(frequency.mean()))
        return min(float(_entropy(frequency).mean()) / most, 1.0) if most > 0.0 else 0.0

    def __repr__(self) -> str:
        if self._overlap.samples == 0:
            return f"Metrics({self.dims}, {self.samples} samples)"
        return (
            f"Metrics({self.dims}, {self.samples} samples, sparsity {self.sparsity.mean:.3g} "
            f"(sd {self.sparsity.sd:.2g}), entropy {self.entropy:.3g}, overlap {self.overlap.mean:.3g})"
        )


class _Running:
    """Exponential mean and variance, and extremes, of a stream of numbers."""

    def __init__(self, period: int) -> None:
        self.period, self.samples = period, 0
        self.mean, self.variance = 0.0, 0.0
        self.least, self.greatest = math.inf, -math.inf

    def add(self, value: float) -> None:
        self.samples += 1
        share = 1.0 / min(self.period, self.samples)
        difference = value - self.mean
        self.mean += share * difference
        self.variance = (1.0 - share) * (self.variance + share * difference * difference)
        self.least, self.greatest = min(self.least, value), max(self.greatest, value)

    def summary(self, name: str, needed: int) -> Summary:
        if self.samples == 0:
            raise RangeError(
                f"Metrics.{name}: needs {needed} representation{'s' * (needed > 1)} in a row, add them first."
            )
        return Summary(self.least, self.mean, math.sqrt(self.variance), self.greatest)


def _entropy(p: NDArray[np.float64] | np.floating) -> NDArray[np.float64]:
    """Binary entropy [bit]."""
    p = np.clip(p, 0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = -(p * np.log2(p) + (1.0 - p) * np.log2(1.0 - p))
    return np.nan_to_num(bits)
