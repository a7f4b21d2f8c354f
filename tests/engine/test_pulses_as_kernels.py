"""Learning by pulses as a kernel equals the reference node: spikes, counts of pulses and events bit for bit, and so conductances
and weights where the law of the device has no function that kernels compute themselves (exp, expm1, log: to rounding).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

import ship
from ship.base.errors import RunError
from ship.base.parameters import Value, param
from ship.devices import Bounded, LogBounded
from ship.devices.contract import Pulse
from ship.devices.weights.pulsing import deliver
from ship.models.contract import Rule

F32, F64 = torch.float32, torch.float64
HARD = ship.Device(update=Bounded(alpha_p=0.01, alpha_d=0.02))
CNR = ship.devices.LogarithmicPulses(c_p=50.0, d_p=20.0, d_d=30.0)
SPREAD = ship.Varied(0.02, d2d=0.2, c2c=0.3)
DEVICES = {  # with the largest relative difference of a conductance, in float32
    "hard bounds": (HARD, 0.0),
    "soft bounds": (ship.Device(update=Bounded(alpha_p=0.01, alpha_d=0.02, gamma_p=1.0, gamma_d=1.0)), 2e-6),
    "noise, spread, c2c": (ship.Device(update=Bounded(alpha_p=SPREAD, alpha_d=SPREAD, noise=0.01)), 2e-6),
    "logarithm": (ship.Device(update=LogBounded(alpha_p=0.01, alpha_d=0.02, gamma_d=1.0)), 2e-6),
    "CNR": (ship.Device(g_min=1 / 6031.56, g_max=1 / 2681.56, update=CNR), 2e-6),
    "steps": (ship.Device(update=ship.devices.SoftBounds(step=0.01, noise=0.3, top=ship.Varied(0.9, d2d=0.05))), 2e-6),
    "steps, additive": (ship.Device(update=ship.devices.ConstantStep(step=0.01, noise=0.3, additive=True)), 2e-6),
    "steps, linear": (ship.Device(update=ship.devices.LinearStep(step=0.01, gamma_up=0.5, gamma_down=0.5)), 2e-6),
    "steps, measured": (ship.Device(update=ship.devices.SoftBoundsPmax()), 2e-6),
    "NeuroSim": (ship.Device(update=ship.devices.NonlinearPulses(nl_up=2.4, nl_down=4.88, noise=0.035)), 2e-6),
    "wear": (ship.Device(endurance=ship.devices.Wear(onset=1.0, rate=0.1)), 2e-6),
    "faults": (ship.Device(faults=ship.devices.Stuck(low=0.1, high=0.1, open=0.1)), 0.0),
    "slow read noise": (ship.Device(noise=ship.devices.FlickerNoise()), 0.0),
    "curve": (ship.Device(iv=ship.devices.SinhIV()), 0.0),
    "thresholds": (ship.Device(update=Bounded(v_th=ship.Varied(0.9, d2d=0.2))), 0.0),
}

pytestmark = [pytest.mark.usefixtures("no_grad")]


def both(device=HARD, *, n=(30, 9), chips=None, dtype=F32, rule=None, mapping=None, learning=None):
    """Return the network on the reference engine and on the other one, with programmed devices."""
    pytest.importorskip("numba")
    weight = torch.randint(-8, 9, n, generator=torch.Generator().manual_seed(1)) / 64 + 0.05
    nets = []
    for engine in ("reference", "fused"):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=n[0])
        net.add(ship.LIF, "out", n=n[1], output=True)
        net.add(
            ship.ExpSynapse,
            "syn",
            source="in",
            target="out",
            weight=weight,
            device=device,
            rule=rule or ship.PairSTDP(a_plus=0.01, a_minus=0.011, w_min=-0.3, w_max=0.3),
            mapping=mapping or ship.Differential(w_max=0.3),
            learning=learning,
        )
        net.init(dt=1e-3, seed=3, dtype=dtype, engine=engine, chips=chips)
        net.program()
        nets.append(net)
    return nets


def spikes(batch=1, steps=40, n=30, seed=0, dtype=F32):
    return (torch.rand(batch, steps, n, generator=torch.Generator().manual_seed(seed)) < 0.1).to(dtype)


def agree(nets, batch=1, tolerance=0.0, kernel=True):
    """Two engines through two runs: spikes, cycles, ages, events, conductances and weights."""
    dtype = nets[0]["syn"].hardware.array.dtype
    where = "kernel, one loop of 2 groups" if kernel else "PyTorch: "
    assert f"syn: {where}" in str(nets[1].explain())
    n = nets[0]["in"].n
    for options in ({}, {"reset": False}):
        outs = [net.run(spikes(batch, n=n, seed=len(options), dtype=dtype), **options) for net in nets]
        assert torch.equal(*outs)
        assert float(outs[0].sum()) > 3, "a test of learning needs spikes"
    arrays = [net["syn"].hardware.array for net in nets]
    assert float(arrays[0].cycles.sum()) > 100, "a test of learning needs pulses"
    for name in ("cycles", "age", "events"):
        assert torch.equal(*(getattr(array, name).expand(array.full_shape) for array in arrays)), name
    for values in ([array.conductance() for array in arrays], [net["syn"].plastic_weight for net in nets]):
        difference = (values[0] - values[1]).abs().max() / values[0].abs().max()
        assert float(difference) <= tolerance
        assert tolerance or torch.equal(*values)


@pytest.mark.parametrize("name", DEVICES)
def test_laws_and_parts_of_devices(name):
    device, tolerance = DEVICES[name]
    agree(both(device), tolerance=tolerance)


@pytest.mark.parametrize("name", ["hard bounds", "noise, spread, c2c", "faults"])
@pytest.mark.parametrize(("batch", "chips"), [(1, 3), (3, None), (2, 2)])
def test_chips_and_samples(name, batch, chips):
    device, tolerance = DEVICES[name]
    agree(both(device, chips=chips), batch, tolerance)


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize(
    "mapping", [ship.Offset(w_max=0.3), ship.Offset(w_max=0.3, levels=9), ship.Differential(w_max=0.3, pairs=2)]
)
def test_mappings(mapping, dtype):
    agree(both(mapping=mapping, dtype=dtype, chips=2))


@pytest.mark.parametrize(
    "learning",
    [
        ship.Pulsing(how="up"),
        ship.Pulsing(how="plus"),
        ship.Pulsing(rounding="nearest", step=0.002),
        ship.Pulsing(step=0.0005, most=3),
    ],
)
def test_settings_of_pulses(learning):
    agree(both(learning=learning, chips=2))


def test_mean_over_the_batch():
    agree(both(rule=ship.PairSTDP(a_plus=0.02, a_minus=0.02, w_min=-0.3, w_max=0.3, reduce="mean")), batch=3)


@dataclass(frozen=True)
class Drifting(Rule):
    """A rule that changes every weight in every slot."""

    amount: Value = param(1e-4, unit="V", gradient=False)

    def update(self, state, x, w, p, c):
        return torch.where(w > 0, -p.amount, p.amount) + x.pre * x.post * 0.01, state


def test_a_rule_that_changes_all_weights_in_every_slot():
    agree(both(rule=Drifting(w_min=-0.3, w_max=0.3)))


def test_more_connections_than_a_block_of_the_list():
    """300 source units and 200 targets: rows of two blocks, and lists of pulses that are delivered several times in a slot."""
    agree(both(n=(300, 200)))


def test_a_run_in_pieces_equals_the_run():
    whole, piece = (both()[1] for _ in range(2))
    x = spikes(steps=60)
    a = whole.run(x)
    b = torch.cat([piece.run(x[:, :17]), piece.run(x[:, 17:18], reset=False), piece.run(x[:, 18:], reset=False)], 1)
    assert torch.equal(a, b)
    arrays = [net["syn"].hardware.array for net in (whole, piece)]
    assert torch.equal(*(array.conductance() for array in arrays))
    assert torch.equal(*(array.events for array in arrays))
    assert whole["syn"].hardware.pulser.time == pytest.approx(0.06)


def test_a_die_learns_the_same_alone_and_among_others():
    """A die whose devices get no pulse in an event is left alone, also by wear that other dies show."""
    device = ship.Device(update=Bounded(alpha_p=ship.Varied(0.01, d2d=0.3)), endurance=ship.devices.Wear(onset=1.0, rate=0.2))
    for many, one in zip(both(device, chips=3), both(device, chips=[1]), strict=True):
        for net in (many, one):
            net.run(spikes())
        assert torch.equal(many["syn"].hardware.array.conductance()[1], one["syn"].hardware.array.conductance()[0])


@dataclass(frozen=True)
class Broken(Rule):
    """A rule whose change is no number after a spike of the target."""

    def update(self, state, x, w, p, c):
        return torch.where(x.post > 0, torch.full_like(w, torch.nan), x.pre * 0.01), state


def test_a_change_that_is_no_number_is_an_error_on_both_engines():
    for net in both(rule=Broken(w_min=-0.3, w_max=0.3)):
        with pytest.raises(RunError, match=r"learning: a change of weight must be finite"):
            net.run(spikes(steps=100))


POWER = ship.Device(update=Bounded(gamma_p=0.5))
RECORDED = ship.Device(update=Bounded(), noise=ship.devices.RelativeNoise())


@pytest.mark.parametrize(
    ("device", "learning", "why"),
    [
        (HARD, ship.Pulsing(bias="V/2"), "learns by pulses with a bias scheme"),
        (replace(HARD, retention=ship.devices.PowerDrift()), None, "learns by pulses on devices that change when they are left"),
        (POWER, None, "its devices: its control flow depends on the values of tensors"),
        (RECORDED, None, "its devices are read with noise in each slot"),
    ],
)
def test_what_stays_with_the_reference_node_says_why(device, learning, why):
    nets = both(device, n=(6, 4), learning=learning)
    assert f"syn: PyTorch: {why}" in str(nets[1].explain())


def test_lists_of_pulses_take_the_reference_node_for_that_run():
    nets = both()
    for net in nets:
        net.record_pulses("syn")
        net.run(spikes())
    first, second = (net.pulses("syn") for net in nets)
    assert torch.equal(first.event, second.event)
    assert torch.equal(first.number, second.number)


def test_work_is_in_proportion_to_pulses_on_the_reference_node_too():
    """A few pulses draw the numbers that they draw among many: an array pulsed device by device, and all at once."""
    device = ship.Device(update=Bounded(alpha_p=SPREAD, noise=0.02))
    few, all_of_them = (ship.DeviceArray(device, (2, 7, 5), chips=2, dtype=F64) for _ in range(2))
    n = torch.zeros(2, 1, 2, 7, 5, dtype=F64)
    n[0, 0, 1, 3, 2], n[1, 0, 0, 6, 4] = 3.0, 1.0
    own = few.values.of("")
    pulse = Pulse(own.v_set, own.t_write, n)
    deliver(few, pulse, None)
    all_of_them.pulse_(pulse)
    assert torch.equal(few.conductance(), all_of_them.conductance())
    assert torch.equal(few.cycles.expand(n.shape), all_of_them.cycles.expand(n.shape))
    assert int(few.events) == int(all_of_them.events) == 1
