"""`PoiraziNeuron`: a neuron of many segments, whose drive is a sum of a nonlinear function of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError
from neurosim.sdr.checks import number
from neurosim.sdr.sdr import SDR
from neurosim.sdr.segments import Segments


class Nonlinearity(Protocol):
    """What a segment with so many active synapses adds to the drive of its neuron."""

    def __call__(self, counts: NDArray[np.int32], theta: int) -> NDArray[np.float64]:
        """(segments,) drive of segments with ``counts`` active synapses and the threshold ``theta``."""


@dataclass(frozen=True)
class Step:
    """1 from the threshold on, else 0: segments are detectors, and the neuron their OR."""

    def __call__(self, counts: NDArray[np.int32], theta: int) -> NDArray[np.float64]:
        return (counts >= theta).astype(np.float64)


@dataclass(frozen=True)
class Threshold:
    """The active synapses themselves from the threshold on, else 0."""

    def __call__(self, counts: NDArray[np.int32], theta: int) -> NDArray[np.float64]:
        return np.where(counts >= theta, counts, 0).astype(np.float64)


@dataclass(frozen=True)
class Power:
    """The active synapses to a power; the threshold of the segments plays no part."""

    exponent: float = 10.0

    def __post_init__(self) -> None:
        if number("Power.exponent", self.exponent) <= 0.0:
            raise RangeError(f"Power.exponent: must be > 0, got {self.exponent!r}.")

    def __call__(self, counts: NDArray[np.int32], theta: int) -> NDArray[np.float64]:
        del theta
        drive: NDArray[np.float64] = counts.astype(np.float64) ** self.exponent
        return drive


@dataclass(frozen=True)
class Sigmoid:
    """1 / (1 + exp(scale (center - count))); the threshold of the segments plays no part."""

    center: float = 11.5
    scale: float = 5.0

    def __post_init__(self) -> None:
        number("Sigmoid.center", self.center)
        if number("Sigmoid.scale", self.scale) <= 0.0:
            raise RangeError(f"Sigmoid.scale: must be > 0, got {self.scale!r}.")

    def __call__(self, counts: NDArray[np.int32], theta: int) -> NDArray[np.float64]:
        del theta
        # half a tanh is the same and cannot overflow
        drive: NDArray[np.float64] = 0.5 + 0.5 * np.tanh(0.5 * self.scale * (counts - self.center))
        return drive


@dataclass(frozen=True, eq=False)
class PoiraziNeuron:
    """A neuron whose segments are summed after a nonlinear function of each, and which fires from a drive on.

    Args:
        segments: of the neuron.
        nonlinearity: `Step` (the OR of the segments), `Threshold`, `Power` or `Sigmoid`.
        fires_at: smallest drive at which it fires; None takes that of one segment at its threshold.

    Raises:
        RangeError: fires_at <= 0, with which it would fire without any input.

    Sources: Poirazi, Brannon and Mel, Neuron 37:989, 2003, for the two layers; the functions and their defaults are
    those of the simulations of Ahmad and Hawkins, arXiv:1601.00720.

    Example:
        >>> neuron = PoiraziNeuron(Segments([SDR(8, [0, 1, 2]), SDR(8, [2, 3, 4])], theta=2), Threshold())
        >>> neuron.drive(SDR(8, [0, 1, 2, 3])), neuron.fires(SDR(8, [0, 3, 7]))
        (5.0, False)
    """

    segments: Segments
    nonlinearity: Nonlinearity = Step()
    fires_at: float | None = None

    def __post_init__(self) -> None:
        if self.fires_at is not None and number("PoiraziNeuron.fires_at", self.fires_at) <= 0.0:
            raise RangeError(f"PoiraziNeuron.fires_at: must be > 0, got {self.fires_at!r}.")

    def drive(self, sdr: SDR) -> float:
        """Sum over the segments, for cells that are active in one tick."""
        return float(self.nonlinearity(self.segments.counts(sdr), self.segments.theta).sum())

    def fires(self, sdr: SDR) -> bool:
        """Whether the drive is large enough."""
        theta = self.segments.theta
        one: Any = np.array([theta], np.int32)
        least = self.fires_at if self.fires_at is not None else float(self.nonlinearity(one, theta)[0])
        return self.drive(sdr) >= least
