"""A small network whose synapses are made of devices, and plain parts of devices for it."""

from dataclasses import dataclass

import torch

import ship
from ship.base.parameters import Value, param
from ship.base.parameters.bag import Bag
from ship.devices.contract import Faults, Programming, ReadNoise, Retention

LOW, HIGH = 1e-6, 101e-6


@dataclass(frozen=True)
class Drift(Retention):
    """A conductance that falls as ``g (1 + t)^-nu``."""

    nu: Value = param(0.1, role="drift exponent")

    def drift(self, g, age, p: Bag, xi):
        return g * (1 + age) ** -p.nu


@dataclass(frozen=True)
class Spread(Programming):
    sigma: Value = param(1e-6, unit="S", least=0.0)

    def write(self, target, p, xi):
        return target + p.sigma * xi[0]


@dataclass(frozen=True)
class Noisy(ReadNoise):
    sigma: Value = param(0.1, least=0.0)

    def read(self, g, written, age, p, xi):
        return g * (1 + p.sigma * xi[0])


@dataclass(frozen=True)
class AllOpen(Faults):
    def broken(self, g, p, xi):
        return torch.zeros_like(g)


def device(**parts):
    return ship.Device(name="test", g_min=LOW, g_max=HIGH, **parts)


def network(device, mapping=None, chips=None, engine="auto", weight=None, **options):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=6)
    net.add(ship.LIF, "hid", n=8, t_ref=2e-3)
    net.add(ship.LeakyIntegrator, "out", n=3, output=True)
    net.add(
        ship.ExpSynapse,
        "a",
        source="in",
        target="hid",
        weight=ship.Normal(0.4, 0.3) if weight is None else weight,
        device=device,
        mapping=mapping,
    )
    net.add(ship.ExpSynapse, "r", source="hid", target="hid", delay=1e-3, device=device, mapping=mapping)
    net.add(ship.ExpSynapse, "o", source="hid", target="out")
    net.init(chips=chips, seed=3, engine=engine, dtype=torch.float64, **options)
    return net


def spikes(batch=3, steps=60):
    return (torch.rand(batch, steps, 6, generator=torch.Generator().manual_seed(0)) < 0.2).double()
