"""Recipes: what is accepted, and how bad ones are reported."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from train.conftest import tiny_table

from neurosim.errors import FormatError, RangeError, ShapeError
from neurosim.train import SHIPPED, build_model, load_recipe, recipe_from
from neurosim.train.model import parameter_count, spec_of

SENSORS = {
    "digits_dvs": ((32, 32, 2), 10), "nmnist": ((34, 34, 2), 10), "dvs128_objects": ((128, 128, 2), 5),
    "dvs128_gesture": ((128, 128, 2), 11), "dvs128_gesture_plif": ((128, 128, 2), 11), "shd": ((700, 1, 1), 20),
}  # fmt: skip


def changed(place: str, value: Any) -> dict[str, Any]:
    """The tiny recipe with one value changed; None removes it."""
    table = tiny_table()
    *parents, last = place.split(".")
    at: Any = table
    for part in parents:
        at = at[int(part)] if isinstance(at, list) else at[part]
    if value is None:
        del at[last]
    else:
        at[int(last) if isinstance(at, list) else last] = value
    return table


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipe_builds_and_survives_toml(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name and recipe.description
    assert recipe_from(tomllib.loads(recipe.to_toml())) == recipe
    sensor, classes = SENSORS[name]
    model = build_model(spec_of(recipe, sensor, [str(i) for i in range(classes)]))
    assert parameter_count(model) > 10_000


def test_gesture_net_has_the_parameters_of_the_paper() -> None:
    recipe = load_recipe("dvs128_gesture")
    model = build_model(spec_of(recipe, (128, 128, 2), [str(i) for i in range(11)]))
    assert parameter_count(model) == 100 + 800 + 576 + 1152 + 11264 + (4 + 8 + 8 + 16) + 4 + 11


def test_normalised_kernels_fire_at_their_own_pattern() -> None:
    recipe = load_recipe("dvs128_gesture")
    model = build_model(spec_of(recipe, (128, 128, 2), [str(i) for i in range(11)]))
    raw: Any = model[0].parametrizations.weight.original  # type: ignore[union-attr,index]
    drive = (model[0].weight * raw).flatten(1).sum(1)  # type: ignore[operator,arg-type]
    torch.testing.assert_close(drive, torch.ones_like(drive))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("trian", {}, r"unknown key 'trian'. Did you mean 'train'\?"),
        ("train.epoch", 3, r"recipe.train: unknown key 'epoch'. Did you mean 'epochs'\?"),
        ("train.epochs", 2.5, r"recipe.train.epochs: must be a whole number, got 2.5"),
        ("train.epochs", 0, r"recipe.train: epochs: must be > 0, got 0"),
        ("train.epochs", True, r"epochs: must be a whole number, got True"),
        ("train.lr", "fast", r"train.lr: must be a number, got 'fast'"),
        ("train.lr", float("nan"), r"lr: must be a finite number"),
        ("train.loss", "rate_crossentropy", r"Did you mean 'rate_cross_entropy'\?"),
        ("train.optimizer", "adamv", r"optimizer: must be one of .* Did you mean 'adam'\?"),
        ("train.label_smoothing", 1.5, r"label_smoothing: must be in 0..1, got 1.5"),
        ("data.set", "nmnits", r"must be one of .*, got 'nmnits'. Did you mean 'nmnist'\?"),
        ("data.options", {"windw": 1}, r"npz has no 'windw'"),
        ("data", None, r"recipe: data must be given"),
        ("frames.n_bins", -1, r"n_bins: must be > 0"),
        ("frames.dt", 5.0, None),
        ("frames.dt", 20.0, r"times are in seconds, did you mean 20e-3"),
        ("frames.polarity", "both", r"polarity: must be one of"),
        ("frames.out_size", [8], r"out_size: must have 2 entries"),
        ("augment", [{"name": "DropEvent", "p": 0.1}], r"augment\[0\].*Did you mean 'DropEvents'\?"),
        ("augment", [{"name": "ToFrames", "n_bins": 3}], r"augment\[0\]: ToFrames does not give events"),
        ("layers", [], r"layers: must have at least one layer"),
        ("layers.0.type", "conv", r"layers\[0\].type: must be one of .* Did you mean 'conv2d'\?"),
        ("layers.0.channel", 3, r"layers\[0\]: unknown key 'channel'. Did you mean 'channels'\?"),
        ("layers.0.channels", None, r"layers\[0\]: channels must be given"),
        ("layers.0.name", "a.b", r"layers\[0\].name: must be unique text without dots"),
        ("layers.2.unit", "LIFF", r"layers\[2\]: unit.name: .* Did you mean 'LIF'\?"),
        ("layers.2.unit", {"name": "LIF", "tau": 1.0}, r"LIF has no 'tau'. Did you mean 'tau_mem'\?"),
        ("layers.2.unit", {"name": "LIF", "tau_mem": 20.0}, r"did you mean 20e-3"),
        ("layers.2.learn", {"tau_mem": "unit"}, r"learn.tau_mem: must be one of 'layer', 'channel', 'neuron'"),
        ("layers.4.p", 1.0, r"layers\[4\]: p: must be in 0..1"),
        ("name", "a/b", r"name: must be usable as a folder name"),
    ],
)
def test_bad_recipe_says_what_is_wrong(place: str, value: Any, message: str | None) -> None:
    if message is None:
        recipe_from(changed(place, value))
        return
    with pytest.raises(RangeError, match=message):
        recipe_from(changed(place, value))


@pytest.mark.parametrize(
    ("place", "value", "error", "message"),
    [
        ("layers.5.features", 7, ShapeError, r"the output must be one number per class, \(3,\), got \(7,\)"),
        ("layers.3", {"type": "dropout"}, ShapeError, r"layer 'linear1': linear: needs a flat input"),
        ("layers.2.learn", ["tau_men"], RangeError, r"layer 'spiking1': learn: .* Did you mean 'tau_mem'\?"),
        ("layers.0.kernel", 99, None, ""),
        ("layers.2", {"type": "dropout"}, RangeError, r"at least one layer that spikes"),
        ("frames.out_size", [99, 99], RangeError, r"out_size: \(99, 99\) is larger than the sensor"),
    ],
)
def test_bad_network_names_the_layer(place: str, value: Any, error: Any, message: str) -> None:
    recipe = recipe_from(changed(place, value))
    if error is None:
        build_model(spec_of(recipe, (8, 8, 2), "abc"))
        return
    with pytest.raises(error, match=message):
        build_model(spec_of(recipe, (8, 8, 2), "abc"))


def test_overrides_reach_tables_and_lists() -> None:
    recipe = load_recipe("digits_dvs", ["train.epochs=3", "layers.0.channels=4", "train.loss=rate_cross_entropy"])
    assert (recipe.train.epochs, recipe.layers[0]["channels"]) == (3, 4)
    for bad in ("train.epochs", "=3", "layers.99.channels=3", "name.x.y=3"):
        with pytest.raises(RangeError, match="override"):
            load_recipe("digits_dvs", [bad])


def test_missing_and_broken_recipe_files(tmp_path: Path) -> None:
    with pytest.raises(RangeError, match=r"no shipped recipe of that name. Did you mean 'nmnist'\?"):
        load_recipe("nmnits")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(FormatError, match="must be TOML"):
        load_recipe(broken)
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(FormatError, match="cannot be read"):
        load_recipe(broken)


def test_residual_and_recurrent_layers_build() -> None:
    table = tiny_table()
    table["layers"][3:3] = [
        {"type": "residual", "layers": [{"type": "conv2d", "channels": 4}, {"type": "spiking", "unit": "IF"}]},
        {"type": "pool", "mode": "global"},
    ]
    table["layers"][6:6] = [{"type": "linear", "features": 5}, {"type": "recurrent", "learn": {"tau_mem": "neuron"}}]
    model = build_model(spec_of(recipe_from(table), (8, 8, 2), "abc"))
    y, _ = model(torch.zeros(2, 1, 2, 8, 8))
    assert y.shape == (1, 3)
