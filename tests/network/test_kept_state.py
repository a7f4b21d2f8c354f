"""What belongs to the state of a network, with values by hand: devices and how they run, what was wanted of them, float types,
files, and what `init` keeps.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import pytest
import torch

import ship
from ship import train
from synapses import HIGH, LOW, Drift, device, network

F64 = torch.float64
NU = 0.1  # of `Drift`: g (1 + t)^-nu
pytestmark = pytest.mark.filterwarnings("ignore:.*the target would")
FADES = device(retention=Drift(nu=NU))
LEFT = 1e6  # s


@dataclass(frozen=True)
class Short(Drift):
    """A law that ends."""

    def valid(self, where, g, age):
        if float(age.max()) > 10:
            raise ship.ParameterError(where, "is measured up to 10 s")


def one(weight=None, *, given=None, chips=None, dtype=F64, engine="auto", **more):
    """An input of 4 units, a synapse on devices, an integrator of 3."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    net.add(ship.LeakyIntegrator, "out", n=3, output=True)
    weight = torch.linspace(-1.0, 1.0, 12).reshape(4, 3) if weight is None else weight
    net.add(ship.ExpSynapse, "s", source="in", target="out", weight=weight, device=given or FADES, **more)
    net.init(seed=3, chips=chips, dtype=dtype, engine=engine)
    return net


def copies(net, tmp_path):
    """The network in each way to keep it."""
    ship.save(net, tmp_path / "n.ship")
    loaded = ship.load(tmp_path / "n.ship", models=[Drift])
    restored, filled = ship.Network(), ship.Network()
    for made in (restored, filled):  # the same groups and settings, as `init` makes them
        made._specs = dict(net._specs)
        made.init(**net._settings)
    restored.restore(net.snapshot())
    filled.load_state_dict(net.state_dict())
    return {"deepcopy": copy.deepcopy(net), "file": loaded, "snapshot": restored, "state_dict": filled}


# -- devices of a trial --------------------------------------------------------------------------------------------------------


def test_a_network_that_ran_on_sampled_devices_can_be_kept_in_every_way(tmp_path):
    """Its state is what it was before: the devices of a trial are drawn again, not kept."""
    net = one()
    names, before = set(net.state_dict()), net.snapshot()
    net.sample_devices()
    net.run(torch.ones(1, 3, 4))
    assert set(net.state_dict()) == names
    for way, other in copies(net, tmp_path).items():
        assert other["s"].hardware.mode == "sampled", way
        assert torch.equal(other.run(torch.ones(1, 5, 4)), net.run(torch.ones(1, 5, 4))), way
    net.use_weights()
    ship.save(net, tmp_path / "n.ship")
    assert ship.load(tmp_path / "n.ship", models=[Drift])["s"].hardware.mode == "weights"
    net.restore(before)
    assert net["s"].hardware.mode == "weights"


def test_how_long_sampled_devices_are_left_alone_is_kept(tmp_path):
    """Both devices of a pair lose the share ``1 - (1 + t)^-nu``, so the weights do, too."""
    net = one()
    net.sample_devices(drift=LEFT)
    expected = net["s"].model_weight() * (1 + LEFT) ** -NU
    for way, other in copies(net, tmp_path).items():
        torch.testing.assert_close(other["s"].value("weight"), expected.expand(1, 1, 4, 3), rtol=1e-12, atol=1e-12, msg=way)


def test_so_is_their_temperature(tmp_path):
    warm = replace(FADES, thermal=ship.devices.Arrhenius(e_a=0.5))
    net, cold = one(given=warm), one(given=warm)
    net.sample_devices(drift=LEFT, kelvin=350.0)
    cold.sample_devices(drift=LEFT)
    assert not torch.allclose(net["s"].value("weight"), cold["s"].value("weight"), rtol=1e-3)
    ship.save(net, tmp_path / "n.ship")
    assert torch.equal(ship.load(tmp_path / "n.ship", models=[Drift])["s"].value("weight"), net["s"].value("weight"))


def test_a_temperature_that_devices_do_not_feel_is_refused_at_once():
    net = one()
    for kelvin in (350.0, 0.0, "warm"):
        with pytest.raises(ship.RunError, match="kelvin: needs a device with a thermal part"):
            net.sample_devices(drift=1.0, kelvin=kelvin)
    assert net["s"].hardware.mode == "weights"


def test_a_run_on_sampled_devices_leaves_no_graph_behind():
    """With read noise, too: a network can be copied after each step of training."""
    net = one(given=replace(FADES, noise=ship.devices.RelativeNoise(sigma=0.05)))
    net.sample_devices()
    net.run(torch.ones(1, 3, 4)).sum().backward()
    assert torch.equal(copy.deepcopy(net).run(torch.ones(1, 3, 4)), net.run(torch.ones(1, 3, 4)))


