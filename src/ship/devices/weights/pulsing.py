"""Learning by pulses: from a wanted change of weight to voltage pulses on the devices that hold it.

A change ``dw`` (V) is ``n = round(dw / step)`` counts. One count is one standard pulse on each device that learns:

both   up where the weight rises with the device, down where it falls (for a pair: up on plus, down on minus)
up     only the devices that move the weight when they are potentiated; they fill up, and are written anew by a refresh
plus   only the devices that the weight rises with; the others stay as the reference

Rounding is stochastic, ``floor(x) + (u < x - floor(x))``, whose mean is x, or to the nearest. ``u`` depends on the seed, the
group, the die, the number of the array's event and the connection: not on the batch, the engine or the other dies.

With a bias scheme every pulse ``v`` on one cell of the crossbar (a row for each source unit, a column for each device of each
target unit) disturbs others through the same physics, after the pulses of the event, first those up and then those down:

V/2    v / 2 on the other cells of its row and of its column
V/3    v / 3 on these, and -v / 3 on all cells beside

Pulses take no time of the run: they are much shorter than a slot. A slot of learning takes the same number of the array's events
whether there are pulses or not, so that a die draws the same numbers alone and among others.

Source: Gokmen & Vlasov, Front. Neurosci. 10:333 (2016) (stochastic pulses); Chen, IEEE Trans. Electron Devices 60:1318 (2013)
(bias schemes).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ...base import random
from ...base.checks import check_choice, check_real, check_whole
from ...base.errors import GraphError, RunError
from ...base.parameters.bag import Bag
from .. import device as physics
from ..array.array import DeviceArray
from ..array.few import pulse_few
from ..contract import Pulse
from ..device import Device
from .mapping import BitSliced, Mapping, Offset

ROUNDINGS, HOWS = ("stochastic", "nearest"), ("both", "up", "plus")
FRACTIONS = {"V/2": 1 / 2, "V/3": 1 / 3}
EVENTS = {None: 1, "V/2": 3, "V/3": 5}  # of the array, for each slot of learning


@dataclass(frozen=True, kw_only=True)
class Pulsing:
    """Settings by which changes of weight become pulses.

    Args:
        step: the change (V) that one count stands for; None: the change that one count makes on nominal devices in mid-window,
            the mean of up and down.
        rounding: "stochastic" or "nearest"; the nearest forgets changes below half a step.
        how: the devices that get pulses: "both", "up" or "plus".
        most: the largest count for one weight in one slot (or step of an optimiser), up or down.
        bias: the bias scheme of other cells: "V/2" or "V/3", by which they are half-selected; None: they feel nothing.
    """

    step: float | None = None
    rounding: str = "stochastic"
    how: str = "both"
    most: int = 100
    bias: str | None = None

    def __post_init__(self) -> None:
        if self.step is not None:
            check_real("Pulsing.step", self.step, "must be a number above 0 V", above=0.0)
        for name, choices in (("rounding", ROUNDINGS), ("how", HOWS), ("bias", tuple(EVENTS))):
            check_choice(f"Pulsing.{name}", getattr(self, name), choices)
        check_whole("Pulsing.most", self.most, 1)

    def check(self, where: str, mapping: Mapping, sparse: bool) -> None:
        """Refuse devices that cannot learn by pulses in this way.

        Raises:
            GraphError: a weight in digits, potentiation alone of a single device, a bias on edges.
        """
        if isinstance(mapping, BitSliced):
            raise GraphError(
                f"{where}.mapping",
                "cannot learn by pulses: one pulse on one digit is not a fixed step of the weight",
                got="BitSliced",
                fix="Use ship.Differential() or ship.Offset().",
            )
        if isinstance(mapping, Offset) and self.how == "up":
            raise GraphError(
                f"{where}.learning",
                "how='up' needs a pair of devices",
                got="Offset",
                fix="Use ship.Differential(), or how='both'.",
            )
        if sparse and self.bias is not None:
            raise GraphError(
                f"{where}.learning", "a bias scheme needs all pairs of units", got="connect=", fix="Leave bias= or connect= out."
            )


class NominalStep(NamedTuple):
    """The effect of one standard pulse on the nominal device in mid-window, as fractions of the window as it is read."""

    up: float
    down: float


def nominal_step(device: Device) -> NominalStep:
    """Return the effect of one standard pulse up, and of one down, without variation and noise."""
    array = DeviceArray(device.bare, 3, variation=False, dtype=torch.float64)
    p, (low, high) = array.values, array.window()
    array.write(torch.stack([low[0], high[1], (low[2] + high[2]) / 2]))
    own, before = p.of(""), array.trajectory
    read_low, read_high, middle = (float(g) for g in _seen(array, before).flatten())
    xi = (torch.zeros((1, 1, 1)),) * device.update.normals  # with the axes of devices: some laws stack them
    moved = []
    for v in (own.v_set, own.v_reset):
        after = device.update.pulse(before.x, Pulse(v, own.t_write, torch.ones(3, dtype=torch.float64)), p.of("update"), xi)
        seen = float(_seen(array, before._replace(x=after)).flatten()[2])
        moved.append(abs(seen - middle) / (read_high - read_low))
    return NominalStep(*moved)


def _seen(array: DeviceArray, t: physics.Trajectory) -> Tensor:
    v = array.values.of("").v_read
    return (physics.current(array.device, array.values, t, v) / v).expand(1, 1, *array.shape)


def shares(n: Tensor, signs: Sequence[float], how: str, dim: int) -> Tensor:
    """Return counts ``n`` for each weight as signed pulses on its devices, along a new axis ``dim``; above 0: up."""
    return torch.stack([share(n, sign, how) for sign in signs], dim)


def share(n: Tensor, sign: float, how: str) -> Tensor:
    """Return counts ``n`` for each weight as signed pulses on one of its devices, that of this sign; above 0: up."""
    if how == "plus" and sign < 0:
        return torch.zeros_like(n)
    own = n if sign > 0 else -n
    return own.clamp(min=0) if how == "up" else own


def signed_pulse(signed: Tensor, own: Bag) -> Pulse:
    """Return standard pulses, up where their number is above 0; ``own``: the parameters of the devices."""
    return Pulse(torch.where(signed > 0, own.v_set, own.v_reset), own.t_write, signed.abs())


def unit_step(device: Device, mapping: Mapping, how: str) -> float:
    """Return the change of weight by one count on nominal devices in mid-window, as a fraction of full scale."""
    up, down = nominal_step(device)
    total = 0.0
    for n in (1.0, -1.0):
        for share, pulses in zip(mapping.signs(), shares(torch.tensor(n), mapping.signs(), how, 0).tolist(), strict=True):
            total += n * share * (up if pulses > 0 else -down if pulses < 0 else 0.0)
    return total / 2


def rounded(x: Tensor, rounding: str, most: int, u: Tensor | None) -> Tensor:
    """Round ``x`` to whole numbers, at most ``most`` in size; ``u``: uniform numbers for stochastic rounding.

    A whole x stays as it is. (``floor(x + u)`` would not do: in float32 ``5 + u`` rounds to 6 for the largest u below 1.)
    """
    if rounding == "nearest":
        return torch.round(x).clamp(-most, most)
    assert u is not None
    whole = torch.floor(x)
    return (whole + (u < x - whole).to(x.dtype)).clamp(-most, most)


def within(change: Tensor, weight: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return the part of a change that does not lead over the bounds; no change stays none, wherever the weight is."""
    zero = torch.zeros_like(change)
    up = torch.minimum(change.clamp(min=0), torch.maximum(high - weight, zero))
    return up + torch.maximum(change.clamp(max=0), torch.minimum(low - weight, zero))


