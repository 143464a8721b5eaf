"""`Compose`, and transforms from their configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.data.transforms.base import Transform, check_rng
from neurosim.data.transforms.frames import SignedPolarity, ToFrames
from neurosim.data.transforms.noise import Denoise, DropByArea, DropByTime, DropEvents, RemoveHotPixels, UniformNoise
from neurosim.data.transforms.polarity import FlipPolarity, MergePolarity, SelectPolarity
from neurosim.data.transforms.spatial import (
    Centre,
    CentreCrop,
    Crop,
    Downsample,
    FlipX,
    FlipY,
    RandomCrop,
    RandomRotate,
    RandomScale,
    RandomTranslate,
    Shift,
)
from neurosim.data.transforms.surfaces import TimeSurface, VoxelGrid
from neurosim.data.transforms.temporal import FlipTime, TimeJitter, TimeScale, TimeShift
from neurosim.errors import RangeError, ShapeError, nearest


@dataclass(frozen=True)
class Compose(Transform):
    """Transforms one after the other, all drawing from the same ``rng``.

    Args:
        transforms: a sequence of transforms; an empty one changes nothing.

    Raises:
        ShapeError: one of them is not a `Transform`.
        RangeError: (at the call) one of them is random and there is no ``rng``.

    Example:
        >>> steps = Compose([Denoise(filter_us=10_000), ToFrames(n_bins=16)])
        >>> from_config(steps.to_config()) == steps
        True
    """

    transforms: tuple[Transform, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", tuple(self.transforms))
        for i, transform in enumerate(self.transforms):
            if not isinstance(transform, Transform):
                raise ShapeError(f"Compose.transforms: item {i} must be a Transform, got {transform!r}.")

    @property
    def random(self) -> bool:
        """Whether one of the transforms is random."""
        return any(t.random for t in self.transforms)

    def __call__(self, events: Any, rng: np.random.Generator | None = None) -> Any:
        """Apply all of them in order."""
        if self.random:  # before any work is done
            check_rng("Compose of " + ", ".join(type(t).__name__ for t in self.transforms if t.random), rng)
        for transform in self.transforms:
            events = transform(events, rng)
        return events


ALL: tuple[type[Transform], ...] = (
    *(ToFrames, VoxelGrid, TimeSurface, SignedPolarity),
    *(Denoise, RemoveHotPixels, DropEvents, DropByTime, DropByArea, UniformNoise),
    *(
        Crop,
        Centre,
        CentreCrop,
        RandomCrop,
        Downsample,
        FlipX,
        FlipY,
        Shift,
        RandomTranslate,
        RandomRotate,
        RandomScale,
    ),
    *(FlipTime, TimeJitter, TimeScale, TimeShift),
    *(MergePolarity, SelectPolarity, FlipPolarity),
    Compose,
)


def from_config(config: Mapping[str, Any]) -> Transform:
    """The transform that `Transform.to_config` described.

    Raises:
        RangeError: unknown name or parameter (with the nearest match), a missing parameter, or a bad value.

    Example:
        >>> from_config({"name": "FlipX", "p": 0.25})
        FlipX(p=0.25)
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("name"), str):
        raise RangeError(f"from_config: a configuration is a dict with a 'name', got {config!r}.")
    kinds = {kind.__name__: kind for kind in ALL}
    name = config["name"]
    if name not in kinds:
        raise RangeError(f"from_config: there is no transform {name!r}.{nearest(name, kinds)}")
    fields = {f.name: f for f in dataclasses.fields(kinds[name])}  # type: ignore[arg-type]
    values = {key: _value(value) for key, value in config.items() if key != "name"}
    for key in values:
        if key not in fields:
            raise RangeError(f"from_config: {name} has no parameter {key!r}.{nearest(key, fields)}")
    missing = [f.name for f in fields.values() if f.default is dataclasses.MISSING and f.name not in values]
    if missing:
        raise RangeError(f"from_config: {name} needs {', '.join(missing)}, got only {sorted(values)}.")
    return kinds[name](**values)


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return from_config(value)
    if isinstance(value, (list, tuple)):
        return tuple(_value(v) for v in value)
    return value
