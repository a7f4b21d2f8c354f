"""Synapses made of devices: mappings, programming, waiting, reading; what a network runs with."""

import itertools
import math

import numpy as np
import pytest
import torch

import ship
from ship.devices.weights.gain import view_of
from ship.devices.weights.synapse import FRESH
from synapses import HIGH, LOW, AllOpen, Drift, Noisy, Spread, device, network, spikes

MAPPINGS = {
    "pair": ship.Differential(),
    "two pairs": ship.Differential(pairs=2),
    "offset": ship.Offset(),
    "sliced": ship.BitSliced(slices=7, base=4),
}


class TestMapping:
    @pytest.mark.parametrize("name", MAPPINGS)
    def test_back_and_forth(self, name):
        """weight(targets(u)) = u: exactly but for rounding, or to half a step of the digits."""
        mapping = MAPPINGS[name]
        u = torch.linspace(-1, 1, 41, dtype=torch.float64)
        low, high = torch.tensor(LOW).double(), torch.tensor(HIGH).double()
        g = mapping.targets(u, low, high)
        assert len(g) == mapping.devices
        assert all(bool(((part >= low * (1 - 1e-12)) & (part <= high * (1 + 1e-12))).all()) for part in g)
        half = 0.5 / (4**7 - 1) if name == "sliced" else 0.0
        assert (mapping.weight(g, low, high) - u).abs().max() <= half + 1e-12

    @pytest.mark.parametrize("name", MAPPINGS)
    def test_signs_are_the_derivative(self, name):
        """`signs` is d u / d(G / span), by a finite difference (weights are linear in G)."""
        mapping = MAPPINGS[name]
        low, high = torch.tensor(0.0).double(), torch.tensor(1.0).double()
        g = [torch.tensor(0.3).double() for _ in range(mapping.devices)]
        for i, sign in enumerate(mapping.signs()):
            moved = [value + (0.1 if i == j else 0.0) for j, value in enumerate(g)]
            assert (mapping.weight(moved, low, high) - mapping.weight(g, low, high)) / 0.1 == pytest.approx(sign, rel=1e-9)

    def test_pair_by_hand(self):
        """A weight of half of full scale: one device in the middle of the window, its partner at the bottom."""
        plus, minus = ship.Differential().targets(torch.tensor([0.5, -1.0]), torch.tensor(LOW), torch.tensor(HIGH))
        assert torch.allclose(plus, torch.tensor([51e-6, LOW]), rtol=1e-6)
        assert torch.allclose(minus, torch.tensor([LOW, HIGH]), rtol=1e-6)

    def test_errors(self):
        with pytest.raises(ship.ParameterError, match=r"Differential\.levels: must be a whole number, at least 2; got 1"):
            ship.Differential(levels=1)
        with pytest.raises(ship.ParameterError, match="w_max and c_mem say the same thing"):
            ship.Offset(w_max=1.0, c_mem=1e-12)
        with pytest.raises(ship.ParameterError, match=r"BitSliced\.base: must be a whole number, at least 2; got 1"):
            ship.BitSliced(base=1)
        with pytest.raises(ship.ParameterError, match=r"w_max: must be a number above 0; got -1"):
            ship.Differential(w_max=-1)


class TestGain:
    def test_by_hand(self):
        """w_max = (g_max - g_min) v_read t_read / c_mem: 100 uS, 0.1 V, 100 ns, 1 pF give 1 V."""
        made = network(device(), ship.Differential(c_mem=1e-12))["a"].hardware.calibration(torch.zeros(6, 8))
        assert made.w_max == pytest.approx(1.0, rel=1e-9)
        assert made.current == pytest.approx(HIGH * 0.1, rel=1e-9)
        assert made.charge == pytest.approx(HIGH * 0.1 * 1e-7, rel=1e-9)

    def test_capacitor_follows_from_the_weight(self):
        weight = torch.full((6, 8), 0.25)
        made = network(device())["a"].hardware.calibration(weight)
        assert made.w_max == 0.25
        assert made.c_mem == pytest.approx(100e-6 * 0.1 * 1e-7 / 0.25, rel=1e-6)

    def test_clipped_share_is_said(self):
        net = network(device(), ship.Differential(w_max=0.5), weight=torch.full((6, 8), 0.6))
        assert "100.00% of the weights are clipped" in net.explain()
        net.program()
        assert torch.allclose(net["a"].value("weight"), torch.tensor(0.5).double(), rtol=1e-6)

    def test_starved_target_warns(self):
        net = network(device(), ship.Differential(w_max=0.1))
        with pytest.warns(UserWarning, match=r"ExpSynapse 'a': the target would starve: all inputs at once move it by at most"):
            net.program("a")

    def test_saturated_target_warns(self):
        net = network(device(), weight=torch.full((6, 8), 30.0))
        with pytest.warns(UserWarning, match="one spike moves it by up to 30 V, threshold is 1 V away"):
            net.program("a")


