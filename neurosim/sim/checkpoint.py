"""Files that hold a running simulation, so that it goes on as if it had never stopped, on any number of threads.

An ordinary .npz of plain arrays: the state of every neuron, spikes that have not arrived everywhere yet, and all that
was recorded, with the fingerprint of the graph they belong to.
"""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import FormatError, RangeError
from neurosim.files import replacing, writing
from neurosim.graph import Graph, Population, RateProbe
from neurosim.graph.store import fingerprint

if TYPE_CHECKING:
    from neurosim.sim.simulation import Simulation

FORMAT, VERSION = "neurosim checkpoint", 1
Arrays = dict[str, NDArray[Any]]


def save(simulation: Simulation, path: str | os.PathLike[str]) -> None:
    """Write the simulation; the file appears whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    arrays = simulation.arrays()
    header = {"format": FORMAT, "version": VERSION, "step": simulation.step, "graph": fingerprint(simulation.graph)}
    with writing(path), replacing(path) as part, open(part, "wb") as file:
        np.savez(file, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)  # type: ignore[arg-type]


def load(graph: Graph, path: str | os.PathLike[str]) -> tuple[int, Arrays]:
    """The step and the arrays of a checkpoint of ``graph``.

    Raises:
        FormatError: no checkpoint, damaged, or written by a newer neurosim.
        RangeError: a checkpoint of another graph.
    """
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
            header = json.loads(arrays.pop("header").tobytes())
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise FormatError(f"{path}: is no checkpoint of a simulation, or is damaged: {error}") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise FormatError(f"{path}: is no checkpoint of a simulation.")
    if header["version"] != VERSION:
        raise FormatError(f"{path}: has version {header['version']}, this neurosim reads {VERSION}. Update neurosim.")
    if header["graph"] != fingerprint(graph):
        raise RangeError(f"{path}: belongs to another network (other sizes, weights, seed, dt or probes).")
    missing = expected(graph) - set(arrays)
    if missing:
        raise FormatError(f"{path}: lacks {sorted(missing)}.")
    return int(header["step"]), arrays


def expected(graph: Graph) -> set[str]:
    """Names of the arrays that a checkpoint of ``graph`` must hold."""
    names = {f"{kind} {k}" for k in range(len(graph.populations)) for kind in ("past steps", "past neurons")}
    names |= {f"rate {k}" for k, probe in enumerate(graph.probes) if isinstance(probe, RateProbe)}
    return names | {f"state {k}" for k, p in enumerate(graph.populations) if isinstance(p, Population)}
