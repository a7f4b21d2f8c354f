"""Figures: each shows what it was given, saves to a file, leaves pyplot alone, and refuses what has the wrong shape."""

import itertools
import math
import subprocess
import sys

import pytest
import torch
import xarray

import ship
from ship import plot
from ship.train import History, Interval


def loop():
    """Two sources, two populations in a loop, a readout; a synapse that skips a dendrite."""
    net = ship.Network()
    net.add(ship.PoissonSource, "noise", n=20)
    net.add(ship.SpikeInput, "in", n=10)
    net.add(ship.LIF, "exc", n=8)
    net.add(ship.LIF, "inh", n=2)
    net.add(ship.Dendrite, "dend", target="inh")
    net.add(ship.LeakyIntegrator, "out", n=3, output=True)
    pairs = ("in exc", "noise exc", "noise inh", "exc inh", "inh exc", "exc exc", "inh inh", "exc out")
    for a, b in (pair.split() for pair in pairs):
        net.add(ship.ExpSynapse, f"{a}>{b}", source=a, target=b, delay=1e-3)
    net.add(ship.ExpSynapse, "second", source="in", target="exc")
    net.add(ship.ImpulseSynapse, "in>dend", source="in", target="dend")
    net.init()
    return net


def saved(figure, path):
    """Return the bytes of the figure as PNG."""
    figure.savefig(path)
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return len(data)


def axis_labels(axes):
    return axes.get_xlabel(), axes.get_ylabel()


def spikes():
    x = torch.zeros(2, 30, 5)
    x[1, [3, 7, 20], [0, 0, 4]] = 1
    x[1, 9, 2] = 2
    return x


def test_raster(tmp_path):
    figure = plot.raster(spikes(), torch.arange(30).double() * 1e-3, sample=1, title="spikes")
    axes = figure.axes[0]
    points = axes.lines[0].get_xydata()
    assert sorted(points.round(3).tolist()) == [[3, 0], [7, 0], [9, 2], [20, 4]]
    assert axis_labels(axes) == ("time (ms)", "unit")
    assert axes.get_title() == "spikes"
    assert axes.get_xlim()[0] <= 0
    assert axes.get_xlim()[1] >= 29  # the whole run, not only what spiked
    assert saved(figure, tmp_path / "a.png") > 4000
    assert axis_labels(plot.raster(spikes().expand(3, 2, 30, 5), sample=1, chip=2).axes[0]) == ("slot", "unit")
    saved(plot.raster(torch.zeros(1, 5, 2)), tmp_path / "silent.png")
    saved(plot.raster(torch.ones(1, 1, 1)), tmp_path / "one.png")


def test_traces(tmp_path):
    x = torch.linspace(0, 1, 30)[None, :, None] * torch.arange(12)
    figure = plot.traces(x, torch.arange(30) * 1e-3, label="v (V)")
    assert len(figure.axes[0].lines) == 10
    assert axis_labels(figure.axes[0]) == ("time (ms)", "v (V)")
    assert saved(figure, tmp_path / "a.png") > 10_000
    chosen = plot.traces(x, units=[11, 3]).axes[0]
    assert [float(line.get_ydata()[-1]) for line in chosen.lines] == pytest.approx([11, 3])
    assert [text.get_text() for text in chosen.get_legend().get_texts()] == ["11", "3"]
    assert plot.traces(x, units=[4]).axes[0].get_legend() is None


def test_weights(tmp_path):
    w = torch.zeros(4, 6)
    w[1, 2], w[3, 5] = -0.5, 0.25
    figure = plot.weights(w, title="in>hid")
    left, right = figure.axes[:2]
    assert left.images[0].get_array().shape == (4, 6)
    assert left.images[0].get_clim() == (-0.5, 0.5)
    assert axis_labels(left) == ("post", "pre")
    assert right.get_title() == "2 of 24 are not zero"
    assert sum(p.get_height() for p in right.patches) == 2
    assert saved(figure, tmp_path / "a.png") > 10_000
    chips = plot.weights(torch.stack([w, 3 * w])[:, None], chip=1)
    assert chips.axes[0].images[0].get_clim() == (-1.5, 1.5)
    saved(plot.weights(torch.zeros(2, 2)), tmp_path / "zero.png")


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_network(tmp_path):
    figure = plot.network(loop())
    shown = texts(figure)
    for box in ("noise\nPoissonSource, 20", "in\nSpikeInput, 10", "exc\nLIF, 8", "dend\nDendrite, 2", "out\nLeakyIntegrator, 3"):
        assert box in shown
    assert "in>exc\nsecond" in shown  # one arrow for both
    for tag in ("noise>inh", "exc>inh", "inh>exc", "exc>exc", "inh>inh", "exc>out", "in>dend"):
        assert tag in shown
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert len(dashed) == 4  # exc > inh > exc and the two self-loops
    assert len(figure.axes[0].lines) == 10
    assert saved(figure, tmp_path / "a.png") > 15_000


