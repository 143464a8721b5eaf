"""The main job: train a recipe, score a model; ``neurosim train`` and ``neurosim evaluate`` call this."""

from neurosim.train.evaluate import evaluate
from neurosim.train.model import ModelSpec, build_model, load_model
from neurosim.train.recipe import SHIPPED, Recipe, load_recipe, recipe_from
from neurosim.train.report import Reporter
from neurosim.train.run import train

__all__ = [
    "ModelSpec", "Recipe", "Reporter", "SHIPPED", "build_model", "evaluate", "load_model", "load_recipe",
    "recipe_from", "train",
]  # fmt: skip