def half_selected(n: Tensor) -> tuple[Tensor, Tensor]:
    """Return how many pulses on cells, ``[..., device, row, column]``, half-select each cell, and how many pass it by."""
    row, column = n.sum((-3, -1), keepdim=True), n.sum(-2, keepdim=True)
    return row + column - 2 * n, n.sum((-3, -2, -1), keepdim=True) - row - column + n


def deliver(array: DeviceArray, pulse: Pulse, bias: str | None) -> None:
    """Apply pulses ``[chip, 1, device, ...]`` to an array, and to other cells the disturbance of a bias scheme.

    Where the amplitudes of an event differ, the largest of each polarity is that of the lines.
    """
    events = int(array.events)
    if bool((pulse.n > 0).any()):
        if bias is not None or not pulse_few(array, pulse):
            array.pulse_(pulse)
        axes = tuple(range(1, 2 + len(array.shape)))
        for i, up in enumerate((True, False)) if bias is not None else ():
            ours = (pulse.v > 0) if up else (pulse.v < 0)
            n = torch.where(ours, pulse.n, torch.zeros_like(pulse.n))
            if not bool((n > 0).any()):
                continue
            size = torch.where(n > 0, pulse.v.abs(), torch.zeros_like(n)).amax(axes, keepdim=True)
            v = FRACTIONS[str(bias)] * (size if up else -size)
            width = torch.where(n > 0, pulse.width, torch.zeros_like(n)).amax(axes, keepdim=True)
            width = torch.where(width > 0, width, torch.ones_like(width))  # a chip without pulses has no width
            near, far = half_selected(n)
            for j, (volt, count) in enumerate(((v, near), (-v, far)) if bias == "V/3" else ((v, near),)):
                array.events.fill_(events + 1 + i * (EVENTS[bias] // 2) + j)
                array.pulse_(Pulse(volt, width, count))
    array.events.fill_(events + EVENTS[bias])


class Delivery(NamedTuple):
    """The pulses of one event, as they are logged."""

    event: int  # the array's
    time: float  # s
    cells: Tensor  # [pulse, chip + 0 + device + ...]: index in the array
    v: Tensor  # V
    width: Tensor  # s
    n: Tensor


class Pulser:
    """The pulse generator of one array: it turns changes of weight into pulses, and logs them where asked.

    Args:
        array: the devices, ``[chip, 1, device, ...]``.
        mapping: how weights become conductances.
        pulsing: the settings.
        where: the group's name, for errors.
    """

    def __init__(self, array: DeviceArray, mapping: Mapping, pulsing: Pulsing, where: str) -> None:
        self.array, self.mapping, self.pulsing, self.where = array, mapping, pulsing, where
        self.time = 0.0  # s of runs, for the list
        self.log: list[Delivery] | None = None
        self._unit: float | None = None

    def step(self, w_max: float) -> float:
        """Return the change (V) that one count stands for, at a weight of ``w_max`` (V) at full scale.

        Raises:
            RunError: a standard pulse does not move the nominal device.
        """
        if self.pulsing.step is not None:
            return self.pulsing.step
        if self._unit is None:
            self._unit = unit_step(self.array.device, self.mapping, self.pulsing.how)
        if not self._unit > 0:
            raise RunError(
                f"{self.where}.learning",
                "a standard pulse does not move the nominal device in mid-window",
                fix="Give Pulsing(step=...), or the device larger v_set, v_reset or t_write.",
            )
        return self._unit * w_max

    def not_finite(self) -> RunError:
        """Return the error of a change of weight that is no number."""
        return RunError(f"{self.where}.learning", "a change of weight must be finite", got="NaN or infinity")

    def key(self) -> int:
        """Return the key of the draws of stochastic rounding."""
        return random.key(self.array.seed, self.array.tag, "pulses")

    def passed(self, slots: int, seconds: float) -> None:
        """Count so many slots of learning, of so many seconds each, whose pulses were applied elsewhere."""
        for _ in range(slots):  # added one by one, as slots that are learnt one by one are
            self.time += seconds
        self.array.events += slots * EVENTS[self.pulsing.bias]

    def counts(self, change: Tensor, w_max: float) -> Tensor:
        """Return whole counts for changes (V), ``[chip, 1, pre, post]`` or ``[chip, 1, edge]``, as the next event draws."""
        if not bool(torch.isfinite(change).all()):
            raise self.not_finite()
        array, x, u = self.array, change / self.step(w_max), None
        if self.pulsing.rounding == "stochastic":
            pairs = array.shape[1:]
            u = random.uniform(
                self.key(),
                chip=array.die_ids.cpu(),
                sample=torch.zeros(1, dtype=torch.int64),
                slot=(array.events + 1).reshape(1).cpu(),
                trial=0,
                n=math.prod(pairs),
                dtype=x.dtype,
                device=x.device,
            )[0].reshape(len(array.die_ids), 1, *pairs)
        return rounded(x, self.pulsing.rounding, self.pulsing.most, u)

    def apply(self, change: Tensor, w_max: float) -> bool:
        """Apply pulses towards changes of weight (V); return whether there were pulses."""
        array, bias = self.array, self.pulsing.bias
        n = self.counts(change, w_max) if bool((change != 0).any()) else None
        if n is None or not bool((n != 0).any()):
            array.events += EVENTS[bias]
            return False
        signed = shares(n, self.mapping.signs(), self.pulsing.how, 2).expand(array.full_shape)
        pulse = signed_pulse(signed, array.values.of(""))
        if self.log is not None:
            self._keep(self.log, pulse)
        deliver(array, pulse, bias)
        return True

    def _keep(self, log: list[Delivery], pulse: Pulse) -> None:
        cells = (pulse.n > 0).nonzero()
        v, width, n = (part.expand(pulse.n.shape)[tuple(cells.T)] for part in pulse)
        log.append(Delivery(int(self.array.events) + 1, self.time, cells, v, width, n))
