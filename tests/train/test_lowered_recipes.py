"""Networks of recipes on real recordings: the event-driven form equals the model."""

import pytest
import torch

from neurosim.nn.lowering import evaluation_form
from neurosim.testing import verify_equal
from neurosim.train.model import seeded_model, spec_of
from neurosim.train.pipeline import Framing
from neurosim.train.recipe import load_recipe
from neurosim.train.sets import open_split


@pytest.mark.parametrize("name", ["nmnist"])
def test_E1_the_network_of_a_recipe_on_real_recordings(name, data_folder):
    recipe = load_recipe(name)
    data = open_split(recipe.data.set, recipe.data.options, data_folder, "test")
    recordings = [data[k][0] for k in (0, len(data) // 2)]
    spec = spec_of(recipe, recordings[0].sensor_size, [str(k) for k in range(10)])
    model = evaluation_form(seeded_model(spec, 0))
    with torch.no_grad():
        for p in (p for n, p in model.named_parameters() if "raw_" not in n):
            p.mul_(3 * 256).round_().div_(256)
    found = verify_equal(model, Framing(recipe.frames)(recordings))
    assert found.equal and found.spikes > 1000, str(found)