@pytest.mark.filterwarnings("ignore:.*the target would starve")
class TestNetwork:
    def test_ideal_devices_act_as_the_weights(self):
        """No spread, no rounding: the same spikes; the conductances come back to 1e-12 of full scale."""
        net = network(device())
        x, own = spikes(), network(device())["a"].model_weight()
        before = net.run(x)
        net.program()
        assert torch.allclose(net["a"].value("weight"), own, atol=1e-12)
        assert torch.allclose(net.run(x), before, atol=1e-9)
        assert before.abs().max() > 0

    @pytest.mark.parametrize("name", MAPPINGS)
    def test_engines_agree(self, name):
        nets = [network(device(programming=Spread()), MAPPINGS[name], chips=3, engine=e) for e in ("reference", "fused")]
        outs = []
        for net in nets:
            first = net.run(spikes())
            net.program()
            outs.append(net.run(spikes()))
            assert (first - outs[-1]).abs().max() > 1e-3
        assert torch.allclose(*outs, atol=1e-9)

    def test_levels(self):
        net = network(device(), ship.Differential(levels=5))
        net.program()
        w, full = net["a"].value("weight"), float(net["a"].hardware.full)
        assert torch.allclose(w * 4 / full, torch.round(w * 4 / full), atol=1e-6)
        assert len(torch.unique(torch.round(w * 4 / full))) > 2

    def test_chips_differ_and_a_die_alone_is_the_same(self):
        made = device(programming=Spread(sigma=ship.Varied(2e-6, d2d=0.3)))
        all_dies, alone = network(made, chips=4), network(made, chips=[2])
        for net in (all_dies, alone):
            net.program()
        w = all_dies["a"].value("weight")
        assert torch.equal(w[2], alone["a"].value("weight")[0])
        assert all(not torch.equal(w[i], w[j]) for i, j in itertools.combinations(range(4), 2))

    def test_drift_is_each_devices_own(self):
        """g(t) = g (1 + t)^-nu with each device's own nu, in one jump or in many."""
        made = device(retention=Drift(nu=ship.Varied(0.1, d2d=0.2)))
        net, steps = network(made, chips=2), network(made, chips=2)
        net.program()
        steps.program()
        start = net["a"].hardware.array.conductance()
        net.wait(999.0)
        for _ in range(999):
            steps.wait(1.0)
        nu = net["a"].hardware.array.value("retention.nu").squeeze(1)
        expected = start * 1000.0**-nu
        assert torch.allclose(net["a"].hardware.array.conductance(), expected, rtol=1e-9)
        assert torch.allclose(steps["a"].hardware.array.conductance(), expected, rtol=1e-9)  # ages add up exactly: whole seconds
        assert float(nu.std()) > 0.01

    def test_a_run_takes_time(self):
        net = network(device(retention=Drift()))
        net.program()
        net.run(spikes(batch=2))
        assert float(net["a"].hardware.array.get_buffer("age").max()) == pytest.approx(0.06, rel=1e-9)
        net.use_weights()
        net.run(spikes())
        assert float(net["a"].hardware.array.get_buffer("age").max()) == pytest.approx(0.06, rel=1e-9)

    def test_read_noise_is_drawn_for_each_trial(self):
        net = network(device(noise=Noisy()))
        net.program()
        x = spikes()
        a, again, other = net.run(x, trial=0), net.run(x, trial=0), net.run(x, trial=1)
        assert torch.equal(a, again)
        assert not torch.equal(a, other)
        seen = net.read("a")
        assert seen.shape == (2, 6, 8)
        there = net["a"].hardware.array.conductance().squeeze(0)
        # 96 reads of relative spread 0.1: the estimate of a standard deviation has the standard error s / sqrt(2 n).
        assert abs(float((seen / there - 1).std()) - 0.1) < 3 * 0.1 / math.sqrt(2 * 96)

    def test_weights_of_ones_own(self):
        net = network(device())
        given = torch.linspace(-0.5, 0.5, 48).reshape(6, 8)
        net.program("a", weights={"a": given})
        assert torch.allclose(net["a"].value("weight").squeeze(), given.double(), atol=1e-9)
        assert net["r"].hardware.mode == "weights"

    def test_verify(self):
        """One shot leaves the spread; write-verify leaves nothing beyond the tolerance, and counts what it took."""
        net = network(device(programming=Spread(sigma=3e-6)), chips=4)
        once = net.program("a")["a"]
        again = net.program("a", verify=ship.WriteVerify(tolerance=0.02, most=200))["a"]
        assert float(once.error.abs().max()) > 2e-6
        assert not bool(again.failed.any())
        assert float(again.error.abs().max()) <= 0.02 * (HIGH - LOW) * (1 + 1e-6)
        # |N(0, 3 uS)| < 2 uS with p = 0.495; targets at the bottom of the window are one-sided, so only an order is checked.
        assert 1.2 < float(again.pulses.mean()) < 3.0
        assert bool((again.energy >= 0).all())
        assert float(again.energy.sum()) > float(once.energy.sum())

    def test_broken_devices_are_not_programmed(self):
        net = network(device(faults=AllOpen()))
        net.program()
        assert torch.equal(net["a"].value("weight"), torch.zeros(1, 1, 6, 8).double())

    def test_edges(self):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=6)
        net.add(ship.LeakyIntegrator, "out", n=4, output=True)
        net.add(
            ship.ExpSynapse, "a", source="in", target="out", connect=ship.InDegree(3), device=device(), weight=ship.Normal(0, 1)
        )
        net.init(chips=2, dtype=torch.float64)
        before = net.run(spikes())
        net.program()
        assert net.read("a").shape == (2, 2, 12)
        assert torch.allclose(net.run(spikes()), before, atol=1e-9)

    def test_errors(self):
        net = network(device())
        with pytest.raises(ship.GraphError, match=r"Network.program: group 'o' has no devices. Give device= to net.add"):
            net.program("o")
        with pytest.raises(ship.GraphError, match="no group named 'x'"):
            net.program("x")
        with pytest.raises(
            ship.RunError, match=r"weights\['a'\]: must be \[6, 8\], or \[1, 6, 8\] with a chip axis; got \[8, 6\]"
        ):
            net.program(weights={"a": torch.zeros(8, 6)})
        with pytest.raises(ship.RunError, match=r"Network.wait: no group runs with its devices.*Call net.program\(\) first"):
            net.wait(1.0)
        net.program()
        with pytest.raises(ship.RunError, match=r"seconds: must be a number of s, at least 0; got -1"):
            net.wait(-1)
        with pytest.raises(ship.RunError, match="kelvin: needs a device with a thermal part"):
            net.wait(1.0, kelvin=400.0)
        with pytest.raises(ship.ParameterError, match=r"verify: must be WriteVerify, OpenLoop or None; got True"):
            net.program(verify=True)
        with pytest.raises(ship.GraphError, match=r"LIF 'x'.device: LIF has no weight that devices could hold"):
            net.add(ship.LIF, "x", n=2, device=device())
        joined = {"source": "in", "target": "out"}
        with pytest.raises(ship.GraphError, match=r"'x'.device: must be a device; got 'pcm'. E.g. device=ship.devices.pcm\(\)"):
            net.add(ship.ExpSynapse, "x", **joined, device="pcm")
        with pytest.raises(ship.GraphError, match=r"A part goes into one: device=ship.Device\(update=Bounded\(\.\.\.\)\)"):
            net.add(ship.ExpSynapse, "x", **joined, device=ship.devices.Bounded())
        with pytest.raises(ship.GraphError, match=r"'x'.mapping: needs devices to map weights to. Give device="):
            net.add(ship.ExpSynapse, "x", **joined, mapping=ship.Differential())
        with pytest.raises(ship.ParameterError, match=r"tags: must be str; got \['a'\]"):
            net.program(["a"])
        with pytest.raises(ship.ParameterError, match=r"weights\['a'\]: must be numbers; got 'zero'"):
            net.program(weights={"a": "zero"})

    def test_values_in_other_units(self):
        """50 meant as uS is 50 S: refused, where it would have made a device without complaint."""
        with pytest.raises(ship.ParameterError, match=r"g_max: must be at most 1 S; got 50 S. 50 uS is written 50e-6"):
            ship.Device(g_min=1, g_max=50)
        array = ship.DeviceArray(device(), 3)
        with pytest.raises(ship.ParameterError, match=r"target: must be in S; got 20 S. 20 uS is written 20e-6"):
            array.write(20)
        array.write(1e-3)  # beyond the window, to whose end it goes
        array.wait(np.float32(3.0))
        for wrong, rule in ((3.0, "shape: must be"), ((3, -1), "shape: must be"), (True, "shape: must be")):
            with pytest.raises(ship.ParameterError, match=rule):
                ship.DeviceArray(device(), wrong)
        with pytest.raises(ship.ParameterError, match=r"DeviceArray\.device: must be Device; got <class"):
            ship.DeviceArray(ship.Device, 3)
        with pytest.raises(ship.ParameterError, match="chips: must be None"):
            ship.DeviceArray(device(), 3, chips=0)


