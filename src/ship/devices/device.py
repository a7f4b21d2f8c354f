"""A memory device: its parts, and what can happen to it, as pure functions of its trajectory.

Each device instance has its own `Trajectory`: the state as it was last written, how long ago that was, how often it was written,
and what was drawn at that write and with the die. What is there now follows from it in closed form, so that an idle time of T
seconds in one jump equals any number of steps, and one run can go from pulses of nanoseconds to years.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..base.checks import is_real
from ..base.errors import ParameterError
from ..base.parameters import Value, Varied, option, param
from ..base.parameters.bag import Bag
from ..base.parameters.resolve import varied
from .contract import IV, Endurance, Faults, Part, Programming, Pulse, ReadNoise, Retention, Thermal, Update, Xi
from .provenance import Known, Origin, known, origin_of, settled
from .update.bounded import Bounded


@dataclass(frozen=True, kw_only=True)
class Device(Part):
    """A memory device made of parts; a part left out is ideal.

    Args:
        name: the name of the device in reports and files.
        g_min, g_max: the window, S. A part with a state of its own (a memristor) has a window of its own.
        v_read, t_read: the voltage (V) and the width (s) of the pulse that reads it.
        v_set, v_reset, t_write: the amplitudes (V) and the width (s) of the standard pulses up and down.
        update ... thermal: the parts, see `ship.devices.contract`.
        correlated: pairs of parameters (``"update.alpha_p"``) whose deviates from device to device are correlated, with the
            coefficient: ``(("update.alpha_p", "update.alpha_d", 0.8),)``.
        origins: where its numbers and parts come from, by name (`ship.devices.provenance`); empty where all are the user's.
    """

    name: str = option("device")
    g_min: Value = param(1e-6, unit="S", least=0.0, role="conductance")
    g_max: Value = param(100e-6, unit="S", above=0.0, role="conductance")
    v_read: Value = param(0.1, unit="V", role="voltage")
    t_read: Value = param(100e-9, unit="s", above=0.0, role="pulse width")
    v_set: Value = param(1.0, unit="V", role="voltage")
    v_reset: Value = param(-1.0, unit="V", role="voltage")
    t_write: Value = param(100e-9, unit="s", above=0.0, role="pulse width")
    update: Update = Bounded()
    programming: Programming | None = None
    retention: Retention | None = None
    noise: ReadNoise | None = None
    iv: IV | None = None
    faults: Faults | None = None
    endurance: Endurance | None = None
    thermal: Thermal | None = None
    correlated: Sequence[Sequence[Any]] = option(())
    origins: Mapping[str, Origin] = field(default_factory=dict, hash=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, kind in KINDS.items():
            part = getattr(self, name)
            if not (isinstance(part, kind) or (part is None and name != "update")):
                raise ParameterError(
                    f"{self.name}.{name}", f"must be a part of the kind {kind.__name__}", got=repr(part), fix="See ship.devices."
                )
        top = self.g_max.nominal if isinstance(self.g_max, Varied) else self.g_max
        if is_real(top) and float(top) > 1:
            raise ParameterError(f"{self.name}.g_max", "must be at most 1 S", got=f"{top:g} S", fix="50 uS is written 50e-6.")
        pairs = self.correlated
        if not isinstance(pairs, list | tuple) or not all(map(_is_correlation, pairs)):
            rule = "must list pairs of parameters with their coefficient"
            raise ParameterError(
                f"{self.name}.correlated", rule, got=repr(pairs), fix="E.g. (('update.alpha_p', 'update.alpha_d', 0.8),)."
            )
        object.__setattr__(self, "origins", settled(self.name, self.origins, self))

    def known(self) -> Known:
        """Return what is known about the device, part by part: ``print(device.known())`` shows a table.

        Of each number and part it says whether it was measured (in which file and rows), assumed (by whom) or is missing.
        """
        return known(self)

    def origin_of(self, name: str) -> Origin:
        """Return where a number or a part comes from; what the device says nothing of is the user's.

        Args:
            name: a name of `Device` (``"g_max"``, ``"update"``), or ``"d2d"``, ``"c2c"``.

        Raises:
            ParameterError: an unknown name.
        """
        return origin_of(self, name)

    @property
    def bare(self) -> Device:
        """The device as made and read once, without the effects of writes, time, wear, noise and faults; it has no origins."""
        made = replace(self, programming=None, retention=None, noise=None, faults=None, endurance=None)
        return replace(made, correlated=(), origins={})

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that are not ideal, by name; the device's own parameters are under ``""``."""
        made = {f.name: getattr(self, f.name) for f in fields(self) if f.name in KINDS}
        return {"": self} | {name: part for name, part in made.items() if part is not None}

    def check(self, where: str, p: Bag) -> None:
        if bool((p.g_min >= p.g_max).any()):
            raise ParameterError(
                f"{where}.g_min", "must be below g_max", got=f"{float(p.g_min.max()):g} S, g_max {float(p.g_max.min()):g} S"
            )


def _is_correlation(pair: object) -> bool:
    """Return whether an entry is two words and a number."""
    if not isinstance(pair, list | tuple) or len(pair) != 3:
        return False
    return isinstance(pair[0], str) and isinstance(pair[1], str) and is_real(pair[2])


