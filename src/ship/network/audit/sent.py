"""What spikes send: events over connections, and the charge that they bring, excitatory and inhibitory apart.

A spike brings ``weight`` in total over a connection, in the unit of its target (Weights in `docs/semantics.md`): the integral
of its current. So the charge of a run follows from the spikes of each source unit and the sums of its weights, without a record
of currents, and without excitation and inhibition that cancel in a sum. Weights are those that the network runs with now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ...groups.group import Group
from ...models.contract import Synapse
from ..energy.costs import role_of
from .audited import Audited


class Sent(NamedTuple):
    """What the spikes of a run send over the connections of one group, ``[chip, sample]`` in float64."""

    events: Tensor  # synaptic events: spikes times connections
    excitatory: Tensor  # the sum of weights above 0, in their unit
    inhibitory: Tensor  # the sum of weights below 0, as a magnitude
    unit: str  # of the weights


def sent(net: Audited, counts: Mapping[str, Tensor]) -> dict[str, Sent]:
    """Compute what spikes send, for every group of synapses that events enter and that has weights.

    Args:
        net: the network, initialised.
        counts: the number of spikes of each unit, ``[chip, sample, unit]``, of every group that sends events.
    """
    found = {}
    for tag, spec in net.specs.items():
        group = net[tag]
        if not isinstance(spec.model, Synapse) or role_of(spec, net.wiring) != "synapses" or "weight" not in group.declarations:
            continue
        spikes = torch.cat([counts[source.tag] for source in spec.sources], -1).double()
        weight = acting_weight(group)
        cells, plus, minus = torch.ones_like(weight), weight.clamp(min=0), -weight.clamp(max=0)
        events, excitatory, inhibitory = ((spikes * rows(group, part)).sum(-1) for part in (cells, plus, minus))
        found[tag] = Sent(events, excitatory, inhibitory, group.declarations["weight"].unit)
    return found


def acting_weight(group: Group) -> Tensor:
    """Return the weights that a group runs with: its own, those that a rule has made, or those of its devices; float64."""
    plastic = group.spec.rule is not None and group.hardware is None
    weight = group.get_buffer("plastic_weight") if plastic else group.value("weight")
    return weight.detach().double()


def rows(group: Group, weight: Tensor) -> Tensor:
    """Sum over the connections of each source unit, ``[..., pre]``; with chips and samples in front where weights have them."""
    shape = group.shape_of("connection")
    if group.side == "unit":  # one to one
        return weight.expand(*weight.shape[:-1], group.n)
    lead = weight.shape[: max(0, weight.ndim - len(shape))]
    whole = weight.expand(*lead, *shape)
    whole = whole.unsqueeze(1) if len(lead) == 1 else whole  # of each chip, the same for its samples
    if not group.edges:
        return whole.sum(-1)
    return whole.new_zeros(*whole.shape[:-1], group.n_pre).index_add(-1, group.pre.long().to(whole.device), whole)
