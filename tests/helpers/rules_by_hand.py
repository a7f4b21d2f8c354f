"""Learning rules by themselves: one connection, spikes that are given, no network."""

from __future__ import annotations

import torch

from ship.base.parameters import Varied, declared
from ship.base.parameters.bag import Bag

D = torch.float64


def parameters(rule):
    """The parameters of a rule, in float64."""
    values = {name: getattr(rule, name) for name in declared(type(rule))[0]}
    assert not any(isinstance(v, Varied) for v in values.values())
    return Bag({name: torch.as_tensor(v, dtype=D) for name, v in values.items()})


def train(slots, steps, count=1.0):
    """Spikes in the given slots, ``[step]``."""
    x = torch.zeros(steps, dtype=D)
    x[list(slots)] = count
    return x


def weights(rule, pre, post, w=0.5, dt=1e-3, **inputs):
    """The weight before each slot and after the last one, ``[step + 1]``; inputs such as ``v`` or ``modulator`` by slot."""
    p = parameters(rule)
    rule.check("rule", p)
    c = rule.discretise(p, dt)
    state = type(rule.states)(*(torch.as_tensor(s.initial, dtype=D) for s in rule.states))
    now = torch.as_tensor(w, dtype=D)
    found = [now]
    for k in range(len(pre)):
        x = Bag({"pre": pre[k], "post": post[k]} | {name: value[k] for name, value in inputs.items()})
        change, state = rule.update(state, x, now, p, c)
        now = (now + change).clamp(p.w_min, p.w_max)
        found.append(now)
    return torch.stack(found)


def change(rule, pre, post, steps=400, w=0.5, dt=1e-3, **inputs):
    """The change of the weight by spikes in the slots ``pre`` and ``post``."""
    found = weights(rule, train(pre, steps), train(post, steps), w, dt, **inputs)
    return float(found[-1] - found[0])
