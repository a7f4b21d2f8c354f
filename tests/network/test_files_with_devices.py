"""Networks of devices in files, and on crossbars with lines and converters."""

import pytest
import torch

import ship
from synapses import HIGH, LOW, Drift, Noisy, Spread, device, network, spikes


@pytest.mark.filterwarnings("ignore:.*the target would starve")
class TestFiles:
    def saved(self, tmp_path, net, **options):
        ship.save(net, tmp_path / "net.ship", **options)
        return ship.load(tmp_path / "net.ship", models=[Drift, Spread, Noisy])

    def test_devices_come_back(self, tmp_path):
        """Structure, deviates, what was written, ages: the loaded network runs on as the saved one does."""
        made = device(
            update=ship.devices.Bounded(alpha_p=ship.Varied(0.02, d2d=0.1, c2c=0.2)),
            programming=Spread(),
            retention=Drift(nu=ship.Varied(0.1, d2d=0.2)),
            noise=Noisy(),
        )
        net = network(made, ship.Differential(pairs=2, levels=9), chips=[0, 3])
        net.program(verify=ship.WriteVerify(0.05))
        net.wait(100.0)
        again = self.saved(tmp_path, net)
        assert torch.equal(again["a"].value("weight"), net["a"].value("weight"))
        for each in (net, again):
            each.wait(1e4)
            each["a"].hardware.array.pulse(count=3)
        assert torch.equal(again.run(spikes(), trial=5), net.run(spikes(), trial=5))
        assert again["a"].spec.device == made
        assert again["a"].spec.mapping == net["a"].spec.mapping

    def test_crossbars_and_ways_to_learn_come_back(self, tmp_path):
        lines = ship.crossbar.Crossbar(
            r_row=2.0, tile=(4, 4), selector=ship.crossbar.Selector(resistance=1e3), adc=ship.crossbar.ADC(6, 1e-5, bipolar=True)
        )
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=6)
        net.add(ship.LIF, "out", n=3, output=True)
        learning = ship.Pulsing(rounding="nearest", bias="V/2")
        given = {"device": device(), "crossbar": lines, "rule": ship.PairSTDP(), "learning": learning}
        net.add(ship.ExpSynapse, "a", source="in", target="out", weight=ship.Uniform(0.0, 1.0), **given)
        net.init(dtype=torch.float64)
        net.program()
        again = self.saved(tmp_path, net)
        assert again["a"].spec.crossbar.tile == (4, 4)
        assert again["a"].spec.crossbar.adc.full_scale == 1e-5
        assert again["a"].spec.learning == learning
        assert torch.equal(again.run(spikes()), net.run(spikes()))

    def test_part_of_ones_own_must_be_given(self, tmp_path):
        ship.save(network(device(noise=Noisy())), tmp_path / "net.ship")
        with pytest.raises(ship.FileError, match=r"no device part named 'Noisy'.*ship\.load\(path, models=\[\.\.\.\]\)") as error:
            ship.load(tmp_path / "net.ship")
        assert "load_device" not in str(error.value)
        ship.load(tmp_path / "net.ship", models=[Noisy])


@pytest.mark.filterwarnings("ignore:.*the target would starve")
class TestLines:
    def test_weights_are_those_of_the_effective_conductances(self):
        lines = ship.crossbar.Crossbar(r_row=20.0, r_col=30.0, r_driver=100.0)
        net, ideal = (network(device(), chips=2) for _ in range(2))
        net.set("a", crossbar=lines)
        net.init(chips=2, seed=3, dtype=torch.float64)
        for each in (net, ideal):
            each.program("a")
        g = ideal["a"].hardware.array.conductance()
        seen = ship.crossbar.matrix(g, lines).matrix
        full = float(net["a"].hardware.full)
        expected = (seen[:, 0] - seen[:, 1]) / (HIGH - LOW) * full
        assert torch.allclose(net["a"].value("weight").squeeze(1), expected, rtol=1e-9)
        assert float((net["a"].value("weight") - ideal["a"].value("weight")).abs().max()) > 1e-3 * full

    def test_resistance_of_zero_changes_nothing(self):
        runs = []
        for lines in (None, ship.crossbar.Crossbar()):
            net = network(device())
            net.set("a", crossbar=lines)
            net.init(seed=3, dtype=torch.float64)
            net.program()
            runs.append(net.run(spikes()))
        assert torch.allclose(*runs, atol=1e-9)

    @pytest.mark.parametrize("tile", [None, (4, 8)])
    def test_converters_by_hand(self, tile):
        """One slot, known weights: each tile's sum is rounded to codes of 10 uA / 7, 7 at most, and summed."""
        adc = ship.crossbar.ADC(4, 10e-6, bipolar=True)
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=6)
        net.add(ship.LeakyIntegrator, "out", n=1, tau=float("inf"), output=True)
        weight = torch.tensor([[1.0], [0.3], [-0.45], [0.2], [0.77], [-0.1]])
        given = {"weight": weight, "device": device(), "crossbar": ship.crossbar.Crossbar(adc=adc, tile=tile)}
        net.add(ship.ImpulseSynapse, "a", source="in", target="out", **given)
        net.init(dtype=torch.float64)
        net.program()
        x = torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0, 1.0]).reshape(1, 1, 6)
        out = float(net.run(x)[0, 0, 0])
        cuts = [(0, 6)] if tile is None else [(0, 4), (4, 6)]
        span = (HIGH - LOW) * 0.1  # A, for a weight at full scale, 1 V
        lsb = 10e-6 / 7
        exact = [float((weight.flatten() * x.flatten())[lo:hi].sum()) * span for lo, hi in cuts]
        expected = sum(max(-7, min(7, round(i / lsb))) * lsb / span for i in exact)
        assert out == pytest.approx(expected, rel=1e-6)
        assert abs(out - 1.52) > 0.01  # the exact sum
        assert "converters at its columns" in net.explain()

    def test_errors(self):
        net = network(device())
        with pytest.raises(ship.GraphError, match=r"a'.crossbar: a converter needs full_scale"):
            net.set("a", crossbar=ship.crossbar.Crossbar(adc=ship.crossbar.ADC()))
        for delay in ([1e-3] * 6, ship.Uniform(1e-3, 3e-3)):
            with pytest.raises(ship.GraphError, match="one delay for all"):
                net.set("a", delay=delay, crossbar=ship.crossbar.Crossbar(adc=ship.crossbar.ADC(full_scale=1e-6)))
        with pytest.raises(ship.GraphError, match=r"o'.crossbar: needs devices that sit on it"):
            net.set("o", crossbar=ship.crossbar.Crossbar())
