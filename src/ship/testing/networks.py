"""The small network that a model, a rule or a connection is looked at in: something for every port, and a target."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from ..base.errors import GraphError
from ..base.parameters import declared
from ..models import LIF, AdEx, CurrentInput, ExpSynapse, LeakyIntegrator, Link, SpikeInput
from ..models.contract import Connection, Model, Neuron, Rule, Source
from ..network.network import Network

MODEL, TARGET, INPUT, MODULATOR = "m", "t", "in", "mod"  # tags
GAIN = 0.837  # of what enters a port, where nothing else is asked for: no sum of it is a threshold
REST = -70e-3  # V, of a target whose voltage is read
Gains = Mapping[str, float | Tensor]  # by port


def build(cls: type[Model], n: int, values: Mapping[str, Any], options: Mapping[str, Any], gains: Gains | None = None) -> Network:
    """Return a network with a group ``m`` of the class among what it needs, which is not initialised.

    Args:
        cls: a neuron, a source, a connection or a rule.
        n: the number of units; a connection leads from one unit to n, or from n to n.
        values: parameters: numbers, or tensors ``[n]``, a value for each unit (each connection).
        options: its options.
        gains: the factor of what enters each port.
    """
    net = Network()
    if issubclass(cls, Rule):
        _add_rule(net, cls, n, values, options, gains)
    elif issubclass(cls, Source | Neuron):
        net.add(cls, MODEL, n=n, **values, **options)
        feed(net, MODEL, cls, n, gains)
    elif issubclass(cls, Connection):
        _add_connection(net, cls, n, values, options, gains)
    else:
        raise GraphError(cls.__name__, "must be a neuron, a source, a connection or a rule", got=repr(cls))
    return net


def rowwise(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same values for connections from one unit: a tensor ``[n]`` becomes ``[1, n]``."""
    return {k: v.unsqueeze(0) if isinstance(v, Tensor) and v.ndim == 1 else v for k, v in values.items()}


def learns_without_spikes(rule: type[Rule]) -> bool:
    """Return whether a rule learns from targets that do not spike."""
    return "events" not in rule.learns_from


def _add_rule(
    net: Network, cls: type[Rule], n: int, values: Mapping[str, Any], options: Mapping[str, Any], gains: Gains | None
) -> None:
    given = rowwise(values)
    net.add(SpikeInput, INPUT, n=1)
    quiet = learns_without_spikes(cls)
    target: type[Model] = LeakyIntegrator if quiet else LIF
    threshold: dict[str, Any] = {} if quiet else {"v_th": 0.2}
    net.add(target, TARGET, n=n, tau=0.1, **threshold)
    low, high = (given.get(k, float(declared(cls)[0][k].default)) for k in ("w_min", "w_max"))
    weight = torch.full((1, n), 0.5, dtype=torch.float64)
    weight = torch.minimum(torch.maximum(weight, torch.as_tensor(low).double()), torch.as_tensor(high).double())
    rule = cls(**given, **options)
    net.add(ExpSynapse, MODEL, source=INPUT, target=TARGET, weight=weight, rule=rule, modulator=modulator(net, cls))
    feed(net, TARGET, target, n, gains, ("charge",))


def modulator(net: Network, rule: type[Rule]) -> str | None:
    """Add the third factor that a modulated rule needs, and return its tag; None for another rule."""
    if rule.modulated:
        net.add(SpikeInput, MODULATOR, n=1)
        return MODULATOR
    return None


def _add_connection(
    net: Network, cls: type[Connection], n: int, values: Mapping[str, Any], options: Mapping[str, Any], gains: Gains | None
) -> None:
    conducts = cls.unit == "S"  # into a neuron with conductances, one nanosiemens
    if conducts:
        net.add(AdEx, TARGET, n=n)
    else:
        net.add(LeakyIntegrator, TARGET, n=n, v_rest=REST if cls.reads else 0.0)
    if not cls.accepts:
        net.add(cls, MODEL, target=TARGET, **values, **options)
        feed(net, MODEL, cls, n, gains)
        return
    own, side = declared(cls)[0], getattr(cls(**options), "side", "post")
    alone = cls.one_to_one or side == "pre"  # a source unit for each unit
    pairs = side == "connection" or not cls.weighted
    rows = rowwise(values)
    shaped = {k: rows[k] if k != "bias" and (pairs or own[k].per == "connection") else v for k, v in values.items()}
    if "weight" in own and "weight" not in shaped:
        shaped["weight"] = (torch.eye(n) if alone else torch.ones(1, n)) * (1e-9 if conducts else 1.0)
    net.add(SpikeInput if "events" in cls.accepts else CurrentInput, INPUT, n=n if alone else 1)
    net.add(cls, MODEL, source=INPUT, target=TARGET, port="exc" if conducts else None, **shaped, **options)


def feed(
    net: Network, tag: str, cls: type[Model], n: int, gains: Gains | None = None, only: Collection[str] | None = None
) -> None:
    """Add an input and a link to it for every port of a group (or for those named)."""
    for name, port in cls.ports.items():
        if only is None or name in only:
            source = f"{tag}_{name}"
            net.add(SpikeInput if port.kind == "events" else CurrentInput, source, n=n)
            gain = GAIN if gains is None else gains[name]
            net.add(Link, f"{source}_link", source=source, target=tag, port=name, gain=gain)
