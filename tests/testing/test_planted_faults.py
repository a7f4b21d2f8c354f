"""Broken models, rules and parts: each fault is found, and named by the check that is about it; the sound ones pass."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import pytest
import torch

import ship
from ship.devices import Device, Update, VolatileRetention
from ship.devices.contract import IV, Conductance, Retention
from ship.devices.update.bounded import Bounded
from ship.testing import check_device_part, check_model, check_rule
from ship.testing.check import MODEL_CHECKS, PART_CHECKS, RULE_CHECKS


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
QUICK = ("engines",)  # compiles kernels; the engines have a test of their own below


def only(checks, *names):
    """What to skip to do nothing but these checks."""
    return tuple(name for name, _ in checks if name not in names)


def found_in(report, check, said):
    failure = {f.check: f for f in report.failures}
    assert check in failure, f"not found; failed: {sorted(failure)}"
    assert said in failure[check].seen, failure[check].seen
    assert failure[check].fix
    assert failure[check].should
    return failure


@pytest.mark.parametrize(("model", "check", "said"), MODELS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_fault_of_a_model_is_named(model, check, said):
    found_in(check_model(model, skip=only(MODEL_CHECKS, check)), check, said)


@pytest.mark.parametrize(("model", "failing"), [(Milliseconds, 2), (WrongGradient, 1), (InPlace, 1), (ReadsItself, 3)])
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


# -- rules -----------------------------------------------------------------------------------------------------------------------


class Traces(NamedTuple):
    pre: torch.Tensor
    post: torch.Tensor


@dataclass(frozen=True)
class SoundRule(ship.Rule):
    """Pair STDP without a fault."""

    rate: float = ship.param(0.02, unit="V", least=0.0, role="learning rate", gradient=False)
    tau: float = ship.param(20e-3, unit="s", above=0.0, role="time constant", gradient=False)

    states = Traces(pre=ship.State(0.0, on="pre"), post=ship.State(0.0, on="post"))

    def discretise(self, p, dt):
        return (torch.exp(-dt / p.tau),)

    def change(self, state, x, w, p):
        return p.rate * (state.pre * x.post - x.pre * state.post)

    def update(self, state, x, w, p, c):
        return self.change(state, x, w, p), Traces((state.pre + x.pre) * c[0], (state.post + x.post) * c[0])


@dataclass(frozen=True)
class WritesWeights(SoundRule):
    """It writes to the weights, beyond their bounds."""

    def update(self, state, x, w, p, c):
        w.mul_(3.0)
        return torch.zeros_like(w), Traces((state.pre + x.pre) * c[0], (state.post + x.post) * c[0])


@dataclass(frozen=True)
class TooLarge(SoundRule):
    """One pair changes the weight by more than its range."""

    def change(self, state, x, w, p):
        return 100 * p.rate * (state.pre * x.post - x.pre * state.post)


@dataclass(frozen=True)
class DividesByZero(SoundRule):
    """It divides by a trace."""

    def change(self, state, x, w, p):
        return p.rate * x.post * state.pre / (state.post * x.pre)


@dataclass(frozen=True)
class Creeps(SoundRule):
    """It changes weights without a spike."""

    def change(self, state, x, w, p):
        return p.rate * (state.pre * x.post - x.pre * state.post) + 1e-4


@dataclass(frozen=True)
class WrongSide(SoundRule):
    """A trace of the presynaptic side that has both sides in it."""

    def update(self, state, x, w, p, c):
        return self.change(state, x, w, p), Traces((state.pre + x.pre + 0 * x.post) * c[0], (state.post + x.post) * c[0])


@dataclass(frozen=True)
class RuleBatchLeak(SoundRule):
    """It averages over the samples."""

    def change(self, state, x, w, p):
        return p.rate * (state.pre.mean(1, keepdim=True) * x.post - x.pre * state.post)


@dataclass(frozen=True)
class PerSlotRate(SoundRule):
    """It forgets a fixed part in each slot."""

    def discretise(self, p, dt):
        return (torch.full_like(p.tau, 0.95),)


RULES = [
    (WritesWeights, "arguments stay as they are", "update changed"),
    (TooLarge, "finite and within bounds", "of the range"),
    (DividesByZero, "finite and within bounds", "not a number"),
    (Creeps, "silent without spikes", "largest change"),
    (WrongSide, "states on their sides", 'pre (on="pre")'),
    (RuleBatchLeak, "samples on their own", "differs"),
    (PerSlotRate, "convergence in dt", "dt is ignored"),
]


@pytest.mark.parametrize(("rule", "check", "said"), RULES, ids=lambda v: getattr(v, "__name__", ""))
def test_a_fault_of_a_rule_is_named(rule, check, said):
    found_in(check_rule(rule, skip=only(RULE_CHECKS, check)), check, said)


def test_the_sound_rule_passes():
    assert check_rule(SoundRule, skip=QUICK).ok
    assert check_rule(SoundRule(rate=0.01, w_max=2.0), skip=only(RULE_CHECKS, "learns", "finite and within bounds")).ok


# -- parts of devices ------------------------------------------------------------------------------------------------------------


class OverTheTop(Bounded):
    """Pulses lead out of the window."""

    def pulse(self, x, pulse, p, xi):
        return Conductance(x.g + 0.01 * pulse.n * torch.sign(pulse.v) * (p.g_max - p.g_min))


class Active(Bounded):
    """Its resistance is negative at small voltages."""

    def current(self, x, v, p):
        return x.g * (v**3 - 0.25 * v)


class Offset(Bounded):
    """A current flows at 0 V."""

    def current(self, x, v, p):
        return x.g * (v + 0.05)


class BothUp(Bounded):
    """Pulses of both signs raise the conductance."""

    def pulse(self, x, pulse, p, xi):
        return super().pulse(x, pulse._replace(v=pulse.v.abs()), p, xi)


class CountsNothing(Bounded):
    """n pulses in one event are one pulse."""

    def pulse(self, x, pulse, p, xi):
        return super().pulse(x, pulse._replace(n=pulse.n.clamp(max=1.0)), p, xi)


class MeanStep(Bounded):
    """Its step is the mean over the devices: the spread from device to device is lost."""

    def pulse(self, x, pulse, p, xi):
        p = ship.Bag({**vars(p), "alpha_p": p.alpha_p.mean(), "alpha_d": p.alpha_d.mean()})
        return super().pulse(x, pulse, p, xi)


class WrongSpread(Bounded):
    """Its devices differ twice as much as they are said to."""

    def pulse(self, x, pulse, p, xi):
        wider = {name: 2 * getattr(p, name) - getattr(p, name).mean() for name in ("alpha_p", "alpha_d")}
        return super().pulse(x, pulse, ship.Bag({**vars(p), **wider}), xi)


class Disturbs(Bounded):
    """No pulse changes the state, in its last digits."""

    def pulse(self, x, pulse, p, xi):
        return Conductance(super().pulse(x, pulse, p, xi).g * (1 + 1e-9))


class Rests(Bounded):
    """It relaxes by a step, not by the closed form."""

    def rest(self, x, seconds, p):
        return Conductance(x.g - (x.g - p.g_min) * (seconds / (seconds + 1.0)) ** 2)


@dataclass(frozen=True)
class Since(Retention):
    """It ages faster each time that it is looked at."""

    last: ClassVar[dict] = {"looks": 0}
    nu: float = ship.param(0.05, least=0.0)

    def drift(self, g, age, p, xi):
        self.last["looks"] += 1
        return g * (1 + age) ** (-p.nu * (1 + 0.01 * self.last["looks"]))


@dataclass(frozen=True)
class Grows(Retention):
    """At age 0 it is not what was written."""

    nu: float = ship.param(0.05, least=0.0)

    def drift(self, g, age, p, xi):
        return g * (1e-3 + age) ** -p.nu


@dataclass(frozen=True)
class BackwardsIV(IV):
    """Its current has the wrong sign."""

    def current(self, g, v, p):
        return -g * v


PARTS = [
    (OverTheTop, "conductance within bounds", "pulses of"),
    (Active, "passive", "an active device"),
    (Active, "conductance at small voltage", "off by"),
    (Offset, "passive", "A at 0 V"),
    (BothUp, "direction of pulses", "above 0 V: up; below: up"),
    (CountsNothing, "pulses add up", "off by"),
    (MeanStep, "devices on their own", "differs by"),
    (MeanStep, "spread from device to device", "in the place of"),
    (WrongSpread, "spread from device to device", "in the place of"),
    (Disturbs, "no pulse, no change", "changed by"),
    (Rests, "rests add up", "off by"),
    (Since, "ages add up", "differ by"),
    (Since, "nothing kept outside states", "Since.last changed"),
    (Grows, "ages add up", "at age 0"),
    (BackwardsIV, "passive", "an active device"),
]


@pytest.mark.parametrize(("part", "check", "said"), PARTS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_fault_of_a_part_is_named(part, check, said):
    found_in(check_device_part(part, skip=only(PART_CHECKS, check)), check, said)


def test_sound_parts_pass():
    assert check_device_part(Bounded(alpha_p=0.02, gamma_p=1.0)).ok
    assert check_device_part(VolatileRetention, tau=3.0).ok


# -- the report, and errors ------------------------------------------------------------------------------------------------------


def test_the_report_is_a_table_and_an_error():
    report = check_model(InPlace, skip=QUICK)
    text = str(report)
    assert "arguments stay as they are      FAIL" in text
    assert "Return new tensors" in text
    assert report["engines"].verdict == "does not apply"
    assert max(map(len, text.splitlines())) <= 136
    assert "<table>" in report._repr_html_()
    with pytest.raises(ship.ModelError, match=r"check_model\(InPlace\): must pass every check; got .* failed \(.*in place"):
        report.raise_if_failed()


@dataclass(frozen=True)
class Raises(Sound):
    """A function raises an error."""

    def evolve(self, state, x, p, c):
        return V(state.w)


def test_an_error_inside_a_model_is_a_finding():
    report = check_model(Raises)
    assert not report.ok
    assert "no attribute 'w'" in report["runs"].seen


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: check_model(ship.LIF, tua=1.0), r"check_model\(LIF\): tua: is no parameter. .*Did you mean 'tau'"),
        (lambda: check_model(ship.LIF, drive={"chrage": 1.0}), r"no port named 'chrage'.*Did you mean 'charge'"),
        (lambda: check_model(ship.LIF, skip=("engine",)), r"no check named 'engine'.*Did you mean 'engines'"),
        (lambda: check_model(ship.PairSTDP), r"takes no learning rule"),
        (lambda: check_rule(ship.PairSTDP, a_pluss=1.0), r"a_pluss: is no parameter"),
        (lambda: check_device_part(Device), r"must be a part of a device; got Device. Kinds: Update"),
        (lambda: check_device_part(Bounded, alpha=1.0), r"alpha: is no parameter"),
        (lambda: check_model("LIF"), r"check_model: model"),
    ],
)
def test_wrong_calls(call, text):
    with pytest.raises(ship.ParameterError, match=text):
        call()


def test_there_is_a_fault_for_most_checks():
    named = {check for _, check, _ in [*MODELS, *RULES, *PARTS]}
    assert len({cls for cls, *_ in [*MODELS, *RULES, *PARTS]}) >= 30
    assert len(named) >= 20
    assert issubclass(OverTheTop, Update)
