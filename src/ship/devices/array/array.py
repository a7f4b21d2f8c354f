"""An array of memory devices: their parameters as tensors, their trajectories, and what is done to them.

The trajectory is persistent state (buffers); what happens to it are the pure functions of `models.devices.device`. Every event
(a write, pulses, a read) has a number, and draws from (seed, tag, event, die, device) only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ...base import random
from ...base.errors import ParameterError, RunError, is_real, is_whole, suggest
from ...base.parameters import Parameter, Varied, declared, to_tensor
from ...base.parameters.bag import Bag
from ...base.parameters.resolve import correlated, resolve, varied
from .. import device as physics
from ..contract import Pulse, Xi
from ..device import Device, DeviceEvent, Trajectory, Values
from .adopt import adopt
from .write_verify import WriteVerify, Written, verified


class DeviceArray(nn.Module):
    """Devices of one kind, ``[chip, 1, ...]``: with what varies from one to the other, what is broken, and a trajectory each.

    Args:
        device: what they are.
        shape: of one chip, e.g. 1000 or (64, 10).
        tag: the array's name, part of the key of its draws.
        where: its name in errors; default: the device's name and the tag.
        seed: of all draws.
        chips: None: die 0, no chip axis; a number K: dies 0 to K - 1; or a list of die ids.
        variation: False: every device is the nominal one, and none is broken (what is drawn at each event stays).
        dtype: float type, torch's default where left out.
        place: where devices stand on the die, for trends (``Varied(gradient=...)``), see `resolve.places`; default: the last two
            axes of ``shape``.

    Raises:
        ParameterError: what is wrong with the device, and where.
    """

    die_ids: Tensor
    events: Tensor

    def __init__(
        self,
        device: Device,
        shape: int | tuple[int, ...],
        *,
        tag: str = "array",
        where: str | None = None,
        seed: int = 0,
        chips: int | Sequence[int] | None = None,
        variation: bool = True,
        dtype: torch.dtype | None = None,
        place: Sequence[Tensor] | None = None,
    ) -> None:
        super().__init__()
        _check(device, shape, chips)
        device = device if variation else replace(device, faults=None)
        self.device, self.tag, self.seed, self.place = device, tag, seed, place
        self.where = f"{device.name} '{tag}'" if where is None else f"{where}.device"
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        dies = [0] if chips is None else (list(range(chips)) if isinstance(chips, int) else list(chips))
        self.axis = chips is not None
        self.dtype = dtype or torch.get_default_dtype()
        self.notes: list[str] = []
        self.watch: Callable[[DeviceEvent], None] | None = None  # told of every write, pulse and read; see `energy`
        self.version = 0  # changes with all that the devices act as
        self._declarations: dict[str, Parameter] = {}
        self._spreads: dict[str, tuple[float, float]] = {}
        self._cycles: dict[str, dict[str, tuple[float, float]]] = {}
        self._nominal: Values | None = None
        self.register_buffer("die_ids", torch.tensor(dies, dtype=torch.int64))
        self.register_buffer("events", torch.zeros((), dtype=torch.int64))
        for part, made in device.parts.items():
            for name, declaration in declared(type(made))[0].items():
                self._make(part, name, declaration, getattr(made, name), dies, variation, made.event)
        self._correlate(dies)
        if device.update.frozen:
            self.register_buffer("p/update/frozen", self._domains(device.update.frozen, variation))
        for part, made in reversed(device.parts.items()):  # the window, which the device checks, follows from its update
            made.check(f"{self.where}.{part}" if part else self.where, self.values.of(part))
        self._start()

    def extra_repr(self) -> str:
        """What a prompt shows of it: the device, how many there are, the parts that are not ideal."""
        chips = f", {len(self.die_ids)} chips" if self.axis else ""
        parts = ", ".join(f"{name}={type(part).__name__}" for name, part in self.device.parts.items() if name)
        return f"{self.device.name!r}, shape {list(self.shape)}{chips}; {parts}"

    # -- parameters --------------------------------------------------------------------------------------------------------

    def _make(
        self, part: str, name: str, declaration: Parameter, value: Any, dies: list[int], variation: bool, event: str | None
    ) -> None:
        full = f"{part}.{name}".lstrip(".")
        made = resolve(
            f"{self.where}.{full}", declaration, value, self.shape, self._key(full), dies, variation, event, self.place
        )
        if made.redrawn:
            self.notes.append(f"{full}: {made.redrawn} draws fell outside the limits ({declaration.rule}) and were drawn again")
        self._declarations[full] = declaration
        self.register_buffer(self._slot(full), made.nominal.detach().to(self.dtype, copy=True))
        if made.deviate is not None:
            self.register_buffer(self._slot(full) + "/deviate", made.deviate.to(self.dtype))
            self._spreads[full] = made.spread
        if any(made.cycle):
            self._cycles.setdefault(part, {})[name] = made.cycle

    def _correlate(self, dies: list[int]) -> None:
        """Mix the deviates of parameters that vary together."""
        pairs = self.device.correlated
        if not pairs:
            return
        names = list(dict.fromkeys(name for a, b, _ in pairs for name in (a, b)))
        where = f"{self.where}.correlated"
        for name in names:
            if name not in self._declarations:
                raise ParameterError(where, f"no parameter {name!r}", fix=suggest(name, self._declarations))
            if self._is_varied(name) and (self._given(name).gradient or self._given(name).gradient_abs):
                raise ParameterError(where, "a parameter with a trend across the die cannot be correlated", got=name)
        matrix = torch.eye(len(names), dtype=torch.float64)
        for a, b, r in pairs:
            if not -1 < r < 1:
                raise ParameterError(where, "a coefficient must lie between -1 and 1", got=f"{r} for {a} and {b}")
            matrix[names.index(a), names.index(b)] = matrix[names.index(b), names.index(a)] = r
        factor, bad = torch.linalg.cholesky_ex(matrix)
        if int(bad):
            raise ParameterError(where, "coefficients must be possible together (a positive definite matrix)", got=repr(pairs))
        for name in names:
            if not self._is_varied(name) or not (self._given(name).d2d or self._given(name).d2d_abs):
                raise ParameterError(where, "needs parameters that vary", got=name, fix="Give it as Varied(..., d2d=...).")
        if not all(name in self._spreads for name in names):
            return  # variation=False
        parts = [(self._declarations[n], getattr(self, self._slot(n)), self._spreads[n], self._key(n)) for n in names]
        deviates, redrawn = correlated(where, parts, factor, self.shape, dies)
        for name, deviate in zip(names, deviates, strict=True):
            setattr(self, self._slot(name) + "/deviate", deviate.to(self.dtype))
        if redrawn:
            self.notes.append(f"correlated: {redrawn} draws fell outside the limits and were drawn again")

    def _domains(self, count: int, variation: bool) -> Tensor:
        """Normals that are drawn once, ``[domain, chip, 1, ...]``; of nominal devices the quantiles of their distribution."""
        if variation:
            return torch.stack(self.normals("domains", count, 0))
        even: Tensor = torch.special.ndtri((torch.arange(count, dtype=torch.float64) + 0.5) / count).to(self.dtype)
        return even.reshape(-1, *(1,) * len(self.full_shape)).expand(count, *self.full_shape).clone()

    def _given(self, full: str) -> Any:
        part, _, name = full.rpartition(".")
        return getattr(self.device.parts[part], name)

    def _is_varied(self, full: str) -> bool:
        return isinstance(self._given(full), Varied)

    @staticmethod
    def _slot(full: str) -> str:
        return "p/" + full.replace(".", "/")

    def _key(self, *names: str) -> int:
        return random.key(self.seed, self.tag, "device", *names)

    def value(self, full: str) -> Tensor:
        """A parameter (``"update.alpha_p"``) with each device's own deviation."""
        nominal: Tensor = getattr(self, self._slot(full))
        deviate = getattr(self, self._slot(full) + "/deviate", None)
        return nominal if deviate is None else varied(nominal, deviate, self._spreads[full])

    @property
    def values(self) -> Values:
        """All parameters, as the functions of `models.devices.device` take them."""
        table: dict[str, dict[str, Tensor]] = {part: {} for part in self.device.parts}
        for full in self._declarations:
            part, _, name = full.rpartition(".")
            table[part][name] = self.value(full)
        if self.device.update.frozen:
            table["update"]["frozen"] = self.get_buffer("p/update/frozen")
        low, high = self.device.update.window(Bag({k: table[""][k] for k in ("g_min", "g_max")} | table["update"]))
        table[""] |= {"g_min": low, "g_max": high}
        return Values(table, self._cycles)

    @property
    def nominal(self) -> Values:
        """The parameters of the nominal device: no variation."""
        if self._nominal is None:
            self._nominal = DeviceArray(replace(self.device, correlated=()), 1, variation=False, dtype=self.dtype).values
        return self._nominal

    # -- the trajectory ----------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """As made: at the bottom of the window, never written."""
        p, device = self.values, self.device
        states, bag = device.update.states, p.of("update")
        lead = (len(self.die_ids), 1)
        start = {
            name: (
                getattr(bag, state.initial) if isinstance(state.initial, str) else torch.tensor(state.initial, dtype=self.dtype)
            )
            .expand(*(state.inner,) * bool(state.inner), *lead, *self.shape)
            .clone()
            for name, state in zip(states._fields, states, strict=True)
        }
        one = (1,) * (2 + len(self.shape))
        frozen = device.faults.frozen if device.faults is not None else 0
        kept = physics.draws(device, self._cycles, "retention")
        self._store(
            Trajectory(
                type(states)(**start),
                torch.zeros(one, dtype=torch.float64),
                torch.zeros(one, dtype=torch.float64),
                tuple(torch.zeros(one, dtype=self.dtype) for _ in range(kept)),
                self.normals("frozen", frozen, 0),
            )
        )

    def _store(self, t: Trajectory) -> None:
        """Keep a trajectory: as buffers, so that it is saved and moves with the module."""
        named = {f"x/{n}": v for n, v in zip(type(t.x)._fields, t.x, strict=True)}
        named |= {"age": t.age, "cycles": t.cycles}
        named |= {f"kept/{i}": v for i, v in enumerate(t.kept)} | {f"frozen/{i}": v for i, v in enumerate(t.frozen)}
        self.version += 1
        for name, tensor in named.items():
            self.register_buffer(name, tensor)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """What one value stood for may have become one for each device, and the other way round: take the shape that comes in."""
        self.version += 1
        for name in [n for n in self._buffers if n in ("age", "cycles") or n.startswith(("x/", "kept/", "frozen/"))]:
            given, own = state_dict.get(prefix + name), self.get_buffer(name)
            if isinstance(given, Tensor) and _fits(given.shape, self.full_shape):
                self.register_buffer(name, torch.empty(given.shape, dtype=own.dtype, device=own.device))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> DeviceArray:
        """Another float type or device: all tensors and draws follow; ages and counts stay float64, as a slot is small beside a
        year and one write beside 10^8.
        """
        kind = fn(torch.zeros(1, dtype=self.dtype)).dtype
        if kind not in (torch.float32, torch.float64):
            raise RunError(self.where, "computes in float32 or float64", got=str(kind), fix="Use .float().")
        exact = {name: self.get_buffer(name) for name in ("age", "cycles")}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in exact.items():
            self.register_buffer(name, value.to(self.get_buffer(name).device))
        self.dtype, self._nominal = kind, None
        self.version += 1
        return self

    @property
    def trajectory(self) -> Trajectory:
        """The state of every device, ``[chip, 1, ...]``."""
        states = self.device.update.states
        x = type(states)(*(getattr(self, f"x/{n}") for n in states._fields))
        kept = [getattr(self, f"kept/{i}") for i in range(physics.draws(self.device, self._cycles, "retention"))]
        frozen = self.device.faults.frozen if self.device.faults is not None else 0
        return Trajectory(
            x,
            self.get_buffer("age"),
            self.get_buffer("cycles"),
            tuple(kept),
            tuple(getattr(self, f"frozen/{i}") for i in range(frozen)),
        )

    @property
    def full_shape(self) -> tuple[int, ...]:
        """``[chip, 1, ...]``."""
        return (len(self.die_ids), 1, *self.shape)

    def normals(self, name: str, count: int, event: int, index: Tensor | None = None) -> Xi:
        """``count`` standard normal numbers for each device, or for those at ``index`` of the flattened array: the same ones."""
        if not count:
            return ()
        size, key = math.prod(self.shape), self._key("event", name)
        if index is not None and 4 * len(index) < size * len(self.die_ids):
            die, place = self.die_ids[index // size], index % size
            return tuple(random.normal_at(key, chip=die, slot=event, unit=place + i * size).to(self.dtype) for i in range(count))
        zero = torch.zeros(1, dtype=torch.int64)
        drawn = random.normal(
            key,
            chip=self.die_ids.cpu(),
            sample=zero,
            slot=zero + event,
            trial=0,
            n=count * size,
            dtype=self.dtype,
            device=self.die_ids.device,
        )[0]
        made = drawn.reshape(len(self.die_ids), 1, count, *self.shape).unbind(2)
        return tuple(made) if index is None else tuple(part.flatten()[index] for part in made)

    def put(self, index: Tensor, t: Trajectory) -> None:
        """Put devices, ``[device]``, at places of the flattened array."""

        def into(old: Tensor, new: Tensor) -> Tensor:
            inner = old.shape[: old.ndim - len(self.full_shape)]
            full = old.expand(*inner, *self.full_shape).contiguous().clone()
            full.view(*inner, -1)[..., index] = new.to(full.dtype)
            return full

        now = self.trajectory
        x = type(now.x)(*map(into, now.x, t.x))
        self._store(
            Trajectory(x, into(now.age, t.age), into(now.cycles, t.cycles), tuple(map(into, now.kept, t.kept)), now.frozen)
        )

    def next_event(self) -> int:
        """The number of the next event, from 1 on."""
        self.events += 1
        return int(self.events)

    def _draw(self, part: str, event: int) -> Xi:
        return self.normals(part, physics.draws(self.device, self._cycles, part), event)

    def _full(self, where: str, value: Any) -> Tensor:
        """A value given by the user, broadcastable to ``[chip, 1, ...]``; a leading chip axis is legal where there is one."""
        tensor = to_tensor(f"{self.where}: {where}", value).to(self.dtype)
        if bool((~torch.isfinite(tensor)).any()):
            raise ParameterError(f"{self.where}: {where}", "must be finite", got="NaN or infinity")
        if self.axis and tensor.ndim == 1 + len(self.shape):
            tensor = tensor.unsqueeze(1)
        try:
            torch.broadcast_shapes(tensor.shape, (len(self.die_ids), 1, *self.shape))
        except RuntimeError as error:
            raise ParameterError(
                f"{self.where}: {where}", f"must fit the shape {list(self.shape)} of the devices", got=f"{list(tensor.shape)}"
            ) from error
        return tensor

    def out(self, tensor: Tensor) -> Tensor:
        """Without the axes that the user did not ask for."""
        full = tensor.expand(len(self.die_ids), 1, *self.shape).squeeze(1)
        return full if self.axis else full.squeeze(0)

    # -- what is done to them ----------------------------------------------------------------------------------------------

    def write(self, target: Any, *, verify: WriteVerify | None = None, only: Tensor | None = None) -> Written:
        """Program every device to ``target`` (S): ``[...]`` or ``[chip, ...]``; targets outside the window go to its end.

        Args:
            target: S.
            verify: None: one shot.
            only: a truth value for each device: the others are left alone.

        Raises:
            ParameterError: a target that is negative, not finite or of a wrong shape.
        """
        goal = self._full("target", target).expand(len(self.die_ids), 1, *self.shape)
        if bool((goal < 0).any()):
            raise ParameterError(f"{self.where}: target", "must be at least 0 S", got=f"{float(goal.min()):g}")
        if bool((goal > 1.0).any()) and bool((goal > self.window()[1].max()).any()):
            raise ParameterError(
                f"{self.where}: target", "must be in S", got=f"{float(goal.max()):g} S", fix="20 uS is written 20e-6."
            )
        chosen = None if only is None else self._full("only", only.to(self.dtype)) > 0
        if verify is not None:
            return verified(self, goal, verify, chosen)
        energy = self.write_(goal, chosen)
        error = physics.conductance(self.device, self.values, self.trajectory) - goal
        none = torch.zeros_like(error, dtype=torch.bool)
        count = torch.ones_like(error) if chosen is None else chosen.to(error.dtype)
        return Written(self.out(count), self.out(energy), self.out(error), self.out(none))

    def write_(self, goal: Tensor, chosen: Tensor | None) -> Tensor:
        """One write; returns the energy (J) in each device, at the amplitude of the pulse towards the target."""
        p, before, event = self.values, self.trajectory, self.next_event()
        after = physics.written(self.device, p, before, goal, self._draw("programming", event), self._draw("retention", event))
        if chosen is not None:
            after = pick(chosen, after, before)
        own = p.of("")
        up = physics.conductance(self.device, p, before) <= goal
        pulse = Pulse(torch.where(up, own.v_set, own.v_reset), own.t_write, torch.ones_like(goal))
        energy = physics.pulse_energy(self.device, p, before, after, pulse)
        self._store(after)
        if chosen is not None:
            pulse = pulse._replace(n=chosen.to(goal.dtype))
            energy = torch.where(chosen, energy, torch.zeros_like(energy))
        if self.watch is not None:
            self.watch(DeviceEvent("write", p, pulse, before, after, energy))
        return energy

    def _seen(self) -> Tensor:
        p, t = self.values, self.trajectory
        g = physics.read(self.device, p, t, self._draw("noise", self.next_event()))
        if self.watch is not None:
            self.watch(physics.read_event(self.device, p, t, g, torch.ones_like(g)))
        return g

    def pulse(self, v: Any = None, *, width: Any = None, count: Any = 1) -> Tensor:
        """Apply voltage pulses; returns the energy (J) in each device.

        Args:
            v: V; above 0 for the standard pulse's direction up. Default: the device's ``v_set``.
            width: s. Default: the device's ``t_write``.
            count: equal pulses, back to back; 0 leaves a device alone. A tensor: for each device.

        Raises:
            ParameterError: a width that is not above 0, a negative count, a wrong shape.
        """
        own = self.values.of("")
        made = Pulse(
            own.v_set if v is None else self._full("v", v),
            own.t_write if width is None else self._full("width", width),
            self._full("count", count),
        )
        if not bool((made.width > 0).all()):
            raise ParameterError(f"{self.where}: width", "must be above 0 s", got=f"{float(made.width.min()):g}")
        if bool((made.n < 0).any()):
            raise ParameterError(
                f"{self.where}: count", "must be at least 0", got=f"{float(made.n.min()):g}", fix="Give v its sign."
            )
        return self.out(self.pulse_(made))

    def pulse_(self, pulse: Pulse) -> Tensor:
        """The same with checked tensors, ``[chip, 1, ...]``."""
        p, before, event = self.values, self.trajectory, self.next_event()
        after = physics.pulsed(self.device, p, before, pulse, self._draw("update", event), self._draw("retention", event))
        self._store(after)
        energy = physics.pulse_energy(self.device, p, before, after, pulse)
        if self.watch is not None:
            self.watch(DeviceEvent("write", p, pulse, before, after, energy))
        return energy

    def adopt(self, measured: Any, faults: Any = None) -> None:
        """Take the state of a measured chip: as if written now, and broken where its map says.

        Args:
            measured: a `ship.MeasuredArray`, or conductances (S), ``[...]`` or ``[chip, ...]``.
            faults: 0 sound, 1 stuck low, 2 stuck high, 3 open, in the same shape; default: the map of ``measured``. A map takes
                the place of what the device's faults part drew.

        Raises:
            ParameterError: a wrong shape, conductances that the device cannot take, faults that its faults part cannot hold.
        """
        adopt(self, measured, faults)

    def wait(self, seconds: float, *, kelvin: float | None = None) -> None:
        """Leave the devices alone for ``seconds``, at a temperature (K) where the device has a thermal part.

        Raises:
            RunError: negative or not a number, or a temperature for a device without a thermal part.
            ParameterError: the retention is not valid for such an age or conductance.
        """
        self._store(self.aged(seconds, kelvin))

    def aged(self, seconds: float, kelvin: float | None = None) -> Trajectory:
        """The trajectory after ``seconds``, as `wait` would leave it; the devices stay as they are.

        Raises:
            RunError, ParameterError: as `wait`.
        """
        self.check_wait(seconds, kelvin)
        after = physics.aged(self.device, self.values, self.trajectory, float(seconds), kelvin)
        if self.device.retention is not None and seconds:
            g = self.device.update.conductance(after.x, self.values.of("update"))
            self.device.retention.valid(f"{self.where}.retention", g, after.age)
        return after

    def check_wait(self, seconds: float, kelvin: float | None) -> None:
        """Refuse what is no time, and a temperature that these devices do not feel.

        Raises:
            RunError: as `wait`.
        """
        if not (is_real(seconds) and seconds >= 0):
            raise RunError(f"{self.where}: seconds", "must be a number of s, at least 0", got=repr(seconds))
        if kelvin is not None and (self.device.thermal is None or not (is_real(kelvin) and kelvin > 0)):
            raise RunError(
                f"{self.where}: kelvin",
                "needs a device with a thermal part, and must be above 0 K",
                got=f"{kelvin:g} K" if is_real(kelvin) else repr(kelvin),
                fix="Give the device thermal=ship.devices.Arrhenius(...).",
            )

    def conductance(self) -> Tensor:
        """S, what is there now: ``[...]``, or ``[chip, ...]``. A simulation knows it; an instrument has `read`."""
        return self.out(physics.conductance(self.device, self.values, self.trajectory))

    def read(self) -> Tensor:
        """S, what one read sees, with its noise: ``[...]``, or ``[chip, ...]``."""
        return self.out(self._seen())

    def current(self, v: Any) -> Tensor:
        """A, at ``v`` (V)."""
        return self.out(physics.current(self.device, self.values, self.trajectory, self._full("v", v)))

    def window(self) -> tuple[Tensor, Tensor]:
        """The lowest and the highest conductance (S) of each device, after wear."""
        low, high = physics.window(self.device, self.values, self.trajectory)
        return self.out(low), self.out(high)


def _check(device: Any, shape: Any, chips: Any) -> None:
    """Refuse what is no device, no shape, or no chips."""
    if not isinstance(device, Device):
        raise ParameterError("DeviceArray: device", "must be a device", got=repr(device), fix="E.g. ship.Device(g_max=50e-6).")
    sizes = shape if isinstance(shape, tuple | list) else (shape,)
    if not all(is_whole(size) for size in sizes):
        raise ParameterError("DeviceArray: shape", "must be a whole number, or a tuple of them", got=repr(shape))
    if is_whole(chips) and chips < 1:
        raise ParameterError("DeviceArray: chips", "must be None, a number of chips, or a list of die ids", got=repr(chips))


def _fits(shape: Sequence[int], full: Sequence[int]) -> bool:
    """Whether a stored tensor has the devices' shape, or 1 in place of some of its sizes."""
    return len(shape) == len(full) and all(own in (1, size) for own, size in zip(shape, full, strict=True))


def pick(chosen: Tensor, new: Trajectory, old: Trajectory) -> Trajectory:
    """``new`` for the devices chosen, ``old`` for the others."""

    def one(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(chosen, a, b)

    return Trajectory(
        type(new.x)(*map(one, new.x, old.x)),
        one(new.age, old.age),
        one(new.cycles, old.cycles),
        tuple(map(one, new.kept, old.kept)),
        new.frozen,
    )