@pytest.mark.filterwarnings("ignore:.*the target would starve")
class TestSampled:
    def test_gradient_of_ideal_devices_is_that_of_the_weights(self):
        x, grads = spikes(), []
        for sampled in (False, True):
            net = network(device())
            if sampled:
                net.sample_devices()
            net.run(x).square().sum().backward()
            grads.append(net["a"].weight.grad)
        assert torch.allclose(*grads, rtol=1e-6, atol=1e-6 * float(grads[0].abs().max()))
        assert grads[0].abs().sum() > 0

    def test_levels_pass_the_gradient_straight_through(self):
        net = network(device(), ship.Differential(levels=3))
        net.sample_devices()
        net.run(spikes()).square().sum().backward()
        assert int((net["a"].weight.grad != 0).sum()) > 40

    def test_each_trial_has_devices_of_its_own(self):
        made = device(programming=Spread(sigma=5e-6), retention=Drift(nu=ship.Varied(0.1, d2d=0.3)))
        net = network(made)
        net.sample_devices(drift=1e3)
        x = spikes()
        runs = [net.run(x, trial=t).detach() for t in (0, 1, 0)]
        assert torch.equal(runs[0], runs[2])
        assert not torch.equal(runs[0], runs[1])
        chip = network(made, chips=[FRESH])
        chip.program()
        chip.wait(1e3)
        with torch.no_grad():  # the last run was trial 0
            assert torch.allclose(net["a"].value("weight").squeeze(), chip["a"].value("weight").squeeze(), rtol=1e-9)

    def test_back_to_the_weights(self):
        net = network(device(programming=Spread()))
        before = net.run(spikes())
        net.sample_devices()
        assert not torch.equal(net.run(spikes()), before)
        net.use_weights()
        assert torch.equal(net.run(spikes()), before)


