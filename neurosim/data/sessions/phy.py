"""Folders of Kilosort and phy: sorted spikes as .npy, what was said of each cluster as .tsv."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.recording import Recording, Spikes
from neurosim.errors import FormatError, RangeError, check_number

RATE = re.compile(r"^\s*sample_rate\s*=\s*([0-9.eE+]+)\s*$", re.M)


def read_phy(folder: str | os.PathLike[str], rate: float | None = None) -> Recording:
    """The spikes of a Kilosort or phy folder, one unit per cluster that has spikes, as "units".

    Args:
        folder: with ``spike_times.npy`` (samples), ``spike_clusters.npy`` (or Kilosort's ``spike_templates.npy``) and
            any ``cluster_*.tsv``. Every column of those becomes one of the table, beside ``cluster_id``: numbers where
            all are, text elsewhere, "" or nan for a cluster that is not listed.
        rate: samples per second; default: the ``sample_rate`` of ``params.py``, which is read as text, never run.

    Raises:
        FormatError: a file is missing, damaged, or does not fit the others.
        RangeError: no rate given and none found, or one that is not above 0.
    """
    root = Path(folder)
    times = _vector(root, "spike_times.npy")
    name = "spike_clusters.npy" if (root / "spike_clusters.npy").exists() else "spike_templates.npy"
    clusters = _vector(root, name)
    if times.shape != clusters.shape:
        raise FormatError(f"{root / name}: must have one entry per spike time, {len(times)}, got {len(clusters)}.")
    seconds = times.astype(np.float64) / (_rate_of(root) if rate is None else _checked(rate))
    order = np.argsort(seconds, kind="stable")
    kinds, units = np.unique(clusters, return_inverse=True)
    table: dict[str, NDArray[Any]] = {"cluster_id": kinds}
    for path in sorted(root.glob("cluster_*.tsv")):
        table |= _columns(path, kinds)
    return Recording({"units": Spikes(seconds[order], units[order], len(kinds), table)}, about={"session": root.name})


def _vector(root: Path, name: str) -> NDArray[Any]:
    path = root / name
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise FormatError(f"{path}: is missing; a phy folder has spike_times.npy and spike_clusters.npy.") from None
    except (ValueError, EOFError, OSError) as error:
        raise FormatError(f"{path}: is no .npy file of numbers, or is cut short: {error}") from error
    if values.dtype.kind not in "iu" or values.size != values.shape[0]:
        raise FormatError(f"{path}: must hold whole numbers (S,) or (S, 1), got {values.dtype} {values.shape}.")
    return np.asarray(values.reshape(-1))


def _rate_of(root: Path) -> float:
    params = root / "params.py"
    found = RATE.search(params.read_text(errors="replace")) if params.exists() else None
    if found is None:
        raise RangeError(f"read_phy.rate: must be given, in Hz: {params} does not say sample_rate.")
    return _checked(float(found[1]))


def _checked(rate: float) -> float:
    check_number("read_phy.rate", rate)
    if rate <= 0:
        raise RangeError(f"read_phy.rate: must be > 0 Hz, got {rate!r}.")
    return rate


def _columns(path: Path, kinds: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Columns of a table of clusters, in the order of ``kinds``."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t", strict=True))
        if rows and "cluster_id" not in rows[0]:
            raise FormatError(f"{path}: must have a column 'cluster_id', got {list(rows[0])}.")
        known = {int(row["cluster_id"]): row for row in rows}
    except (ValueError, TypeError, csv.Error) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: is no table of clusters: {error}") from error
    names = [name for name in (rows[0] if rows else ()) if name is not None and name != "cluster_id"]
    return {name: _typed([known.get(int(k), {}).get(name) or "" for k in kinds]) for name in names}


def _typed(values: list[str]) -> NDArray[Any]:
    try:
        return np.array([float(v) if v else np.nan for v in values]) if any(values) else np.array(values)
    except ValueError:
        return np.array(values)
