"""Broken models: each fault is found, and named by the check that is about it; the sound ones pass."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import pytest
import torch

import ship
from planted import QUICK, found_in, only
from ship.testing import check_model
from ship.testing.check import MODEL_CHECKS


class V(NamedTuple):
    v: torch.Tensor


@dataclass(frozen=True)
class Sound(ship.SpikingNeuron):
    """A leaky integrate-and-fire neuron without a fault, from which the broken ones are made."""

    tau: float = ship.param(20e-3, unit="s", above=0.0, role="time constant")
    v_th: float = ship.param(1.0, unit="V", role="threshold")

    ports = {"charge": ship.Port("charge", "V")}
    states = V(v=ship.State(0.0, unit="V", held=True))

    def discretise(self, p, dt):
        return (-torch.expm1(-dt / p.tau),)

    def receive(self, state, jump, p):
        return state

    def margin(self, state, p):
        return state.v - p.v_th

    def reset(self, state, fired, p):
        return V(torch.where(fired, 0.0, state.v))

    def evolve(self, state, x, p, c):
        return V(state.v - state.v * c[0] + x.charge)


@dataclass(frozen=True)
class InPlace(Sound):
    """It changes its state in place."""

    def evolve(self, state, x, p, c):
        state.v.mul_(1 - c[0])
        return V(state.v + x.charge)


@dataclass(frozen=True)
class DtIgnored(Sound):
    """It decays by 5 % in every slot, however long that is, and takes a level for a charge."""

    ports = {"charge": ship.Port("values", "V")}

    def discretise(self, p, dt):
        return (0.05 * torch.ones_like(p.tau),)

    def evolve(self, state, x, p, c):
        return V(state.v - state.v * c[0] + 0.05 * x.charge)


@dataclass(frozen=True)
class OrderZero(Sound):
    """Its drive depends on dt, its decay does not."""

    def discretise(self, p, dt):
        return (0.05 * torch.ones_like(p.tau),)


@dataclass(frozen=True)
class BatchLeak(Sound):
    """It subtracts the mean over the samples."""

    def evolve(self, state, x, p, c):
        v = state.v - state.v * c[0] + x.charge
        return V(v - 0.1 * v.mean(1, keepdim=True) if v.ndim > 2 else v)


@dataclass(frozen=True)
class UnitLeak(Sound):
    """It decays with the mean time constant of its units."""

    def discretise(self, p, dt):
        return (-torch.expm1(-dt / p.tau.mean()),)


@dataclass(frozen=True)
class WiderUnits(Sound):
    """Its units differ twice as much as they are said to."""

    def discretise(self, p, dt):
        return (-torch.expm1(-dt / (2 * p.tau - p.tau.mean())),)


@dataclass(frozen=True)
class ReadsItself(Sound):
    """It reads a parameter from itself."""

    def discretise(self, p, dt):
        tau = self.tau if isinstance(self.tau, float) else 20e-3
        return (torch.as_tensor(-torch.expm1(torch.tensor(-dt / tau, dtype=torch.float64))),)


@dataclass(frozen=True)
class WrongGradient(Sound):
    """Its state forgets where it came from."""

    def evolve(self, state, x, p, c):
        return V(state.v - (state.v * c[0]).detach() + x.charge)


class WrongDerivative(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.tanh()

    @staticmethod
    def backward(ctx, grad):
        return grad


@dataclass(frozen=True)
class CustomGradient(Sound):
    """It has an autograd function of its own, whose derivative is wrong."""

    def evolve(self, state, x, p, c):
        return V(state.v - WrongDerivative.apply(2 * state.v) * c[0] + x.charge)


@dataclass(frozen=True)
class NotANumber(Sound):
    """It divides by a parameter that may be 0."""

    leak: float = ship.param(0.5, unit="V", least=0.0)

    def evolve(self, state, x, p, c):
        return V(state.v - state.v * c[0] + x.charge * p.leak / p.leak)


@dataclass(frozen=True)
class LosesDigits(Sound):
    """It subtracts near numbers."""

    def evolve(self, state, x, p, c):
        return V(state.v - state.v * c[0] + ((x.charge + 1e5) - 1e5))


@dataclass(frozen=True)
class Milliseconds(Sound):
    """It takes the time constant for milliseconds."""

    def discretise(self, p, dt):
        return (-torch.expm1(-dt / (p.tau * 1e-3)),)


@dataclass(frozen=True)
class HiddenState(Sound):
    """It counts on its class."""

    seen: ClassVar[list] = []

    def evolve(self, state, x, p, c):
        HiddenState.seen.append(1)
        return V(state.v - state.v * c[0] + x.charge)


@dataclass(frozen=True)
class Remembers(Sound):
    """What it did before the reset is still there after it."""

    kept: ClassVar[dict] = {"v": 0.0}

    def evolve(self, state, x, p, c):
        v = state.v - state.v * c[0] + x.charge + 1e-3 * self.kept["v"]
        self.kept["v"] = float(v.detach().mean())
        return V(v)


@dataclass(frozen=True)
class Silent(Sound):
    """Nothing reaches its state."""

    def evolve(self, state, x, p, c):
        return V(state.v - state.v * c[0])


@dataclass(frozen=True)
class OutOfBounds(Sound):
    """A conductance that declares a bound and crosses it."""

    states = V(v=ship.State(0.0, unit="V", held=True, most=0.5))


@dataclass(frozen=True)
class PerSlot(Sound):
    """Its state is what arrives in a slot, not a quantity at a time."""

    states = V(v=ship.State(0.0, unit="V", held=True))

    def discretise(self, p, dt):
        return (-torch.expm1(-dt / p.tau), torch.as_tensor(dt / 1e-3))

    def evolve(self, state, x, p, c):
        return V(state.v - state.v * c[0] + x.charge * c[1])


@dataclass(frozen=True)
class Torchs(Sound):
    """It draws from torch's own generator."""

    def evolve(self, state, x, p, c):
        return V(state.v - state.v * c[0] + x.charge + 1e-3 * torch.randn_like(state.v))


