"""Where one number of a slot is enough for its gradient, that number alone is kept, in place of a sum; and the last advance."""

from __future__ import annotations

import pytest
import torch

import ship
from ship.engine.compiled.kernels.kernel import Kernel
from ship.engine.compiled.run import single

DT = 1e-3
F64, F32 = torch.float64, torch.float32


def kernel(function):
    """One state, one input, two constants; output and next state by a function of these."""

    def flat(s, x, p):
        out, after = function(s[0], x[0], *p)
        return [out], [after]

    return Kernel(flat, (False,), 1, 2, F64)


@pytest.mark.parametrize(
    ("function", "wanted", "size"),
    [
        (lambda s, x, a, b: (a * s + x, b * s), (0, 1), 0),  # linear: slopes depend on constants alone
        (lambda s, x, a, b: (torch.sin(s + a * x), torch.cos(s + a * x)), (0, 1), 1),
        (lambda s, x, a, b: (torch.where(s + x > a, b, s + x), s), (0, 1), 1),
        (lambda s, x, a, b: (torch.sin(s) * x, s), (0, 1), 2),  # sin(s), and x cos(s)
        (lambda s, x, a, b: (a * s + x, b * s), (0, 1, 2), 1),  # the slope of a is s
        (lambda s, x, a, b: (a * s + b * x, s), (0, 2, 3), 2),  # s, and x
    ],
)
def test_bottleneck_of_a_program(function, wanted, size):
    made = kernel(function)
    found = made.bottleneck(wanted)
    assert (2 if found is None else len(found)) == size
    if found:
        assert made.places(wanted) <= {0}


def build(kind, engine, dtype, chips):
    draw = torch.Generator().manual_seed(3)
    weights = [w if chips is None else ship.Varied(w, d2d=0.1) for w in torch.randint(-8, 25, (3, 6, 200), generator=draw) / 16]
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=6)
    net.add(ship.CurrentInput, "level", n=6)
    options = {"tau": {"trainable": ["tau"]}, "refractory": {"t_ref": 2e-3}}.get(kind, {})
    net.add(ship.LeakyIntegrator if kind == "integrator" else ship.LIF, "a", n=200, output=True, **options)
    if kind in ("filter", "integrator"):
        net.add(ship.ExpSynapse, "s", source="in", target="a", tau=5e-3, weight=weights[0])
    elif kind == "impulses":  # which arrive in the slot of the spike
        net.add(ship.ImpulseSynapse, "s", source="in", target="a", weight=weights[0], delay=2e-3)
    elif kind == "several":
        net.add(ship.ExpSynapse, "s", source="in", target="a", tau=5e-3, weight=weights[0])
        net.add(ship.ImpulseSynapse, "i", source="in", target="a", weight=weights[1])
    if kind not in ("filter", "integrator", "impulses"):
        net.add(ship.WeightedSum, "w", source="level", target="a", weight=weights[2])
    net.init(dt=DT, dtype=dtype, seed=1, chips=chips, engine=engine)
    spikes = (torch.rand(2, 37, 6, generator=draw) < 0.2).to(dtype)
    return net, {"in": spikes, "level": (40 * torch.rand(2, 37, 6, generator=draw)).to(dtype).round()}


def places(monkeypatch):
    """What each recorded run of a single step keeps."""
    found, forward = [], single.Single.forward

    def spy(self):
        if self.recorded:
            found.append(self.place)
        return forward(self)

    monkeypatch.setattr(single.Single, "forward", spy)
    return found


@pytest.mark.parametrize(("dtype", "chips"), [(F64, None), (F32, None), (F64, 2)])
@pytest.mark.parametrize(
    ("kind", "place"),
    [("filter", 0), ("sum", 0), ("impulses", 0), ("several", 0), ("integrator", -1), ("tau", None), ("refractory", None)],
)
def test_slopes(kind, place, dtype, chips, monkeypatch):
    """Those of the reference engine: of weights, of levels, of what a run inherits, and once more from the same graph."""
    kept, results = places(monkeypatch), []
    for engine in ("reference", "fused"):
        net, x = build(kind, engine, dtype, chips)
        x["level"].requires_grad_()
        first, second = net.run(x, detach=False), net.run(x, reset=False)
        ramp = torch.linspace(-1.0, 1.0, first.numel(), dtype=dtype).view_as(first)
        loss = (first * ramp).sum() + (second * ramp.flip(0)).sum()
        names = [name for name, p in net.named_parameters()]
        inputs = [*net.parameters(), *([x["level"]] if "w" in net.tags else [])]
        once = torch.autograd.grad(loss, inputs, retain_graph=True)
        again = torch.autograd.grad(loss, inputs)
        assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
        assert first.detach().sum() > 3
        results.append((first, second, once, [*names, "level"]))
    assert kept
    assert set(kept) == {place}
    (first, second, slopes, names), (mine_first, mine_second, mine, _) = results
    tolerance = 1e-9 if dtype == F64 else 2e-4
    if kind != "integrator":
        assert torch.equal(mine_first, first)
        assert torch.equal(mine_second, second)
    for name, got, want in zip(names, mine, slopes, strict=False):
        torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance * float(want.abs().max()), msg=name)


@pytest.mark.parametrize("chunk", [None, 7, 36])
@pytest.mark.parametrize("kind", ["sum", "several", "refractory", "integrator"])
def test_the_advance_over_the_last_slot(kind, chunk, monkeypatch):
    """States after a run are those of the reference engine, however it is cut; and who goes on from them."""
    if chunk is not None:
        monkeypatch.setattr("ship.network.network.chunk_slots", lambda wiring, lead: chunk)
    states = []
    for engine in ("reference", "fused"):
        net, x = build(kind, engine, F64, None)
        with torch.no_grad():
            net.run(x, dt=[(DT, 20), (DT / 2, 17)])
            after = [t.double() for t in net._sim.tensors()]
            net.run(x, reset=False)
        if engine == "fused":
            assert {tag for tag, standing in net._sim.fusion.standing.items() if standing.ended} == {"a"}
        states.append((after, [t.double() for t in net._sim.tensors()]))
    for some in zip(*states, strict=True):
        for got, want in zip(*some, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)
