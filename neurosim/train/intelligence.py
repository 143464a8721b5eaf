"""Synaptic Intelligence: weights that mattered for earlier tasks are held near the values they had."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from neurosim.errors import check_positive


class SynapticIntelligence:
    """Each weight's share in the fall of the loss so far, and the penalty that follows from it.

    Within a task, ``path -= gradient * change`` over all updates: what the change of a weight took off the loss. At the
    end of a task ``importance += max(path, 0) / ((change over the task)^2 + damping)``. The penalty is
    ``strength * sum(importance * (weight - weight at the end of the last task)^2)``.

    Args:
        parameters: to protect.
        strength: c of the paper.
        damping: xi of the paper, > 0.

    Raises:
        RangeError: strength or damping is not above zero.

    Source: Zenke, Poole & Ganguli 2017, arXiv:1703.04200, eqs. 3 to 5.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], strength: float = 0.1, damping: float = 0.1) -> None:
        check_positive("SynapticIntelligence.strength", strength)
        check_positive("SynapticIntelligence.damping", damping)
        self.strength, self.damping = strength, damping
        self.parameters = [p for p in parameters if p.requires_grad]
        self.anchor = [p.detach().clone() for p in self.parameters]
        self.path = [torch.zeros_like(p) for p in self.parameters]
        self.importance = [torch.zeros_like(p) for p in self.parameters]

    def penalty(self) -> Tensor:
        """The penalty as it stands."""
        terms = zip(self.parameters, self.anchor, self.importance, strict=True)
        return self.strength * torch.stack([(w * (p - a) ** 2).sum() for p, a, w in terms]).sum()

    @torch.no_grad()
    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the weights from the gradients of the task's loss; that of the penalty is added here."""
        before = [p.clone() for p in self.parameters]
        plain = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in self.parameters]
        for p, a, w in zip(self.parameters, self.anchor, self.importance, strict=True):
            pull = 2 * self.strength * w * (p - a)
            p.grad = pull if p.grad is None else p.grad.add_(pull)
        optimizer.step()
        for path, p, b, g in zip(self.path, self.parameters, before, plain, strict=True):
            path.sub_(g * (p - b))

    @torch.no_grad()
    def end_task(self) -> None:
        """Count what mattered in this task, and hold the weights where they are now."""
        for path, p, a, w in zip(self.path, self.parameters, self.anchor, self.importance, strict=True):
            w.add_(path.clamp_min(0) / ((p - a) ** 2 + self.damping))
            a.copy_(p)
            path.zero_()
