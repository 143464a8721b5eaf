"""
Memory in astrocytes
====================

One of four channels is shown for 5 steps; then all four spike at random for 40 steps; then a fifth channel asks which
one it was. Membranes forget within 10 steps. An astrocyte remembers what its neuron fired for up to 400, and feeds it
back; how strongly is learned, from zero. With more training, recurrent spikes alone also keep a cue (see
``recurrent_delayed_memory.py``); here all have the same 250 steps.
"""

import torch

from neurosim import nn, units
from neurosim.data import delayed_recall

HIDDEN, BATCH, STEPS = 64, 64, 250
QUERY = 5
FACTORS = {"beta": (HIDDEN,), "lam": (HIDDEN,)}
HIDDEN_LAYERS = {  # neuron and what of it trains, one number per neuron
    "LIF": (units.LIF(tau_mem=units.Decay(0.9), v_reset=0.0), {"tau_mem": (HIDDEN,)}),
    "frozen": (units.AstroLIF(), FACTORS),
    "astro": (units.AstroLIF(), {**FACTORS, "ka": (HIDDEN,), "kg": (HIDDEN,)}),
}


def network(kind):
    """64 recurrent neurons; the same weights at the start for all kinds."""
    unit, learn = HIDDEN_LAYERS[kind]
    hidden = nn.Recurrent(unit, HIDDEN, learn=learn, surrogate=units.FastSigmoid(5.0))
    if "lam" in learn:
        hidden.raw_lam.data = torch.linspace(2, 6, HIDDEN)  # time constants of 8 to 404 steps
    inward = nn.Linear(5, HIDDEN)
    inward.weight.data *= 3  # so that the cue makes neurons fire
    return nn.Sequential(inward, hidden, nn.Linear(HIDDEN, 4))


def answer(model, x):
    """Mean over the time of the question."""
    return model(x)[0][-QUERY:].mean(0)


def accuracy_of(kind, seed, delay=40, steps=STEPS):
    """Accuracy on new trials."""
    torch.manual_seed(seed)
    draws = torch.Generator().manual_seed(seed)
    model = network(kind)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(steps):
        x, labels = delayed_recall(BATCH, delay, query=QUERY, generator=draws)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(answer(model, x), labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        x, labels = delayed_recall(1024, delay, query=QUERY, generator=torch.Generator().manual_seed(1000 + seed))
        return nn.accuracy(answer(model, x), labels)


# %%
# `AstroLIF` starts with gains ka = kg = 0, where it is a LIF neuron, bit for bit. The control keeps them there: it has
# all the parameters of the astrocytes but their effect.

found = {kind: accuracy_of(kind, seed=0) for kind in HIDDEN_LAYERS}
print(", ".join(f"{kind} {accuracy:.3f}" for kind, accuracy in found.items()))

# %%
# Without the astrocytes most trials are lost; guessing is right in one of four.

assert found["astro"] - found["LIF"] >= 0.25
assert abs(found["frozen"] - found["LIF"]) <= 0.1
