"""Networks whose synapses learn by pulses, and plain parts of devices for them."""

from dataclasses import dataclass

import torch

import ship
from ship.base.parameters import Value, param
from ship.devices.contract import Retention
from ship.devices.update.bounded import Bounded
from ship.models.contract import Rule

F64 = torch.float64
SOFT = ship.Device(update=Bounded(alpha_p=0.1, alpha_d=0.2, gamma_p=1.0, gamma_d=1.0))
HARD = ship.Device(update=Bounded(alpha_p=0.01, alpha_d=0.01))
NOISY = ship.Device(
    update=Bounded(alpha_p=ship.Varied(0.02, d2d=0.2, c2c=0.3), alpha_d=ship.Varied(0.02, d2d=0.2, c2c=0.3), noise=0.01)
)


@dataclass(frozen=True)
class Push(Rule):
    """Each spike that arrives changes the weight by ``amount``."""

    amount: Value = param(0.0, unit="V", gradient=False)

    def update(self, state, x, w, p, c):
        return p.amount * x.pre + 0 * x.post, state


@dataclass(frozen=True)
class Fading(Retention):
    """A conductance that falls as ``g exp(-t / tau)``."""

    tau: Value = param(1.0, unit="s", above=0.0)

    def drift(self, g, age, p, xi):
        return g * torch.exp(-age / p.tau)


def made(device=HARD, rule=None, *, n=(2, 3), weight=0.0, mapping=None, learning=None, chips=None, seed=3, **options):
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
        mapping=mapping or ship.Differential(w_max=1.0),
        rule=rule or Push(amount=0.1, w_min=-1.0),
        learning=learning,
        **options,
    )
    net.init(dt=1e-3, seed=seed, chips=chips, dtype=F64)
    return net


def spikes(steps, units=2, batch=1, seed=0, rate=0.3):
    drawn = torch.rand(batch, steps, units, generator=torch.Generator().manual_seed(seed))
    return (drawn < rate).to(F64)


def array(net):
    return net["syn"].hardware.array


def everything(net):
    return [net["syn"].plastic_weight, array(net).conductance(), array(net).cycles, array(net).events]
