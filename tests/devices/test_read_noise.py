"""Read noise: it is drawn anew in each read."""

import math

import pytest
import torch

import ship
from synapses import HIGH, LOW, device, network, spikes


class TestReadNoise:
    """White noise: every read of a device draws anew."""

    def net(self, noise, engine="auto", batch=4000, **options):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=6)
        net.add(ship.LeakyIntegrator, "out", n=2, tau=float("inf"), output=True)
        weight = torch.linspace(-0.8, 1.0, 12).reshape(6, 2)
        net.add(ship.ImpulseSynapse, "a", source="in", target="out", weight=weight, device=device(noise=noise), **options)
        net.init(chips=2, seed=1, engine=engine, dtype=torch.float64)
        net.program()
        return net, torch.ones(batch, 3, 6).double()

    @pytest.mark.parametrize(
        "mapping", [ship.Differential(), ship.Differential(pairs=2), ship.Offset()], ids=["pair", "2", "offset"]
    )
    def test_variance_of_sums(self, mapping):
        """A sum over 6 spikes varies by the sum of the devices' variances, independently in slots, samples, units and chips."""
        net, x = self.net(ship.devices.RelativeNoise(sigma=0.1), mapping=mapping)
        out = net.run(x).diff(dim=-2, prepend=torch.zeros(2, 4000, 1, 2).double())
        g = net["a"].hardware.array.conductance()
        signs = torch.tensor(mapping.signs()).reshape(-1, 1, 1)
        expected = (0.1 * g * signs / (HIGH - LOW)).square().sum((1, 2))  # w_max is 1 V; [chip, post]
        found = out.var(dim=1).mean(1)  # 3 x 4000 values each
        assert float((found / expected - 1).abs().max()) < 4 * math.sqrt(2 / 12000)  # 4 estimates: 4 sigma
        flat = out.permute(0, 3, 2, 1).reshape(12, -1)
        correlation = torch.corrcoef(flat) - torch.eye(12)
        assert float(correlation.abs().max()) < 4.5 / math.sqrt(4000)  # the largest of 66

    @pytest.mark.parametrize("connect", [None, ship.InDegree(3)], ids=["dense", "edges"])
    def test_levels_scale_what_is_read(self, connect):
        """A level x reads a device with x sigma: of 6 units at 2, each target sums variances 4 sigma^2 of its devices."""
        net = ship.Network()
        net.add(ship.CurrentInput, "in", n=6)
        net.add(ship.LeakyIntegrator, "out", n=2, tau=float("inf"), output=True)
        weight = {"weight": 0.5, "device": device(noise=ship.devices.AdditiveNoise(sigma=5e-6)), "connect": connect}
        net.add(ship.WeightedSum, "a", source="in", target="out", **weight)
        net.init(dt=1.0, seed=1, dtype=torch.float64)
        net.program()
        out = net.run(torch.full((4000, 2, 6), 2.0).double())[:, 1]
        per_device = (0.5 * 5e-6 / (HIGH - LOW)) ** 2  # full scale is 0.5 V
        expected = 4 * 2 * per_device * (6 if connect is None else 3)
        assert float((out.var(0) / expected - 1).abs().max()) < 4 * math.sqrt(2 / 4000)

    def test_mean_is_what_is_there(self):
        net, x = self.net(ship.devices.AdditiveNoise(sigma=5e-6))
        mean = net.run(x)[..., 0, :].mean(1)
        expected = net["a"].value("weight").squeeze(1).sum(-2)
        assert torch.allclose(mean, expected, atol=4 * 0.05 * math.sqrt(12 / 4000))

    def test_engines_agree_and_chunks_do_not_matter(self):
        noise = ship.devices.RelativeNoise(sigma=0.1)
        nets = [network(device(noise=noise), chips=2, engine=e) for e in ("reference", "fused")]
        outs = []
        for net in nets:
            net.program()
            outs.append(net.run(spikes()))
        assert torch.allclose(*outs, atol=1e-9)
        first = nets[0].run(spikes()[:, :20])
        rest = nets[0].run(spikes()[:, 20:], reset=False)
        assert torch.allclose(torch.cat([first, rest], -2), outs[0], atol=1e-9)
        assert "read with noise in each slot" in nets[1].explain()

    def test_noise_comes_before_the_converters(self):
        """Each tile has noise and a converter of its own: sums are whole codes, and vary by the noise and two roundings."""
        adc = ship.crossbar.ADC(8, 50e-6, bipolar=True)
        lines = ship.crossbar.Crossbar(adc=adc, tile=(4, 8))
        net, x = self.net(ship.devices.RelativeNoise(sigma=0.1), crossbar=lines)
        plain, _ = self.net(ship.devices.RelativeNoise(sigma=0.1))
        one, other = (each.run(x)[..., 0, :] for each in (net, plain))
        lsb = 50e-6 / 127 / ((HIGH - LOW) * 0.1)
        codes = one / lsb
        assert torch.allclose(codes, codes.round(), atol=1e-6)
        assert torch.allclose(one.var(1), other.var(1) + 2 * lsb**2 / 12, rtol=4 * math.sqrt(2 / 4000))  # two roundings
        assert torch.allclose(one.mean(1), other.mean(1), atol=0.02)

    def test_training_through_it(self):
        net = network(device(noise=ship.devices.RelativeNoise(sigma=0.1)))
        net.sample_devices()
        net.run(spikes()).square().sum().backward()
        assert bool(torch.isfinite(net["a"].weight.grad).all())
        assert int((net["a"].weight.grad != 0).sum()) > 40
