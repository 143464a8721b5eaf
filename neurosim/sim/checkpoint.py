"""Files that hold a running simulation, so that it goes on as if it had never stopped, on any number of threads.

An ordinary .npz of plain arrays: the state of every neuron, spikes that have not arrived everywhere yet, and all that
was recorded, with the fingerprint of the graph they belong to.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import FormatError, RangeError
from neurosim.files import replacing, writing
from neurosim.graph import Graph, Plasticity, Population, RateProbe, SpikeSource
from neurosim.graph.store import fingerprint
from neurosim.sim import plasticity
from neurosim.sim.build import put_rows, signals_of

if TYPE_CHECKING:
    from neurosim.sim.simulation import Simulation

FORMAT, VERSION = "neurosim checkpoint", 1
Arrays = dict[str, NDArray[Any]]
Lanes = list[tuple[Any, ...]]


def save(simulation: Simulation, path: str | os.PathLike[str]) -> None:
    """Write the simulation; the file appears whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    arrays = collect(simulation)
    header = {"format": FORMAT, "version": VERSION, "step": simulation.step, "graph": fingerprint(simulation.graph)}
    with writing(path), replacing(path) as part, open(part, "wb") as file:
        np.savez(file, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)  # type: ignore[arg-type]


def collect(simulation: Simulation) -> Arrays:
    """Everything a checkpoint holds."""
    found: Arrays = {}
    for k, p in enumerate(simulation.graph.populations):
        if isinstance(p, Population):
            found[f"state {k}"] = np.stack(list(simulation.state(p.name).values()))
        found[f"past steps {k}"], found[f"past neurons {k}"] = simulation.history[k].recent(simulation.step)
        if p.name in simulation.recorded:
            found[f"spike steps {k}"], found[f"spike neurons {k}"] = simulation.all_recorded(p.name)
    past = np.arange(max(0, simulation.step - simulation.height), simulation.step)
    for j, values in enumerate(simulation.signals):  # the last row is that of the step before
        found[f"signal {j}"] = values[past % simulation.height]
    for k, rule, parts, blocks, cuts in _plastic(simulation):
        kept = plasticity.keep(rule, parts, blocks, cuts)
        found |= {f"plasticity {k} {j}": values for j, values in enumerate(kept)}
    found |= simulation.rates.arrays()
    return found | {f"trace {k}": np.concatenate(parts) for k, parts in simulation.traces.items()}


def put(simulation: Simulation, step: int, arrays: Arrays) -> None:
    """Take over what `collect` gave, from a simulation with any number of lanes."""
    simulation.step = step
    for k, p in enumerate(simulation.graph.populations):
        simulation.history[k].put(arrays[f"past steps {k}"], arrays[f"past neurons {k}"])
        for lane in simulation.lanes:
            block = lane.blocks[k]
            if isinstance(p, Population):
                put_rows(block.own[0], arrays[f"state {k}"][:, block.first : block.first + block.n])
            elif isinstance(p, SpikeSource):
                block.own[2][0] = np.searchsorted(block.own[0], step)
        if p.name in simulation.recorded and f"spike steps {k}" in arrays:
            simulation.recorded[p.name] = [(arrays[f"spike steps {k}"], arrays[f"spike neurons {k}"])]
    for j, values in enumerate(simulation.signals):
        last = arrays[f"signal {j}"][-simulation.height :]
        values[np.arange(step - len(last), step) % simulation.height] = last
    for k, rule, parts, blocks, cuts in _plastic(simulation):
        kept = [arrays[f"plasticity {k} {j}"] for j in range(plasticity.KEPT[rule.kind])]
        plasticity.put(rule, parts, blocks, cuts, kept)
    simulation.rates.put(arrays)
    simulation.traces = {int(n.split()[1]): [values] for n, values in arrays.items() if n.startswith("trace ")}


def _plastic(simulation: Simulation) -> Iterator[tuple[int, Plasticity, Lanes, Lanes, list[int]]]:
    """Number, rule, synapses and plastic state by lane, and cuts of the target, of each plastic projection."""
    for k, p in enumerate(simulation.graph.projections):
        if p.plasticity is not None:
            parts = [lane.projections[k].arguments for lane in simulation.lanes]
            yield k, p.plasticity, parts, [lane.plastic[k] for lane in simulation.lanes], simulation.cuts(p.target)


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
    for k, q in enumerate(graph.projections):
        if q.plasticity is not None:
            names |= {f"plasticity {k} {j}" for j in range(plasticity.KEPT[q.plasticity.kind])}
    names |= {f"signal {j}" for j in range(len(signals_of(graph)))}
    names |= {f"rate {k}" for k, probe in enumerate(graph.probes) if isinstance(probe, RateProbe)}
    return names | {f"state {k}" for k, p in enumerate(graph.populations) if isinstance(p, Population)}
