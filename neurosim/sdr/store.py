"""Stored representations: five lines of text, then the indices of the active cells as little-endian int32.

The lines are the name of the format, its version, the dimensions, the number of active cells, and the SHA-256 of
dimensions and indices. Nothing is unpickled or evaluated.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import numpy as np

from neurosim.errors import FormatError, NeurosimError

if TYPE_CHECKING:
    from neurosim.sdr.sdr import SDR

FORMAT, VERSION = "neurosim sdr", 1
MAGIC = f"{FORMAT}\n".encode()
HEADER = re.compile(
    rb"version (?P<version>[0-9]{1,9})\n"
    rb"(?P<head>dims (?P<dims>[0-9]{1,10}(?: [0-9]{1,10})*)\nactive (?P<active>[0-9]{1,10})\n)"
    rb"sha256 (?P<digest>[0-9a-f]{64})\n"
)


def to_bytes(sdr: SDR) -> bytes:
    """The bytes of a representation."""
    head = f"dims {' '.join(map(str, sdr.dims))}\nactive {sdr.active}\n".encode()
    body = sdr.sparse.astype("<i4").tobytes()
    digest = hashlib.sha256(head + body).hexdigest()
    return MAGIC + f"version {VERSION}\n".encode() + head + f"sha256 {digest}\n".encode() + body


def from_bytes(data: bytes, where: str = "SDR.from_bytes") -> SDR:
    """Read what `to_bytes` gave, or raise `FormatError` that begins with ``where``."""
    from neurosim.sdr.sdr import SDR

    if not isinstance(data, bytes):
        raise FormatError(f"{where}: must be bytes, got {type(data).__name__}.")
    if not data.startswith(MAGIC):
        raise FormatError(f"{where}: must start with {MAGIC!r}, got {data[: len(MAGIC)]!r}: no stored SDR.")
    version = re.match(rb"version ([0-9]{1,9})\n", data[len(MAGIC) :])
    if version and int(version[1]) > VERSION:
        raise FormatError(f"{where}: has version {int(version[1])}, this one reads {VERSION}. Update neurosim.")
    header = HEADER.match(data, len(MAGIC))
    if header is None or int(header["version"]) != VERSION:
        raise FormatError(f"{where}: its header is damaged or cut short.")
    body, active = data[header.end() :], int(header["active"])
    if len(body) != 4 * active:
        raise FormatError(f"{where}: must hold {4 * active} bytes of {active} indices, got {len(body)}.")
    if hashlib.sha256(header["head"] + body).hexdigest().encode() != header["digest"]:
        raise FormatError(f"{where}: is damaged: its checksum does not fit its content.")
    try:
        return SDR([int(n) for n in header["dims"].split()], np.frombuffer(body, "<i4"))
    except NeurosimError as error:
        raise FormatError(f"{where}: holds no valid SDR: {error}") from None
