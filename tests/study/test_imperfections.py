"""Chips with chosen imperfections: each must be what its definition says, by a closed form or by the device law of that name."""

import math

import pytest
import torch

import ship
from ship.base.parameters import Normal
from ship.crossbar import Crossbar, matrix
from ship.devices import ConstantStep, NonlinearPulses
from ship.devices.array.array import DeviceArray
from ship.models import LIF, ExpSynapse, SpikeInput
from ship.study import Imperfections, imperfect, virtual_chips, weight_error
from ship.study.sheet.imperfections import mismatched, moved, shuffled
from ship.study.sheet.marks import Bench, mark

G_MAX = 50e-6
CHIPS = 6


@pytest.fixture(scope="module")
def net():
    """Two layers with 3200 weights, of which the largest of each layer sets its scale."""
    made = ship.Network()
    made.add(SpikeInput, "in", n=40)
    made.add(LIF, "hid", n=60, tau=20e-3, v_th=-0.05, v_rest=-0.07, v_reset=-0.07)
    made.add(LIF, "out", n=10, tau=10e-3, output=True)
    made.add(ExpSynapse, "a", source="in", target="hid", tau=5e-3, weight=Normal(0.0, 0.1))
    made.add(ExpSynapse, "b", source="hid", target="out", tau=5e-3, weight=Normal(0.0, 0.2))
    made.init(dt=1e-3, seed=3)
    return made


def chips(net, seed=0, n=CHIPS, **values):
    return imperfect(net, n, Imperfections(**values), g_max=G_MAX, seed=seed)


def acts(made, tag="a"):
    """The weights that the devices act as, as fractions of full scale, and those wanted: [chip, pre, post], [pre, post]."""
    hardware = made[tag].hardware
    wanted = hardware.wanted
    full = wanted.abs().max()
    return hardware.weight(wanted).detach().squeeze(1) / full, wanted / full


def rms(values):
    return float(values.double().square().mean().sqrt())


def test_none_is_the_network_itself(net):
    got, wanted = acts(chips(net, n=2))
    assert torch.allclose(got, wanted.expand_as(got), atol=1e-6)
    assert float(weight_error(chips(net, n=2)).max()) < 1e-6


def test_scatter_is_that_of_two_devices(net):
    """w = (G+ - G-) / span. One device of a pair is at 0 S, and no write ends below: half of its errors are lost, so that the
    mean square is that of one device and a half.
    """
    got, wanted = acts(chips(net, scatter=0.02, n=12))
    assert rms((got - wanted)[:, wanted.abs() > 0.1]) == pytest.approx(0.02 * math.sqrt(1.5), rel=0.03)


def test_spread_is_in_proportion_to_the_range(net):
    """G = range u: the error of w is ``sigma |w|``."""
    got, wanted = acts(chips(net, spread=0.1, n=12))
    assert rms(got - wanted) == pytest.approx(0.1 * rms(wanted), rel=0.03)


def test_drift_takes_a_fraction(net):
    got, wanted = acts(chips(net, drift=0.3, n=1))
    assert torch.allclose(got[0], 0.7 * wanted, atol=1e-6)


@pytest.mark.parametrize("steps", [2, 5, 16])
def test_levels_are_those_of_a_device(net, steps):
    got, wanted = acts(chips(net, levels=steps, n=1))
    assert torch.allclose(got[0], (wanted * (steps - 1)).round() / (steps - 1), atol=1e-5)


@pytest.mark.parametrize(("name", "at"), [("stuck_low", 0.0), ("stuck_high", 1.0)])
def test_stuck_devices(net, name, at):
    """The fraction that is stuck, and where: u = 0 or 1, whatever was written (also where nothing was, at 0 S)."""
    made = chips(net, n=20, **{name: 0.1})
    hardware = made["a"].hardware
    i, v, _ = hardware.reads()
    u = (i / v / G_MAX).squeeze(1)
    goal = (hardware.goal(hardware.wanted).squeeze(1) / G_MAX).expand_as(u)
    moved_ = (u - goal).abs() > 1e-5
    there = (goal - at).abs() < 1e-5
    assert torch.allclose(u[moved_], torch.full_like(u[moved_], at), atol=1e-5)
    assert float(moved_.sum() / (~there).sum()) == pytest.approx(0.1, abs=0.004)


def test_read_noise_has_its_width_also_where_nothing_flows(net):
    """Two devices are read: the standard deviation of a weight is sqrt(2) sigma of full scale, also with one of them at 0 S."""
    error = float(weight_error(chips(net, read_noise=0.05, n=1)).square().mean().sqrt())
    assert error == pytest.approx(math.sqrt(2) * 0.05, rel=1e-4)


def test_on_off_ratio_costs_a_pair_nothing(net):
    made = chips(net, on_off=2.0, n=1)
    assert made["a"].hardware.view.low == pytest.approx(G_MAX / 2)
    assert float(weight_error(made)) < 1e-6


def test_mismatch_is_a_fraction_of_the_distance_from_rest(net):
    made = chips(net, mismatch=0.1, n=40)
    threshold = made["hid"].value("v_th")
    assert float(threshold.std()) == pytest.approx(0.1 * 0.02, rel=0.05)
    assert float(made["out"].value("tau").std()) == pytest.approx(0.1 * 10e-3, rel=0.1)
    assert {spread.names[0] for spread in mismatched(net, 0.1)} == {"v_th", "tau"}


