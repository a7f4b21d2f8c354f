"""Snapshots and files: what belongs to them, what they must fit, and what they restore."""

from __future__ import annotations

import pytest
import torch

import ship
from kept_networks import one
from ship import train
from synapses import Drift

F64 = torch.float64
pytestmark = pytest.mark.filterwarnings("ignore:.*the target would")


@pytest.mark.parametrize("chips", [None, 2])
@pytest.mark.parametrize("written", [False, True])
def test_checkpoints_of_devices_that_drift(tmp_path, chips, written):
    """No two tensors of the state share memory, as the file's format wants it."""
    made = [one(given=ship.devices.pcm(), chips=chips, dtype=torch.float32) for _ in range(2)]
    trainers = [train.Trainer(net, lr=0.01) for net in made]
    if written:
        made[0].program()
    trainers[0].save(tmp_path / "t.ship")
    trainers[1].resume(tmp_path / "t.ship")
    theirs = made[1].state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in made[0].state_dict().items())


def test_a_snapshot_needs_the_settings_that_it_was_taken_with():
    net = one()
    net.run(torch.ones(1, 3, 4))
    kept = net.snapshot()
    for options, text in (
        ({"seed": 4}, "seed=3; got seed=4"),
        ({"dt": 2e-3, "seed": 3}, "dt=0.001; got dt=0.002"),
        ({"seed": 3, "dtype": torch.float32}, "dtype=float64; got dtype=float32"),
    ):
        net.init(**({"dtype": F64} | options))
        with pytest.raises(ship.RunError, match=f"snapshot: needs net.init with {text}"):
            net.restore(kept)
    net.init(seed=3, dtype=F64, engine="reference")  # the engine does not count
    net.restore(kept)


def test_a_snapshot_that_does_not_fit_changes_nothing():
    net, other = one(), one(mapping=ship.Differential(pairs=2))
    other.program()
    before = net.snapshot()
    with pytest.raises(ship.RunError, match="does not belong to this network"):
        net.restore(other.snapshot())
    assert all(torch.equal(value, before.tensors[name]) for name, value in net.snapshot().tensors.items())


def test_a_snapshot_keeps_the_trial_also_after_a_reset():
    """The default of `run` is the last trial: its noise is that of the original."""
    net = ship.Network()
    net.add(ship.NoisyLIF, "a", n=3, sigma=1.0, output=True)
    net.init()
    net.monitor("a", "v")
    net.run(steps=5, trial=4)
    net.reset()
    kept = net.snapshot()
    net.run(steps=5)
    expected = net.records["a"].v
    net.run(steps=5, trial=1)
    net.restore(kept)
    net.run(steps=5)
    assert torch.equal(net.records["a"].v, expected)
    net.run(steps=5, trial=1)
    assert not torch.equal(net.records["a"].v, expected)


def test_a_dead_time_is_restored_where_it_was_taken_away_meanwhile():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "a", n=1, t_ref=5e-3, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target="a", weight=2.0)
    net.init()
    net.run(torch.ones(1, 2, 1))
    kept = net.snapshot()
    expected = net.run(torch.ones(1, 6, 1), reset=False)
    net["a"].t_ref.zero_()
    net.run(torch.ones(1, 2, 1))
    net.restore(kept)
    assert torch.equal(net.run(torch.ones(1, 6, 1), reset=False), expected)
    assert expected.sum() < 6


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_dead_times_may_come_and_go_between_two_pieces_of_a_run(engine):
    """One spike in 1 + t_ref / dt slots, from the piece on in which t_ref is another."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "a", n=1, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target="a", weight=2.0)
    net.init(engine=engine)
    told = []
    for t_ref in (0.0, 2e-3, 0.0):
        net["a"].t_ref.fill_(t_ref)
        net.restore(net.snapshot())  # in between a state may still be as it was before the change
        told.append(net.run(torch.ones(1, 6, 1), reset=False).flatten().tolist())
    assert told == [[1.0] * 6, [1.0, 0.0, 0.0] * 2, [1.0] * 6]


def test_a_state_from_inference_mode_can_be_trained_on():
    net = one()
    with torch.inference_mode():
        net.run(torch.ones(1, 3, 4))
    net.run(torch.ones(1, 3, 4), reset=False).sum().backward()
    assert net["s"].weight.grad is not None


@pytest.mark.parametrize("engine", ["reference", "fused", "auto"])
def test_a_file_knows_the_engine(tmp_path, engine):
    net = one(engine=engine)
    ship.save(net, tmp_path / "n.ship")
    again = ship.load(tmp_path / "n.ship", models=[Drift])
    assert again.explain() == net.explain()
    assert "PyTorch, slot by slot" in ship.load(tmp_path / "n.ship", models=[Drift], engine="reference").explain()


def test_tuning_does_not_age_devices():
    net = one(chips=2)
    net.program()
    before = net.snapshot()
    net.tune(torch.ones(1, 50, 4))
    assert all(torch.equal(value, before.tensors[name]) for name, value in net.snapshot().tensors.items())


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_a_rule_whose_source_has_several_delays_continues_from_a_file(tmp_path, engine):
    """There a trace of arrivals belongs to each connection, [pre, post], from the first slot on."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "out", n=2, output=True)
    delay = torch.arange(6.0).reshape(3, 2) * 1e-3
    net.add(ship.ExpSynapse, "s", source="in", target="out", weight=0.9, delay=delay, rule=ship.PairSTDP())
    net.init(dt=1e-3, engine=engine)
    x = (torch.rand(2, 60, 3, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    net.run(x)
    whole = net["s"].plastic_weight.clone()
    net.run(x[:, :25], reset_persistent=True)
    ship.save(net, tmp_path / "net.ship", running=True)
    again = ship.load(tmp_path / "net.ship")
    again.run(x[:, 25:], reset=False)
    assert torch.allclose(again["s"].plastic_weight, whole)
