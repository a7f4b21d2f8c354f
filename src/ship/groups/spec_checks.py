"""What is asked for with one `Network.add`, checked for names and types."""

from __future__ import annotations

from collections.abc import Mapping as Mapping_
from collections.abc import Sequence
from types import NoneType
from typing import Any

import numpy as np
from torch import Tensor

from ..base.checks import check_whole, is_real
from ..base.errors import GraphError, ParameterError, suggest
from ..base.parameters import declared
from ..crossbar import Crossbar
from ..devices.contract import Part
from ..devices.device import KINDS, Device
from ..devices.library.index import library
from ..devices.weights.mapping import Differential, Mapping
from ..devices.weights.pulsing import Pulsing
from ..models.contract import Connection, Model, Rule
from .connectivity import Connectivity
from .spec import Spec, build_model


def make_spec(model: type[Model], tag: str, **given: Any) -> Spec:
    """A checked `Spec` from the arguments of `Network.add`, the model's own under ``parameters``.

    Raises:
        GraphError, ParameterError: what is wrong by itself, whatever the other groups are.
    """
    where = f"{model.__name__} '{tag}'"
    parameters = dict(given["parameters"])
    made = build_model(model, where, parameters)
    _check_types(where, given)
    n = given["n"]
    if n is not None:
        check_whole(f"{where}.n", n, 1, error=GraphError)
    source, target = _tags(where, "source", given["source"]), _tags(where, "target", given["target"])
    connects = issubclass(model, Connection)
    for name, value in (("source", source), ("target", target), ("port", given["port"]), ("rule", given["rule"])):
        if value and not connects:
            raise GraphError(
                f"{where}.{name}",
                "belongs to a connection, not to a group of units",
                got=repr(value),
                fix="Add a synapse between the two.",
            )
    _check_delay(where, given["delay"], issubclass(model, Connection) and bool(model.accepts))
    rule = given["rule"]
    if rule is not None and not isinstance(rule, Rule):
        raise GraphError(f"{where}.rule", "must be a learning rule", got=repr(rule), fix="E.g. rule=ship.PairSTDP().")
    if rule is not None:
        rule.check_options(f"{where}.rule")
    if rule is not None and "weight" not in declared(model)[0]:
        raise GraphError(f"{where}.rule", f"{model.__name__} has no weight that a rule could change")
    side = getattr(made, "side", "post")  # also where the model, not its user, says it
    if rule is not None and side != "post":
        raise GraphError(
            f"{where}.side",
            "must be 'post' for a plastic synapse: its filter then follows the weight of each event",
            got=repr(side),
        )
    _check_connect(where, model, given["connect"])
    _check_device(where, model, given["device"], given["mapping"])
    _check_learning(where, given)
    _check_crossbar(where, given, side)
    return Spec(
        tag,
        made,
        parameters,
        n,
        source,
        target,
        given["port"],
        given["delay"],
        bool(given["output"]),
        _trainable(where, model, given["trainable"], rule),
        dict(given["initial"] or {}),
        rule,
        given["connect"],
        given["device"],
        given["mapping"],
        given["crossbar"],
        given["learning"],
    )


TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "output": ((bool, np.bool_), "True or False"),
    "port": ((str, NoneType), "the name of a port, or None"),
    "initial": ((Mapping_, NoneType), "a dict of initial values by the names of states, or None"),
    "trainable": ((bool, str, Sequence, NoneType), "a list of names of parameters, a truth value or None"),
}


def _check_types(where: str, given: Mapping_[str, Any]) -> None:
    for name, (kinds, words) in TYPES.items():
        if not isinstance(given[name], kinds):
            raise ParameterError(f"{where}.{name}", f"must be {words}", got=repr(given[name]))


def _check_connect(where: str, model: type[Model], connect: Any) -> None:
    if connect is None:
        return
    if not issubclass(model, Connection) or model.one_to_one or not model.accepts:
        raise GraphError(
            f"{where}.connect", "belongs to a connection between any two units", got=model.__name__, fix="Give it to a synapse."
        )
    if not isinstance(connect, Connectivity | Tensor | np.ndarray):
        raise GraphError(
            f"{where}.connect", "must be a rule or a matrix of 0 and 1", got=repr(connect), fix="E.g. connect=ship.InDegree(100)."
        )


def _check_device(where: str, model: type[Model], device: Any, mapping: Any) -> None:
    if device is None and mapping is None:
        return
    if "weight" not in declared(model)[0]:
        raise GraphError(
            f"{where}.device", f"{model.__name__} has no weight that devices could hold", fix="Give it to a synapse."
        )
    if device is None:
        raise GraphError(f"{where}.mapping", "needs devices to map weights to", fix="Give device=, or leave mapping= out.")
    if not isinstance(device, Device):
        raise GraphError(f"{where}.device", "must be a device", got=repr(device), fix=_a_device(device))
    if mapping is not None and not isinstance(mapping, Mapping):
        raise GraphError(f"{where}.mapping", "must be a mapping", got=repr(mapping), fix="E.g. mapping=ship.Differential().")


