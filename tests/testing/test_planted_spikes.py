"""Faults that only show where each port is driven alone, or where a neuron spikes: each is found and named."""

from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch

import ship
from planted import QUICK, found_in, only
from ship.testing import check_model
from ship.testing.check import MODEL_CHECKS


class Adapted(NamedTuple):
    v: torch.Tensor
    theta: torch.Tensor


@dataclass(frozen=True)
class Sound(ship.SpikingNeuron):
    """A leaky integrate-and-fire neuron with two ports and a threshold that each spike raises."""

    tau: float = ship.param(20e-3, unit="s", above=0.0, role="time constant")
    tau_theta: float = ship.param(100e-3, unit="s", above=0.0, role="time constant")
    step: float = ship.param(0.1, unit="V", least=0.0)

    ports = {"charge": ship.Port("charge", "V"), "impulse": ship.Port("events", "V")}
    states = Adapted(v=ship.State(0.0, unit="V", held=True), theta=ship.State(0.0, unit="V"))

    def discretise(self, p, dt):
        return -torch.expm1(-dt / p.tau), -torch.expm1(-dt / p.tau_theta), torch.as_tensor(dt)

    def receive(self, state, jump, p):
        return state._replace(v=state.v + jump)

    def margin(self, state, p):
        return state.v - 1.0 - state.theta

    def reset(self, state, fired, p):
        return Adapted(torch.where(fired, 0.0, state.v), torch.where(fired, state.theta + p.step, state.theta))

    def evolve(self, state, x, p, c):
        return Adapted(state.v - state.v * c[0] + x.charge, state.theta - state.theta * c[1])


@dataclass(frozen=True)
class Deaf(Sound):
    """Impulses are lost."""

    def receive(self, state, jump, p):
        return state


@dataclass(frozen=True)
class TimesDt(Sound):
    """A charge, which is a level times dt already, times dt."""

    def evolve(self, state, x, p, c):
        return Adapted(state.v - state.v * c[0] + x.charge * c[2] / p.tau, state.theta - state.theta * c[1])


@dataclass(frozen=True)
class NeverReset(Sound):
    """A spike changes nothing, so that the next slot spikes again."""

    def reset(self, state, fired, p):
        return state


@dataclass(frozen=True)
class FallsBySlots(Sound):
    """The threshold falls by 5 % in every slot, which only shows after a spike."""

    def evolve(self, state, x, p, c):
        return Adapted(state.v - state.v * c[0] + x.charge, 0.95 * state.theta)


FAULTS = [
    (Deaf, "every port acts", "nothing changes with impulse"),
    (TimesDt, "convergence in dt", "through charge alone: "),
    (NeverReset, "rate at any dt", "spikes at dt, dt / 2, dt / 4"),
    (FallsBySlots, "after spikes", "theta order 0"),
]


@pytest.mark.parametrize(("model", "check", "said"), FAULTS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_fault_is_named(model, check, said):
    found_in(check_model(model, skip=only(MODEL_CHECKS, check)), check, said)


def test_the_sound_one_passes():
    report = check_model(Sound, skip=QUICK)
    assert report.ok, report
    assert {"every port acts", "rate at any dt", "after spikes"} <= {f.check for f in report.findings if f.verdict == "pass"}
