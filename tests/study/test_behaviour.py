"""What a network does beside its accuracy, against numbers worked out by hand, scikit-learn and the energy meter."""

import math

import numpy as np
import pytest
import torch

import ship
from ship.study import accuracy, behaviour, virtual_chips
from ship.train import FirstSpike, Last, Max, Mean, SpikeCount
from ship.train.measuring import measuring

D = torch.float64


def by_hand(weight=((2.0, 0.0), (0.0, 2.0)), **init):
    """Two inputs, each of which makes its own output unit fire at once; no leak that matters, no dead time."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "out", n=2, tau=1e6, output=True)
    net.add(ship.ImpulseSynapse, "syn", source="in", target="out", weight=torch.tensor(weight, dtype=D))
    net.init(dt=1e-3, dtype=D, **init)
    return net


def batch():
    """Three samples of 10 slots: unit 1 from slot 2 on; unit 0 in slot 4, then unit 1 in 6 and 7; nothing."""
    x = torch.zeros(3, 10, 2, dtype=D)
    x[0, 2:4, 1] = 1
    x[1, 4, 0] = x[1, 6, 1] = x[1, 7, 1] = 1
    return x, torch.tensor([1, 0, 1])


def test_by_hand():
    """Sample 0: right, decided at 2 ms. Sample 1: unit 0 leads at 4 ms, equal scores at 6 ms are none, and unit 1 wins at 7 ms:
    wrong. Sample 2: no decision; as everywhere, the lowest of equal scores is taken, which is wrong.
    """
    made = behaviour(by_hand(), [batch()], readout=SpikeCount())
    assert made.accuracy.value == pytest.approx(1 / 3)
    assert made.confusion.counts.tolist() == [[0, 1], [1, 1]]
    assert made.macro_f1.value == pytest.approx(0.25)  # F1 of 0 and 2 / 4
    assert made.latency.mean.value == pytest.approx((2e-3 + 7e-3) / 2)
    assert made.latency.undecided == 1
    assert made.latency.quantiles[0.5] == pytest.approx(4.5e-3)
    right = [0, 0, 1, 1, 2, 2, 1, 1, 1, 1]  # of three: sample 0 from slot 2 on, sample 1 in slots 4 and 5
    assert (made.course.accuracy * 3).tolist() == pytest.approx(right)
    assert made.course.time.tolist() == pytest.approx([1e-3 * k for k in range(10)])
    assert {tag: value.value for tag, value in made.spikes.items()} == pytest.approx({"in": 5 / 3, "out": 5 / 3})
    assert made.neuron_spikes.value == pytest.approx(5 / 3)
    assert made.events.value == pytest.approx(10 / 3)  # each input spike goes over two connections
    assert made.charge["syn"].excitatory.value == pytest.approx(10 / 3)  # 2 V of each of 5 spikes
    assert made.charge["syn"].inhibitory.value == 0
    assert made.energy is None
    assert "a price needs devices" in made.left_out[0]


def test_charge_of_both_signs_does_not_cancel():
    made = behaviour(by_hand(((2.0, -2.0), (-1.0, 3.0))), [batch()], readout=SpikeCount())
    plus, minus = made.charge["syn"]
    assert plus.value == pytest.approx((2 * 1 + 3 * 4) / 3)  # one spike of input 0, four of input 1
    assert minus.value == pytest.approx((2 * 1 + 1 * 4) / 3)
    assert (plus.unit, minus.unit) == ("V", "V")
    assert made.total_charge["V"].inhibitory.value == pytest.approx(minus.value)


@pytest.mark.parametrize("connect", [None, "edges"])
def test_charge_on_edges_is_that_of_the_matrix(connect):
    weight = torch.tensor([[0.5, -0.25, 0.0], [1.0, 0.75, -2.0]], dtype=D)
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LeakyIntegrator, "out", n=3, output=True)
    more = {} if connect is None else {"connect": (weight != 0).double()}
    net.add(ship.ExpSynapse, "syn", source="in", target="out", weight=weight, **more)
    net.init(dt=1e-3, dtype=D)
    made = behaviour(net, [batch()], readout=Max())
    assert made.charge["syn"].excitatory.value == pytest.approx((0.5 * 1 + 1.75 * 4) / 3)
    assert made.charge["syn"].inhibitory.value == pytest.approx((0.25 * 1 + 2.0 * 4) / 3)
    assert made.events.value == pytest.approx((3 * 5 if connect is None else 2 * 1 + 3 * 4) / 3)


def random_net(chips=None, **device):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=6)
    net.add(ship.LIF, "hid", n=12, tau=20e-3)
    net.add(ship.LeakyIntegrator, "out", n=4, tau=20e-3, output=True)
    net.add(ship.ExpSynapse, "a", source="in", target="hid", weight=ship.Normal(0.3, 0.4), delay=2e-3, **device)
    net.add(ship.ExpSynapse, "b", source="hid", target="out", weight=ship.Normal(0.0, 0.4), **device)
    net.init(dt=1e-3, chips=chips, dtype=D)
    return net


def batches(n=3, size=16, steps=30):
    g = torch.Generator().manual_seed(0)
    return [
        ((torch.rand(size, steps, 6, generator=g) < 0.2).double(), torch.randint(0, 4, (size,), generator=g)) for _ in range(n)
    ]


def test_against_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics", reason="the macro-F1 is compared with scikit-learn's")
    net = random_net()
    made = behaviour(net, batches(), readout=Max(tail=5))
    true = torch.cat([labels for _, labels in batches()])
    with torch.no_grad():
        predicted = torch.cat([Max(tail=5)(net.run(x, steps=35)).argmax(-1) for x, _ in batches()])
    assert made.macro_f1.value == pytest.approx(metrics.f1_score(true, predicted, average="macro"))
    assert np.array_equal(made.confusion.counts.numpy(), metrics.confusion_matrix(true, predicted, labels=range(4)))
    assert made.macro_f1.low < made.macro_f1.value < made.macro_f1.high
    assert float(made.course.accuracy[-1]) == made.accuracy.value == float(accuracy(net, batches(), readout=Max(tail=5)))


def test_chips_and_energy_are_those_of_the_meter():
    """The meter counts events that arrive, `behaviour` those that are sent: the same where nothing is left in flight."""
    chips = virtual_chips(random_net(), 3, device=ship.devices.pcm())
    chips.program()
    quiet = [(torch.cat([x, torch.zeros(len(x), 30, 6, dtype=D)], 1), labels) for x, labels in batches()]
    made = behaviour(chips, quiet, readout=Max())
    assert made.accuracies.shape == (3,)
    assert torch.equal(made.accuracies, accuracy(chips, quiet, readout=Max()))
    assert made.accuracy.value == pytest.approx(float(made.accuracies.mean()))
    chips.meter()
    with measuring(chips, held=True):  # the devices do not age meanwhile
        for x, _ in quiet:
            chips.run(x)
    ledger = chips.energy
    assert made.energy.low == pytest.approx(ledger.per_inference.low, rel=1e-12, abs=0)
    assert made.neuron_spikes.value == pytest.approx(float(ledger.spikes.mean()))
    assert made.events.value == pytest.approx(float(ledger.events.mean()))
    before = ledger.total.low
    behaviour(chips, quiet, readout=Max())  # counts apart
    assert chips.energy.total.low == before


def test_a_network_is_left_as_it_was():
    net = random_net()
    net.monitor("hid", "v")
    net.run(batches()[0][0])
    kept = net.records["hid"].v.clone()
    behaviour(net, batches(), readout=Max())
    assert torch.equal(net.records["hid"].v, kept)
    assert not net.metered


def test_wrong_calls():
    net = random_net()
    with pytest.raises(ship.RunError, match=r"study\.behaviour: readout: must be given"):
        behaviour(net, batches())
    with pytest.raises(ship.RunError, match="got no batches"):
        behaviour(net, [], readout=Max())


# -- readouts, slot by slot ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "readout", [Max(tail=2), Mean(), Last(tail=1), SpikeCount(), FirstSpike()], ids=lambda r: type(r).__name__
)
@pytest.mark.parametrize("ragged", [False, True])
def test_running_scores_are_those_of_every_prefix(readout, ragged):
    out = (torch.rand(2, 5, 12, 3, generator=torch.Generator().manual_seed(1), dtype=D) < 0.3).double()
    lengths = torch.tensor([12, 7, 3, 10, 1]) if ragged else None
    made = readout.running(out, lengths)
    assert made.shape == (2, 5, 12, 3)
    for k in range(12):
        ends = None if lengths is None else lengths.clamp(max=k + 1)
        if lengths is None or readout.tail == 0:
            torch.testing.assert_close(made[..., k, :], readout(out[..., : k + 1, :], ends))
    torch.testing.assert_close(made[..., -1, :], readout(out, lengths))


def test_latency_of_nothing_is_not_a_number():
    made = behaviour(by_hand(), [(torch.zeros(2, 5, 2, dtype=D), torch.tensor([0, 1]))], readout=SpikeCount())
    assert made.latency.undecided == 2
    assert math.isnan(made.latency.mean.value)
