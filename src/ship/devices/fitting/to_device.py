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
    LogBounded,
    MixedNoise,
    NonlinearPulses,
    PooleFrenkelIV,
    RelativeNoise,
    SinhIV,
    TableUpdate,
    TwoStateProgramming,
    Unmeasured,
)
from ..provenance import DEFAULT, FACTS, MISSING, NUMBERS, Origin
from ..reading.columns import Columns
from ..reading.spelling import argument
from ..update.nonlinear import SHARE, deviation
from .components import Components

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
    return Evidence(columns.kind, source, sha256, _span(columns.rows[0], columns.rows[-1]) if columns.rows else "")


def _span(first: str, last: str) -> str:
    """Say which rows were used, such as ``"rows 1 to 500, columns '3' to '55'"``."""
    (row, _, column), (end, _, right) = first.partition(", column "), last.partition(", column ")
    rows = row if row == end else f"{row} to {end}"
    if row != end and row.startswith("row ") and end.startswith("row "):
        rows = f"rows {row.removeprefix('row ')} to {end.removeprefix('row ')}"
    if not column:
        return rows
    return f"{rows}, column {column}" if column == right else f"{rows}, columns {column} to {right}"


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


def switching_voltage(name: str, volts: float, spread: float = 0.0) -> tuple[Any, str]:
    """Return v_set or v_reset of a device (V), and a remark where its sign is not that of the measurement.

    A device counts voltages of the direction up as above 0, whatever the polarity of the terminals was, or whether there was one
    polarity only.
    """
    value = abs(volts) if name == "v_set" else -abs(volts)
    told = f"measured at {volts:.4g} V; the sign here is that of the change of conductance" if value != volts else ""
    return varied(value, spread), told


def add_read_voltage(columns: Columns, settings: Mapping[str, Any], measured: dict[str, Any], remarks: dict[str, str]) -> None:
    """Add the voltage (V) at which states were read to what was measured, where it was given or has a column with one value."""
    given = settings.get("v_read")
    seen = np.unique(np.asarray(columns["v_read"], dtype=float)) if "v_read" in columns and given is None else np.zeros(0)
    if given is not None or len(seen) == 1:
        measured["v_read"] = abs(float(given if given is not None else seen[0]))
        remarks["v_read"] = "at which the states were read" + (", as given" if given is not None else "")


class NoPartError(FitError):
    """An error that says that the library has no device part for a law."""


def varied(nominal: float, spread: float, c2c: float = 0.0) -> Any:
    """Return a value with its spread (in its unit) from device to device, and that from cycle to cycle (as a fraction)."""
    if spread <= 0 and c2c <= 0:
        return float(nominal)
    return Varied(float(nominal), d2d_abs=max(float(spread), 0.0), c2c=max(float(c2c), 0.0))


class Scatter(NamedTuple):
    """The scatter of pulses: of each step, and of reads.

    Args:
        step: of one pulse's step, as a fraction of the window (of ln g, where the law is of ln g).
        additive: of reads, S.
        relative: of reads, as a fraction of the conductance.
        c2c: of the size of the steps, from cycle to cycle, by the names of parameters, as fractions.
        told: what a reader should know of them.
    """

    step: float
    additive: float
    relative: float
    c2c: Mapping[str, float]
    told: str = "the step noise of the update, the read noise"

    @property
    def read(self) -> Any:
        """The part of the read noise; None: there is none."""
        if self.additive > 0 and self.relative > 0:
            return MixedNoise(sigma=self.additive, relative=self.relative)
        if self.relative > 0:
            return RelativeNoise(sigma=self.relative)
        return AdditiveNoise(sigma=self.additive) if self.additive > 0 else None


class Measured(NamedTuple):
    """What was measured beside the law: the numbers of pulses and reads, by the names of `Device`, and remarks by name."""

    proof: Evidence
    numbers: Mapping[str, float]
    remarks: Mapping[str, str]