def test_view_of_a_nominal_device_ignores_what_time_and_chance_do():
    view = view_of(ship.Device(g_min=LOW, g_max=ship.Varied(HIGH, d2d=0.2), retention=Drift(), noise=Noisy(), faults=AllOpen()))
    assert view.low == pytest.approx(LOW)
    assert view.high == pytest.approx(HIGH)
    assert view.read_high == pytest.approx(HIGH)


def test_verified_devices_draw_what_they_would_in_their_place():
    """Only those that missed are worked on, taken out of the array: the same as masked pulses on the whole array."""
    made = device(programming=Spread(sigma=ship.Varied(3e-6, d2d=0.2)), noise=Noisy(sigma=1e-3), retention=Drift())
    goal = torch.linspace(LOW, HIGH, 40, dtype=torch.float64)
    a, b = (ship.DeviceArray(made, 40, chips=3, seed=5, dtype=torch.float64) for _ in range(2))
    found = a.write(goal, verify=ship.WriteVerify(tolerance=0.01, most=9))
    missed, count = torch.ones(3, 40, dtype=torch.bool), torch.zeros(3, 40)
    for _ in range(9):
        b.write(goal, only=missed)
        count += missed
        missed = missed & ((b.read() - goal).abs() > 0.01 * (HIGH - LOW))
    assert torch.equal(found.pulses.float(), count)
    assert torch.equal(found.failed, missed)
    assert torch.equal(a.conductance(), b.conductance())
    assert 0 < int(missed.sum()) < 60
    assert int(count.max()) > 4
