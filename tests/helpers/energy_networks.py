"""Small networks on devices whose energy can be worked out by hand, for the tests of `ship.network.energy`."""

from dataclasses import dataclass, replace

import torch

import ship

D = torch.float64
V, T, LOW, HIGH = 0.2, 50e-9, 1e-6, 50e-6


@dataclass(frozen=True)
class Scattered(ship.devices.Programming):
    """Programming that misses its target by ten percent."""

    def write(self, target, p, xi):
        return target * (1 + 0.1 * xi[0])


def device(**change):
    return ship.Device(**{"g_min": LOW, "g_max": HIGH, "v_read": V, "t_read": T} | change)


WEIGHT = torch.tensor([[0.5, -0.2], [0.1, 0.3], [-0.4, 0.0]], dtype=D)
X = torch.zeros(2, 6, 3, dtype=D)
X[0, 0, 0] = X[0, 3, 0] = X[0, 5, 2] = 1  # sample 0: unit 0 twice, unit 2 in the last slot
X[1, 1, 1], X[1, 4, 2] = 3, 1  # sample 1: three events at once


def small(*, programmed=True, chips=None, engine="reference", dtype=D, costs=None, **synapse):
    """Return a metered network of three inputs and two neurons."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.ImpulseSynapse, "syn", source="in", target="out", **({"weight": WEIGHT.clone(), "device": device()} | synapse))
    net.add(ship.LIF, "out", n=2, v_th=0.55, output=True)
    net.init(dt=1e-3, dtype=dtype, chips=chips, engine=engine)
    if programmed:
        net.program()
    net.meter(**(costs or {}))
    return net


DELAYS = torch.tensor([[0.0, 1e-3], [2e-3, 2e-3], [1e-3, 3e-3]], dtype=D)


def deep(engine, chips=None, dtype=D, programmed=True):
    """Two layers and a loop with delays; most neurons fire."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=20)
    net.add(ship.ExpSynapse, "a", source="in", target="hid", weight=ship.Uniform(0.0, 0.5), device=device(), delay=2e-3)
    net.add(ship.LIF, "hid", n=30, t_ref=2e-3)
    net.add(ship.ImpulseSynapse, "b", source="hid", target="hid", device=device(), delay=3e-3, connect=ship.InDegree(5))
    net.add(ship.ImpulseSynapse, "c", source="hid", target="out", weight=ship.Uniform(0.0, 0.3), device=device())
    net.add(ship.LIF, "out", n=4, output=True)
    net.init(dt=1e-3, dtype=dtype, engine=engine, chips=chips)
    if programmed:
        net.program()
    return net


COSTS = {
    "neurons": ship.Costs(v_dd=1.0, c_spike=(50e-15, 200e-15), p_leak=1e-10),
    "synapses": ship.Costs(c_line=20e-15, c_cell=0.2e-15, e_event=(0.0, 1e-12), p_idle=0.0),
}


def noise(batch=3, steps=100, n=20):
    return (torch.rand(batch, steps, n, generator=torch.Generator().manual_seed(1)) < 0.1).double()


def everything():
    net = deep("reference", chips=2, programmed=False)
    net.meter(neurons=COSTS["neurons"], synapses=replace(COSTS["synapses"], p_leak=1e-12, p_idle=(1e-12, 2e-12), e_write=1e-13))
    net.program(verify=ship.WriteVerify(0.01, by="pulse"))
    net.run(noise())
    net.wait(1.0)
    return net
