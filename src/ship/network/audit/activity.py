"""Whether the groups of a network do their part: rates, silent and saturated units, balance, and hints that name a parameter.

Where a hint begins is an assumption of the audit, not a law; the limits stand here, and the numbers are shown beside them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...base.display.notebook import html_table
from ...models.contract import Connection, Neuron, SpikingNeuron
from .audited import Audited
from .sent import Sent, acting_weight, sent

MOSTLY_SILENT = 0.9  # share of silent units from which a group counts as mostly silent
NEAR_LIMIT = 0.9  # share of the highest rate that a unit can have from which it is saturated
MANY_SATURATED = 0.1  # share of saturated units from which there is a hint
UNBALANCED = 10.0  # ratio of excitation and inhibition, either way, from which there is a hint, where both are there


class GroupActivity(NamedTuple):
    """What one group of neurons or inputs did. Rates are over chips, samples and units, in Hz."""

    tag: str
    n: int
    rate: float  # Hz, the mean; NaN, as all of the next three, where the group sends no spikes
    highest: float  # Hz, of one unit in one sample
    silent: float  # share of the units that never spike, on any chip and in any sample
    saturated: float  # share of the units that spike at nearly their highest possible rate, in some sample
    excitation: float  # what arrives per unit and second from weights above 0, in the unit of the weights
    inhibition: float  # the same from weights below 0, as a magnitude
    unit: str  # of the weights; empty without any
    reach: float  # how far the highest unit came from its start to its threshold: 1 is at threshold; NaN where there is none
    events: int  # spikes that arrive, over all samples; -1 where nothing can arrive

    @property
    def balance(self) -> float:
        """Excitation over inhibition; infinity without inhibition, NaN without both."""
        if not self.inhibition:
            return math.inf if self.excitation else math.nan
        return self.excitation / self.inhibition


@dataclass(frozen=True)
class ActivityAudit:
    """Whether the groups of a network do their part; `Network.audit_activity` makes it, ``print`` shows it.

    Args:
        seconds: the duration of the run, s.
        groups: what each group did.
        hints: what to change, each naming a parameter and a direction.
        notes: what a reader must know.
    """

    seconds: float
    groups: tuple[GroupActivity, ...]
    hints: tuple[str, ...]
    notes: tuple[str, ...]

    def __getitem__(self, tag: str) -> GroupActivity:
        return next(group for group in self.groups if group.tag == tag)

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table as text: heads first, then a row for each group."""
        heads = ("group", "units", "mean rate (Hz)", "highest (Hz)", "silent", "saturated", "excitation", "inhibition", "reach")
        return [heads, *(_row(group) for group in self.groups)]

    def __str__(self) -> str:
        rows = self.rows()
        widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
        lines = [f"Activity in {self.seconds:g} s"]
        lines += ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines += [f"hint: {text}" for text in self.hints] or ["No group is silent, saturated or far out of balance."]
        return "\n".join([*lines, *(f"note: {text}" for text in self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        heads, *rows = self.rows()
        return html_table("; ".join(self.hints) or "All groups are at work.", heads, rows)


def _row(group: GroupActivity) -> tuple[str, ...]:
    def arriving(value: float) -> str:
        return f"{value:.3g} {group.unit}/s" if group.unit else "-"

    return (
        group.tag,
        str(group.n),
        *(("-",) * 4 if math.isnan(group.rate) else _spiking(group)),
        arriving(group.excitation),
        arriving(group.inhibition),
        "-" if math.isnan(group.reach) else f"{group.reach:.2f}",
    )


def _spiking(group: GroupActivity) -> tuple[str, ...]:
    return f"{group.rate:.3g}", f"{group.highest:.3g}", f"{group.silent:.0%}", f"{group.saturated:.0%}"


@torch.no_grad()
def audit_activity(net: Audited, x: Any, extent: Mapping[str, Any]) -> ActivityAudit:
    """Do the work of `Network.audit_activity`."""
    copy = deepcopy(net)
    copy.unmonitor()
    copy.unmeter()
    kinds = copy.wiring.kinds
    senders = [tag for tag in copy.tags if kinds[tag] == "events" and not isinstance(copy.specs[tag].model, Connection)]
    spiking = [tag for tag in senders if isinstance(copy.specs[tag].model, SpikingNeuron)]
    for tag in senders:
        copy.monitor(tag, "output", events=True)
    for tag in spiking:
        copy.monitor(tag, "margin")
    copy.run(x, **extent)
    seconds = float(copy.timeline()[-1]) + copy.dt
    lead = copy.chips or 1, _batch(copy)
    counts = {tag: _counts(copy, tag, lead) for tag in senders}
    brought = sent(copy, counts)
    tags = [tag for tag in copy.tags if tag in senders or isinstance(copy.specs[tag].model, Neuron)]
    groups = tuple(_group(copy, tag, counts, brought, seconds) for tag in tags)
    hints = [hint for group in groups for hint in _hints(copy, group, groups)]
    notes = [] if brought else ["no connection has weights, so that excitation and inhibition are not known"]
    return ActivityAudit(seconds, groups, tuple(hints), tuple(notes))


def _batch(net: Audited) -> int:
    lead = net.simulation().lead
    return 1 if lead is None else lead[1]


def _counts(net: Audited, tag: str, lead: tuple[int, int]) -> Tensor:
    """Return the spikes of each unit, ``[chip, sample, unit]``."""
    events = net.records[tag].output
    total = torch.zeros(*lead, net[tag].n, dtype=torch.float64)
    return total.index_put_((events.chip, events.sample, events.unit), events.counts.double(), accumulate=True)


def _feeds(net: Audited, tag: str) -> list[str]:
    return [name for name, spec in net.specs.items() if isinstance(spec.model, Connection) and tag in spec.target]


def _group(net: Audited, tag: str, counts: Mapping[str, Tensor], brought: Mapping[str, Sent], seconds: float) -> GroupActivity:
    rates = counts[tag] / seconds if tag in counts else torch.full((1, 1, net[tag].n), math.nan)
    silent, fast = (rates.amax((0, 1)) == 0, rates.amax((0, 1)) >= NEAR_LIMIT * _highest_rate(net, tag))
    feeds = [name for name in _feeds(net, tag) if name in brought]
    units = list(dict.fromkeys(brought[name].unit for name in feeds))
    own = [name for name in feeds if brought[name].unit == units[0]] if units else []

    def per_unit(field: str) -> float:
        return sum(float(getattr(brought[name], field).mean()) for name in own) / (net[tag].n * seconds)

    return GroupActivity(
        tag,
        net[tag].n,
        float(rates.mean()),
        float(rates.max()),
        float(silent.double().mean()) if tag in counts else math.nan,
        float(fast.double().mean()) if tag in counts else math.nan,
        per_unit("excitatory"),
        per_unit("inhibitory"),
        units[0] if units else "",
        _reach(net, tag),
        int(sum(float(brought[name].events.sum()) for name in feeds)) if feeds else -1,
    )


def _highest_rate(net: Audited, tag: str) -> float:
    """Return the highest rate that a unit can have, Hz: one spike in each slot, or after each dead time; none for inputs."""
    spec, group = net.specs[tag], net[tag]
    if not isinstance(spec.model, SpikingNeuron):
        return math.inf
    dead = max(float(group.value(name).min()) for name in ("t_ref", "refr_time") if name in group.declarations)
    return 1.0 / max(round(dead / net.dt) * net.dt + net.dt, net.dt)


def _reach(net: Audited, tag: str) -> float:
    """Return how far the highest unit came on its way from its start to its threshold, 1 where it arrived."""
    if not isinstance(net.specs[tag].model, SpikingNeuron):
        return math.nan
    margin = net.records[tag].margin.double()  # below 0 under the threshold
    start = margin[..., 0, :]
    way = (margin.amax(-2) - start) / -start
    way = way[torch.isfinite(way) & (start < 0)]
    return min(float(way.max()), 1.0) if len(way) else math.nan


def _hints(net: Audited, group: GroupActivity, groups: Sequence[GroupActivity]) -> list[str]:
    """Say what to change of one group: a parameter and a direction."""
    spec = net.specs[group.tag]
    feeds = [name for name in _feeds(net, group.tag) if "weight" in net[name].declarations]
    if not isinstance(spec.model, SpikingNeuron):
        silent = group.silent == 1.0 and not isinstance(spec.model, Neuron)
        return [f"{group.tag!r} sends nothing: check the input, or the rate of the source"] * silent
    where = f"{group.tag!r} ({group.silent:.0%} of {group.n} units silent)"
    threshold = next((name for name in ("v_th", "v_peak") if name in net[group.tag].declarations), "")
    found = []
    if group.silent >= MOSTLY_SILENT:
        found.append(f"{where}: {_why_silent(net, group, groups, feeds, threshold)}")
    if group.saturated >= MANY_SATURATED:
        text = f"{group.tag!r}: {group.saturated:.0%} of its units spike at nearly their highest rate of "
        text += f"{_highest_rate(net, group.tag):.3g} Hz; lower {_weights(_of_sign(net, feeds, 1.0))}"
        found.append(text + (f", or raise {threshold} of {group.tag!r}" if threshold else ""))
    if group.excitation and group.inhibition and not 1 / UNBALANCED < group.balance < UNBALANCED and group.silent < 1:
        much = group.balance > 1
        more, less, sign, side = (
            ("excitation", "inhibition", 1.0, "above") if much else ("inhibition", "excitation", -1.0, "below")
        )
        text = f"{group.tag!r}: {more} brings {group.balance if much else 1 / group.balance:.3g} times what {less} does; "
        found.append(text + f"bring the weights {side} 0 of {_names(_of_sign(net, feeds, sign))} nearer to 0")
    return found


def _why_silent(net: Audited, group: GroupActivity, groups: Sequence[GroupActivity], feeds: Sequence[str], threshold: str) -> str:
    if not feeds:
        return "no connection with weights drives it"
    if group.events == 0:
        sources = {s.tag for name in feeds for s in net.specs[name].sources} - {group.tag}
        silent = [g.tag for g in groups if g.tag in sources and not g.rate]
        return f"no spike arrives: {_names(silent)} {'is' if len(silent) == 1 else 'are'} silent, so begin there"
    exciting, inhibiting = _of_sign(net, feeds, 1.0), _of_sign(net, feeds, -1.0)
    if group.inhibition > group.excitation:
        text = f"inhibition brings {group.inhibition:.3g} {group.unit}/s, excitation {group.excitation:.3g} {group.unit}/s; "
        text += f"bring the weights below 0 of {_names(inhibiting)} nearer to 0"
        return text + (f", or raise those above 0 of {_names(exciting)}" if exciting else "")
    far = "" if math.isnan(group.reach) else f"its highest unit comes {group.reach:.0%} of the way to the threshold; "
    factor = f" (a factor of about {1 / group.reach:.2g} reaches it)" if 0 < group.reach < 1 else ""
    return f"{far}raise {_weights(exciting)}{factor}" + (f", or lower {threshold} of {group.tag!r}" if threshold else "")


def _of_sign(net: Audited, feeds: Sequence[str], sign: float) -> list[str]:
    """Return the connections that have weights of a sign, those with the largest sum first."""
    sums = {name: float((sign * acting_weight(net[name])).clamp(min=0).sum()) for name in feeds}
    return sorted((name for name in feeds if sums[name] > 0), key=lambda name: -sums[name])


def _weights(feeds: Sequence[str]) -> str:
    return f"weight of {_names(feeds)}" if feeds else "what drives it"


def _names(feeds: Sequence[str]) -> str:
    return ", ".join(map(repr, feeds))
