"""Voxel grids and time surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurosim.data.transforms.base import Fixed, Frames, cells
from neurosim.data.transforms.frames import window_edges
from neurosim.errors import RangeError, check_choice
from neurosim.events import Events


@dataclass(frozen=True)
class VoxelGrid(Fixed[Frames]):
    """Events spread over time by linear interpolation.

    Event i lies at t* = (n_bins - 1) (t - t0) / (t1 - t0), and bin b receives v max(0, 1 - |b - t*|), where v is +1 for
    ON and -1 for OFF events. All of a recording without duration goes into bin 0.

    Args:
        n_bins: number of bins.
        polarity: "signed" (v as above, one channel) or "split" (v = 1, one channel per polarity).

    Shape:
        Events on a sensor (W, H, P) -> (T, 1 or P, H, W) float32.

    Raises:
        RangeError: "signed" and a sensor of more than two polarities.

    Note: events of a sensor with one polarity count +1. Tonic's ToVoxelGrid scales by n_bins rather than n_bins - 1,
    which loses the last event, and takes OFF as +1 where polarities are Boolean; we follow the paper.
    Source: Zhu, Yuan, Chaney & Daniilidis 2019, Unsupervised event-based learning of optical flow, depth, and
    egomotion (event volume); only the interpolation in time, since coordinates are whole pixels.

    Example:
        >>> events = Events(t=[0, 5, 20], x=[0, 0, 0], y=[0, 0, 0], p=[1, 0, 1], sensor_size=(1, 1, 2))
        >>> VoxelGrid(n_bins=3)(events).ravel()
        array([ 0.5, -0.5,  1. ], dtype=float32)
    """

    n_bins: int
    polarity: str = "signed"

    def __post_init__(self) -> None:
        self._whole("n_bins", 1)
        check_choice("VoxelGrid.polarity", self.polarity, ("signed", "split"))

    def _apply(self, events: Events) -> Frames:
        from neurosim.kernels.events import voxel_grid

        width, height, polarities = events.sensor_size
        index, value, channels = cells(events), np.ones(len(events), np.float32), polarities
        if self.polarity == "signed":
            if polarities > 2:
                raise RangeError(
                    f"VoxelGrid.polarity: a sensor of {polarities} polarities has no signs; use polarity='split'."
                )
            index, channels = index % (height * width), 1
            if polarities == 2:
                value = events.p.astype(np.float32) * 2 - 1
        out = np.zeros((self.n_bins, channels, height, width), np.float32)
        voxel_grid(events.t, index, value, self.n_bins, channels * height * width, out.reshape(-1))
        return out


@dataclass(frozen=True)
class TimeSurface(Fixed[Frames]):
    """How recently each pixel fired: exp(-(t_read - time of its latest event) / tau), 0 where it never did.

    Args:
        tau_us: time constant [us], > 0.
        window_us: read the surface at the end of each window of this length [us], counted from the first event; an
            event at the very end belongs to the next window. Default: read once, at the last event.
        tail: "keep" or "drop" the last, incomplete window, as in `ToFrames`.

    Shape:
        Events on a sensor (W, H, P) -> (T, P, H, W) float32 in 0..1.

    Source: Lagorce et al. 2017, HOTS, doi:10.1109/TPAMI.2016.2574707, for the whole sensor instead of a
    neighbourhood. With ``window_us`` and ``tail="drop"`` equal to Tonic's ToTimesurface.

    Example:
        >>> events = Events(t=[0, 10], x=[0, 1], y=[0, 0], p=[0, 0], sensor_size=(3, 1, 1))
        >>> TimeSurface(tau_us=10)(events).round(3).ravel()
        array([0.368, 1.   , 0.   ], dtype=float32)
    """

    tau_us: float
    window_us: int | None = None
    tail: str = "keep"

    def __post_init__(self) -> None:
        self._positive("tau_us")
        if self.window_us is not None:
            self._whole("window_us", 1)
        check_choice("TimeSurface.tail", self.tail, ("keep", "drop"))
        if self.window_us is None and self.tail != "keep":
            raise RangeError("TimeSurface.tail: needs window_us; a single surface has no tail to drop.")

    def _apply(self, events: Events) -> Frames:
        from neurosim.kernels.events import time_surface

        width, height, polarities = events.sensor_size
        if self.window_us is None:
            cuts, read_at = np.array([0, len(events)]), events.t[-1:] if len(events) else np.zeros(1, np.int64)
        else:
            edges = window_edges(events.t, self.window_us, self.tail)
            cuts, read_at = np.searchsorted(events.t, edges), edges[1:]
        out = np.zeros((len(read_at), polarities, height, width), np.float32)
        last = np.full(polarities * height * width, -1, np.int64)
        time_surface(cuts, read_at, events.t, cells(events), self.tau_us, last, out.reshape(len(read_at), -1))
        return out