KINDS: Mapping[str, type[Part]] = {
    "update": Update,
    "programming": Programming,
    "retention": Retention,
    "noise": ReadNoise,
    "iv": IV,
    "faults": Faults,
    "endurance": Endurance,
    "thermal": Thermal,
}


Cycles = Mapping[str, Mapping[str, tuple[float, float]]]  # by part and parameter: (c2c, c2c_abs) of those drawn anew


class Values:
    """The parameters of a device's parts as tensors, with their spread from cycle to cycle."""

    def __init__(self, values: Mapping[str, Mapping[str, Tensor]], cycles: Cycles) -> None:
        self._values, self.cycles = values, cycles

    def mapped(self, fn: Callable[[Tensor], Tensor]) -> Values:
        """Return the same parameters with a function applied to every tensor."""
        return Values({part: {k: fn(v) for k, v in own.items()} for part, own in self._values.items()}, self.cycles)

    def of(self, part: str, xi: Xi = ()) -> Bag:
        """Return the parameters of a part with the device's window; ``xi``: deviates of those drawn anew, none: nominal."""
        own = dict(self._values[part])
        for (name, (fraction, absolute)), z in zip(self.cycles.get(part, {}).items(), xi, strict=False):
            own[name] = varied(own[name], z, (fraction, absolute))
        return Bag({"g_min": self._values[""]["g_min"], "g_max": self._values[""]["g_max"]} | own)


class Trajectory(NamedTuple):
    """The history of a device instance, from which its present state follows; tensors broadcast to the shape of the devices."""

    x: Any  # state as last written, a NamedTuple
    age: Tensor  # s at the reference temperature since then, float64
    cycles: Tensor  # writes so far: pulses that moved it, and one-shot writes, float64: a count beyond 2^24 goes on
    kept: Xi  # drawn at the last write: for the retention
    frozen: Xi  # drawn with the die: for the faults


class DeviceEvent(NamedTuple):
    """A write, pulse or read of devices, as an array reports it; tensors broadcast to the devices that it was done to."""

    kind: str  # "write": writes and pulses; "read": by verification or an instrument
    p: Values
    pulse: Pulse  # what was applied; ``n`` is 0 where a device was left alone
    before: Trajectory
    after: Trajectory
    energy: Tensor  # J in each device
    seen: Tensor | None = None  # S, what a noisy read saw
    places: Tensor | None = None  # of the devices in the flattened array ``[chip, 1, ...]``; None: all of it


def mapped(t: Trajectory, fn: Callable[[Tensor], Tensor]) -> Trajectory:
    """Return a trajectory with a function applied to every tensor."""
    return Trajectory(type(t.x)(*map(fn, t.x)), fn(t.age), fn(t.cycles), tuple(map(fn, t.kept)), tuple(map(fn, t.frozen)))


def draws(device: Device, cycles: Cycles, part: str) -> int:
    """Return how many standard normal numbers per device one event of a part takes."""
    made = device.parts.get(part)
    return 0 if made is None else made.normals + len(cycles.get(part, {}))


def _split(device: Device, p: Values, part: str, xi: Xi) -> tuple[Bag, Xi]:
    """Return the parameters of a part, drawn anew, and the normals that are left for its function."""
    own = device.parts[part].normals
    return p.of(part, xi[own:]), xi[:own]


def window(device: Device, p: Values, t: Trajectory | None = None) -> tuple[Tensor, Tensor]:
    """Return the window (S) of the devices: as made, or with a trajectory what wear has left of it."""
    low, high = device.update.window(p.of("update"))
    if device.endurance is None or t is None:
        return low, high
    return device.endurance.window(low, high, t.cycles.to(low.dtype), p.of("endurance"))


def _sound(device: Device, p: Values, t: Trajectory) -> Tensor:
    g = device.update.conductance(t.x, p.of("update"))
    if device.retention is None or not bool((t.age > 0).any()):  # nothing has aged: as written
        return g
    bag, xi = _split(device, p, "retention", t.kept)
    return device.retention.drift(g, t.age.to(g.dtype), bag, xi)


def _broken(device: Device, p: Values, t: Trajectory, g: Tensor) -> Tensor:
    return g if device.faults is None else device.faults.broken(g, p.of("faults"), t.frozen)


def conductance(device: Device, p: Values, t: Trajectory) -> Tensor:
    """Return the conductance (S) that is there now, at a small voltage, after drift and with faults."""
    return _broken(device, p, t, _sound(device, p, t))


def now(device: Device, p: Values, t: Trajectory) -> Any:
    """Return the state as it is now, after drift."""
    return _state(device, p, t, _sound(device, p, t))


def _state(device: Device, p: Values, t: Trajectory, sound: Tensor) -> Any:
    """Return the state with the conductance that drift has left."""
    return t.x if device.retention is None else device.update.place(sound, t.x, p.of("update"))


