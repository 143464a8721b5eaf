"""The four torch operators under opcheck, compile and export."""

import subprocess
import sys

import pytest
import torch
from torch.library import opcheck

from neurosim import nn, units
from neurosim.kernels.trace import trace
from neurosim.nn.ops import CHUNK

K = units.Arctan().parameters()
TEXT = trace(units.LIF(), units.Arctan()).text()
COEFFICIENTS = torch.tensor(units.LIF().coefficients(1e-3), dtype=torch.float32).unsqueeze(1)


@pytest.mark.parametrize("columns", [1, 4])
def test_opcheck_accepts_the_dense_operators(columns):
    x, c = torch.rand(1, 40, 8).requires_grad_(), COEFFICIENTS.repeat(1, columns).requires_grad_()
    s = torch.zeros(1, 8).requires_grad_()
    opcheck(torch.ops.neurosim.spiking, (x, c, s, list(K), TEXT, CHUNK))
    _, end, marks = torch.ops.neurosim.spiking(x, c, s, list(K), TEXT, CHUNK)
    arguments = (x.detach(), c.detach(), marks, torch.rand(40, 8), torch.rand_like(end), list(K), TEXT, CHUNK, True)
    opcheck(torch.ops.neurosim.spiking_backward, arguments)


def test_opcheck_accepts_the_recurrent_operators():
    x, w = torch.rand(40, 2, 4).requires_grad_(), torch.rand(4, 4).requires_grad_()
    s = torch.zeros(2, 2, 4).requires_grad_()
    opcheck(torch.ops.neurosim.recurrent, (x, w, COEFFICIENTS, s, list(K), TEXT, CHUNK))
    _, end, marks = torch.ops.neurosim.recurrent(x, w, COEFFICIENTS, s, list(K), TEXT, CHUNK)
    arguments = (
        x.detach(), w.detach(), COEFFICIENTS, marks, torch.rand(40, 2, 4), torch.rand_like(end), list(K), TEXT, CHUNK,
        True,
    )  # fmt: skip
    opcheck(torch.ops.neurosim.recurrent_backward, arguments)


def test_an_expanded_gradient_is_read_where_it_lies():
    x = torch.rand(40, 2, 4, requires_grad=True)
    y, _ = nn.Spiking(units.LIF())(x)
    (want,) = torch.autograd.grad((y * torch.full_like(y, 0.25)).sum(), x, retain_graph=True)
    (got,) = torch.autograd.grad(y.sum() * 0.25, x, retain_graph=True)
    (mean,) = torch.autograd.grad((y.mean(0) * 10).sum(), x)
    assert torch.equal(got, want)
    torch.testing.assert_close(mean, want)


def compare_compiled(model, x, backend):
    compiled = torch.compile(model, fullgraph=True, backend=backend)
    y, state = model(x)
    (y.square().sum() + state[1]["v"].sum()).backward()
    want = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    y_, state_ = compiled(x)
    (y_.square().sum() + state_[1]["v"].sum()).backward()
    torch.testing.assert_close(y_, y)
    torch.testing.assert_close(state_[1]["v"], state[1]["v"])
    for p, g in zip(model.parameters(), want, strict=True):
        torch.testing.assert_close(p.grad, g)


def test_compiled_training_step_equals_eager():
    model = nn.Sequential(nn.Linear(4, 6), nn.Spiking(units.LIF(), learn=("tau_mem",), shape=(6,)), nn.Readout("mean"))
    compare_compiled(model, torch.rand(20, 2, 4), "aot_eager")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiled_recurrent_network_equals_eager_with_inductor():
    model = nn.Sequential(
        nn.Linear(4, 6), nn.Spiking(units.CubaLIF(gain="leak"), learn=("tau_syn",)), nn.Recurrent(units.LIF(), 6),
        nn.Readout("membrane"),
    )  # fmt: skip
    compare_compiled(model, torch.rand(20, 2, 4), "inductor")


LOAD = """
import sys, torch
import neurosim.nn
program = torch.export.load(sys.argv[1]).module()
x, want = torch.load(sys.argv[2])
for a, b in zip(x, want):
    assert torch.equal(program(a)[0], b), "the exported network differs"
assert "test_operators" not in sys.modules
print("equal", len(x))
"""


def test_exported_network_runs_in_another_process_for_any_length_and_batch(tmp_path):
    model = nn.Sequential(
        nn.Linear(4, 6), nn.Spiking(units.LIF()), nn.Recurrent(units.LIF(), 6), nn.Spiking(units.LI())
    ).eval()
    steps, batch = torch.export.Dim("T", min=2, max=4096), torch.export.Dim("B", min=2, max=512)
    with torch.no_grad():
        exported = torch.export.export(model, (torch.rand(20, 3, 4),), dynamic_shapes={"x": {0: steps, 1: batch}})
        x = [torch.rand(20, 3, 4), torch.rand(77, 2, 4), torch.rand(5, 40, 4)]
        want = [model(p)[0] for p in x]
    torch.export.save(exported, tmp_path / "model.pt2")
    torch.save((x, want), tmp_path / "data.pt")
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD, tmp_path / "model.pt2", tmp_path / "data.pt"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.stdout.strip() == "equal 3", result.stderr
