"""Learning rules and networks that learn, for the tests of plastic synapses as kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

import ship
from ship.base.parameters import State
from ship.models.contract import Rule

D = torch.float64
STEPS = 40


class Tags(NamedTuple):
    x_pre: torch.Tensor
    tag: torch.Tensor
    last: torch.Tensor


@dataclass(frozen=True)
class Tagged(Rule):
    """A tag on each connection that only events change; whether the unit spiked before, on the post side."""

    states = Tags(State(0.0, on="pre"), State(0.0, on="connection"), State(False, on="post"))

    def update(self, state, x, w, p, c):
        change = torch.where(state.last, x.post, x.post / 2) * state.tag / 64 - torch.where(w > 1 / 2, x.pre, 0.0) / 128
        tag = state.tag + x.pre * state.x_pre / 4 - x.post * state.tag
        return change, Tags((state.x_pre - 1 / 4).clamp(min=0.0) + x.pre, tag, x.post > 0)


@dataclass(frozen=True)
class Eligible(Tagged):
    """The tag fades, so that every connection changes in every slot."""

    def update(self, state, x, w, p, c):
        change = state.tag * (x.post - x.pre) / 64
        tag = (state.tag - 1 / 8).clamp(min=0.0) + x.pre + x.post
        return change, Tags((state.x_pre - 1 / 4).clamp(min=0.0) + x.pre, tag, x.post > 0)


@dataclass(frozen=True)
class Forgetting(Rule):
    """The change is not zero without events."""

    def update(self, state, x, w, p, c):
        return torch.where(w > 1 / 2, -1 / 1024 * torch.ones_like(w), 1 / 1024) + x.pre * x.post / 16, state


class OneTrace(NamedTuple):
    x_pre: torch.Tensor


@dataclass(frozen=True)
class Sampling(Rule):
    """Arrivals alone change nothing."""

    states = OneTrace(ship.State(0.0, on="pre"))

    def update(self, state, x, w, p, c):
        change = x.post * (state.x_pre - 1 / 2) * torch.where(w > 1 / 2, torch.ones_like(w), 1 / 2) / 64
        return change, OneTrace((state.x_pre - 1 / 4).clamp(min=0.0) + x.pre)


def counting(**options):
    return ship.PairSTDP(a_plus=1 / 256, a_minus=1 / 128, tau_pre=1e30, tau_post=1e30, **options)


def dyadic(shape, seed=0, top=64):
    return torch.randint(0, top + 1, shape, generator=torch.Generator().manual_seed(seed)).double() / 64


def spikes(batch=1, steps=STEPS, n=6, rate=0.2, seed=1, chips=()):
    return (torch.rand((*chips, batch, steps, n), generator=torch.Generator().manual_seed(seed)) < rate).double()


def build(engine, rule, n_pre=6, n=5, chips=None, synapse=ship.ImpulseSynapse, tau=math.inf, dtype=D, more=None, **options):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=n_pre)
    net.add(ship.LIF, "a", n=n, tau=tau, t_ref=2e-3, output=True)
    options = {"weight": dyadic((n_pre, n), 3)} | options
    net.add(synapse, "s", source="in", target="a", rule=rule, output=True, **options)
    if more is not None:
        more(net)
    net.init(dt=1e-3, seed=2, chips=chips, dtype=dtype, engine=engine)
    return net


def fused(net):
    """Whether all of the network but its sources ran as kernels."""
    found = net._sim.fusion.reasons
    return {tag: why for tag, why in found.items() if why not in (None, "a source")}


def only_kernels(net):
    """From now on its plastic synapses must not run on the reference engine."""
    for node in net._sim.nodes.values():
        if hasattr(node, "rule_state"):
            node.run = None


def same(a, b, exact=True):
    if isinstance(a, dict):
        for tag in a:
            same(a[tag], b[tag], exact)
    elif exact:
        assert torch.equal(a, b)
    else:
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def both(*args, **options):
    return [build(engine, *args, **options) for engine in ("reference", "fused")]


def agree(nets, runs, exact=True, learned=1):
    """Two engines through the same runs: outputs, weights that persist, weights now, traces."""
    plastic = [tag for tag, spec in nets[0]._specs.items() if spec.rule is not None]
    only_kernels(nets[1])
    for i, (x, options) in enumerate(runs):
        outs = [net.run(x, **options) for net in nets]
        assert i or float(outs[0]["a"].sum()) > 3, "a test of learning needs spikes"
        same(*outs, exact)
        for tag in plastic:
            same(*(net[tag].plastic_weight for net in nets), exact)
            nodes = [net._sim.nodes[tag] for net in nets]
            same(*(node.now for node in nodes), exact)
            for p, q in zip(*(node.rule_state for node in nodes), strict=True):
                same(p.expand(q.shape), q, exact)
    for tag in plastic:
        moved = (nets[0]._sim.nodes[tag].now - nets[0][tag].initial_weight()).abs().max()
        assert float(moved) >= learned / 256, "a test of learning needs learning"
    assert not fused(nets[1])
