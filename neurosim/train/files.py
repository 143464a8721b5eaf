"""Tensors in safetensors files, with a checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from neurosim.errors import FormatError

HEADER = "neurosim"  # key of our metadata in a safetensors file


def tensor_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> tuple[bytes, str]:
    """A safetensors file with a checksum in its header, and that checksum."""
    from safetensors.torch import save

    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    digest = _digest(plain, metadata)
    header = json.dumps({**metadata, "sha256": digest}, sort_keys=True)  # one entry: safetensors does not order them
    return save(plain, {HEADER: header}), digest


def read_tensors(path: Path, digest: str | None = None) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata that `tensor_bytes` made.

    Raises:
        FormatError: the file is damaged, was made by something else, or is not the one ``digest`` belongs to.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = json.loads((file.metadata() or {})[HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise FormatError(f"{path}: is damaged or no safetensors file: {error}. Restore or delete it.") from None
    stored = metadata.pop("sha256", None)
    if stored != _digest(tensors, metadata):
        raise FormatError(f"{path}: is damaged, its checksum does not fit its content. Restore or delete it.")
    if digest is not None and stored != digest:
        raise FormatError(f"{path}: does not belong to the .json file beside it, whose weights_sha256 is {digest}.")
    return tensors, metadata


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    total = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name in sorted(tensors):
        t = tensors[name]
        total.update(f"{name} {t.dtype} {tuple(t.shape)}\n".encode())
        total.update(t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
