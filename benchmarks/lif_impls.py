"""The implementations that ``lif_training.py`` compares: one builder each, in the idiom its library documents.

All are LIF neurons with a membrane time constant of 20 steps, threshold 1, float32, an arctangent-like surrogate where
the library lets one choose, and subtraction of the threshold where it offers that reset (Norse resets to a value).
Libraries scale their input differently; ``gain`` multiplies the input *before* anything is timed, so that every neuron
sees about the same drive and fires at a few per cent. torch and the libraries are imported inside the builders: the
script that starts the measurements needs none of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    Run = Callable[[Tensor], Tensor]
    Builder = Callable[[nn.Linear | None], Run]

DT = 1e-3  # s
TAU = 20e-3  # s
STEPS_PER_TAU = TAU / DT
DECAY = math.exp(-DT / TAU)


@dataclass(frozen=True)
class Workload:
    """A tensor to run through a LIF layer, behind ``Linear(N, N)`` if ``linear``."""

    title: str
    shape: tuple[int, ...]  # time first
    linear: bool


@dataclass(frozen=True)
class Implementation:
    """How to build one row of the tables."""

    label: str
    kind: str  # "floor", "ours", "peer", "torch"
    build: Builder
    library: str = ""
    gain: float = 1.0
    batch_first: bool = False
    compiled: bool = False
    needs_linear: bool | None = None  # None: every workload

    def fits(self, workload: Workload) -> bool:
        return self.needs_linear in (None, workload.linear)


WORKLOADS = {
    "linear100": Workload("Linear(256, 256) + LIF, T=100, B=16", (100, 16, 256), linear=True),
    "linear500": Workload("Linear(256, 256) + LIF, T=500, B=16", (500, 16, 256), linear=True),
    "maps": Workload("LIF on convolution maps, T=16, B=16, C=64, 32x32", (16, 16, 64, 32, 32), linear=False),
    "lif": Workload("LIF alone, T=100, B=32, N=1000", (100, 32, 1000), linear=False),
}


def steps(x: Tensor, idiom: str) -> Iterable[Tensor]:
    """The time steps of ``x``; in backward each ``x[t]`` costs a zero tensor of x's whole size, ``unbind`` does not."""
    return x.unbind(0) if idiom == "unbind" else (x[t] for t in range(x.shape[0]))


def behind(linear: nn.Linear | None, lif: Run) -> Run:
    return lif if linear is None else lambda x: lif(linear(x))


def loop(cell: Callable[[Tensor, Any], tuple[Tensor, Any]], idiom: str) -> Run:
    """Run a one-step cell over time, from its initial state."""
    import torch

    def run(x: Tensor) -> Tensor:
        state, spikes = None, []
        for xt in steps(x, idiom):
            spike, state = cell(xt, state)
            spikes.append(spike)
        return torch.stack(spikes)

    return run


def bare_linear(linear: nn.Linear | None) -> Run:
    assert linear is not None
    return linear


def memory_floor(linear: nn.Linear | None) -> Run:
    return lambda x: x * 0.9


def neurosim(linear: nn.Linear | None) -> Run:
    from neurosim import nn, units

    layer = nn.Spiking(units.LIF(tau_mem=TAU), dt=DT)
    model = layer if linear is None else nn.Sequential(linear, layer)
    return lambda x: model(x)[0]


def _leaky() -> Callable[[Tensor, Any], tuple[Tensor, Any]]:
    import snntorch

    leaky = snntorch.Leaky(beta=DECAY, spike_grad=snntorch.surrogate.atan())
    return lambda x, mem: leaky(x, leaky.reset_mem() if mem is None else mem)


def snntorch_loop(idiom: str) -> Builder:
    return lambda linear: behind(linear, loop(_leaky(), idiom))


def snntorch_tutorial(linear: nn.Linear | None) -> Run:
    assert linear is not None
    leaky = _leaky()
    return loop(lambda x, mem: leaky(linear(x), mem), "unbind")


