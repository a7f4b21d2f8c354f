"""Imperfect parts for tests: programming noise, power-law drift, stuck devices."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from ship.base.parameters import Value, param
from ship.devices.contract import Faults, Programming, Retention, as_uniform


@dataclass(frozen=True)
class Gaussian(Programming):
    """A write leaves ``target + sigma (g_max - g_min) xi``."""

    sigma: Value = param(0.02, least=0.0, role="noise")

    def write(self, target, p, xi):
        return target + p.sigma * (p.g_max - p.g_min) * xi[0]


@dataclass(frozen=True)
class PowerLaw(Retention):
    """A conductance that falls as ``g (1 + age / t0)^-nu``."""

    nu: Value = param(0.05, least=0.0, role="drift")
    t0: Value = param(1.0, unit="s", above=0.0)

    def drift(self, g, age, p, xi):
        return g * (1 + age / p.t0) ** (-p.nu)


@dataclass(frozen=True)
class Stuck(Faults):
    """A share of the devices is stuck at the top of the window, as many at the bottom."""

    frozen: ClassVar[int] = 1
    share: Value = param(0.05, least=0.0, most=0.5)

    def broken(self, g, p, xi):
        u = as_uniform(xi[0])
        return torch.where(u < p.share, p.g_max, torch.where(u > 1 - p.share, p.g_min, g))
