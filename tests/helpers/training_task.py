"""A small task and a network that can learn it, for the tests of training."""

import torch

import ship
from ship.data import Batches

CLASSES, STEPS = 4, 12


def build(seed=0, chips=None, sigma=0.05, dtype=None, **hidden):
    """Return a network of 8 inputs, 16 noisy LIF neurons and 4 leaky readouts."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=8)
    net.add(ship.NoisyLIF, "hid", n=16, sigma=sigma, **hidden)
    net.add(ship.LeakyIntegrator, "out", n=CLASSES, output=True)
    net.add(ship.ExpSynapse, "in>hid", source="in", target="hid", weight=ship.Normal(0.3, 0.3))
    net.add(ship.ExpSynapse, "hid>hid", source="hid", target="hid", weight=ship.Normal(0.0, 0.05), delay=1e-3)
    net.add(ship.ExpSynapse, "hid>out", source="hid", target="out", weight=ship.Normal(0.0, 0.3))
    net.init(dt=1e-3, seed=seed, chips=chips, **({} if dtype is None else {"dtype": dtype}))
    return net


def toy(n=48, seed=0, steps=STEPS):
    """Two of eight inputs are active, which two is the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % CLASSES
    p = torch.full((n, steps, 8), 0.02)
    for i, label in enumerate(labels):
        p[i, :, 2 * label : 2 * label + 2] = 0.6
    return (torch.rand(p.shape, generator=generator) < p).float(), labels


def batches(size=10, **more):
    x, labels = toy(**more)
    return Batches(x, labels, size, shuffle=True, seed=3)


def parameters(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
