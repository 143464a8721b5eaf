"""What the picture of errors shows, and what it refuses."""

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")

from neurosim import viz  # noqa: E402
from neurosim.errors import RangeError, ShapeError  # noqa: E402

PREDICTED = {"a": {3: 1e-3, 1: 0.5, 2: 0.1}, "b": {1: 0.2, 2: 0.0}}


def test_lines_are_predicted_and_dots_measured():
    ax = viz.error_curves(PREDICTED, {"b": {1: 0.25, 2: 0.0}}, xlabel="s")
    a, b, dots = ax.lines
    assert a.get_xydata().tolist() == [[1, 0.5], [2, 0.1], [3, 1e-3]] and a.get_label() == "a"
    assert dots.get_xydata().tolist() == [[1, 0.25]] and dots.get_color() == b.get_color() != a.get_color()
    assert b.get_ydata()[1] < ax.get_ylim()[0]  # leaves the picture
    assert ax.get_yscale() == "log" and ax.get_xlabel() == "s" and np.isclose(ax.get_ylim()[0], 1e-9)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]
    assert ax.get_title(loc="left") == "lines: predicted; dots: measured"
    assert viz.error_curves(PREDICTED, ax=ax) is ax


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (({},), ShapeError, "at least one point"),
        (({"a": {}},), ShapeError, "at least one point"),
        ((PREDICTED, {"c": {1: 0.1}}), ShapeError, r"must be of \['a', 'b'\], got also \['c'\]"),
        (({"a": {1: 1.5}},), RangeError, "'a' must hold probabilities, 0..1, got 1.5"),
        ((PREDICTED, {"a": {1: float("nan")}}), RangeError, "got nan"),
        ((PREDICTED, None, "x", 0.0), RangeError, "floor: must be above 0 and below 1, got 0.0"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        viz.error_curves(*arguments)
