"""Rules that decide which samples are for training, validation and test, fixed by the samples' names alone.

No rule draws random numbers: the order is that of SHA-256 of the name, so it depends neither on the order in which
a file system lists files nor on the version of a random number generator.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import FormatError, RangeError, check_choice, check_number

SPLITS = ("train", "validation", "test")


class SplitRule(Protocol):
    """Decides the split of each sample."""

    def assign(self, ids: Sequence[str], labels: Sequence[int]) -> list[str]:
        """``"train"``, ``"validation"`` or ``"test"`` for each of N names with their N labels."""
        ...


@dataclass(frozen=True)
class Stratified:
    """The same share of every class, chosen by the order of the hashed names within the class.

    For a data set whose files are fixed. (With files added later, samples could change sides: use `ByHash` there.)

    Args:
        salt: prefix of the hashed names.
        validation: share of each class for validation, in 0..1.
        test: share of each class for test, in 0..1.

    Raises:
        RangeError: a share is outside 0..1, or they leave nothing to train on.

    Example:
        >>> Stratified("demo", validation=0.25, test=0.25).assign(["a", "b", "c", "d"], [0, 0, 0, 0])
        ['test', 'train', 'validation', 'train']
    """

    salt: str
    validation: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        _check_shares("Stratified", self.validation, self.test)

    def assign(self, ids: Sequence[str], labels: Sequence[int]) -> list[str]:
        """The split of each sample."""
        order = np.argsort([unit_hash(self.salt, i) for i in ids], kind="stable")
        ranked: dict[int, list[int]] = {}
        for n in order:
            ranked.setdefault(labels[n], []).append(int(n))
        out = ["train"] * len(ids)
        for members in ranked.values():
            tests = _share(self.test, len(members))
            held = min(tests + _share(self.validation, len(members)), len(members))
            for n in members[:tests]:
                out[n] = "test"
            for n in members[tests:held]:
                out[n] = "validation"
        return out


@dataclass(frozen=True)
class ByHash:
    """Each sample on its own, by the hash of its name: files added later change nothing for the others.

    Shares hold on average over many samples, not exactly.

    Args:
        salt: prefix of the hashed names.
        validation: probability of validation, in 0..1.
        test: probability of test, in 0..1.

    Raises:
        RangeError: a share is outside 0..1, or they leave nothing to train on.
    """

    salt: str
    validation: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        _check_shares("ByHash", self.validation, self.test)

    def assign(self, ids: Sequence[str], labels: Sequence[int]) -> list[str]:
        """The split of each sample; labels are not used."""
        return [self._of(unit_hash(self.salt, name)) for name in ids]

    def _of(self, u: float) -> str:
        if u < self.test:
            return "test"
        return "validation" if u < self.test + self.validation else "train"


def unit_hash(salt: str, name: str) -> float:
    """A number in [0, 1) from SHA-256 of ``salt/name``, the same everywhere and for ever.

    Example:
        >>> round(unit_hash("demo", "a"), 6)
        0.215363
    """
    digest = hashlib.sha256(f"{salt}/{name}".encode()).digest()
    return float(int.from_bytes(digest[:6], "big")) / float(1 << 48)  # 48 bits are exact in a float


def parse_split(where: str, split: str, choices: Sequence[str] = SPLITS) -> tuple[str, ...]:
    """The splits named by ``"train"``, or by a sum such as ``"train+validation"``.

    Raises:
        RangeError: a name is not one of ``choices``.
    """
    parts = tuple(str(split).split("+"))
    for part in parts:
        check_choice(f"{where}.split", part, choices)
    return parts


def load_split(name: str) -> dict[str, Any]:
    """A split file shipped with neurosim.

    Raises:
        FormatError: there is no such file.
    """
    file = files("neurosim.data").joinpath("splits", f"{name}.json")
    if not file.is_file():
        raise FormatError(f"load_split: neurosim ships no split file {name!r}.")
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def chosen(assigned: Sequence[str], parts: Sequence[str]) -> NDArray[np.int64]:
    """Indices of the samples whose split is one of ``parts``."""
    return np.flatnonzero([a in parts for a in assigned])


def _share(fraction: float, n: int) -> int:
    return int(fraction * n + 0.5)


def _check_shares(where: str, validation: float, test: float) -> None:
    for name, value in (("validation", validation), ("test", test)):
        check_number(f"{where}.{name}", value)
        if not 0 <= value <= 1:
            raise RangeError(f"{where}.{name}: must be in 0..1, got {value!r}.")
    if validation + test >= 1:
        raise RangeError(
            f"{where}: validation + test must be < 1 to leave samples to train on, got {validation + test}."
        )
