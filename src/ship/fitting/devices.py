"""From fitted parameters to a `Device`: the one place that knows which of the library's parts stands for which fitted law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import FitError
from ..models import devices
from ..models.devices import Bounded, Device
from ..parameters import Varied

LEAST = 3  # devices from which on a spread is estimated
GAMMA = {"hard": 0.0, "soft": 1.0}


class NoPartError(FitError):
    """This version of the library has no device part for a law."""


def part(name: str, law: str, **values: Any) -> Any:
    """A part of the library by its class name.

    Raises:
        NoPartError: this version has none of that name, or it takes other parameters.
    """
    made = getattr(devices, name, None)
    if made is None:
        raise NoPartError(f"the law {law!r}", f"this version of SHIP has no device part for it (ship.devices.{name})")
    try:
        return made(**values)
    except TypeError as error:
        raise NoPartError(f"ship.devices.{name}", f"does not take what the law {law!r} gives", got=str(error)) from error


def varied(nominal: float, spread: float) -> Any:
    """A value with its spread (in its unit) from device to device."""
    return float(nominal) if spread <= 0 else Varied(float(nominal), d2d_abs=float(spread))


def pulsed(
    curve: str,
    nominal: Mapping[str, float],
    spread: Mapping[str, float],
    noise: float,
    p_max: tuple[int, int],
    name: str,
    correlated: Any,
) -> Device:
    """A device that pulses move along a fitted curve.

    Args:
        curve: hard, soft, power or exponential.
        nominal, spread: by name; S for g_min and g_max.
        noise: of one pulse's step, as a fraction of the window.

    Raises:
        FitError: the measurement had pulses of one polarity only, or this version has no such part.
    """
    if ("alpha_p" not in nominal and "k_p" not in nominal) or ("alpha_d" not in nominal and "k_d" not in nominal):
        missing = "down" if "alpha_p" in nominal or "k_p" in nominal else "up"
        raise FitError(
            "fit: device", f"needs pulses {missing} as well", fix="Measure both branches; one does not tell the other."
        )
    values = {n: varied(nominal[n], spread.get(n, 0.0)) for n in nominal}
    if curve == "exponential":
        update = part(
            "NonlinearPulses",
            curve,
            k_p=values["k_p"],
            k_d=values["k_d"],
            p_max_p=float(p_max[0]),
            p_max_d=float(p_max[1]),
            noise=noise,
        )
    else:
        gammas = {n: values.get(n, GAMMA.get(curve, 0.0)) for n in ("gamma_p", "gamma_d")}
        update = Bounded(alpha_p=values["alpha_p"], alpha_d=values["alpha_d"], noise=noise, **gammas)
    pairs = tuple((prefix(a), prefix(b), r) for a, b, r in correlated)
    return Device(name=name, g_min=values["g_min"], g_max=values["g_max"], update=update, correlated=pairs)


def tabled(up: Sequence[tuple[float, float]], down: Sequence[tuple[float, float]], noise: float, name: str) -> Device:
    """A device that follows measured branches: knots (pulse number, S) of each.

    Raises:
        FitError: this version has no table device.
    """
    low = min(g for _, g in (*up, *down))
    high = max(g for _, g in (*up, *down))
    update = part("TableUpdate", "table", up=tuple(up), down=tuple(down), noise=noise)
    return Device(name=name, g_min=max(low, 0.0), g_max=high, update=update)


def retention(law: str, theta: np.ndarray, t0: float) -> Any:
    """The retention part of a fitted law, None for one without drift; ``theta``: ``[curve, parameter]``.

    Raises:
        FitError: this version has no such part.
    """
    if law == "constant":
        return None
    if law == "power":
        nu = theta[:, 1]
        return part("PowerDrift", law, nu=varied(nu.mean(), nu.std(ddof=1)), t0=t0)
    if law == "hfo2":
        return part("HfO2Drift", law)
    if law == "logarithmic":
        return part("LogDrift", law, b=varied(theta[:, 1].mean(), theta[:, 1].std(ddof=1)), t0=t0)
    return part("Relaxation", law, tau=float(np.median(theta[:, 2])), to=float(np.median(theta[:, 1] / theta[:, 0])))


def iv_part(law: str, values: Mapping[str, float]) -> Any:
    """The current-voltage part of a fitted law, by its on state; None where the library has none: the device is then ohmic."""
    if law == "sinh" and hasattr(devices, "SinhIV"):
        return part("SinhIV", law, b=values["b, on"])
    return None


def endurance(law: str, theta: np.ndarray, lowest: float) -> Any:
    """The endurance part of a fitted law; None for a window that stays.

    Raises:
        FitError: this version has no such part.
    """
    return None if law == "constant" else part("LogWear", law, on=float(theta[0, 1]), off=float(theta[1, 1]))


def prefix(name: str) -> str:
    """A parameter's name within a device."""
    return name if name in ("g_min", "g_max") else f"update.{name}"


def spread_of(theta: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariance and correlation over devices, without what the uncertainty of each device's own fit adds to it.

    Args:
        theta: ``[device, parameter]``.
        error: mean covariance of the replicates of one device, ``[parameter, parameter]``.
    """
    covariance = np.cov(theta, rowvar=False)
    clean = covariance - error
    variance = np.diag(clean)
    if bool((variance <= 0).any()) or np.linalg.eigvalsh(clean).min() <= 0:  # some spread is no larger than its uncertainty
        shrink = np.clip(variance, 0, None) / np.maximum(np.diag(covariance), 1e-300)
        clean = covariance * np.sqrt(np.outer(shrink, shrink))
    size = np.sqrt(np.clip(np.diag(clean), 0, None))
    safe = np.where(size > 0, size, 1.0)
    return clean, np.where(np.eye(len(size), dtype=bool), 1.0, clean / np.outer(safe, safe))
