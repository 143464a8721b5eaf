"""
Learnable time constants
========================

Time constants and thresholds of any unit train with the weights, one per layer or one per neuron. They train through
their logarithm, so no step of the optimiser can make one negative.

Here a layer that starts with the wrong time constants recovers those of a teacher from the teacher's membranes, so the
gradient has to find its way through many spikes and resets.
"""

import torch

from neurosim import nn, units

torch.manual_seed(0)
TRUE = [5e-3, 10e-3, 20e-3, 40e-3]  # s
x = (torch.rand(300, 8, len(TRUE)) < 0.2) * 0.5  # (T, B, N)

teachers = [nn.Spiking(units.LIF(tau_mem=tau), output="v") for tau in TRUE]
with torch.no_grad():
    target = torch.cat([teacher(x[..., [i]])[0] for i, teacher in enumerate(teachers)], dim=-1)
    fired = nn.Spiking(units.LIF(tau_mem=20e-3))(x)[0].sum()
print(f"a 20 ms layer fires {int(fired)} times on this input")

# %%
# ``shape`` gives each of the four neurons a time constant of its own; ``shape=()`` would share one.

student = nn.Spiking(units.LIF(tau_mem=12e-3), learn=("tau_mem",), shape=(len(TRUE),), output="v")
optimizer = torch.optim.Adam(student.parameters(), lr=0.05)
for step in range(150):
    loss = (student(x)[0] - target).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step:3d}  loss {loss.item():.5f}")

found = student.parameter_values()["tau_mem"].detach()
print("true  [ms]:", [f"{1e3 * tau:.1f}" for tau in TRUE])
print("found [ms]:", [f"{1e3 * tau:.1f}" for tau in found.tolist()])

# %%
# All four are recovered.

torch.testing.assert_close(found, torch.tensor(TRUE), rtol=0.1, atol=0.0)
assert fired > 500