def test_lines_are_those_of_a_crossbar(net):
    made = chips(net, line=20.0, n=1)
    hardware = made["a"].hardware
    goal = hardware.goal(hardware.wanted).squeeze()
    seen = matrix(goal, Crossbar(r_row=20.0, r_col=20.0)).matrix
    got, _ = acts(made)
    assert torch.allclose(got[0], ((seen[0] - seen[1]) / G_MAX).to(got), atol=1e-5)


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_nonlinearity_is_the_law_of_neurosim(share):
    """Written by counts of a straight device: the library's law, and the largest distance from the line is the value."""
    u = torch.linspace(0, 1, 501, dtype=torch.float64)
    law = NonlinearPulses(nl_up=share / 0.098993, pulses_up=1000.0)
    array = DeviceArray(ship.Device(g_min=0.0, g_max=1e-4, update=law), len(u), dtype=torch.float64)
    array.write(torch.zeros_like(u))
    array.pulse(1.0, count=1000 * u)
    got = moved(u, Imperfections(nonlinearity=share))
    assert torch.allclose(got, array.conductance() / 1e-4, atol=1e-9)
    assert float((got - u).max()) == pytest.approx(share, abs=1e-4)


def test_asymmetry_is_that_of_a_resistive_processing_unit():
    """From one state to another by counts for equal steps: the library's constant steps ``s (1 + b)`` and ``s (1 - b)``."""
    generator = torch.Generator().manual_seed(0)
    before, goal = torch.rand(2, 400, generator=generator, dtype=torch.float64)
    b, step = 0.2, 1e-3
    law = ConstantStep(step=step, asymmetry=b)
    array = DeviceArray(ship.Device(g_min=0.0, g_max=1e-4, update=law), len(goal), dtype=torch.float64)
    array.write(1e-4 * before)
    count = (goal - before) / (step * (1 + b))
    array.pulse(torch.where(count > 0, 1.0, -1.0), count=count.abs())
    got = moved(goal, Imperfections(asymmetry=b), before)
    assert torch.allclose(got, array.conductance() / 1e-4, atol=1e-9)
    assert bool((got[goal < before] > goal[goal < before]).all())


def test_a_die_is_the_same_whatever_is_beside_it(net):
    """Equal dies have equal draws for any number of chips: the states before, too."""
    for values in ({"asymmetry": 0.3}, {"scatter": 0.05}, {"spread": 0.1}):
        few, many = acts(chips(net, n=2, **values))[0], acts(chips(net, n=5, **values))[0]
        assert torch.equal(few, many[:2])
        assert not torch.equal(many[0], many[1])


def test_states_before_are_those_of_other_connections():
    u = torch.rand(1, 1, 2, 5, 7).expand(3, 1, 2, 5, 7)
    made = shuffled(u, 1, torch.arange(3), 2)
    assert torch.equal(made.flatten(-2).sort(-1).values[0], u.flatten(-2).sort(-1).values[0])
    pairs = {tuple(pair) for pair in u[0, 0].flatten(-2).T.tolist()}
    assert {tuple(pair) for pair in made[2, 0].flatten(-2).T.tolist()} == pairs
    assert not torch.equal(made[0], made[1])


def test_a_crossbar_for_all_groups_with_devices(net):
    made = virtual_chips(net, 2, device=ship.Device(), crossbar=Crossbar(r_row=1.0))
    assert made.specs["a"].crossbar.r_row == 1.0
    assert made.specs["b"].crossbar.r_row == 1.0


class TestMarks:
    """The place of a device on an axis: where the device is one of the axis, it must be at its own value."""

    @pytest.mark.parametrize(
        ("name", "value"),
        [("spread", 0.1), ("drift", 0.2), ("read_noise", 0.03), ("asymmetry", 0.3), ("nonlinearity", 0.1), ("stuck_low", 0.02)],
    )
    def test_own_value(self, net, name, value):
        device = Imperfections(**{name: value}).device(G_MAX)
        found = mark(name, Bench(net, device, G_MAX, 0, 1.0))
        assert found.value == pytest.approx(value, rel=0.05 if name in ("spread", "asymmetry") else 0.02)
        assert found.status == "assumed"
        assert "as the device was made" in found.text

    def test_scatter(self, net):
        device = ship.Device(g_min=1e-6, g_max=G_MAX, programming=ship.devices.GaussianProgramming(sigma=0.04 * (G_MAX - 1e-6)))
        assert mark("scatter", Bench(net, device, G_MAX, 0, 1.0)).value == pytest.approx(0.04, rel=0.1)

    def test_counts_of_pulses_are_levels(self, net):
        """A straight device of P pulses from end to end has P + 1 levels."""
        device = ship.Device(g_min=0.0, g_max=G_MAX, update=ConstantStep(step=1 / 20))
        assert mark("levels", Bench(net, device, G_MAX, 0, 1.0)).value == pytest.approx(21, rel=0.15)

    def test_what_was_not_measured_has_no_value(self, net):
        device = ship.devices.gong_2018()
        bench = Bench(net, device, 100e-6, 0, 86400.0)
        for name in ("spread", "drift", "stuck_low", "stuck_high"):
            found = mark(name, bench)
            assert found.status == "missing"
            assert math.isnan(found.value)
        assert mark("read_noise", bench).value == pytest.approx(0.095, rel=1e-3)
        assert mark("nonlinearity", bench).value == pytest.approx(0.098993 * 1.18, rel=0.02)
        assert mark("on_off", bench).value == pytest.approx(100)
        assert mark("on_off", bench).status == "assumed"
        assert mark("line", bench).status == mark("mismatch", bench).status == "none"

    def test_a_law_that_ends_before_the_wait_is_read_at_its_end(self, net):
        device = ship.devices.hfo2_memory(levels=None)
        found = mark("drift", Bench(net, device, 100e-6, 0, 1e9))
        assert "up to where its law is valid" in found.text or "cannot be told" in found.text
