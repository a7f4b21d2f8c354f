"""``ship require``, and the task and the network of ``ship ask``: what fits is used, what does not is told with both sides."""

import json
import re

import pytest

import ship
from ship.base.display.stages import Stages
from ship.base.parameters import Normal
from ship.cli.asked_network import Subject, fitting, remarks
from ship.cli.main import main
from ship.models import ExpSynapse, LeakyIntegrator, SpikeInput
from ship.study import Sheet, task
from ship.train import Max

QUICK = ("--chips", "2", "--test-samples", "60", "--no-progress")


@pytest.fixture
def call(monkeypatch, capsys):
    def called(*words):
        monkeypatch.setattr("sys.argv", ["ship", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return called


def reader(n=64, classes=10, dt=1e-3, chips=None, output=True):
    net = ship.Network()
    net.add(SpikeInput, "in", n=n)
    net.add(LeakyIntegrator, "out", n=classes, tau=20e-3, output=output)
    net.add(ExpSynapse, "syn", source="in", target="out", tau=5e-3, weight=Normal(0.0, 0.05))
    net.init(dt=dt, chips=chips)
    return net


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("sklearn")
    return task("digits")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 32}, "must have one input of 64 units, the channels of the task 'digits'; got 32 in 'in'"),
        ({"classes": 4}, "must have one output of 10 units, the classes of the task 'digits'; got 4 in 'out'"),
        ({"output": False}, "must have one output of 10 units, the classes of the task 'digits'; got none"),
        (
            {"dt": 2e-3},
            "must have the time step of the task 'digits', 0.001 s; got 0.002 s. Initialise it with net.init(dt=0.001)",
        ),
        ({"chips": 3}, "must have no chips: it is copied to them; got 3 chips"),
    ],
)
def test_a_network_that_does_not_fit_is_told_why(digits, tmp_path, changes, message):
    with pytest.raises(ship.GraphError, match=re.escape(message)):
        fitting("ask", reader(**changes), tmp_path / "mine.ship", digits)


def test_a_trained_network_is_taken_as_it_is(digits, tmp_path):
    """It keeps its weights and its readout; without --trained it learns by the recipe of the task."""
    net, path = reader(), tmp_path / "mine.ship"
    net.readout = Max(tail=3)
    ship.save(net, path)
    subject = Subject(network=path, trained=True, samples=60)
    few = subject.task()
    taken, accuracy, total = subject.trained_network(few, Stages(False), False)
    assert taken.readout == Max(tail=3)
    assert (taken["syn"].value("weight") == net["syn"].value("weight")).all()
    assert total == len(few.test)
    assert 55 < total < 65
    assert "test samples" in remarks(few)[-1]
    learnt, after, _ = Subject(network=path, samples=60, epochs=1).trained_network(few, Stages(False), False)
    assert learnt.readout == few.readout
    assert after.value > accuracy.value


def test_mistakes_of_the_command_line(call, tmp_path):
    ship.save(reader(n=32), tmp_path / "small.ship")
    ship.save_device(ship.Device(), tmp_path / "d.toml")
    for words, said in (
        (("require", "--trained"), "ship require: --trained: takes a network as it is, and none was given"),
        (("require", "--task", "digit"), "no task named 'digit'"),
        (("require", "--axis", "noise", "--epochs", "1", *QUICK), "study.require: axes: must be one of"),
        (("require", tmp_path / "d.toml", tmp_path / "d.toml"), "marks one device"),
        (("ask", tmp_path / "d.toml", "--network", tmp_path / "small.ship"), "small.ship: must have one input of 64 units"),
    ):
        code, _, error = call(*words, "--out", tmp_path / "out")
        assert code == 2, words
        assert said in error, (words, error)
        assert len(error.splitlines()) == 1


def test_a_sheet_of_a_device(call, tmp_path):
    """Two axes of a network of one's own: a table, a verdict, and the file, with the network and the task in it."""
    net = reader()
    task("digits").fit(net, epochs=2)
    ship.save(net, tmp_path / "mine.ship")
    noisy = ship.Device(name="noisy", g_min=0.0, programming=ship.devices.GaussianProgramming(sigma=40e-6))
    ship.save_device(noisy, tmp_path / "noisy.toml")
    own = ("--network", tmp_path / "mine.ship", "--trained", "--axis", "scatter", "--axis", "levels", "--epochs", "4")
    code, out, error = call("require", tmp_path / "noisy.toml", *own, *QUICK, "--out", tmp_path / "sheet")
    assert (code, error) == (0, "")
    assert "noisy fails first on scatter from write to write" in out
    assert "hardware-aware training (with noise of" in out
    sheet = Sheet.load(tmp_path / "sheet" / "require.json")
    assert f"How good must {sheet.device} be?" in (tmp_path / "sheet" / "require.html").read_text()
    assert (sheet.task, sheet.network, sheet.device) == ("digits", "mine.ship, as it was trained", "noisy")
    assert [axis.name for axis in sheet.axes] == ["scatter", "levels"]
    assert sheet.fails == "scatter"
    assert {remedy.name for remedy in sheet.remedies} >= {"write and verify", "compensation", "repair", "hardware-aware training"}
    mended = next(remedy for remedy in sheet.remedies if remedy.name == "write and verify")
    assert mended.after.value > mended.before.value
    assert sheet.pair is not None
    assert {sheet.pair.a, sheet.pair.b} == {"scatter", "levels"}
    assert any("test samples" in note for note in sheet.notes)


def test_ask_about_a_network_of_ones_own(call, tmp_path):
    net = reader()
    net.readout = Max(tail=8)
    ship.save(net, tmp_path / "mine.ship")
    ship.save_device(ship.Device(programming=ship.devices.GaussianProgramming(sigma=1e-6)), tmp_path / "d.toml")
    own = ("--network", tmp_path / "mine.ship", "--trained", "--limits", "0")
    code, out, _ = call("ask", tmp_path / "d.toml", *own, *QUICK, "--out", tmp_path / "out")
    assert code == 0
    answer = json.loads(out.splitlines()[-1])
    assert "What mine.ship, as it was trained reaches on the task digits" in (tmp_path / "out" / "answer.html").read_text()
    assert answer["network"] == "mine.ship, as it was trained"
    assert 55 < answer["samples"] < 65
    assert any("test samples" in note for note in answer["notes"])
    assert answer["conditions"]["one shot"]["mean"][0] == pytest.approx(answer["floating_point"][0], abs=0.1)
