"""Devices belong to the state of a network: sampled devices, programmed targets, and a change of the float type, by hand."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import pytest
import torch

import ship
from kept_networks import FADES, one
from ship import train
from synapses import HIGH, LOW, Drift, device, network

F64 = torch.float64
NU = 0.1  # of `Drift`: g (1 + t)^-nu
pytestmark = pytest.mark.filterwarnings("ignore:.*the target would")
LEFT = 1e6  # s


@dataclass(frozen=True)
class Short(Drift):
    """A law of drift that is valid up to 10 s only."""

    def valid(self, where, g, age):
        if float(age.max()) > 10:
            raise ship.ParameterError(where, "is measured up to 10 s")


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
    with pytest.raises(ship.ParameterError, match="kelvin: must be a number or None; got 'warm'"):
        net.sample_devices(drift=1.0, kelvin="warm")
    for kelvin in (350.0, 0.0):
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


EXACT = ("age", "cycles", "full", "drift_", "kelvin_")  # float64 whatever the network's float type


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
