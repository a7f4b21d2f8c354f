"""Recorded variables with named axes, for xarray and pandas.

Variables of one group share their axes: ``time``, ``unit`` and so on stand for the same slots and units in all of them. A
variable that was recorded in other slots (``every=``) or of other units (``units=``) has an axis of its own, with its name
behind. An axis along which one value stands for all is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from ..base.errors import RunError
from ..base.indices import Chosen
from ..base.parameters import declared
from ..groups.group import Group
from ..models.contract import Connection

Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Label:
    """The names, indices and unit of the axes of a recorded variable.

    Args:
        axes: a name for each axis, from the back; more names than the variable has axes where values are shared.
        index: values along an axis: times (s), numbers of units, die ids. An axis without an index is counted.
        unit: the SI unit of the values, where the model declares one.
        edges: the source and target unit of each edge, where there is an axis of edges.
    """

    axes: tuple[str, ...]
    index: Mapping[str, Numbers]
    unit: str = ""
    edges: tuple[Numbers, Numbers] | None = None


def label(group: Group, name: str, units: Chosen | None, time: Tensor, chips: bool) -> Label:
    """Make the label of a variable of a group.

    Args:
        group: the group.
        name: the name of the variable, as `Network.monitor` takes it.
        units: the units asked for along the last axis; None for all.
        time: the times of the recorded slots, s.
        chips: whether there is a chip axis.
    """
    own, unit = _trailing(group, name)
    sizes = {"unit": group.n, "post": group.n, "pre": group.n_pre, "edge": len(group.pre) if group.edges else 0}
    index: dict[str, Numbers] = {axis: np.arange(sizes[axis]) for axis in own}
    if units is not None:
        index[own[-1]] = units.numbers.numpy()
    edges = None
    if "edge" in own:
        edges = group.pre.cpu().numpy()[index["edge"]], group.post.cpu().numpy()[index["edge"]]
    index["time"] = time.cpu().numpy()
    if chips:
        index["chip"] = group.die_ids.cpu().numpy()
    return Label(("chip",) * chips + ("batch", "time", *own), index, unit, edges)


def _trailing(group: Group, name: str) -> tuple[tuple[str, ...], str]:
    """Return the trailing axes of a variable where every unit, or every connection, has a value of its own; and its unit."""
    connects = isinstance(group.model, Connection) and not group.model.one_to_one
    pairs = ("edge",) if group.edges else ("pre", "post")
    by_side = {"pre": ("pre",), "connection": pairs}.get(group.side, ("post",) if connects else ("unit",))
    target = ("post",) if connects else ("unit",)
    rule, states = group.spec.rule, group.state_declarations()
    if name.startswith("rule.") and rule is not None:
        return pairs, dict(zip(rule.states._fields, rule.states, strict=True))[name.removeprefix("rule.")].unit
    if name in states:
        on = states[name].on
        return {"unit": by_side, "connection": pairs, "pre": ("pre",)}.get(on, target), states[name].unit
    parameters = declared(type(group.model))[0]
    if name in parameters:
        of = pairs if parameters[name].per == "connection" else (target if name == "bias" else by_side)
        return of, parameters[name].unit
    return target, ""


class Frame(NamedTuple):
    """A variable as an array with named axes."""

    dims: tuple[str, ...]
    values: Numbers
    label: Label


def frames(values: Mapping[str, Tensor], labels: Mapping[str, Label]) -> tuple[dict[str, Frame], dict[str, Numbers]]:
    """Return variables with the names of their axes, and the index of each axis that has one. Equal axes share a name."""
    coordinates: dict[str, Numbers] = {}
    made = {}
    for name, value in values.items():
        tag, array = labels[name], value.detach().cpu().numpy()
        axes = tag.axes if array.ndim == len(tag.axes) else tag.axes[: -_own(tag)] + tag.axes[array.ndim - len(tag.axes) :]
        shared = [i for i, axis in enumerate(axes) if axis in tag.index and array.shape[i] == 1 != len(tag.index[axis])]
        array = array.squeeze(tuple(shared))
        dims = []
        for axis in (axis for i, axis in enumerate(axes) if i not in shared):
            dim = axis
            if axis in tag.index:
                if not np.array_equal(coordinates.setdefault(axis, tag.index[axis]), tag.index[axis]):
                    dim = f"{axis}_{name}"
                coordinates[dim] = tag.index[axis]
            dims.append(dim)
        made[name] = Frame(tuple(dims), array, tag)
    return made, coordinates


def _own(tag: Label) -> int:
    """Count the axes of the group itself, behind chip, batch and time."""
    return len(tag.axes) - 1 - tag.axes.index("time")


def to_xarray(values: Mapping[str, Tensor], labels: Mapping[str, Label]) -> Any:
    """Return an ``xarray.Dataset`` of the variables, units in their attributes.

    Raises:
        RunError: xarray is not installed.
    """
    try:
        import xarray
    except ImportError as error:
        raise RunError("to_xarray", "needs the package xarray", fix="Install it: pip install ship-snn[xarray]") from error
    made, index = frames(values, labels)
    coordinates: dict[str, Any] = {
        dim: (dim, numbers, {"units": "s"} if dim.split("_")[0] == "time" else {}) for dim, numbers in index.items()
    }
    for frame in made.values():
        for dim in (d for d in frame.dims if frame.label.edges is not None and d.split("_")[0] == "edge"):
            for end, units in zip(("source", "target"), frame.label.edges or (), strict=True):
                coordinates[dim.replace("edge", f"{end}_unit")] = (dim, units)
    arrays = {
        name: (frame.dims, frame.values, {"units": frame.label.unit} if frame.label.unit else {}) for name, frame in made.items()
    }
    return xarray.Dataset(arrays, coordinates)


def to_pandas(values: Mapping[str, Any], labels: Mapping[str, Label]) -> Any:
    """Return a ``pandas.DataFrame`` with a row for each chip, sample, slot and unit, and a column for each variable.

    A single `EventRecord` gives a row for each event.

    Raises:
        RunError: pandas is not installed; variables that have no rows in common.
    """
    try:
        import pandas
    except ImportError as error:
        raise RunError("to_pandas", "needs the package pandas", fix="Install it: pip install ship-snn[pandas]") from error
    events = [name for name, value in values.items() if not isinstance(value, Tensor)]
    if events and len(values) == 1:
        return pandas.DataFrame({field: column.cpu().numpy() for field, column in values[events[0]]._asdict().items()})
    if events:
        raise RunError("to_pandas", f"{events[0]!r} is a list of events", fix=f"Ask for it alone: to_pandas({events[0]!r}).")
    made, index = frames(values, labels)
    dims = _common(made)
    sizes = {dim: n for frame in made.values() for dim, n in zip(frame.dims, frame.values.shape, strict=True)}
    rows = pandas.MultiIndex.from_product([index.get(dim, np.arange(sizes[dim])) for dim in dims], names=dims)
    columns = {}
    for name, frame in made.items():
        shape = [sizes[dim] if dim in frame.dims else 1 for dim in dims]
        columns[name] = np.broadcast_to(frame.values.reshape(shape), [sizes[dim] for dim in dims]).reshape(-1)
    return pandas.DataFrame(columns, index=rows)


def _common(made: Mapping[str, Frame]) -> list[str]:
    """Return the axes of all variables together, in their order.

    Raises:
        RunError: two variables have axes of one kind that differ.
    """
    dims = [dim for frame in made.values() for dim in frame.dims]
    order = {"chip": 0, "batch": 1, "time": 2, "pre": 3, "edge": 4, "unit": 5, "post": 5}
    dims = sorted(dict.fromkeys(dims), key=lambda dim: order[dim.split("_")[0]])
    kinds = [dim.split("_")[0] for dim in dims]
    twice = [dim for i, dim in enumerate(dims) if kinds[i] in kinds[:i] or (kinds[i] == "edge" and {"pre", "post"} & set(kinds))]
    if twice:
        name = next(name for name, frame in made.items() if twice[0] in frame.dims)
        raise RunError(
            "to_pandas", f"{name!r} was recorded in other slots or of other units", fix=f"Ask for it alone: to_pandas({name!r})."
        )
    return dims
