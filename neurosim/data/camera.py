"""A simulated event camera: turns images, image sequences and gaze paths into `Events`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.errors import RangeError, ShapeError, check_number, check_positive
from neurosim.events import Events

SMALLEST = 1e-3  # log intensity; no pixel resolves less, and far below it a float reference would stand still
LEAST_THRESHOLD = 0.1  # of the mean: mismatch must not make a pixel that fires at any change
MICROSECONDS = 1e6


@dataclass(frozen=True)
class EventCamera:
    """Event camera (DVS): a pixel reports when its log intensity has changed by one threshold.

    The level of a pixel is ``log(intensity + eps)``, linear in time between two frames. When it is ``c_on`` above
    (``c_off`` below) the memorised reference, the pixel sends an event with p = 1 (p = 0) and the reference moves
    by that threshold; one interval between frames can hold many events.

    Args:
        c_on: mean threshold of ON events [log intensity], at least 0.001.
        c_off: mean threshold of OFF events [log intensity], at least 0.001.
        sigma: standard deviation of the thresholds between pixels [log intensity], >= 0.
        refractory: dead time of a pixel after an event [s], >= 0.
        leak_rate: rate of ON events of a pixel that sees no change, from leak of its reference [Hz], >= 0.
        shot_rate: rate of noise events of a pixel, half ON and half OFF, at random times [Hz], >= 0.
        eps: added to the intensity before the logarithm [intensity], >= 0.
        seed: of the thresholds, which stay the same from recording to recording as on a real sensor.

    Raises:
        RangeError: a threshold is too small, or another value is negative.

    Source: Rebecq, Gehrig & Scaramuzza 2018 (ESIM) for the crossings and the refractory filter; Hu, Liu & Delbruck
        2021 (v2e) for mismatch, leak and shot noise. Deviations: thresholds are clipped at a tenth of their mean;
        shot noise does not depend on the intensity and does not move the reference; no bandwidth limit of the pixel.

    Example:
        >>> frames = np.exp(np.linspace(0, 1, 11))[:, None, None] * np.ones((1, 2, 3))
        >>> EventCamera(c_on=0.3, eps=0.0).record(frames, np.linspace(0, 0.1, 11))
        Events(18 events, 3x2x2, 30000..90000 us)
    """

    c_on: float = 0.2
    c_off: float = 0.2
    sigma: float = 0.0
    refractory: float = 0.0
    leak_rate: float = 0.0
    shot_rate: float = 0.0
    eps: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("c_on", "c_off"):
            check_positive(f"EventCamera.{name}", getattr(self, name))
            if getattr(self, name) < SMALLEST:
                raise RangeError(f"EventCamera.{name}: must be at least {SMALLEST}, got {getattr(self, name)!r}.")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise RangeError(f"EventCamera.seed: must be an integer >= 0, got {self.seed!r}.")
        for name in ("sigma", "refractory", "leak_rate", "shot_rate", "eps"):
            check_number(f"EventCamera.{name}", getattr(self, name))
            if getattr(self, name) < 0:
                raise RangeError(f"EventCamera.{name}: must be >= 0, got {getattr(self, name)!r}.")

    def thresholds(self, height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Thresholds of the pixels of a sensor of this size, ON and OFF, each (H, W) float64 [log intensity]."""
        rng = np.random.default_rng(self.seed)
        noise = self.sigma * rng.standard_normal((2, height, width))
        on, off = (np.maximum(c + n, LEAST_THRESHOLD * c) for c, n in zip((self.c_on, self.c_off), noise, strict=True))
        return on, off

    def record(self, frames: ArrayLike, times: ArrayLike, rng: np.random.Generator | None = None) -> Events:
        """Record a sequence of images.

        Args:
            frames: (T, H, W) intensity, finite, >= 0.
            times: (T,) time of each frame [s], >= 0, increasing.
            rng: source of the leak phase and the shot noise; by default a fresh one from ``seed``.

        Returns:
            Events of a sensor ``(W, H, 2)``.

        Raises:
            ShapeError: ``frames`` is not (T, H, W), or ``times`` does not have T entries.
            RangeError: an intensity is negative or not finite (or 0 with ``eps = 0``), or times do not increase.
        """
        images = self._checked_frames(frames)
        clock = _checked_times(times, len(images))
        return self._record_level(np.log(images + self.eps), clock, rng)

    def record_along(
        self, image: ArrayLike, times: ArrayLike, path: ArrayLike, rng: np.random.Generator | None = None
    ) -> Events:
        """Record a still image while the gaze moves; the image is sampled bilinearly, its edge pixels repeat.

        Args:
            image: (H, W) intensity, finite, >= 0.
            times: (T,) [s], >= 0, increasing.
            path: (T, 2) offset ``(dx, dy)`` of the gaze [px]; pixel (x, y) sees image point (x + dx, y + dy).
            rng: as in `record`.

        Raises:
            ShapeError: ``image`` is not (H, W), or ``path`` not (T, 2).
            RangeError: as in `record`; an offset is not finite.
        """
        from neurosim.kernels.camera import sample_along

        still = np.asarray(image)
        if still.ndim != 2:
            raise ShapeError(f"EventCamera.record_along: image must be (H, W), got shape {still.shape}.")
        still = self._checked_frames(still[None])[0]
        offsets = np.ascontiguousarray(path, dtype=np.float64)
        if offsets.ndim != 2 or offsets.shape[1] != 2:
            raise ShapeError(f"EventCamera.record_along: path must be (T, 2), got shape {offsets.shape}.")
        if not np.isfinite(offsets).all():
            raise RangeError("EventCamera.record_along: path must be finite [px], got NaN or infinity.")
        clock = _checked_times(times, len(offsets))
        level = np.empty((len(clock), *still.shape))
        sample_along(still, offsets, level)
        np.log(np.add(level, self.eps, out=level), out=level)
        return self._record_level(level, clock, rng)

    def _checked_frames(self, frames: ArrayLike) -> NDArray[np.float64]:
        images = np.ascontiguousarray(frames, dtype=np.float64)
        if images.ndim != 3 or 0 in images.shape:
            raise ShapeError(f"EventCamera: frames must be (T, H, W) without empty axes, got shape {images.shape}.")
        least = images.min()
        if not np.isfinite(images).all() or least < 0:
            raise RangeError(
                f"EventCamera: intensities must be finite and >= 0, got a minimum of {least}. "
                "Give linear intensity, not a normalised image."
            )
        if self.eps == 0 and least == 0:
            raise RangeError("EventCamera: intensity 0 has no logarithm with eps = 0. Give an eps > 0.")
        return images

    def _record_level(
        self, level: NDArray[np.float64], clock: NDArray[np.float64], rng: np.random.Generator | None
    ) -> Events:
        """Events of log intensity (T, H, W) at ``clock`` (T,) [us]."""
        from neurosim.kernels.camera import refractory_mask

        rng = np.random.default_rng(self.seed) if rng is None else rng
        if not isinstance(rng, np.random.Generator):
            raise RangeError(f"EventCamera: rng must be a numpy.random.Generator, got {rng!r}. Use default_rng(seed).")
        _, height, width = level.shape
        t, pixel, p = self._crossings(level, clock, rng)
        if self.shot_rate > 0:
            expected = self.shot_rate * (clock[-1] - clock[0]) / MICROSECONDS * height * width
            n = int(rng.poisson(expected))
            noise_t = np.rint(rng.uniform(clock[0], clock[-1], n)).astype(np.int64)
            t = np.concatenate([t, noise_t])
            pixel = np.concatenate([pixel, rng.integers(height * width, size=n)])
            p = np.concatenate([p, rng.integers(2, size=n).astype(np.uint8)])
        order = np.lexsort((pixel, t))
        t, pixel, p = t[order], pixel[order], p[order]
        if self.refractory > 0:
            keep = refractory_mask(t, pixel, height * width, round(self.refractory * MICROSECONDS))
            t, pixel, p = t[keep], pixel[keep], p[keep]
        y, x = np.divmod(pixel, width)
        return Events(t, x, y, p, (width, height, 2))

    def _crossings(
        self, level: NDArray[np.float64], clock: NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
        from neurosim.kernels.camera import crossings

        steps, height, width = level.shape
        c_on, c_off = (c.ravel() for c in self.thresholds(height, width))
        flat = level.reshape(steps, height * width)
        reference = flat[0].copy()
        if self.leak_rate > 0:  # pixels were reset at different times before the recording began
            reference -= c_on * rng.random(height * width)
        drift = self.leak_rate / MICROSECONDS * c_on
        room = 16 * height * width
        while True:
            t, pixel, p = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.uint8)
            n = crossings(flat, clock, reference.copy(), c_on, c_off, drift, t, pixel, p)
            if n <= room:
                return t[:n], pixel[:n], p[:n]
            room = n