@dataclass(frozen=True)
class Noisy(Sound):
    """Its noise is not scaled with dt."""

    noise = {"xi": "normal"}

    def evolve(self, state, x, p, c):
        return V(state.v - state.v * c[0] + x.charge + 0.01 * x.xi)


@dataclass(frozen=True)
class Prefixed(Sound):
    """A unit that is not SI, and a default that breaks its own limits."""

    t_fall: float = ship.param(5.0, unit="ms", above=10.0)


MODELS = [
    (InPlace, "arguments stay as they are", "evolve changed v in place"),
    (DtIgnored, "convergence in dt", "dt is ignored: v"),
    (OrderZero, "convergence in dt", "v order"),
    (BatchLeak, "batch", "v differs"),
    (UnitLeak, "parameters by unit", "v of a unit among others differs"),
    (UnitLeak, "spread from unit to unit", "in the place of"),
    (WiderUnits, "spread from unit to unit", "in the place of"),
    (ReadsItself, "parameters by unit", "differs"),
    (WrongGradient, "gradients", "no gradient arrives"),
    (CustomGradient, "gradients", "finite difference"),
    (NotANumber, "extreme parameters", "not a number at"),
    (LosesDigits, "float32", "largest difference"),
    (Milliseconds, "time constants in seconds", "tau: declared 0.02 s"),
    (HiddenState, "nothing kept outside states", "HiddenState.seen changed"),
    (Remembers, "nothing kept outside states", "Remembers.kept changed"),
    (Remembers, "batch", "differs by"),
    (Silent, "responds to its input", "0 spikes"),
    (OutOfBounds, "bounds of states", "v reaches"),
    (PerSlot, "convergence in dt", "does not settle"),
    (Torchs, "reset", "differs by"),
    (Noisy, "noise", "at dt / 4"),
    (Prefixed, "declarations", "its unit is ms, not SI"),
    (Prefixed, "declarations", "breaks its own limits"),
]


@pytest.mark.parametrize(("model", "check", "said"), MODELS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_fault_of_a_model_is_named(model, check, said):
    found_in(check_model(model, skip=only(MODEL_CHECKS, check)), check, said)


@pytest.mark.parametrize(("model", "failing"), [(Milliseconds, 3), (WrongGradient, 1), (InPlace, 1), (ReadsItself, 3)])
def test_what_is_not_about_the_fault_passes(model, failing):
    report = check_model(model, skip=QUICK)
    assert len(report.failures) <= failing, report


def test_the_sound_one_passes():
    report = check_model(Sound, order=1)
    assert report.ok, report
    assert report["convergence in dt"].verdict == "pass"
    assert not {"fail"} & {f.verdict for f in report.findings}
    report.raise_if_failed()


def test_engines_that_differ_are_named(monkeypatch):
    """A kernel that adds another number than the model: the comparison of engines sees it."""
    from ship.testing.models import gradient

    both = gradient._both_ways

    def other(bench, engine):
        values, *rest = both(bench, "reference")
        return ({k: v * (1 + 1e-6) for k, v in values.items()} if engine == "fused" else values, *rest)

    monkeypatch.setattr(gradient, "_both_ways", other)
    found_in(check_model(Sound, skip=only(MODEL_CHECKS, "engines")), "engines", "differs by")
