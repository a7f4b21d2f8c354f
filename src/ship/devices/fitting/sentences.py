"""The text of a fit: what was found, what each statement rests on, what a device takes from it, and what it does not say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ...base.statistics import Interval
from ..provenance import FACTS, NUMBERS, Origin

UNITS = {"g_min": "S", "g_max": "S", "t_read": "s", "t_write": "s", "v_read": "V", "v_set": "V", "v_reset": "V"}


class Found(Protocol):
    """What is told of a fit, see `report.Found`."""

    @property
    def kind(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def ranking(self) -> Sequence[Any]: ...
    @property
    def scale(self) -> str: ...
    @property
    def summary(self) -> Mapping[str, Interval]: ...
    @property
    def notes(self) -> Sequence[str]: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def measured(self) -> Mapping[str, Any]: ...
    @property
    def remarks(self) -> Mapping[str, str]: ...
    @property
    def device(self) -> Any: ...
    def refusal(self) -> str | None: ...


def told(estimate: Interval) -> str:
    """Say an estimate: one of 0 whose interval has 0 in it is "at most" its upper end, an infinite one "at least" its lower."""
    if estimate.high > 0 and math.isfinite(estimate.high) and max(abs(estimate.value), abs(estimate.low)) < 1e-9 * estimate.high:
        return f"at most {estimate.high:.4g} {estimate.unit}".rstrip()
    if math.isinf(estimate.value):
        return f"at least {estimate.low:.4g} {estimate.unit}".rstrip()
    return str(estimate)


def gap(difference: float) -> str:
    """Say how much worse a model's criterion is; above 1000 the number says no more."""
    if not math.isfinite(difference):
        return "AICc none"
    return "AICc over +1000" if difference > 1000 else f"AICc +{difference:.{1 if difference < 100 else 0}f}"


def lines(found: Found) -> list[str]:
    """Return the lines of the report of a fit."""
    settings = found.settings
    made = [f"{found.source}: {found.kind}, {settings.get('points', '?')} points"]
    width = max((len(name) for name in found.summary), default=0)
    made += [f"  {name:{width}}  {told(value)}" for name, value in found.summary.items()]
    if found.ranking:
        intervals = settings.get("intervals", f"95 % of {settings.get('replicates')} replicates")
        made.append(f"Models, best first (residual: {found.scale}; [..]: {intervals})")
        if "noise" in settings:
            made.append(f"  judged by one {settings['noise']}")
    finite = [f.criterion for f in found.ranking if math.isfinite(f.criterion)]
    for k, fitted in enumerate(found.ranking, 1):
        behind = gap(fitted.criterion - min(finite, default=math.inf))
        made.append(f"  {k}. {fitted.name:14} residual {fitted.residual:7.2%}  {behind:15} {fitted.verdict}")
        for name, value in fitted.parameters.items():
            made.append(f"       {name} = {told(value)}{' (not determined)' if name in fitted.open else ''}")
    refusal = found.refusal()
    made.append(f"Device: {found.device.name!r}" if refusal is None else f"No device: {refusal}")
    if values := determined(found):
        made.append(f"  Determines: {', '.join(f'{name} = {text}' for name, text in values.items())}")
    if assumed := named(found, "assumed"):
        made.append(f"  Assumed: {'; '.join(f'{names} ({why})' for why, names in assumed.items())}")
    if missing := named(found, "missing"):
        made.append(f"  Missing{'' if refusal is None else ' for a device'}: {'; '.join(missing.values())}")
    return made + [f"Note: {note}" for note in found.notes]


def determined(found: Found) -> dict[str, str]:
    """Return the numbers and parts of a device that the measurement determines, as text by name, with remarks on them."""
    values = dict(found.measured)
    if not values and found.refusal() is None:
        device = found.device
        values = {name: getattr(device, name, None) for name in _of(device.origins, "measured") if name not in ("d2d", "c2c")}
        values |= {name: "measured" for name in _of(device.origins, "measured") if name in ("d2d", "c2c")}
    remarks = found.remarks
    return {name: _value(name, v) + (f" ({remarks[name]})" if name in remarks else "") for name, v in values.items()}


def named(found: Found, status: str) -> dict[str, str]:
    """Return the names of what was assumed, or is missing, of the device of a fit, together by the reason."""
    if found.refusal() is not None:
        return {"": ", ".join(_missing(found))} if status == "missing" and found.measured and _missing(found) else {}
    origins = found.device.origins
    reasons: dict[str, list[str]] = {}
    for name in _of(origins, status):
        reasons.setdefault(origins[name].text, []).append(name)
    return {why: ", ".join(names) for why, names in reasons.items()}


def _missing(found: Found) -> list[str]:
    """Return the parts of a device that a measurement without a device leaves open; numbers have defaults, but for the window."""
    return [n for n in FACTS if n not in found.measured and (n not in NUMBERS or n in ("g_min", "g_max"))]


def _of(origins: Mapping[str, Origin] | None, status: str) -> list[str]:
    return [name for name in FACTS if origins and name in origins and origins[name].status == status]


def _value(name: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    nominal, spread = getattr(value, "nominal", value), getattr(value, "d2d_abs", 0.0)
    if isinstance(nominal, int | float):
        around = f" +- {float(spread):.3g}" if isinstance(spread, int | float) and spread else ""
        return f"{float(nominal):.4g}{around} {UNITS.get(name, '')}".rstrip()
    return type(value).__name__
