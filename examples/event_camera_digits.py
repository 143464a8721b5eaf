"""
Digits before an event camera
=============================

A small spiking convolution network learns handwritten digits from events. The recordings come from a simulated event
camera that looks at scikit-learn's digits during three quick eye movements, so nothing has to be downloaded.
"""

import numpy as np
import torch

from neurosim import nn, units
from neurosim.data.datasets import DigitsDVS
from neurosim.data.transforms import ToFrames, frames_batch

torch.manual_seed(0)

# %%
# Recordings
# ----------
# Events have a time [us], a pixel and a polarity; here there are some thousand in 300 ms.

train, validation = DigitsDVS("train"), DigitsDVS("validation")
events, label = train[0]
print(events, "shows a", label)

# %%
# From events to frames
# ---------------------
# Counts of ON and OFF events in ten bins of 30 ms, at half the resolution: (T, B, P, H, W).

grid = ToFrames(n_bins=10, duration_us=300_000, out_size=(16, 16), bounds="crop")


def frames(data):
    """All frames and labels of a split."""
    return torch.from_numpy(frames_batch([data[i][0] for i in range(len(data))], grid)), torch.from_numpy(data.labels)


x_train, y_train = frames(train)
x_val, y_val = frames(validation)

# %%
# The network
# -----------
# Batch norms keep the units near threshold; their statistics run over time, batch and pixels. The readout is the mean
# membrane of a leaky integrator that never spikes.

dt = 30e-3
model = nn.Sequential(
    nn.Conv2d(2, 16, 3, padding=1),
    nn.BatchNorm2d(16),
    nn.Spiking(units.LIF(tau_mem=60e-3), dt=dt),
    nn.AvgPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.BatchNorm2d(32),
    nn.Spiking(units.LIF(tau_mem=60e-3), dt=dt),
    nn.AvgPool2d(2),
    nn.Flatten(),
    nn.Linear(32 * 4 * 4, 10),
    nn.Readout("membrane", dt=dt),
)

# %%
# Two epochs
# ----------
# In earnest you would use ``neurosim train digits_dvs``, which adds validation, checkpoints and pictures.

optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
rng = np.random.default_rng(0)
for epoch in range(2):
    for part in np.array_split(rng.permutation(len(y_train)), 32):
        y, _ = model(x_train[:, part])
        loss = nn.rate_cross_entropy(y, y_train[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: last loss {loss.item():.3f}")

with torch.no_grad():
    final = nn.accuracy(model.eval()(x_val)[0], y_val)
print(f"validation accuracy {final:.3f}")

# %%
# Chance is 0.1.

assert final > 0.8
