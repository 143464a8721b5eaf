"""Learnt dendrites against random ones, none, and none trained as long: fully connected, convolutional, spiking."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from neurosim import nn, units
from neurosim.nn.cascade import cascades, count_parameters

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "cascade_dendrites.py"
SEEDS, STEPS = range(3), 20


def test_learnt_dendrites_beat_random_ones_and_none_on_ten_seeds():
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE), "full"], env=os.environ, capture_output=True, text=True,
        timeout=900,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stderr


def digits():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    parts = torch.randperm(len(images), generator=torch.Generator().manual_seed(123)).split([1000, 297, 500])
    return torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels), parts


def convolution(hidden=2):
    return torch.nn.Sequential(
        torch.nn.Unflatten(1, (1, 8, 8)), torch.nn.Conv2d(1, hidden, 3), torch.nn.ReLU(), torch.nn.AvgPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(9 * hidden, 10),
    )  # fmt: skip


def spiking(hidden=6):
    return nn.Sequential(
        nn.Linear(64, hidden), nn.Spiking(units.LIF(tau_mem=10e-3)), nn.Linear(hidden, 10), nn.Readout("mean")
    )


def run(make, kind, seed, epochs=None, hidden=None):
    """Training loss, test accuracy, parameters and mean |rho| of the first layer for one dendrite (or none)."""
    x, y, (train, validation, test) = digits()
    torch.manual_seed(seed)
    model = make(hidden) if hidden else make()
    timed = isinstance(model, nn.Layer)
    nn.perforate(model, max_dendrites=int(kind in ("learnt", "random")), tau=10e-3)
    if timed:
        x = (torch.rand(STEPS, *x.shape, generator=torch.Generator().manual_seed(7)) < 0.5 * x).float()

    def out(samples):
        return model(x[:, samples])[0] if timed else model(x[samples])

    def loss(samples):
        model.eval()
        with torch.no_grad():
            return float(cross_entropy(out(samples), y[samples]))

    s = nn.PhaseScheduler(
        model, mode="min", seed=seed, n_epochs_to_switch=epochs or 8, max_n_epochs=epochs or 60,
        max_p_epochs=1 if kind == "random" else 25,
    )  # fmt: skip
    verdict = "restructured"
    while verdict != "done":
        if verdict == "restructured":
            still = kind == "random" and s.phase == "P"
            optimizer = s.watch(
                (torch.optim.SGD if still else torch.optim.Adam)(s.parameters(), lr=0 if still else 0.01)
            )
            before = out(test).detach() if s.phase == "P" and not model.training else None
        elif before is not None:
            model.eval()
            assert torch.equal(out(test).detach(), before)  # the P-phase moves no logit
        model.train()
        for batch in train[torch.randperm(len(train))].split(100):
            optimizer.zero_grad()
            cross_entropy(out(batch), y[batch]).backward()
            optimizer.step()
        verdict = s.step(loss(validation))
    with torch.no_grad():
        accuracy = nn.accuracy(out(test), y[test])
    first = next(iter(cascades(model)))
    rho = s.records[-1].get(f"rho {first}", np.nan)
    return (loss(train), accuracy, count_parameters(model), rho), sum(r["n_epochs"] for r in s.records)


@pytest.mark.parametrize(("make", "wider"), [(convolution, 4), (spiking, 13)])
def test_dendrites_of_convolutions_and_spiking_layers_beat_no_dendrites_trained_as_long(make, wider):
    torch.set_num_threads(1)  # small matrices
    rows = {}
    for seed in SEEDS:
        rows.setdefault("none", []).append(run(make, "none", seed)[0])
        learnt, epochs = run(make, "learnt", seed)
        rows.setdefault("learnt", []).append(learnt)
        rows.setdefault("random", []).append(run(make, "random", seed)[0])
        rows.setdefault("as long", []).append(run(make, "none", seed, epochs=epochs)[0])
        rows.setdefault("wider", []).append(run(make, "none", seed, hidden=wider)[0])
    mean = {kind: np.mean(found, 0) for kind, found in rows.items()}
    for kind, (loss, accuracy, parameters, rho) in mean.items():
        print(f"{make.__name__} {kind:8s} {parameters:5.0f} parameters, training loss {loss:.3f}, "
              f"test accuracy {100 * accuracy:.1f} %, |rho| {rho:.3f}")  # fmt: skip
    assert mean["learnt"][0] < mean["as long"][0] and mean["learnt"][0] < mean["none"][0]
    assert mean["learnt"][3] > 2 * mean["random"][3]
