"""
A long recording in chunks
==========================

A layer takes a state and returns a state; it keeps nothing in between. A recording that is too long for memory, or
that has not ended yet, is fed in chunks. A layer of units gives the same bits either way; a whole network can differ in
the last bit, where a matrix product adds up in another order.
"""

import torch

from neurosim import nn, units

torch.manual_seed(0)
model = nn.Sequential(
    nn.Linear(40, 64),
    nn.Spiking(units.AdLIF()),
    nn.Linear(64, 32),
    nn.Recurrent(units.LIF(tau_mem=10e-3), 32),
    nn.Linear(32, 5),
    nn.Readout("membrane"),
).eval()

# %%
# The whole recording, two seconds at a step of 1 ms, and the same in chunks of any length.

x = (torch.rand(2000, 3, 40) < 0.1).float()
with torch.no_grad():
    whole, _ = model(x)
    state = None  # rest
    for chunk in x.split([1, 7, 500, 992, 500]):
        streamed, state = model(chunk, state)

print("largest difference:", float((whole - streamed).abs().max()))

# %%
# Forgetting the state cannot go unnoticed in the code: ``state=None``, or nothing, means rest, and there is no reset
# to call between batches. To train on chunks (truncated back-propagation through time), cut the graph between them:

state = None
for chunk in x.split(500):
    y, state = model(chunk, state)
    y.square().mean().backward()
    state = nn.detach(state)

# %%
# The same bits in spikes and state, whichever way a layer of units got there.

with torch.no_grad():
    layer = nn.Spiking(units.AdLIF())
    spikes, end = layer(x)
    first, state = layer(x[:123])
    second, state = layer(x[123:], state)

assert torch.equal(spikes, torch.cat([first, second]))
assert all(torch.equal(end[name], state[name]) for name in end)
torch.testing.assert_close(streamed, whole)
