"""Layouts, weight types and convolutions as parts of a graph: what is chosen, and what is refused where it is made."""

import numpy as np
import pytest

from neurosim import sim
from neurosim.errors import RangeError, ShapeError, UnsupportedError
from neurosim.graph import Projection
from neurosim.graph.layouts import layout_of, scale_of, stored

NORMAL = sim.Normal(0.05, 0.1, low=-1.0, high=1.0)


def test_a_layout_is_chosen_that_needs_the_least_memory():
    def chosen(rule, weight, delay=1, sizes=(1000, 1000), **more):
        return layout_of(Projection("p", "a", "b", "x", rule, weight, delay, **more), *sizes)

    assert chosen(sim.FixedInDegree(100), 1.0) == chosen(sim.Bernoulli(0.05), 1.0) == "csr"
    assert chosen(sim.FixedInDegree(100, multapses=False), 1.0) == chosen(sim.AllToAll(), 1.0) == "bits"
    assert chosen(sim.AllToAll(), NORMAL) == chosen(sim.Bernoulli(0.7), NORMAL) == "dense"
    assert chosen(sim.Bernoulli(0.6), NORMAL) == chosen(sim.AllToAll(), NORMAL, sim.Uniform(1e-3, 2e-3)) == "csr"
    assert chosen(sim.OneToOne(), NORMAL) == "one_to_one"
    assert chosen(sim.AllToAll(), 1.0, layout="csr") == "csr"
    pre, post = np.nonzero(np.ones((9, 9)))
    assert chosen(sim.Explicit(pre, post), np.ones(81), sizes=(9, 9)) == "dense"
    assert chosen(sim.Explicit(pre[::-1] * 0, post), np.ones(81), sizes=(9, 9)) == "csr"  # pairs repeat


def test_without_a_scale_the_largest_weight_is_127():
    link = Projection("p", "a", "b", "x", sim.Explicit([0, 1], [0, 1]), [0.3, -2.54], 1, weight_type="int8")
    assert scale_of(link) == 0.02
    np.testing.assert_array_equal(stored("w", link.weight, "int8", 0.02), [15, -127])
    assert scale_of(Projection("p", "a", "b", "x", sim.AllToAll(), NORMAL, 1, weight_type="int8")) == 1 / 127


PAIR = sim.Explicit([0, 0, 1], [2, 2, 1])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"layout": "sparse"}, RangeError, r"'p'\.layout: .*sparse"),
        ({"layout": "one_to_one"}, UnsupportedError, "needs the rule OneToOne, got AllToAll"),
        ({"layout": "convolution"}, UnsupportedError, "needs the rule Convolution"),
        ({"layout": "bits", "delay": sim.Uniform(1e-3, 2e-3)}, UnsupportedError, "one delay for all synapses"),
        ({"layout": "bits", "weight": NORMAL}, UnsupportedError, "one weight for all synapses, got Normal"),
        ({"layout": "bits", "rule": sim.FixedInDegree(3)}, UnsupportedError, "multapses=False, or use layout"),
        ({"layout": "dense", "rule": PAIR}, UnsupportedError, "at most one synapse"),
        ({"layout": "procedural", "rule": sim.Bernoulli(0.1)}, UnsupportedError, "FixedOutDegree or AllToAll"),
        ({"layout": "procedural", "weight": sim.LogNormal(0, 1)}, UnsupportedError, "one weight, Uniform, or Normal"),
        ({"layout": "procedural", "weight": sim.Normal(0, 1, -1, 9, "redraw")}, UnsupportedError, "outside='clip'"),
        ({"weight_type": "float8", "weight": NORMAL}, RangeError, r"weight_type: .*float8"),
        ({"weight_type": "int8"}, UnsupportedError, "one weight takes no memory per synapse"),
        (
            {"weight_type": "int8", "weight": NORMAL, "layout": "procedural"}, UnsupportedError, "no weights are stored"
        ),
        ({"weight_type": "int8", "weight": sim.Normal(0, 1)}, RangeError, "needs a scale, or .* low and high"),
        ({"scale": 0.1}, RangeError, "goes with weight_type='int8' only"),
        ({"scale": 0.0, "weight_type": "int8", "weight": NORMAL}, RangeError, "scale: must be > 0"),
        (
            {"rule": PAIR, "weight": [1, 2, 3], "scale": 0.02, "weight_type": "int8"}, RangeError,
            "3.0 is beyond what int8 holds, 127 times its scale of 0.02",
        ),
        ({"rule": PAIR, "weight": [1, -7e4, 3], "weight_type": "float16"}, RangeError, "-70000.0 is beyond .* 65504"),
        ({"rule": sim.Convolution((1, 3, 3), 1, (2, 2))}, ShapeError, r"weight: must have 4 dimensions|array"),
        (
            {"rule": sim.Convolution((1, 3, 3), 1, (2, 2)), "weight": np.ones((1, 1, 2, 3))}, ShapeError,
            r"weight: must be a kernel \(1, 1, 2, 2\) .*got shape \(1, 1, 2, 3\)",
        ),
        (
            {"rule": sim.Convolution((1, 3, 3), 1, (2, 2)), "weight": np.ones((1, 1, 2, 2)), "delay": [1, 2]},
            ShapeError, "delay: must be one number",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        Projection(**({"name": "p", "source": "a", "target": "b", "port": "x", "rule": sim.AllToAll(), "weight": 1.0,
                       "delay": 1} | change))  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((1, 3), 1, (2, 2)), "shape: must be 3 whole numbers"),
        (((1, 3, 3), 0, (2, 2)), "out_channels: must be a whole number"),
        (((1, 3, 3), 1, (2, 2), (0, 1)), r"stride\[0\]: must be a whole number in 1"),
        (((3, 3, 3), 2, (2, 2), (1, 1), (0, 0), (1, 1), 2), "groups: must divide 3 channels"),
        (((1, 3, 3), 1, (4, 4)), "larger than the padded source"),
    ],
)
def test_bad_convolutions_are_refused(arguments, message):
    with pytest.raises((ShapeError, RangeError), match=message):
        sim.Convolution(*arguments)
