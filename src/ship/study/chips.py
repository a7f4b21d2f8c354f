"""The step from one network to the same network on many dies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import Tensor, nn

from ..base.errors import GraphError, ParameterError, RunError, suggest
from ..base.parameters import Distribution, PerChip, PerSample, Varied, declared
from ..crossbar import Crossbar
from ..devices.device import Device
from ..devices.weights.mapping import Mapping as DeviceMapping
from ..groups.connectivity import Edges
from ..groups.group import Group
from ..groups.selection import select
from ..groups.spec import Spec
from ..groups.wiring import Wiring, made_delays
from ..network.network import Network


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Variation for parameters chosen by role, group or name (see `ship.groups.selection.select`), in place of their own.

    Args:
        role, tags, names: roles, groups and names that choose the parameters.
        d2d, d2d_abs, gradient, gradient_abs: as in `ship.Varied`.
    """

    role: str | None = None
    tags: Sequence[str] = ()
    names: Sequence[str] = ()
    d2d: float = 0.0
    d2d_abs: float = 0.0
    gradient: float = 0.0
    gradient_abs: float = 0.0

    def varied(self, nominal: Any) -> Varied:
        """Return a nominal value with this spread."""
        return Varied(nominal, d2d=self.d2d, d2d_abs=self.d2d_abs, gradient=self.gradient, gradient_abs=self.gradient_abs)


def virtual_chips(
    net: Network,
    chips: int | Sequence[int],
    *,
    device: Device | Mapping[str, Device] | None = None,
    mapping: DeviceMapping | Mapping[str, DeviceMapping] | None = None,
    crossbar: Crossbar | Mapping[str, Crossbar] | None = None,
    vary: Spread | Sequence[Spread] = (),
    seed: int | None = None,
    variation: bool = True,
) -> Network:
    """Copy a network, with its parameters as they are now, to many dies. The network itself is left alone.

    What is trained or was drawn stays as it is; deviates of `Varied` parameters and devices are those of the dies asked for.
    Devices are as made: call ``program()`` to write the weights to them.

    Args:
        net: an initialised network; parameters given for each chip (``per_chip``) only fit as many chips.
        chips: a number K, dies 0 to K - 1, or a list of die ids.
        device: what holds the weights of all synapses without a learning rule, or of those named: ``{"hid>out": ...}``.
        mapping: how weights become conductances, for all groups with devices or those named.
        crossbar: the arrays that hold the devices, for all groups with devices or those named.
        vary: variation of neurons and synapses.
        seed: seed of the variation and of the devices; default: the network's own.
        variation: False gives nominal values.

    Raises:
        GraphError, ParameterError, RunError: as `Network.add` and `Network.init`; an unknown tag.
    """
    where = "study.virtual_chips"
    groups = net.simulation(where).groups
    if chips is None:
        raise RunError(f"{where}: chips", "must be a number of chips or a list of die ids", got="None")
    given = {"device": device, "mapping": mapping, "crossbar": crossbar}
    by_tag = {name: _by_tag(where, net, value) for name, value in given.items()}
    spreads: dict[tuple[str, str], Spread] = {}
    for spread in (vary,) if isinstance(vary, Spread) else vary:
        chosen = select(f"{where}: vary", groups, role=spread.role, tags=spread.tags, names=spread.names)
        spreads |= dict.fromkeys(chosen, spread)
    made = Network()
    for tag in net.tags:
        copy_group(net, made, tag, by_tag, {name: s for (owner, name), s in spreads.items() if owner == tag})
    own = net.settings
    made.init(
        own["dt"],
        seed=own["seed"] if seed is None else seed,
        chips=chips,
        variation=variation,
        dtype=own["dtype"],
        device=groups[net.tags[0]].die_ids.device,
        engine=own["engine"],
    )
    made.readout = net.readout
    _take_stored(where, groups, made)
    return made


def _take_stored(where: str, groups: Mapping[str, Group], made: Network) -> None:
    """Take over what a network has kept of its runs: plastic weights and persistent states begin on the dies as they are now."""
    for tag, group in groups.items():
        if group.hardware is not None or made[tag].hardware is not None:
            continue  # what devices hold is written by `Network.program`
        for name, value in group.stored().items():
            own = made[tag].get_buffer(name)
            if len(value) not in (1, len(own)):
                got = f"{len(value)} chips, for {len(own)}"
                raise RunError(f"{where}: chips", f"{group.spec.where} has learnt on each chip, and fits as many", got=got)
            made[tag].register_buffer(name, value.detach().expand_as(own).clone())


