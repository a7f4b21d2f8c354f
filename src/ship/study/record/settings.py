"""Settings of a study: a frozen dataclass ``Config`` of plain values, from ``run.json`` or changed by ``--set key=value``.

A value must be of the type that its field is annotated with: numbers, text, truth values, ``None``, and lists, tuples and tables
of these.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import typeguard

from ...base.errors import ParameterError, suggest


def changed(where: str, config: Any, pairs: Iterable[str]) -> Any:
    """Return a configuration with some of its fields changed by ``key=value``.

    Lists are written with commas (``levels=2,4,8``) or as JSON; text stands as it is.

    Args:
        where: the caller, for errors.
        config: the configuration, a dataclass.
        pairs: the changes.

    Raises:
        ParameterError: a pair without ``=``, an unknown field, or a value that is not of the type of its field.
    """
    kinds, values = hints(type(config)), {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals:
            raise ParameterError(where, "must be KEY=VALUE", got=repr(pair), fix=f"Keys: {', '.join(kinds)}.")
        if key not in kinds:
            raise ParameterError(where, f"the study has no setting {key!r}", fix=suggest(key, kinds))
        values[key] = _parsed(f"{where} {key}", text.strip(), kinds[key])
    return dataclasses.replace(config, **values)


def from_plain(where: str, kind: type, values: Mapping[str, Any]) -> Any:
    """Make a configuration from plain values, as ``run.json`` has them.

    Args:
        where: the caller, for errors.
        kind: the class of the configuration.
        values: the value of each field; a field that is left out has its default.

    Raises:
        ParameterError: an unknown field, or a value of another type.
    """
    kinds = hints(kind)
    for key in values:
        if key not in kinds:
            raise ParameterError(where, f"the study has no setting {key!r}", fix=suggest(key, kinds))
    return kind(**{key: _fitted(f"{where}: {key}", value, kinds[key], value) for key, value in values.items()})


def to_plain(where: str, config: Any) -> dict[str, Any]:
    """Return the fields of a configuration as values that JSON has words for.

    Raises:
        ParameterError: a field with another value.
    """
    values = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    for key, value in values.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            rule = "must be a number, text, truth value, None, or a list, tuple or table of these"
            raise ParameterError(f"{where}: Config.{key}", rule, got=repr(value)) from error
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def hints(kind: type) -> dict[str, Any]:
    """Return the type of each field of a configuration."""
    found = typing.get_type_hints(kind)
    return {f.name: found[f.name] for f in dataclasses.fields(kind)}


def _parsed(where: str, text: str, kind: Any) -> Any:
    choices = _choices(kind)
    if str in choices and type(None) not in choices:
        return text
    value = _word(text)
    if isinstance(value, str) and any(typing.get_origin(one) in (tuple, list) for one in choices):
        value = [_word(part) for part in text.split(",") if part.strip()]
    return _fitted(where, value, kind, text)


def _word(text: str) -> Any:
    """Read a value as JSON, or as Python writes it; what is neither is text."""
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text.strip(), text.strip())


def _choices(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)


def _fitted(where: str, value: Any, kind: Any, got: Any) -> Any:
    made = _shaped(value, kind)
    if not _fits(made, kind):
        name = kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind).replace("typing.", "")
        raise ParameterError(where, f"must be {name}", got=repr(got))
    return made


def _shaped(value: Any, kind: Any) -> Any:
    """Give a value the form of its type: whole numbers become floats, and lists tuples, where the type says so."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if len(_choices(kind)) > 1:
        return next((made for one in inside if _fits(made := _shaped(value, one), one)), value)
    if kind is float and type(value) is int:
        return float(value)
    if origin in (tuple, list) and isinstance(value, list | tuple):
        kinds = inside[:1] * len(value) if origin is list or inside[-1:] == (...,) else inside
        return value if len(kinds) != len(value) else origin(_shaped(v, k) for v, k in zip(value, kinds, strict=True))
    if origin is dict and isinstance(value, dict):
        return {key: _shaped(each, inside[1]) for key, each in value.items()}
    return tuple(value) if kind is tuple and isinstance(value, list) else value


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(value, bool) and kind in (int, float):
        return False
    try:
        typeguard.check_type(value, kind, collection_check_strategy=typeguard.CollectionCheckStrategy.ALL_ITEMS)
    except typeguard.TypeCheckError:
        return False
    return True
