"""Frozen dataclasses as plain values for JSON, and back, by their annotations."""

from __future__ import annotations

import math
import types
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from ...base.errors import FileError
from ...base.statistics import Interval

UNBOUNDED = {"inf": math.inf, "-inf": -math.inf}


def to_plain(value: Any) -> Any:
    """Return a value as JSON has it: NaN is None, infinities are "inf" and "-inf", tuples are lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Interval):
        return {name: to_plain(part) for name, part in zip(("value", "low", "high"), value, strict=True)}
    if isinstance(value, tuple | list):
        return [to_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def from_plain(kind: Any, value: Any, where: str) -> Any:
    """Make a value of a type of what `to_plain` returned.

    Args:
        kind: a dataclass, `Interval`, a tuple type, an optional type, or a plain type.
        value: what JSON holds.
        where: the place, for errors.

    Raises:
        FileError: it does not fit.
    """
    if get_origin(kind) in (Union, types.UnionType):
        return None if value is None else from_plain(next(k for k in get_args(kind) if k is not type(None)), value, where)
    if isinstance(kind, type) and is_dataclass(kind):
        hints, names = get_type_hints(kind), [f.name for f in fields(kind)]
        if not isinstance(value, dict) or set(value) != set(names):
            raise FileError(where, f"must have the fields {', '.join(names)}", got=_seen(value))
        return kind(**{name: from_plain(hints[name], value[name], f"{where}.{name}") for name in names})
    if kind is Interval:
        if not isinstance(value, dict) or set(value) != {"value", "low", "high"}:
            raise FileError(where, "must have the fields value, low, high", got=_seen(value))
        return Interval(_number(value["value"], where), _number(value["low"], where), _number(value["high"], where))
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        if not isinstance(value, list) or (parts[-1] is not Ellipsis and len(value) != len(parts)):
            raise FileError(where, "must be a list", got=_seen(value))
        kinds = [parts[0]] * len(value) if parts[-1] is Ellipsis else parts
        return tuple(from_plain(k, part, f"{where}[{i}]") for i, (k, part) in enumerate(zip(kinds, value, strict=True)))
    if kind is float:
        return _number(value, where)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise FileError(where, f"must be of the type {kind.__name__}", got=_seen(value))
    return value


def _number(value: Any, where: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str) and value in UNBOUNDED:
        return UNBOUNDED[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FileError(where, 'must be a number, null, "inf" or "-inf"', got=_seen(value))
    return float(value)


def _seen(value: Any) -> str:
    return repr(value)[:80]
