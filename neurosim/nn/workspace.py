"""Memory for large outputs that comes back when the tensor is gone.

The first touch of a fresh page costs more than the arithmetic on it, and allocators hand pages of large tensors back
to the system at once. Training asks for the same sizes at every step, so the kernels' outputs take their memory from
here: a buffer returns to its list when the last tensor that uses it is freed.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SMALLEST = 256 * 2**10  # bytes; smaller ones come from torch, whose allocator keeps them
LARGEST_KEPT = 512 * 2**20  # bytes of unused memory that is kept
ALIGNMENT = 64

Memory = NDArray[np.uint8]


class _Shelf:
    """Unused buffers by size."""

    def __init__(self) -> None:
        self.lock, self.free, self.kept = threading.Lock(), dict[int, list[Memory]](), 0

    def take(self, size: int) -> Memory:
        with self.lock:
            if stack := self.free.get(size):
                self.kept -= size
                return stack.pop()
        return np.empty(size, np.uint8)

    def give(self, memory: Memory) -> None:
        # Called when an array is freed, which may happen inside `take` on this very thread: never wait
        if not self.lock.acquire(blocking=False):
            return
        try:
            if self.kept + memory.size <= LARGEST_KEPT:
                self.free.setdefault(memory.size, []).append(memory)
                self.kept += memory.size
        finally:
            self.lock.release()


_shelf = _Shelf()


def empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A contiguous tensor with undefined values, on memory that is used again later when it is large."""
    kind = torch.empty(0, dtype=dtype).numpy().dtype
    count = int(np.prod(shape))
    if count * kind.itemsize < SMALLEST:
        return torch.empty(tuple(shape), dtype=dtype)
    step = 1 << max(16, (count * kind.itemsize).bit_length() - 3)  # at most a quarter more than needed
    memory = _shelf.take(-(-(count * kind.itemsize + ALIGNMENT) // step) * step)
    start = -memory.ctypes.data % ALIGNMENT
    array = memory[start : start + count * kind.itemsize].view(kind).reshape(tuple(shape))
    weakref.finalize(array, _shelf.give, memory).atexit = False
    return torch.from_numpy(array)
