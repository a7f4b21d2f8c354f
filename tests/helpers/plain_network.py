"""A small recurrent network, for the tests of what a run must not depend on."""

import torch

import ship


def network(engine="reference", *, connect=None, model=ship.LIF, tau=20e-3, rule=None):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=6)
    net.add(model, "out", n=4, tau=tau, output=True)
    weight = torch.linspace(0.1, 0.9, 24).reshape(6, 4)
    net.add(ship.ExpSynapse, "s", source="in", target="out", weight=weight, connect=connect, rule=rule)
    net.init(engine=engine)
    return net
