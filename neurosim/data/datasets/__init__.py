"""Data sets of event recordings: read from a folder that is already there, with fixed splits; nothing is downloaded."""

from __future__ import annotations

from neurosim.data.datasets.base import EventDataset, Item, MissingDataError, StoredDataset
from neurosim.data.datasets.digits import DigitsDVS
from neurosim.data.datasets.folders import CIFAR10DVS, FolderOfRecordings, NCaltech101
from neurosim.data.datasets.gesture import DVSGesture
from neurosim.data.datasets.heidelberg import SHD, SSC
from neurosim.data.datasets.images import MNIST, Digits, ImageDataset, pixel_permutations
from neurosim.data.datasets.nmnist import NMNIST, NpzDataset
from neurosim.data.datasets.splits import ByHash, SplitRule, Stratified, load_split
from neurosim.data.datasets.windows import TimeSplit, WindowedRecordings, dvs128_objects

__all__ = [
    "CIFAR10DVS",
    "MNIST",
    "NMNIST",
    "SHD",
    "SSC",
    "ByHash",
    "DVSGesture",
    "Digits",
    "DigitsDVS",
    "EventDataset",
    "FolderOfRecordings",
    "ImageDataset",
    "Item",
    "MissingDataError",
    "NCaltech101",
    "NpzDataset",
    "SplitRule",
    "StoredDataset",
    "Stratified",
    "TimeSplit",
    "WindowedRecordings",
    "dvs128_objects",
    "load_split",
    "pixel_permutations",
]
