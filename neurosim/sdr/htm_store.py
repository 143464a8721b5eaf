"""Files of a Spatial Pooler or Temporal Memory: an .npz of plain arrays with a header. Nothing is unpickled."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import FormatError
from neurosim.files import replacing, writing

VERSION = 1
Arrays = dict[str, NDArray[Any]]


def save(path: str | os.PathLike[str], kind: str, header: Mapping[str, Any], arrays: Arrays) -> None:
    """Write a file; whoever reads, also after a crash, sees the old one or the new one.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps({"format": f"neurosim {kind}", "version": VERSION, **header})
    with writing(path), replacing(path) as part, open(part, "wb") as file:
        np.savez(file, header=np.frombuffer(text.encode(), np.uint8), **arrays)  # type: ignore[arg-type]


def load(path: str | os.PathLike[str], kind: str, types: Mapping[str, Any]) -> tuple[dict[str, Any], Arrays]:
    """Header and arrays of a file that `save` wrote; ``types`` names the arrays, all of one axis, and their types.

    Raises:
        FormatError: another kind of file, damaged, or written by a newer neurosim.
    """
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
            header = json.loads(arrays.pop("header").tobytes())
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile, NotImplementedError) as error:
        raise FormatError(f"{path}: holds no {kind}, or is damaged: {error}") from None
    if not isinstance(header, dict) or header.get("format") != f"neurosim {kind}":
        raise FormatError(f"{path}: holds no {kind}.")
    if header.get("version") != VERSION:
        raise FormatError(f"{path}: has version {header.get('version')}, this neurosim reads {VERSION}. Update it.")
    for name, wanted in types.items():
        found = arrays.get(name)
        if found is None or found.dtype != wanted or found.ndim != 1:
            raise FormatError(f"{path}: {name} must be a row of {np.dtype(wanted)}. The file is damaged.")
    return header, arrays
