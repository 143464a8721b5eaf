"""`Recipe`: everything that decides a training run, from TOML; unknown keys and bad values are errors."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from neurosim.errors import FormatError, RangeError, check_positive, check_seconds, nearest
from neurosim.train.config import dump, parse, to_toml

SHIPPED = ("digits_dvs", "nmnist", "dvs128_objects", "dvs128_gesture", "dvs128_gesture_plif", "shd")
CONTINUAL = ("permuted_mnist",)  # shipped too, of the kind "continual": see `neurosim.train.continual`


@dataclass(frozen=True)
class DataSpec:
    """Which recordings, and how they are split.

    Args:
        set: name of a registered data set (`neurosim.train.sets.SETS`).
        options: of its class, such as ``{ window = 0.2 }``.
        train: split to train on.
        validation: split of the training data by which the best epoch is chosen.
        test: split that is scored once, at the end.
        empty: recordings without events "raise" an error, or "keep".
    """

    set: str
    options: dict[str, Any] = field(default_factory=dict)
    train: str = "train"
    validation: str = "validation"
    test: str = "test"
    empty: Literal["raise", "keep"] = "raise"

    def __post_init__(self) -> None:
        from neurosim.train.sets import check_options

        check_options(self.set, self.options)


@dataclass(frozen=True)
class FramesSpec:
    """How events become frames (T, P, H, W) of float32.

    Args:
        n_bins: number of time bins, T.
        prepare: list of transforms of events (`neurosim.data.transforms`) with a ``name`` each, applied to every
            recording before it is binned, after the augmentation; none of them random: ``[{ name = "Centre" }]``.
        duration_us: length of the grid of bins [us]; without it, each recording is divided from its first to its last
            event.
        start_us: start of the grid [us]; events outside the grid are left out.
        out_size: (width, height) to add pixels up to; default the sensor's.
        polarity: "split" (a channel each), "merge" (one channel of counts), "signed" (ON minus OFF, one channel) or
            "sign" (+1, 0 or -1).
        clip: largest count, and smallest negative one; 0 does not clip.
        scale: factor of the (clipped) counts.
        dt: time step of the units [s]; default duration_us / n_bins.
    """

    n_bins: int
    prepare: tuple[dict[str, Any], ...] = ()
    duration_us: int | None = None
    start_us: int = 0
    out_size: tuple[int, int] | None = None
    polarity: Literal["split", "merge", "signed", "sign"] = "split"
    clip: float = 0.0
    scale: float = 1.0
    dt: float | None = None

    def __post_init__(self) -> None:
        check_positive("n_bins", self.n_bins)
        check_positive("scale", self.scale)
        if self.duration_us is not None:
            check_positive("duration_us", self.duration_us)
        _at_least("clip", self.clip, 0)
        if self.dt is None and self.duration_us is None:
            raise RangeError("dt: must be given [s] where there is no duration_us.")
        check_seconds("dt", self.step)
        for n in self.out_size or ():
            check_positive("out_size", n)
        event_transforms(self.prepare, "prepare", random=False)

    @property
    def step(self) -> float:
        """Time step of the units [s]."""
        return self.dt if self.dt is not None else (self.duration_us or 0) / self.n_bins * 1e-6


@dataclass(frozen=True)
class TrainSpec:
    """How the weights are found.

    Args:
        epochs: passes over the training split.
        batch_size: recordings in a batch; the last batch of an epoch may have fewer.
        optimizer: "adam", "adamw", "radam" (weight decay decoupled, as in adamw) or "sgd".
        lr: highest learning rate.
        weight_decay: of weight matrices and kernels; biases, norms and parameters of units have none.
        momentum: of "sgd".
        schedule: "onecycle" (cosine up from lr / 25, cosine down to lr / 10000), "cosine" (to 0) or "none".
        warmup: share of all steps in which the rate rises, 0..1 (linearly, but for "onecycle").
        grad_clip: largest norm of the gradient; 0 does not clip.
        loss: "rate_cross_entropy" (mean over time), "count" (cross-entropy of the sum over time), "membrane" (of the
            maximum over time), "tet" (at each step) or "spike_count" (squared error of rates). All but the first need
            a network without a readout.
        label_smoothing: 0..1, for "rate_cross_entropy" and "tet".
        activity_weight: weight of the squared distance of each neuron's rate from activity_lower..activity_upper.
        activity_lower: lowest wanted rate [spikes per step].
        activity_upper: highest wanted rate [spikes per step].
        ema: decay per step of the averaged weights that are scored and kept; 0 uses the weights themselves.
        threads: of torch and the kernels; 0 leaves them as they are.
        packed_spikes: keep spikes for the backward pass as bits (32 times less memory, some time).
    """

    epochs: int = 20
    batch_size: int = 32
    optimizer: Literal["adam", "adamw", "radam", "sgd"] = "adamw"
    lr: float = 2e-3
    weight_decay: float = 1e-2
    momentum: float = 0.9
    schedule: Literal["onecycle", "cosine", "none"] = "onecycle"
    warmup: float = 0.2
    grad_clip: float = 0.0
    loss: Literal["rate_cross_entropy", "count", "membrane", "tet", "spike_count"] = "rate_cross_entropy"
    label_smoothing: float = 0.0
    activity_weight: float = 0.0
    activity_lower: float = 0.0
    activity_upper: float = 1.0
    ema: float = 0.0
    threads: int = 0
    packed_spikes: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "lr"):
            check_positive(name, getattr(self, name))
        for name in ("weight_decay", "grad_clip", "activity_weight", "threads"):
            _at_least(name, getattr(self, name), 0)
        for name in ("momentum", "warmup", "label_smoothing", "ema", "activity_lower", "activity_upper"):
            if not 0 <= getattr(self, name) <= 1:
                raise RangeError(f"{name}: must be in 0..1, got {getattr(self, name)!r}.")
        for name in ("momentum", "label_smoothing", "ema", "warmup"):
            if getattr(self, name) == 1:
                raise RangeError(f"{name}: must be < 1, got 1.")
        if self.activity_lower > self.activity_upper:
            raise RangeError(f"activity_lower: must be <= activity_upper, got {self.activity_lower!r}.")
        if self.label_smoothing and self.loss not in ("rate_cross_entropy", "tet"):
            raise RangeError(f"label_smoothing: the loss {self.loss!r} has none; remove it.")


@dataclass(frozen=True)
class Recipe:
    """A training run: data, frames, augmentation, layers, training.

    Args:
        name: of the run; its folder and model carry it.
        data: table, see `DataSpec`.
        frames: table, see `FramesSpec`.
        layers: list of tables with a ``type`` each, see `neurosim.train.layers`.
        train: table, see `TrainSpec`.
        augment: list of transforms of events (`neurosim.data.transforms`) with a ``name`` each, for training only.
        description: one line for people.
    """

    name: str
    data: DataSpec
    frames: FramesSpec
    layers: tuple[dict[str, Any], ...]
    train: TrainSpec = field(default_factory=TrainSpec)
    augment: tuple[dict[str, Any], ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        from neurosim.train.layers import parse_layers

        if not self.name or set(self.name) & set("/\\\0") or self.name.startswith("."):
            raise RangeError(f"name: must be usable as a folder name, got {self.name!r}.")
        parse_layers(self.layers)
        self.augmentation()

    def augmentation(self) -> Any:
        """The augmentation as one transform of events."""
        return event_transforms(self.augment, "augment")

    def to_dict(self) -> dict[str, Any]:
        """Plain tables; `recipe_from` gives back an equal recipe."""
        table: dict[str, Any] = dump(self)
        return table

    def to_toml(self) -> str:
        """The recipe as TOML, with all defaults written out."""
        return to_toml(self.to_dict())


def event_transforms(tables: Sequence[Mapping[str, Any]], where: str, random: bool = True) -> Any:
    """Transforms of events by name as one.

    Raises:
        RangeError: an unknown transform or parameter, one that does not give events, or a random one where none is
            allowed; ``where`` and the place in the list are named.
    """
    from neurosim.data.transforms import Compose, from_config
    from neurosim.data.transforms.base import Fixed, Random

    steps = []
    for i, table in enumerate(tables):
        try:
            step = from_config(table)
        except RangeError as error:
            raise RangeError(f"{where}[{i}]: {error}") from None
        if not isinstance(step, (Fixed, Random)) or type(step).__name__ in ("ToFrames", "VoxelGrid", "TimeSurface"):
            raise RangeError(f"{where}[{i}]: {type(step).__name__} does not give events; see [frames].")
        if step.random and not random:
            raise RangeError(f"{where}[{i}]: {type(step).__name__} is random; such transforms belong in [[augment]].")
        steps.append(step)
    return Compose(tuple(steps))


def recipe_from(table: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """A recipe from plain tables.

    Raises:
        RangeError: an unknown key (with the nearest match), a missing one, a wrong type, a value out of range.
    """
    return parse(Recipe, table, where)


def load_recipe(recipe: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe from a TOML file, or a shipped one by name.

    Args:
        recipe: path of a ``.toml`` file, or one of `SHIPPED`.
        overrides: ``"train.epochs=3"``: place and TOML value; text needs no quotes. ``"layers.0.channels=8"`` reaches
            into lists.

    Raises:
        RangeError: no such recipe, or what `recipe_from` raises.
        FormatError: not TOML.

    Example:
        >>> load_recipe("digits_dvs", ["train.epochs=3"]).train.epochs
        3
    """
    return recipe_from(*read_table(recipe, overrides))


