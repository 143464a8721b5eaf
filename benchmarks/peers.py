"""The environment in which the benchmarks run neurosim and its peers: one venv, one torch, pinned versions.

The peers' own requirements exclude each other (Sinabs pins an old ``nir`` and wants a binary driver for its chip,
SpikingJelly wants torchaudio, tensorboard), so they are installed without them, after the list of what they import.
Every install runs under a constraints file that pins torch; pip's own settings (``PIP_FIND_LINKS`` and the like) decide
where the CPU build of torch comes from.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

TORCH = "torch==2.13.0"
SHARED = [
    "numpy==2.4.6",
    "numba==0.68.1",
    "llvmlite==0.50.0",
    "h5py==3.16.0",
    "safetensors==0.8.0",
    "torchvision==0.28.0",
    "scipy==1.17.1",
    "matplotlib==3.11.2",
    "loguru==0.7.3",
    "requests==2.34.2",
    "tqdm==4.70.1",
    "packaging==26.3",
    "pbr==7.1.3",
    "setuptools==84.2.1",
    "nir==1.0.4",
    "nirtorch==2.0.2",
]
PEERS = ["snntorch==1.0.0", "spikingjelly==2.0.0", "norse==1.1.0", "sinabs==3.1.3"]
SHOWN = ["torch", "numba", "numpy", *(pin.split("==")[0] for pin in PEERS)]


def python_in(env: Path) -> Path:
    return env / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def install(python: Path, constraints: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(constraints), *arguments]
    subprocess.run(command, check=True)


def environment(envs: Path) -> Path:
    """The interpreter of the peers' environment under ``envs``, made first if it is missing or its pins changed."""
    env, pins = envs / "peers", "\n".join([TORCH, *SHARED, *PEERS])
    stamp = env / "pins.txt"
    if stamp.exists() and stamp.read_text() == pins:
        return python_in(env)
    print(f"making the peers' environment in {env} (about 1.5 GB)", file=sys.stderr)
    envs.mkdir(parents=True, exist_ok=True)
    (envs / ".gitignore").write_text("*\n")
    venv.create(env, with_pip=True, clear=True)
    constraints = env / "constraints.txt"
    constraints.write_text(TORCH + "\n")
    python = python_in(env)
    install(python, constraints, TORCH)
    install(python, constraints, *SHARED)
    install(python, constraints, "--no-deps", *PEERS)
    stamp.write_text(pins)
    return python


def versions(python: Path) -> dict[str, str]:
    """Versions of the packages that matter, read in the environment itself."""
    code = (
        "import importlib.metadata, platform, sys\n"
        "print('Python', platform.python_version())\n"
        "for name in sys.argv[1:]: print(name, importlib.metadata.version(name))"
    )
    command = [str(python), "-c", code, *SHOWN]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split(" ") for line in lines)
