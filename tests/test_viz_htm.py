"""What the pictures of a sequence memory show, and what they refuse."""

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")

from neurosim import viz  # noqa: E402
from neurosim.errors import RangeError, ShapeError  # noqa: E402
from neurosim.sdr import SDR  # noqa: E402


def test_anomaly_has_its_running_mean_and_marks():
    values = [1.0, 0.0, 0.5, 0.5, 1.0]
    ax = viz.anomaly(values, window=2, marks={3: "change"}, xlabel="pass")
    raw, mean, mark = ax.lines
    assert raw.get_ydata().tolist() == values
    assert mean.get_ydata().tolist() == [1.0, 0.5, 0.25, 0.5, 0.75]
    assert list(mark.get_xdata()) == [3, 3] and ax.texts[0].get_text().strip() == "change"
    assert ax.get_xlabel() == "pass" and ax.get_ylabel() == "anomaly"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["anomaly", "mean of 2 steps"]
    assert len(viz.anomaly(values, window=1, ax=None).lines) == 1
    assert viz.anomaly(values, ax=ax) is ax


def test_predictions_tell_hits_surprises_and_misses_apart():
    ax = viz.predictions([[], [1, 2, 7]], [SDR(8, [0, 3]), np.array([2, 3])], columns=8)
    hits, surprises, vain = (line.get_xydata().tolist() for line in ax.lines)
    assert hits == [[1, 2]] and surprises == [[0, 0], [0, 3], [1, 3]] and vain == [[1, 1], [1, 7]]
    assert ax.get_title(loc="left") == "1 of 4 active columns were predicted"
    assert ax.get_legend().get_texts()[0].get_text() == "as predicted (1)"
    assert len({line.get_color() for line in ax.lines}) == 3
    assert viz.predictions([[]], [[]], 4, ax=ax) is ax


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: viz.anomaly([]), ShapeError, "anomaly.values: must be"),
        (lambda: viz.anomaly([[0.5]]), ShapeError, "anomaly.values: must be"),
        (lambda: viz.anomaly([0.5, 1.5]), RangeError, "anomaly.values: must be in 0..1, got 0.5..1.5"),
        (lambda: viz.anomaly([0.5], window=0), RangeError, "anomaly.window: must be a whole number"),
        (lambda: viz.anomaly([0.5], marks={1: "x"}), RangeError, "anomaly.marks: must be a whole number in 0..0"),
        (lambda: viz.predictions([], [], 4), ShapeError, "must be 0 steps, at least one"),
        (lambda: viz.predictions([[1]], [[1], [2]], 4), ShapeError, "must be 2 steps, at least one, got 1"),
        (lambda: viz.predictions([[1]], [[4]], 4), RangeError, r"predictions.active\[0\]: must be in 0..3, got 4..4"),
        (
            lambda: viz.predictions([[0.5]], [[1]], 4),
            ShapeError,
            r"predictions.predicted\[0\]: must be an SDR or a row",
        ),
        (lambda: viz.predictions([[1]], [[1]], 0), RangeError, "predictions.columns: must be a whole number"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
