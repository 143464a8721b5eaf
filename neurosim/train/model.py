"""Models from recipes, and on disk: ``model.safetensors`` with the weights, ``model.json`` with everything else."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurosim import nn as snn
from neurosim.errors import FormatError, NeurosimError, RangeError, ShapeError
from neurosim.files import write_bytes, write_json
from neurosim.nn.spiking import UnitLayer
from neurosim.train.config import dump, parse
from neurosim.train.files import read_tensors, tensor_bytes
from neurosim.train.layers import LinearSpec, build_layers, parse_layers
from neurosim.train.recipe import DataSpec, FramesSpec, Recipe

FORMAT = "neurosim model"
VERSION = 1


@dataclass(frozen=True)
class ModelSpec:
    """What is needed to build a network and feed it.

    Args:
        name: of the recipe.
        layers: tables of the layers.
        input_shape: (channels, height, width) of a frame.
        classes: name of each output.
        data: data set and options.
        frames: how events become frames; its ``step`` is the time step of the units.
        sensor_size: (width, height, polarities) of recordings.
        files: SHA-256 of the files the model was trained on, to know other recordings when they are scored; empty
            when they are too many.
        loss: that it was trained with; decides how outputs over time become scores.
    """

    name: str
    layers: tuple[dict[str, Any], ...]
    input_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    data: DataSpec
    frames: FramesSpec
    sensor_size: tuple[int, int, int]
    loss: str = "rate_cross_entropy"
    files: tuple[str, ...] = ()


def spec_of(recipe: Recipe, sensor_size: tuple[int, int, int], classes: Sequence[str], files: Sequence[str] = ()) \
        -> ModelSpec:  # fmt: skip
    """The model of a recipe for recordings of a sensor."""
    return ModelSpec(
        recipe.name, recipe.layers, input_shape(recipe.frames, sensor_size), tuple(classes), recipe.data,
        recipe.frames, sensor_size, recipe.train.loss, tuple(files),
    )  # fmt: skip


def input_shape(frames: FramesSpec, sensor_size: tuple[int, int, int]) -> tuple[int, int, int]:
    """(channels, height, width) of the frames that a sensor gives."""
    width, height, polarities = sensor_size
    if frames.out_size is not None:
        if frames.out_size[0] > width or frames.out_size[1] > height:
            raise RangeError(f"frames.out_size: {frames.out_size} is larger than the sensor, {(width, height)}.")
        width, height = frames.out_size
    if frames.polarity in ("signed", "sign") and polarities != 2:
        raise RangeError(f"frames.polarity: {frames.polarity!r} needs a sensor of 2 polarities, got {polarities}.")
    return polarities if frames.polarity == "split" else 1, height, width


def build_model(spec: ModelSpec) -> snn.Sequential:
    """The network of a specification, with fresh weights from torch's generator.

    Raises:
        RangeError, ShapeError: a layer does not fit its input, or the output the classes; the message names it.
    """
    layers = [
        (name, replace(layer, features=len(spec.classes)) if isinstance(layer, LinearSpec) and not layer.features
         else layer)
        for name, layer in parse_layers(spec.layers)
    ]  # fmt: skip
    built, shape = build_layers(layers, spec.input_shape, spec.frames.step)
    if shape != (len(spec.classes),):
        raise ShapeError(f"layers: the output must be one number per class, ({len(spec.classes)},), got {shape}.")
    model = snn.Sequential(OrderedDict(built))
    if not spiking_layers(model):
        raise RangeError("layers: must have at least one layer that spikes (type 'spiking' or 'recurrent').")
    return model


def seeded_model(spec: ModelSpec, seed: int) -> snn.Sequential:
    """The network with the initial weights of a seed; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_model(spec)


def spiking_layers(model: nn.Module) -> dict[str, UnitLayer]:
    """Layers that give spikes, by name."""
    return {n: m for n, m in model.named_modules() if isinstance(m, UnitLayer) and m.output == "spikes"}


def save_model(folder: Path, spec: ModelSpec, weights: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write ``model.safetensors`` and ``model.json``; each appears whole or not at all.

    Args:
        folder: that exists.
        spec: of the network.
        weights: its state dict.
        about: more keys for ``model.json`` (seed, accuracy).

    Raises:
        OutputError: the folder cannot be written.
    """
    data, digest = tensor_bytes(weights, {"format": FORMAT, "version": str(VERSION)})
    units = {name: repr(layer.unit) for name, layer in spiking_layers(seeded_model(spec, 0)).items()}
    about = {"format": FORMAT, "version": VERSION, "weights_sha256": digest, **about}
    write_bytes(folder / "model.safetensors", data)
    write_json(folder / "model.json", {**about, "dt": spec.frames.step, "units": units, "spec": dump(spec)})


def load_model(path: str | Path) -> tuple[snn.Sequential, ModelSpec]:
    """A trained model, in evaluation mode, and its specification.

    Args:
        path: ``model.safetensors`` (``model.json`` lies beside it), or the folder of a run.

    Raises:
        FormatError: a file is not there, is damaged, or the two do not belong together.
    """
    weights_path = Path(path) / "model.safetensors" if Path(path).is_dir() else Path(path)
    spec_path = weights_path.with_suffix(".json")
    if absent := [str(p) for p in (weights_path, spec_path) if not p.is_file()]:
        raise FormatError(f"model: {' and '.join(absent)} must exist; give the folder of a finished run.")
    try:
        about = json.loads(spec_path.read_text(encoding="utf-8"))
        kind, version, digest = about["format"], about["version"], about["weights_sha256"]
        spec = parse(ModelSpec, about["spec"], f"{spec_path}: spec")
    except (ValueError, KeyError, TypeError, NeurosimError) as error:
        raise FormatError(f"{spec_path}: is damaged or no neurosim model: {error}") from None
    if kind != FORMAT or version != VERSION:
        raise FormatError(f"{spec_path}: must be {FORMAT!r} version {VERSION}, got {kind!r} version {version}.")
    weights, _ = read_tensors(weights_path, digest)
    model = seeded_model(spec, 0)
    load_weights(model, weights, weights_path)
    return model.eval(), spec


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Put weights into a model, or raise `FormatError` that names ``path``."""
    try:
        model.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise FormatError(f"{path}: the weights do not fit the layers: {error}") from None


def parameter_count(model: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(p.numel() for p in model.parameters())


def baked(model: nn.Module) -> nn.Module:
    """A copy whose parametrised weights (``norm_threshold``, shared time constants) are ordinary ones."""
    plain = copy.deepcopy(model)
    for module in plain.modules():
        if nn.utils.parametrize.is_parametrized(module):
            for name in list(module.parametrizations):  # type: ignore[arg-type]
                nn.utils.parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    return plain
