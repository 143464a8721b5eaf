"""`perforate`: room for dendrites in the layers of a model."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from torch import nn

from neurosim.errors import NeurosimWarning, RangeError, nearest
from neurosim.nn.cascade.dendrite import Growth
from neurosim.nn.cascade.kinds import NORMS, PLAIN, plain
from neurosim.nn.cascade.wrapper import CascadeDendrites, with_dendrites
from neurosim.nn.layer import Layer
from neurosim.nn.spiking import UnitLayer

Select = Callable[[str, nn.Module], bool] | Sequence[str] | None


def perforate(
    model: nn.Module,
    select: Select = None,
    *,
    phi: str = "tanh",
    max_dendrites: int = 3,
    growth: Growth | None = None,
    tau: float | None = 20e-3,
) -> nn.Module:
    """Put layers of a model into `CascadeDendrites`, in place; what the model says does not change.

    Args:
        model: any module.
        select: names of the layers in the model, or a function of (name, layer) that says which; None: all Linear,
            Conv1d to Conv3d and Recurrent layers.
        phi: "tanh", "sigmoid" or "relu".
        max_dendrites: per unit; 0 trains the model as it is.
        growth: how dendrites are drawn and trained.
        tau: time constant [s] of the input trace that dendrites of neurosim layers read; used where the model has
            layers of units, and with their time step. None: dendrites read the input itself.

    Returns:
        the model; another object only if the model itself is a selected layer.

    Raises:
        RangeError: no such layer, or none at all; a layer that shares its weights with another; one that has dendrites
            already; layers of units with different time steps.
        UnsupportedError: a selected layer has no weights.

    Warns:
        NeurosimWarning: a norm follows a selected layer, so it rescales the sum of layer and dendrites. Fold it
        (`Sequential.fold_norms`), or put layer and norm into a Sequential of their own and select that.

    Example:
        >>> import torch
        >>> from neurosim import nn
        >>> model = torch.nn.Sequential(torch.nn.Linear(64, 4), torch.nn.ReLU(), torch.nn.Linear(4, 10))
        >>> _ = nn.perforate(model, max_dendrites=2)
        >>> [name for name, m in model.named_modules() if isinstance(m, nn.CascadeDendrites)]
        ['0', '2']
    """
    chosen = _chosen(model, select)
    check_shared(model, chosen)
    dt = _time_step(model)
    wrapped = {}
    for name, layer in chosen.items():
        traced = tau if dt is not None and isinstance(layer, Layer) else None
        try:
            wrapped[name] = with_dendrites(
                layer, phi=phi, max_dendrites=max_dendrites, growth=growth, tau=traced, dt=dt or 1e-3
            )
        except (RangeError, NotImplementedError) as error:
            raise type(error)(f"perforate: layer {name!r}: {error}") from None
    _warn_of_norms(model, set(chosen))
    for name, cascade in wrapped.items():
        if not name:
            return cascade
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, cascade)
    return model


def cascades(model: nn.Module) -> dict[str, CascadeDendrites]:
    """Layers with dendrites, by name."""
    return {name: m for name, m in model.named_modules() if isinstance(m, CascadeDendrites)}


def count_parameters(model: nn.Module) -> int:
    """All parameters, frozen dendrites included; candidates, which act on nothing, are not.

    A layer with n parameters (bias included), C units and M dendrites has (1 + M) n + M C + M (M - 1) / 2 C.
    """
    passing = {id(p) for cascade in cascades(model).values() for p in cascade.candidates.parameters()}
    return sum(p.numel() for p in model.parameters() if id(p) not in passing)


def check_shared(model: nn.Module, chosen: dict[str, nn.Module]) -> None:
    """Raise `RangeError` where a weight of a chosen layer has several names in the model."""
    names: defaultdict[int, list[str]] = defaultdict(list)
    for name, p in model.named_parameters(remove_duplicate=False):
        names[id(p)].append(name)
    for name, layer in chosen.items():
        for p in layer.parameters():
            if len(names[id(p)]) > 1:
                raise RangeError(
                    f"perforate: layer {name!r} shares a weight: {names[id(p)]} are one. Its dendrites would learn "
                    "from two errors at once; leave it out, or give each layer its own weight."
                )


def _chosen(model: nn.Module, select: Select) -> dict[str, nn.Module]:
    inside = {id(m) for c in cascades(model).values() for m in c.modules()} - {id(c) for c in cascades(model).values()}
    modules = dict(model.named_modules(remove_duplicate=False))
    if select is None:
        found = {n: m for n, m in modules.items() if type(m) in PLAIN and id(m) not in inside}
    elif callable(select):
        found = {n: m for n, m in modules.items() if select(n, m)}
    else:
        names = [select] if isinstance(select, str) else list(select)
        for name in names:
            if name not in modules:
                raise RangeError(f"perforate.select: there is no layer {name!r}.{nearest(name, modules)}")
        found = {name: plain(modules[name]) for name in names}
    if not found:
        raise RangeError("perforate.select: no layer is chosen; there must be at least one with weights.")
    return {_inner(modules, n, m): plain(m) for n, m in found.items()}


def _inner(modules: dict[str, nn.Module], name: str, layer: nn.Module) -> str:
    """Name of the layer inside a `PerStep` of this name."""
    return name if modules[name] is plain(layer) else f"{name}.module"


def _warn_of_norms(model: nn.Module, chosen: set[str]) -> None:
    for name, before, after in _neighbours(model):
        if isinstance(plain(after), NORMS) and chosen & {before, f"{before}.module"}:
            warnings.warn(
                f"perforate: layer {before!r} is followed by the norm {name!r}, which rescales what its dendrites add. "
                "Fold it, or put both into one Sequential and select that.",
                NeurosimWarning,
                stacklevel=3,
            )


def _neighbours(model: nn.Module) -> Iterator[tuple[str, str, nn.Module]]:
    """(name, name of the sibling before, module) in the order in which containers list them."""
    for parent, container in model.named_modules():
        names = [f"{parent}.{n}" if parent else n for n, _ in container.named_children()]
        children = list(container.children())
        yield from zip(names[1:], names, children[1:], strict=False)


def _time_step(model: nn.Module) -> float | None:
    found = sorted({m.dt for m in model.modules() if isinstance(m, UnitLayer)})
    if len(found) > 1:
        raise RangeError(f"perforate: the layers must have one time step, got {found} s. Build them with one dt.")
    return found[0] if found else None
