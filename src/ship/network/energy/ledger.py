"""The energy ledger: J by group, phase, chip and sample, J per inference and per synaptic event, and the energy balance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...base.errors import RunError, suggest
from ...base.statistics import Band
from . import pricing
from .costs import LABELS
from .meter import Meter
from .pricing import BESIDE, IN_RUNS, PHASES, Dissipation, Supply


class MeanEnergy(NamedTuple):
    """A mean energy as a band, with a 95 % interval from the lower end for the lowest to the upper end for the highest energy."""

    low: float  # J
    high: float
    interval: tuple[float, float] | None  # J; None with one chip and one sample
    over: str  # "chips" if there are at least two, else "samples"
    n: int


class Closing(NamedTuple):
    """The balance between the dissipated energy and the energy that the supplies deliver."""

    parts: Band  # J, the sum of all parts
    supply: Band  # J, the sum of all supplies
    gap: float  # relative, the larger of both ends
    tolerance: float

    @property
    def closed(self) -> bool:
        """Whether the gap is within the tolerance."""
        return self.gap <= self.tolerance


@dataclass(frozen=True)
class Ledger:
    """The energy of a network, by group and phase. `Network.energy` makes it, ``print`` shows it, ``to_dict`` is for JSON.

    An inference is one sample from a reset on, with the runs that continue it. The samples of all runs lie side by side.
    """

    groups: tuple[str, ...]  # the metered groups
    parts: tuple[Dissipation, ...]
    supplies: tuple[Supply, ...]
    events: Tensor  # [chip, sample], synaptic events: arrivals times connections
    spikes: Tensor  # [chip, sample], spikes of neurons
    included: tuple[str, ...]  # the contributions in the estimate, in words
    missing: tuple[str, ...]  # the contributions that are not
    tolerance: float
    chips: bool  # whether the user has a chip axis
    waited: float  # s
    origins: tuple[str, ...] = ()  # where voltages and widths of devices come from, in words, as far as devices say

    # -- numbers -----------------------------------------------------------------------------------------------------------

    def energy(self, group: str | None = None, phase: str | None = None) -> Band:
        """Return the energy of a group, a phase or both, in J.

        Args:
            group: the tag of a metered group; None for all groups.
            phase: the name of a phase; None for all phases in runs.

        Returns:
            ``[sample]``, or ``[chip, sample]`` with chips; for phases outside runs ``[]`` or ``[chip]``.

        Raises:
            RunError: no such group or phase was metered.
        """
        for name, value, known in (("group", group, self.groups), ("phase", phase, PHASES)):
            if value is not None and value not in known:
                raise RunError(f"Ledger.energy: {name}", f"no {name} {value!r} was metered", fix=suggest(str(value), known))
        phases = IN_RUNS if phase is None else (phase,)
        shape = self.events.shape if phases[0] in IN_RUNS else self.events.shape[:1]
        total = Band(torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64))
        for part in self.parts:
            if part.phase in phases and group in (None, part.group):
                total += part.energy
        return total if self.chips else Band(total.low[0], total.high[0])

    @property
    def total(self) -> Band:
        """The energy of everything that was counted, in J."""
        return Band(*(math.fsum(float(part.energy[end].sum()) for part in self.parts) for end in (0, 1)))

    @property
    def per_inference(self) -> MeanEnergy | None:
        """The energy of one sample in its runs, in J; None before the first run."""
        return self._ratio(torch.ones_like(self.events))

    @property
    def per_synaptic_event(self) -> MeanEnergy | None:
        """The energy of the runs divided by the events at all connections, in J; None without events."""
        return self._ratio(self.events)

    @property
    def per_spike(self) -> MeanEnergy | None:
        """The energy of the runs divided by the spikes of neurons, in J; None without spikes."""
        return self._ratio(self.spikes)

    def _ratio(self, count: Tensor) -> MeanEnergy | None:
        """Divide the mean energy by the mean count; the error follows from ``e - ratio * count``, which varies about 0."""
        if not float(count.sum()):
            return None
        energy = self.energy() if self.chips else Band(*(e.unsqueeze(0) for e in self.energy()))
        over = "chips" if len(count) > 1 else "samples"
        n = count.mean(1) if over == "chips" else count[0]
        means, ends = [], []
        for e, sign in zip(energy, (-1, 1), strict=True):
            e = e.mean(1) if over == "chips" else e[0]
            means.append(float(e.sum() / n.sum()))
            ends.append(means[-1] + sign * _half(e - means[-1] * n) / float(n.mean()))
        return MeanEnergy(means[0], means[1], (ends[0], ends[1]) if len(n) > 1 else None, over, len(n))

    @property
    def dominant(self) -> tuple[str, str, tuple[float, float]] | None:
        """The group and phase in runs that take most energy, with the least and the largest share; None before the first run."""
        found = [part for part in self.parts if part.phase in IN_RUNS and float(part.energy.high.sum())]
        if not found:
            return None
        most = max(found, key=lambda part: float(part.energy.high.sum() + part.energy.low.sum()))
        low, high = float(most.energy.low.sum()), float(most.energy.high.sum())
        rest = [part.energy for part in found if part is not most]
        least = low / (low + sum(float(e.high.sum()) for e in rest)) if low else 0.0
        return most.group, most.phase, (least, high / (high + sum(float(e.low.sum()) for e in rest)))

    @property
    def closing(self) -> Closing:
        """The balance of the sum of the parts against the energy that the supplies deliver."""
        parts, supply = self.total, Band(*(math.fsum(s.energy[end] for s in self.supplies) for end in (0, 1)))
        gaps = [abs(a - b) / max(abs(a), abs(b)) if a or b else 0.0 for a, b in zip(parts, supply, strict=True)]
        return Closing(parts, supply, max(gaps), self.tolerance)

    # -- words -------------------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        heads = ["mean of", *IN_RUNS, "inference", *BESIDE]
        rows = [[g, *self._cells(g)] for g in self.groups] + [["all", *self._cells(None)]]
        lines = _table([heads, *rows])  # a dash means: not in the estimate, or it did not happen
        lines.insert(1, "-" * len(lines[0]))
        for name, made in (
            ("J per inference", self.per_inference),
            ("J per synaptic event", self.per_synaptic_event),
            ("J per spike", self.per_spike),
        ):
            lines.append(f"{name}: {'none' if made is None else _said(made)}")
        if self.dominant is not None:
            group, phase, (low, high) = self.dominant
            share = f"{low:.0%}" if high - low < 0.005 else f"{low:.0%} to {high:.0%}"
            lines.append(f"most in runs: {phase} of {group!r}, {share}")
        end = self.closing
        lines.append(
            f"closing: parts {_text(end.parts)}, supplies {_text(end.supply)}, gap {end.gap:.1e}, "
            + (f"within {end.tolerance:g}" if end.closed else f"NOT within {end.tolerance:g}")
        )
        lines.append(
            "read to leak: per sample; write, verify, idle: per chip" + (f"; waited {self.waited:g} s" * bool(self.waited))
        )
        if self.origins:
            lines += ["voltages and widths of pulses:", *(f"  {text}" for text in self.origins)]
        return "\n".join([*lines, "not in the estimate:", *(f"  {text}" for text in grouped(self.missing))])

    __repr__ = __str__

    def _cells(self, group: str | None) -> list[str]:
        mine = {part.phase for part in self.parts if group in (None, part.group)}

        def cell(phase: str | None) -> str:
            e = self.energy(group, phase)
            return _text(Band(float(e.low.mean()), float(e.high.mean()))) if phase in mine and e.low.numel() else ""

        whole = self.energy(group)
        every = _text(Band(float(whole.low.mean()), float(whole.high.mean()))) if mine & set(IN_RUNS) else ""
        return [*(cell(p) for p in IN_RUNS), every, *(cell(p) for p in BESIDE)]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers, lists and texts."""

        def plain(value: Any) -> Any:
            if isinstance(value, Band):
                return {"low": plain(value.low), "high": plain(value.high)}
            return value.tolist() if isinstance(value, Tensor) else value

        def said(made: MeanEnergy | None) -> Any:
            return None if made is None else made._asdict()

        return {
            "parts": [{"group": p.group, "phase": p.phase, "J": plain(p.energy)} for p in self.parts],
            "supplies": [
                {"name": s.name, "C": None if s.charge is None else plain(s.charge), "J": plain(s.energy)} for s in self.supplies
            ],
            "total": plain(self.total),
            "per_inference": said(self.per_inference),
            "per_synaptic_event": said(self.per_synaptic_event),
            "per_spike": said(self.per_spike),
            "dominant": self.dominant,
            "synaptic_events": plain(self.events),
            "spikes": plain(self.spikes),
            "closing": {k: plain(v) for k, v in self.closing._asdict().items()} | {"closed": self.closing.closed},
            "included": list(self.included),
            "missing": list(self.missing),
            "waited": self.waited,
            "origins": list(self.origins),
        }


