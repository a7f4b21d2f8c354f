"""A network with noise, delays, a loop and variation, for the tests of `ship.Network`."""

import torch

import ship

D = torch.float64


def build(chips=None, seed=0, dtype=D, plastic=False, **init):
    """A bit of everything: noise, delays, refractoriness, a loop, variation, a memristor, a plastic synapse."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=6)
    net.add(ship.PoissonSource, "p", n=3, rate=80.0)
    net.add(ship.NoisyLIF, "hid", n=8, tau=ship.Varied(20e-3, d2d=0.2), t_ref=2e-3, sigma=0.05)
    net.add(ship.LeakyIntegrator, "out", n=4, tau=30e-3, output=True)
    rule = ship.PairSTDP(w_min=-1.0) if plastic else None
    net.add(ship.ExpSynapse, "in>hid", source="in", target="hid", weight=ship.Uniform(0.1, 0.6), rule=rule)
    net.add(ship.ExpSynapse, "p>hid", source="p", target="hid", weight=ship.Varied(ship.Uniform(0.0, 0.4), d2d=0.1), delay=2e-3)
    net.add(
        ship.AlphaSynapse,
        "hid>hid",
        source="hid",
        target="hid",
        weight=ship.Normal(0, 0.3),
        delay=lambda shape, g: 1e-3 * torch.randint(1, 5, shape, generator=g),
    )
    net.add(ship.VolatileMemristor, "mem", source="in", target="hid", tau=ship.Varied(20e-3, d2d=0.3))
    net.add(ship.DoubleExpSynapse, "hid>out", source="hid", target="out")
    net.init(dt=1e-3, seed=seed, chips=chips, dtype=dtype, **init)
    return net


def spikes(batch=3, steps=60, n=6, p=0.15, seed=0):
    return (torch.rand(batch, steps, n, generator=torch.Generator().manual_seed(seed)) < p).double()