def _by_tag(where: str, net: Network, given: Any) -> dict[str, Any]:
    """Give each tag its device or mapping; a single one is for all synapses that can have it."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        for tag in given:
            if tag not in net.tags:
                raise GraphError(where, f"no group named {tag!r}", fix=suggest(str(tag), net.tags))
        return dict(given)
    return {tag: given for tag, spec in net.specs.items() if "weight" in declared(type(spec.model))[0] and spec.rule is None}


def copy_group(
    net: Network,
    made: Network,
    tag: str,
    by_tag: Mapping[str, Mapping[str, Any]] | None = None,
    spreads: Mapping[str, Spread] | None = None,
) -> None:
    """Add a group of a network to another one, with its parameters as they are now and devices as made.

    Args:
        net: the initialised network that has the group.
        made: the network that gets it.
        tag: the group's tag.
        by_tag: ``device`` and ``mapping`` by tag, in place of the group's own.
        spreads: variation of parameters by name, in place of their own.
    """
    by_tag, spreads = by_tag or {"device": {}, "mapping": {}, "crossbar": {}}, spreads or {}
    spec, group, wiring = net.specs[tag], net[tag], net.wiring
    changes: dict[str, Any] = {"delay": _drawn_delay(wiring, spec)}
    changes["initial"] = {name: _stored(v, group.get_buffer(f"initial/{name}")) for name, v in spec.initial.items()}
    if spec.rule is not None:
        values = {f.name: _pinned(group, f"rule.{f.name}", getattr(spec.rule, f.name), spreads) for f in fields(spec.rule)}
        changes["rule"] = replace(spec.rule, **values)
    if tag in wiring.edges and tag not in wiring.shared:
        changes["connect"] = Edges(wiring.edges[tag].pre, wiring.edges[tag].post)
    changes["device"] = by_tag["device"].get(tag, spec.device)
    changes["mapping"] = by_tag["mapping"].get(tag, spec.mapping)
    changes["crossbar"] = by_tag["crossbar"].get(tag, spec.crossbar)
    if changes["device"] is None:
        changes |= {"mapping": None, "crossbar": None, "learning": None}
    for name in declared(type(spec.model))[0]:
        value = getattr(spec.model, name)
        pinned = _pinned(group, name, value, spreads)
        if name in spec.given or pinned is not value:
            changes[name] = pinned
    made.add(type(spec.model), tag, **(spec.arguments | changes))


def _is_drawn(value: Any) -> bool:
    return isinstance(value, Distribution) or (callable(value) and not isinstance(value, Tensor))


def _stored(value: Any, tensor: Tensor) -> Any:
    return tensor.detach().clone() if _is_drawn(value) else value


def _pinned(group: Group, name: str, value: Any, spreads: Mapping[str, Spread]) -> Any:
    """Return a parameter as it is now: trained values and draws as tensors."""
    if name not in group.declarations:
        return value
    attribute = name.replace(".", "/")
    if isinstance(value, PerChip | PerSample):
        if name in spreads:
            raise ParameterError(f"{group.spec.where}.{name}", "cannot vary: it is given for each chip or sample")
        tensor: Tensor = getattr(group, attribute).detach()
        lead = tensor.squeeze(1) if isinstance(value, PerChip) else tensor.squeeze(0)
        return type(value)(lead.clone())
    nominal = value.nominal if isinstance(value, Varied) else value
    if _is_drawn(nominal) or isinstance(getattr(group, attribute), nn.Parameter):
        nominal = getattr(group, attribute).detach().clone()
    if name in spreads:
        return spreads[name].varied(nominal)
    if isinstance(value, Varied):
        return replace(value, nominal=nominal)
    return value if nominal is value else nominal


def _drawn_delay(wiring: Wiring, spec: Spec) -> Any:
    """Return the delay of a connection, with draws as a tensor."""
    made = made_delays(wiring, spec.tag) if _is_drawn(spec.delay) else None
    return spec.delay if made is None else made
