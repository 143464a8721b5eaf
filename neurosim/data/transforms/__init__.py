"""Transforms of event recordings: frames, filters and augmentation.

Every transform is a frozen dataclass called as ``transform(events, rng=None)``. Random ones need an explicit
``np.random.Generator``; all have `Transform.to_config` and come back with `from_config`.
"""

from neurosim.data.transforms.base import Transform
from neurosim.data.transforms.compose import ALL, Compose, from_config
from neurosim.data.transforms.frames import SignedPolarity, ToFrames, frames_batch
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

__all__ = [
    "ALL",
    "Centre",
    "CentreCrop",
    "Compose",
    "Crop",
    "Denoise",
    "Downsample",
    "DropByArea",
    "DropByTime",
    "DropEvents",
    "FlipPolarity",
    "FlipTime",
    "FlipX",
    "FlipY",
    "MergePolarity",
    "RandomCrop",
    "RandomRotate",
    "RandomScale",
    "RandomTranslate",
    "RemoveHotPixels",
    "SelectPolarity",
    "Shift",
    "SignedPolarity",
    "TimeJitter",
    "TimeScale",
    "TimeShift",
    "TimeSurface",
    "ToFrames",
    "Transform",
    "UniformNoise",
    "VoxelGrid",
    "frames_batch",
    "from_config",
]
