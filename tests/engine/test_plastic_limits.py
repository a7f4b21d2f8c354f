"""Plastic synapses as kernels: monitors, gradients, what stays with the reference engine, and what is zero without events."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

import ship
from plastic_networks import Tagged, Tags, both, counting, dyadic, fused, only_kernels, same, spikes
from ship.base.parameters import State
from ship.engine.compiled.trace.program import Value, only
from ship.engine.compiled.trace.recorder import trace
from ship.engine.compiled.trace.simplify import fold
from ship.models.contract import Rule

D = torch.float64
STEPS = 40


pytestmark = pytest.mark.usefixtures("no_grad")


def test_monitors():
    nets = both(Tagged(), synapse=ship.ExpSynapse)
    for net in nets:
        net.monitor("a", "v", "margin", "output")
        net.monitor("s", "i", every=3)
        net.run(spikes(2))
    for tag, name in [("a", "v"), ("a", "margin"), ("a", "output"), ("s", "i")]:
        same(*(net.records[tag][name] for net in nets), exact=False)
    for net in nets:  # of what a rule changes: the reference runs
        net.monitor("s", "weight", "rule.tag")
        net.run(spikes(2))
    same(*(net.records["s"].weight for net in nets))
    same(*(net.records["s"]["rule.tag"] for net in nets))
    nets[1].unmonitor()
    same(*(net.run(spikes(2)) for net in nets), exact=False)
    assert not fused(nets[1])


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("upstream", [False, True])
def test_gradients_take_weights_as_constants(batch, upstream):
    """Of what is beside and behind a plastic synapse, and of its own parameters; through its weights, the reference runs."""

    def more(net):
        net.add(ship.ExpSynapse, "fixed", source="in", target="a", weight=dyadic((6, 5), 9) / 2)
        net.add(ship.LeakyIntegrator, "out", n=2, output=True)
        net.add(ship.ExpSynapse, "on", source="a", target="out", weight=dyadic((5, 2), 9))
        if upstream:
            net.add(ship.LIF, "b", n=6)
            net.add(ship.ExpSynapse, "first", source="in", target="b", weight=dyadic((6, 6), 9) * 2)
            net.set("s", source="b")

    nets = both(counting(), more=more, synapse=ship.ExpSynapse, tau=20e-3, trainable=("tau",))
    found = []
    if not upstream:
        only_kernels(nets[1])
    with torch.enable_grad():
        for net in nets:
            out = net.run(spikes(batch))["out"]
            net.zero_grad()
            (out * torch.linspace(0, 1, STEPS, dtype=D)[:, None]).sum().backward()
            found.append({name: p.grad for name, p in net.named_parameters()})
            out = net.run(spikes(batch, seed=4), reset=False)
    same(*(net["s"].plastic_weight for net in nets), exact=False)
    assert len(found[0]) == (4 if upstream else 3)
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], rtol=1e-9, atol=1e-12)
        assert float(gradient.abs().max()) > 0
    assert not fused(nets[1])


@dataclass(frozen=True)
class Crossed(Rule):
    states = Tags(State(0.0, on="pre"), State(0.0, on="connection"), State(0.0, on="post"))

    def update(self, state, x, w, p, c):
        return x.pre * state.x_pre, Tags(state.x_pre / 2 + x.post, state.tag, state.last)


@dataclass(frozen=True)
class Normalised(Rule):
    def update(self, state, x, w, p, c):
        return x.post * (w / w.sum(-2, keepdim=True) - w), state


@pytest.mark.parametrize(
    ("rule", "options", "why"),
    [
        (Crossed(), {}, "state 'x_pre' of its rule lives on the pre side but depends on more than that side"),
        (Normalised(), {}, "its rule: IndexError"),
        (counting(), {"delay": dyadic((6, 5), 8) * 5e-3}, "with a delay on every connection"),
        (ship.PairSTDP(tau_pre=ship.Varied(20e-3, d2d=0.1)), {}, "state 'x_pre' of its rule lives on the pre side"),
    ],
)
def test_what_stays_with_the_reference_says_why(rule, options, why):
    nets = both(rule, **options)
    same(*(net.run(spikes(2)) for net in nets))
    same(*(net["s"].plastic_weight for net in nets))
    assert why in fused(nets[1])["s"]


def test_limits_for_each_sample_stay_with_the_reference():
    nets = both(counting(w_max=ship.per_sample(torch.tensor([1.0, 2.0]))))
    same(*(net.run(spikes(2)) for net in nets))
    assert "w_max for each sample" in fused(nets[1])["s"]


@pytest.mark.parametrize(
    ("function", "zero"),
    [
        (lambda a, x, w: a * x * w, True),
        (lambda a, x, w: a * x - x / w, True),
        (lambda a, x, w: torch.where(x > 0, w, 0.0), True),
        (lambda a, x, w: torch.where((x > 0) & (a > 0), w, 0.0), True),
        (lambda a, x, w: (w - w * (1 - x)) * a, True),
        (lambda a, x, w: (torch.exp(x) - 1) * w, True),
        (lambda a, x, w: torch.where((x > 0) | (a > 0), w, 0.0), False),
        (lambda a, x, w: a - x, False),
        (lambda a, x, w: (1 - w) * 0.5 + x, False),
    ],
)
def test_fold_finds_what_is_zero_without_events(function, zero):
    program = trace(lambda *v: [function(*v), v[0] + v[1]], 3, D)
    folded = fold(program, {1: 0.0})
    assert (not isinstance(folded.outputs[0], Value) and folded.outputs[0] == 0) == zero
    assert folded.outputs[1] == Value(0)
    assert not only(folded, [1]).ops
