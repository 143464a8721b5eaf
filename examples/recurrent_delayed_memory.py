"""
Memory in recurrent spikes
==========================

One of two cues is shown for 10 ms, then nothing for 60 ms, then a go signal: which cue was it? The membranes forget in
5 ms, so a feedforward network cannot know. A recurrent layer of the same size can keep the cue in its own spikes.
"""

import torch

from neurosim import nn, units

CUE, DELAY, GO, CHANNELS, HIDDEN, BATCH = 10, 60, 15, 10, 48, 64
UNIT = units.LIF(tau_mem=5e-3)


def batch(size):
    """Cue, silence, go signal, time first; ten channels each for either cue and for the go signal."""
    labels = torch.randint(2, (size,))
    x = torch.zeros(CUE + DELAY + GO, size, 3 * CHANNELS)
    for channel in range(2):
        shown = x[:CUE, labels == channel, channel * CHANNELS : (channel + 1) * CHANNELS]
        x[:CUE, labels == channel, channel * CHANNELS : (channel + 1) * CHANNELS] = (torch.rand_like(shown) < 0.4) * 1.0
    x[-GO:, :, 2 * CHANNELS :] = (torch.rand(GO, size, CHANNELS) < 0.4).float()
    return x, labels


def accuracy_of(hidden):
    """Accuracy on new trials after 120 steps of training; only the time of the go signal counts."""
    model = nn.Sequential(nn.Linear(3 * CHANNELS, HIDDEN), hidden, nn.Linear(HIDDEN, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(120):
        x, labels = batch(BATCH)
        y, _ = model(x)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(y[-GO:].mean(0), labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        x, labels = batch(512)
        return nn.accuracy(model(x)[0][-GO:].mean(0), labels)


# %%
# The two differ in one line. `Recurrent` runs its own fused kernel, with the weight inside the loop over time; the
# current at a step is the input plus the weighted spikes of the step before.

torch.manual_seed(0)
feedforward = accuracy_of(nn.Spiking(UNIT))
torch.manual_seed(0)
recurrent = accuracy_of(nn.Recurrent(UNIT, HIDDEN, scale=1.0))
print(f"feedforward {feedforward:.3f}, recurrent {recurrent:.3f}")

# %%
# Without recurrence it is a coin toss.

assert feedforward < 0.6
assert recurrent > 0.9
