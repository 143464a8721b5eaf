"""`DigitsDVS`: handwritten digits seen by a simulated event camera; needs no files, so demos run on it."""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.camera import EventCamera, saccades
from neurosim.data.datasets.splits import load_split, parse_split
from neurosim.errors import RangeError, require
from neurosim.events import Events

BACKGROUND = 0.1  # relative intensity of the paper: a printed digit has a contrast of about ten
MARGIN = 4  # px between the digit and the edge, room for the saccades
BRIGHTEST = 16.0  # of scikit-learn's images
CAMERA = EventCamera(c_on=0.35, c_off=0.35, sigma=0.03, refractory=1e-3, leak_rate=0.1, shot_rate=0.5)


class DigitsDVS:
    """The 1797 digits of scikit-learn, enlarged and recorded by `EventCamera` during three saccades of 100 ms.

    Recordings are made on demand (a few milliseconds each) and are the same on every call: sample ``i`` draws its
    saccade and noise from a generator seeded with ``(seed, number of the image)``.

    Args:
        split: ``"train"`` (1000), ``"validation"`` (297), ``"test"`` (500), or a sum such as ``"train+validation"``.
        size: width and height of the sensor [px], at least 17.
        camera: the camera; by default 35 % contrast thresholds with mismatch, leak and shot noise.
        seed: of the recordings.

    Raises:
        RangeError: an unknown split, or a size too small.
        MissingExtraError: scikit-learn is not installed.

    Source: UCI Optical Recognition of Handwritten Digits (Alpaydin & Kaynak 1998), as packaged by scikit-learn.

    Example:
        >>> data = DigitsDVS("test")
        >>> len(data), data.sensor_size
        (500, (32, 32, 2))
        >>> events, label = data[0]
    """

    def __init__(self, split: str = "train", *, size: int = 32, camera: EventCamera = CAMERA, seed: int = 0) -> None:
        if not isinstance(size, int) or size < 2 * MARGIN + 9:
            raise RangeError(f"DigitsDVS.size: must be an integer >= {2 * MARGIN + 9} px, got {size!r}.")
        if not isinstance(seed, int) or seed < 0:
            raise RangeError(f"DigitsDVS.seed: must be an integer >= 0, got {seed!r}.")
        table = load_split("digits_dvs")
        self.ids: tuple[int, ...] = tuple(sorted(i for part in parse_split("DigitsDVS", split) for i in table[part]))
        self.size = size
        self.camera = camera
        self.seed = seed
        self._images, self._targets = _digits()

    @property
    def sensor_size(self) -> tuple[int, int, int]:
        """``(size, size, 2)``."""
        return (self.size, self.size, 2)

    @property
    def classes(self) -> tuple[str, ...]:
        """``"0"`` to ``"9"``."""
        return tuple(str(digit) for digit in range(10))

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) digit of each sample."""
        return self._targets[list(self.ids)]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[Events, int]:
        """Recording (300 ms) and digit of sample ``index``."""
        i = self.ids[operator.index(index)]
        rng = np.random.default_rng((self.seed, i))
        times, path = saccades(rng, amplitude=float(MARGIN))
        return self.camera.record_along(self.image(index), times, path, rng), int(self._targets[i])

    def __repr__(self) -> str:
        return f"DigitsDVS({len(self)} samples, 10 classes, sensor {self.sensor_size})"

    def key(self, index: int) -> bytes:
        """Name of the content of sample ``index``: image number, size, camera and seed."""
        return f"DigitsDVS/{self.ids[index]}/{self.size}/{self.seed}/{self.camera!r}".encode()

    def image(self, index: int) -> NDArray[np.float64]:
        """The enlarged image of sample ``index`` that the camera sees, (size, size), dark to bright 0.1..1.1."""
        inner = self.size - 2 * MARGIN
        weights = _cubic(8, inner)
        digit = weights @ self._images[self.ids[index]] @ weights.T / BRIGHTEST
        return np.pad(np.clip(digit, 0.0, 1.0), MARGIN) + BACKGROUND


@lru_cache(maxsize=1)
def _digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    require("sklearn", "demo")
    bunch: Any = require("sklearn.datasets", "demo").load_digits()
    return np.asarray(bunch.images, np.float64), np.asarray(bunch.target, np.int64)


@lru_cache(maxsize=8)
def _cubic(before: int, after: int) -> NDArray[np.float64]:
    """Weights (after, before) of cubic interpolation (Keys 1981, a = -1/2) along one axis, dark outside."""
    centre = (np.arange(after) + 0.5) * before / after - 0.5
    d = np.abs(centre[:, None] - np.arange(before))
    near = 1.5 * d**3 - 2.5 * d**2 + 1.0
    far = -0.5 * d**3 + 2.5 * d**2 - 4.0 * d + 2.0
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))
