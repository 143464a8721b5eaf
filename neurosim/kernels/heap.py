"""Keep freed memory in the process, so that large tensors do not pay for fresh pages at every step."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
TOP_PAD = 64 * 2**20


def reuse_heap() -> bool:
    """Tell glibc's allocator to keep and reuse freed memory; True where that is possible.

    A fresh page costs a fault at its first touch: most of the time of elementwise work on tensors of many megabytes.
    The price is that memory once used stays with the process. Call it once in a training script; ``neurosim train``
    does. Other allocators and systems are left alone.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl and others have no mallopt
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, TOP_PAD))
    return all(mallopt(name, value) == 1 for name, value in settings)