def pulsed(
    curve: str,
    nominal: Mapping[str, float],
    spread: Mapping[str, float],
    scatter: Scatter,
    p_max: tuple[int, int],
    beside: Measured,
    correlated: Any,
) -> Device:
    """Return a device that pulses move along a fitted curve.

    Args:
        curve: the name of the curve: hard, soft, power, exponential, or one of ln g: log hard, log soft, log power.
        nominal, spread: the parameters and their spread over devices, by name; S for g_min and g_max.
        scatter: the scatter of steps and reads.
        p_max: the number of pulses of the longest branch up, and down.
        beside: the measurement, and what else it says.
        correlated: pairs of parameters that vary together, with their coefficient.

    Raises:
        FitError: the measurement had pulses of one polarity only, or the library no such part.
    """
    if ("alpha_p" not in nominal and "k_p" not in nominal) or ("alpha_d" not in nominal and "k_d" not in nominal):
        missing = "down" if "alpha_p" in nominal or "k_p" in nominal else "up"
        raise FitError(
            "fit: device", f"needs pulses {missing} as well", fix="Measure both branches; one does not tell the other."
        )
    values = {n: varied(nominal[n], spread.get(n, 0.0), scatter.c2c.get(n, 0.0)) for n in nominal}
    law = curve.removeprefix("log ")
    if law == "exponential":
        update: Any = NonlinearPulses(
            nl_up=_nonlinearity(nominal["k_p"], spread.get("k_p", 0.0)),
            nl_down=_nonlinearity(nominal["k_d"], spread.get("k_d", 0.0)),
            pulses_up=float(p_max[0]),
            pulses_down=float(p_max[1]),
            noise=scatter.step,
        )
    else:
        gammas = {n: values.get(n, GAMMA.get(law, 0.0)) for n in ("gamma_p", "gamma_d")}
        made: Any = LogBounded if curve != law else Bounded
        update = made(alpha_p=values["alpha_p"], alpha_d=values["alpha_d"], noise=scatter.step, **gammas)
    pairs = tuple((prefix(a), prefix(b), r) for a, b, r in correlated)
    parts = {"g_min": values["g_min"], "g_max": values["g_max"], "update": update, "noise": scatter.read}
    spreads = {"c2c": scatter.told}
    if any(spread.values()):
        spreads["d2d"] = "parameters of the update"
    remarks = dict(beside.remarks)
    return assembled(beside.proof, parts | dict(beside.numbers), spreads=spreads, remarks=remarks, correlated=pairs)


def tabled(
    up: Sequence[tuple[float, float]],
    down: Sequence[tuple[float, float]],
    scale: float,
    scatter: Scatter,
    beside: Measured,
) -> Device:
    """Return a device that follows measured branches.

    Args:
        up, down: knots of the branches (pulse number, S).
        scale: the spread over devices of a factor on both, as a fraction; 0: not measured.
        scatter: the scatter of steps and reads.
        beside: the measurement, and what else it says.

    Raises:
        FitError: conductances below 0 S, or pulses of one polarity only.
        ParameterError: a table that never changes.
    """
    if not (up and down):
        missing = "up" if not up else "down"
        raise FitError(
            "fit: device", f"needs pulses {missing} as well", fix="Measure both branches; one does not tell the other."
        )
    low = min(g for _, g in (*up, *down))
    if low < 0:
        raise FitError(
            "fit: device",
            "conductances must be at least 0 S",
            got=f"{low:.3g} S",
            fix=f"Take off the instrument's offset; or, where the data are normalised, say {argument('unit', 'normalised')}.",
        )
    high = max(g for _, g in (*up, *down))
    update = TableUpdate(up=_points(up), down=_points(down), noise=scatter.step, scale=varied(1.0, scale))
    made = {"g_min": max(low, 0.0), "g_max": high, "update": update, "noise": scatter.read} | dict(beside.numbers)
    spreads = {"c2c": scatter.told} | ({"d2d": "one factor on the whole table"} if scale > 0 else {})
    return assembled(beside.proof, made, spreads=spreads, remarks=beside.remarks)


def iv_part(law: str, values: Mapping[str, float]) -> Any:
    """Return the current-voltage part of a fitted law, by its on state; None where the library has none: it is then ohmic."""
    if law == "sinh":
        return SinhIV(b=values["b, on"])
    if law == "Poole-Frenkel":
        return PooleFrenkelIV(v0=values["b, on"] ** -2)
    return None


class States(NamedTuple):
    """The two states of a device at its read voltage, each with the parts of its scatter in ln G."""

    off: Components
    on: Components
    v_read: float | None = None  # V; None: the conductances were given as such


def two_states(proof: Evidence, states: States, more: Mapping[str, Any], remarks: Mapping[str, str], scatter: str) -> Device:
    """Return a device of which two states were measured, with their scatter: what a write leaves is log-normal.

    Args:
        proof: the measurement.
        states: the states with their scatter.
        more: further numbers and parts that were measured.
        remarks: what a reader should know of numbers and parts, by name.
        scatter: what the scatter from write to write was taken from, in words.
    """
    parts = {"off": states.off, "on": states.on}
    within = {name: part.c2c.value for name, part in parts.items() if part.c2c is not None}
    between = {name: part.d2d.value for name, part in parts.items() if part.d2d is not None}
    made: dict[str, Any] = {"g_min": states.off.centre.value, "g_max": states.on.centre.value} | dict(more)
    if states.v_read is not None:
        made["v_read"] = states.v_read
    spreads = {}
    if within:
        spreads["c2c"] = f"ln G of {scatter}"
    if between:
        spreads["d2d"] = "ln G of the states"
    told = dict(remarks)
    if within or between:
        numbers: dict[str, Any] = {f"sigma_{name}": value for name, value in within.items()}
        numbers |= {f"shift_{name}": varied(0.0, value) for name, value in between.items()}
        made["programming"] = TwoStateProgramming(**numbers)
        whose = f"from write to write of {scatter}" if within else "from device to device; none from write to write was measured"
        told.setdefault("programming", f"writes to one of the two states, with the log-normal scatter {whose}")
    return assembled(proof, made, spreads=spreads, remarks=told)


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
