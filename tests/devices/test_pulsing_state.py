"""Learning by pulses: what snapshots and files keep, and what is refused."""

from dataclasses import replace

import pytest
import torch

import ship
from learning_devices import HARD, NOISY, Fading, array, everything, made, spikes
from ship.devices.update.bounded import Bounded

pytestmark = pytest.mark.usefixtures("no_grad")
F64 = torch.float64


def test_snapshot_and_state_dict_continue_bit_for_bit():
    def fresh():
        return made(replace(NOISY, retention=Fading(tau=0.05)), ship.PairSTDP(w_min=-1.0), weight=0.5, chips=2)

    x = spikes(80)
    net = fresh()
    net.program()
    net.run(x[:, :40])
    snapshot, stored = net.snapshot(), {k: v.clone() for k, v in net.state_dict().items()}
    out = net.run(x[:, 40:], reset=False)
    back = fresh()  # as made: its buffers still have other shapes
    back.restore(snapshot)
    assert torch.equal(back.run(x[:, 40:], reset=False), out)
    for a, b in zip(everything(net), everything(back), strict=True):
        assert torch.equal(a, b)
    loaded = fresh()
    loaded.load_state_dict(stored)
    assert torch.equal(loaded["syn"].hardware.weight(torch.zeros(())), snapshot.tensors["run/syn/weight"])
    net.load_state_dict(stored)  # and back to before the second run
    assert torch.equal(array(net).conductance(), array(loaded).conductance())
    with pytest.raises(RuntimeError, match="size mismatch"):
        fresh().load_state_dict(stored | {"groups.syn.hardware.array.age": torch.zeros(2, 1, 2, 7, 3)})


def test_a_run_needs_programmed_devices():
    net = made()
    for prepare in (lambda: None, lambda: net.sample_devices(), lambda: (net.program(), net.use_weights())):
        prepare()
        with pytest.raises(ship.RunError, match=r"learns by pulses, so its devices must be programmed.*net\.program\('syn'\)"):
            net.run(spikes(3))
    net.program()
    with pytest.raises(ship.RunError, match="cannot set devices back"):
        net.run(spikes(3), reset_persistent=True)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"mapping": ship.BitSliced()}, "cannot learn by pulses"),
        ({"mapping": ship.Offset(), "learning": ship.Pulsing(how="up")}, "needs a pair"),
        ({"learning": 3}, r"must be ship\.Pulsing"),
        ({"rule": ship.PairSTDP(per_sample=True)}, "must not be per_sample"),
        ({"connect": ship.InDegree(1), "learning": ship.Pulsing(bias="V/2")}, "needs all pairs"),
        ({"device": None, "mapping": None, "learning": ship.Pulsing()}, "needs devices to pulse"),
    ],
)
def test_what_cannot_learn_is_refused_when_it_is_added(change, match):
    net = ship.Network()
    given = {"device": HARD, "mapping": None, "rule": ship.PairSTDP()} | change
    with pytest.raises(ship.GraphError, match=match):
        net.add(ship.ExpSynapse, "syn", source="in", target="out", **given)


@pytest.mark.parametrize(
    "given", [{"step": 0.0}, {"step": float("nan")}, {"rounding": "up"}, {"how": "minus"}, {"most": 0}, {"bias": "V/4"}]
)
def test_settings_are_checked(given):
    with pytest.raises(ship.ParameterError, match=f"Pulsing.{next(iter(given))}: must be"):
        ship.Pulsing(**given)


def test_a_pulse_that_moves_nothing_says_so():
    net = made(ship.Device(update=Bounded(v_th=2.0)))
    net.program()
    with pytest.raises(ship.RunError, match="does not move the nominal device"):
        net.run(torch.ones(1, 2, 2, dtype=F64))


def test_refresh_is_checked():
    net = made(mapping=ship.Offset(w_max=1.0))
    with pytest.raises(ship.RunError, match="must be programmed"):
        net.refresh("syn")
    net.program()
    with pytest.raises(ship.GraphError, match="needs differential pairs"):
        net.refresh("syn")
    net = made()
    net.program()
    with pytest.raises(ship.RunError, match="between 0 and 1"):
        net.refresh("syn", above=1.5)