def test_a_wait_that_one_group_refuses_ages_none():
    net = network(FADES)
    net.set("r", device=device(retention=Short()))
    net.init(seed=3, dtype=F64)
    net.program()
    with pytest.raises(ship.ParameterError, match=r"'r'\.device\.retention: is measured up to 10 s"):
        net.wait(11.0)
    assert float(net["a"].hardware.array.age.max()) == 0.0


# -- what was wanted of devices ------------------------------------------------------------------------------------------------


def test_programmed_targets_are_kept(tmp_path):
    """Devices that lost nothing have columns of gain 1, whatever else was written to them in between."""
    net = one(given=device())
    other = torch.linspace(1.0, -0.3, 12).reshape(4, 3)
    net.program(weights={"s": other})
    kept = net.snapshot()
    everywhere = copies(net, tmp_path)
    net.program()
    net.restore(kept)
    for way, made in (everywhere | {"restored": net}).items():
        gains = made.calibrate()["s"]
        torch.testing.assert_close(gains, torch.ones_like(gains), rtol=1e-9, atol=0.0, msg=way)  # rounding of sums
        found = made.repair(tolerance=0.01)["s"]
        assert float(found.faulty) == 0.0, way
        assert float(found.before) < 1e-9, way


def test_targets_that_a_repair_changed_are_kept():
    """A repaired network is asked again: with its targets nothing is to do, without them all that was moved looks faulty."""
    stuck = device(faults=ship.devices.Stuck(high=0.3))
    net = one(given=stuck, chips=2)
    net.program()
    first = net.repair(tolerance=0.02)["s"]
    assert float(first.rewritten.max()) > 0
    made = one(given=stuck, chips=2)
    made.restore(net.snapshot())
    again, expected = made.repair(tolerance=0.02)["s"], net.repair(tolerance=0.02)["s"]
    for a, b in zip(again, expected, strict=True):
        assert torch.equal(a, b)


def test_an_adopted_chip_has_no_known_targets(tmp_path):
    """Also not those of what was written before: it is calibrated by the model's weights."""
    net = one(given=device())
    net.program(weights={"s": 0.5 * net["s"].model_weight().detach()})
    u = net["s"].model_weight().detach()
    g = [LOW + u.clamp(min=0) * (HIGH - LOW), LOW + (-u).clamp(min=0) * (HIGH - LOW)]
    net.adopt("s", *g)
    for made in (net, *copies(net, tmp_path).values()):
        gains = made.calibrate()["s"]
        torch.testing.assert_close(gains, torch.ones_like(gains), rtol=1e-9, atol=0.0)


# -- float types -----------------------------------------------------------------------------------------------------------------

EXACT = ("age", "full", "drift_", "kelvin_")  # float64 whatever the network's float type


@pytest.mark.parametrize("engine", ["fused", "reference"])
@pytest.mark.parametrize("verify", [None, ship.WriteVerify(1e-3, by="train")])
def test_a_change_of_the_float_type_takes_all_along(engine, verify):
    net = one(dtype=torch.float32, engine=engine, chips=2)
    net.program()
    net.run(torch.ones(1, 3, 4))
    for cast, kind in ((net.double, F64), (net.float, torch.float32), (lambda: net.to(F64), F64)):
        cast()
        net.run(torch.ones(1, 2, 4), reset=False)
        net.program(verify=verify)
        net.repair()
        net.run(torch.ones(1, 3, 4))
        net.sample_devices(drift=1.0)
        net.run(torch.ones(1, 3, 4))
        for name, value in net.snapshot().tensors.items():
            if value.is_floating_point():
                assert value.dtype == (F64 if name.endswith(EXACT) else kind), name


def test_devices_compute_in_the_new_float_type():
    """One part in 10^12 of the weights is seen in float64, and in nothing less. The window is exact in both types."""
    net = one(given=ship.Device(g_min=2.0**-20, g_max=2.0**-13), dtype=torch.float32)
    net.double()
    net.program()
    torch.testing.assert_close(net["s"].value("weight"), net["s"].model_weight().expand(1, 1, 4, 3), rtol=1e-12, atol=1e-12)


def test_ages_keep_their_seconds():
    """A slot beside a year: in float32 its millisecond would be lost."""
    net = one()
    net.program()
    net.wait(3e7)
    net.float()
    net.wait(1e-3)
    assert float(net["s"].hardware.array.age.max()) == 3e7 + 1e-3


@pytest.mark.parametrize("part", [lambda net: net["out"], lambda net: net.groups])
def test_a_part_of_a_network_is_not_moved_alone(part):
    net = one(dtype=torch.float32)
    expected = net.run(torch.ones(1, 3, 4))
    part(net).double()
    with pytest.raises(ship.RunError, match=r"must have the network's float type, torch\.float32; got torch\.float64 of"):
        net.run(torch.ones(1, 3, 4))
    net.float()
    assert torch.equal(net.run(torch.ones(1, 3, 4)), expected)


def test_an_array_alone_moves_as_well():
    array = ship.DeviceArray(FADES, 5, dtype=torch.float32).double()
    array.write(torch.full((5,), 50e-6), verify=ship.WriteVerify(by="train"))
    assert array.conductance().dtype == array.dtype == F64
    with pytest.raises(ship.RunError, match=r"computes in float32 or float64; got torch\.float16"):
        array.half()


