"""Delayed recall over three seeds: what astrocytes bring, and that the frozen ones bring nothing."""

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "astro_delayed_recall.py"


@pytest.mark.slow
def test_astrocytes_recall_what_lif_units_forget_on_the_mean_of_three_seeds():
    example = runpy.run_path(str(EXAMPLE))  # trains with seed 0
    kinds, accuracy_of = example["HIDDEN_LAYERS"], example["accuracy_of"]
    runs = [example["found"], *({kind: accuracy_of(kind, seed) for kind in kinds} for seed in (1, 2))]
    mean = {kind: sum(run[kind] for run in runs) / len(runs) for kind in kinds}
    assert mean["astro"] - mean["LIF"] >= 0.25, mean
    assert abs(mean["frozen"] - mean["LIF"]) <= 0.1, mean
