"""Published resistive memories that are written to a target: HfO2, CMO/HfOx, and the 1T1R memory of Wan et al.

The laws of their materials, with equations and sources, are in `ship.devices.materials`.
"""

from __future__ import annotations

from ...base.errors import ParameterError
from ..device import Device
from ..materials.cmo import ERROR, CMODecay, CMONoise
from ..materials.hfo2 import G_MAX, G_MIN, HfO2Drift
from ..materials.relaxation import ReRAMRelaxation
from ..parts.programming import GaussianProgramming, LevelProgramming


def hfo2_memory(*, levels: int | None = 16, continuous: bool = False, outside: str = "refuse") -> Device:
    """Make an HfO2 resistive memory, 50 to 120 uS, for differential pairs whose weights have a number of levels.

    Args:
        levels: the number of levels of a weight, which sets the programming error; None: it is programmed exactly.
        continuous, outside: see `HfO2Drift`. With fewer than about 14 levels the error reaches below the fit, at 45 uS.
    """
    return Device(
        name="hfo2_memory",
        g_min=G_MIN,
        g_max=G_MAX,
        programming=None if levels is None else LevelProgramming(levels=levels, of="pair"),
        retention=HfO2Drift(continuous=continuous, outside=outside),
    )


def cmo_hfox(*, accept: float = 0.02) -> Device:
    """Make a CMO/HfOx resistive memory, 8 to 90 uS.

    Args:
        accept: the range that programming was verified to, as a fraction of the target: 0.02 or 0.002.

    Raises:
        ParameterError: another range.
    """
    if accept not in ERROR:
        raise ParameterError("cmo_hfox: accept", "must be 0.02 or 0.002, for which there are measurements", got=accept)
    sigma, relative = ERROR[accept]
    return Device(
        name="cmo_hfox",
        g_min=8e-6,
        g_max=90e-6,
        t_read=1e-6,
        programming=GaussianProgramming(sigma=sigma, relative=relative),
        retention=CMODecay(),
        noise=CMONoise(),
    )


def reram_wan(*, g_max: float = 40e-6) -> Device:
    """Make the resistive memory of Wan et al. (2022); the spread at 1 s includes the error of programming.

    Args:
        g_max: the upper end of its window, S.
    """
    return Device(name="reram_wan", g_min=0.0, g_max=g_max, retention=ReRAMRelaxation())
