"""Bind a kernel template to a unit, in a cache folder, under a name that hashes both.

Numba's disk cache needs kernels that live in files. A template is an ordinary module that imports what it needs from
`neurosim.kernels.model`; here that import is replaced by generated source, and the result is written as one file whose
name is the hash of its content. Editing a unit or a template gives another file; nothing stale can be loaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from neurosim.errors import NeurosimWarning
from neurosim.files import replacing
from neurosim.kernels.codegen import model_source
from neurosim.kernels.trace import Program

MODEL_IMPORT = re.compile(r"from neurosim\.kernels\.model import \([^)]*\)|from neurosim\.kernels\.model import [^\n]*")
_LOCK = threading.RLock()


def cache_folder() -> Path:
    """Where generated kernels and Numba's compiled code live: NEUROSIM_CACHE, else the user's cache folder."""
    base = os.environ.get("NEUROSIM_CACHE")
    root = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neurosim"
    return root / "kernels"


@lru_cache(maxsize=512)
def _instantiate(template: str, program: Program, dtype: str, learn: bool, uniform: bool) -> ModuleType:
    import numba

    with _LOCK:
        text = (Path(__file__).parent / f"{template}.py").read_text()
        backward = "retreat" in text
        if not backward:  # the surrogate plays no part forward: all of them share a kernel
            program, learn = replace(program, parameters=0, slope="", detach_reset=False), False
        # the adjoint takes SymPy seconds to import: find the file by what determines it, derive only when it is missing
        key = hashlib.sha256(
            "\n".join([text, program.text(), dtype, f"{learn} {uniform}", numba.__version__, _generator()]).encode()
        ).hexdigest()[:20]

        def source() -> str:
            model = model_source(program, dtype, learn, uniform, backward).split('"""', 2)[2]
            return MODEL_IMPORT.sub(lambda _: model, text, count=1)

        return cached_module(f"neurosim_{template}_{program.name}_{key}", source)


def cached_module(name: str, source: Callable[[], str]) -> ModuleType:
    """The module of this name in the cache folder; ``source`` is called to write it when it is not there.

    The name must hold a hash of all that determines the source.
    """
    with _LOCK:
        path = _usable(cache_folder()) / f"{name}.py"
        if not path.exists():
            with replacing(path) as part:  # several processes may race: each writes the same text, whole
                part.write_text(source())
        return _load(name, path)


def instantiate(template: str, program: Program, dtype: str, learn: bool = False, uniform: bool = True) -> ModuleType:
    """The module ``template`` ("dense_forward", ...) bound to ``program`` for ``dtype``; compiled at first call."""
    return _instantiate(template, program, dtype, learn, uniform)


@lru_cache(maxsize=1)
def _generator() -> str:
    folder = Path(__file__).parent
    return "".join(
        (folder / f"{m}.py").read_text()
        for m in ("codegen", "adjoint", "trace", "denormals", "coefficients", "exponential", "recurrence")
    )


@lru_cache(maxsize=8)
def _usable(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        other = Path(tempfile.mkdtemp(prefix="neurosim-kernels-"))
        warnings.warn(
            f"{folder}: cannot be written ({error.strerror}); kernels are compiled anew in each process. "
            "Set NEUROSIM_CACHE to a folder that can.",
            NeurosimWarning,
            stacklevel=2,
        )
        return other


def _load(name: str, path: Path) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Numba looks functions up by module name
    spec.loader.exec_module(module)
    return module
