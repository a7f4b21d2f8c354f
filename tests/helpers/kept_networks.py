"""A small network on devices that drift, for the tests of what is kept."""

from __future__ import annotations

import torch

import ship
from synapses import Drift, device

F64 = torch.float64
NU = 0.1  # of `Drift`: g (1 + t)^-nu
FADES = device(retention=Drift(nu=NU))


def one(weight=None, *, given=None, chips=None, dtype=F64, engine="auto", **more):
    """An input of 4 units, a synapse on devices, an integrator of 3."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    net.add(ship.LeakyIntegrator, "out", n=3, output=True)
    weight = torch.linspace(-1.0, 1.0, 12).reshape(4, 3) if weight is None else weight
    net.add(ship.ExpSynapse, "s", source="in", target="out", weight=weight, device=given or FADES, **more)
    net.init(seed=3, chips=chips, dtype=dtype, engine=engine)
    return net
