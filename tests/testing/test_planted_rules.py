"""Broken learning rules: each fault is found, and named by the check that is about it; the sound one passes."""

from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch

import ship
from planted import QUICK, found_in, only
from ship.testing import check_rule
from ship.testing.check import RULE_CHECKS


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
