"""What a cell of a measurement file holds: a number, a mark of no value, a text, or nothing.

Instruments and spreadsheets write marks where a number would stand: an overflow (Keithley: 9.91E37), a formula that failed
(#REF, #DIV/0!), a meter out of its range (OVLD). A mark is no number and no text: it does not decide what a column is.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

EMPTY = ("", "nan", "na", "n/a", "null", "none", "-")
OVERFLOW = 9.8e37  # Keithley and SCPI: 9.9E37 is an overflow, 9.91E37 no number (SCPI-1999, vol. 1, sec. 7.2.1)
FAILED = re.compile(r"#(?:REF|DIV/0|N/A|VALUE|NUM|NAME|NULL|ERROR|####*)[!?]?", re.I)
OUTSIDE = re.compile(r"[-+]?(?:overflow|overrange|over range|over|ovrflw|ovflw|ovld|ovl|o\.?l\.?|underflow|inf|infinity)", re.I)
NOTHING = re.compile(
    r"-{1,4}|\*+|\?+|invalid|err|error|missing|[-+]?1\.#(?:ind|qnan|inf)\d*|n\.a\.|[-+]?nan(?:\(\w*\))?|<na>", re.I
)
COMMA = re.compile(r"[-+]?(?:\d{1,3}(?:\.\d{3})+|\d*),\d+(?:[eE][-+]?\d+)?")  # 1,5 and 1.234,5
FORTRAN = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+))[dD]([-+]?\d+)")


def is_number(text: str, comma: bool = False) -> bool:
    """Return whether a cell is a finite number, or, where ``comma`` is true, one with a decimal comma."""
    try:
        value = float(text)
    except ValueError:
        return bool((comma and COMMA.fullmatch(text)) or FORTRAN.fullmatch(text))
    return abs(value) < OVERFLOW and "_" not in text


def mark(cell: Any) -> str:
    """Return why a cell holds no value, "empty", "a failed formula", "an overflow", "no value"; "" where it is no such mark."""
    if not isinstance(cell, str):
        value = float(cell) if isinstance(cell, float | np.floating) else 0.0
        return "empty" if math.isnan(value) else "an overflow" if abs(value) >= OVERFLOW else ""
    text = cell.strip()
    if text.lower() in EMPTY:
        return "empty"
    if text[0] == "#" and FAILED.fullmatch(text):
        return "a failed formula"
    if OUTSIDE.fullmatch(text):
        return "an overflow"
    if NOTHING.fullmatch(text):
        return "no value"
    try:
        return "an overflow" if abs(float(text)) >= OVERFLOW else ""
    except ValueError:
        return ""


def kind(text: str) -> str:
    """Return "n" for a number, with whatever decimal sign, "e" for an empty cell or a mark of no value, "t" for a text."""
    if is_number(text, comma=True):
        return "n"
    return "e" if mark(text) else "t"


def is_empty(cell: Any) -> bool:
    """Return whether a cell holds nothing, or "not a number"."""
    if isinstance(cell, str):
        return cell.strip().lower() in EMPTY
    return isinstance(cell, float | np.floating) and bool(np.isnan(cell))


def short(text: str, most: int = 60) -> str:
    """Return the beginning of a text, for a message."""
    return text if len(text) <= most else f"{text[:most]}..."
