"""What loops show of a device: the conductances of two states at one voltage, and the switching voltages, with their scatter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...base.errors import FitError
from ..reading.spelling import argument
from . import to_device
from .components import Components, components
from .loops import Excursion, conductance_at
from .report import Estimate
from .switching_voltages import LEAST, Switch, censored_median, clustered, switch_of

Array = np.ndarray
SAME = 1.1  # on over off, below which there are not two states: the lag of a meter and charging currents open loops, too
SHARES = (0.1, 0.2, 0.5)  # of the median sweep: voltages that are tried where none was given to read at
REVERSED = 3.0  # a ratio beyond which an excursion goes against the others of its side
NAMES = {1: "v_set", -1: "v_reset"}


@dataclass
class ReadStates:
    """The states of all excursions at one side, read at ``v_read`` (V, with its sign).

    Args:
        excursions: the excursions whose states are both above 0 S.
        rising: of each, whether its way back conducts more than its way out (a SET).
        on, off: conductances, S.
        devices: the device of each; None: no label says which.
        limited: how many on states were read at the compliance.
        negative: how many excursions were left out because their off current is not above 0 A.
    """

    v_read: float
    excursions: list[Excursion]
    rising: Array
    on: Array
    off: Array
    devices: list[str] | None
    limited: int
    negative: int
    _parts: dict[str, Components] = field(default_factory=dict)

    @property
    def side(self) -> int:
        """The polarity: 1 or -1."""
        return 1 if self.v_read > 0 else -1

    @property
    def ratio(self) -> Array:
        """On over off of each excursion."""
        return np.asarray(self.on / self.off)

    def off_way(self, k: int, voltage: Array, current: Array) -> tuple[Array, Array]:
        """Return voltages and currents (both above 0 at either polarity) of the off state of an excursion."""
        e = self.excursions[k]
        way = e.out if self.rising[k] else e.back
        return e.side * voltage[way], e.side * current[way]

    def parts(self, settings: dict[str, Any]) -> dict[str, Components]:
        """Return the scatter of ln G of both states."""
        if not self._parts and len(self.on):
            more = {"log": True, "unit": "S", "seed": settings["seed"], "replicates": settings["replicates"]}
            self._parts = {name: components(x, self.devices, **more) for name, x in (("on", self.on), ("off", self.off))}
        return self._parts


def read_states(
    whole: list[Excursion], voltage: Array, current: Array, settings: dict[str, Any], limit: float | None
) -> ReadStates:
    """Read both states of each excursion at the polarity of ``v_read``, or where they differ more.

    Raises:
        FitError: no sweep reaches v_read.
    """
    tops = {side: [float(np.abs(voltage[e.out]).max()) for e in whole if e.side == side] for side in (1, -1)}
    if "v_read" in settings:
        v_read = float(settings["v_read"])
        reach = max(tops[1 if v_read > 0 else -1], default=0.0)
        if abs(v_read) > reach:
            ends = " and ".join(f"{side * max(t):.3g} V" for side, t in tops.items() if t)
            raise FitError("fit: v_read", f"must lie within the sweeps, up to {ends}", got=f"{v_read:g} V")
    else:
        tried = [_default(whole, voltage, current, side, float(np.median(t))) for side, t in tops.items() if t]
        v_read = max(tried)[1]
    side = 1 if v_read > 0 else -1
    here = [e for e in whole if e.side == side]
    pairs = np.array([_pair(e, voltage, current, abs(v_read)) for e in here]).reshape(-1, 2)
    known = np.isfinite(pairs).all(1)
    good = known & (pairs > 0).all(1)
    if not known.any():
        raise FitError(
            "fit: v_read", "no sweep has points there", got=f"{v_read:g} V", fix=f"Choose another {argument('v_read')}."
        )
    if not good.any():
        raise FitError(
            "fit: v_read",
            "both states need a current above 0 A there",
            got=f"medians {np.median(pairs[known], 0)[0]:.3g} S and {np.median(pairs[known], 0)[1]:.3g} S at {v_read:g} V",
            fix=f"Choose a larger {argument('v_read')}, or take the meter's offset off the current.",
        )
    kept, pairs = [e for e, ok in zip(here, good, strict=True) if ok], pairs[good]
    change = np.log(pairs[:, 1] / pairs[:, 0])
    lead = 1.0 if float(np.median(change)) >= 0 else -1.0
    rising = np.where(np.abs(change) > math.log(REVERSED), change, lead) > 0
    on, off = np.where(rising, pairs[:, 1], pairs[:, 0]), np.where(rising, pairs[:, 0], pairs[:, 1])
    limited = 0 if limit is None else int((on * abs(v_read) >= 0.98 * limit).sum())
    devices = [e.device for e in kept] if any(e.device for e in whole) else None
    return ReadStates(v_read, kept, rising, on, off, devices, limited, int((known & ~good).sum()))


def _pair(e: Excursion, voltage: Array, current: Array, v: float) -> tuple[float, float]:
    """Return the conductances (S) of the ways out and back at a voltage above 0."""
    out, back = (conductance_at(e.side * voltage[way], e.side * current[way], v) for way in (e.out, e.back))
    return out, back


def _default(whole: list[Excursion], voltage: Array, current: Array, side: int, top: float) -> tuple[float, float]:
    """Return how far both ways differ, in the median of |ln G_back / G_out|, and the voltage with its sign where they were read.

    It is the smallest of a few at which the currents of 95 % of the sweeps are above 0 A, else the largest.
    """
    found = 0.0, side * _round(SHARES[-1] * top)
    for share in SHARES:
        v = _round(share * top)
        pairs = np.array([_pair(e, voltage, current, v) for e in whole if e.side == side])
        good = pairs[(pairs > 0).all(1)]
        found = abs(float(np.median(np.log(good[:, 1] / good[:, 0])))) if len(good) else 0.0, side * v
        if len(good) >= 0.95 * len(pairs):
            break
    return found


def _round(v: float) -> float:
    return round(v, 1 - math.floor(math.log10(v)))


@dataclass
class Switches:
    """What happened on each whole excursion of both sides.

    Args:
        excursions: the excursions.
        found: what happened on each.
        counted: 1 where it counts as a SET, -1 as a RESET (also one that did not happen up to the end of the sweep); 0: neither,
            the device was there already, or neither way is another.
    """

    excursions: list[Excursion]
    found: list[Switch]
    counted: Array
    devices: list[str] | None
    _index: dict[int, int] = field(default_factory=dict)

    def at(self, e: Excursion) -> float:
        """Return the switching voltage (V, above 0) of an excursion."""
        return self._of(e).voltage

    def censored_at(self, e: Excursion) -> bool:
        """Return whether an excursion did not switch below its end."""
        return self._of(e).censored

    def _of(self, e: Excursion) -> Switch:
        if not self._index:
            self._index.update({id(x): k for k, x in enumerate(self.excursions)})
        return self.found[self._index[id(e)]]

    def of(self, kind: int) -> tuple[Array, Array, int, list[str] | None]:
        """Return magnitudes (V), which are lower limits, the polarity (0: both occur), and devices of all SET or RESET."""
        chosen = np.flatnonzero(self.counted == kind)
        sides = {self.excursions[k].side for k in chosen}
        voltages = np.array([self.found[k].voltage for k in chosen])
        cut = np.array([self.found[k].censored for k in chosen], dtype=bool)
        devices = None if self.devices is None else [self.devices[k] for k in chosen]
        return voltages, cut, sides.pop() if len(sides) == 1 else 0, devices

    def summary(self, settings: dict[str, Any]) -> dict[str, Estimate]:
        """Return medians, ranges and scatter of both switching voltages, with their sign."""
        made: dict[str, Estimate] = {}
        for kind, name in NAMES.items():
            voltages, cut, side, devices = self.of(kind)
            if not len(voltages):
                continue
            sign = side or 1
            name = name if side else f"|{name}|"
            found = censored_median(voltages, cut, "V") if cut.any() else clustered(voltages, devices, "V")
            if math.isinf(found.value):
                made[f"{name}, median beyond"] = Estimate(sign * float(voltages[cut].min()), unit="V")
            else:
                made[f"{name}, median"] = _signed(found, sign)
            free = voltages[~cut]
            if len(free) >= 2:
                made[f"{name}, smallest"] = Estimate(sign * float(free.min()), unit="V")
                made[f"{name}, largest"] = Estimate(sign * float(free.max()), unit="V")
            if cut.any():
                made[f"{name}, beyond the sweep"] = Estimate(float(cut.sum()))
            if len(free) >= 3:
                parts = components(
                    free,
                    None if devices is None else [d for d, c in zip(devices, cut, strict=True) if not c],
                    unit="V",
                    seed=settings["seed"],
                    replicates=settings["replicates"],
                )
                made |= {f"{name}, {k}": x for k, x in (("d2d", parts.d2d), ("c2c", parts.c2c)) if x is not None}
        return made

    def values(self) -> dict[str, Any]:
        """Return all switching voltages with their sign, and which are only lower limits of the magnitude."""
        made: dict[str, Any] = {}
        for kind, name in NAMES.items():
            chosen = np.flatnonzero(self.counted == kind)
            if len(chosen):
                made[name] = np.array([self.excursions[k].side * self.found[k].voltage for k in chosen])
                made[f"{name}, beyond the sweep"] = [bool(self.found[k].censored) for k in chosen]
                made[f"{name}, sweeps"] = [self.excursions[k].label for k in chosen]
        return made

    def notes(self) -> list[str]:
        """Return what to know of the switching voltages."""
        notes = []
        some = [name for kind, name in NAMES.items() if (self.counted == kind).any()]
        if some:
            notes.append(
                f"{' and '.join(some)}: the first voltage after the steepest step of the way out towards the way back, where one "
                "step takes half of their distance in ln I; else where half of it is left"
            )
        for kind, name in NAMES.items():
            _, cut, side, _ = self.of(kind)
            if cut.any():
                notes.append(
                    f"{name}: {int(cut.sum())} of {len(cut)} sweeps do not switch below their end; they count as beyond it"
                )
            if len(cut) and side == 0:
                notes.append(f"{name} occurs at both polarities: its magnitudes are taken together")
        return notes

    def numbers(self, settings: dict[str, Any]) -> dict[str, tuple[Any, str]]:
        """Return the switching voltages that go into a device, with what a reader should know."""
        made: dict[str, tuple[Any, str]] = {}
        found = self.summary(settings)
        for name, estimate in found.items():
            for own in NAMES.values():
                if name == f"{own}, median":
                    spread = found.get(f"{own}, d2d", Estimate(0.0)).value
                    value, told = to_device.switching_voltage(own, estimate.value, spread)
                    made[own] = value, "; ".join(filter(None, ("median of sweeps at their rate, not of pulses", told)))
        return made


def _signed(x: Estimate, sign: int) -> Estimate:
    ends = sorted((sign * x.low, sign * x.high))
    return Estimate(sign * x.value, ends[0], ends[1], x.unit)


def switches(whole: list[Excursion], voltage: Array, current: Array, states: ReadStates) -> Switches:
    """Find what happened on each whole excursion; a sweep of a device that is in its new state already counts as neither."""
    found = [switch_of(e, voltage, current) for e in whole]
    counted = np.array([s.kind for s in found])
    moved_at = {id(e) for e, s in zip(whole, found, strict=True) if s.kind}
    real = np.array([id(e) in moved_at for e in states.excursions])
    if not real.any():
        return Switches(whole, found, counted, states.devices)
    on, off = float(np.median(states.on[real])), float(np.median(states.off[real]))
    for side in (1, -1):
        here = np.array([e.side == side for e in whole])
        moved = counted[here & (counted != 0)]
        if not len(moved) or on < off * math.exp(LEAST):
            continue
        lead = 1 if int((moved > 0).sum()) >= int((moved < 0).sum()) else -1
        for k in np.flatnonzero(here & (counted == 0)):
            out = _pair(whole[k], voltage, current, abs(states.v_read))[0]
            waiting = out < math.sqrt(on * off) if lead > 0 else out > math.sqrt(on * off)
            counted[k] = lead if waiting else 0
    devices = [e.device for e in whole] if any(e.device for e in whole) else None
    return Switches(whole, found, counted, devices)
