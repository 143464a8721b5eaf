"""Memory for large outputs that comes back when the tensor is gone.

The first touch of a fresh page costs more than the arithmetic on it, and allocators hand pages of large tensors back
to the system at once. Training asks for the same sizes at every step, so the kernels' outputs take their memory from
here: a buffer returns to its list when the last tensor that uses it is freed.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SMALLEST = 256 * 2**10  # bytes; smaller ones come from torch, whose allocator keeps them
LARGEST_KEPT = 512 * 2**20  # bytes of unused memory that is kept
ALIGNMENT = 64
TYPES = {torch.float32: "<f4", torch.float64: "<f8"}

Memory = NDArray[np.uint8]


class _Shelf:
    """Unused buffers by size."""

    def __init__(self) -> None:
        self.lock, self.free, self.kept, self.limit = threading.Lock(), dict[int, list[Memory]](), 0, LARGEST_KEPT

    def take(self, size: int) -> Memory:
        with self.lock:
            if stack := self.free.get(size):
                self.kept -= size
                return stack.pop()
        return np.empty(size, np.uint8)

    def give(self, memory: Memory) -> None:
        # Called when a loan is freed, which may happen inside `take` on this very thread: never wait
        if not self.lock.acquire(blocking=False):
            return
        try:
            if self.kept + memory.size <= self.limit:
                self.free.setdefault(memory.size, []).append(memory)
                self.kept += memory.size
        finally:
            self.lock.release()


_shelf = _Shelf()


class _Loan:
    """What an array on borrowed memory keeps alive: gives the memory back when the array is gone."""

    __slots__ = ("__array_interface__", "memory", "shelf")

    def __init__(self, shelf: _Shelf, size: int, shape: tuple[int, ...], kind: str) -> None:
        self.shelf, self.memory = shelf, shelf.take(size)
        place = self.memory.ctypes.data
        start = place + -place % ALIGNMENT
        self.__array_interface__: Any = {"version": 3, "shape": shape, "typestr": kind, "data": (start, False)}

    def __del__(self) -> None:
        self.shelf.give(self.memory)


def empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A contiguous tensor with undefined values, on memory that is used again later when it is large."""
    shape, bytes_needed = tuple(shape), math.prod(shape) * dtype.itemsize
    if bytes_needed < SMALLEST:
        return torch.empty(shape, dtype=dtype)
    step = 1 << max(16, bytes_needed.bit_length() - 3)  # at most a quarter more than needed
    size = -(-(bytes_needed + ALIGNMENT) // step) * step
    return torch.from_numpy(np.asarray(_Loan(_shelf, size, shape, TYPES[dtype])))
