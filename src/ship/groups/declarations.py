"""The checks of what a model class declares beside its parameters: kinds of signals, ports, states, noise."""

from __future__ import annotations

from ..base.checks import check_choice
from ..base.errors import GraphError
from ..base.parameters import KINDS, Port, State
from ..models.contract import NOISE, Connection, Model, Neuron, Source


def check_declarations(cls: type[Model], where: str) -> None:
    """Check the declarations of a model class; ``where`` names the group.

    Raises:
        GraphError: an unknown kind of noise, or ports or states of another type.
        ParameterError: an unknown kind of signal.
    """
    unknown = [kind for kind in cls.noise.values() if kind not in NOISE]
    if unknown:
        raise GraphError(f"{where}.noise", f"must be one of {', '.join(NOISE)}", got=repr(unknown[0]))
    if issubclass(cls, Source | Neuron):
        check_choice(f"{where}.emits", cls.emits, KINDS)
    for kind in cls.accepts if issubclass(cls, Connection) else ():
        check_choice(f"{where}.accepts", kind, KINDS)
    for name, port in cls.ports.items():
        if not isinstance(port, Port):
            raise GraphError(f"{where}.ports[{name!r}]", "must be a port", got=repr(port), fix='E.g. ship.Port("charge", "V").')
    if cls.states and not (hasattr(cls.states, "_fields") and all(isinstance(s, State) for s in cls.states)):
        raise GraphError(f"{where}.states", "must be a NamedTuple of ship.State", got=repr(cls.states))
