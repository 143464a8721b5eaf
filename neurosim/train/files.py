"""Files that appear whole or not at all, and tensors with a checksum."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neurosim.errors import FormatError, NeurosimError

HEADER = "neurosim"  # key of our metadata in a safetensors file


class OutputError(NeurosimError, OSError):
    """Results cannot be written: no rights, no space, no such folder."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into `OutputError` that names ``path``."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written: {error.strerror or error}. Check the folder, its rights and free space."
        ) from error


def make_folder(path: Path) -> None:
    """Make a folder that can be written to, or raise `OutputError`."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".{uuid.uuid4().hex}.part"
        probe.touch()
        probe.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` at once: whoever reads, also after a crash, sees the old or the new file.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    with writing(path):
        try:
            with open(part, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file at once; see `write_bytes`."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def remove_parts(folder: Path) -> None:
    """Delete what killed processes left half-written."""
    for part in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            part.unlink()


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
