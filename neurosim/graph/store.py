"""Graph files: HDF5 behind 512 bytes that name the format, its version, and the length and SHA-256 of all that follows.

The HDF5 part holds the text ``graph`` (JSON: parts as objects with their ``kind``) and one dataset for each array,
named by its place, such as ``/populations/0/initial``. Tools that know HDF5 open the file as it is.
A damaged file is refused before libhdf5, which some damage crashes, sees it. Nothing is unpickled or evaluated.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import FormatError, nearest
from neurosim.files import replacing, writing
from neurosim.graph.distributions import DISTRIBUTIONS, Distribution
from neurosim.graph.graph import Graph
from neurosim.graph.parts import CurrentInput, PoissonInput, Projection, RateProbe, SpikeProbe, StateProbe, WeightProbe
from neurosim.graph.plasticity import PLASTICITIES
from neurosim.graph.population import PoissonSource, Population, SpikeSource
from neurosim.graph.rules import RULES

FORMAT, VERSION = "neurosim graph", 2
BELL = {"outside": "clip"}
SINCE_2 = {  # fields that version 1 lacks; not written where they say nothing new
    "Projection": {"signal": "spikes"}, "Normal": BELL, "LogNormal": BELL,
}  # fmt: skip
MAGIC = f"{FORMAT}\n".encode()
BLOCK = 512  # bytes before the HDF5 part: the smallest that HDF5 allows
KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        Graph, Population, SpikeSource, PoissonSource, Projection, PoissonInput, CurrentInput, SpikeProbe, RateProbe,
        StateProbe, WeightProbe, *RULES, *DISTRIBUTIONS, *PLASTICITIES,
    )
}  # fmt: skip
DAMAGED = "Restore it from a copy, or make it again."


def save_graph(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write ``graph``; whoever reads, also after a crash, sees the old file or the new one."""
    import h5py

    structure, arrays = _content(graph)
    with writing(path), replacing(path) as part:
        with h5py.File(part, "w", userblock_size=BLOCK, locking=False) as file:
            file.attrs["format"], file.attrs["version"] = FORMAT, _version(graph)
            file.create_dataset("graph", data=np.bytes_(structure), track_times=False)
            for name, values in arrays.items():
                file.create_dataset(name, data=values, track_times=False)
        seal(part, _version(graph))


def fingerprint(graph: Graph) -> str:
    """SHA-256 of everything a graph holds: two graphs with one fingerprint are the same network."""
    structure, arrays = _content(graph)
    digest = hashlib.sha256(structure)
    for name, values in arrays.items():
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(values.data)
    return digest.hexdigest()


def _version(graph: Graph) -> int:
    """The oldest version of the format that can hold a graph."""
    drawn = [law for p in graph.projections for law in (p.weight, p.delay) if isinstance(law, Distribution)]
    return 2 if any(p.graded for p in graph.projections) or any(law.redraws for law in drawn) else 1


def seal(path: Path, version: int = 1) -> None:
    """Write the first bytes of a graph file, with the checksum of the rest."""
    with open(path, "r+b") as file:
        file.seek(BLOCK)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell() - BLOCK
        file.seek(0)
        file.write(_header(size, digest, version))


def load_graph(path: str | os.PathLike[str]) -> Graph:
    """Read what `save_graph` wrote; see `Graph.load`."""
    stated = _check_bytes(path)
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs["format"] != FORMAT or int(file.attrs["version"]) != stated:
                raise FormatError("its HDF5 part names another format or version")
            graph = _decode(json.loads(_dataset(file, "graph", "S")[()]), file)
    except MemoryError:  # of a graph too large for this machine
        raise
    except Exception as error:  # h5py has at least seven classes for what it cannot read, the parts have their own
        raise FormatError(f"{path}: holds no valid graph: {error!s:.500}. {DAMAGED}") from None
    if not isinstance(graph, Graph):
        raise FormatError(f"{path}: must hold a Graph, got {type(graph).__name__}. {DAMAGED}")
    return graph


def _content(graph: Graph) -> tuple[bytes, dict[str, NDArray[Any]]]:
    arrays: dict[str, NDArray[Any]] = {}
    return json.dumps(_encode(graph, "", arrays), allow_nan=False).encode(), arrays


def _header(size: int, digest: str, version: int) -> bytes:
    return f"{FORMAT}\nversion {version}\nbytes {size}\nsha256 {digest}\n".encode().ljust(BLOCK, b"\0")


