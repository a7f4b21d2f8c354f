"""The points of a grid: all combinations of the values of its axes, each with every seed."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ...base.checks import check_whole
from ...base.errors import ParameterError, suggest

Point = dict[str, Any]  # the value of each axis, and the seed


class Plan(NamedTuple):
    """The axes of a grid with their values, the seeds, and the unit of each axis or result that has one."""

    axes: dict[str, list[Any]]
    seeds: list[int]
    units: dict[str, str]

    @property
    def points(self) -> list[Point]:
        """All points, in order: the first axis is the slowest, seeds are the fastest."""
        names = (*self.axes, "seed")
        return [dict(zip(names, each, strict=True)) for each in itertools.product(*self.axes.values(), self.seeds)]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values of each axis, and of seeds."""
        return (*map(len, self.axes.values()), len(self.seeds))


def plan(where: str, axes: Mapping[str, Any], seeds: int | Sequence[int], units: Mapping[str, str] | None = None) -> Plan:
    """Make a plan of what a user gives.

    Args:
        where: the caller, for errors.
        axes: the values of each axis: numbers, text or truth values, without repetition.
        seeds: the seeds, or their number, from 0 on.
        units: the unit of each axis or result.

    Raises:
        ParameterError: an axis without values, with a value twice, or with another kind of value; seeds that are none.
    """
    if not axes:
        raise ParameterError(f"{where}: axes", "must name at least one axis", got="none", fix='E.g. {"tau": [0.01, 0.02]}.')
    if "seed" in axes:
        raise ParameterError(f"{where}: axes", "must not name 'seed'", fix="Give the seeds by seeds=.")
    made = {str(name): _values(f"{where}: axes[{name!r}]", values) for name, values in axes.items()}
    if isinstance(seeds, bool | int | np.integer):
        check_whole(f"{where}: seeds", seeds, 1)
        seeds = range(int(seeds))
    whole = _values(f"{where}: seeds", seeds)
    for seed in whole:
        check_whole(f"{where}: seeds", seed, 0)
    for name in made:
        if not name.isidentifier():
            raise ParameterError(f"{where}: axes", "must be named as arguments of the function", got=repr(name))
    return Plan(made, whole, dict(units or {}))


def key_of(point: Mapping[str, Any]) -> str:
    """Return the text that tells a point from all others: its values in the order of their names; 1 and 1.0 are one number."""
    return json.dumps({name: _plain_number(value) for name, value in point.items()}, sort_keys=True)


def check_takes(where: str, fn: Any, point: Mapping[str, Any]) -> None:
    """Refuse a function that does not take the values of a point by their names.

    Raises:
        ParameterError: an argument is missing, or there is one of another name.
    """
    import inspect

    signature = inspect.signature(fn)
    taken = {name: p for name, p in signature.parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        for name in point:
            if name not in taken:
                raise ParameterError(f"{where}: {fn.__name__}", f"takes no argument {name!r}", fix=suggest(name, taken))
    for name, parameter in taken.items():
        if name not in point and parameter.default is parameter.empty:
            raise ParameterError(f"{where}: {fn.__name__}", f"needs a value of {name!r}", fix=suggest(name, point))


def _values(where: str, values: Any) -> list[Any]:
    if isinstance(values, torch.Tensor | np.ndarray):
        values = values.tolist()
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
        raise ParameterError(where, "must be a list of values", got=repr(values)[:80])
    made = [value.item() if isinstance(value, np.generic) else value for value in values]
    if not made:
        raise ParameterError(where, "must have at least one value", got="none")
    for value in made:
        if not isinstance(value, bool | int | float | str) or (isinstance(value, float) and not math.isfinite(value)):
            raise ParameterError(where, "must be finite numbers, text or truth values", got=repr(value)[:80])
    if len({type(value) for value in made} - {int, float}) + any(type(v) in (int, float) for v in made) > 1:
        raise ParameterError(where, "must be values of one kind", got=repr(made)[:80])
    if len({json.dumps(_plain_number(value)) for value in made}) < len(made):
        raise ParameterError(where, "must have each value once", got=repr(made)[:80])
    return made


def _plain_number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
