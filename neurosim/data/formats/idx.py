"""IDX, the format of MNIST: an array of one type with its sizes in front, big-endian.

Source: the description on the MNIST page (yann.lecun.com/exdb/mnist): two zero bytes, a type code, the number of
dimensions, the sizes as 32-bit integers, then the numbers in C order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats._common import CUT_SHORT, Path, fail, load

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
NO_IDX = "This is no IDX file, or it is damaged."


def read_idx(path: Path) -> NDArray[Any]:
    """The array in an IDX file, plain or gzip, in the machine's byte order.

    Raises:
        FormatError: empty, wrong magic number, unknown type, or fewer or more numbers than the header says.
    """
    data = load(path)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise fail(path, 0, "the magic number of IDX, two zero bytes first", data[:4].hex(" "), NO_IDX)
    if data[2] not in TYPES:
        raise fail(path, 2, f"a type code, one of {sorted(TYPES)}", str(data[2]), NO_IDX)
    dims, start = data[3], 4 + 4 * data[3]
    if dims == 0:
        raise fail(path, 3, "at least one dimension", "0", NO_IDX)
    if len(data) < start:
        raise fail(path, len(data), f"a header of {start} bytes", f"a file of {len(data)}", CUT_SHORT)
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", dims, 4))
    dtype = np.dtype(TYPES[data[2]])
    wanted = math.prod(shape) * dtype.itemsize
    if len(data) - start != wanted:
        raise fail(path, len(data), f"{wanted} bytes of data for {shape}", f"{len(data) - start}", CUT_SHORT)
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
