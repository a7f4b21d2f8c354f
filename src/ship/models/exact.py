"""The two exact integrals that linear models share."""

from __future__ import annotations

import torch
from torch import Tensor

SERIES = 1e-4  # below this |z| the series is exact to 1e-14, where the quotient loses digits


def spread(z: Tensor) -> Tensor:
    """``(1 - exp(-z)) / z``, 1 at z = 0: what is left of a charge spread evenly over a slot of z time constants."""
    small = z.abs() < SERIES
    safe = torch.where(small, torch.ones_like(z), z)
    return torch.where(small, 1 - z / 2 + z * z / 6 - z**3 / 24, -torch.expm1(-safe) / safe)


def pair(tau_s: Tensor, tau_m: Tensor, dt: float) -> Tensor:
    """Membrane voltage after dt per unit of an exponential current at its start, in s.

    ``tau_s tau_m / (tau_m - tau_s) * (exp(-dt/tau_m) - exp(-dt/tau_s))``, and ``dt exp(-dt/tau)`` at equal time constants
    (Rotter & Diesmann, Biol. Cybern. 81:381, 1999), written as ``dt exp(-z_m) spread(z_s - z_m)``, which holds for both.
    """
    z_m, z_s = dt / tau_m, dt / tau_s
    return dt * torch.exp(-z_m) * spread(z_s - z_m)