def ledger(meter: Meter) -> Ledger:
    """Make the ledger of everything that a meter has counted so far."""
    sums = pricing.samples(meter)
    within, missing = pricing.scope(meter)
    shape = (meter.chips, sum(e.lead[1] for e in meter.episodes))
    none = torch.zeros(shape, dtype=torch.float64)

    def total(role: str, name: str) -> Tensor:
        return sum((sums[tag].get(name, none) for tag, m in meter.groups.items() if m.role == role), none)

    return Ledger(
        tuple(meter.groups),
        tuple(pricing.parts(meter, sums)),
        tuple(pricing.supplies(meter, sums)),
        total("synapses", "synaptic"),
        total("neurons", "spikes"),
        tuple(within),
        tuple(missing),
        max((m.digits for m in meter.groups.values()), default=1e-9),
        meter.axis,
        meter.waited,
        tuple(f"{tag}: {text}" for tag, m in meter.groups.items() for text in m.origins),
    )


def _half(values: Tensor) -> float:
    """Return half the width of the 95 % interval of a mean of independent values, by Student's t."""
    from scipy.special import stdtrit

    n = len(values)
    return float(stdtrit(n - 1, 0.975)) * float(values.std()) / math.sqrt(n) if n > 1 else 0.0


PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M"}


def _si(value: float, digits: int) -> str:
    if not value:
        return "0"
    power = min(max(3 * math.floor(math.log10(abs(value)) / 3), -18), 6)
    return f"{value / 10.0**power:.{digits}g} {PREFIXES[power]}"


