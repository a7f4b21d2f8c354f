"""The checks of the names in a network: that the groups and states exist that a connection joins or reads, and that units fit."""

from __future__ import annotations

from collections.abc import Mapping

from ..base.errors import GraphError, suggest
from ..base.parameters import Port
from ..models.contract import Connection, Neuron, Source, SpikingNeuron
from .spec import Address, Spec, address


def check_tags(spec: Spec, specs: Mapping[str, Spec]) -> None:
    """Check that the groups and states that a group names exist, and that they fit its kind.

    Raises:
        GraphError: one does not.
    """
    model = spec.model
    modulators = () if spec.modulator is None else (address(spec.modulator),)
    for role, addresses in (("source", spec.sources), ("target", map(Address, spec.target)), ("modulator", modulators)):
        for name, state in addresses:
            if name not in specs:
                raise GraphError(
                    f"{spec.where}.{role}",
                    f"no group named {name!r}",
                    fix=suggest(name, sorted(t for t in specs if t != spec.tag)),
                )
            if state:
                _check_state(f"{spec.where}.{role}", specs[name], state)
    for reader in (model, spec.rule):
        for state in getattr(reader, "reads", ()):
            for name in spec.target:
                _check_state(f"{spec.where}: {type(reader).__name__} reads its target", specs[name], state)
    if getattr(model, "reads", ()) and not spec.target:
        raise GraphError(spec.where, f"{type(model).__name__} reads its target", got="none", fix="Give target='TAG'.")
    if isinstance(model, Connection):
        if model.accepts and not spec.source:
            raise GraphError(spec.where, "needs a source", fix="Give source='TAG'.")
        if not model.accepts and spec.source:
            raise GraphError(
                f"{spec.where}.source",
                "takes its input through its ports",
                got=repr(spec.source[0]),
                fix=f"Add a synapse with target='{spec.tag}'.",
            )
        if model.one_to_one and not model.accepts and not spec.target:
            raise GraphError(spec.where, "needs a target", fix="Give target='TAG'.")
    for name in spec.target:
        if not specs[name].model.ports:
            what = type(specs[name].model).__name__
            fix = (
                f"Use source='{spec.tag}' when adding {name!r}."
                if isinstance(specs[name].model, Connection)
                else "Inputs and sources take no input."
            )
            raise GraphError(f"{spec.where}.target", f"{what} {name!r} has no input port", fix=fix)


def _check_state(where: str, spec: Spec, state: str) -> None:
    """Check that a group has a state for each of its units that can travel as a signal."""
    model = spec.model
    names = list(getattr(model.states, "_fields", ())) + ["margin"] * isinstance(model, SpikingNeuron)
    by_unit = isinstance(model, Neuron) or (isinstance(model, Connection) and getattr(model, "side", "post") == "post")
    if state not in names or not by_unit or isinstance(model, Source):
        raise GraphError(
            where,
            f"{spec.where} has no state {state!r} of its units",
            fix=suggest(state, names) if by_unit else "Name a state of a neuron.",
        )


TAKES = {"S": "ConductanceLIF", "V": "LIF"}  # by unit, a model with a port in it


def fitting_ports(spec: Spec, target: Spec) -> Mapping[str, Port]:
    """Return the ports of the target whose unit is that of what the connection gives: all of them where it says none.

    Raises:
        GraphError: there is none, or the one that was named is not among them.
    """
    ports: Mapping[str, Port] = target.model.ports
    unit = spec.model.unit if isinstance(spec.model, Connection) else ""
    fitting = {name: port for name, port in ports.items() if not unit or port.unit == unit}
    if not fitting or (spec.port in ports and spec.port not in fitting):
        raise GraphError(
            f"{spec.where}.{'port' if spec.port else 'target'}",
            f"must be a port in {unit}",
            got="ports " + ", ".join(f"{name} ({port.unit})" for name, port in ports.items()) + f" of {target.where}",
            fix=f"Name one of {', '.join(fitting)}."
            if fitting
            else f"Use a neuron with one, e.g. {TAKES.get(unit, 'your own')}.",
        )
    return fitting