def spikingjelly(detach_reset: bool) -> Builder:
    def build(linear: nn.Linear | None) -> Run:
        from spikingjelly.activation_based import functional, neuron, surrogate

        options = {"decay_input": False, "v_reset": None, "detach_reset": detach_reset, "step_mode": "m"}
        node = neuron.LIFNode(tau=STEPS_PER_TAU, surrogate_function=surrogate.ATan(), **options)

        def run(x: Tensor) -> Tensor:
            functional.reset_net(node)
            return node(x)

        return behind(linear, run)

    return build


def norse_lif(linear: nn.Linear | None) -> Run:
    import torch
    from norse.torch import LIF, LIFParameters, SequentialState

    lif = LIF(LIFParameters(tau_mem_inv=torch.tensor(1 / TAU)), dt=DT)
    model = lif if linear is None else SequentialState(linear, lif)
    return lambda x: model(x)[0]


def norse_box(linear: nn.Linear | None) -> Run:
    import torch
    from norse.torch import LIFBoxCell, LIFBoxParameters

    return behind(linear, loop(LIFBoxCell(LIFBoxParameters(tau_mem_inv=torch.tensor(1 / TAU)), dt=DT), "unbind"))


def sinabs(linear: nn.Linear | None) -> Run:
    from sinabs import activation, layers

    lif = layers.LIF(tau_mem=STEPS_PER_TAU, norm_input=False, spike_fn=activation.SingleSpike).requires_grad_(False)

    def run(x: Tensor) -> Tensor:
        lif.reset_states()
        return lif(x)

    return behind(linear, run)


def eager(idiom: str) -> Run:
    """What a user writes in plain torch: a loop over time, a surrogate, a soft reset."""
    import torch

    class ATan(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, u: Tensor) -> Tensor:
            ctx.save_for_backward(u)
            return (u > 0).to(u.dtype)

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            (u,) = ctx.saved_tensors
            return grad / (1 + (math.pi * u) ** 2)

    def run(x: Tensor) -> Tensor:
        v, spikes = torch.zeros_like(x[0]), []
        for xt in steps(x, idiom):
            u = DECAY * v + xt
            spike = ATan.apply(u - 1.0)
            v = u - spike
            spikes.append(spike)
        return torch.stack(spikes)

    return run


def eager_loop(idiom: str) -> Builder:
    return lambda linear: behind(linear, eager(idiom))


def compiled_loop(linear: nn.Linear | None) -> Run:
    import torch

    return behind(linear, torch.compile(eager("unbind"), fullgraph=True, dynamic=False))


def _peer(library: str, idiom: str, build: Builder, **options: Any) -> Implementation:
    return Implementation(f"{library}, {idiom}", "peer", build, library=library, **options)


# Gains: an exact or Euler update that averages its input, v += (x - v) dt/tau, needs dt/tau times more than one that
# adds it; Norse's LIF also sums its input over a synaptic time constant of 5 steps.
IMPLEMENTATIONS = {
    "linear": Implementation("bare Linear", "floor", bare_linear, needs_linear=True),
    "memory": Implementation("memory floor, x * 0.9", "floor", memory_floor, needs_linear=False),
    "neurosim": Implementation("**neurosim**", "ours", neurosim),
    "snntorch_index": _peer("snnTorch", "x[t]", snntorch_loop("index")),
    "snntorch_unbind": _peer("snnTorch", "unbind", snntorch_loop("unbind")),
    "snntorch_tutorial": _peer("snnTorch", "Linear in the loop", snntorch_tutorial, needs_linear=True),
    "spikingjelly": _peer("SpikingJelly", "multi-step", spikingjelly(detach_reset=False)),
    "spikingjelly_detach": _peer("SpikingJelly", "multi-step, reset detached", spikingjelly(detach_reset=True)),
    "norse_lif": _peer("Norse", "LIF", norse_lif, gain=STEPS_PER_TAU / 5),
    "norse_box": _peer("Norse", "LIFBoxCell, unbind", norse_box, gain=STEPS_PER_TAU),
    "sinabs": _peer("Sinabs", "LIF", sinabs, batch_first=True),
    "eager_index": Implementation("plain torch loop, x[t]", "torch", eager_loop("index")),
    "eager_unbind": Implementation("plain torch loop, unbind", "torch", eager_loop("unbind")),
    "compile": Implementation("torch.compile of the unbind loop", "torch", compiled_loop, compiled=True),
}
