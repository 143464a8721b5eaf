"""
Which surrogate?
================

A spike is a step of the distance to threshold, and a step has no useful slope. Training puts a *surrogate* slope in
its place, and only there. The same small network is trained with each of the shapes that neurosim ships.

Zenke & Vogels 2021 (doi:10.1162/neco_a_01367) found that the shape matters little as long as its scale is sensible.
On this toy, that is what is seen.
"""

import torch

from neurosim import nn, units

STEPS, BATCH, INPUTS, CLASSES = 60, 64, 32, 4


def batch(patterns, size):
    """Patterns of random classes, with a third of their spikes lost and as many random ones added."""
    labels = torch.randint(CLASSES, (size,))
    kept = patterns[labels] * (torch.rand(size, STEPS, INPUTS) > 0.33)
    return torch.maximum(kept, (torch.rand_like(kept) < 0.016).float()).transpose(0, 1), labels


def accuracy_with(surrogate):
    """Accuracy on new noise after 80 steps of training, everything else being equal."""
    torch.manual_seed(0)
    patterns = (torch.rand(CLASSES, STEPS, INPUTS) < 0.05).float()
    model = nn.Sequential(
        nn.Linear(INPUTS, 64), nn.Spiking(units.LIF(), surrogate=surrogate), nn.Linear(64, CLASSES), nn.Readout("mean")
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(80):
        x, labels = batch(patterns, BATCH)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x)[0], labels).backward()
        optimizer.step()
    with torch.no_grad():
        x, labels = batch(patterns, 512)
        return nn.accuracy(model(x)[0], labels)


# %%
# A surrogate is one function of the distance to threshold; yours would be another frozen dataclass with a ``slope``.

results = {kind.__name__: accuracy_with(kind()) for kind in units.SURROGATES}
for name, value in results.items():
    print(f"{name:12s} {value:.3f}")

# %%
# All of them learn the task.

assert min(results.values()) > 0.9
