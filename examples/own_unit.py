"""
Your own unit
=============

A neuron that neurosim does not ship: its threshold rises at every spike and falls back slowly. Only the equations of
one time step are written down. The fused kernels and the gradients, through the reset too, are derived from them.

The task: which of four spatio-temporal spike patterns, blurred by noise, was shown?
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from neurosim import nn, testing
from neurosim.units import Contract, Unit

# %%
# The unit
# --------
# ``step`` moves the state by one time step and returns how far the neuron is above threshold; above 0 it spikes.
# ``reset`` says what a spike ``z`` (1 or 0) does to the state.


@dataclass(frozen=True)
class TiringLIF(Unit):
    """Leaky integrate-and-fire with threshold 1 + b; a spike subtracts it from v and adds ``jump`` to b."""

    tau_mem: float = 20e-3  # s
    tau_adapt: float = 100e-3  # s
    jump: float = 0.3
    state: ClassVar = ("v", "b")
    coeffs: ClassVar = ("decay", "rho", "jump")
    contract: ClassVar = Contract("exact", "one", "subtract")

    def coefficients(self, dt, exp=math.exp):
        return exp(-dt / self.tau_mem), exp(-dt / self.tau_adapt), self.jump

    def step(self, s, x, c):
        (v, b), (x_in,), (decay, rho, _) = s, x, c
        v, b = decay * v + x_in, rho * b
        return (v, b), v - 1 - b

    def reset(self, s, z, c):
        (v, b), (_, _, jump) = s, c
        return v - z * (1 + b), b + z * jump


# %%
# It is a layer at once
# ---------------------
# Constant input makes it fire ever more slowly, as intended.

spikes, _ = nn.Spiking(TiringLIF())(torch.full((300, 1, 1), 0.2))
times = spikes.flatten().nonzero().flatten()
print(f"first and last interval between spikes: {times[1] - times[0]} and {times[-1] - times[-2]} ms")

# %%
# It keeps the promises
# ---------------------
# The kernels equal these functions in a plain loop, bit for bit; the gradient equals float64 autograd to 1e-10; and
# more. Each check raises AssertionError with what differs.

testing.check_unit(TiringLIF())

# %%
# Training
# --------
# The gradient is exact but for the spike itself, where a surrogate slope stands in. The time constants train too.

torch.manual_seed(0)
STEPS, BATCH, INPUTS, CLASSES = 60, 64, 32, 4
patterns = (torch.rand(CLASSES, STEPS, INPUTS) < 0.05).float()


def batch(size):
    """Patterns of random classes, with a third of their spikes lost and as many random ones added."""
    labels = torch.randint(CLASSES, (size,))
    kept = patterns[labels] * (torch.rand(size, STEPS, INPUTS) > 0.33)
    noise = (torch.rand_like(kept) < 0.016).float()
    return torch.maximum(kept, noise).transpose(0, 1), labels  # time first: (T, B, N)


model = nn.Sequential(
    nn.Linear(INPUTS, 64),
    nn.Spiking(TiringLIF(), learn=("tau_mem", "tau_adapt")),
    nn.Linear(64, CLASSES),
    nn.Readout("mean"),
)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for _ in range(80):
    x, labels = batch(BATCH)
    y, _ = model(x)
    loss = torch.nn.functional.cross_entropy(y, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    x, labels = batch(512)
    final = nn.accuracy(model(x)[0], labels)
print(f"accuracy on new noise: {final:.3f}; trained unit: {model[1].parameter_values()}")

# %%
# What this shows: thirty lines of neuron, no kernel and no gradient written by hand, and it learns.

assert times[-1] - times[-2] > times[1] - times[0]
assert final > 0.9
