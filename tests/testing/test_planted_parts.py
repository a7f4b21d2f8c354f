"""Broken parts of devices: each fault is found, and named by the check that is about it; the sound ones pass."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

import ship
from planted import found_in, only
from ship.devices import VolatileRetention
from ship.devices.contract import IV, Conductance, Retention
from ship.devices.update.bounded import Bounded
from ship.testing import check_device_part
from ship.testing.check import PART_CHECKS


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
