"""The audit of activity: rates and sums by hand, planted faults, and hints that mend what they name."""

import pytest
import torch

import ship

D = torch.float64


def spikes(p=0.02, batch=4, steps=200, n=20):
    return (torch.rand(batch, steps, n, generator=torch.Generator().manual_seed(1)) < p).double()


def network(in_a=0.3, a_b=0.3, b_b=-0.1, **init):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=20)
    net.add(ship.LIF, "a", n=20, tau=20e-3, t_ref=2e-3)
    net.add(ship.LIF, "b", n=10, tau=20e-3, t_ref=2e-3, output=True)
    net.add(ship.ExpSynapse, "in>a", source="in", target="a", weight=ship.Uniform(0.0, in_a))
    net.add(ship.ExpSynapse, "a>b", source="a", target="b", weight=ship.Uniform(0.0, a_b))
    net.add(ship.ExpSynapse, "b>b", source="b", target="b", weight=b_b, delay=1e-3)
    net.init(dt=1e-3, dtype=D, **init)
    return net


def test_a_network_at_work_gets_no_hint():
    net, x = network(), spikes()
    made = net.audit_activity(x)
    assert made.hints == ()
    assert "No group is silent, saturated or far out of balance." in str(made)
    net.monitor("a", "output")
    net.run(x)
    counts = net.records["a"].output.sum(1)
    assert made.seconds == pytest.approx(0.2)
    assert made["in"].rate == pytest.approx(float(x.sum(1).mean()) / 0.2)
    assert made["a"].rate == pytest.approx(float(counts.mean()) / 0.2)
    assert made["a"].highest == pytest.approx(float(counts.max()) / 0.2)
    assert made["a"].reach == 1.0


def test_what_arrives_by_hand():
    """Charge per unit and second: spikes of each source unit times the sum of its weights."""
    net, x = network(), spikes()
    made = net.audit_activity(x)
    weight = net["in>a"].value("weight").detach()
    assert made["a"].excitation == pytest.approx(float((x.sum(1) @ weight).mean()) / 0.2)
    assert made["a"].inhibition == 0.0
    assert made["b"].inhibition == pytest.approx(0.1 * 10 * made["b"].rate)  # 0.1 V from each of 10 units, itself among them
    assert made["b"].balance == pytest.approx(made["b"].excitation / made["b"].inhibition)
    assert made["b"].unit == "V"


@pytest.mark.parametrize("chips", [None, 3])
def test_weights_that_are_too_weak(chips):
    """The hint names the weight, and a factor which, taken a little larger, mends it."""
    made = network(a_b=0.01, chips=chips).audit_activity(spikes())
    assert made["b"].silent == 1.0
    (hint,) = made.hints
    assert hint.startswith("'b' (100% of 10 units silent): its highest unit comes")
    assert "raise weight of 'a>b' (a factor of about" in hint
    assert "or lower v_th of 'b'" in hint
    factor = 1.2 / made["b"].reach
    assert network(a_b=0.01 * factor, chips=chips).audit_activity(spikes())["b"].silent < 1.0


def test_weights_that_are_too_strong():
    made = network(in_a=30.0).audit_activity(spikes())
    assert made["a"].saturated == 1.0
    assert made["a"].highest >= 0.9 / 3e-3  # a slot and a dead time of two
    assert any(
        "'a': 100% of its units spike at nearly their highest rate of 333 Hz; lower weight of 'in>a'" in h for h in made.hints
    )


def test_inhibition_that_outweighs():
    made = network(b_b=-50.0).audit_activity(spikes())
    (hint,) = made.hints
    assert hint.startswith("'b': inhibition brings")
    assert hint.endswith("bring the weights below 0 of 'b>b' nearer to 0")
    assert made["b"].balance < 0.1


def test_inhibition_that_silences():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=20)
    net.add(ship.LIF, "out", n=5, output=True)
    net.add(ship.ExpSynapse, "plus", source="in", target="out", weight=0.1)
    net.add(ship.ExpSynapse, "minus", source="in", target="out", weight=-0.2)
    net.init(dt=1e-3, dtype=D)
    (hint,) = net.audit_activity(spikes()).hints
    assert "inhibition brings" in hint
    assert "bring the weights below 0 of 'minus' nearer to 0, or raise those above 0 of 'plus'" in hint


def test_silence_is_traced_to_where_it_begins():
    made = network().audit_activity(torch.zeros(1, 50, 20, dtype=D))
    assert "'in' sends nothing" in made.hints[0]
    assert "no spike arrives: 'in' is silent, so begin there" in made.hints[1]
    assert "no spike arrives: 'a' is silent, so begin there" in made.hints[2]


def test_a_group_that_nothing_drives():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=20)
    net.add(ship.LIF, "out", n=5, output=True)
    net.init(dt=1e-3)
    made = net.audit_activity(spikes().float())
    assert "no connection with weights drives it" in made.hints[0]
    assert "no connection has weights" in made.notes[0]


def test_the_network_stays_as_it_is():
    net, x = network(), spikes()
    net.monitor("a", "v")
    before, kept = net.run(x), net.records["a"].v
    net.audit_activity(x)
    assert net.records["a"].v is kept
    assert torch.equal(net.run(x), before)
