"""`BlockBessel`: a low-pass for the output of a decoder that looks both ways, one block at a time.

A causal low-pass delays what it smooths. Run over a block forwards and then backwards it delays nothing but by the
length of the block. Source: Zhou, Sun & Basu, arXiv:2312.15889.
"""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from neurosim.errors import RangeError, ShapeError, check_choice, check_number, require
from neurosim.nn.layer import Layer, State

Array = NDArray[Any]
WAYS = ("filtfilt", "carried", "causal")


class BlockBessel(Layer):
    """Bessel low-pass of every channel, block by block, forwards and backwards.

    Args:
        order: of the filter, which runs twice over a block.
        wn: cutoff as a part of the Nyquist frequency; 0.05 is 6.25 Hz at 250 Hz.
        block: steps in a block, L. Step t leaves when its block is full, at most L steps later.
        way: "filtfilt": each block on its own, extended oddly at its ends, as `scipy.signal.filtfilt`; "carried":
            forwards with the state of the block before, backwards from rest at the block's last output; "causal":
            forwards only, step by step, with its delay.

    Shape:
        x (T, B, C) -> y (T', B, C): all steps of the blocks that x fills; the rest waits in the state, and `flush`
        brings it. "causal" waits for nothing: T' = T.

    Raises:
        RangeError: order < 1, wn outside 0..1, block < 2, or x not finite.
        ShapeError: x that is not (T, B, C).

    Example:
        >>> import torch
        >>> smooth = BlockBessel(block=32)
        >>> y, state = smooth(torch.randn(100, 1, 2))
        >>> y.shape, smooth.flush(state).shape, smooth.latency_steps
        (torch.Size([96, 1, 2]), torch.Size([4, 1, 2]), 32)
    """

    def __init__(self, order: int = 4, wn: float = 0.05, block: int = 32, way: str = "filtfilt") -> None:
        super().__init__()
        for name, value, least in (("order", order, 1), ("block", block, 2)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise RangeError(f"BlockBessel.{name}: must be a whole number of at least {least}, got {value!r}.")
        check_number("BlockBessel.wn", wn)
        if not 0 < wn < 1:
            raise RangeError(f"BlockBessel.wn: must be above 0 and below 1 (parts of the Nyquist rate), got {wn!r}.")
        check_choice("BlockBessel.way", way, WAYS)
        signal: Any = require("scipy.signal", "decode")
        self.order, self.wn, self.block, self.way = order, wn, block, way
        self._b, self._a = signal.bessel(order, wn)
        self._rest = signal.lfilter_zi(self._b, self._a)  # state of the filter at rest at 1

    def extra_repr(self) -> str:
        return f"order={self.order}, wn={self.wn}, block={self.block}, way={self.way!r}"

    @property
    def latency_steps(self) -> int:
        """Steps that an output waits at most; the delay of the causal filter itself is not among them."""
        return 0 if self.way == "causal" else self.block

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Smooth; state: (steps that wait (K, B, C), state of the filter (order, B, C)), or None at the start."""
        if x.dim() != 3:
            raise ShapeError(f"BlockBessel: x must be (T, B, C), got {tuple(x.shape)}.")
        if not torch.isfinite(x).all():
            raise RangeError("BlockBessel: x must be finite, got NaN or inf.")
        waiting, before = (x[:0], None) if state is None else state
        if waiting.shape[1:] != x.shape[1:]:
            raise ShapeError(f"BlockBessel: state is of {tuple(waiting.shape[1:])}, x of {tuple(x.shape[1:])}.")
        steps = torch.cat([waiting, x])
        size = len(steps) if self.way == "causal" else self.block
        whole = len(steps) - len(steps) % size if size else 0
        parts = []
        for block in torch.split(steps[:whole], size) if whole else ():
            part, before = self._smooth(block.detach().cpu().double().numpy(), before)
            parts.append(torch.from_numpy(part).to(x))
        return (torch.cat(parts) if parts else x[:0]), (steps[whole:], before)

    def flush(self, state: State) -> Tensor:
        """The last steps, whose block was never filled: (K, B, C)."""
        waiting: Tensor
        waiting, before = state
        if not len(waiting):
            return waiting
        return torch.from_numpy(self._smooth(waiting.detach().cpu().double().numpy(), before)[0]).to(waiting)

    def _smooth(self, block: Array, before: Array | None) -> tuple[Array, Array | None]:
        """One block (L, B, C), and the state of the filter after it."""
        from scipy import signal

        if self.way == "filtfilt":
            reach = min(3 * max(len(self._a), len(self._b)), len(block) - 1)  # a short block has less to extend by
            return signal.filtfilt(self._b, self._a, block, axis=0, padlen=reach).copy(), None
        rest = self._rest.reshape(-1, *[1] * (block.ndim - 1))
        there, after = signal.lfilter(self._b, self._a, block, axis=0, zi=rest * block[0] if before is None else before)
        if self.way == "causal":
            return there, after
        back, _ = signal.lfilter(self._b, self._a, there[::-1], axis=0, zi=rest * there[-1])
        return back[::-1].copy(), after
