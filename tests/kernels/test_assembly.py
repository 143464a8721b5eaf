"""The compiled loops of LIF are packed single precision."""

import platform
import re

import pytest
from processes import run

CODE = """
import torch
from neurosim import nn, units
from neurosim.kernels.instantiate import instantiate
x = torch.rand(40, 2, 600, requires_grad=True)
layer = nn.Spiking(units.LIF(), surrogate=units.SuperSpike())
y, _ = layer(x)
y.sum().backward()
for template, name in (("dense_forward", "forward"), ("dense_backward", "backward")):
    kernel = getattr(instantiate(template, layer.program, "float32", False), name)
    print("=====", *kernel.inspect_asm().values())
"""


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="reads x86 assembly")
def test_lif_loops_are_packed_and_forward_never_widens_a_float(tmp_path):
    _, forward, backward = run(CODE, cache=tmp_path).split("=====")
    for text in (forward, backward):
        assert re.search(r"\bv?mulps\b", text)
        assert re.search(r"\bv?addps\b", text)
    assert "cvtss2sd" not in forward
    assert "cvtps2pd" not in forward
    assert not re.search(r"\bv?(fmadd|fmsub|fnmadd)\w*ps\b", forward), "a fused multiply-add rounds once, not twice"


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="MXCSR is a register of x86")
def test_denormals_are_flushed_inside_kernels_and_nowhere_else():
    code = """
import numpy as np, torch
from neurosim import nn, units
layer = nn.Spiking(units.LIF(tau_mem=units.Decay(0.5)))
_, state = layer(torch.zeros(40, 1, 8), {"v": torch.full((1, 8), 1e-30)})
tiny = np.float32(1e-30)
for _ in range(40):
    tiny = tiny * np.float32(0.5)
print(float(state["v"].abs().max()), 0 < tiny < 1.2e-38)
"""
    assert run(code).split() == ["0.0", "True"]
