"""How the synapses of a projection are kept in memory: which layout fits which rule, and what it takes.

A layout decides about memory and speed only: the same network gives the same spikes, bit for bit, in every layout.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, UnsupportedError, check_choice
from neurosim.graph.base import is_array, number
from neurosim.graph.distributions import Distribution, LogNormal
from neurosim.graph.plasticity import RewardSTDP, TsodyksMarkram
from neurosim.graph.rules import AllToAll, Convolution, Explicit, FixedOutDegree, OneToOne

if TYPE_CHECKING:
    from neurosim.graph.parts import Projection

LAYOUTS = ("auto", "csr", "bits", "dense", "one_to_one", "convolution", "procedural")
WEIGHT_TYPES = {"float": 0, "float16": 2, "int8": 1}  # bytes; 0: those of the graph's precision
NARROW = 65536  # neurons of a lane that 16 bits can number
ROW = 512  # targets: rows of bits are a multiple of them
BOUND = 128  # largest magnitude of an int8, of which the positive ones have one less


def check_layout(where: str, p: Projection) -> None:
    """Raise `NeurosimError` if the layout, the weight type or the scale do not go with the rest of a projection."""
    check_choice(f"{where}.layout", p.layout, LAYOUTS)
    _check_weight_type(where, p)
    if p.graded and (p.layout not in ("auto", "csr") or p.plasticity is not None):
        raise UnsupportedError(
            f"{where}.signal: a projection of the state {p.signal!r} needs layout='csr' and no plasticity, got "
            f"{p.layout!r} and {p.plasticity!r}."
        )
    if p.plasticity is not None and (p.layout not in ("auto", "csr") or p.weight_type != "float"):
        raise UnsupportedError(
            f"{where}.plasticity: needs layout='csr' and weight_type='float', got {p.layout!r} and {p.weight_type!r}."
        )
    needs = f"{where}.layout: {p.layout!r} needs"
    if p.layout not in ("auto", "csr") and not isinstance(p.delay, int):
        raise UnsupportedError(f"{needs} one delay for all synapses, got {_short(p.delay)}. Use layout='csr'.")
    own = {"one_to_one": OneToOne, "convolution": Convolution}
    if p.layout in own and not isinstance(p.rule, own[p.layout]):
        raise UnsupportedError(f"{needs} the rule {own[p.layout].__name__}, got {p.rule!r}. Use layout='csr'.")
    if p.layout == "procedural":
        _check_procedural(needs, p)
    if p.layout == "bits" and not isinstance(p.weight, float):
        raise UnsupportedError(f"{needs} one weight for all synapses, got {_short(p.weight)}. Use 'dense' or 'csr'.")
    if p.layout in ("bits", "dense") and _repeats(p.rule):
        hint = "Use layout='csr'" if isinstance(p.rule, Explicit) else "Set multapses=False, or use layout='csr'"
        raise UnsupportedError(f"{needs} pairs with at most one synapse, got {p.rule!r}, which may repeat. {hint}.")


def _check_procedural(needs: str, p: Projection) -> None:
    if not isinstance(p.rule, (FixedOutDegree, AllToAll)):
        raise UnsupportedError(
            f"{needs} a rule whose synapses can be drawn again source by source, FixedOutDegree or AllToAll, got "
            f"{p.rule!r}, which draws by target. Use FixedOutDegree of the same mean, or layout='csr' or 'bits'."
        )
    if isinstance(p.weight, LogNormal) or (isinstance(p.weight, Distribution) and p.weight.redraws):
        kinds = "one weight, Uniform, or Normal with outside='clip'"
        raise UnsupportedError(f"{needs} {kinds}, got {p.weight!r}. Use layout='csr'.")


def _check_weight_type(where: str, p: Projection) -> None:
    check_choice(f"{where}.weight_type", p.weight_type, tuple(WEIGHT_TYPES))
    if p.scale is not None:
        if p.weight_type != "int8":
            raise RangeError(f"{where}.scale: goes with weight_type='int8' only, got {p.weight_type!r}.")
        if number(f"{where}.scale", p.scale) <= 0:
            raise RangeError(f"{where}.scale: must be > 0, got {p.scale!r}.")
    if p.weight_type == "float":
        return
    if isinstance(p.weight, float) or p.layout == "procedural":
        kept = "one weight takes no memory per synapse" if isinstance(p.weight, float) else "no weights are stored"
        raise UnsupportedError(f"{where}.weight_type: must be 'float' here, got {p.weight_type!r}: {kept}.")
    if isinstance(p.weight, Distribution):
        if p.weight_type == "int8" and p.scale is None and not math.isfinite(_largest(p.weight)):
            raise RangeError(
                f"{where}.weight_type: 'int8' needs a scale, or a distribution with low and high, got {p.weight!r}."
            )
    else:
        stored(f"{where}.weight", p.weight, p.weight_type, scale_of(p))


def _largest(weight: Any) -> float:
    if isinstance(weight, Distribution):
        return max(abs(weight.low), abs(weight.high))
    return float(np.abs(weight).max(initial=0.0))


def scale_of(p: Projection) -> float:
    """What an int8 weight of 1 stands for: given, or such that the largest weight is 127."""
    if p.weight_type != "int8":
        return 1.0
    return p.scale if p.scale is not None else _largest(p.weight) / (BOUND - 1) or 1.0


def stored(where: str, weight: NDArray[Any], weight_type: str, scale: float) -> NDArray[Any]:
    """Weights as float16, or as int8 in units of ``scale``, each the nearest there is.

    Raises:
        RangeError: a weight beyond the largest that the type holds.
    """
    if weight_type == "float16":
        with np.errstate(over="ignore"):
            found = np.asarray(weight).astype(np.float16)
        beyond, most = np.isinf(found), "65504"
    else:
        rounded = np.rint(np.asarray(weight, np.float64) / scale)
        beyond, most = (rounded < -BOUND) | (rounded > BOUND - 1), f"{BOUND - 1} times its scale of {scale:g}"
        found = np.where(beyond, 0, rounded).astype(np.int8)
    if beyond.any():
        worst = float(np.asarray(weight)[beyond].flat[0])
        raise RangeError(f"{where}: {worst!r} is beyond what {weight_type} holds, {most}.")
    return found


def layout_of(p: Projection, sources: int, targets: int) -> str:
    """The layout of a projection between populations of these sizes; "auto" takes what needs the least memory."""
    if p.layout != "auto":
        return p.layout
    if p.plasticity is not None or p.graded:
        return "csr"
    if isinstance(p.rule, Convolution):
        return "convolution"
    if not isinstance(p.delay, int):
        return "csr"
    if isinstance(p.rule, OneToOne):
        return "one_to_one"
    other = "bits" if isinstance(p.weight, float) else "dense"
    synapses = p.rule.expected(sources, targets, p.source == p.target)
    smaller = _bytes(p, other, synapses, sources, targets, 1, 4) <= _bytes(p, "csr", synapses, sources, targets, 1, 4)
    return other if smaller and not _repeats(p.rule) else "csr"


def projection_bytes(p: Projection, sources: int, targets: int, lanes: int, precision: int, rows: int) -> float:
    """Memory of the synapses and their tables; ``rows``: a source has one for each delay."""
    synapses = p.rule.expected(sources, targets, p.source == p.target)
    layout = layout_of(p, sources, targets)
    total = _bytes(p, layout, synapses, sources, targets, lanes, precision)
    if p.plasticity is not None:
        total += lanes * rows * (2 * precision + 8)
        if not isinstance(p.plasticity, TsodyksMarkram):  # a weight of its own, and where it leads from
            total += synapses * (8 + (precision if isinstance(p.weight, float) else 0))
        if isinstance(p.plasticity, RewardSTDP):
            total += synapses * (precision + 4)
    return total + lanes * rows * (4 if synapses / lanes < 2**31 else 8) if layout == "csr" else total


def _bytes(
    p: Projection, layout: str, synapses: float, sources: int, targets: int, lanes: int, precision: int
) -> float:
    """Bytes that grow with the synapses."""
    weight = 0 if isinstance(p.weight, float) else WEIGHT_TYPES[p.weight_type] or precision
    if layout == "csr":
        return synapses * (weight + (2 if math.ceil(targets / lanes) <= NARROW else 4))
    if layout == "bits":
        return lanes * math.ceil(targets / lanes / ROW) * (ROW // 8) * (sources + 1)
    if layout == "dense":
        return sources * targets * (weight or precision)
    if layout == "convolution":
        return lanes * p.weight.size * weight if is_array(p.weight) else 0  # type: ignore[union-attr]
    return synapses * weight if layout == "one_to_one" else 0


def _repeats(rule: Any) -> bool:
    """Whether two synapses may join one pair."""
    return rule.repeats if isinstance(rule, Explicit) else bool(getattr(rule, "multapses", False))


def _short(value: Any) -> str:
    return f"an array of shape {value.shape}" if is_array(value) else repr(value)
