"""Numba kernels of the event-camera simulator: image motion, threshold crossings, refractory filter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit  # type: ignore[import-untyped,unused-ignore]


@njit(nogil=True, cache=True, error_model="numpy")
def sample_along(image: Any, path: Any, out: Any) -> None:
    """Write ``image`` seen at each offset of ``path`` into ``out``, bilinear, edge pixels repeated.

    Args:
        image: (H, W) float64 intensity.
        path: (T, 2) float64 offset ``(dx, dy)`` of the gaze [px].
        out: (T, H, W) float64, written.
    """
    height, width = image.shape
    for k in range(len(path)):
        dx, dy = path[k, 0], path[k, 1]
        for row in range(height):
            y = min(max(row + dy, 0.0), height - 1.0)
            y0 = min(int(y), max(height - 2, 0))
            y1 = min(y0 + 1, height - 1)
            fy = y - y0
            for column in range(width):
                x = min(max(column + dx, 0.0), width - 1.0)
                x0 = min(int(x), max(width - 2, 0))
                x1 = min(x0 + 1, width - 1)
                fx = x - x0
                top = image[y0, x0] * (1.0 - fx) + image[y0, x1] * fx
                bottom = image[y1, x0] * (1.0 - fx) + image[y1, x1] * fx
                out[k, row, column] = top * (1.0 - fy) + bottom * fy


@njit(nogil=True, cache=True, error_model="numpy")
def crossings(
    level: Any, times: Any, reference: Any, c_on: Any, c_off: Any, drift: Any, t: Any, pixel: Any, p: Any
) -> int:
    """Find the times at which each pixel's level is one threshold away from its reference.

    Between two frames the level is linear in time, so the crossing times are exact for that line and one
    interval can hold many of them. After a crossing the reference moves by exactly one threshold.

    Args:
        level: (T, P) float64 log intensity.
        times: (T,) float64 [us], increasing.
        reference: (P,) float64 level memorised at ``times[0]``; changed in place.
        c_on: (P,) float64 threshold upwards, > 0.
        c_off: (P,) float64 threshold downwards, > 0.
        drift: (P,) float64 apparent rise of the level from leak [1/us].
        t: (N,) int64 [us], written as far as it reaches.
        pixel: (N,) int64, written as far as it reaches.
        p: (N,) uint8, written as far as it reaches.

    Returns:
        The number of crossings; more than N means that the caller must give longer arrays.
    """
    n = 0
    room = len(t)
    # Accumulated rounding must not lose a crossing that lies exactly on a frame.
    slack = 1e-12
    for k in range(1, len(times)):
        start, span = times[k - 1], times[k] - times[k - 1]
        for i in range(level.shape[1]):
            before = level[k - 1, i] + drift[i] * (start - times[0])
            after = level[k, i] + drift[i] * (times[k] - times[0])
            step = c_on[i] if after > before else -c_off[i]
            sign = 1.0 if after > before else -1.0
            # Moving up can only cross upwards: the level started inside (reference - c_off, reference + c_on).
            while sign * (after - reference[i] - step) >= -slack and after != before:
                reference[i] += step
                if n < room:
                    part = min(max((reference[i] - before) / (after - before), 0.0), 1.0)
                    t[n] = np.int64(np.rint(start + part * span))
                    pixel[n] = i
                    p[n] = 1 if after > before else 0
                n += 1
    return n


@njit(nogil=True, cache=True, error_model="numpy")
def refractory_mask(t: Any, pixel: Any, pixels: int, period: int) -> Any:
    """Mark the events that come at least ``period`` after the last kept event of their pixel.

    Args:
        t: (N,) int64 [us], sorted.
        pixel: (N,) int64 in ``0..pixels - 1``.
        pixels: number of pixels.
        period: dead time [us].

    Returns:
        (N,) bool, True for events to keep.
    """
    last = np.full(pixels, np.iinfo(np.int64).min // 2, np.int64)
    keep = np.zeros(len(t), np.bool_)
    for n in range(len(t)):
        if t[n] - last[pixel[n]] >= period:
            keep[n] = True
            last[pixel[n]] = t[n]
    return keep