@pytest.mark.parametrize("which", ["loop", "line"])
def test_network_is_readable(which, tmp_path):
    """No text overlaps another one, and all lie inside the figure."""
    net = loop()
    if which == "line":
        net = ship.Network()
        net.add(ship.SpikeInput, "a_long_name_of_an_input", n=64)
        net.add(ship.LIF, "hid", n=128)
        net.add(ship.LeakyIntegrator, "out", n=10, output=True)
        for a, b in (("a_long_name_of_an_input", "hid"), ("hid", "hid"), ("hid", "out"), ("a_long_name_of_an_input", "out")):
            net.add(ship.ExpSynapse, f"{a}>{b}", source=a, target=b, delay=1e-3)
        net.init()
    figure = plot.network(net)
    saved(figure, tmp_path / "a.png")
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    frame = figure.bbox
    for i, a in enumerate(boxes):
        assert frame.x0 <= a.x0 < a.x1 <= frame.x1
        assert frame.y0 <= a.y0 < a.y1 <= frame.y1
        for b in boxes[:i]:
            assert not a.overlaps(b), (texts(figure), a, b)


def test_history(tmp_path):
    figure = plot.history(History([1.0, 0.5, 0.2], [0.3, 0.7, 0.9], [0.2, 0.6, 0.8], [1e-3] * 3))
    loss, right = figure.axes
    assert loss.lines[0].get_xydata().tolist() == [[1, 1], [2, 0.5], [3, 0.2]]
    assert [line.get_ydata()[-1] for line in right.lines] == [0.9, 0.8]
    assert (axis_labels(loss), right.get_ylabel()) == (("epoch", "loss"), "accuracy")
    assert saved(figure, tmp_path / "a.png") > 10_000
    assert all(float(t).is_integer() for t in loss.get_xticks())
    assert len(plot.history(History([1.0], [0.5])).axes[1].lines) == 1


def test_confusion(tmp_path):
    counts = torch.tensor([[3, 1, 0], [0, 0, 0], [0, 2, 6]])
    figure = plot.confusion(counts, title="held out")
    axes = figure.axes[0]
    assert axes.images[0].get_array().tolist() == [[75, 25, 0], [0, 0, 0], [0, 25, 75]]
    assert sorted(text.get_text() for text in axes.texts) == ["1", "2", "3", "6"]
    assert axis_labels(axes) == ("predicted", "true")
    assert saved(figure, tmp_path / "a.png") > 8000
    named = plot.confusion(counts, ["N", "S", "V"]).axes[0]
    assert [text.get_text() for text in named.get_yticklabels()] == ["N", "S", "V"]


def test_heat_map(tmp_path):
    """Rows are those of the first dimension, from below; shares are written in per cent, thousands with a k."""
    axes = {"tau": ("tau", [0.01, 0.1], {"units": "s"}), "scale": [1, 2, 3]}
    values = xarray.DataArray([[0.5, 0.75, 1.0], [0.0, 0.25, math.nan]], axes, ("tau", "scale"), name="accuracy")
    figure = plot.heat_map(values, share=True)
    picture = figure.axes[0]
    assert [t.get_text() for t in picture.texts] == ["50.0", "75.0", "100.0", "0.0", "25.0", "nan"]
    assert picture.images[0].get_array()[0].tolist() == [50, 75, 100]
    assert picture.images[0].origin == "lower"
    assert axis_labels(picture) == ("scale", "tau (s)")
    assert [t.get_text() for t in picture.get_yticklabels()] == ["0.01", "0.1"]
    assert picture.get_title() == "accuracy (%)"
    assert saved(figure, tmp_path / "a.png") > 8000
    spikes = plot.heat_map(9000 * values, title="spikes").axes[0]
    assert [t.get_text() for t in spikes.texts[:3]] == ["4.5k", "6.8k", "9.0k"]


