"""Whether the time step is fine enough: dt, dt / 2, dt / 4, ... compared, group by group."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...base.checks import check_real, check_whole
from ...base.display.notebook import html_table
from ...base.errors import RunError
from ...groups.remarks import rounded_times
from ...models.contract import Connection
from .audited import Audited
from .beside import Beside, beside, neurons
from .compare import Level, apart, level, moved, order_of, richardson, traced

MANY = 10  # spikes by which numbers must differ for a growing difference to be no chance
SPIKE_ORDER = 1.0  # of the times of spikes, and so of their number: a crossing is seen at the end of its slot
WINDOWS = 10  # stretches of the run, for a programme of dt
FINEST = 12  # a dt that would have to be halved more often is no proposal


class GroupDt(NamedTuple):
    """What the time step does to one group. Tuples have an entry for each dt, or for each dt and the next finer one.

    The error of the rate is estimated with order 1, that of spike times (`docs/semantics.md`), unless its changes
    grow; the error of the state with the order that was found. A state is compared up to the first spike of each unit: behind
    it, a spike that moves by a slot makes a difference of a whole reset.
    """

    tag: str
    spikes: tuple[int, ...]  # all spikes, at each dt; empty where it sends none
    shift: tuple[float, ...]  # s, how far the n-th spike moves from one dt to the next; NaN where no train has as many spikes
    changed: tuple[float, ...]  # the share of trains whose number of spikes changes
    rate_error: float  # of the rate at dt, estimated, relative: of numbers of spikes, or of when as many have come
    rate_order: float  # 1; 0 where the number of spikes changes more from one dt to the next
    state: str  # the state that is compared; empty for none
    difference: tuple[float, ...]  # mean absolute difference of the state, relative to its standard deviation
    order: float | None  # by which the difference shrinks; None: exact, or too few numbers
    state_error: float  # of the state at dt, estimated, relative
    own: float | None  # the larger difference from dt to dt / 2 on the input that it got at dt; None: it cannot run alone
    fastest: str  # its shortest time constant, or that of a connection to it, in slots

    @property
    def error(self) -> float:
        """The larger one of both errors."""
        return max(self.rate_error, self.state_error)


@dataclass(frozen=True)
class DtAudit:
    """What the time step does to a network; `Network.audit_dt` makes it, ``print`` shows it.

    Args:
        dts: the time steps that were run, s.
        groups: what it does to each group.
        metric: the number of the task at each dt; empty where none was given.
        limits: the group whose own error is largest; empty where all is exact.
        tolerance: the relative error that is allowed.
        proposed_dt: the dt at which the estimated error is within the tolerance, s; NaN where none is.
        programme: ``[(dt, slots), ...]`` with this dt only where it is needed; empty where one dt will do.
        rounded: dead times and delays that are not whole slots, in words.
        notes: what a reader must know.
    """

    dts: tuple[float, ...]
    groups: tuple[GroupDt, ...]
    metric: tuple[float, ...]
    limits: str
    tolerance: float
    proposed_dt: float
    programme: tuple[tuple[float, int], ...]
    rounded: tuple[str, ...]
    notes: tuple[str, ...]

    def __getitem__(self, tag: str) -> GroupDt:
        return next(group for group in self.groups if group.tag == tag)

    @property
    def error(self) -> float:
        """The largest estimated error of a group at dt, relative."""
        return max((group.error for group in self.groups), default=0.0)

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table as text: heads first, then a row for each group."""
        heads: tuple[str, ...] = ("group", "spikes", "they move by (s)", "trains changed", "error of rate")
        heads += ("state", "difference", "order", "error of state", "alone", "shortest time constant")
        return [heads, *(_row(group) for group in self.groups)]

    def __str__(self) -> str:
        rows = self.rows()
        widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
        lines = [f"Time step: dt = {self.dts[0]:g} s, compared with " + ", ".join(f"{dt:g}" for dt in self.dts[1:]) + " s"]
        lines += ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        if self.metric:
            lines.append("metric: " + ", ".join(f"{value:.6g}" for value in self.metric))
        lines += [f"rounded: {text}" for text in self.rounded]
        lines += [f"note: {text}" for text in self.notes]
        return "\n".join([*lines, self.verdict(), *self._of_metric()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        heads, *rows = self.rows()
        return html_table(self.verdict(), heads, rows)

    def _of_metric(self) -> list[str]:
        """Say how much the metric changes, which may be all that a user asks for."""
        if not self.metric:
            return []
        change = max(abs(value - self.metric[-1]) for value in self.metric)
        return [f"The metric changes by at most {change:.2g} from the finest dt; if it is all that counts, judge by that."]

    def verdict(self) -> str:
        """Say which group limits dt, and which dt, or programme of dt, is proposed."""
        if not self.limits:
            return "Nothing depends on dt, to rounding."
        text, error = f"{self.limits!r} limits dt: its own error is the largest", f"The estimated error of {self.error:.2g}"
        if self.error <= self.tolerance:
            return f"{text}. {error} is within {self.tolerance:g}: dt = {self.dts[0]:g} s will do."
        if math.isnan(self.proposed_dt):
            text += f". {error} does not shrink with dt fast enough to propose another one"
            return (
                f"{text}; what is rounded changes with dt, too, so make that whole slots first." if self.rounded else f"{text}."
            )
        where = "was run" if self.proposed_dt >= self.dts[-1] * (1 - 1e-9) else "is extrapolated"
        text += f". {error} is above {self.tolerance:g}: use dt = {self.proposed_dt:g} s ({where})"
        if self.programme:
            text += f", or dt={list(self.programme)} in run (was not run)"
        return f"{text}."


def _row(group: GroupDt) -> tuple[str, ...]:
    def each(values: Sequence[float], form: str) -> str:
        return ", ".join("none" if math.isnan(v) else format(v, form) for v in values) or "-"

    return (
        group.tag,
        each(group.spikes, "d"),
        each(group.shift, ".2g"),
        each(group.changed, ".0%"),
        f"{group.rate_error:.2g}" if group.spikes else "-",
        group.state or "-",
        each(group.difference, ".2g"),
        "exact" if not any(group.difference) else ("-" if group.order is None else f"{group.order:.1f}"),
        f"{group.state_error:.2g}" if group.state else "-",
        "-" if group.own is None else f"{group.own:.2g}",
        group.fastest,
    )


@torch.no_grad()
def audit_dt(
    net: Audited,
    x: Any,
    *,
    metric: Callable[[Any], Any] | None,
    halvings: int,
    tolerance: float,
    extent: Mapping[str, Any],
    units: int,
    isolate: bool,
) -> DtAudit:
    """Do the work of `Network.audit_dt`."""
    where = "Network.audit_dt"
    check_whole(f"{where}: halvings", halvings, 2, error=RunError)
    check_whole(f"{where}: units", units, 1, error=RunError)
    check_real(f"{where}: tolerance", tolerance, "must be above 0", above=0.0, error=RunError)
    made = beside(net, x, extent)
    state, spiking = traced(made.net), _spiking(made.net)
    ratios = [2**h for h in range(halvings + 1)]
    levels = [level(made, ratio, state, units, spiking) for ratio in ratios]
    eps = torch.finfo(net.settings["dtype"]).eps
    outputs = _outputs(made) if isolate else {}
    groups = []
    for tag in (tag for tag in made.net.tags if tag in state or tag in spiking):
        own = _own(made, tag, state, units, outputs, eps) if isolate and tag in neurons(made.net) else None
        groups.append(_group(made.net, tag, state.get(tag, ""), levels, own, eps))
    limits = _limits(groups, neurons(made.net))
    proposed = _proposed(net.dt, groups, tolerance)
    return DtAudit(
        tuple(net.dt / ratio for ratio in ratios),
        tuple(groups),
        () if metric is None else tuple(_measured(metric, made.net, one) for one in levels),
        limits,
        tolerance,
        proposed,
        _programme(levels, groups, proposed, net.dt, tolerance),
        tuple(rounded_times(net.simulation(where).groups, net.schedule())),
        tuple(f"{text}: at another dt it draws others, and its differences are those of the draws, too" for text in made.noisy),
    )


def _spiking(net: Audited) -> list[str]:
    return [tag for tag in neurons(net) if net_spikes(net, tag)]


def _outputs(made: Beside) -> dict[str, Tensor]:
    """Return what each group that feeds another one gave at dt, ``[chip, batch, time, unit]``."""
    net = deepcopy(made.net)
    tags = {source.tag for spec in net.specs.values() if isinstance(spec.model, Connection) for source in spec.sources}
    tags = {tag for tag in tags if not isinstance(net.specs[tag].model, Connection)}
    for tag in tags:
        net.monitor(tag, "output")
    made.run(net)
    found = {tag: net.records[tag].output for tag in tags}
    return {tag: x if x.ndim == 4 else x.unsqueeze(0) for tag, x in found.items()}


def _own(made: Beside, tag: str, state: Mapping[str, str], units: int, outputs: Mapping[str, Tensor], eps: float) -> float | None:
    """Return the difference of a group from dt to dt / 2, on the input that it got at dt."""
    alone = made.alone(tag, outputs)
    if alone is None:
        return None
    one = {tag: state[tag]} if tag in state else {}
    spiking = [tag] if net_spikes(made.net, tag) else []
    a, b = (level(alone, ratio, one, units, spiking) for ratio in (1, 2))
    found = [apart(a.traces[tag], b.traces[tag], eps)] if one else []
    found += [moved(a.spikes[tag], b.spikes[tag]).rate] if spiking else []
    return max(found, default=None)


def net_spikes(net: Audited, tag: str) -> bool:
    """Tell whether a group of neurons sends events."""
    return net.wiring.kinds[tag] == "events"


def _group(net: Audited, tag: str, state: str, levels: Sequence[Level], own: float | None, eps: float) -> GroupDt:
    pairs, spiking = list(itertools.pairwise(levels)), tag in levels[0].spikes
    trains = [moved(a.spikes[tag], b.spikes[tag]) for a, b in pairs] if spiking else []
    differences = tuple(apart(a.traces[tag], b.traces[tag], eps) for a, b in pairs) if state else ()
    order = order_of(differences)
    counts = tuple(len(one.spikes[tag][1]) for one in levels) if spiking else ()
    changes = [abs(a - b) for a, b in itertools.pairwise(counts)]
    grows = bool(changes) and min(changes) >= MANY and changes[-1] > changes[0]
    rate_order = 0.0 if grows else SPIKE_ORDER
    return GroupDt(
        tag,
        counts,
        tuple(t.shift for t in trains),
        tuple(t.changed for t in trains),
        richardson(trains[0].rate, rate_order) if spiking else 0.0,
        rate_order,
        state,
        differences,
        order,
        richardson(differences[0], order) if differences else 0.0,
        own,
        _fastest(net, tag),
    )


def _fastest(net: Audited, tag: str) -> str:
    """Return the shortest time constant of a group and of the connections to it, in words."""
    feeds = [name for name, spec in net.specs.items() if isinstance(spec.model, Connection) and tag in spec.target]
    found = []
    for name in (tag, *feeds):
        for parameter, declaration in net[name].declarations.items():
            if declaration.unit == "s" and declaration.role == "time constant":
                found.append((float(net[name].value(parameter).min()), f"{parameter} of {name!r}"))
    if not found:
        return "-"
    shortest, name = min(found)
    return f"{name}: {shortest / net.dt:.3g} slots"


def _limits(groups: Sequence[GroupDt], tags: Sequence[str]) -> str:
    """Return the group of neurons whose own error is largest; where one cannot run alone, its whole error counts."""
    own = {g.tag: g.error if g.own is None else g.own for g in groups if g.tag in tags}
    most = max(own, key=lambda tag: own[tag], default="")
    return most if most and own[most] > 0 else ""


def _proposed(dt: float, groups: Sequence[GroupDt], tolerance: float) -> float:
    """Return the dt that should bring all errors within the tolerance: dt divided by a power of two; NaN where none is found."""
    errors = [(group.rate_error, group.rate_order) for group in groups]
    errors += [(group.state_error, 0.0 if group.order is None else group.order) for group in groups]
    halvings = 0
    for error, order in errors:
        if error <= tolerance:
            continue
        if order < 0.5 or not math.isfinite(error):
            return math.nan
        halvings = max(halvings, math.ceil(math.log2(error / tolerance) / order - 1e-9))
    return dt / 2**halvings if halvings <= FINEST else math.nan


def _programme(
    levels: Sequence[Level], groups: Sequence[GroupDt], proposed: float, dt: float, tolerance: float
) -> tuple[tuple[float, int], ...]:
    """Return a programme that has the proposed dt only in stretches where groups are at work; empty where that is always.

    A stretch needs it where a group spikes, or a state differs by more than is allowed.
    """
    if math.isnan(proposed) or proposed >= dt or not levels[0].traces:
        return ()
    orders = {group.tag: group.order for group in groups}
    steps = next(iter(levels[0].traces.values())).shape[-2]
    cuts = [steps * i // WINDOWS for i in range(WINDOWS + 1)]
    made: list[tuple[float, int]] = []
    for first, last in itertools.pairwise(cuts):
        if last == first:
            continue
        busy = any(bool(((t >= (first - 1) * dt) & (t < last * dt)).any()) for one in levels for _, t in one.spikes.values())
        pairs = [(tag, trace, levels[1].traces[tag]) for tag, trace in levels[0].traces.items()]
        busy = busy or any(richardson(_inside(a, b, first, last), orders[tag]) > tolerance for tag, a, b in pairs)
        here = proposed if busy else dt
        slots = (last - first) * round(dt / here)
        if made and made[-1][0] == here:
            made[-1] = (here, made[-1][1] + slots)
        else:
            made.append((here, slots))
    return tuple(made) if len(made) > 1 else ()


def _inside(a: Tensor, b: Tensor, first: int, last: int) -> float:
    """Return the difference of two traces in a stretch, relative to the standard deviation of the whole trace."""
    known = ~b.isnan()
    size = float(b[known].std(correction=0)) if bool(known.any()) else 0.0
    part = (a - b)[..., first:last, :].abs()
    part = part[~part.isnan()]
    return float(part.mean()) / size if size and len(part) else 0.0


def _measured(metric: Callable[[Any], Any], net: Audited, one: Level) -> float:
    made = one.outputs if net.chips is not None else {tag: out[0] for tag, out in one.outputs.items()}
    value = metric(made if len(made) != 1 else next(iter(made.values())))
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise RunError("Network.audit_dt: metric", "must return a number", got=repr(value)[:80]) from error