def _check_bytes(path: str | os.PathLike[str]) -> int:
    """The version of a graph file, or `FormatError` unless every byte is as it was written."""
    with open(path, "rb") as file:
        block = file.read(BLOCK)
        _check_start(path, block)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell() - len(block)
    for version in range(1, VERSION + 1):
        if block == _header(size, digest, version):
            return version
    stated = re.search(rb"\nbytes ([0-9]{1,18})\n", block)
    if len(block) < BLOCK or (stated and size < int(stated[1])):
        expected = f"{BLOCK + int(stated[1])} bytes" if stated else f"more than {BLOCK} bytes"
        raise FormatError(f"{path}: is cut short: expected {expected}, got {len(block) + size}. {DAMAGED}")
    raise FormatError(f"{path}: is damaged: its checksum does not fit its content. {DAMAGED}")


def _check_start(path: str | os.PathLike[str], block: bytes) -> None:
    if not block.startswith(MAGIC):
        if MAGIC.startswith(block):
            raise FormatError(f"{path}: is cut short: expected more than {BLOCK} bytes, got {len(block)}. {DAMAGED}")
        hint = " It is HDF5, of another kind." if block.startswith(b"\x89HDF") else ""
        raise FormatError(f"{path}: must start with {MAGIC!r}, got {block[: len(MAGIC)]!r}: no graph file.{hint}")
    version = re.match(rb"version ([0-9]{1,9})\n", block[len(MAGIC) :])
    if version and int(version[1]) > VERSION:
        raise FormatError(
            f"{path}: has version {int(version[1])} of the format, this one reads {VERSION}. Update neurosim."
        )


def _encode(value: Any, at: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """``value`` as JSON can hold it; arrays are moved to ``arrays`` under their place ``at``."""
    if isinstance(value, np.ndarray):
        arrays[at] = value
        return {"kind": "array", "at": at}
    if is_dataclass(value):
        new = SINCE_2.get(type(value).__name__, {})
        told = [f.name for f in fields(value) if f.name not in new or getattr(value, f.name) != new[f.name]]
        inner = {name: _encode(getattr(value, name), f"{at}/{name}", arrays) for name in told}
        return {"kind": type(value).__name__, **inner}
    if isinstance(value, tuple):
        return [_encode(v, f"{at}/{k}", arrays) for k, v in enumerate(value)]
    if isinstance(value, float) and math.isinf(value):  # open bounds of a distribution; JSON has no infinity
        return {"kind": "infinity", "sign": 1 if value > 0 else -1}
    return value


def _decode(value: Any, file: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(v, file) for v in value)
    if not isinstance(value, dict):
        return value
    kind, rest = value.get("kind"), {k: v for k, v in value.items() if k != "kind"}
    if kind == "array" and set(rest) == {"at"}:
        array: NDArray[Any] = _dataset(file, rest["at"], "iuf")[...]
        array.flags.writeable = False  # nobody else holds it: no part needs to copy it
        return array
    if kind == "infinity" and rest in ({"sign": 1}, {"sign": -1}):
        return rest["sign"] * math.inf
    if kind not in KINDS:
        raise FormatError(f"unknown kind {kind!r}, perhaps of a newer neurosim.{nearest(kind, KINDS)}")
    expected, rest = [f.name for f in fields(KINDS[kind])], {**SINCE_2.get(kind, {}), **rest}
    if set(rest) != set(expected):
        raise FormatError(f"a {kind} must have the fields {expected}, got {list(rest)}")
    return KINDS[kind](**{k: _decode(v, file) for k, v in rest.items()})


def _dataset(file: Any, at: Any, kinds: str) -> Any:
    """A dataset all of whose bytes lie in this file; no link is followed, it could lead to any other file."""
    import h5py

    found = file
    for name in str(at).strip("/").split("/"):
        if not isinstance(found, h5py.Group) or not isinstance(found.get(name, getlink=True), h5py.HardLink):
            raise FormatError(f"there is no dataset {at!r}")
        found = found[name]
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in kinds:
        raise FormatError(f"{at!r} must be a dataset of kind {kinds!r}")
    if found.id.get_storage_size() != found.size * found.dtype.itemsize:
        raise FormatError(f"{at!r} must lie whole and uncompressed in the file")
    return found
