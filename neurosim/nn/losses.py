"""Losses and metrics of the field; outputs are time first ``(T, B, C)``, targets class indices ``(B,)``."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from neurosim.errors import RangeError, ShapeError


def check_targets(y: Tensor, target: Tensor, reduced: bool = False) -> None:
    """Raise unless ``target`` (B,) holds class indices for ``y`` (T, B, C), or (B, C) where that is allowed."""
    axes = "(T, B, C) or (B, C)" if reduced else "(T, B, C)"
    if target.dim() != 1 or y.dim() not in ((2, 3) if reduced else (3,)) or target.shape[0] != y.shape[-2]:
        raise ShapeError(
            f"target: must be (B,) class indices for an output {axes}, got {tuple(target.shape)} for {tuple(y.shape)}."
        )
    if target.is_floating_point() or target.dtype == torch.bool:
        raise ShapeError(f"target: must hold integer class indices, got {target.dtype}. Convert: target.long().")
    if target.numel() and (int(target.min()) < 0 or int(target.max()) >= y.shape[-1]):
        bad = int(torch.nonzero((target < 0) | (target >= y.shape[-1]))[0])
        raise RangeError(f"target: labels must be in 0..{y.shape[-1] - 1}, got {int(target[bad])} at index {bad}.")


def _smooth(label_smoothing: float) -> float:
    if not 0 <= label_smoothing < 1:
        raise RangeError(f"label_smoothing: must be in 0..1, got {label_smoothing!r}.")
    return label_smoothing


def rate_cross_entropy(spikes: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the spike rate (mean over time) of (T, B, C); a reduced readout (B, C) is taken as it is."""
    check_targets(spikes, target, reduced=True)
    logits = spikes.mean(0) if spikes.dim() == 3 else spikes
    return F.cross_entropy(logits, target, label_smoothing=_smooth(label_smoothing))


def count_cross_entropy(spikes: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the spike count (sum over time) of (T, B, C) (snnTorch's ce_count_loss)."""
    check_targets(spikes, target)
    return F.cross_entropy(spikes.sum(0), target, label_smoothing=_smooth(label_smoothing))


def membrane_cross_entropy(v: Tensor, target: Tensor, reduce: str = "max") -> Tensor:
    """Cross-entropy of the membrane (T, B, C): of its maximum, mean or last value over time.

    Source: maximum over time, Cramer et al. 2022, doi:10.1109/TNNLS.2020.3044364, eq. 12.
    """
    check_targets(v, target)
    reductions = {"max": lambda: v.amax(0), "mean": lambda: v.mean(0), "last": lambda: v[-1]}
    if reduce not in reductions:
        raise RangeError(f"reduce: must be one of {list(reductions)}, got {reduce!r}.")
    return F.cross_entropy(reductions[reduce](), target)


def spike_count_loss(spikes: Tensor, target: Tensor, correct_rate: float = 0.8, incorrect_rate: float = 0.1) -> Tensor:
    """Mean squared error of spike rates (T, B, C) against one rate for the right class and one for the others.

    Source: SLAYER's spike-count loss, Shrestha & Orchard 2018, section 3.3, per time step here.
    """
    check_targets(spikes, target)
    wanted = torch.full_like(spikes[0], incorrect_rate).scatter_(1, target.unsqueeze(1), correct_rate)
    return F.mse_loss(spikes.mean(0), wanted)


def tet(y: Tensor, target: Tensor, mean: float = 1.0, weight: float = 0.05, label_smoothing: float = 0.0) -> Tensor:
    """Temporal efficient training: cross-entropy at each step of (T, B, C), and a pull of outputs towards ``mean``.

    Source: Deng et al. 2022, arXiv:2202.11946, eqs. 9-11.
    """
    check_targets(y, target)
    steps = F.cross_entropy(y.flatten(0, 1), target.repeat(y.shape[0]), label_smoothing=_smooth(label_smoothing))
    return (1 - weight) * steps + weight * F.mse_loss(y, torch.full_like(y, mean))


def activity_loss(spikes: Mapping[str, Tensor], lower: float = 0.0, upper: float = 1.0) -> Tensor:
    """Squared distance of each neuron's rate (spikes per step, mean over T and B) from the band lower..upper.

    Args:
        spikes: outputs (T, B, ...) of spiking layers by name, as `record` returns them.
    """
    if not 0 <= lower <= upper <= 1:
        raise RangeError(f"activity_loss: rates must be 0 <= lower <= upper <= 1, got {lower!r}, {upper!r}.")
    if not spikes:
        raise RangeError("activity_loss: needs the spikes of at least one layer, got none.")
    losses = [
        ((rate - upper).clamp(min=0) ** 2 + (lower - rate).clamp(min=0) ** 2).mean()
        for rate in (z.mean((0, 1)) for z in spikes.values())
    ]
    return torch.stack(losses).mean()


def accuracy(y: Tensor, target: Tensor) -> float:
    """Share of samples whose largest output (B, C), or summed output (T, B, C), is the target."""
    check_targets(y, target, reduced=True)
    scores = y.sum(0) if y.dim() == 3 else y
    return float((scores.argmax(-1) == target).float().mean())


def confusion(predicted: Tensor, target: Tensor, classes: int) -> Tensor:
    """Counts (classes, classes): row = true class, column = predicted class."""
    for name, labels in (("predicted", predicted), ("target", target)):
        if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            raise RangeError(
                f"{name}: labels must be in 0..{classes - 1}, got {int(labels.min())}..{int(labels.max())}."
            )
    return torch.bincount(target * classes + predicted, minlength=classes * classes).view(classes, classes)