def _a_device(given: Any) -> str:
    """What was meant, where that can be told."""
    if isinstance(given, Part):
        kind = next((name for name, of in KINDS.items() if isinstance(given, of)), "update")
        return f"A part goes into one: device=ship.Device({kind}={type(given).__name__}(...))."
    name = given if isinstance(given, str) else getattr(given, "__name__", "")
    if name in library():
        return f"E.g. device=ship.devices.{name}()."
    if name.endswith(".toml"):
        return f"E.g. device=ship.load_device({name!r})."
    return "E.g. device=ship.Device(g_max=50e-6)."


def _check_crossbar(where: str, given: Mapping_[str, Any], side: str) -> None:
    crossbar = given["crossbar"]
    if crossbar is None:
        return
    if not isinstance(crossbar, Crossbar):
        got = repr(crossbar)
        raise GraphError(f"{where}.crossbar", "must be ship.crossbar.Crossbar(...)", got=got)
    if given["device"] is None:
        raise GraphError(f"{where}.crossbar", "needs devices that sit on it", fix="Give device= as well.")
    if given["connect"] is not None:
        raise GraphError(f"{where}.crossbar", "has a device at every crossing", got="connect=", fix="Leave one of the two out.")
    adc = crossbar.adc
    if adc is None:
        return
    if adc.full_scale is None:
        raise GraphError(f"{where}.crossbar", "a converter needs full_scale (A)", got="None", fix="See ship.crossbar.calibrated.")
    if side != "post" or not is_real(given["delay"]):
        raise GraphError(
            f"{where}.crossbar", "converters read the columns' sums: side='post', and one delay for all", got=f"side={side!r}"
        )


def _check_learning(where: str, given: Mapping_[str, Any]) -> None:
    """What a synapse needs to learn by pulses: by a rule, or by gradients."""
    learning, rule = given["learning"], given["rule"]
    if learning is not None and not isinstance(learning, Pulsing):
        raise GraphError(f"{where}.learning", "must be ship.Pulsing(...)", got=repr(learning))
    if learning is not None and given["device"] is None:
        raise GraphError(f"{where}.learning", "needs devices to pulse", fix="Give device=, or leave learning= out.")
    if given["device"] is None or (learning is None and rule is None):
        return
    if rule is not None and rule.per_sample:
        raise GraphError(
            f"{where}.rule", "must not be per_sample on devices: all samples share one set of them", fix="Use per_sample=False."
        )
    (learning or Pulsing()).check(where, given["mapping"] or Differential(), given["connect"] is not None)


def _tags(where: str, role: str, given: str | Sequence[str]) -> tuple[str, ...]:
    if not isinstance(given, str | Sequence):
        raise GraphError(f"{where}.{role}", "must be a tag or a list of tags", got=repr(given))
    tags = (given,) if isinstance(given, str) else tuple(given)
    for tag in tags:
        if not isinstance(tag, str):
            raise GraphError(f"{where}.{role}", "must be a tag or a list of tags", got=repr(tag))
    if len(set(tags)) != len(tags):
        raise GraphError(f"{where}.{role}", "names a group twice", got=", ".join(tags))
    return tags


def _trainable(where: str, model: type[Model], asked: Any, rule: Rule | None) -> tuple[str, ...] | None:
    if asked is None:
        return None
    parameters = declared(model)[0]
    if isinstance(asked, bool):
        return tuple(name for name, p in parameters.items() if p.gradient) if asked else ()
    names = (asked,) if isinstance(asked, str) else tuple(asked)
    for name in names:
        if not isinstance(name, str):
            raise ParameterError(f"{where}.trainable", "must be names of parameters", got=repr(name))
        if name == "delay":
            raise ParameterError(
                f"{where}.delay", "has no gradient: a delay acts through whole slots", fix="Leave it out of trainable=."
            )
        if name not in parameters:
            raise ParameterError(
                f"{where}.trainable", f"{model.__name__} has no parameter {name!r}", fix=suggest(name, parameters)
            )
        if not parameters[name].gradient:
            raise ParameterError(
                f"{where}.{name}",
                "has no gradient: it acts through whole slots or random counts",
                fix="Leave it out of trainable=.",
            )
        if rule is not None and name == "weight":
            raise ParameterError(
                f"{where}.weight",
                "is changed by its rule and has no gradient",
                fix="Leave it out of trainable=, or leave rule= out.",
            )
    return names


def _check_delay(where: str, delay: Any, allowed: bool) -> None:
    if not allowed and not (isinstance(delay, int | float) and delay == 0):
        raise GraphError(
            f"{where}.delay", "belongs to a connection with a source", got=repr(delay), fix="Give it to the synapse or link."
        )
