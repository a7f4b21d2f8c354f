"""An array of memory devices: an object around their parameters and trajectories, to write, pulse, wait and read.

Parameters (see `parameters`) and trajectories (see `trajectory`) are buffers; what happens to a device is a pure function of
`ship.devices.device`. Every event (a write, pulses, a read) has a number, and draws from (seed, tag, event, die, device) only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ...base import random
from ...base.checks import check_real, is_real
from ...base.errors import ParameterError, RunError
from ...base.parameters import Parameter, to_tensor
from ...base.parameters.resolve import varied
from ...base.temperature import FOLLOWS
from .. import device as physics
from ..contract import Pulse, Xi
from ..device import Device, DeviceEvent, Trajectory, Values
from .adopt import adopt
from .open_loop import OpenLoop, counted
from .parameters import Site, assemble, buffer_name, check_array, draw_parameters
from .trajectory import chosen_from, fits, from_buffers, is_buffer, n_frozen, never_written, placed, to_buffers
from .write_verify import WriteVerify, Written, verified


class DeviceArray(nn.Module):
    """Memory devices of one kind, ``[chip, 1, ...]``, each with its own deviations, faults and trajectory.

    Args:
        device: the kind of the devices.
        shape: the shape of one chip, e.g. 1000 or (64, 10).
        tag: the array's name, part of the key of its draws.
        where: its name in errors; default: the device's name and the tag.
        seed: the seed of all draws.
        chips: None: die 0, no chip axis; a number K: dies 0 to K - 1; or a list of die ids.
        variation: False: every device is the nominal one, and none is broken (draws at each event remain).
        dtype: the float type; torch's default where left out.
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
        check_array(device, shape, chips)
        device = device if variation else replace(device, faults=None)
        self.device, self.tag, self.seed = device, tag, seed
        self.where = f"{device.name} '{tag}'" if where is None else f"{where}.device"
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        dies = [0] if chips is None else (list(range(chips)) if isinstance(chips, int) else list(chips))
        self.axis = chips is not None
        self.dtype = dtype or torch.get_default_dtype()
        self.notes: list[str] = []
        self.watch: Callable[[DeviceEvent], None] | None = None  # told of every write, pulse and read; see `energy`
        self.version = 0  # changes with all that the devices act as
        self.kelvin: float | None = None  # the temperature of the network that they are part of; None: it has none
        self._nominal: Values | None = None
        self.register_buffer("die_ids", torch.tensor(dies, dtype=torch.int64))
        self.register_buffer("events", torch.zeros((), dtype=torch.int64))
        self.site = Site(self.where, tag, seed, self.shape, dies, variation, place)
        self._drawn = draw_parameters(device, self.site, self.dtype)
        self.notes += self._drawn.notes
        for name, tensor in self._drawn.buffers.items():
            self.register_buffer(name, tensor)
        self._drawn.buffers.clear()  # from here on they are the array's
        if device.update.frozen:
            self.register_buffer("p/update/frozen", self._domains(device.update.frozen))
        for part, made in reversed(device.parts.items()):  # the window, which the device checks, follows from its update
            made.check(f"{self.where}.{part}" if part else self.where, self.values.of(part))
        frozen = self.normals("frozen", n_frozen(device), 0)
        self.store(never_written(device, self.values, self.full_shape, self.dtype, frozen))

    def extra_repr(self) -> str:
        """Say what a prompt shows: the device, how many there are, the parts that are not ideal."""
        chips = f", {len(self.die_ids)} chips" if self.axis else ""
        parts = ", ".join(f"{name}={type(part).__name__}" for name, part in self.device.parts.items() if name)
        return f"{self.device.name!r}, shape {list(self.shape)}{chips}; {parts}"

    # -- parameters --------------------------------------------------------------------------------------------------------

    def _domains(self, count: int) -> Tensor:
        """Draw the normals of each domain, ``[domain, chip, 1, ...]``; nominal devices have the quantiles of a normal number."""
        if self.site.variation:
            return torch.stack(self.normals("domains", count, 0))
        even: Tensor = torch.special.ndtri((torch.arange(count, dtype=torch.float64) + 0.5) / count).to(self.dtype)
        return even.reshape(-1, *(1,) * len(self.full_shape)).expand(count, *self.full_shape).clone()

    def declaration(self, buffer: str) -> Parameter | None:
        """Return how the parameter in a buffer was declared; None where the buffer holds none."""
        return next((d for full, d in self._drawn.declarations.items() if buffer_name(full) == buffer), None)

    def value(self, full: str) -> Tensor:
        """Return a parameter (``"update.alpha_p"``) with each device's own deviation."""
        nominal: Tensor = getattr(self, buffer_name(full))
        if self.kelvin is not None and self._drawn.declarations[full].role in FOLLOWS:
            return nominal.new_tensor(FOLLOWS[self._drawn.declarations[full].role](self.kelvin))
        deviate = getattr(self, buffer_name(full) + "/deviate", None)
        return nominal if deviate is None else varied(nominal, deviate, self._drawn.spreads[full])

    @property
    def values(self) -> Values:
        """All parameters, as the functions of `ship.devices.device` take them."""
        frozen = self.get_buffer("p/update/frozen") if self.device.update.frozen else None
        return assemble(self.device, {full: self.value(full) for full in self._drawn.declarations}, frozen, self._drawn)

    @property
    def nominal(self) -> Values:
        """The parameters of the nominal device, which has no variation."""
        if self._nominal is None:
            self._nominal = DeviceArray(replace(self.device, correlated=()), 1, variation=False, dtype=self.dtype).values
        return self._nominal

    # -- the trajectory ----------------------------------------------------------------------------------------------------

    def store(self, t: Trajectory) -> None:
        """Keep a trajectory in buffers, so that it is saved and moves with the module."""
        self.version += 1
        for name, tensor in to_buffers(t).items():
            self.register_buffer(name, tensor)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Load a state; where it holds one value for all devices, or one for each, take over the shape that comes in."""
        self.version += 1
        for name in filter(is_buffer, list(self._buffers)):
            given, own = state_dict.get(prefix + name), self.get_buffer(name)
            if isinstance(given, Tensor) and fits(given.shape, self.full_shape):
                self.register_buffer(name, torch.empty(given.shape, dtype=own.dtype, device=own.device))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> DeviceArray:
        """Change the float type or the device of all tensors and draws; ages and counts stay float64, as a slot is small beside a
        year and one write beside 10^8.
        """
        kind = fn(torch.zeros(1, dtype=self.dtype)).dtype
        if kind not in (torch.float32, torch.float64):
            raise RunError(self.where, "computes in float32 or float64", got=str(kind), fix="Use .float().")
        exact = {name: self.get_buffer(name) for name in ("age", "cycles")}
        move: Callable[..., nn.Module] = super()._apply
        move(fn, recurse)
        for name, value in exact.items():
            self.register_buffer(name, value.to(self.get_buffer(name).device))
        self.dtype, self._nominal = kind, None
        self.version += 1
        return self

    @property
    def trajectory(self) -> Trajectory:
        """The trajectory of every device, ``[chip, 1, ...]``."""
        return from_buffers(self.device, self.n_draws("retention"), self.get_buffer)

    @property
    def full_shape(self) -> tuple[int, ...]:
        """The shape of all devices, ``[chip, 1, ...]``."""
        return (len(self.die_ids), 1, *self.shape)

    def normals(self, name: str, count: int, event: int, index: Tensor | None = None) -> Xi:
        """Draw ``count`` standard normal numbers for each device, or for those at ``index`` of the flattened array."""
        if not count:
            return ()
        size, key = math.prod(self.shape), self.site.key("event", name)
        if index is not None and 4 * len(index) < size * len(self.die_ids):
            die, place = self.die_ids[index // size], index % size
            return tuple(random.normal_at(key, chip=die, slot=event, unit=place + i * size).to(self.dtype) for i in range(count))
        zero = torch.zeros(1, dtype=torch.int64)
        where: dict[str, Any] = {"chip": self.die_ids.cpu(), "sample": zero, "slot": zero + event, "trial": 0}
        drawn = random.normal(key, **where, n=count * size, dtype=self.dtype, device=self.die_ids.device)[0]
        made = drawn.reshape(len(self.die_ids), 1, count, *self.shape).unbind(2)
        return tuple(made) if index is None else tuple(part.flatten()[index] for part in made)

    def put(self, index: Tensor, t: Trajectory) -> None:
        """Put devices, ``[device]``, at places of the flattened array."""
        self.store(placed(self.trajectory, index, t, self.full_shape))

    def next_event(self) -> int:
        """Count one more event and return its number, from 1 on."""
        self.events += 1
        return int(self.events)

    def _draw(self, part: str, event: int) -> Xi:
        return self.normals(part, self.n_draws(part), event)

    def n_draws(self, part: str) -> int:
        """Return how many normal numbers a device takes at each event of a part."""
        return physics.draws(self.device, self._drawn.cycles, part)

    def checked(self, where: str, value: Any) -> Tensor:
        """Check a value given by the user and return it, broadcastable to ``[chip, 1, ...]``."""
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
        """Return a tensor without the axes that the user did not ask for."""
        full = tensor.expand(len(self.die_ids), 1, *self.shape).squeeze(1)
        return full if self.axis else full.squeeze(0)

    # -- what is done to them ----------------------------------------------------------------------------------------------

    def write(self, target: Any, *, verify: WriteVerify | OpenLoop | None = None, only: Tensor | None = None) -> Written:
        """Program every device to a target conductance; targets outside the window go to its end.

        Args:
            target: S, ``[...]`` or ``[chip, ...]``.
            verify: how closed-loop programming reads and corrects, or pulses without a look (`OpenLoop`); None: one write.
            only: a truth value for each device: the others are left alone.

        Raises:
            ParameterError: a target that is negative, not finite or of a wrong shape.
        """
        goal = self.checked("target", target).expand(len(self.die_ids), 1, *self.shape)
        if bool((goal < 0).any()):
            raise ParameterError(f"{self.where}: target", "must be at least 0 S", got=f"{float(goal.min()):g}")
        if bool((goal > 1.0).any()) and bool((goal > self.window()[1].max()).any()):
            raise ParameterError(
                f"{self.where}: target", "must be in S", got=f"{float(goal.max()):g} S", fix="20 uS is written 20e-6."
            )
        chosen = None if only is None else self.checked("only", only.to(self.dtype)) > 0
        if isinstance(verify, OpenLoop):
            return counted(self, goal, verify, chosen)
        if verify is not None:
            return verified(self, goal, verify, chosen)
        energy = self.write_(goal, chosen)
        error = physics.conductance(self.device, self.values, self.trajectory) - goal
        count = torch.ones_like(error) if chosen is None else chosen.to(error.dtype)
        return Written(*map(self.out, (count, energy, error, torch.zeros_like(error, dtype=torch.bool))))

    def write_(self, goal: Tensor, chosen: Tensor | None) -> Tensor:
        """Write checked targets (S) once; return the energy (J) in each device, that of the pulse towards its target."""
        p, before, event = self.values, self.trajectory, self.next_event()
        after = physics.written(self.device, p, before, goal, self._draw("programming", event), self._draw("retention", event))
        if chosen is not None:
            after = chosen_from(chosen, after, before)
        own = p.of("")
        up = physics.conductance(self.device, p, before) <= goal
        pulse = Pulse(torch.where(up, own.v_set, own.v_reset), own.t_write, torch.ones_like(goal))
        energy = physics.pulse_energy(self.device, p, before, after, pulse)
        self.store(after)
        if chosen is not None:
            pulse = pulse._replace(n=chosen.to(goal.dtype))
            energy = torch.where(chosen, energy, torch.zeros_like(energy))
        if self.watch is not None:
            self.watch(DeviceEvent("write", p, pulse, before, after, energy))
        return energy

    def read_(self) -> Tensor:
        """Read every device once, with its noise: S, ``[chip, 1, ...]``."""
        p, t = self.values, self.trajectory
        g = physics.read(self.device, p, t, self._draw("noise", self.next_event()))
        if self.watch is not None:
            self.watch(physics.read_event(self.device, p, t, g, torch.ones_like(g)))
        return g

    def pulse(self, v: Any = None, *, width: Any = None, count: Any = 1) -> Tensor:
        """Apply voltage pulses; return the energy (J) in each device.

        Args:
            v: the amplitude, V; above 0 for the standard pulse's direction up. Default: the device's ``v_set``.
            width: the width of one pulse, s. Default: the device's ``t_write``.
            count: how many equal pulses, back to back; 0 leaves a device alone. A tensor: for each device.

        Raises:
            ParameterError: a width that is not above 0, a negative count, a wrong shape.
        """
        own = self.values.of("")
        made = Pulse(
            own.v_set if v is None else self.checked("v", v),
            own.t_write if width is None else self.checked("width", width),
            self.checked("count", count),
        )
        if not bool((made.width > 0).all()):
            raise ParameterError(f"{self.where}: width", "must be above 0 s", got=f"{float(made.width.min()):g}")
        if bool((made.n < 0).any()):
            raise ParameterError(
                f"{self.where}: count", "must be at least 0", got=f"{float(made.n.min()):g}", fix="Give v its sign."
            )
        return self.out(self.pulse_(made))

    def pulse_(self, pulse: Pulse) -> Tensor:
        """Apply pulses given as checked tensors, ``[chip, 1, ...]``; return the energy (J) in each device."""
        p, before, event = self.values, self.trajectory, self.next_event()
        after = physics.pulsed(self.device, p, before, pulse, self._draw("update", event), self._draw("retention", event))
        self.store(after)
        energy = physics.pulse_energy(self.device, p, before, after, pulse)
        if self.watch is not None:
            self.watch(DeviceEvent("write", p, pulse, before, after, energy))
        return energy

    def adopt(self, measured: Any, faults: Any = None) -> None:
        """Take over the state of a measured chip, as if it were written now, with the faults that its map says.

        Args:
            measured: a `ship.MeasuredArray`, or conductances (S), ``[...]`` or ``[chip, ...]``.
            faults: 0 sound, 1 stuck low, 2 stuck high, 3 open, in the same shape; default: the map of ``measured``. A map takes
                the place of what the device's faults part drew.

        Raises:
            ParameterError: a wrong shape, conductances that the device cannot take, faults that its faults part cannot hold.
        """
        adopt(self, measured, faults)

    def feel(self, kelvin: float | None) -> None:
        """Take over the temperature (K) of a network; None: each part has the reference temperature that it was given."""
        self.version, self.kelvin = self.version + (kelvin != self.kelvin), kelvin

    def wait(self, seconds: float, *, kelvin: float | None = None) -> None:
        """Leave the devices alone for ``seconds``, at a temperature (K) where the device has a thermal part.

        Without ``kelvin`` it is the temperature of their network, or where that has none the reference of their thermal part.

        Raises:
            RunError: negative or not a number, or a temperature for a device without a thermal part.
            ParameterError: the retention is not valid for such an age or conductance.
        """
        self.store(self.aged(seconds, kelvin))

    def aged(self, seconds: float, kelvin: float | None = None) -> Trajectory:
        """Return the trajectory after ``seconds``, as `wait` would leave it; the devices stay as they are.

        Raises:
            RunError, ParameterError: as `wait`.
        """
        self.check_wait(seconds, kelvin)
        kelvin = self.kelvin if kelvin is None else kelvin
        after = physics.aged(self.device, self.values, self.trajectory, float(seconds), kelvin)
        if self.device.retention is not None and seconds:
            g = self.device.update.conductance(after.x, self.values.of("update"))
            self.device.retention.valid(f"{self.where}.retention", g, after.age)
        return after

    def check_wait(self, seconds: float, kelvin: float | None) -> None:
        """Refuse a time that is no time, and a temperature that these devices do not feel.

        Raises:
            RunError: as `wait`.
        """
        check_real(f"{self.where}: seconds", seconds, "must be a number of s, at least 0", least=0.0, error=RunError)
        if kelvin is not None and (self.device.thermal is None or not (is_real(kelvin) and kelvin > 0)):
            raise RunError(
                f"{self.where}: kelvin",
                "needs a device with a thermal part, and must be above 0 K",
                got=f"{kelvin:g} K" if is_real(kelvin) else repr(kelvin),
                fix="Give the device thermal=ship.devices.Arrhenius(...).",
            )

    def conductance(self) -> Tensor:
        """Return the conductance (S) that is there now, ``[...]`` or ``[chip, ...]``; an instrument sees `read`."""
        return self.out(physics.conductance(self.device, self.values, self.trajectory))

    def read(self) -> Tensor:
        """Return the conductance (S) that one read sees, with its noise, ``[...]`` or ``[chip, ...]``."""
        return self.out(self.read_())

    def current(self, v: Any) -> Tensor:
        """Return the current (A) at ``v`` (V), ``[...]`` or ``[chip, ...]``."""
        return self.out(physics.current(self.device, self.values, self.trajectory, self.checked("v", v)))

    def window(self) -> tuple[Tensor, Tensor]:
        """Return the lowest and the highest conductance (S) of each device, after wear."""
        low, high = physics.window(self.device, self.values, self.trajectory)
        return self.out(low), self.out(high)
