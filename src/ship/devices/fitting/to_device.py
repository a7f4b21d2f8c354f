"""From fitted parameters to a `Device`: the one place that knows which part of the library stands for which fitted law."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ...base.errors import FitError
from ...base.parameters import Varied
from .. import (
    AdditiveNoise,
    Bounded,
    Device,
    HfO2Drift,
    LogDrift,
    NonlinearPulses,
    PowerDrift,
    SinhIV,
    TableUpdate,
    Unmeasured,
    VolatileRetention,
    Wear,
)
from ..provenance import DEFAULT, FACTS, MISSING, NUMBERS, Origin
from ..reading.columns import Columns
from ..reading.spelling import argument
from ..update.nonlinear import SHARE, deviation

LEAST = 3  # devices from which on a spread is estimated
GAMMA = {"hard": 0.0, "soft": 1.0}


class Evidence(NamedTuple):
    """The measurement that the numbers of a device come from: its kind, the file with its digest, and the rows that were used."""

    kind: str
    source: str
    sha256: str
    rows: str

    def origin(self, text: str = "") -> Origin:
        """Return the origin of what was measured here."""
        return Origin("measured", text, self.kind, self.source, self.sha256, self.rows)

    @property
    def name(self) -> str:
        """The name of a device that was measured here: that of the file, without its ending."""
        return self.source.rsplit(".", 1)[0]


def evidence(columns: Columns, source: str, sha256: str) -> Evidence:
    """Return the evidence that the columns of a measurement are."""
    first, last = (columns.rows[0], columns.rows[-1]) if columns.rows else ("", "")
    rows = first if first == last else f"{first} to {last}"
    if first != last and first.startswith("row ") and last.startswith("row "):
        rows = f"rows {first.removeprefix('row ')} to {last.removeprefix('row ')}"
    return Evidence(columns.kind, source, sha256, rows)


def assembled(
    proof: Evidence,
    measured: Mapping[str, Any],
    *,
    spreads: Mapping[str, str] | None = None,
    remarks: Mapping[str, str] | None = None,
    correlated: Any = (),
) -> Device:
    """Return a device of what was measured; each other part is missing, and each other number an assumed default.

    Args:
        proof: the measurement.
        measured: numbers and parts by the names of `Device`; a part may be None: it was measured that there is none.
        spreads: of "d2d" and "c2c" those that were measured, each with what a reader should know.
        remarks: what a reader should know of measured numbers and parts, by name.
        correlated: pairs of parameters that vary together, with their coefficient.
    """
    told = dict(remarks or {})
    known = {name: proof.origin(told.get(name, "")) for name in measured}
    known |= {name: proof.origin(text) for name, text in (spreads or {}).items()}
    rest = {name: DEFAULT if name in NUMBERS else MISSING for name in FACTS}
    values = {"update": Unmeasured()} | dict(measured)
    return Device(name=proof.name, correlated=correlated, origins=rest | known, **values)


class NoPartError(FitError):
    """An error that says that the library has no device part for a law."""


def varied(nominal: float, spread: float) -> Any:
    """Return a value with its spread (in its unit) from device to device."""
    return float(nominal) if spread <= 0 else Varied(float(nominal), d2d_abs=float(spread))


def pulsed(
    curve: str,
    nominal: Mapping[str, float],
    spread: Mapping[str, float],
    noise: float,
    read: float,
    p_max: tuple[int, int],
    proof: Evidence,
    correlated: Any,
) -> Device:
    """Return a device that pulses move along a fitted curve.

    Args:
        curve: the name of the curve: hard, soft, power or exponential.
        nominal, spread: the parameters and their spread over devices, by name; S for g_min and g_max.
        noise, read: the noise of one pulse's step, and that of a read, as fractions of the window.
        p_max: the number of pulses of the longest branch up, and down.
        proof: the measurement.
        correlated: pairs of parameters that vary together, with their coefficient.

    Raises:
        FitError: the measurement had pulses of one polarity only, or the library no such part.
    """
    if ("alpha_p" not in nominal and "k_p" not in nominal) or ("alpha_d" not in nominal and "k_d" not in nominal):
        missing = "down" if "alpha_p" in nominal or "k_p" in nominal else "up"
        raise FitError(
            "fit: device", f"needs pulses {missing} as well", fix="Measure both branches; one does not tell the other."
        )
    values = {n: varied(nominal[n], spread.get(n, 0.0)) for n in nominal}
    if curve == "exponential":
        update: Any = NonlinearPulses(
            nl_up=_nonlinearity(nominal["k_p"], spread.get("k_p", 0.0)),
            nl_down=_nonlinearity(nominal["k_d"], spread.get("k_d", 0.0)),
            pulses_up=float(p_max[0]),
            pulses_down=float(p_max[1]),
            noise=noise,
        )
    else:
        gammas = {n: values.get(n, GAMMA.get(curve, 0.0)) for n in ("gamma_p", "gamma_d")}
        update = Bounded(alpha_p=values["alpha_p"], alpha_d=values["alpha_d"], noise=noise, **gammas)
    read_noise = AdditiveNoise(sigma=read * (nominal["g_max"] - nominal["g_min"])) if read > 0 else None
    pairs = tuple((prefix(a), prefix(b), r) for a, b, r in correlated)
    made = {"g_min": values["g_min"], "g_max": values["g_max"], "update": update, "noise": read_noise}
    spreads = {"c2c": "the step noise of the update, the read noise"}
    if any(spread.values()):
        spreads["d2d"] = "parameters of the update"
    return assembled(proof, made, spreads=spreads, correlated=pairs)


def tabled(
    up: Sequence[tuple[float, float]], down: Sequence[tuple[float, float]], noise: float, read: float, proof: Evidence
) -> Device:
    """Return a device that follows measured branches, given as knots (pulse number, S); noises are fractions of the window.

    Raises:
        FitError: conductances below 0 S.
        ParameterError: a table that never changes.
    """
    low = min(g for _, g in (*up, *down))
    if low < 0:
        raise FitError(
            "fit: device",
            "conductances must be at least 0 S",
            got=f"{low:.3g} S",
            fix=f"Take off the instrument's offset; or, where the data are normalised, say {argument('unit', 'normalised')}.",
        )
    high = max(g for _, g in (*up, *down))
    update = TableUpdate(up=_points(up), down=_points(down), noise=noise)
    read_noise = AdditiveNoise(sigma=read * (high - low)) if read > 0 else None
    made = {"g_min": max(low, 0.0), "g_max": high, "update": update, "noise": read_noise}
    return assembled(proof, made, spreads={"c2c": "the step noise of the update, the read noise"})


def retention(law: str, theta: np.ndarray, t0: float, g_min: float, g_max: float) -> Any:
    """Return the retention part of a fitted law with parameters ``theta``, ``[curve, parameter]``; None: it does not drift.

    Raises:
        NoPartError: the library has no such part.
    """
    if law == "constant":
        return None
    if law == "power":
        nu = theta[:, 1]
        return PowerDrift(nu=varied(nu.mean(), nu.std(ddof=1)), t0=t0)
    if law == "hfo2":
        return HfO2Drift()
    if law == "logarithmic":
        return LogDrift(b=varied(theta[:, 1].mean(), theta[:, 1].std(ddof=1)), t0=t0)
    rest = (float(np.median(theta[:, 1])) - g_min) / (g_max - g_min)
    if not 0 <= rest <= 1:
        raise NoPartError("the law 'exponential'", "relaxes to outside the window of the levels", got=f"{rest:.2f} of it")
    return VolatileRetention(tau=float(np.median(theta[:, 2])), rest=rest)


def iv_part(law: str, values: Mapping[str, float]) -> Any:
    """Return the current-voltage part of a fitted law, by its on state; None where the library has none: it is then ohmic."""
    return SinhIV(b=values["b, on"]) if law == "sinh" else None


def endurance(law: str, theta: np.ndarray, on: float, off: float, first: float) -> Any:
    """Return the endurance part of a fitted law; None for a window that stays.

    Args:
        law: the law that both states follow.
        theta: its parameters, ``[state, parameter]``, on and off; the logarithmic law's second is S lost for each decade.
        on, off: the conductances at the first cycle, S.
        first: the number of the first cycle.

    Raises:
        NoPartError: the library has no such part, or the window grows.
    """
    if law == "constant":
        return None
    if law != "logarithmic":
        raise NoPartError(f"the law {law!r}", "has no endurance part: Wear closes a window with the logarithm of the cycles")
    falls, rises = float(theta[0, 1]), -float(theta[1, 1])
    lost = max(falls, 0.0) + max(rises, 0.0)
    if falls + rises <= 0:
        grows = f"{-falls - rises:.3g} S a decade"
        raise NoPartError("the law 'logarithmic'", "opens the window, and no endurance part does", got=grows)
    return Wear(onset=max(first, 1.0), rate=(falls + rises) / (on - off), towards=max(rises, 0.0) / lost)


def prefix(name: str) -> str:
    """Return a parameter's name within a device."""
    own = {"k_p": "nl_up", "k_d": "nl_down"}.get(name, name)
    return name if name in ("g_min", "g_max") else f"update.{own}"


def _nonlinearity(k: float, spread: float) -> Any:
    """Return NeuroSim's non-linearity of a fitted curvature, with its spread by the derivative there."""

    def of(x: float) -> float:
        return math.copysign(float(deviation(torch.tensor(abs(x), dtype=torch.float64))[0]) / SHARE, x)

    step = 1e-4 * max(abs(k), 1.0)
    return varied(of(k), spread * abs(of(k + step) - of(k - step)) / (2 * step))


def _points(knots: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """Return the conductance after 0, 1, 2 ... pulses, by lines between knots (pulse number from 1 on, S)."""
    at, g = (np.array(part, dtype=float) for part in zip(*knots, strict=True))
    points = np.interp(np.arange(0, int(at[-1]) + 1), at, g)
    if len(at) > 1:
        points[0] = max(g[0] - (g[1] - g[0]) / (at[1] - at[0]), 0.0)
    return tuple(float(v) for v in points)


def spread_of(theta: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return covariance and correlation over devices, without the share of the uncertainty of each device's own fit.

    Args:
        theta: the parameters, ``[device, parameter]``.
        error: the mean covariance of the replicates of one device, ``[parameter, parameter]``.
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
