"""Models as users write them: fused where they can be, else left to the reference engine with a clear reason, and equal to it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import ship

DT = 1e-3
F64 = torch.float64
ENGINES = ("reference", "fused")


class OneState(NamedTuple):
    v: Any


class TwoStates(NamedTuple):
    v: Any
    on: Any


class Decay(NamedTuple):
    decay: Any


class Shots(NamedTuple):
    decay: Any
    mean: Any


@dataclass(frozen=True)
class Rate(ship.Neuron):
    """A graded unit: what the models here are variations of."""

    tau: Any = ship.param(10e-3, unit="s", above=0.0)
    gain: Any = ship.param(1.0)

    emits = "values"
    ports = {"charge": ship.Port("charge", "V")}
    states = OneState(v=ship.State(0.25))

    def discretise(self, p, dt):
        return Decay(torch.exp(-dt / p.tau))

    def emit(self, state, jump, p, c):
        return p.gain * state.v, state

    def advance(self, state, x, p, c):
        return OneState(state.v * c.decay + x.charge)


@dataclass(frozen=True)
class Several(Rate):
    """Several ports of all kinds, a truth value as a state, noise, parameters as tensors."""

    ports = {
        "impulse": ship.Port("events", "V"),
        "other": ship.Port("events", "V"),
        "charge": ship.Port("charge", "V"),
        "level": ship.Port("values", "V/s"),
    }
    states = TwoStates(v=ship.State("gain"), on=ship.State(False))
    noise = {"xi": "normal", "u": "uniform"}

    def emit(self, state, jump, p, c):
        v = state.v + jump
        return torch.where(state.on, v, -v), TwoStates(v, state.on ^ (v > 0.5))

    def advance(self, state, x, p, c):
        v = state.v * c.decay + x.charge + x.level * 2**-10 + 0.125 * x.xi * (x.u < 0.5)
        return TwoStates(v.clamp(-2, 2), state.on & ~torch.isnan(v))


@dataclass(frozen=True)
class Shot(Rate):
    """Counts drawn by the engine, of a mean that is trained otherwise."""

    noise = {"shots": "poisson"}

    def discretise(self, p, dt):
        return Shots(torch.exp(-dt / p.tau), 400 * dt * p.gain)

    def advance(self, state, x, p, c):
        return OneState(state.v * c.decay + x.charge + 0.125 * x.shots)


@dataclass(frozen=True)
class Misnamed(Rate):
    noise = {"xi": "gaussian"}


@dataclass(frozen=True)
class Branch(Rate):
    def advance(self, state, x, p, c):
        return OneState(state.v * 0.5 if bool(state.v.sum() > 1) else state.v + x.charge)


@dataclass(frozen=True)
class InPlace(Rate):
    def emit(self, state, jump, p, c):
        out = state.v.clone()
        out += 1.0
        return out, state


@dataclass(frozen=True)
class Mean(Rate):
    def advance(self, state, x, p, c):
        return OneState(state.v * c.decay + x.charge - state.v.mean(-1, keepdim=True))


@dataclass(frozen=True)
class Rolled(Rate):
    def advance(self, state, x, p, c):
        return OneState(torch.roll(state.v, 1, -1) * c.decay + x.charge)


@dataclass(frozen=True)
class Sorted(Rate):
    def emit(self, state, jump, p, c):
        return state.v.sort(-1).values, state


@dataclass(frozen=True)
class Special(Rate):
    """An operation that is pointwise, but not in the table."""

    def emit(self, state, jump, p, c):
        return torch.special.i0(state.v), state


@dataclass(frozen=True)
class Whole(Rate):
    """A neuron that computes with integers."""

    def emit(self, state, jump, p, c):
        return p.gain * (state.v * 8).long().remainder(3).to(state.v.dtype), state


@dataclass(frozen=True)
class Counted(Rate):
    """It uses the number of its units."""

    def emit(self, state, jump, p, c):
        return state.v / state.v.shape[-1], state


@dataclass(frozen=True)
class Table(Rate):
    def emit(self, state, jump, p, c):
        return state.v * torch.linspace(0.0, 1.0, state.v.shape[-1], dtype=state.v.dtype), state


@dataclass(frozen=True)
class Setting(Rate):
    """A setting as a coefficient, which is no number."""

    def discretise(self, p, dt):
        return Decay(None)

    def advance(self, state, x, p, c):
        return OneState(state.v + x.charge if c.decay is None else state.v)


@dataclass(frozen=True)
class Flag(Rate):
    def discretise(self, p, dt):
        return Decay(dt < 1.0)

    def advance(self, state, x, p, c):
        return OneState(state.v + x.charge if c.decay else state.v)


@dataclass(frozen=True)
class PlainNumber(Rate):
    """A coefficient that is a plain number and changes with dt."""

    def discretise(self, p, dt):
        return Decay(math.exp(-dt / 8e-3))


@dataclass(frozen=True)
class Memoryless(Rate):
    states = ()

    def emit(self, state, jump, p, c):
        return p.gain + jump, state

    def advance(self, state, x, p, c):
        return state


@dataclass(frozen=True)
class Raises(Rate):
    def advance(self, state, x, p, c):
        raise ValueError("this model is not finished")


@dataclass(frozen=True)
class Nested(Rate):
    """A method of another class, a helper that is decorated, a closure."""

    def advance(self, state, x, p, c):
        return wrapped(super().advance)(state, x, p, c)


def wrapped(function):
    def inner(*args):
        result = function(*args)
        return OneState(result.v * torch.tensor(0.5, dtype=result.v.dtype))

    return inner


class OwnSpike(torch.autograd.Function):
    """A surrogate as many libraries write it: an autograd function with a context."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / (1 + x * x)