def test_an_optimiser_of_pulses_goes_on_after_the_float_type_changed():
    net = one(dtype=torch.float32)
    net.program()
    optimizer = train.PulseOptimizer(net, 0.1)
    net.double()
    net.run(torch.ones(1, 5, 4)).sum().backward()
    before = net.read("s")
    optimizer.step()
    assert net["s"].hardware.probe.grad.dtype == F64
    assert not torch.equal(net.read("s"), before)


# -- snapshots and files ---------------------------------------------------------------------------------------------------------


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


# -- init again ------------------------------------------------------------------------------------------------------------------


def trained():
    net = one(given=device())
    with torch.no_grad():
        net["s"].weight.mul_(0.5)
    return net


def test_init_says_what_it_draws_anew():
    net = trained()
    with pytest.warns(UserWarning, match=r"draws anew what had changed .*: 's': weight\. Give keep=True to go on"):
        net.init(seed=3, dtype=F64)
    net.set("out", tau=5e-3)
    net.init(seed=3, dtype=F64)  # nothing had changed
    trained().init(seed=4)  # another seed is another network
    trained().init(seed=3, keep=False)


@pytest.mark.parametrize("change", [None, "tau", "n"])
def test_init_keeps_what_was_trained(change):
    net = trained()
    weight = net["s"].weight.detach().clone()
    if change == "tau":
        net.set("s", tau=7e-3)
    if change == "n":
        net.add(ship.LIF, "more", n=2)
    net.init(seed=3, dtype=F64, keep=True)
    assert torch.equal(net["s"].weight, weight)
    assert float(net["s"].tau) == (7e-3 if change == "tau" else 5e-3)


def test_what_is_given_anew_is_not_kept():
    net = trained()
    net.set("s", weight=0.25)
    net.init(seed=3, dtype=F64, keep=True)
    assert bool((net["s"].weight == 0.25).all())


def test_what_cannot_be_kept_is_named():
    net = trained()
    net.program()
    net.set("in", n=5)
    net.set("s", weight=0.5)
    net.init(seed=3, dtype=F64, keep=False)
    with torch.no_grad():
        net["s"].weight.mul_(0.5)
    net.program()
    net.set("in", n=4)
    with pytest.warns(
        UserWarning, match="cannot be kept, because shapes, edges or dies are others, .*: 's': weight; 's': devices"
    ):
        net.init(seed=3, dtype=F64, keep=True)


def test_trained_values_go_to_new_dies():
    """Nominal values are kept; the deviates are those that the new dies have anyway."""
    net, other = (one(ship.Varied(ship.Normal(0.4, 0.2), d2d=0.1), given=device()) for _ in range(2))
    with torch.no_grad():
        net["s"].weight.mul_(0.5)
    for each, keep in ((net, True), (other, False)):
        each.init(seed=3, dtype=F64, chips=[4, 2], keep=keep)
    assert torch.equal(net["s"].weight, 0.5 * other["s"].weight)
    assert torch.equal(getattr(net["s"], "weight/deviate"), getattr(other["s"], "weight/deviate"))


def test_weights_of_other_edges_are_not_kept():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    net.add(ship.LIF, "a", n=4, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target="a", connect=torch.eye(4), weight=ship.Uniform(0.0, 1.0))
    net.init()
    with torch.no_grad():
        net["s"].weight.fill_(0.5)
    net.set("s", connect=torch.eye(4).flip(0))
    with pytest.warns(UserWarning, match="edges or dies are others, and starts as drawn: 's': weight"):
        net.init(keep=True)
    assert not bool((net["s"].weight == 0.5).any())


def test_devices_are_kept_by_the_same_dies_alone():
    net = one(chips=2)
    net.program()
    net.wait(1e3)
    acts = net["s"].value("weight").clone()
    with pytest.warns(UserWarning, match="'s': devices"):
        net.init(seed=3, dtype=F64, chips=2)
    net.program()
    net.wait(1e3)
    net.set("out", tau=5e-3)
    net.init(seed=3, dtype=F64, chips=2, keep=True)
    assert torch.equal(net["s"].value("weight"), acts)
    with pytest.warns(UserWarning, match="'s': devices"):
        net.init(seed=3, dtype=F64, chips=[0, 5], keep=True)


def test_a_weight_that_a_rule_has_changed_is_kept():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "a", n=2, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target="a", weight=0.9, rule=ship.PairSTDP(a_plus=0.1))
    net.init()
    net.run(torch.ones(1, 20, 2))
    learnt = net["s"].plastic_weight.clone()
    assert not torch.equal(learnt, torch.full_like(learnt, 0.9))
    with pytest.warns(UserWarning, match="'s': plastic_weight"):
        copy.deepcopy(net).init()
    net.set("a", tau=5e-3)
    net.init(dt=0.5e-3, keep=True)
    assert torch.equal(net["s"].plastic_weight, learnt)
