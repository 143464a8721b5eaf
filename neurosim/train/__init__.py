"""The main job: train a recipe, score a model; ``neurosim train`` and ``neurosim evaluate`` call this."""

from neurosim.train.continual import (
    ContinualRecipe,
    Learner,
    Outcome,
    build_net,
    learn_tasks,
    load_continual,
    run_continual,
    tasks_of,
)
from neurosim.train.evaluate import evaluate
from neurosim.train.intelligence import SynapticIntelligence
from neurosim.train.model import ModelSpec, build_model, load_model
from neurosim.train.recipe import SHIPPED, Recipe, load_recipe, recipe_from
from neurosim.train.report import Reporter
from neurosim.train.run import train

__all__ = [
    "ContinualRecipe", "Learner", "ModelSpec", "Outcome", "Recipe", "Reporter", "SHIPPED", "SynapticIntelligence",
    "build_model", "build_net", "evaluate", "learn_tasks", "load_continual", "load_model", "load_recipe", "recipe_from",
    "run_continual", "tasks_of", "train",
]  # fmt: skip
