"""The fused engine equals the reference engine, model by model and with every surrogate: numbers, states and gradients."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import ship
from both_engines import assert_agree, dyadic, gradients, recorded, states
from ship.models.contract import SpikingNeuron

DT = 1e-3
F64, F32 = torch.float64, torch.float32
ENGINES = ("reference", "fused")


def events(*shape, seed=0, rate=0.3):
    return torch.as_tensor((np.random.default_rng(seed).random(shape) < rate) * 1.0)


def as_dict(out, net):
    return out if isinstance(out, dict) else {next(t for t in net.tags if net._specs[t].output): out}


def fell_back(net):
    return {tag: why for tag, why in net._sim.fusion.reasons.items() if why is not None and why != "a source"}


def inputs(net):
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.CurrentInput, "level", n=4)


def neuron(model, loop, **options):
    """Input -> the neuron -> itself, if wanted, with a delay for some."""

    def build():
        net = ship.Network()
        inputs(net)
        net.add(model, "t", n=4, output=True, trainable=True, **options)
        weight = dyadic(3, 4, seed=1, low=0.0)
        if model is ship.AdEx:
            net.add(ship.Link, "drive", source="level", target="t", port="exc", gain=16e-9, trainable=True)
            net.add(ship.ExpSynapse, "s", source="in", target="t", port="current", weight=weight * 2**-31, trainable=True)
            if loop:
                back = dyadic(4, 4, seed=2) * 2**-36
                net.add(ship.AlphaSynapse, "back", source="t", target="t", port="inh", weight=back.abs(), trainable=True)
            return net
        net.add(ship.ImpulseSynapse, "jump", source="in", target="t", weight=weight / 2)
        net.add(ship.ExpSynapse, "s", source="in", target="t", weight=weight, delay=[0.0, DT, 3 * DT], trainable=True)
        if loop and issubclass(model, SpikingNeuron):
            back = dyadic(4, 4, seed=3, high=0.5)
            net.add(ship.ImpulseSynapse, "back", source="t", target="t", weight=back, delay=2 * DT)
            net.add(ship.ExpSynapse, "slow", source="t", target="t", weight=back, trainable=True)
        elif loop:
            net.add(ship.WeightedSum, "back", source="t", target="t", weight=dyadic(4, 4, seed=4) * 8, bias=2.0)
        return net

    return build


def connection(model, loop, **options):
    """The connection from the inputs (and, in a loop, from its own target) to a LIF."""

    def build():
        net = ship.Network()
        inputs(net)
        net.add(ship.LIF, "cell", n=4, t_ref=2e-3, v_th=0.5, output=True)
        chosen = dict(options)
        if not issubclass(model, ship.VolatileMemristor) and model.accepts and not model.one_to_one:
            chosen.setdefault("weight", dyadic(7 if loop else 3, 4, seed=5))
        if model is ship.Dendrite:
            net.add(model, "t", target="cell", trainable=True, **chosen)
            net.add(ship.ExpSynapse, "s", source="in", target="t", weight=dyadic(3, 4, seed=6))
            if loop:
                net.add(ship.ImpulseSynapse, "back", source="cell", target="t", weight=dyadic(4, 4, seed=7), delay=DT)
        elif model is ship.Link:
            net.add(ship.ImpulseSynapse, "s", source="in", target="cell", weight=dyadic(3, 4, seed=6))
            net.add(model, "t", source="cell" if loop else "level", target="cell", trainable=True, **chosen)
        else:
            net.add(model, "t", source=["in", "cell"] if loop else "in", target="cell", output=True, trainable=True, **chosen)
        net.add(ship.LeakyIntegrator, "out", n=4, output=True)
        net.add(ship.ExpSynapse, "read", source="cell", target="out", weight=dyadic(4, 4, seed=8))
        return net

    return build


NEURONS = {
    "LIF": (ship.LIF, {}),
    "LIF dead": (ship.LIF, {"t_ref": 2e-3, "v_reset": -0.25}),
    "LIF dead by unit": (ship.LIF, {"t_ref": torch.tensor([0.0, 1e-3, 2e-3, 4e-3]), "tau": math.inf}),
    "LIF after": (ship.LIF, {"emit_order": "after"}),
    "LIF after dead": (ship.LIF, {"emit_order": "after", "t_ref": 2e-3}),
    "LIF winner": (ship.LIF, {"winner_take_all": True, "t_ref": 2e-3}),
    "NoisyLIF": (ship.NoisyLIF, {"t_ref": 2e-3}),
    "LeakyIntegrator": (ship.LeakyIntegrator, {"v_rest": 0.125}),
    "AdEx": (ship.AdEx, {"t_ref": 2e-3}),
}
CONNECTIONS = {
    "Exp": (ship.ExpSynapse, {}),
    "Exp exact": (ship.ExpSynapse, {"drive": "exact", "tau": 20e-3}),
    "Exp pre": (ship.ExpSynapse, {"side": "pre"}),
    "Exp connection": (ship.ExpSynapse, {"side": "connection"}),
    "DoubleExp": (ship.DoubleExpSynapse, {}),
    "DoubleExp pre exact": (ship.DoubleExpSynapse, {"side": "pre", "drive": "exact"}),
    "Alpha": (ship.AlphaSynapse, {}),
    "Alpha pre": (ship.AlphaSynapse, {"side": "pre", "delay": 2 * DT}),
    "WeightedSum": (ship.WeightedSum, {"bias": 8.0}),
    "WeightedSum pre": (ship.WeightedSum, {"bias": 8.0, "side": "pre"}),
    "Impulse": (ship.ImpulseSynapse, {"delay": DT}),
    "Link": (ship.Link, {"gain": 0.25}),
    "Memristor": (ship.VolatileMemristor, {}),
    "Dendrite": (ship.Dendrite, {"g": 256.0}),
    "Dendrite bounded": (ship.Dendrite, {"v_sat": 0.25, "g": 256.0}),
    "Plastic": (ship.ExpSynapse, {"weight": 0.5, "rule": ship.PairSTDP()}),
}
MAY_FALL_BACK = {"LIF winner", "Plastic", "Exp connection", "Memristor"}


def cases():
    for (name, (model, options)), loop in itertools.product([*NEURONS.items(), *CONNECTIONS.items()], (False, True)):
        yield pytest.param(name, model, options, loop, id=name.replace(" ", "-") + ("-loop" if loop else ""))


def built(name, model, options, loop):
    options = {k: v for k, v in options.items() if not (name == "Plastic" and k == "trainable")}
    make = neuron(model, loop, **options) if name in NEURONS else connection(model, loop, **options)
    net = make()
    if name == "Plastic":
        net.set("t", trainable=None)
    return net


def watch(net, detach):
    from ship.network.monitor import recordable

    for tag in ("t", "cell"):
        if tag in net.tags:
            spec = net._specs[tag]
            names = [n for n in recordable(spec) if n != "rule.w"]
            net.monitor(tag, *names, detach=detach)


def full_run(net, dtype, *, batch=2, steps=40):
    """Outputs, records, states, gradients of a run and of one that continues it."""
    x = {
        "in": events(batch, steps, 3, seed=9).to(dtype).requires_grad_(),
        "level": dyadic(batch, steps, 4, seed=10, low=0.0).to(dtype).requires_grad_(),
    }
    out = as_dict(net.run(x), net)
    values = {**out, **recorded(net)}
    total = 0.0
    for i, (name, value) in enumerate(sorted(values.items())):
        if value.requires_grad:
            weight = torch.as_tensor(np.random.default_rng(i).standard_normal(value.shape)).to(dtype)
            scale = value.detach().abs().max().clamp(min=1e-30) if name not in out else 1.0
            total = total + (weight * value / scale).sum()
    total.backward()
    grads = gradients(net) | {f"x {k}": v.grad for k, v in x.items()}
    left = states(net)
    later = as_dict(net.run({k: v.detach() for k, v in x.items()}, reset=False), net)
    return values | {f"later {k}": v for k, v in later.items()}, left, grads


SMOOTH = {"LeakyIntegrator"}  # models of which no group spikes


@pytest.mark.parametrize(("name", "model", "options", "loop"), list(cases()))
def test_every_model(name, model, options, loop):
    results = {}
    for engine, dtype in itertools.product(ENGINES, (F64, F32) if loop else (F64,)):
        net = built(name, model, options, loop)
        net.init(dt=DT, dtype=dtype, engine=engine, seed=1)
        watch(net, detach=dtype is F32)
        results[engine, dtype] = full_run(net, dtype)
        if engine == "fused" and name not in MAY_FALL_BACK:
            assert not fell_back(net)
    for dtype, close, smooth in ((F64, 1e-12, 1e-9), (F32, 2e-5, 1e-4)) if loop else ((F64, 1e-12, 1e-9),):
        values, left, grads = results["reference", dtype]
        spiking = {"cell"} | ({"t"} if name in NEURONS and name not in SMOOTH else set())
        for tag in spiking & values.keys():
            assert float(values[tag].detach().sum()) > 3, "the neurons must spike"
            assert torch.equal(values[tag], results["fused", dtype][0][tag]), "spikes"
        got = results["fused", dtype]
        assert_agree(got[0], values, close, str(dtype))
        assert_agree(got[1], left, close, f"state {dtype}")
        assert_agree(got[2], grads, smooth, f"gradient {dtype}")
        assert any(g is not None and bool((g != 0).any()) for g in grads.values()) or name == "Plastic"


@pytest.mark.parametrize("surrogate", sorted(ship.models.surrogate.SURROGATES))
def test_every_surrogate(surrogate):
    found = {}
    for engine in ENGINES:
        net = ship.Network()
        net.add(ship.CurrentInput, "in", n=5)
        net.add(
            ship.LIF,
            "a",
            n=5,
            output=True,
            v_th=0.5,
            trainable=["tau", "v_th"],
            surrogate=ship.models.surrogate.SURROGATES[surrogate](),
        )
        net.add(ship.Link, "s", source="in", target="a", gain=128.0, trainable=True)
        net.init(dt=DT, dtype=F64, engine=engine)
        x = dyadic(3, 30, 5, seed=1, low=0.0).requires_grad_()
        out = net.run(x)
        (out * dyadic(3, 30, 5, seed=2)).sum().backward()
        assert float(out.detach().sum()) > 20
        found[engine] = {"out": out}, gradients(net) | {"x": x.grad}
        assert engine == "reference" or not fell_back(net)
    assert_agree(found["fused"][0], found["reference"][0], 0)
    assert_agree(found["fused"][1], found["reference"][1], 1e-9)


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_transforms_of_torch_func(engine):
    """Kernels cannot work on what they wrap, so reference nodes do."""
    net = ship.Network()
    net.add(ship.CurrentInput, "in", n=3)
    net.add(ship.LIF, "a", n=4, trainable=["tau"], output=True)
    net.add(ship.WeightedSum, "in>a", source="in", target="a", weight=ship.Normal(50.0, 10.0))
    net.add(ship.ExpSynapse, "a>a", source="a", target="a", delay=DT)
    net.init(dt=DT, dtype=F64, engine=engine)
    x = torch.rand(2, 60, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
    found = torch.func.grad(lambda p: torch.func.functional_call(net, p, (x,)).sum())(dict(net.named_parameters()))
    out = net.run(x)
    assert out.sum() > 3  # it spikes
    out.sum().backward()
    for name, p in net.named_parameters():
        torch.testing.assert_close(found[name], p.grad)