def saccades(
    rng: np.random.Generator | None = None,
    *,
    amplitude: float = 4.0,
    duration: float = 0.3,
    step: float = 2e-3,
    jitter: float = 0.1,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gaze path of three saccades along a triangle, back to where it began, as N-MNIST was recorded.

    Each side takes a third of the time; speed rises and falls as a raised cosine.

    Args:
        rng: source of the jitter; without one the triangle is always the same.
        amplitude: length of the base of the triangle, and its height [px], >= 0.
        duration: of the three saccades together [s], > 0.
        step: time between points [s], > 0.
        jitter: relative standard deviation of the triangle's size, and that of its rotation [rad], >= 0.

    Returns:
        times (T,) [s] and offsets (T, 2) ``(dx, dy)`` [px], centred on the middle of the triangle's box.

    Raises:
        RangeError: a duration is not positive, or an amplitude or jitter is negative.

    Source: Orchard et al. 2015, doi:10.3389/fnins.2015.00437 (three saccades of 100 ms along an isosceles triangle).
        Deviations: speed profile, jitter.

    Example:
        >>> times, path = saccades(amplitude=4.0, step=0.1)
        >>> path.round(1).tolist()
        [[-2.0, -2.0], [0.0, 2.0], [2.0, -2.0], [-2.0, -2.0]]
    """
    for name, value in (("duration", duration), ("step", step)):
        check_positive(f"saccades.{name}", value)
    for name, value in (("amplitude", amplitude), ("jitter", jitter)):
        check_number(f"saccades.{name}", value)
        if value < 0:
            raise RangeError(f"saccades.{name}: must be >= 0, got {value!r}.")
    times = np.linspace(0.0, duration, max(round(duration / step), 3) + 1)
    corners = amplitude * np.array([[-0.5, -0.5], [0.0, 0.5], [0.5, -0.5], [-0.5, -0.5]])
    if rng is not None:
        angle = jitter * rng.standard_normal()
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        corners = corners @ turn * max(1.0 + jitter * rng.standard_normal(), 0.0)
    phase = np.clip(3.0 * times / duration, 0.0, 3.0)
    side = np.minimum(phase.astype(np.int64), 2)
    done = 0.5 - 0.5 * np.cos(np.pi * (phase - side))
    return times, corners[side] + done[:, None] * (corners[side + 1] - corners[side])


def _checked_times(times: ArrayLike, n: int) -> NDArray[np.float64]:
    """The times in us, checked."""
    clock = np.ascontiguousarray(times, dtype=np.float64)
    if clock.shape != (n,):
        raise ShapeError(f"EventCamera: times must have one entry per frame, shape ({n},), got {clock.shape}.")
    if not np.isfinite(clock).all() or clock[0] < 0 or np.any(np.diff(clock) <= 0):
        raise RangeError("EventCamera: times [s] must be finite, >= 0 and increase from frame to frame.")
    return clock * MICROSECONDS
