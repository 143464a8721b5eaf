"""What the pictures show: points, colours, labels and limits of the axes."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")
from matplotlib.colors import to_rgb  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from neurosim import viz  # noqa: E402
from neurosim.errors import NeurosimError, RangeError, ShapeError  # noqa: E402
from neurosim.events import Events  # noqa: E402

EVENTS = Events([0, 10, 20, 999], [1, 1, 3, 0], [0, 0, 2, 1], [1, 1, 0, 1], (4, 3, 2))
HISTORY = [
    {"epoch": 1, "loss": 2.0, "accuracy": 0.2, "validation_loss": 1.5, "validation_accuracy": 0.3},
    {"epoch": 2, "loss": 1.0, "accuracy": 0.6, "validation_loss": None},
    {"epoch": 3, "loss": 0.5, "accuracy": 0.8, "validation_loss": 1.2, "validation_accuracy": 0.25},
]


def picture(ax):
    return np.asarray(ax.images[0].get_array())


def texts(ax):
    return [t.get_text() for t in ax.texts]


def line(ax, label):
    return next(x for x in ax.lines if x.get_label() == label).get_xydata().tolist()


def test_events_frame_adds_up_each_pixel():
    ax = viz.events_frame(EVENTS)
    image = picture(ax)
    assert image.shape == (3, 4, 3)
    assert image[0, 1] == pytest.approx(to_rgb(viz.BLUE))  # two ON events: the fullest pixel
    paler = [1 - np.sqrt(1 / 1.94) * (1 - np.array(to_rgb(colour))) for colour in (viz.BLUE, viz.VERMILLION)]
    assert image[1, 0] == pytest.approx(paler[0], abs=0.01)
    assert image[2, 3] == pytest.approx(paler[1], abs=0.01)
    assert (image == 1).all(-1).sum() == 12 - 3
    assert ax.get_xlabel() == "x [pixel]" and ax.get_ylabel() == "y [pixel]"
    assert ax.get_title(loc="left") == "4 events in 0.999 ms"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["ON (3)", "OFF (1)"]
    assert ax.get_ylim() == (2.5, -0.5)  # row 0 on top


def test_both_polarities_in_a_pixel_mix_and_one_polarity_has_no_legend():
    both = Events([0, 1], [0, 0], [0, 0], [0, 1], (1, 2, 2))
    mixed = (np.array(to_rgb(viz.BLUE)) + to_rgb(viz.VERMILLION)) / 2
    assert picture(viz.events_frame(both))[0, 0] == pytest.approx(mixed)
    one = viz.events_frame(Events([0], [0], [0], [0], (1, 2, 1)))
    assert picture(one)[0, 0] == pytest.approx(to_rgb(viz.BLUE)) and one.get_legend() is None


def test_empty_recordings_are_white():
    assert (picture(viz.events_frame(Events.empty((4, 3, 2)))) == 1).all()
    assert all((picture(ax) == 1).all() for ax in viz.events_timeline(Events.empty((4, 3, 2)), 2))


def test_timeline_puts_every_event_into_one_frame():
    events = Events([100, 400, 5099, 10_100], [0, 1, 2, 3], [0] * 4, [1] * 4, (4, 3, 2))
    axes = viz.events_timeline(events, frames=2)
    coloured = [np.argwhere((picture(ax) < 1).any(-1))[:, 1].tolist() for ax in axes]
    assert coloured == [[0, 1, 2], [3]]
    assert [ax.get_title() for ax in axes] == ["0-5 ms", "5-10 ms"]
    with pytest.raises(RangeError, match=r"events_timeline\.frames"):
        viz.events_timeline(events, frames=0)
    with pytest.raises(ShapeError, match=r"events_timeline\.ax: must be a list of 2 axes, got 1"):
        viz.events_timeline(events, 2, ax=axes[:1])


@pytest.mark.parametrize("size", [(700, 1, 1), (4, 3, 3)])
def test_sensors_that_make_no_picture_are_refused(size):
    for draw in (viz.events_frame, viz.events_timeline):
        with pytest.raises(RangeError, match="draw them with raster"):
            draw(Events.empty(size))
        with pytest.raises(ShapeError, match="must be neurosim Events, got list"):
            draw([1, 2])


@pytest.mark.parametrize(("dt", "unit", "factor"), [(1e-3, "ms", 1e3), (1.0, "s", 1.0)])
def test_raster_has_a_point_for_each_spike(dt, unit, factor):
    z = torch.zeros(10, 4)
    z[2, 0] = z[9, 3] = 1
    ax = viz.raster(z, dt)
    assert ax.lines[0].get_xydata().tolist() == pytest.approx(np.array([[2 * dt * factor, 0], [9 * dt * factor, 3]]))
    assert ax.get_xlabel() == f"time [{unit}]" and ax.get_ylabel() == "neuron"
    assert ax.get_xlim()[1] == pytest.approx(10 * dt * factor) and ax.get_ylim() == (-0.7, 3.7)
    assert ax.get_title(loc="left") == f"4 neurons, 2 spikes, mean rate {0.05 / dt:.3g} Hz"


def test_traces_draw_a_line_for_each_neuron_and_the_threshold():
    v = torch.arange(12.0, requires_grad=True).view(4, 3)
    ax = viz.traces(v, 0.5e-3, threshold=1.0)
    assert line(ax, "neuron 1") == [[0, 1], [0.5, 4], [1, 7], [1.5, 10]]
    assert line(ax, "threshold") == [[0, 1], [1, 1]]
    assert len(ax.get_legend().get_texts()) == 4 and ax.get_xlabel() == "time [ms]"
    assert ax.get_xlim() == (0, 2)
    single = viz.traces(np.arange(4.0), 1e-3)
    assert len(single.lines) == 1 and single.get_legend() is None
    many = viz.traces(np.zeros((4, 12)), 1e-3).lines
    assert len({(a.get_color(), a.get_linestyle()) for a in many}) == 12
    with pytest.raises(RangeError, match=r"traces\.v: more than 12 lines"):
        viz.traces(np.zeros((4, 13)), 1e-3)


@pytest.mark.parametrize(("draw", "where"), [(viz.raster, r"raster\.spikes"), (viz.traces, r"traces\.v")])
def test_signals_that_cannot_be_meant_are_refused(draw, where):
    with pytest.raises(ShapeError, match=rf"{where}: must be \(T, N\).*Choose a sample"):
        draw(torch.zeros(5, 2, 3), 1e-3)
    with pytest.raises(ShapeError, match=where):
        draw(np.zeros((0, 3)), 1e-3)
    with pytest.raises(ShapeError, match=rf"{where}.*got str"):
        draw("spikes", 1e-3)
    with pytest.raises(RangeError, match=rf"{where}: must be finite, got 1 nan"):
        draw(torch.tensor([[0.0, float("nan")]]), 1e-3)
    with pytest.raises(RangeError, match=r"\.dt.*did you mean 20e-3"):
        draw(torch.zeros(5, 3), 20)


def test_learning_curves_show_loss_and_accuracy():
    loss, accuracy = viz.learning_curves(HISTORY)
    assert line(loss, "training") == [[1, 2], [2, 1], [3, 0.5]]
    assert line(loss, "validation") == [[1, 1.5], [3, 1.2]]
    assert np.array(line(accuracy, "validation")) == pytest.approx(np.array([[1, 30], [3, 25]]))
    assert (loss.get_xlabel(), loss.get_ylabel(), accuracy.get_ylabel()) == ("epoch", "loss", "accuracy [%]")
    assert loss.get_title(loc="left") == "best validation loss 1.2 (epoch 3)"
    assert accuracy.get_title(loc="left") == "best validation accuracy 30.0 % (epoch 1)"
    (only,) = viz.learning_curves([{"epoch": 0, "loss": 1.0}])
    assert only.get_title(loc="left") == "best loss 1 (epoch 0)"


@pytest.mark.parametrize("history", [[], [{"epoch": 1}], [{"loss": 1.0}], [3], [{"epoch": 1, "loss": "low"}]])
def test_a_history_without_epochs_or_numbers_is_refused(history):
    with pytest.raises(ShapeError, match=r"learning_curves\.history"):
        viz.learning_curves(history)


def test_confusion_matrix_colours_shares_and_writes_counts():
    ax = viz.confusion_matrix(torch.tensor([[8, 2, 0], [0, 5, 0], [0, 0, 0]]), ["a", "b", "long name"])
    assert picture(ax).tolist() == [[0.8, 0.2, 0], [0, 1, 0], [0, 0, 0]]
    assert texts(ax) == ["8", "2", "5"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "long name"]
    assert ax.get_xticklabels()[0].get_rotation() == 90
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    assert ax.get_title(loc="left") == "accuracy 86.7 % of 15"
    large = viz.confusion_matrix(np.eye(101))
    assert not large.texts and len(large.get_xticklabels()) <= 30


def test_counts_that_are_no_confusion_matrix_are_refused():
    for counts in (np.zeros((2, 3)), -np.eye(2), np.zeros(4)):
        with pytest.raises(ShapeError, match=r"confusion_matrix\.counts"):
            viz.confusion_matrix(counts)
    with pytest.raises(ShapeError, match=r"confusion_matrix\.classes: must be 2 names"):
        viz.confusion_matrix(np.eye(2), ["a"])


def test_firing_rates_are_bars_in_the_order_of_the_layers():
    ax = viz.firing_rates({"first": 0.25, "second": torch.tensor([0.0, 0.5])}, dt=1e-2)
    assert [b.get_width() for b in ax.patches] == [25, 25]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["first", "second"]
    assert ax.yaxis_inverted() and ax.get_xlabel() == "mean rate [Hz]"
    assert texts(ax) == ["25", "25   50% silent"]
    assert ax.lines[0].get_xdata() == pytest.approx([2.5, 47.5])
    assert viz.firing_rates({"a": 0.0}).get_xlim() == (0, 1)
    assert viz.firing_rates({"a": 0.1}).get_xlabel() == "mean rate [spikes per step]"
    for rates in ({}, [0.1]):
        with pytest.raises(ShapeError, match=r"firing_rates\.rates"):
            viz.firing_rates(rates)


def test_weights_are_centred_on_zero():
    w = torch.tensor([[0.0, -2.0, 0.5], [1.0, 0.0, 0.0]], requires_grad=True)
    ax = viz.weights(w)
    assert picture(ax).tolist() == w.tolist()
    assert ax.images[0].get_clim() == (-2, 2)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("input", "output")
    assert ax.get_title(loc="left") == "2 x 3, 50% zero"
    assert viz.weights(np.zeros((2, 2))).images[0].get_clim() == (-1, 1)
    with pytest.raises(ShapeError, match=r"weights\.weight: must be \(out, in\)"):
        viz.weights(np.zeros(3))


def test_kernels_stand_side_by_side_with_gaps():
    kernels = np.arange(2 * 3 * 2 * 2.0).reshape(2, 3, 2, 2)
    ax = viz.weights(kernels)
    image = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert image.shape == (5, 8)
    assert np.isnan(image[2]).all() and np.isnan(image[:, [2, 5]]).all()
    for o in range(2):
        for i in range(3):
            assert (image[3 * o : 3 * o + 2, 3 * i : 3 * i + 2] == kernels[o, i]).all()
    assert ax.get_xticks().tolist() == [0.5, 3.5, 6.5]


def test_given_axes_are_drawn_on_and_returned():
    figure = Figure()
    axes = figure.subplots(2, 2)
    assert viz.raster(np.ones((3, 2)), 1e-3, ax=axes[0, 0]) is axes[0, 0]
    assert viz.weights(np.ones((3, 2)), ax=axes[0, 1]) is axes[0, 1]
    assert viz.learning_curves(HISTORY, ax=axes[1]) == list(axes[1])
    with pytest.raises(ShapeError, match=r"learning_curves\.ax"):
        viz.learning_curves(HISTORY, ax=axes[0, 0])


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_save_writes_whole_files_and_nothing_else(tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    path.write_text("old")
    ax = viz.raster(np.ones((3, 2)), 1e-3)
    for what in (ax, [ax], ax.figure):
        assert viz.save(what, str(path)) == path
        assert path.stat().st_size > 1000
    assert os.listdir(tmp_path) == [path.name]


def test_save_says_why_it_cannot(tmp_path, monkeypatch):
    ax = viz.raster(np.ones((3, 2)), 1e-3)
    with pytest.raises(viz.PictureError, match=r"cannot be written.*No such file"):
        viz.save(ax, tmp_path / "missing" / "a.png")
    with pytest.raises(RangeError, match=r"'a\.pngg'\. Did you mean 'png'"):
        viz.save(ax, tmp_path / "a.pngg")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(NeurosimError, match="cannot be written"):
        viz.save(ax, tmp_path / "folder.png")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    old = tmp_path / "old.png"
    old.write_text("old")
    with pytest.raises(viz.PictureError, match="No space left"):
        viz.save(ax, old)
    assert old.read_text() == "old" and sorted(os.listdir(tmp_path)) == ["folder.png", "old.png"]


def test_pictures_can_be_made_in_threads(tmp_path):
    def make(i):
        viz.save(viz.raster(np.ones((3, i + 1)), 1e-3), tmp_path / f"{i}.png")

    threads = [threading.Thread(target=make, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(os.listdir(tmp_path)) == ["0.png", "1.png", "2.png"]


def test_matplotlib_is_imported_at_the_first_picture_and_pyplot_never():
    code = (
        "import sys, numpy as np; from neurosim import viz; assert 'matplotlib' not in sys.modules;"
        "viz.raster(np.ones((3, 2)), 1e-3); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'neurosim\[viz\]'"):
        viz.raster(np.ones((3, 2)), 1e-3)


def test_a_raster_with_states_shows_every_state_with_its_mean() -> None:
    from neurosim.sim import Spikes

    spikes = {"cells": Spikes(np.array([0.1, 0.2]), np.array([0, 1], np.int32))}
    t, y = np.arange(5) * 0.1, np.arange(15.0).reshape(5, 3)
    axes = viz.raster_with_states(spikes, {"cells": 2}, 0.5, {"glia: calcium [uM]": (t, y), "b": (t, y)})
    assert [len(ax.lines) for ax in axes] == [1, 1, 4, 4]
    np.testing.assert_allclose(axes[2].lines[-1].get_ydata(), y.mean(axis=1))
    np.testing.assert_allclose(axes[2].lines[-1].get_xdata(), t * 1e3)
    assert axes[1].lines[0].get_ydata().sum() == pytest.approx(2 / 2 / 5e-3)  # two spikes, two cells, bins of 5 ms
    with pytest.raises(RangeError, match=r"states: must hold at least one state"):
        viz.raster_with_states(spikes, {"cells": 2}, 0.5, {})
    with pytest.raises(ShapeError, match=r"states\['a'\]: must be \(T, M\)"):
        viz.raster_with_states(spikes, {"cells": 2}, 0.5, {"a": (t, t)})
    with pytest.raises(ShapeError, match=r"states\['a'\]: must be times \(T,\) and values \(T, M\)"):
        viz.raster_with_states(spikes, {"cells": 2}, 0.5, {"a": (t[1:], y)})
