"""Tasks that are drawn, not recorded: trials of spikes that ask for one ability."""

from __future__ import annotations

import torch
from torch import Tensor

from neurosim.errors import RangeError, check_number


def delayed_recall(
    size: int,
    delay: int = 40,
    *,
    channels: int = 4,
    cue: int = 5,
    query: int = 5,
    rate: float = 0.1,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Trials that ask which channel was shown before a delay full of distractors.

    One of the channels spikes in each of the first steps (the cue); then all of them spike at random (the delay); then
    one more channel spikes, which asks for the answer.

    Args:
        size: number of trials.
        delay: steps of distractors.
        channels: number of possible cues.
        cue: steps of the cue.
        query: steps of the question.
        rate: probability of a distractor spike per channel and step.
        generator: of the draws.

    Returns:
        x (cue + delay + query, size, channels + 1) in {0, 1}, the last channel asks; labels (size,), the channel of
        the cue.

    Raises:
        RangeError: a number below 1 (delay: below 0), a rate outside 0..1.
    """
    for name, value, least in (("size", size, 1), ("delay", delay, 0), ("channels", channels, 1), ("cue", cue, 1),
                               ("query", query, 1)):  # fmt: skip
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise RangeError(f"delayed_recall.{name}: must be a whole number of at least {least}, got {value!r}.")
    check_number("delayed_recall.rate", rate)
    if not 0 <= rate <= 1:
        raise RangeError(f"delayed_recall.rate: must be in 0..1, got {rate!r}.")
    labels = torch.randint(channels, (size,), generator=generator)
    x = torch.zeros(cue + delay + query, size, channels + 1)
    x[:cue, torch.arange(size), labels] = 1.0
    x[cue : cue + delay, :, :channels] = (torch.rand(delay, size, channels, generator=generator) < rate).float()
    x[cue + delay :, :, channels] = 1.0
    return x, labels
