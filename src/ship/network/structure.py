"""The structure of a network: the groups that it was given by `add`, by tag, before and after `init`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, KeysView, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import nn

from ..base.boundary import left
from ..base.errors import GraphError, suggest
from ..crossbar import Crossbar
from ..devices.device import Device
from ..devices.weights.mapping import Mapping as DeviceMapping
from ..devices.weights.pulsing import Pulsing
from ..engine.simulation import Simulation
from ..groups.group import Group
from ..groups.spec import ARGUMENTS, Spec
from ..groups.spec_checks import make_spec
from ..groups.wiring import Wiring
from ..models.contract import Model, Rule


class GroupDict(nn.ModuleDict):
    """A dictionary of groups by tag. Any tag is allowed, also one that names a method of a module."""

    def add(self, tag: str, group: Group) -> None:
        """Put a group under its tag."""
        self._modules[tag] = group

    def group(self, tag: str) -> Group:
        """Return the group of a tag."""
        group = self[tag]
        assert isinstance(group, Group)
        return group


class Structure(nn.Module):
    """The groups of a network: `Network` without its time. It reads as a mapping from tags to groups."""

    def __init__(self) -> None:
        super().__init__()
        self.groups = GroupDict()
        self._specs: dict[str, Spec] = {}
        self._wiring: Wiring | None = None  # of the last `init`, unless the structure was changed since

    @abstractmethod
    def _ready(self, where: str) -> Simulation:
        """Return the simulation that `init` made; ``where`` names the caller in the error where there is none."""

    @abstractmethod
    def _forget(self) -> None:
        """Drop all that `init` made: the structure has changed."""

    @left("model", "rule", "device", "mapping", "crossbar", "learning")
    def add(
        self,
        model: type[Model],
        tag: str,
        *,
        n: int | None = None,
        source: str | Sequence[str] = (),
        target: str | Sequence[str] = (),
        port: str | None = None,
        delay: Any = 0.0,
        output: bool = False,
        trainable: Sequence[str] | bool | None = None,
        initial: Mapping[str, Any] | None = None,
        rule: Rule | None = None,
        modulator: str | None = None,
        connect: Any = None,
        device: Device | None = None,
        mapping: DeviceMapping | None = None,
        crossbar: Crossbar | None = None,
        learning: Pulsing | None = None,
        **parameters: Any,
    ) -> None:
        """Add a group of units, or a connection, to the network.

        Args:
            model: a model class, e.g. ``ship.LIF``.
            tag: the group's name, unique in the network.
            n: the number of units; connections take it from their target.
            source, target: tags of the groups that a connection joins; they may be added later. ``"soma.v"`` as a source is a
                state of a group, as monitors see it, in place of its output.
            port: the target's port, where the kind of signal does not decide.
            delay: the delay of a connection, s: a number, one per source unit, ``[pre, post]``, or a distribution, whose draws
                are rounded to whole slots of the dt of `init`.
            output: whether `run` returns this group's output.
            trainable: names of parameters with a gradient; default: weights, and biases that are given. True: all that can be.
            initial: initial values of states by name, as any parameter value.
            rule: a learning rule for a synapse.
            modulator: the group (or ``"TAG.state"``) whose signal is the third factor of the rule, with one unit or one for each
                unit of the target.
            connect: sparse connectivity: a rule such as ``ship.InDegree(100)``, or a matrix ``[pre, post]`` of 0 and 1. Weights
                then belong to edges; default: all pairs of units.
            device: the device that holds the weights of a synapse, see ``ship.devices``; written by `program`.
            mapping: the way from a weight to conductances; default: a differential pair.
            crossbar: the lines that the devices sit on, with their resistances, tiles and converters.
            learning: the way from changes of weight to pulses on the devices; default: ``ship.Pulsing()``.
            parameters: the model's parameters and options, see ``ship.describe(model)``.

        Raises:
            GraphError, ParameterError: what is wrong, where, and how to mend it.
        """
        arguments = {name: value for name, value in locals().items() if name in ARGUMENTS} | parameters
        where = f"Network.add({tag!r})"
        if not isinstance(tag, str) or not tag or "." in tag or "/" in tag:
            raise GraphError("Network.add", "a tag must be a word without '.' or '/'", got=repr(tag))
        if tag in self._specs:
            raise GraphError(where, "the tag is taken", fix=f"Tags: {', '.join(map(repr, self._specs))}.")
        if not isinstance(model, type) or not issubclass(model, Model):
            raise GraphError(where, "model must be a model class", got=repr(model), fix="E.g. net.add(ship.LIF, 'hid', n=100).")
        self._specs[tag] = make_spec(model, tag, arguments)
        self._forget()

    def set(self, tag: str, **parameters: Any) -> None:
        """Change arguments of a group, given as to `add`.

        The network must be initialised again: with ``init(..., keep=True)`` everything else stays as it was trained, learnt or
        programmed.

        Raises:
            GraphError, ParameterError: as `add`.
        """
        old = self._known("Network.set", tag)
        self._specs[tag] = make_spec(type(old.model), tag, old.arguments | parameters)
        self._forget()

    def remove(self, tag: str) -> None:
        """Take a group out, and nothing else: connections that name it must be removed or changed too."""
        self._known("Network.remove", tag)
        del self._specs[tag]
        self._forget()

    def _known(self, where: str, tag: str) -> Spec:
        if tag not in self._specs:
            raise GraphError(where, f"no group named {tag!r}", fix=suggest(str(tag), self._specs))
        return self._specs[tag]

    # -- read --------------------------------------------------------------------------------------------------------------

    @property
    def specs(self) -> Mapping[str, Spec]:
        """What each group was asked for, by tag: a view that cannot be written to."""
        return MappingProxyType(self._specs)

    @property
    def wiring(self) -> Wiring:
        """Sizes, kinds of signal and edges between groups, after `init`.

        Raises:
            RunError: the network is not initialised.
        """
        return self._ready("Network.wiring").wiring

    @property
    def tags(self) -> list[str]:
        """The tags of all groups, in the order they were added."""
        return list(self._specs)

    @property
    def outputs(self) -> list[str]:
        """The tags of the groups whose output `run` returns, in the order they were added."""
        return [tag for tag, spec in self._specs.items() if spec.output]

    def __len__(self) -> int:
        return len(self._specs)

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __contains__(self, tag: object) -> bool:
        return tag in self._specs

    def keys(self) -> KeysView[str]:
        """Return the tags, as of a mapping from tags to groups (as do ``len(net)``, ``"hid" in net``, ``for tag in net``)."""
        return self._specs.keys()

    def values(self) -> list[Group]:
        """Return the groups, after `init`, in the order they were added."""
        return [self[tag] for tag in self._specs]

    def items(self) -> list[tuple[str, Group]]:
        """Return tags with their groups, after `init`, in the order they were added."""
        return [(tag, self[tag]) for tag in self._specs]

    def __getitem__(self, tag: str) -> Group:
        self._known("Network", tag)
        if tag not in self.groups:
            self._ready("Network[...]")
        return self.groups.group(tag)

    def _ipython_key_completions_(self) -> list[str]:
        return self.tags