class NewSpike(OwnSpike):
    """The same surrogate in the newer form, with `setup_context`."""

    @staticmethod
    def forward(x):
        return (x >= 0).to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)


@dataclass(frozen=True)
class OwnSurrogate(ship.Surrogate):
    def __call__(self, x):
        return OwnSpike.apply(x)

    def derivative(self, x):
        return 1 / (1 + x * x)


@dataclass(frozen=True)
class NewSurrogate(OwnSurrogate):
    def __call__(self, x):
        return NewSpike.apply(x)


def user_network(model, engine, dtype=F64, **options):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.CurrentInput, "level", n=5)
    net.add(model, "t", n=5, output=True, trainable=True, **options)
    if "charge" in model.ports:
        net.add(ship.ExpSynapse, "s", source="in", target="t", weight=torch.arange(15.0).reshape(3, 5) / 16, port="charge")
    if "level" in model.ports:
        net.add(ship.Link, "l", source="level", target="t", port="level", trainable=True)
        for port in ("impulse", "other"):
            net.add(ship.ImpulseSynapse, port, source="in", target="t", weight=0.125, port=port, delay=DT)
    net.add(ship.Link, "read", source="t", target="out")
    net.add(ship.LeakyIntegrator, "out", n=5, output=True)
    net.init(dt=DT, dtype=dtype, engine=engine)
    return net


def outcome(net, learn=True, steps=20):
    rng = np.random.default_rng(0)
    x = {
        "in": torch.as_tensor((rng.random((2, steps, 3)) < 0.5) * 1.0),
        "level": torch.as_tensor(rng.integers(0, 8, (2, steps, 5)) * 1.0),
    }
    x = {k: v.to(net["t"].dtype).requires_grad_(learn) for k, v in x.items()}
    net.monitor("t", *(["v"] if net["t"].model.states else ["output"]))
    out = net.run(x, dt=[(DT, steps // 2), (DT / 2, steps - steps // 2)])
    found = {**out, "v": net.records["t"]["v" if net["t"].model.states else "output"]}
    if learn:
        sum((o * torch.arange(1.0, 6.0, dtype=o.dtype)).sum() for o in out.values()).backward()
        found |= {f"gradient {k}": p.grad for k, p in net.named_parameters()} | {f"gradient {k}": v.grad for k, v in x.items()}
    return found


FUSED = [Rate, Several, Shot, PlainNumber, Nested, Memoryless]
FALLS_BACK = {
    Branch: "control flow depends on the values",
    InPlace: "in place",
    Mean: "mean over units|not pointwise",
    Rolled: "not pointwise|not in the table",
    Sorted: "not pointwise|not in the table",
    Special: "i0 is not in the table",
    Whole: "computes in int64",
    Counted: "number of units",
    Table: "not in the table|number of units",
    Setting: "a coefficient is None",
    Flag: "a coefficient is a bool",
}


@pytest.mark.parametrize("model", [*FUSED, *FALLS_BACK], ids=lambda m: m.__name__)
@pytest.mark.parametrize("learn", [False, True])
def test_models_of_users(model, learn):
    found = {}
    with torch.set_grad_enabled(learn):
        for engine in ENGINES:
            net = user_network(model, engine, gain=torch.linspace(0.5, 1.5, 5))
            found[engine] = outcome(net, learn)
    why = net._sim.fusion.reasons["t"]
    if model in FALLS_BACK:
        assert re.search(FALLS_BACK[model], why), why
    else:
        assert why is None
    assert found["fused"].keys() == found["reference"].keys()
    for name, want in found["reference"].items():
        got = found["fused"][name]
        if want is None:  # a port that the model never reads has a gradient of 0 as well as none
            assert got is None or not got.any(), name
        if want is not None:
            scale = float(want.detach().abs().max())
            torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9 * scale, msg=lambda m, n=name: f"{n}: {m}")


def test_noise_that_does_not_exist():
    with pytest.raises(ship.GraphError, match=r"Misnamed 't'\.noise: must be one of normal, uniform, poisson; got 'gaussian'"):
        ship.Network().add(Misnamed, "t", n=2)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_that_raises(engine):
    net = user_network(Raises, engine)
    with pytest.raises(ValueError, match="not finished"):
        outcome(net)


@pytest.mark.parametrize("surrogate", [OwnSurrogate, NewSurrogate])
def test_a_surrogate_that_is_an_autograd_function(surrogate):
    """Whatever its form, it is fused, with gradients and without."""
    found = {}
    for engine in ENGINES:
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=3)
        net.add(ship.LIF, "t", n=3, surrogate=surrogate(), output=True)
        net.add(ship.ExpSynapse, "s", source="in", target="t", weight=torch.eye(3) * 4)
        net.init(dt=DT, dtype=F64, engine=engine)
        x = torch.ones(1, 20, 3)
        with torch.no_grad():
            plain = net.run(x)
        if engine == "fused":
            assert net._sim.fusion.reasons["t"] is None
        out = net.run(x)
        out.sum().backward()
        found[engine] = plain, out.detach(), net["s"].weight.grad
        assert float(plain.sum()) > 0
    for got, want in zip(found["fused"], found["reference"], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=0)
    assert net._sim.fusion.reasons["t"] is None


def test_a_gradient_that_is_not_in_the_table():
    @dataclass(frozen=True)
    class OddGradient(Rate):
        def emit(self, state, jump, p, c):
            return torch.nn.functional.hardtanh(state.v * p.gain, -0.25, 0.5), state

    found = {engine: outcome(user_network(OddGradient, engine)) for engine in ENGINES}
    for name, want in found["reference"].items():
        if want is not None:
            torch.testing.assert_close(found["fused"][name], want, rtol=1e-9, atol=1e-12)
