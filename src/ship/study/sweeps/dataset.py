"""The results of a grid as a labelled table: an ``xarray.Dataset``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...base.errors import RunError
from .plan import Plan
from .values import from_plain


def dataset(where: str, plan: Plan, entries: Sequence[Mapping[str, Any] | None], about: Mapping[str, str]) -> Any:
    """Return the results of all points of a plan, in the order of its points.

    Args:
        where: the caller, for errors.
        plan: the plan.
        entries: what the journal holds of each point; None for a point that has not been done.
        about: attributes of the whole.

    Raises:
        RunError: arrays of one name have several shapes, or xarray is missing.
    """
    xarray = needs_xarray(where)
    done = [None if entry is None or "values" not in entry else from_plain(entry["values"]) for entry in entries]
    names = list(dict.fromkeys(name for each in done if each is not None for name in each))
    dims = (*plan.axes, "seed")
    table = {}
    for name in names:
        if name in dims or name == "failed":
            raise RunError(f"{where}: result {name!r}", "must not be named as an axis, nor 'failed'", got=repr(name))
        values = _array(f"{where}: result {name!r}", [None if each is None else each.get(name) for each in done])
        inner = tuple(f"{name} {k}" for k in range(values.ndim - 1))
        table[name] = ((*dims, *inner), values.reshape(*plan.shape, *values.shape[1:]), _unit(plan, name))
    failed = np.array([entry is None or "values" not in entry for entry in entries]).reshape(plan.shape)
    table["failed"] = (dims, failed, {})
    coordinates = {name: (name, np.asarray(values), _unit(plan, name)) for name, values in plan.axes.items()}
    coordinates["seed"] = ("seed", np.asarray(plan.seeds), {})
    return xarray.Dataset(table, coordinates, dict(about) | _failures(plan, entries))


def needs_xarray(where: str) -> Any:
    """Import xarray.

    Raises:
        RunError: it is missing.
    """
    try:
        import xarray
    except ImportError as error:
        raise RunError(where, "needs xarray for its results", fix="pip install ship-snn[study]") from error
    return xarray


def _array(where: str, values: Sequence[Any]) -> Any:
    """Return values of all points as one array; a point without one holds NaN, so that whole numbers become floats there."""
    known = [np.asarray(value) for value in values if value is not None]
    shapes = sorted({value.shape for value in known})
    if len(shapes) > 1:
        rule = "must have one shape at all points"
        raise RunError(where, rule, got=f"{list(shapes[0])} and {list(shapes[1])}", fix="Fill up with NaN, or return a summary.")
    kind = np.result_type(*{value.dtype for value in known})
    if len(known) == len(values):
        return np.stack([value.astype(kind) for value in known])
    kind = kind if kind.kind == "f" else np.dtype(np.float64)
    empty = np.full(shapes[0], np.nan, kind)
    return np.stack([empty if value is None else np.asarray(value).astype(kind) for value in values])


def _unit(plan: Plan, name: str) -> dict[str, str]:
    return {"units": plan.units[name]} if name in plan.units else {}


def _failures(plan: Plan, entries: Sequence[Mapping[str, Any] | None]) -> dict[str, str]:
    said = [
        f"{json.dumps(point)}: {'not done' if entry is None else entry['error']}"
        for point, entry in zip(plan.points, entries, strict=True)
        if entry is None or "values" not in entry
    ]
    return {"failures": "\n".join(said)} if said else {}