def _text(band: Band, digits: int = 3) -> str:
    """Write a band of energies as ``1.2 pJ``, or as ``1.2 p to 3 nJ``."""
    low, high = _si(band.low, digits), _si(band.high, digits)
    return (low if low == high else f"{low} to {high}") + ("J" if band.high else " J")


def _said(made: MeanEnergy) -> str:
    text = _text(Band(made.low, made.high), 4)
    if made.interval is None:
        return text
    return f"{text} (95 % interval {_text(Band(*made.interval), 4)}, over {made.n} {made.over})"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align the columns of a table and leave out the empty ones."""
    kept = [c for c in range(len(rows[0])) if any(row[c] for row in rows[1:])]
    widths = {c: max(len(row[c]) for row in rows) for c in kept}
    cells = [[row[c] or "-" for c in kept] for row in rows]
    return [
        "  ".join(f"{x:<{widths[c]}}" if c == 0 else f"{x:>{widths[c]}}" for x, c in zip(row, kept, strict=True)) for row in cells
    ]


def grouped(missing: Sequence[str]) -> list[str]:
    """Collect the missing costs of each group in one line, such as ``hid: a, b``."""
    by: dict[str, list[str]] = {}
    for text in missing:
        tag, colon, what = text.partition(": ")
        by.setdefault(tag if colon else text, []).extend([LABELS.get(what, what)] if colon else [])
    return [f"{tag}: {', '.join(what)}" if what else tag for tag, what in by.items()]
