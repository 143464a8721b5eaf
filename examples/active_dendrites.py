"""
Tasks one after the other
=========================

A network that learns a second task with the same weights forgets the first. Active dendrites (Iyer et al. 2022,
doi:10.3389/fnbot.2022.846219) see a context, here the mean image of the task, and gate their unit; k-winners let few
units speak. Together each task gets its own small part of the network, and what another task needs stays as it was.

The tasks are handwritten digits with the pixels in another order each time. When tested, nobody says which task an
image is from: its context is the nearest of the mean images. With ``--full`` the script runs the larger setting.
"""

import dataclasses
import sys

import torch

from neurosim.train import Learner, build_net, learn_tasks, tasks_of
from neurosim.train.continual import NetSpec, TasksSpec, TasksTrainSpec

FULL = "--full" in sys.argv
TASKS = TasksSpec(set="digits", tasks=10 if FULL else 6)
UNITS, SEEDS = (512, (0, 1)) if FULL else (256, (0,))
TRAIN = TasksTrainSpec(epochs=10, batch_size=32, lr=5e-4)
torch.set_num_threads(1)

# %%
# The whole network, and what is left when one part or both are taken away.

whole = NetSpec(hidden=(UNITS, UNITS), density=0.05, weight_sparsity=0.5, segments=10)
NETS = {
    "MLP": dataclasses.replace(whole, density=0.0, weight_sparsity=0.0, segments=0),
    "dendrites only": dataclasses.replace(whole, density=0.0),
    "k-winners only": dataclasses.replace(whole, segments=0),
    "both": whole,
}


def overlap(learner, tasks):
    """Mean share of the active units of the last hidden layer that two tasks have in common, for the same images."""
    contexts = learner.prototypes.contexts.split(1) if learner.contextual else [None] * len(tasks)
    on = []
    for (x, _), context in zip(tasks, contexts, strict=True):
        h = x.unsqueeze(0)
        for layer in list(learner.net.children())[:4]:
            h = layer(h, None, context)[0] if "ActiveDendrites" in type(layer).__name__ else layer(h)[0]
        on.append((h[0] != 0).float().mean(0))
    rates = torch.stack(on)
    shared = rates @ rates.T / rates.sum(1)
    return float(shared[~torch.eye(len(tasks), dtype=torch.bool)].mean())


# %%
# All four learn the same tasks in the same order.

train, test = tasks_of(TASKS, "train+validation"), tasks_of(TASKS, "test")
accuracy, shared = {}, {}
for name, spec in NETS.items():
    means = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        learner = Learner(build_net(spec, 64, 10), TRAIN, 64, seed)
        outcome = learn_tasks(learner, train, test)
        means.append(outcome.mean)
    accuracy[name] = sum(means) / len(means)
    with torch.no_grad():
        shared[name] = overlap(learner, test)
    known = "" if outcome.inferred is None else f", context right in {outcome.inferred:.1%}"
    print(f"{name:15s} {accuracy[name]:.3f}   units shared by two tasks {shared[name]:.3f}{known}")

# %%
# The whole network keeps most, and its tasks share fewer units than with k-winners alone.

gap = accuracy["both"] - accuracy["MLP"]
ordered = accuracy["both"] > accuracy["k-winners only"] > accuracy["MLP"]
assert ordered and gap > 0.12 and shared["both"] < shared["k-winners only"]
