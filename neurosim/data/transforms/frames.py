"""Frames from events: counts per time bin, per window or per number of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.transforms.base import Fixed, Frames, Transform, check_events
from neurosim.errors import RangeError, ShapeError, check_choice
from neurosim.events import Events

# The largest count that each dtype holds exactly.
CAPS = {"float32": 2**24, "int16": 2**15 - 1, "int32": 2**31 - 1, "uint8": 2**8 - 1}


@dataclass(frozen=True)
class ToFrames(Fixed[Frames]):
    """Counts of events per bin, polarity and pixel.

    Give exactly one of ``n_bins``, ``window_us`` and ``events_per_frame``. Bins are half-open, ``[edge, next edge)``;
    t0 and t1 are the first and the last timestamp:

    - ``n_bins`` alone: bins of w = (t1 - t0) // n_bins us (at least 1) from t0. The rest of the division, at most
      n_bins us at the end, belongs to the last bin, or is left out with ``tail="drop"``.
    - ``n_bins`` and ``duration_us``: a fixed grid from ``start_us``, whatever the recording; an event falls into bin
      floor((t - start_us) * n_bins / duration_us), computed in whole numbers.
    - ``window_us``: windows from t0 until all events are in one, (t1 - t0) // window_us + 1 of them;
      ``tail="drop"`` leaves out the last, incomplete one.
    - ``events_per_frame``: that many events per frame in the order of time, the last frame has what remains;
      ``tail="drop"`` leaves it out.

    There is always at least one frame; windows and event counts larger than the recording give one with all of it.

    Args:
        n_bins: number of bins.
        window_us: length of a window [us].
        events_per_frame: number of events in each frame.
        out_size: ``(width, height)`` of the frames, not larger than the sensor; events are added up in
            pixel x * width // sensor width. Default: the sensor's.
        dtype: "float32", "int16", "int32" or "uint8".
        tail: "keep" (every event is counted) or "drop" (what does not fill the last bin is left out).
        start_us: start of the fixed grid [us].
        duration_us: length of the fixed grid [us].
        bounds: events outside the fixed grid "raise" or are left out ("crop").

    Shape:
        Events on a sensor (W, H, P) -> (T, P, H, W).

    Raises:
        RangeError: not exactly one way to slice, an option that does not apply to it, events outside the grid,
            ``out_size`` larger than the sensor, a count that ``dtype`` cannot hold.

    Source: with ``tail="drop"`` the counts equal those of Tonic's ToFrame (n_time_bins, time_window, event_count;
    checked in the tests), except for its empty recordings' dtype.

    Example:
        >>> events = Events(t=[0, 4, 9], x=[1, 1, 0], y=[0, 0, 0], p=[1, 1, 0], sensor_size=(2, 1, 2))
        >>> ToFrames(n_bins=3)(events).shape
        (3, 2, 1, 2)
        >>> ToFrames(window_us=5)(events)[:, 1, 0, 1]
        array([2., 0.], dtype=float32)
    """

    n_bins: int | None = None
    window_us: int | None = None
    events_per_frame: int | None = None
    out_size: tuple[int, int] | None = None
    dtype: str = "float32"
    tail: str = "keep"
    start_us: int = 0
    duration_us: int | None = None
    bounds: str = "raise"

    def __post_init__(self) -> None:
        given = [n for n in ("n_bins", "window_us", "events_per_frame") if getattr(self, n) is not None]
        if len(given) != 1:
            raise RangeError(
                "ToFrames: give exactly one of n_bins, window_us and events_per_frame, "
                f"got {' and '.join(given) or 'none'}."
            )
        self._whole(given[0], 1)
        if self.out_size is not None:
            self._size("out_size")
        check_choice("ToFrames.dtype", self.dtype, tuple(CAPS))
        check_choice("ToFrames.tail", self.tail, ("keep", "drop"))
        check_choice("ToFrames.bounds", self.bounds, ("raise", "crop"))
        self._whole("start_us")
        self._check_grid()

    def _check_grid(self) -> None:
        if self.duration_us is None:
            if self.start_us != 0 or self.bounds != "raise":
                raise RangeError("ToFrames: start_us and bounds belong to a fixed grid; give duration_us too.")
            return
        self._whole("duration_us", 1)
        if self.n_bins is None or self.tail != "keep":
            raise RangeError("ToFrames.duration_us: makes a fixed grid of n_bins bins, which has no tail to drop.")
        if self.duration_us * self.n_bins >= 2**62:
            raise RangeError(f"ToFrames.duration_us: {self.duration_us} us in {self.n_bins} bins is too long.")

    def _apply(self, events: Events) -> Frames:
        shape = self._frame_shape(events.sensor_size)
        cuts = self._cuts(events.t)
        out = np.empty((len(cuts) - 1, *shape), self.dtype)
        self._fill(events, cuts, out.reshape(-1), 0, int(np.prod(shape)))
        return out

    def _frame_shape(self, sensor_size: tuple[int, int, int]) -> tuple[int, int, int]:
        """(P, H, W) of one frame."""
        width, height, polarities = sensor_size
        if self.out_size is None:
            return polarities, height, width
        if self.out_size[0] > width or self.out_size[1] > height:
            raise RangeError(
                f"ToFrames.out_size: {self.out_size} (width, height) is larger than the sensor, {(width, height)}."
            )
        return polarities, self.out_size[1], self.out_size[0]

    def _cuts(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        """(T + 1,) bin b holds the events ``cuts[b] <= i < cuts[b + 1]``."""
        if self.events_per_frame is not None:
            return _count_cuts(len(t), self.events_per_frame, self.tail)
        if self.window_us is not None:
            return np.searchsorted(t, window_edges(t, self.window_us, self.tail))
        assert self.n_bins is not None  # __post_init__ saw to it
        if self.duration_us is None:
            return np.searchsorted(t, _bin_edges(t, self.n_bins, self.tail))
        steps = np.arange(self.n_bins + 1, dtype=np.int64) * self.duration_us
        cuts = np.searchsorted(t, self.start_us + -(-steps // self.n_bins))  # rounded up: see the class's formula
        if self.bounds == "raise" and cuts[-1] - cuts[0] != len(t):
            raise RangeError(
                f"ToFrames: the grid {self.start_us}..{self.start_us + self.duration_us} us leaves out "
                f"{len(t) - (cuts[-1] - cuts[0])} of {len(t)} events ({t[0]}..{t[-1]} us). "
                'Make it longer, or crop them with bounds="crop".'
            )
        return cuts

    def _fill(self, events: Events, cuts: NDArray[np.int64], out: Frames, first: int, stride: int) -> None:
        """Write the counts of ``events`` into the flat ``out``, bin b at ``first + b * stride``."""
        from neurosim.kernels.events import count_events

        width, height, _ = events.sensor_size
        polarities, rows, columns = self._frame_shape(events.sensor_size)
        plane = np.int64(rows * columns)  # a plain int would not widen uint8 polarities where Numba is off
        column = np.arange(width) * columns // width
        row = np.arange(height) * rows // height * columns
        cap = out.dtype.type(CAPS[self.dtype])
        x, y, p, frame = events.x, events.y, events.p, polarities * rows * columns
        full = count_events(cuts, x, y, p, column, row, plane, out, first, stride, frame, cap)
        if full >= 0:
            raise RangeError(
                f"ToFrames.dtype: a pixel has more than {CAPS[self.dtype]} events in frame {full}, which {self.dtype} "
                "cannot hold. Choose a wider dtype or shorter bins."
            )


def frames_batch(recordings: Sequence[Events], grid: ToFrames, out: NDArray[np.float32] | None = None) -> Frames:
    """Frames of many recordings, time first, written straight into one array.

    Args:
        recordings: B recordings of the same sensor.
        grid: a `ToFrames` with ``n_bins`` and dtype float32, so that all recordings have equally many frames.
        out: (T, B, P, H, W) float32, C-contiguous, overwritten and returned; default a new one.

    Returns:
        (T, B, P, H, W) float32; ``[:, b]`` equals ``grid(recordings[b])``.

    Raises:
        RangeError: no recordings, different sensors, a grid without ``n_bins``, events outside the grid.
        ShapeError: something that is not `Events`, or ``out`` does not fit.

    Example:
        >>> events = Events(t=[0, 9], x=[1, 0], y=[0, 0], p=[1, 0], sensor_size=(2, 1, 2))
        >>> frames_batch([events, events], ToFrames(n_bins=4, duration_us=10)).shape
        (4, 2, 2, 1, 2)
    """
    if grid.n_bins is None or grid.dtype != "float32":
        raise RangeError(f"frames_batch.grid: must have n_bins and dtype 'float32', got {grid!r}.")
    if len(recordings) == 0:
        raise RangeError("frames_batch.recordings: must hold at least one recording, got none.")
    for events in recordings:
        check_events(grid, events)
    sizes = {events.sensor_size for events in recordings}
    if len(sizes) != 1:
        raise RangeError(f"frames_batch.recordings: must be of one sensor, got sizes {sorted(sizes)}.")
    shape = (grid.n_bins, len(recordings), *grid._frame_shape(sizes.pop()))
    out = np.empty(shape, np.float32) if out is None else _checked(out, shape)
    sample = int(np.prod(shape[2:]))
    for b, events in enumerate(recordings):
        grid._fill(events, grid._cuts(events.t), out.reshape(-1), b * sample, len(recordings) * sample)
    return out


@dataclass(frozen=True)
class SignedPolarity(Transform):
    """ON minus OFF counts, for frames of a sensor with two polarities.

    Shape:
        (..., 2, H, W) float or signed integer -> (..., 1, H, W) of the same dtype.

    Raises:
        ShapeError: not two polarities on the third axis from the end, or an unsigned dtype.

    Example:
        >>> SignedPolarity()(np.array([[[1.0]], [[3.0]]]))
        array([[[2.]]])
    """

    @property
    def random(self) -> bool:
        """Always false."""
        return False

    def __call__(self, events: Any, rng: np.random.Generator | None = None) -> Frames:
        """Subtract the OFF channel from the ON channel of frames."""
        frames = events
        if (
            not isinstance(frames, np.ndarray)
            or frames.ndim < 3
            or frames.shape[-3] != 2
            or frames.dtype.kind not in "fi"
        ):
            given = f"{getattr(frames, 'dtype', type(frames).__name__)} {getattr(frames, 'shape', '')}".strip()
            raise ShapeError(f"SignedPolarity: takes frames (..., 2, H, W) of a signed dtype, got {given}.")
        signed: Frames = frames[..., 1:, :, :] - frames[..., :1, :, :]
        return signed


def window_edges(t: NDArray[np.int64], window: int, tail: str) -> NDArray[np.int64]:
    """(T + 1,) edges [us] of windows from the first event on; T >= 1."""
    start, span = (int(t[0]), int(t[-1] - t[0])) if len(t) else (0, 0)
    n = span // window + 1 if tail == "keep" else max(span // window, 1)
    return start + np.arange(n + 1, dtype=np.int64) * window


def _bin_edges(t: NDArray[np.int64], n_bins: int, tail: str) -> NDArray[np.int64]:
    start, stop = (int(t[0]), int(t[-1])) if len(t) else (0, 0)
    width = (stop - start) // n_bins
    if tail == "drop":
        return start + np.arange(n_bins + 1, dtype=np.int64) * width
    edges = start + np.arange(n_bins + 1, dtype=np.int64) * max(width, 1)
    edges[-1] = max(int(edges[-1]), stop + 1)
    return edges


def _count_cuts(n_events: int, per_frame: int, tail: str) -> NDArray[np.int64]:
    n = -(-n_events // per_frame) if tail == "keep" else n_events // per_frame
    cuts = np.arange(max(n, 1) + 1, dtype=np.int64) * per_frame
    return np.minimum(cuts, n_events)


def _checked(out: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    if out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise ShapeError(
            f"frames_batch.out: must be (T, B, P, H, W) = {shape}, float32, C-contiguous; "
            f"got {out.shape} {out.dtype}{'' if out.flags.c_contiguous else ', not contiguous'}."
        )
    return out
