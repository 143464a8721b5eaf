"""The picture of cycles of dendrites."""

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")

from neurosim import viz
from neurosim.errors import RangeError, ShapeError

RECORDS = [
    {"dendrites": 0, "parameters": 310, "accepted": True, "validation": 0.75, "test": 0.7},
    {"dendrites": 1, "parameters": 634, "accepted": True, "validation": 0.8, "test": 0.78},
    {"dendrites": 2, "parameters": 972, "accepted": False, "validation": 0.79, "test": None},
    {"dendrites": 2, "parameters": 972, "accepted": True, "validation": 0.85, "test": 0.8},
]


def lines(ax):
    return {line.get_label(): line.get_xydata().tolist() for line in ax.lines}


def test_each_cycle_is_a_point_and_rejected_ones_are_hollow(tmp_path):
    ax = viz.dendrite_cycles(RECORDS, score="accuracy")
    assert lines(ax) == {
        "validation": [[0, 0.75], [1, 0.8], [3, 0.85]], "validation, rejected": [[2, 0.79]],
        "test": [[0, 0.7], [1, 0.78], [3, 0.8]],
    }  # fmt: skip
    hollow = next(line for line in ax.lines if line.get_label() == "validation, rejected")
    assert hollow.get_markerfacecolor() == "white" and hollow.get_linestyle() == "None"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0\n310", "1\n634", "2\n972", "2\n972"]
    assert ax.get_ylabel() == "accuracy"
    assert ax.get_title(loc="left") == "accuracy 0.75 without dendrites, 0.85 at the end"
    assert viz.save(ax, tmp_path / "cycles.png").stat().st_size > 1000


def test_runs_without_test_scores_have_one_line():
    assert list(lines(viz.dendrite_cycles([r | {"test": None} for r in RECORDS[:2]]))) == ["validation"]


def test_records_that_cannot_be_meant_are_refused():
    with pytest.raises(ShapeError, match="at least one cycle, got none"):
        viz.dendrite_cycles([])
    with pytest.raises(ShapeError, match="must be the records of a PhaseScheduler, got one without 'dendrites'"):
        viz.dendrite_cycles([{"epoch": 1}])
    with pytest.raises(RangeError, match=r"dendrite_cycles\.records validation: must be finite"):
        viz.dendrite_cycles([RECORDS[0] | {"validation": np.nan}])