def read_table(recipe: str | Path, overrides: Sequence[str] = ()) -> tuple[dict[str, Any], str]:
    """The tables of a recipe of any kind, overrides applied, and its name for messages; see `load_recipe`."""
    text, where = recipe_text(recipe)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"{where}: must be TOML, got an error: {error}.") from None
    for override in overrides:
        _override(table, override)
    return table, where


def recipe_text(recipe: str | Path) -> tuple[str, str]:
    """TOML text of a recipe and its name for messages."""
    shipped = (*SHIPPED, *CONTINUAL)
    if str(recipe) in shipped:
        return files("neurosim.train").joinpath("recipes", f"{recipe}.toml").read_text(encoding="utf-8"), str(recipe)
    path = Path(recipe)
    if not path.is_file():
        listed = ", ".join(shipped)
        raise RangeError(
            f"recipe: there is no file {str(recipe)!r} and no shipped recipe of that name.{nearest(recipe, shipped)} "
            f"Shipped are: {listed}."
        )
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: cannot be read as text: {error}.") from None


def _override(table: dict[str, Any], override: str) -> None:
    place, equals, text = override.partition("=")
    if not equals or not place:
        raise RangeError(f"override: must be key=value such as train.epochs=3, got {override!r}.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = place.split(".")
    at: Any = table
    try:
        for part in parents:
            at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
        at[int(last) if isinstance(at, list) else last] = value
    except (ValueError, IndexError, TypeError, AttributeError):
        raise RangeError(f"override: the recipe has no place {place!r}.") from None


def _at_least(name: str, value: float, least: float) -> None:
    if not (math.isfinite(value) and value >= least):
        raise RangeError(f"{name}: must be >= {least}, got {value!r}.")
