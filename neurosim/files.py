"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neurosim.errors import OutputError


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors of the operating system into `OutputError` that names ``path``."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        folder = Path(path).parent
        hint = "Check the folder, its rights and free space." if folder.is_dir() else f"There is no folder {folder}."
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}. {hint}") from error


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], sync: bool = True) -> Iterator[Path]:
    """An empty file to write; at the end it takes the place of ``path`` at once.

    Whoever reads, also after a crash, sees the old file or the new one. After any exception the old one stays and the
    new one is deleted; what a killed process leaves behind is named ``.*.part``.

    Args:
        path: the file to replace or make; its folder must exist.
        sync: wait until the content is on the disk. Without it, a crash of the machine may leave a cut file.

    Raises:
        OutputError: no such folder, no rights or no space. Errors of whoever writes pass as they are.
    """
    path = Path(path)
    if not path.name:
        raise OutputError(f"{path}: must name a file, not a folder.")
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")  # same folder, so that the rename is atomic
    try:
        with writing(path):
            part.touch(exist_ok=False)
        yield part
        with writing(path):
            if sync:
                with open(part, "r+b") as file:
                    os.fsync(file.fileno())
            os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` at once.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    with writing(path), replacing(path) as part:
        part.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file at once; see `write_bytes`."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def make_folder(path: Path) -> None:
    """Make a folder that can be written to, or raise `OutputError`."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".{uuid.uuid4().hex}.part"
        probe.touch()
        probe.unlink()


def remove_parts(folder: Path) -> None:
    """Delete what killed processes left half-written."""
    for part in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            part.unlink()
