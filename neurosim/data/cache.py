"""A cache of transformed recordings that cannot serve stale data: entries are keyed by content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.transforms.base import Transform
from neurosim.errors import NeurosimError, RangeError, ShapeError, check_choice
from neurosim.events import Events
from neurosim.files import replacing

CACHE_VERSION = 1  # raise it when a transform's result changes for the same configuration, or the file layout does
RACY = 2 * 10**9  # ns; a file changed this recently may change again without a new timestamp on coarse clocks

Value = NDArray[Any] | dict[str, NDArray[Any]] | Events
Stamp = tuple[str, int, int, int, int]


class CacheError(NeurosimError, OSError):
    """The cache folder cannot be written or read."""


@dataclass(frozen=True)
class CacheSize:
    """Number of entries and their size on disk [bytes]."""

    entries: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.entries} entries, {self.bytes / 1e6:.1f} MB"


class Cache:
    """Results of ``compute`` on disk, found again by what they were computed from.

    The key is the SHA-256 of the raw content (not its name or date), the transform's configuration and the cache
    version, so a changed file or a changed transform is another entry. Entries are ``.npz`` files without pickles, with
    a checksum inside; a damaged one is computed again. They are written to a temporary name and renamed, so readers,
    also in other processes, see whole entries only. Content hashes of files are remembered by path, size, times and
    inode; files changed within the last two seconds are hashed each time.

    Args:
        folder: made if missing; may be shared by several processes and caches.
        compression: "none", or "deflate" (frames shrink about 10 to 100 times and load more slowly).

    Raises:
        CacheError: the folder cannot be made.

    Example:
        >>> import tempfile
        >>> from neurosim.data.transforms import ToFrames
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     cache = Cache(folder)
        ...     frames = cache.get(b"raw bytes", ToFrames(n_bins=2), lambda: np.ones((2, 1, 4, 4)))
        ...     again = cache.get(b"raw bytes", ToFrames(n_bins=2), lambda: None)  # not called
        ...     bool((frames == again).all()), cache.size().entries
        (True, 1)
    """

    def __init__(self, folder: str | os.PathLike[str], compression: str = "none") -> None:
        check_choice("Cache.compression", compression, ("none", "deflate"))
        self.folder = Path(folder)
        self.compression = compression
        self._hashes: dict[Stamp, str] = {}
        with _as_cache_error(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def __repr__(self) -> str:
        return f"Cache({str(self.folder)!r}, compression={self.compression!r})"

    def get(
        self,
        raw: str | os.PathLike[str] | bytes,
        transform: Transform | Mapping[str, Any],
        compute: Callable[[], Value],
    ) -> Value:
        """The stored result for ``raw`` and ``transform``; computed and stored if there is none.

        Args:
            raw: path of the raw file, whose content is hashed, or bytes that identify the raw data.
            transform: what ``compute`` applies, or any JSON-able configuration of it (say with the reader's options).
            compute: gives an array, a dict of arrays, or `Events`.

        Raises:
            RangeError: the transform is random, or its configuration is not JSON.
            ShapeError: ``compute`` gave something else, or an array of Python objects.
            CacheError: the raw file cannot be read or the entry cannot be written; nothing half-written stays behind.

        Note: only arguments enter the key. What else ``compute`` depends on belongs into ``transform``.
        """
        before = _stamp(raw)
        entry = self._entry(self.key(raw, transform))
        if (stored := _read(entry)) is not None:
            return stored
        value = compute()
        arrays = _to_arrays(value)
        if _stamp(raw) == before:  # else it was rewritten meanwhile, and nobody knows which content was read
            self._write(entry, arrays)
        return value

    def key(self, raw: str | os.PathLike[str] | bytes, transform: Transform | Mapping[str, Any]) -> str:
        """Name of the entry, 64 hexadecimal digits."""
        if isinstance(transform, Transform) and transform.random:
            raise RangeError(
                f"Cache: {type(transform).__name__} is random, a stored result would repeat one draw for ever. "
                "Cache what comes before it and augment what the cache returns."
            )
        config = transform.to_config() if isinstance(transform, Transform) else dict(transform)
        try:
            text = json.dumps(config, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise RangeError(f"Cache: the configuration must be JSON ({error}), got {config!r}.") from None
        content = "bytes " + hashlib.sha256(raw).hexdigest() if isinstance(raw, bytes) else "file " + self._hash(raw)
        return hashlib.sha256(f"neurosim cache {CACHE_VERSION}\n{content}\n{text}".encode()).hexdigest()

    def size(self) -> CacheSize:
        """Number of entries and bytes."""
        sizes = []
        for path in self._files(".npz"):
            with contextlib.suppress(FileNotFoundError):  # another process clears
                sizes.append(path.stat().st_size)
        return CacheSize(len(sizes), sum(sizes))

    def clear(self) -> int:
        """Delete all entries, and leftovers of killed processes; other files in the folder stay.

        Returns:
            Number of entries deleted.
        """
        entries = self._files(".npz")
        with _as_cache_error(self.folder):
            for path in (*entries, *self._files(".part")):
                path.unlink(missing_ok=True)
        return len(entries)

    def _entry(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npz"

    def _files(self, suffix: str) -> list[Path]:
        return [p for p in self.folder.glob(f"[0-9a-f][0-9a-f]/*{suffix}") if p.name.lstrip(".")[:2] == p.parent.name]

    def _hash(self, path: str | os.PathLike[str]) -> str:
        stamp = _stamp(path)
        if stamp not in self._hashes:
            with _as_cache_error(path), open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if time.time_ns() - max(stamp[2:4]) < RACY:
                return digest
            self._hashes[stamp] = digest
        return self._hashes[stamp]

    def _write(self, entry: Path, arrays: dict[str, NDArray[Any]]) -> None:
        save = np.savez_compressed if self.compression == "deflate" else np.savez
        with _as_cache_error(entry):
            entry.parent.mkdir(exist_ok=True)
            # a cut entry is noticed and computed again: no need to wait for the disk
            with replacing(entry, sync=False) as part, open(part, "wb") as file:
                save(file, allow_pickle=False, **arrays)


def _stamp(path: str | os.PathLike[str] | bytes) -> Stamp:
    """What changes when a file does; the change time also catches writers that set the modification time back."""
    if isinstance(path, bytes):  # content, which never changes
        return "", 0, 0, 0, 0
    with _as_cache_error(path):
        status = os.stat(path)
    return os.path.abspath(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


@contextlib.contextmanager
def _as_cache_error(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CacheError(
            f"Cache: {os.fspath(path)}: {error.strerror or error}. Check the path, its rights and space."
        ) from error


def _to_arrays(value: Any) -> dict[str, NDArray[Any]]:
    """Named arrays of a value, with a description and a checksum."""
    about: dict[str, Any]
    if isinstance(value, Events):
        about = {"kind": "events", "sensor_size": value.sensor_size}
        named = {c: getattr(value, c) for c in "txyp"}
    elif isinstance(value, Mapping):
        about, named = {"kind": "dict", "names": list(value)}, dict(value)
    else:
        about, named = {"kind": "array"}, {"array": value}
    for name, array in named.items():
        if not isinstance(name, str) or not isinstance(array, np.ndarray) or array.dtype.hasobject:
            raise ShapeError(
                f"Cache: compute must give a numpy array (no objects), a dict of them, or Events; got {name!r}: "
                f"{type(array).__name__} {getattr(array, 'dtype', '')}"
            )
    arrays = {f"value{i}": array for i, array in enumerate(named.values())}
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    return arrays | {"sha256": np.frombuffer(_checksum(arrays), np.uint8)}


def _read(entry: Path) -> Value | None:
    """The value of an entry, or None if there is none or it is damaged."""
    try:
        with open(entry, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        if arrays.pop("sha256").tobytes() != _checksum(arrays):
            return None
        about = json.loads(arrays.pop("about").tobytes())
        values = [arrays[f"value{i}"] for i in range(len(arrays))]
        if about["kind"] == "events":
            t, x, y, p = values
            return Events(t, x, y, p, tuple(about["sensor_size"]))
        return dict(zip(about["names"], values, strict=True)) if about["kind"] == "dict" else values[0]
    except Exception:  # zipfile, zlib and numpy raise some ten classes on damaged bytes; all mean "compute it again"
        return None


def _checksum(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {np.lib.format.dtype_to_descr(array.dtype)} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.digest()
