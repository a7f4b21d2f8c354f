"""What a measured number says of itself: with which readout, of which devices and samples; and what measuring leaves alone."""

import copy
import warnings

import pytest
import torch

import ship
from imperfect import Gaussian, PowerLaw
from ship.devices import Bounded
from ship.study import accuracy, drift_curve, requirement, sweep, virtual_chips
from ship.train import Last, Max, Mean, Readout, SpikeCount, Trainer
from ship.train import accuracy as share_right

CLASSES, STEPS = 4, 12


def network(chips=None, device=None, readout=None):
    """Eight inputs, two for each class, to leaky readouts."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=8)
    net.add(ship.LeakyIntegrator, "out", n=CLASSES, output=True)
    weight = torch.full((8, CLASSES), -0.1)
    weight[torch.arange(8), torch.arange(8) // 2] = 0.4
    net.add(ship.ExpSynapse, "s", source="in", target="out", weight=weight, device=device)
    net.init(chips=chips)
    net.readout = readout
    return net


def batches(n=40):
    labels = torch.arange(n) % CLASSES
    p = torch.full((n, STEPS, 8), 0.1)
    for i, label in enumerate(labels):
        p[i, :, 2 * label : 2 * label + 2] = 0.3
    return [((torch.rand(p.shape, generator=torch.Generator().manual_seed(0)) < p).float(), labels)]


def by_hand(net, readout):
    x, labels = batches()[0]
    with torch.no_grad():
        return float((readout(net.run(x, steps=STEPS + readout.tail)).argmax(-1) == labels).double().mean())


# -- the readout -----------------------------------------------------------------------------------------------------------


def test_the_readout_of_training_travels(tmp_path):
    """From the trainer with the network into chips, copies and files; a number is that of the readout used in training."""
    net, readout = network(), Last(tail=7)
    Trainer(net, readout=readout)
    ship.save(net, tmp_path / "net.ship")
    loaded = ship.load(tmp_path / "net.ship")
    expected = by_hand(net, readout)
    assert expected != by_hand(net, Max(tail=1))  # so that the test can fail
    for other in (net, copy.deepcopy(net), loaded, virtual_chips(net, 2), virtual_chips(loaded, 2)):
        assert other.readout == readout
        assert accuracy(other, batches()).flatten().tolist() == pytest.approx([expected] * (other.chips or 1), abs=1e-12)
    assert Trainer(loaded).readout == readout  # a trainer made anew goes on with it
    assert float(Trainer(loaded).evaluate(batches()).accuracy) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("readout", [Max(tail=3), Mean(), Last(tail=1), SpikeCount(tail=2), ship.train.FirstSpike()])
def test_every_readout_of_the_library_comes_back_from_a_file(readout, tmp_path):
    ship.save(network(readout=readout), tmp_path / "net.ship")
    assert ship.load(tmp_path / "net.ship").readout == readout


def test_without_a_readout_it_is_asked_for(tmp_path):
    """A network trained in a user-defined loop, or with a readout that a file cannot hold."""

    class Own(Readout):
        def read(self, output, valid):
            return output.masked_fill(~valid, 0.0).square().sum(-2)

    with pytest.raises(ship.RunError, match=r"study.accuracy: readout: must be given.*e\.g\. readout=ship\.train\.Max\(tail=1\)"):
        accuracy(network(), batches())
    ship.save(network(readout=Own()), tmp_path / "net.ship")
    with pytest.raises(ship.RunError, match=r"study.accuracy: readout: must be given"):
        accuracy(ship.load(tmp_path / "net.ship"), batches())
    assert accuracy(network(), batches(), readout=Mean()).shape == ()
    assert Trainer(network()).readout == Max(tail=1)


# -- what is ideal ---------------------------------------------------------------------------------------------------------

LAWS = {"retention": PowerLaw(), "programming": Gaussian(sigma=0.2)}


def said(call):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in seen]


def test_devices_that_were_never_written_are_said_once():
    chips = virtual_chips(network(readout=Mean()), 3, device=ship.Device(**LAWS))
    texts = said(lambda: accuracy(chips, batches()))
    assert len(texts) == 1
    assert texts[0].startswith(
        "study.accuracy: 's' runs with its model weights, for its devices were never written: call net.program()"
    )
    assert said(lambda: accuracy(chips, batches())) == []
    chips.program()
    assert said(lambda: accuracy(chips, batches())) == []


def test_model_weights_that_were_asked_for_are_not_mentioned():
    chips = virtual_chips(network(readout=Mean()), 3, device=ship.Device(**LAWS))
    chips.use_weights()
    assert said(lambda: accuracy(chips, batches())) == []


@pytest.mark.parametrize("parts", [{"retention": PowerLaw()}, {"update": Bounded(alpha_p=0.05, alpha_d=0.05)}])
def test_a_device_without_a_law_of_writing_says_so(parts):
    chips = virtual_chips(network(readout=Mean()), 3, device=ship.Device(name="mine", **parts))
    chips.program()
    texts = said(lambda: accuracy(chips, batches()))
    assert len(texts) == 1
    assert "'s' was written exactly, for 'mine' has no law of writing: give it programming=" in texts[0]
    assert "'mine' has no law of writing" in chips.explain()
    assert said(lambda: accuracy(chips, batches())) == []


@pytest.mark.filterwarnings("ignore:Network.program. .* missed their targets")
def test_written_by_pulses_or_ideal_altogether_is_not_mentioned():
    made = ship.Device(update=Bounded(alpha_p=0.05, alpha_d=0.05))
    for device, verify in ((made, ship.WriteVerify(0.05, by="pulse")), (ship.Device(), None), (ship.Device(**LAWS), None)):
        chips = virtual_chips(network(readout=Mean()), 2, device=device)
        chips.program(verify=verify)
        assert said(lambda chips=chips: accuracy(chips, batches())) == []


def test_time_without_a_law_of_retention_is_said():
    chips = virtual_chips(network(readout=Mean()), 2, device=ship.Device(programming=Gaussian()))
    with pytest.warns(UserWarning, match=r"study.drift_curve: nothing changes with time, for no device has a law of retention"):
        curve = drift_curve(chips, batches(), [1.0, 1e6])
    assert torch.equal(*curve.chips)


def test_failed_verification_is_said():
    """Most miss by more than they may: the warning has the share, and `explain` as well until the devices are written anew."""
    net = network(chips=2, device=ship.Device(programming=Gaussian(sigma=0.2)))
    with pytest.warns(UserWarning, match=r"Network.program: \d+\.\d% of the devices of 's' missed .* by more than 1.0%") as seen:
        report = net.program(verify=ship.WriteVerify(0.01, most=2))["s"]
    share = float(report.failed.double().mean())
    assert share > 0.5
    assert f"{share:.1%} of the devices of 's'" in str(seen[0].message)
    assert f"{share:.1%} of the devices missed their targets when they were written" in net.explain()
    net.program()
    assert "missed their targets" not in net.explain()


# -- curves ----------------------------------------------------------------------------------------------------------------


def test_drift_beyond_the_law_is_refused_before_anything_is_measured():
    device = ship.Device(g_min=50e-6, g_max=120e-6, retention=ship.devices.HfO2Drift())
    chips = virtual_chips(network(readout=Mean()), 2, device=device)
    runs = []
    chips.run = lambda *a, **k: runs.append(a)
    with pytest.raises(ship.ParameterError, match=r"age: must be at most 10000 s, where the law is valid; got 100000 s"):
        drift_curve(chips, batches(), [100.0, 1e3, 1e5])
    assert runs == []


def test_what_was_measured_is_kept():
    """An error after the first points ends a curve with a warning that says where and why."""
    chips = virtual_chips(network(readout=Mean()), 2, device=ship.Device(**LAWS))
    calls = []

    def breaks(net):
        calls.append(net)
        if len(calls) == 3:
            raise ship.RunError("mine", "cannot go on")

    with pytest.warns(
        UserWarning, match=r"study.drift_curve: ends after 2 of 4 points, before time since writing 100 s: mine: cannot"
    ):
        curve = drift_curve(chips, batches(), [1.0, 10.0, 100.0, 1e3], before=breaks)
    assert curve.x == (1.0, 10.0)
    assert len(curve.chips) == 2
    net = network(readout=Mean())

    def build(levels):
        mapping = ship.Offset(levels=int(levels))
        made = virtual_chips(net, 2, device=ship.Device(), mapping=mapping)
        made.program()
        return made

    with pytest.warns(
        UserWarning, match=r"study.sweep: ends after 2 of 3 points, before levels 2: Offset\.levels: must be at least 3"
    ):
        curve = sweep(build, [16, 8, 2], batches(), name="levels")
    assert curve.x == (16.0, 8.0)
    with pytest.raises(ship.ParameterError, match=r"Offset\.levels"):
        sweep(build, [2, 8], batches())


def test_batches_that_are_used_up_are_refused_before_the_first_point():
    chips = virtual_chips(network(readout=Mean()), 2, device=ship.Device(**LAWS))
    used_up = (batch for batch in batches())
    for call in (
        lambda: drift_curve(chips, used_up, [1.0, 2.0]),
        lambda: sweep(lambda _: chips, [1, 2], used_up),
        lambda: requirement(network(readout=Mean()), used_up, lambda v: ship.Device(), 1.0, 2.0),
    ):
        with pytest.raises(
            ship.RunError, match=r"batches: must be batches that can be gone through again and again; got generator"
        ):
            call()


def test_a_curve_of_a_network_without_chips_has_one_value_a_point():
    net = network(readout=Mean())
    curve = sweep(lambda _: net, [1.0, 2.0], batches())
    assert [v.shape for v in curve.chips] == [(1,), (1,)]
    assert curve.table().row_count == 2


# -- what is left alone ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["accuracy", "evaluate"])
def test_records_stay_as_they_were(measure):
    net = network(readout=Mean())
    trainer = Trainer(net)
    net.monitor("out", "v")
    x = batches()[0][0]
    with torch.no_grad():
        net.run(x[:3], steps=20)
    record, times = net.records["out"].v.clone(), net.timeline().clone()
    accuracy(net, batches()) if measure == "accuracy" else trainer.evaluate(batches())
    assert record.shape == (3, 20, CLASSES)
    assert torch.equal(net.records["out"].v, record)
    assert torch.equal(net.timeline(), times)
    assert len(net._requests) == 1


def test_a_record_that_is_not_there_says_what_there_is():
    net = network()
    with pytest.raises(
        ship.RunError, match=r"Network.records\['out'\]: the last run recorded nothing.*net\.monitor\('out', 'output'\)"
    ):
        net.records["out"]
    net.monitor("out", "v")
    net.run(batches()[0][0])
    assert "out" in net.records
    assert net.records.get("in") is None
    with pytest.raises(ship.RunError, match=r"Known: 'out'\. Did you mean 'out'"):
        net.records["aut"]


# -- labels and numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "rule"),
    [
        (torch.arange(40) % 4 + 0.5, "labels: must be whole numbers; got torch.float32"),
        (torch.arange(40) % 4 + 6, "labels: must be from 0 to 3; got 6"),
        (-(torch.arange(40) % 4), "labels: must be from 0 to 3; got -1"),
        (torch.zeros(1, dtype=torch.int64), r"labels: must be \[batch\] for scores \[..., batch, class\]; got shapes \[1\] and"),
    ],
)
def test_labels_must_fit(labels, rule):
    """One label would be broadcast to all samples, a float compared as it stands, label 9 counted as wrong."""
    net = network(readout=Mean())
    trainer, x = Trainer(net), batches()[0][0]
    before = net["s"].get_parameter("weight").clone()
    for call in (
        lambda: accuracy(net, [(x, labels)]),
        lambda: trainer.evaluate([(x, labels)]),
        lambda: trainer.fit([(x, labels)], epochs=1, progress=False),
        lambda: Trainer(net, loss=lambda scores, _: scores.square().mean()).fit([(x, labels)], epochs=1, progress=False),
    ):
        with pytest.raises(ship.RunError, match=rule):
            call()
    assert torch.equal(net["s"].get_parameter("weight"), before)
    scores = torch.zeros(40, 4)
    with pytest.raises(ship.RunError, match="labels"):
        share_right(scores, labels)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"clip": -1.0}, r"Trainer\.clip: must be a number above 0; got -1\.0"),
        ({"clip": float("nan")}, r"Trainer\.clip: must be a number above 0; got nan"),
        ({"lr": -1e-3}, r"Trainer\.lr: must be a number, at least 0; got -0\.001"),
        ({"truncate": 1.5}, r"Trainer\.truncate: must be a whole number or None; got 1\.5"),
        ({"truncate": 0}, r"Trainer\.truncate: must be a whole number, at least 1; got 0"),
        ({"n_classes": 0}, r"Trainer\.n_classes: must be a whole number, at least 1; got 0"),
    ],
)
def test_numbers_of_a_trainer(options, rule):
    with pytest.raises(ship.ParameterError, match=rule):
        Trainer(network(), **options)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"epochs": -1}, r"Trainer\.fit: epochs: must be a whole number, at least 1; got -1"),
        ({"epochs": 2.0}, r"Trainer\.fit: epochs: must be a whole number"),
        ({"epochs": 2, "patience": 0, "validation": batches()}, r"patience: must be a whole number, at least 1; got 0"),
        ({"epochs": 2, "validation": iter(batches())}, r"fit: validation: must be batches that can be gone through again"),
    ],
)
def test_numbers_of_fit(options, rule):
    trainer = Trainer(network())
    with pytest.raises(ship.ShipError, match=rule):
        trainer.fit(batches(), progress=False, **options)
    assert len(trainer.history) == 0


def test_batches_of_several_epochs_must_last_and_none_are_no_accuracy():
    trainer = Trainer(network())
    with pytest.raises(ship.RunError, match=r"Trainer\.fit: batches: must be batches that can be gone through again"):
        trainer.fit(iter(batches()), epochs=2, progress=False)
    trainer.fit(iter(batches()), epochs=1, validation=iter(batches()), progress=False)  # once is enough for one epoch
    assert trainer.history.validation_accuracy[0] > 0.5
    with pytest.raises(ship.RunError, match=r"Trainer\.evaluate: got no batches"):
        trainer.evaluate([])
