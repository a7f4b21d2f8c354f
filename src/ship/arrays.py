"""An array of memory devices: their parameters as tensors, their trajectories, and what is done to them.

The trajectory is persistent state (buffers); what happens to it are the pure functions of `models.devices.device`. Every event
(a write, pulses, a read) has a number, and draws from (seed, tag, event, die, device) only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from . import random
from .errors import ParameterError, RunError, is_whole, suggest
from .models.contract import Bag
from .models.devices import device as physics
from .models.devices.contract import Pulse, Xi
from .models.devices.device import Device, Trajectory, Values
from .parameters import Parameter, declared, to_tensor
from .resolve import correlated, resolve, varied


@dataclass(frozen=True)
class WriteVerify:
    """Closed-loop programming: write, read, and write again what missed its target.

    Args:
        tolerance: accepted error, as a fraction of the device's window.
        most: attempts for one device.
        by: "rewrite": each attempt is a write of its own; "pulse": one standard pulse up or down at a time.
    """

    tolerance: float = 0.02
    most: int = 20
    by: str = "rewrite"

    def __post_init__(self) -> None:
        if not (isinstance(self.tolerance, int | float) and 0 < self.tolerance < 1):
            raise ParameterError(
                "WriteVerify.tolerance", "must lie between 0 and 1 (a fraction of the window)", got=self.tolerance
            )
        if not is_whole(self.most, 1):
            raise ParameterError("WriteVerify.most", "must be a whole number of attempts, at least 1", got=repr(self.most))
        if self.by not in ("rewrite", "pulse"):
            raise ParameterError("WriteVerify.by", "must be 'rewrite' or 'pulse'", got=repr(self.by))


class Written(NamedTuple):
    """What a write took and left: ``[chip, ...]`` for each device, or without the chip axis."""

    pulses: Tensor  # pulses or writes for each device
    energy: Tensor  # J in each device; wires and drivers are not in it
    error: Tensor  # S, what was read last minus the target
    failed: Tensor  # whether the device missed its target; without verification nothing is said to fail


class DeviceArray(nn.Module):
    """Devices of one kind, ``[chip, 1, ...]``: with what varies from one to the other, what is broken, and a trajectory each.

    Args:
        device: what they are.
        shape: of one chip, e.g. 1000 or (64, 10).
        tag: the array's name, part of the key of its draws.
        seed: of all draws.
        chips: None: die 0, no chip axis; a number K: dies 0 to K - 1; or a list of die ids.
        variation: False: every device is the nominal one, and none is broken (what is drawn at each event stays).
        dtype: float type, torch's default where left out.

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
        seed: int = 0,
        chips: int | Sequence[int] | None = None,
        variation: bool = True,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        device = device if variation else replace(device, faults=None)
        self.device, self.tag, self.seed = device, tag, seed
        self.where = f"{device.name} '{tag}'"
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        dies = [0] if chips is None else (list(range(chips)) if isinstance(chips, int) else list(chips))
        self.axis = chips is not None
        self.dtype = dtype or torch.get_default_dtype()
        self.notes: list[str] = []
        self._declarations: dict[str, Parameter] = {}
        self._spreads: dict[str, tuple[float, float]] = {}
        self._cycles: dict[str, dict[str, tuple[float, float]]] = {}
        self.register_buffer("die_ids", torch.tensor(dies, dtype=torch.int64))
        self.register_buffer("events", torch.zeros((), dtype=torch.int64))
        for part, made in device.parts.items():
            for name, declaration in declared(type(made))[0].items():
                self._make(part, name, declaration, getattr(made, name), dies, variation, made.event)
        self._correlate(dies)
        for part, made in device.parts.items():
            made.check(f"{self.where}.{part}" if part else self.where, self.values.of(part))
        self._start()

    # -- parameters --------------------------------------------------------------------------------------------------------

    def _make(
        self, part: str, name: str, declaration: Parameter, value: Any, dies: list[int], variation: bool, event: str | None
    ) -> None:
        full = f"{part}.{name}".lstrip(".")
        made = resolve(f"{self.where}.{full}", declaration, value, self.shape, self._key(full), dies, variation, event)
        if made.redrawn:
            self.notes.append(f"{full}: {made.redrawn} draws fell outside the limits ({declaration.rule}) and were drawn again")
        self._declarations[full] = declaration
        self.register_buffer(self._slot(full), made.nominal.detach().to(self.dtype).clone())
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
        matrix = torch.eye(len(names), dtype=torch.float64)
        for a, b, r in pairs:
            if not -1 < r < 1:
                raise ParameterError(where, "a coefficient must lie between -1 and 1", got=f"{r} for {a} and {b}")
            matrix[names.index(a), names.index(b)] = matrix[names.index(b), names.index(a)] = r
        factor, bad = torch.linalg.cholesky_ex(matrix)
        if int(bad):
            raise ParameterError(where, "coefficients must be possible together (a positive definite matrix)", got=repr(pairs))
        if not all(name in self._spreads for name in names):
            if self._spreads or any(self._is_varied(name) for name in names):
                missing = [name for name in names if not self._is_varied(name)]
                if missing:
                    raise ParameterError(
                        where, "needs parameters that vary", got=missing[0], fix="Give it as Varied(..., d2d=...)."
                    )
            return  # variation=False
        parts = [(self._declarations[n], getattr(self, self._slot(n)), self._spreads[n], self._key(n)) for n in names]
        deviates, redrawn = correlated(where, parts, factor, self.shape, dies)
        for name, deviate in zip(names, deviates, strict=True):
            setattr(self, self._slot(name) + "/deviate", deviate.to(self.dtype))
        if redrawn:
            self.notes.append(f"correlated: {redrawn} draws fell outside the limits and were drawn again")

    def _is_varied(self, full: str) -> bool:
        part, _, name = full.rpartition(".")
        return hasattr(getattr(self.device.parts[part], name), "d2d")

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
        low, high = self.device.update.window(Bag({k: table[""][k] for k in ("g_min", "g_max")} | table["update"]))
        table[""] |= {"g_min": low, "g_max": high}
        return Values(table, self._cycles)

    # -- the trajectory ----------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """As made: at the bottom of the window, never written."""
        p, device = self.values, self.device
        states, bag = device.update.states, p.of("update")
        lead = (len(self.die_ids), 1)
        start = {
            name: (
                getattr(bag, state.initial) if isinstance(state.initial, str) else torch.tensor(state.initial, dtype=self.dtype)
            ).expand(*lead, *self.shape)
            for name, state in zip(states._fields, states, strict=True)
        }
        one = (1,) * (2 + len(self.shape))
        frozen = device.faults.frozen if device.faults is not None else 0
        zeros = torch.zeros(one, dtype=self.dtype)
        kept = physics.draws(device, p, "retention")
        self._store(
            Trajectory(
                type(states)(**start),
                torch.zeros(one, dtype=torch.float64),
                zeros,
                (zeros,) * kept,
                self._normals("frozen", frozen, 0),
            )
        )

    def _store(self, t: Trajectory) -> None:
        """Keep a trajectory: as buffers, so that it is saved and moves with the module."""
        named = {f"x/{n}": v for n, v in zip(type(t.x)._fields, t.x, strict=True)}
        named |= {"age": t.age, "cycles": t.cycles}
        named |= {f"kept/{i}": v for i, v in enumerate(t.kept)} | {f"frozen/{i}": v for i, v in enumerate(t.frozen)}
        for name, tensor in named.items():
            self.register_buffer(name, tensor)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """A trajectory has the shapes that its history gave it, which need not be those of the array that takes it over."""
        full = (len(self.die_ids), 1, *self.shape)
        for name, mine in list(self._buffers.items()):
            saved = state_dict.get(prefix + name)
            if mine is None or saved is None or not (name in ("age", "cycles") or name.startswith(("x/", "kept/", "frozen/"))):
                continue
            if all(n in (1, m) for n, m in zip(reversed(saved.shape), reversed(full), strict=False)):
                self.register_buffer(name, torch.empty(saved.shape, dtype=mine.dtype, device=mine.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    @property
    def trajectory(self) -> Trajectory:
        """The state of every device, ``[chip, 1, ...]``."""
        states = self.device.update.states
        x = type(states)(*(getattr(self, f"x/{n}") for n in states._fields))
        kept = [getattr(self, f"kept/{i}") for i in range(physics.draws(self.device, self.values, "retention"))]
        frozen = self.device.faults.frozen if self.device.faults is not None else 0
        return Trajectory(
            x,
            self.get_buffer("age"),
            self.get_buffer("cycles"),
            tuple(kept),
            tuple(getattr(self, f"frozen/{i}") for i in range(frozen)),
        )

    def _normals(self, name: str, count: int, event: int) -> Xi:
        if not count:
            return ()
        n, zero = count * math.prod(self.shape), torch.zeros(1, dtype=torch.int64)
        drawn = random.normal(
            self._key("event", name),
            chip=self.die_ids.cpu(),
            sample=zero,
            slot=zero + event,
            trial=0,
            n=n,
            dtype=self.dtype,
            device=self.die_ids.device,
        )[0]
        return tuple(drawn.reshape(len(self.die_ids), 1, count, *self.shape).unbind(2))

    def _next(self) -> int:
        self.events += 1
        return int(self.events)

    def _draw(self, part: str, event: int) -> Xi:
        return self._normals(part, physics.draws(self.device, self.values, part), event)

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

    def _out(self, tensor: Tensor) -> Tensor:
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
        goal = self._full("target", target)
        if bool((goal < 0).any()):
            raise ParameterError(f"{self.where}: target", "must be at least 0 S", got=f"{float(goal.min()):g}")
        chosen = None if only is None else self._full("only", only.to(self.dtype)) > 0
        if verify is not None:
            return self._verified(goal, verify, chosen)
        energy = self.write_(goal, chosen)
        error = physics.conductance(self.device, self.values, self.trajectory) - goal
        none = torch.zeros_like(error, dtype=torch.bool)
        count = torch.ones_like(error) if chosen is None else chosen.to(error.dtype)
        return Written(self._out(count), self._out(energy), self._out(error), self._out(none))

    def write_(self, goal: Tensor, chosen: Tensor | None) -> Tensor:
        """One write; returns the energy (J) in each device, at the amplitude of the pulse towards the target."""
        p, before, event = self.values, self.trajectory, self._next()
        after = physics.written(self.device, p, before, goal, self._draw("programming", event), self._draw("retention", event))
        if chosen is not None:
            after = pick(chosen, after, before)
        own = p.of("")
        up = physics.conductance(self.device, p, before) <= goal
        pulse = Pulse(torch.where(up, own.v_set, own.v_reset), own.t_write, torch.ones_like(goal))
        energy = physics.pulse_energy(self.device, p, before, after, pulse)
        self._store(after)
        return energy if chosen is None else torch.where(chosen, energy, torch.zeros_like(energy))

    def _verified(self, goal: Tensor, verify: WriteVerify, chosen: Tensor | None) -> Written:
        low, high = physics.window(self.device, self.values)
        accept = verify.tolerance * (high - low)
        shape = (len(self.die_ids), 1, *self.shape)
        missed = torch.ones(shape, dtype=torch.bool) if chosen is None else chosen.expand(shape)
        if verify.by == "pulse":
            missed = missed & ((self._seen() - goal).abs() > accept)
        counted, spent = torch.zeros(shape, dtype=self.dtype), torch.zeros(shape, dtype=self.dtype)
        wanted = missed
        for _ in range(verify.most):
            if not bool(missed.any()):
                break
            if verify.by == "rewrite":
                spent = spent + self.write_(goal, missed)
            else:
                own = self.values.of("")
                v = torch.where(self._seen() < goal, own.v_set, own.v_reset)
                spent = spent + self.pulse_(Pulse(v, own.t_write, missed.to(self.dtype)))
            counted = counted + missed
            missed = missed & ((self._seen() - goal).abs() > accept)
        error = torch.where(wanted, self._seen() - goal, torch.zeros(shape, dtype=self.dtype))
        return Written(self._out(counted), self._out(spent), self._out(error), self._out(missed))

    def _seen(self) -> Tensor:
        return physics.read(self.device, self.values, self.trajectory, self._draw("noise", self._next()))

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
        return self._out(self.pulse_(made))

    def pulse_(self, pulse: Pulse) -> Tensor:
        """The same with checked tensors, ``[chip, 1, ...]``."""
        p, before, event = self.values, self.trajectory, self._next()
        after = physics.pulsed(self.device, p, before, pulse, self._draw("update", event), self._draw("retention", event))
        self._store(after)
        return physics.pulse_energy(self.device, p, before, after, pulse)

    def wait(self, seconds: float, *, kelvin: float | None = None) -> None:
        """Leave the devices alone for ``seconds``, at a temperature (K) where the device has a thermal part.

        Raises:
            RunError: negative or not a number, or a temperature for a device without a thermal part.
            ParameterError: the retention is not valid for such an age or conductance.
        """
        if not (isinstance(seconds, int | float) and 0 <= seconds < math.inf):
            raise RunError(f"{self.where}: seconds", "must be a number, at least 0", got=repr(seconds))
        if kelvin is not None and (self.device.thermal is None or not kelvin > 0):
            raise RunError(
                f"{self.where}: kelvin",
                "needs a device with a thermal part, and must be above 0 K",
                got=f"{kelvin:g} K",
                fix="Give the device thermal=ship.devices.Arrhenius(...).",
            )
        after = physics.aged(self.device, self.values, self.trajectory, float(seconds), kelvin)
        if self.device.retention is not None and seconds:
            g = self.device.update.conductance(after.x, self.values.of("update"))
            self.device.retention.valid(f"{self.where}.retention", g, after.age)
        self._store(after)

    def conductance(self) -> Tensor:
        """S, what is there now: ``[...]``, or ``[chip, ...]``. A simulation knows it; an instrument has `read`."""
        return self._out(physics.conductance(self.device, self.values, self.trajectory))

    def read(self) -> Tensor:
        """S, what one read sees, with its noise: ``[...]``, or ``[chip, ...]``."""
        return self._out(self._seen())

    def current(self, v: Any) -> Tensor:
        """A, at ``v`` (V)."""
        return self._out(physics.current(self.device, self.values, self.trajectory, self._full("v", v)))

    def window(self) -> tuple[Tensor, Tensor]:
        """The lowest and the highest conductance (S) of each device, after wear."""
        low, high = physics.window(self.device, self.values, self.trajectory)
        return self._out(low), self._out(high)


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
