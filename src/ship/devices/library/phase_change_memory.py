"""Published phase-change memories that are written to a target, and a generic device that drifts as they do.

The laws of their materials, with equations and sources, are in `ship.devices.materials` and `ship.devices.retention`.
"""

from __future__ import annotations

from ...base.errors import ParameterError
from ...base.parameters import Varied
from ..device import Device
from ..materials import hermes as chip
from ..materials import phase_change as mushroom
from ..parts.programming import GaussianProgramming, PolynomialProgramming
from ..retention.power_law import PowerDrift


def pcm(*, g_max: float = mushroom.G_REF) -> Device:
    """Make a mushroom-type PCM, for writes to a target (its pulses are not fitted: they are those of a `Bounded` device).

    Args:
        g_max: the upper end of its window, S.
    """
    return Device(
        name="pcm",
        g_min=0.0,
        g_max=g_max,
        t_read=250e-9,
        programming=PolynomialProgramming(coefficients=mushroom.SIGMA, g_ref=mushroom.G_REF),
        retention=mushroom.PCMDrift(),
        noise=mushroom.PCMNoise(),
    )


def hermes(devices: int = 2) -> Device:
    """Make a cell of the HERMES chip, for writes to a target.

    Args:
        devices: the number of devices in a cell, 1 (up to 10.35 uS) or 2 (up to 20.7 uS).

    Raises:
        ParameterError: another number.
    """
    if devices not in (1, 2):
        raise ParameterError("hermes: devices", "must be 1 or 2", got=repr(devices))
    return Device(
        name="hermes",
        g_min=0.0,
        g_max=chip.G_REF[devices],
        t_read=512e-9,
        programming=PolynomialProgramming(coefficients=chip.SIGMA[devices], g_ref=chip.G_REF[devices]),
        retention=chip.HermesDrift(devices=devices, t0=chip.T0[devices]),
        noise=chip.HermesNoise(devices=devices, t0=chip.T0[devices]),
    )


def state_independent() -> Device:
    """Make a generic drifting device up to 25 uS: nu 0.1 +- 0.05 for each write, programming error 0.2 uS, t_0 20 s."""
    return Device(
        name="state_independent",
        g_min=0.0,
        g_max=25e-6,
        programming=GaussianProgramming(sigma=0.2e-6),
        retention=PowerDrift(nu=Varied(0.1, c2c_abs=0.05)),
    )
