"""Checks of single values, each of which ends in one form of error: where, the rule that is broken, what was given.

A class of settings calls these in ``__post_init__``, a function at its beginning.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from .errors import ParameterError, ShipError


def is_whole(value: object, least: int = 0) -> bool:
    """Tell whether a value is a whole number (Python's or NumPy's, not a truth value) of at least ``least``."""
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least


def is_real(value: object) -> bool:
    """Tell whether a value is a finite real number (Python's or NumPy's, not a truth value)."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(float(value))


def check_whole(
    where: str,
    value: Any,
    least: int = 0,
    *,
    most: int | None = None,
    of: str = "",
    error: type[ShipError] = ParameterError,
) -> int:
    """Return a whole number as Python's, or refuse the value.

    Args:
        where: the place that the error names.
        value: the value to check.
        least: the least legal value.
        most: the greatest legal value; None where there is no such limit.
        of: what the number counts, e.g. ``"slots"``, for the text of the error.
        error: the class of the error.

    Raises:
        ShipError: an ``error``, where the value is not a whole number, or is out of its limits.
    """
    if not is_whole(value, least) or (most is not None and int(value) > most):
        what = f"a whole number of {of}" if of else "a whole number"
        limits = f", at least {least}" if most is None else f" from {least} to {most}"
        raise error(where, f"must be {what}{limits}", got=repr(value))
    return int(value)


def check_real(
    where: str,
    value: Any,
    rule: str,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    got: object = None,
    error: type[ShipError] = ParameterError,
) -> float:
    """Return a finite real number as Python's, or refuse the value.

    Args:
        where: the place that the error names.
        value: the value to check.
        rule: the rule in words, e.g. ``"must be above 0 V"``.
        above: a limit that the value must exceed.
        least: the least legal value.
        below: a limit that the value must stay below.
        most: the greatest legal value.
        got: what the error says was given; default: the value as Python writes it.
        error: the class of the error.

    Raises:
        ShipError: an ``error``, where the value is not a finite number, or is out of its limits.
    """
    if is_real(value):
        number = float(value)
        if (
            (above is None or number > above)
            and (least is None or number >= least)
            and (below is None or number < below)
            and (most is None or number <= most)
        ):
            return number
    raise error(where, rule, got=repr(value) if got is None else got)


def check_finite(where: str, value: Any) -> float:
    """Return a number as Python's, or say whether the value is no number, or one that is not finite.

    Raises:
        ParameterError: one of the two.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ParameterError(where, "must be a number", got=repr(value))
    if not math.isfinite(float(value)):
        raise ParameterError(where, "must be finite", got=value)
    return float(value)


def check_choice(
    where: str, value: object, choices: Iterable[Any], *, either: bool = False, error: type[ShipError] = ParameterError
) -> None:
    """Refuse a value that is none of the choices; it must be of the same type as its choice, so that 1 is not True.

    Args:
        where: the place that the error names.
        value: the value to check.
        choices: what it may be.
        either: whether the error lists the choices as ``'a', 'b' or 'c'`` instead of ``one of 'a', 'b', 'c'``.
        error: the class of the error.

    Raises:
        ShipError: an ``error``, where the value is none of them.
    """
    choices = tuple(choices)
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        *first, last = map(repr, choices)
        listed = f"{', '.join(first)} or {last}" if either else f"one of {', '.join([*first, last])}"
        raise error(where, f"must be {listed}", got=repr(value))
