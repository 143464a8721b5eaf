"""Surrogate slopes: what stands for the derivative of the spike with respect to the distance to threshold u.

Each is one scalar function of ``u``; no unit mentions it. All are even and integrate to about 1 (except
`SuperSpike`, which has slope 1 at threshold, as published).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from neurosim.errors import check_positive
from neurosim.units.ops import exp, where


@dataclass(frozen=True)
class Surrogate:
    """Base: a frozen dataclass of positive parameters and one scalar function ``slope(u, k)``."""

    def __post_init__(self) -> None:
        for f in fields(self):
            check_positive(f"{type(self).__name__}.{f.name}", getattr(self, f.name))

    def parameters(self) -> tuple[float, ...]:
        """The numbers ``k`` given to ``slope``."""
        return tuple(float(getattr(self, f.name)) for f in fields(self))

    @staticmethod
    def slope(u: Any, k: tuple[Any, ...]) -> Any:
        """d spike / d u at distance ``u`` from threshold."""
        raise NotImplementedError


@dataclass(frozen=True)
class SuperSpike(Surrogate):
    """1 / (1 + k |u|)^2, the slope of a fast sigmoid (Zenke & Ganguli 2018, doi:10.1162/neco_a_01086, eq. 8)."""

    k: float = 10.0

    @staticmethod
    def slope(u: Any, k: tuple[Any, ...]) -> Any:
        a = 1 + k[0] * abs(u)
        return 1 / (a * a)


FastSigmoid = SuperSpike


@dataclass(frozen=True)
class Arctan(Surrogate):
    """alpha / 2 / (1 + (pi alpha u / 2)^2) (Fang et al. 2021, arXiv:2007.05785)."""

    alpha: float = 2.0

    def parameters(self) -> tuple[float, ...]:
        return self.alpha / 2, math.pi * self.alpha / 2

    @staticmethod
    def slope(u: Any, k: tuple[Any, ...]) -> Any:
        a = k[1] * u
        return k[0] / (1 + a * a)


@dataclass(frozen=True)
class Triangle(Surrogate):
    """max(0, 1 - |u| / width) / width (Esser et al. 2016, doi:10.1073/pnas.1604850113)."""

    width: float = 1.0

    def parameters(self) -> tuple[float, ...]:
        return (1 / self.width,)

    @staticmethod
    def slope(u: Any, k: tuple[Any, ...]) -> Any:
        a = 1 - k[0] * abs(u)
        return where(a > 0, k[0] * a, 0.0 * a)


@dataclass(frozen=True)
class Boxcar(Surrogate):
    """1 / (2 width) for |u| < width, else 0 (Wu et al. 2018, doi:10.3389/fnins.2018.00331, h1)."""

    width: float = 0.5

    def parameters(self) -> tuple[float, ...]:
        return self.width, 0.5 / self.width

    @staticmethod
    def slope(u: Any, k: tuple[Any, ...]) -> Any:
        return where(abs(u) < k[0], k[1], 0.0 * k[1])


@dataclass(frozen=True)
class Sigmoid(Surrogate):
    """k s (1 - s) with s = 1 / (1 + exp(-k u)) (Wu et al. 2018, h4)."""

    k: float = 4.0

    @staticmethod
    def slope(u: Any, k: tuple[Any, ...]) -> Any:
        e = exp(-(k[0] * abs(u)))  # of -|u|: never overflows
        a = 1 + e
        return k[0] * e / (a * a)
