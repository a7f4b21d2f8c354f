"""What a prompt and a notebook show. A notebook asks objects for ``_repr_png_``, ``_repr_html_`` or ``repr``."""

import pytest
import torch

import ship
from ship import plot
from ship.data import Batches, SpikeDataset
from ship.devices.fitting.figures import Panel, Series, draw
from ship.study import summary
from ship.study.curves import Curve
from ship.train import ConfusionMatrix, Trainer


@pytest.fixture
def net():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "<hid>", n=4, tau=torch.tensor([1e-3, 2e-3, 3e-3, 4e-3]), output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="<hid>", weight=0.5)
    net.init(dt=1e-3)
    return net


@pytest.mark.parametrize(
    "make",
    [
        lambda net: plot.raster(torch.ones(1, 2, 3)),
        lambda net: plot.weights(torch.ones(2, 2)),
        plot.network,
        lambda net: plot.confusion(torch.ones(2, 2)),
        lambda net: draw([Panel("x", "y", (Series(torch.arange(3.0).numpy(), torch.arange(3.0).numpy()),))], "title"),
        lambda net: Curve("levels", "", (2.0, 4.0), (torch.tensor([0.5, 0.6]), torch.tensor([0.7, 0.8]))).plot(),
    ],
    ids=["raster", "weights", "network", "confusion", "fit", "curve"],
)
def test_a_notebook_shows_figures_as_pictures(make, net, tmp_path):
    from matplotlib.figure import Figure

    figure = make(net)
    assert isinstance(figure, Figure)
    data = figure._repr_png_()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(data) > 4000  # more than an empty frame
    figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size == pytest.approx(len(data), rel=0.01)


@pytest.mark.parametrize("make", [lambda net: net.explain(), lambda net: ship.describe(ship.LIF)], ids=["explain", "describe"])
def test_text_is_shown_as_lines(make, net):
    """At a prompt as it is printed, and in all else a string."""
    text = make(net)
    assert isinstance(text, str)
    assert repr(text) == str(text)
    assert repr(text).count("\n") > 8
    assert text.startswith(("Schedule", "LIF"))
    html = text._repr_html_()
    assert html.startswith("<pre>")
    assert "<hid>" not in html
    assert html.count("\n") == text.count("\n")


def test_groups(net):
    text = repr(net["<hid>"])
    assert "LIF '<hid>', n=4" in text
    assert "tau: 0.001 to 0.004 s [4]" in text
    assert "v_th: 1 V" in text
    assert "weight: 0.5 V [3, 4] trainable" in repr(net["s"])
    html = net["<hid>"]._repr_html_()
    assert "<th>tau</th><td>0.001 to 0.004 s [4]</td>" in html
    assert "LIF &#x27;&lt;hid&gt;&#x27;, n=4" in html


def test_a_group_without_values():
    none = torch.zeros(0, dtype=torch.int64)
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "hid", n=4, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="hid", connect=ship.Edges(none, none))
    net.init()
    assert "weight: none V [0] trainable" in repr(net["s"])


def test_devices():
    array = ship.DeviceArray(ship.Device(name="mine", retention=ship.devices.PowerDrift()), (3, 2), chips=4)
    assert repr(array).startswith("DeviceArray('mine', shape [3, 2], 4 chips; update=")
    assert "retention=PowerDrift" in repr(array)


def test_training(net):
    x, labels = torch.ones(5, 4, 3), torch.tensor([0, 1, 2, 3, 0])
    batches = Batches(x, labels, 2, shuffle=True)
    assert repr(batches) == "Batches(5 samples [4, 3] in 3 batches of 2, shuffled)"
    assert repr(SpikeDataset(x, labels)) == "SpikeDataset(5 samples)"
    trainer = Trainer(net)
    assert repr(trainer) == "Trainer(12 parameters, Adam, readout Max(tail=1); 0 epochs)"
    trainer.fit(batches, epochs=2, progress=False)
    assert "; 2 epochs, loss " in repr(trainer)
    matrix = trainer.evaluate(batches)
    lines = repr(matrix).splitlines()
    assert lines[0] == f"ConfusionMatrix(accuracy {matrix.accuracy:.1%}, {matrix.correct} of 5), rows are true classes:"
    assert [line.split() for line in lines[2:]] == [[str(i), *map(str, row)] for i, row in enumerate(matrix.counts.tolist())]
    assert matrix._repr_html_().count("<td>") == 16
    assert repr(ConfusionMatrix(3)) == "ConfusionMatrix(3 classes, no samples)"


def test_tables_print():
    curve = Curve("levels", "bit", (2.0, 4.0), (torch.tensor([0.5, 0.6]), torch.tensor([0.7, 0.8])))
    table = curve.table()
    assert str(table) == repr(table)
    assert "Accuracy against levels" in str(table)
    assert "4 bit" in str(table)
    assert "80.0%" in str(table)
    assert repr(curve) == "Curve(levels, 2 points, 2 chips)"
    said = summary(torch.tensor([0.5, 0.7]))
    assert repr(said) == str(said)


def test_events_of_a_record(net):
    net.monitor("<hid>", "output", events=True)
    with torch.no_grad():
        net.run(torch.ones(1, 20, 3))
    events = net.records["<hid>"].output
    assert repr(events) == f"EventRecord({len(events.slot)} events: chip, sample, slot, unit, counts, time)"


@pytest.mark.parametrize(
    "make",
    [
        lambda: ship.measured_array(torch.full((2, 3), 40.0), unit="uS"),
        lambda: ledger(),
    ],
    ids=["array", "ledger"],
)
def test_results_are_shown_as_they_print(make):
    made = make()
    assert repr(made) == str(made)
    assert "\n" in repr(made)


def ledger():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "hid", n=4, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="hid")
    net.init(dt=1e-3)
    net.meter(neurons=ship.Costs(p_leak=1e-9))
    net.run(torch.ones(1, 5, 3))
    return net.energy
