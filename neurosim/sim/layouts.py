"""The synapses of a projection in one lane, in the layout the graph asks for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.graph import (
    AllToAll,
    Convolution,
    DistanceDependent,
    Distribution,
    Explicit,
    FixedOutDegree,
    Graph,
    Projection,
)
from neurosim.graph.layouts import layout_of, scale_of, stored
from neurosim.graph.rules import Drawn
from neurosim.sim.build import stream_of

Array = NDArray[Any]


@dataclass(frozen=True)
class Stored:
    """A projection's part in one lane.

    Args:
        kind: of the code that delivers spikes, see `neurosim.kernels.network.ProjectionPlan`.
        arguments: what it is given.
        size: number of synapses.
        degrees: gives the number of synapses of every source.
        base: smallest delay [steps].
        spread: largest - smallest + 1.
    """

    kind: str
    arguments: tuple[Any, ...]
    size: int
    degrees: Callable[[], Array]
    base: int
    spread: int = 1


def connect_lane(graph: Graph, number: int, first: int, count: int) -> Stored:
    """The synapses of a projection that lead to targets ``first .. first + count``."""
    p = graph.projections[number]
    sources, targets = graph.population(p.source).size, graph.population(p.target).size
    layout = layout_of(p, sources, targets)
    if layout == "procedural":
        return _procedural(graph, number, first, count)
    if layout == "convolution":
        return _convolution(graph, p, first, count)
    return _placed(graph, number, layout, first, count)


def listed(graph: Graph, number: int, first: int, count: int) -> tuple[Any, ...]:
    """The same synapses by source, whatever their layout: (start, target, weight as a number, scale, base, spread)."""
    start, target, weight, scale, base, spread = _placed(graph, number, "csr", first, count).arguments
    if graph.projections[number].weight_type == "float16":
        weight = weight.view(np.float16)
    return start, target, (weight * scale).astype(scale.dtype), scale, base, spread


def encoder(graph: Graph, p: Projection) -> tuple[Callable[[Array], Array], Any, Array]:
    """How weights are stored: a function to it, its dtype, and the scale [1]."""
    dtype = np.dtype(graph.precision)
    scale = np.full(1, scale_of(p), dtype)
    if p.weight_type == "float":
        return (lambda w: w), dtype, scale
    kept = np.dtype(np.uint16 if p.weight_type == "float16" else np.int8)  # Numba has no float16: their bits
    where, factor = f"Projection {p.name!r}.weight", float(scale[0])
    return (lambda w: stored(where, w, p.weight_type, factor).view(kept)), kept, scale


def _made(graph: Graph, number: int, first: int, count: int) -> Any:
    from neurosim.kernels.connect import drawn, listed
    from neurosim.kernels.draws import Draw

    p = graph.projections[number]
    rule, weight, delay = p.rule, p.weight, p.delay
    if isinstance(rule, Convolution):
        pre, post, place = rule.expand()
        return listed(pre, post, np.ravel(weight)[place], delay, first, count)  # type: ignore[arg-type]
    if isinstance(rule, Explicit):
        return listed(rule.pre, rule.post, weight, delay, first, count)  # type: ignore[arg-type]
    assert isinstance(rule, Drawn)
    law: Any = Draw(*weight.draw()) if isinstance(weight, Distribution) else weight
    steps: Any = Draw(*delay.draw_steps(graph.dt)) if isinstance(delay, Distribution) else delay
    source, target, numbers = graph.population(p.source), graph.population(p.target), rule.numbers(p.source == p.target)
    if isinstance(rule, DistanceDependent):
        here, there = np.asarray(source.positions), np.asarray(target.positions)
        numbers |= {"here": here, "there": there, "extent": np.array(rule.extent or [0.0] * here.shape[1])}
    return drawn(
        rule.kind, numbers, source.size, target.size, first, count, law, steps, graph.seed,
        stream_of("projection", number),
    )  # fmt: skip


def _placed(graph: Graph, number: int, layout: str, first: int, count: int) -> Stored:
    """A layout that keeps every synapse."""
    from neurosim.kernels.connect import to_rows
    from neurosim.kernels.layouts import bit_rows, encoded, matrix, one_each

    p = graph.projections[number]
    encode, dtype, scale = encoder(graph, p)
    sources, made = graph.population(p.source).size, encoded(_made(graph, number, first, count), encode)
    if layout == "csr":
        r = to_rows(made, sources, count, dtype)
        return Stored(
            "graded" if p.graded else "each" if callable(made.weights) else "shared",
            (r.start, r.target, r.weight, scale, r.base, r.spread), len(r.target),
            lambda: np.diff(r.start[:: r.spread].astype(np.int64)), r.base, r.spread,
        )  # fmt: skip
    if layout == "dense":
        weight, found = matrix(made, sources, count, dtype)
        return Stored("dense", (made.base, (weight, scale)), int(found.sum()), lambda: found, made.base)
    if layout == "one_to_one":
        weight = one_each(made, count, dtype)

        def own() -> Array:
            degrees = np.zeros(sources, np.int64)
            degrees[first : first + count] = 1
            return degrees

        return Stored("one_to_one", (made.base, (weight, scale, first)), count, own, made.base)
    rows, planes = bit_rows(made, sources, count)

    def set_bits() -> Array:
        degrees: Array = np.bitwise_count(rows.reshape(sources + 1, -1)[:-1]).sum(axis=1, dtype=np.int64)
        return degrees

    weight = np.full(1, p.weight, dtype)
    return Stored("bits", (made.base, (rows, planes, weight)), int(set_bits().sum()), set_bits, made.base)


def geometry(rule: Convolution) -> tuple[int, ...]:
    """What `deliver_convolution` must know: channels of a group, height, width; outputs of a group, their height and
    width; kernel height, width; stride, padding and dilation, down and across."""
    _, height, width = rule.shape
    outputs, inputs = rule.out_channels // rule.groups, rule.shape[0] // rule.groups
    numbers = (inputs, height, width, outputs, *rule.out_shape[1:], *rule.kernel_size)
    return (*numbers, *rule.stride, *rule.padding, *rule.dilation)


def _meetings(rule: Convolution, axis: int) -> Array:
    """Along an axis, how many kernel entries join a source coordinate (row) and a target coordinate (column)."""
    found = np.zeros((rule.shape[1 + axis], rule.out_shape[1 + axis]), np.int64)
    np.add.at(found, rule.taps(axis)[:2], 1)
    return found


def _convolution(graph: Graph, p: Projection, first: int, count: int) -> Stored:
    rule, (encode, _, scale) = p.rule, encoder(graph, p)
    assert isinstance(rule, Convolution) and isinstance(p.delay, int)
    channels, inputs = rule.shape[0], rule.shape[0] // rule.groups
    kernel = np.asarray(p.weight).reshape(rule.groups, -1, inputs, *rule.kernel_size)
    kernel = kernel.transpose(0, 2, 1, 3, 4).reshape(channels, -1)  # all that leads out of a channel lies together
    kept = encode(kernel.astype(graph.precision) if p.weight_type == "float" else kernel).ravel()
    places = np.empty((2, math.prod(rule.kernel_size)), np.int64)

    def degrees() -> Array:
        inside = np.zeros(rule.out_shape, np.int64)
        inside.reshape(-1)[first : first + count] = 1
        seen = inside.reshape(rule.groups, -1, *rule.out_shape[1:]).sum(axis=1)  # targets at each pixel, by group
        down, across = (_meetings(rule, axis) for axis in (0, 1))
        return np.repeat(down @ seen @ across.T, inputs, axis=0).reshape(-1)

    arguments = (p.delay, (kept, scale, first, geometry(rule), places))
    return Stored("convolution", arguments, int(degrees().sum()), degrees, p.delay)


def _procedural(graph: Graph, number: int, first: int, count: int) -> Stored:
    """Nothing is stored: which rule, and what it draws from."""
    from neurosim.kernels.deliver_layouts import DRAWN, NORMAL, ONE, UNIFORM
    from neurosim.kernels.draws import ANY, DISTINCT

    p, rule, dtype = graph.projections[number], graph.projections[number].rule, np.dtype(graph.precision)
    sources, targets = graph.population(p.source).size, graph.population(p.target).size
    assert isinstance(rule, (FixedOutDegree, AllToAll)) and isinstance(p.delay, int)
    excluded = int(p.source == p.target and not rule.autapses and sources > 0)
    if isinstance(p.weight, Distribution):
        name, a, b, low, high, _ = p.weight.draw()
        law, one = ({"normal": NORMAL, "uniform": UNIFORM}[name], a, b, low, high), np.zeros(1, dtype)
    else:
        law, one = (ONE, 0.0, 0.0, 0.0, 0.0), np.full(1, p.weight, dtype)
    distinct = isinstance(rule, FixedOutDegree) and not rule.multapses
    marks = np.zeros(targets + 1 if distinct else 1, np.int64)
    scratch = np.empty(DRAWN + 4, np.uint32), np.empty(DRAWN), np.empty(DRAWN, np.int64), marks
    draw = np.uint64(graph.seed), np.uint64(stream_of("projection", number))
    if isinstance(rule, AllToAll):

        def degrees() -> Array:
            every = np.full(sources, count, np.int64)
            if excluded:
                every[first : first + count] -= 1
            return every

        arguments: tuple[Any, ...] = (law, one, sources, excluded, first, draw, scratch)
    else:

        def degrees() -> Array:  # of all lanes, counted in one: where they end is known when they are drawn only
            return np.full(sources, rule.n if first == 0 < count else 0, np.int64)

        choice = DISTINCT if distinct else ANY
        arguments = (law, one, rule.n, targets - excluded, choice, excluded, first, draw, scratch)
    kind = "all" if isinstance(rule, AllToAll) else "out_degree"
    return Stored(kind, (p.delay, arguments), int(degrees().sum()), degrees, p.delay)
