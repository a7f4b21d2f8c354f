"""Small networks that drive one circuit model, and what must hold for each: equal engines, batches, pieces and chips."""

from __future__ import annotations

import itertools

import torch

import ship
from both_engines import assert_agree, gradients, recorded

D = torch.float64


def driven(model, level, *, dt, port, steps, n=1, engine="auto", chips=None, watch=(), dtype=D, seed=1, **options):
    """A group ``a`` under a constant level on one of its ports; returns the network after its run, and the output."""
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=n)
    net.add(model, "a", n=n, output=True, **options)
    net.add(ship.Link, "l", source="i", target="a", port=port)
    net.init(dt=dt, dtype=dtype, engine=engine, chips=chips, seed=seed)
    if watch:
        net.monitor("a", *watch)
    return net, net.run(torch.ones(1, steps, n, dtype=dtype) * level)


def intervals(out, dt, unit=0):
    """Return the intervals (s) between the spikes of one unit of the first sample."""
    return torch.diff(out[0, :, unit].nonzero().flatten()).double() * dt


def assert_same_on_both_engines(build, x, watch, *, spikes=1):
    """Outputs, records, states and gradients of both engines, in float64; spikes must be equal.

    ``build()`` returns a network that is not initialised, and arguments of ``init``; ``watch`` names what is recorded.
    """
    found = {}
    for engine in ("reference", "fused"):
        net, settings = build()
        net.init(dtype=D, engine=engine, seed=1, **settings)
        for tag, names in watch.items():
            net.monitor(tag, *names, detach=False)
        given = {k: v.clone().requires_grad_() for k, v in x.items()}
        out = net.run(given)
        values = {"out": out} | recorded(net)
        total = 0.0
        for k, (_, value) in enumerate(sorted(values.items())):
            if value.requires_grad:
                weight = torch.randn(value.shape, generator=torch.Generator().manual_seed(k), dtype=D)
                total = total + (weight * value / value.detach().abs().max().clamp(min=1e-30)).sum()
        total.backward()
        found[engine] = values, gradients(net) | {f"x {k}": v.grad for k, v in given.items()}
    values, grads = found["reference"]
    assert float(values["out"].detach().abs().sum()) >= spikes, "something must come out"
    assert torch.equal(values["out"], found["fused"][0]["out"])
    assert_agree(found["fused"][0], values, 1e-12)
    assert_agree(found["fused"][1], grads, 1e-9)
    assert any(g is not None and bool((g != 0).any()) for g in grads.values())


def assert_invariant(build, x):
    """A batch is its samples, a run is its pieces, and each of several chips is that chip alone; without noise."""
    net, settings = build()
    net.init(dtype=D, seed=1, **settings)
    whole = net.run(x)
    steps = next(iter(x.values())).shape[1]
    for b in range(whole.shape[0]):
        assert torch.equal(net.run({k: v[b : b + 1] for k, v in x.items()}), whole[b : b + 1])
    cuts = (0, 1, steps // 3, steps)
    parts = [net.run({k: v[:, a:b] for k, v in x.items()}, reset=a == 0) for a, b in itertools.pairwise(cuts)]
    assert torch.equal(torch.cat(parts, 1), whole)
    made = []
    for chips in (3, [2]):
        net, settings = build()
        net.init(dtype=D, seed=1, chips=chips, **settings)
        made.append(net.run(x))
    assert torch.equal(made[0][2:], made[1])
    assert float(whole.abs().sum()) > 0