def read(device: Device, p: Values, t: Trajectory, xi: Xi) -> Tensor:
    """Return the conductance (S) that one read sees."""
    g = conductance(device, p, t)
    if device.noise is None:
        return g
    bag, own = _split(device, p, "noise", xi)
    written = device.update.conductance(t.x, p.of("update"))
    return device.noise.read(g, written, t.age.to(g.dtype), bag, own)


def current(device: Device, p: Values, t: Trajectory, v: Tensor, g: Tensor | None = None) -> Tensor:
    """Return the current (A) at ``v`` (V); ``g`` is a conductance that was read, in the place of the one that is there."""
    sound = _sound(device, p, t)
    seen = _broken(device, p, t, sound) if g is None else g
    if device.iv is not None:
        return device.iv.current(seen, v, p.of("iv"))
    ideal = device.update.current(_state(device, p, t, sound), v, p.of("update"))
    if device.faults is None and g is None:
        return ideal
    # The curve of the state, scaled to what is seen: broken and noisy devices keep its shape; where nothing flows there is none.
    scaled = ideal * (seen / torch.where(sound > 0, sound, torch.ones_like(sound)))
    return torch.where(sound > 0, scaled, seen * v)


def aged(device: Device, p: Values, t: Trajectory, seconds: float, kelvin: float | None = None) -> Trajectory:
    """Return the trajectory after ``seconds`` of doing nothing, at ``kelvin`` (K; None: the reference temperature)."""
    span = torch.tensor(seconds, dtype=torch.float64)
    if device.thermal is not None and kelvin is not None:
        span = span * device.thermal.speed(torch.tensor(kelvin, dtype=torch.float64), p.of("thermal"))
    rested = device.update.rest(t.x, span.to(t.x[0].dtype), p.of("update"))
    return t._replace(x=rested, age=t.age + span)


def written(device: Device, p: Values, t: Trajectory, target: Tensor, xi: Xi, kept: Xi) -> Trajectory:
    """Return the trajectory after a one-shot write to ``target`` (S); ``xi`` is for the programming, ``kept`` for retention."""
    low, high = window(device, p, t)
    g = _within(target, low, high)
    if device.programming is not None:
        bag, own = _split(device, p, "programming", xi)
        g = device.programming.write(g, bag, own).clamp(min=0.0)  # an error may leave the window, never the physical range
        g = torch.where(low < high, g, low)  # a device that wore out is stuck
    x = device.update.place(g, t.x, p.of("update"))
    return Trajectory(x, torch.zeros_like(t.age), t.cycles + 1, kept, t.frozen)


def pulsed(device: Device, p: Values, t: Trajectory, pulse: Pulse, xi: Xi | None, kept: Xi) -> Trajectory:
    """Return the trajectory after voltage pulses; a device that they do not move keeps its whole trajectory.

    With ``xi=None`` the pulses act without chance (`Update.quiet`); ``kept`` are normals for the retention.
    """
    bag, own = _split(device, p, "update", xi or ())
    before = now(device, p, t)
    after = device.update.quiet(before, pulse, bag) if xi is None else device.update.pulse(before, pulse, bag, own)
    if device.endurance is not None:
        low, high = window(device, p, t)
        g = device.update.conductance(after, bag)
        held = _within(g, low, high)
        limited = (held != g) & (pulse.n > 0)  # a device that gets no pulse is left alone
        after = _select(limited, device.update.place(held, after, bag), after)
    moved = torch.zeros((), dtype=torch.bool)
    for a, b in zip(after, before, strict=True):
        changed = a != b
        moved = moved | (changed.any(0) if changed.ndim > t.age.ndim else changed)  # a state with an inner axis
    return Trajectory(
        _select(moved, after, t.x),
        torch.where(moved, torch.zeros_like(t.age), t.age),
        t.cycles + torch.where(moved, pulse.n, torch.zeros_like(pulse.n)),
        tuple(torch.where(moved, new, old) for new, old in zip(kept, t.kept, strict=True)),
        t.frozen,
    )


def pulse_energy(device: Device, p: Values, before: Trajectory, after: Trajectory, pulse: Pulse) -> Tensor:
    """Return the energy (J) in each device, ``n width v i``, with the mean of the currents before and after the pulses."""
    i = (current(device, p, before, pulse.v) + current(device, p, after, pulse.v)) / 2
    return pulse.n * pulse.width * pulse.v * i


def read_event(device: Device, p: Values, t: Trajectory, g: Tensor, chosen: Tensor, places: Tensor | None = None) -> DeviceEvent:
    """Return the event of a read of the devices chosen (1, else 0) that saw ``g`` (S); its energy is ``width v i``."""
    own, noisy = p.of(""), None if device.noise is None else g
    pulse = Pulse(own.v_read, own.t_read, chosen)
    energy = pulse.n * pulse.width * pulse.v * current(device, p, t, pulse.v, noisy)
    return DeviceEvent("read", p, pulse, t, t, energy, noisy, places)


def _within(g: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Clip to a window; at its very ends the gradient passes (that of minimum and maximum would be halved)."""
    return torch.where(g < low, low, torch.where(g > high, high, g))


def _select(where: Tensor, new: Any, old: Any) -> Any:
    return type(new)(*(torch.where(where, a, b) for a, b in zip(new, old, strict=True)))
