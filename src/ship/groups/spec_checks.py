"""The checks of names and types that make a `Spec` of the arguments of one `Network.add`."""

from __future__ import annotations

from collections.abc import Mapping as Mapping_
from collections.abc import Sequence
from dataclasses import replace
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
from .convolution import SharedConnectivity
from .spec import ARGUMENTS, Spec, build_model


def make_spec(model: type[Model], tag: str, arguments: Mapping_[str, Any]) -> Spec:
    """Make a checked `Spec` of the keywords of `Network.add`.

    Args:
        model: the model class.
        tag: the group's name.
        arguments: values of fields of `Spec`, which keep their defaults where they are left out; every other name is a parameter
            or an option of the model.

    Raises:
        GraphError, ParameterError: something is wrong by itself, whatever the other groups are.
    """
    where = f"{model.__name__} '{tag}'"
    parameters = {name: value for name, value in arguments.items() if name not in ARGUMENTS}
    made = build_model(model, where, parameters)
    bare = Spec(tag, made, parameters)
    asked = {name: arguments.get(name, getattr(bare, name)) for name in ARGUMENTS}
    _check_types(where, asked)
    if asked["n"] is not None:
        check_whole(f"{where}.n", asked["n"], 1, error=GraphError)
    asked["source"], asked["target"] = (_tags(where, role, asked[role]) for role in ("source", "target"))
    _check_joins(where, model, asked)
    _check_delay(where, asked["delay"], issubclass(model, Connection) and bool(model.accepts))
    side = getattr(made, "side", "post")  # also where the model, not its user, says it
    _check_rule(where, model, asked["rule"], side)
    _check_modulator(where, asked["rule"], asked["modulator"])
    if side == "pre" and getattr(model, "reads", ()):
        raise GraphError(f"{where}.side", "must be 'post' or 'connection', for it reads its target", got=repr(side))
    _check_connect(where, model, asked["connect"])
    if asked["rule"] is not None and isinstance(asked["connect"], SharedConnectivity):
        what = "cannot change weights that edges share, for each edge would learn by itself"
        raise GraphError(f"{where}.rule", what, fix="Leave rule= out.")
    _check_device(where, model, asked["device"], asked["mapping"])
    _check_learning(where, asked)
    _check_crossbar(where, asked, side)
    asked["output"], asked["initial"] = bool(asked["output"]), dict(asked["initial"] or {})
    asked["trainable"] = _trainable(where, model, asked["trainable"], asked["rule"])
    return replace(bare, **asked)


TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "output": ((bool, np.bool_), "True or False"),
    "port": ((str, NoneType), "the name of a port, or None"),
    "modulator": ((str, NoneType), "the tag of a group, or None"),
    "initial": ((Mapping_, NoneType), "a dict of initial values by the names of states, or None"),
    "trainable": ((bool, str, Sequence, NoneType), "a list of names of parameters, a truth value or None"),
}


def _check_types(where: str, given: Mapping_[str, Any]) -> None:
    for name, (kinds, words) in TYPES.items():
        if not isinstance(given[name], kinds):
            raise ParameterError(f"{where}.{name}", f"must be {words}", got=repr(given[name]))


def _check_joins(where: str, model: type[Model], given: Mapping_[str, Any]) -> None:
    """Refuse what belongs to a connection where a group of units is added."""
    for name in ("source", "target", "port", "rule", "modulator"):
        if given[name] and not issubclass(model, Connection):
            raise GraphError(
                f"{where}.{name}",
                "belongs to a connection, not to a group of units",
                got=repr(given[name]),
                fix="Add a synapse between the two.",
            )


def _check_rule(where: str, model: type[Model], rule: Any, side: str) -> None:
    """Check a learning rule, and that the model has weights that a rule can change."""
    if rule is None:
        return
    if not isinstance(rule, Rule):
        raise GraphError(f"{where}.rule", "must be a learning rule", got=repr(rule), fix="E.g. rule=ship.PairSTDP().")
    rule.check_options(f"{where}.rule")
    if "weight" not in declared(model)[0]:
        raise GraphError(f"{where}.rule", f"{model.__name__} has no weight that a rule could change")
    if side != "post":
        raise GraphError(
            f"{where}.side",
            "must be 'post' for a plastic synapse: its filter then follows the weight of each event",
            got=repr(side),
        )


def _check_modulator(where: str, rule: Rule | None, modulator: str | None) -> None:
    if rule is not None and rule.modulated and modulator is None:
        fix = "Give modulator='TAG', a group with one unit or one for each unit of the target."
        raise GraphError(f"{where}.modulator", f"{type(rule).__name__} needs a third factor", fix=fix)
    if modulator is not None and (rule is None or not rule.modulated):
        what = "no rule" if rule is None else type(rule).__name__
        raise GraphError(
            f"{where}.modulator", "belongs to a rule with a third factor", got=what, fix="E.g. rule=ship.RewardSTDP()."
        )


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
    """Suggest the device that was meant, where that can be told."""
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
    adc, connect = crossbar.adc, given["connect"]
    shared = isinstance(connect, SharedConnectivity)  # whose matrix has a device at every crossing
    if connect is not None and not shared:
        raise GraphError(f"{where}.crossbar", "has a device at every crossing", got="connect=", fix="Leave one of the two out.")
    if adc is None:
        return
    if shared:
        raise GraphError(f"{where}.crossbar", "converters and shared weights do not go together yet", fix="Leave adc= out.")
    if adc.full_scale is None:
        raise GraphError(f"{where}.crossbar", "a converter needs full_scale (A)", got="None", fix="See ship.crossbar.calibrated.")
    if side != "post" or not is_real(given["delay"]):
        raise GraphError(
            f"{where}.crossbar", "converters read the columns' sums: side='post', and one delay for all", got=f"side={side!r}"
        )


def _check_learning(where: str, given: Mapping_[str, Any]) -> None:
    """Check what a synapse needs in order to learn by pulses, by a rule or by gradients."""
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
