"""The units of measured columns, which are asked for and never guessed. Everything is SI behind this module."""

from __future__ import annotations

import re

from ...base.errors import FitError

PREFIXES = {"T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
BASES = {"conductance": "S", "resistance": "ohm", "current": "A", "voltage": "V", "time": "s", "rate": "Hz"}
TIMES = {"min": 60.0, "h": 3600.0, "day": 86400.0, "days": 86400.0}
NORMALISED = "normalised"

UNITS: dict[str, dict[str, float]] = {q: {p + base: f for p, f in PREFIXES.items()} for q, base in BASES.items()}
UNITS["time"] |= TIMES
UNITS["conductance"][NORMALISED] = 1.0
WORDS = {
    "volt": "V", "volts": "V", "amp": "A", "amps": "A", "ampere": "A", "amperes": "A", "siemens": "S", "mho": "S", "ohms": "ohm",
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "minute": "min", "minutes": "min", "hr": "h", "hrs": "h",
    "hour": "h", "hours": "h", "hertz": "Hz", "kilohm": "kohm", "kiloohm": "kohm", "normalized": NORMALISED, "norm": NORMALISED,
    NORMALISED: NORMALISED,
}  # fmt: skip
USUAL = {
    "conductance": "'S', 'uS', 'nS', or 'normalised'",
    "resistance": "'ohm', 'kohm'",
    "current": "'A', 'uA', 'nA'",
    "voltage": "'V', 'mV'",
    "time": "'s', 'ms', 'h'",
    "rate": "'Hz', 'kHz'",
}


def spelled(unit: str) -> str:
    """Return the one spelling of a unit: for the two Greek letters for micro, the letter for ohm, words such as "seconds"."""
    unit = re.sub(r"^in\s+", "", unit.strip()).replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    unit = unit.replace("\N{OHM SIGN}", "ohm").replace("\N{GREEK CAPITAL LETTER OMEGA}", "ohm").replace("Ohm", "ohm")
    return WORDS.get(unit.lower(), unit)


def factor(where: str, quantity: str, unit: str) -> float:
    """Return the factor that takes a value in ``unit`` to SI.

    Raises:
        FitError: no such unit of that quantity.
    """
    known = UNITS[quantity]
    if spelled(unit) not in known:
        raise FitError(where, f"must be a unit of {quantity}", got=repr(unit), fix=f"Units are {USUAL[quantity]} and the like.")
    return known[spelled(unit)]


def split_header(header: str, quantity: str) -> tuple[str, str | None]:
    """Split ``"G (uS)"`` or ``"conductance_uS"`` into name and unit; None: the header names no unit of that quantity."""
    if (alone := WORDS.get(header.strip().lower(), "")) in UNITS[quantity]:  # ("Second", "Volt": names and units in one)
        return header.strip(), alone
    if header.endswith((")", "]")):
        inside = header[:-1]
        start = re.compile(r"[(\[]").search(inside, max(inside.rfind(")"), inside.rfind("]")) + 1)
        name, unit = (header[: start.start()].rstrip("_ \t"), inside[start.end() :]) if start else (header, "")
    else:
        end = max(header.rfind(sign) for sign in "_ \t/")
        name, unit = (header[:end], header[end + 1 :]) if end > 0 else (header, "")
    name = name.rstrip("_ \t/,:") or name  # ("I / A")
    return (name.strip(), spelled(unit)) if unit and spelled(unit) in UNITS[quantity] else (header, None)


def bare(header: str) -> str:
    """Return a header without any unit, in lower case, for matching names."""
    for quantity in UNITS:
        name, unit = split_header(header, quantity)
        if unit is not None:
            return name.lower().replace(" ", "_")
    return header.strip().lower().replace(" ", "_")
