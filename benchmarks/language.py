"""Byte-level language models of equal parameters and equal training time: bits per byte on text never trained on.

The contenders: `AstroSNN`; the same net with LIF units, that is without astrocytes; the same without the slow trace
too, so that nothing but membranes remember; a GRU. The text is split in order: 90 % to train on, 5 % to choose the
learning rate of each on, the same few for all and each for a quarter of the time; the last 5 % are scored. Time is CPU
time of one thread, so that other work on the machine does not count. Start it with an interpreter that has neurosim.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import torch

from neurosim import nn, units

BATCH, LENGTH = 32, 128
RATES = (1e-2, 2e-2, 4e-2)
LIF = units.LIF(tau_mem=units.Decay(0.9), v_reset=0.0)
NO_TRACE = units.LI(tau_mem=units.Decay(0.0), gain="leak")


class GRU(nn.Layer):
    """torch's GRU as a layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = torch.nn.GRU(width, width)

    def forward(self, x: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """x (T, B, width) to y alike."""
        return self.gru(x, state)


def parameters(model: torch.nn.Module) -> int:
    """Trained numbers."""
    return sum(p.numel() for p in model.parameters())


def contenders(width: int, depth: int) -> dict[str, Callable[[], nn.LanguageModel]]:
    """What builds each model; the GRU has the width at which its parameters are closest to those of AstroSNN."""
    kinds = {"AstroSNN": {}, "LIF": {"unit": LIF}, "LIF, no trace": {"unit": LIF, "trace": NO_TRACE}}
    build: dict[str, Callable[[], nn.LanguageModel]] = {
        name: lambda kind=kind: nn.LanguageModel(nn.AstroSNN(width, depth, **kind), width)
        for name, kind in kinds.items()
    }
    target = parameters(build["AstroSNN"]())
    size = min(range(16, 1024), key=lambda n: abs(256 * (n + 1) + 6 * n * n + 6 * n - target))
    build["GRU"] = lambda: nn.LanguageModel(GRU(size), size)
    return {name: build[name] for name in ("AstroSNN", "LIF", "GRU", "LIF, no trace")}


def trained(build: Callable[[], nn.LanguageModel], text: torch.Tensor, seconds: float, lr: float) -> tuple[Any, int]:
    """A model after so many seconds of Adam, and the steps; the same start and the same order of the text for all."""
    torch.manual_seed(0)
    model = build()
    return model, train(model, text, seconds, lr)


def train(model: nn.LanguageModel, text: torch.Tensor, seconds: float, lr: float) -> int:
    """Adam on random stretches for so many seconds of CPU time, the rate falling to zero; steps."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(1)
    model(text[:LENGTH, None])[0].sum().backward()  # compiles, before the clock starts
    start, steps = time.process_time(), 0
    while (spent := time.process_time() - start) < seconds:
        optimizer.param_groups[0]["lr"] = lr * min(1.0, (steps + 1) / 50) * (1 - spent / seconds)
        at = torch.randint(len(text) - LENGTH - 1, (BATCH,), generator=generator)
        rows = text[at + torch.arange(LENGTH + 1).unsqueeze(1)]
        scores, _ = model(rows[:-1])
        loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), rows[1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        steps += 1
    return steps


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path, help="a text file")
    parser.add_argument("--seconds", type=float, default=180, help="CPU seconds of training, each")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--sample", type=int, default=0, help="bytes to generate from each")
    args = parser.parse_args()
    torch.set_num_threads(1)
    text = nn.as_symbols(args.text.read_bytes())
    a, b = len(text) * 90 // 100, len(text) * 95 // 100
    for name, value in machine.describe(Path(__file__).resolve().parent.parent).items():
        print(f"- {name}: {value}")
    print(f"- text: {len(text):,} bytes, of which the last {len(text) - b:,} are scored")
    print(
        "\n| net | parameters | learning rate | CPU s | steps | bits per byte |\n|---|---|---|---|---|---|", flush=True
    )
    for name, build in contenders(args.width, args.depth).items():
        pilots = {}
        for lr in RATES:
            pilots[lr] = nn.bits_per_symbol(trained(build, text[:a], args.seconds / 4, lr)[0], text[a:b])
            print(f"{name}, learning rate {lr}: {pilots[lr]:.3f}", file=sys.stderr, flush=True)
        best = min(pilots, key=lambda lr: pilots[lr])
        model, steps = trained(build, text[:a], args.seconds, best)
        bits = nn.bits_per_symbol(model, text[b:])
        row = (name, f"{parameters(model):,}", f"{best:g}", f"{args.seconds:.0f}", str(steps), f"{bits:.3f}")
        print(f"| {' | '.join(row)} |", flush=True)
        if args.sample:
            drawn = model.generate(
                b"ROMEO:\n", args.sample, temperature=0.8, generator=torch.Generator().manual_seed(0)
            )
            print(b"".join(drawn).decode("utf-8", "replace"), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
