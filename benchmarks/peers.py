"""The environments in which the benchmarks and oracles run neurosim's peers: pinned versions, made once.

"peers" holds the libraries that train networks, with one torch for all. Their own requirements exclude each other
(Sinabs pins an old ``nir`` and wants a binary driver for its chip, SpikingJelly wants torchaudio, tensorboard), so they
are installed without them, after the list of what they import; a constraints file pins torch, and pip's own settings
(``PIP_FIND_LINKS`` and the like) decide where the CPU build of torch comes from. "simulators" holds Brian2 and NEST:
Brian2 2.9 is the last for Python 3.11 and needs a numpy below 2.4, so it cannot live beside neurosim.

Run it to make one: ``python benchmarks/peers.py simulators``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ENVS = Path(__file__).resolve().parent / ".envs"


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Args:
        first: installed first; everything after it must agree with it.
        shared: installed with their requirements.
        alone: installed without their requirements.
        shown: packages whose versions a report states.
        size: what it takes on the disk.
    """

    name: str
    first: str
    shared: tuple[str, ...]
    alone: tuple[str, ...]
    shown: tuple[str, ...]
    size: str

    @property
    def pins(self) -> str:
        return "\n".join([self.first, *self.shared, *self.alone])


TRAINING = Environment(
    name="peers",
    first="torch==2.13.0",
    shared=(
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
    ),
    alone=("snntorch==1.0.0", "spikingjelly==2.0.0", "norse==1.1.0", "sinabs==3.1.3"),
    shown=("torch", "numba", "numpy", "snntorch", "spikingjelly", "norse", "sinabs"),
    size="1.5 GB",
)
SIMULATORS = Environment(
    name="simulators",
    first="numpy==2.3.5",
    shared=("Cython==3.3.1", "setuptools==84.2.1", "sympy==1.14.0", "Brian2==2.9.0", "nest-simulator==3.10.0"),
    alone=(),
    shown=("numpy", "Cython", "Brian2", "nest-simulator"),
    size="0.4 GB",
)
ENVIRONMENTS = {e.name: e for e in (TRAINING, SIMULATORS)}


def python_in(env: Path) -> Path:
    return env / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def install(python: Path, constraints: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(constraints), *arguments]
    subprocess.run(command, check=True)


def ready(envs: Path = ENVS, wanted: Environment = TRAINING) -> Path | None:
    """The interpreter of an environment that exists with the pins of today; None if it must be made first."""
    stamp = envs / wanted.name / "pins.txt"
    return python_in(stamp.parent) if stamp.exists() and stamp.read_text() == wanted.pins else None


def environment(envs: Path = ENVS, wanted: Environment = TRAINING) -> Path:
    """The interpreter of an environment under ``envs``, made first if it is missing or its pins changed."""
    if found := ready(envs, wanted):
        return found
    env = envs / wanted.name
    print(f"making the environment {env} (about {wanted.size})", file=sys.stderr)
    envs.mkdir(parents=True, exist_ok=True)
    (envs / ".gitignore").write_text("*\n")
    venv.create(env, with_pip=True, clear=True)
    constraints = env / "constraints.txt"
    constraints.write_text(wanted.first + "\n")
    python = python_in(env)
    install(python, constraints, wanted.first)
    install(python, constraints, *wanted.shared)
    if wanted.alone:
        install(python, constraints, "--no-deps", *wanted.alone)
    (env / "pins.txt").write_text(wanted.pins)
    return python


def versions(python: Path, wanted: Environment = TRAINING) -> dict[str, str]:
    """Versions of the packages that matter, read in the environment itself."""
    code = (
        "import importlib.metadata, platform, sys\n"
        "print('Python', platform.python_version())\n"
        "for name in sys.argv[1:]: print(name, importlib.metadata.version(name))"
    )
    command = [str(python), "-c", code, *wanted.shown]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split(" ") for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make an environment of peers, unless it is there.")
    parser.add_argument("name", choices=ENVIRONMENTS)
    parser.add_argument("--envs", type=Path, default=ENVS, help="where environments live")
    args = parser.parse_args()
    print(environment(args.envs, ENVIRONMENTS[args.name]))


if __name__ == "__main__":
    main()
