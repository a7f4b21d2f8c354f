"""One device from several measurements: each number and each part from its own file, and conflicts by name.

A law of pulses is a law in fractions of a window, so the window comes with it, from the measurement of the update, and so do
voltages and widths of pulses. Of other numbers: one that a single measurement determines is taken from it; where several do and
agree within their intervals, from the first; where they disagree, and for a part in two measurements, the user is asked
(``take``). What no measurement determines is missing, or a default, as in the device of a single measurement.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ...base.codec import Digest, Plain
from ...base.errors import FileError, FitError, suggest
from ...base.parameters import Varied
from .. import Device, Unmeasured
from ..assume import assume as assumed
from ..provenance import DEFAULT, FACTS, MISSING, NUMBERS, PARTS, SPREADS, Origin
from ..reading.spelling import argument, assumption
from .api import fit
from .report import Estimate, Found

WINDOW = ("g_min", "g_max")
SAME = 1e-3  # relative, by which numbers without intervals may differ


class Claim(NamedTuple):
    """What one measurement says of a number or a part."""

    source: str
    value: Any
    origin: Origin
    interval: Estimate | None  # of a number, where the fit has one


@dataclass(frozen=True)
class Combined:
    """The result of `ship.fit_device`: one device of several measurements, with what each of them gave it.

    Args:
        device: the device; ``print(combined.device.known())`` says of each part which file it was measured in.
        measurements: the fits, by the name of their file.
        given: for each file the names of what the device has from it.
        conflicts: where measurements disagree, and what was taken, in words.
        notes: what a measurement does not determine, and why.
    """

    device: Device
    measurements: Mapping[str, Found]
    given: Mapping[str, tuple[str, ...]]
    conflicts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        width = max(map(len, self.measurements), default=0)
        n = len(self.measurements)
        lines = [f"{self.device.name}: one device of {n} measurement{'s' * (n > 1)}"]
        lines += [
            f"  {source:{width}}  {found.kind}: {', '.join(self.given[source]) or 'nothing that the device has'}"
            for source, found in self.measurements.items()
        ]
        lines += [str(self.device.known())]
        return "\n".join([*lines, *(f"Conflict: {text}." for text in self.conflicts), *(f"Note: {text}" for text in self.notes)])

    __repr__ = __str__

    def report(self) -> dict[str, Any]:
        """Return everything but the figures as plain numbers, text and lists (JSON)."""
        made: dict[str, Any] = {"name": self.device.name, "known": self.device.known().as_dict()}
        made |= {"given": {source: list(names) for source, names in self.given.items()}}
        made |= {"conflicts": list(self.conflicts), "notes": list(self.notes)}
        made |= {"measurements": {source: found.report() for source, found in self.measurements.items()}}
        report: dict[str, Any] = Plain().encode("report", made)
        return report

    def save(self, folder: str | Path) -> list[Path]:
        """Write report.json and device.toml, and in a folder for each measurement its report and figure; return their paths.

        Raises:
            FileError: the folder cannot be written.
        """
        from ...base.atomic_write import write_together
        from ..files import file_text

        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(str(folder), "cannot be made", got=str(error.strerror)) from error
        paths = [path for source, found in self.measurements.items() for path in found.save(folder / _stem(source))]
        origin = {"source": ", ".join(self.measurements), "kind": "several measurements"}
        files: dict[Path, bytes | None] = {
            folder / "report.json": (json.dumps(self.report(), indent=1, allow_nan=False) + "\n").encode(),
            folder / "device.toml": file_text(self.device, origin, folder / "device.toml").encode(),
        }
        write_together(files)
        return [*files, *paths]


def fit_device(
    measurements: Sequence[Any],
    *,
    name: str | None = None,
    take: Mapping[str, str] | None = None,
    assume: Mapping[str, Any] | None = None,
) -> Combined:
    """Make one device of several measurements, each part from its own.

    Args:
        measurements: fits (`ship.fit`), or what `ship.fit` reads with no other argument: files, columns.
        name: the name of the device; by default that of the measurement with its pulses, else of the first.
        take: for a number or a part that several measurements determine, the name of the file to take it from:
            ``{"retention": "bake.csv"}``; ``"window"`` stands for g_min and g_max.
        assume: what to assume in the place of what was not measured, as for `ship.devices.assume`.

    Raises:
        FitError: no measurement determines the window; two determine the same part, and `take` does not say which; a measurement
            cannot be read.
        ParameterError: an assumption that does not fit.
    """
    if isinstance(measurements, str | Mapping | Found) or not len(measurements):
        raise FitError("fit_device: measurements", "must list at least one measurement", fix="E.g. ['pulses.csv', 'iv.csv'].")
    fits = _named([m if isinstance(m, Found) else fit(m) for m in measurements])
    claims = {source: claims_of(source, found) for source, found in fits.items()}
    wanted = _wanted(take or {}, claims)
    chosen, conflicts = _chosen(claims, wanted)
    given = {source: tuple(n for n in FACTS if n in chosen and chosen[n].source == source) for source in fits}
    values: dict[str, Any] = {n: claim.value for n, claim in chosen.items()}
    origins = {n: DEFAULT if n in NUMBERS else MISSING for n in FACTS} | {n: c.origin for n, c in chosen.items()}
    origins |= _spreads(fits, given)
    _check_window(values, assume or {}, fits)
    own = next((s for s in fits if "update" in given[s]), next(iter(fits)))
    device = Device(
        name=name or Path(fits[own].source).stem or "device",
        correlated=_correlated(fits, given),
        origins=origins,
        **({"update": Unmeasured()} | values),
    )
    notes = [f"{s} determines nothing of a device: {f.refusal() or 'no part of it'}" for s, f in fits.items() if not claims[s]]
    return Combined(assumed(device, **dict(assume or {})), fits, given, tuple(conflicts), tuple(notes))


def claims_of(source: str, found: Found) -> dict[str, Claim]:
    """Return what a measurement determines of a device, by name."""
    device = found.outcome if isinstance(found.outcome, Device) else None
    origins = {} if device is None else {n: o for n, o in device.origins.items() if o.status == "measured" and n not in SPREADS}
    values = {n: getattr(device, n) for n in origins} | dict(found.measured)
    plain = Origin("measured", "", found.kind, found.source, found.sha256)
    return {n: Claim(source, v, origins.get(n, plain), _interval(found, v)) for n, v in values.items() if n in (*NUMBERS, *PARTS)}


def _interval(found: Found, value: Any) -> Estimate | None:
    """Return the interval that a fit gives to a number: that of the parameter, or of the fact, with this value."""
    nominal = _nominal(value)
    if nominal is None:
        return None
    first = next((f for f in found.ranking if f.fits), None)
    known = [*(first.parameters.values() if first else ()), *found.summary.values()]
    same = [e for e in known if not math.isnan(e.low) and math.isclose(e.value, nominal, rel_tol=1e-9)]
    return same[0] if same else None


def _nominal(value: Any) -> float | None:
    """Return the nominal number of a value; None: it is a part, or a distribution."""
    inner = value.nominal if isinstance(value, Varied) else value
    return float(inner) if isinstance(inner, int | float) else None


def _named(fits: Sequence[Found]) -> dict[str, Found]:
    """Return fits by the names of their files; of equal names the later ones have a number."""
    made: dict[str, Found] = {}
    for found in fits:
        name, k = found.source, 1
        while name in made:
            k += 1
            name = f"{found.source}#{k}"
        made[name] = found
    return made


def _stem(source: str) -> str:
    stem, _, number = source.partition("#")
    return (Path(stem).stem or "measurement") + (f"-{number}" if number else "")


def _wanted(take: Mapping[str, str], claims: Mapping[str, Mapping[str, Claim]]) -> dict[str, str]:
    """Check which file is to be taken for what; "window" stands for its two ends."""
    wanted: dict[str, str] = {}
    for name, source in take.items():
        for one in WINDOW if name == "window" else (name,):
            where = f"fit_device: {argument('take', {name: source})}"
            if one not in (*NUMBERS, *PARTS):
                raise FitError(where, f"no device has a {one!r}", fix=suggest(one, ["window", *NUMBERS, *PARTS]))
            having = [s for s, own in claims.items() if one in own]
            if source not in having:
                raise FitError(where, f"does not determine {one}", got=repr(source), fix=suggest(source, having))
            wanted[one] = source
    return wanted


def _chosen(claims: Mapping[str, Mapping[str, Claim]], wanted: Mapping[str, str]) -> tuple[dict[str, Claim], list[str]]:
    """Choose for each number and part the measurement that it comes from; return the conflicts as well."""
    chosen: dict[str, Claim] = {}
    conflicts: list[str] = []
    for name in (*PARTS, *NUMBERS):  # the update first: it brings its window and its pulses
        having = [own[name] for own in claims.values() if name in own]
        if not having:
            continue
        owner = chosen["update"].source if "update" in chosen else None
        if name == "g_max" and "g_min" in chosen and "g_max" not in wanted:
            owner = chosen["g_min"].source  # the two ends of a window belong together
        first = next((c for c in having if c.source == wanted.get(name)), None)
        agreeing = all(_agree(having[0], other) for other in having[1:])
        if first is None and name in NUMBERS:
            first = next((c for c in having if c.source == owner), None)
        if first is None and not agreeing:
            word = "window" if name in WINDOW else name
            choices = ", or ".join(argument("take", {word: c.source}) for c in having)
            rule = f"{name} was measured in {len(having)} of them, and they differ: {', '.join(map(_said, having))}"
            raise FitError("fit_device", rule, fix=f"Say which to take: {choices}.")
        chosen[name] = first or having[0]
        if not agreeing and name not in wanted:
            others = ", ".join(_said(c) for c in having if c is not chosen[name])
            why = "to which the law of pulses belongs" if owner == chosen.get("update", chosen[name]).source else "with g_min"
            conflicts.append(f"{name} is {others}, and {_said(chosen[name])}, {why}: this one is taken")
        elif not agreeing:
            others = ", ".join(_said(c) for c in having if c is not chosen[name])
            conflicts.append(f"{name} is {others}, and {_said(chosen[name])}: this one is taken, as you say")
    return chosen, conflicts


def _agree(a: Claim, b: Claim) -> bool:
    """Return whether two measurements agree: numbers within their intervals, parts where they are equal."""
    x, y = _nominal(a.value), _nominal(b.value)
    if x is None or y is None:
        one, other = (Digest().encode("part", c.value) for c in (a, b))
        return bool(one == other)
    least, most = _ends(a, x), _ends(b, y)
    slack = SAME * max(abs(x), abs(y))
    return least[0] <= most[1] + slack and most[0] <= least[1] + slack


def _ends(claim: Claim, nominal: float) -> tuple[float, float]:
    return (nominal, nominal) if claim.interval is None else (claim.interval.low, claim.interval.high)


def _said(claim: Claim) -> str:
    """Say what a measurement says: ``4.8e-05 [4.6e-05, 5.1e-05] S in pulses.csv``."""
    nominal = _nominal(claim.value)
    if claim.interval is not None:
        return f"{claim.interval} in {claim.source}"
    if nominal is not None:
        return f"{nominal:.4g} in {claim.source}"
    return f"{'none' if claim.value is None else type(claim.value).__name__} in {claim.source}"


def _check_window(values: Mapping[str, Any], assume: Mapping[str, Any], fits: Mapping[str, Found]) -> None:
    missing = [name for name in WINDOW if name not in values and name not in assume]
    if not missing:
        return
    raise FitError(
        "fit_device: window",
        f"no measurement determines {' and '.join(missing)}",
        got=", ".join(f"{source} ({found.kind})" for source, found in fits.items()),
        fix="Add a measurement that shows both ends (pulses, iv or endurance), or assume them: "
        + ", ".join(assumption(name, "50e-6") for name in missing)
        + " (S).",
    )


def _spreads(fits: Mapping[str, Found], given: Mapping[str, tuple[str, ...]]) -> dict[str, Origin]:
    """Return the origins of the spreads: measured where a file measured one and the device has something of that file."""
    made = {}
    for name in SPREADS:
        known = {
            source: found.outcome.origin_of(name)
            for source, found in fits.items()
            if isinstance(found.outcome, Device) and given[source]
        }
        own = {source: origin for source, origin in known.items() if origin.status == "measured"}
        if len(own) == 1:
            made[name] = next(iter(own.values()))
        elif own:
            made[name] = Origin("measured", "; ".join(f"{source}: {o.text}" for source, o in own.items()))
    return made


def _correlated(fits: Mapping[str, Found], given: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, str, float], ...]:
    """Return the correlations between parameters that come from one measurement."""
    pairs = []
    for source, found in fits.items():
        if isinstance(found.outcome, Device):
            pairs += [(a, b, r) for a, b, r in found.outcome.correlated if {a.split(".")[0], b.split(".")[0]} <= {*given[source]}]
    return tuple(pairs)