def test_accuracy(tmp_path):
    x, bars = [2, 4, 64], [Interval(0.5, 0.4, 0.55), Interval(0.8, 0.7, 0.9), Interval(0.9, 0.88, 0.92)]
    figure = plot.accuracy(x, bars, chips=[torch.rand(7)] * 3, lines={"floating point": 0.97}, xlabel="levels")
    axes = figure.axes[0]
    dots = [line for line in axes.lines if len(line.get_xdata()) == 7]
    assert [line.get_xdata()[0] for line in dots] == x
    bar = axes.containers[0]
    assert bar.lines[0].get_ydata() == pytest.approx([50, 80, 90])
    assert [s[:, 1].tolist() for s in bar.lines[2][0].get_segments()] == [
        pytest.approx(v) for v in ([40, 55], [70, 90], [88, 92])
    ]
    assert axis_labels(axes) == ("levels", "test accuracy (%)")
    assert axes.get_xscale() == "log"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["2", "4", "64"]
    assert {t.get_text() for t in axes.get_legend().get_texts()} == {"floating point", "mean over chips, 95 % interval"}
    assert saved(figure, tmp_path / "a.png") > 10_000
    wide = plot.accuracy([10.0, 1e4], bars[:2])
    assert saved(wide, tmp_path / "b.png") > 8000
    assert plot.accuracy(x, bars, log=False).axes[0].get_xscale() == "linear"


BARS = [Interval(0.5, 0.4, 0.6)]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: plot.raster(torch.zeros(3, 4)), r"plot.raster: needs \[batch, time, unit\] or .*; got shape \[3, 4\]"),
        (lambda: plot.raster(torch.zeros(2, 3, 4), sample=2), "plot.raster: sample: must be from 0 to 1; got 2"),
        (lambda: plot.raster(torch.zeros(2, 2, 3, 4), chip=5), "plot.raster: chip: must be from 0 to 1; got 5"),
        (lambda: plot.raster(torch.zeros(2, 3, 4), torch.zeros(7)), r"plot.raster: time: must be \[3\], one for each slot"),
        (lambda: plot.traces(torch.zeros(3)), "plot.traces: needs"),
        (lambda: plot.traces(torch.zeros(2, 3, 4), torch.zeros(7)), r"plot.traces: time: must be \[3\]"),
        (lambda: plot.traces(torch.zeros(2, 3, 4), units=[4]), r"plot.traces: units: must be from 0 to 3; got \[4\]"),
        (lambda: plot.weights(torch.zeros(3)), r"plot.weights: needs \[pre, post\]"),
        (lambda: plot.weights(torch.zeros(2, 3, 4), chip=2), "plot.weights: chip: must be from 0 to 1; got 2"),
        (lambda: plot.confusion(torch.zeros(2, 3)), r"plot.confusion: needs \[class, class\]; got shape \[2, 3\]"),
        (lambda: plot.confusion(torch.ones(2, 2), ["N"]), "plot.confusion: names: must be one for each of 2 classes; got 1"),
        (lambda: plot.heat_map(torch.ones(2, 2)), "plot.heat_map: needs an xarray.DataArray of two dimensions; got Tensor"),
        (lambda: plot.accuracy([1.0, 2.0], BARS), r"plot.accuracy: needs an interval .*; got sizes \[2, 1\]"),
        (lambda: plot.accuracy([1.0], BARS, chips=[]), r"got sizes \[1, 1, 0\]"),
        (lambda: plot.history(History()), "plot.history: needs at least one epoch"),
        (lambda: plot.network(ship.Network()), "not initialised"),
    ],
)
def test_wrong_shapes(call, text):
    with pytest.raises(ship.RunError, match=text):
        call()


def test_pyplot_is_left_alone():
    """Neither a global figure nor a window: pyplot is never imported, and matplotlib only when something is drawn."""
    code = (
        "import sys, torch; from ship import plot; assert 'matplotlib' not in sys.modules; "
        "plot.raster(torch.ones(1, 2, 3)); plot.weights(torch.ones(2, 2)); plot.confusion(torch.ones(2, 2)); "
        "assert 'matplotlib.figure' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_labels_of_many_levels_do_not_touch():
    x = [*range(2, 17), 24, 32, 48, 64]
    figure = plot.accuracy(x, [Interval(0.5, 0.4, 0.6)] * len(x), xlabel="levels")
    labels = figure.axes[0].get_xticklabels()
    figure.canvas.draw()
    ends = sorted((box.x0, box.x1) for box in (label.get_window_extent() for label in labels))
    assert 8 <= len(ends) < len(x)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(ends))
