"""A chip with chosen imperfections and no others: the values of all axes of a requirement sheet, and the device that has them.

Weights are held by pairs of devices, ``w = w_max (G+ - G-) / span`` with ``span = g_max - g_min``. A weight that is written
ideally leaves each device at its share u of the window, from 0 to 1. With imperfections it leaves ``g_min + v(u) range + error``:

spread         the range of each device, ``g_max - g_min``, has this standard deviation from device to device, a fraction of span
scatter        the error of a write has this standard deviation, a fraction of span; no write ends below 0 S
on_off         ``g_max / g_min`` of the nominal device
levels         each device has so many levels, evenly spaced (`ship.devices.weights.mapping`)
nonlinearity   the device is written by counts of pulses from its low end, unread, as if its curve were straight; the value is the
               largest distance of its curve from the straight line, a fraction of span (NeuroSim's law, `NonlinearPulses`)
asymmetry      the device holds the weight of another connection of its group, and is moved to the new one by counts of pulses,
               unread, as if a pulse down undid a pulse up; it undoes ``(1 - b) / (1 + b)`` of it, so that b is the difference
               of the two steps over their sum
drift          all devices have lost this fraction of their conductance when they are read
stuck_low      this fraction of the devices is stuck at the low end of its window
stuck_high     this fraction of the devices is stuck at the high end
read_noise     each spike reads the device with independent noise of this standard deviation, a fraction of span
mismatch       thresholds (from rest) and time constants of all neurons have this standard deviation from neuron to neuron, as
               a fraction of their value, independently of each other
line           ohm: the resistance of the wire of rows and of columns for each cell; each device of a weight is in an array of
               its own, which is as large as the group, driven and sensed at one end (`ship.Crossbar`)

Sources: the definition of asymmetry is that of the resistive processing unit, Gokmen & Vlasov, Front. Neurosci. 10:333 (2016).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...base import random
from ...base.parameters import PerChip, PerSample, Varied
from ...crossbar import Crossbar
from ...devices import device as physics
from ...devices.array.write_verify import WriteVerify
from ...devices.device import Device
from ...devices.parts.faults import Stuck
from ...devices.parts.programming import GaussianProgramming
from ...devices.parts.read_noise import AdditiveNoise
from ...devices.retention.power_law import PowerDrift
from ...devices.update.nonlinear import SHARE, NonlinearPulses, curvature, curve
from ...devices.weights.mapping import Differential
from ...devices.weights.synapse import SynapseDevices
from ...models.contract import Neuron
from ...network.network import Network
from ..chips import Spread, virtual_chips

PULSES = 1000.0  # of the law by which a verification moves an imperfect device: so many that their number is no imperfection
AGE = 1.0  # s, after which the fraction `drift` is lost: the law has no other time
DIFFER = ("threshold", "time constant")  # roles of the parameters of neurons that a mismatch varies


@dataclass(frozen=True)
class Imperfections:
    """The imperfections of a chip; what is left at its default is ideal. The module says what each of them means.

    Args:
        spread, scatter, nonlinearity, read_noise: fractions of the window.
        on_off, levels: numbers.
        asymmetry, drift, stuck_low, stuck_high, mismatch: fractions.
        line: ohm.
    """

    spread: float = 0.0
    scatter: float = 0.0
    on_off: float = math.inf
    levels: float = math.inf
    nonlinearity: float = 0.0
    asymmetry: float = 0.0
    drift: float = 0.0
    stuck_low: float = 0.0
    stuck_high: float = 0.0
    read_noise: float = 0.0
    mismatch: float = 0.0
    line: float = 0.0

    def with_(self, **values: float) -> Imperfections:
        """Return these imperfections with others in place of those named."""
        return replace(self, **values)

    def device(self, g_max: float) -> Device:
        """Return the device that has these imperfections, as far as they are a device's.

        Args:
            g_max: S, the upper end of the window of the nominal device.
        """
        low = g_max / self.on_off
        span = g_max - low
        law = self.nonlinearity / SHARE
        return Device(
            name="imperfect",
            g_min=low,
            g_max=Varied(g_max, d2d_abs=self.spread * span) if self.spread else g_max,
            update=NonlinearPulses(nl_up=law, nl_down=-law, pulses_up=PULSES, pulses_down=PULSES / self.undone),
            programming=GaussianProgramming(sigma=self.scatter * span) if self.scatter else None,
            retention=PowerDrift(nu=-math.log2(1 - self.drift), t0=AGE) if self.drift else None,
            noise=AdditiveNoise(sigma=self.read_noise * span) if self.read_noise else None,
            faults=Stuck(low=self.stuck_low, high=self.stuck_high) if self.stuck_low or self.stuck_high else None,
        )

    @property
    def undone(self) -> float:
        """The fraction of a pulse up that a pulse down undoes."""
        return (1 - self.asymmetry) / (1 + self.asymmetry)

    @property
    def bends(self) -> bool:
        """Whether pulses leave devices elsewhere than one write would."""
        return bool(self.nonlinearity or self.asymmetry or self.spread)


def imperfect(
    net: Network,
    chips: int | Sequence[int],
    values: Imperfections,
    *,
    g_max: float,
    seed: int,
    verify: WriteVerify | None = None,
) -> Network:
    """Copy a trained network to chips that have some imperfections, write its weights, and leave them alone where they drift.

    Args:
        net: an initialised network.
        chips: number of chips, or die ids; equal dies have equal draws, whatever the values.
        values: the imperfections.
        g_max: S, the upper end of the window of the nominal device.
        seed: seed of all draws.
        verify: how devices are read and corrected after they were written; None: they are not.

    Raises:
        ShipError: the network cannot have them, such as wires of connections that are no matrix.
    """
    steps = None if math.isinf(values.levels) else int(values.levels)
    made = virtual_chips(
        net,
        chips,
        device=values.device(g_max),
        mapping=Differential(levels=steps),
        crossbar=Crossbar(r_row=values.line, r_col=values.line) if values.line else None,
        vary=mismatched(net, values.mismatch) if values.mismatch else (),
        seed=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what is ideal here is said on the sheet
        made.program()
        for tag, group in made.simulation("study.require").groups.items():
            if group.hardware is not None and (values.bends or verify is not None):
                _write(group.hardware, values, random.key(seed, tag, "weights before"), verify)
        if values.drift:
            made.wait(AGE)
    return made


def _write(hardware: SynapseDevices, values: Imperfections, key: int, verify: WriteVerify | None) -> None:
    """Leave devices where counts of pulses leave them, and correct them where they are verified."""
    array, view = hardware.array, hardware.view
    with torch.no_grad():
        goal = hardware.goal(hardware.wanted)
        low, high = physics.window(array.device, array.values)
        if values.bends:
            u = ((goal - view.low) / (view.high - view.low)).expand(array.full_shape)
            before = shuffled(u, key, array.die_ids, len(hardware.pairs)) if values.asymmetry else None
            array.write_(low + moved(u, values, before) * (high - low), None)
        if verify is not None:
            array.write(goal.expand(array.full_shape).squeeze(1), verify=verify)
        hardware.remember()
    hardware.changed()


def moved(u: Tensor, values: Imperfections, before: Tensor | None = None) -> Tensor:
    """Return where pulses leave devices, as a fraction of their range.

    Args:
        u: where they should be, from 0 to 1; counts of pulses are in proportion.
        values: non-linearity and asymmetry.
        before: where they should have been before; None: they begin at their low end.
    """
    if before is not None:
        u = torch.where(u < before, before - (before - u) * values.undone, u)
    return curve(u, curvature(u.new_tensor(values.nonlinearity / SHARE))) if values.nonlinearity else u


def shuffled(u: Tensor, key: int, dies: Tensor, axes: int) -> Tensor:
    """Return the states of the devices of each chip, ``[chip, 1, device, ...]``, with the connections in a random order.

    The devices of a weight stay together, and the order is a function of key and die.
    """
    flat = u.flatten(-axes)
    orders = [
        torch.randperm(flat.shape[-1], generator=torch.Generator().manual_seed(random.key(key, str(int(die))))) for die in dies
    ]
    return torch.stack([one[..., order] for one, order in zip(flat, orders, strict=True)]).reshape(u.shape)


def mismatched(net: Network, share: float) -> list[Spread]:
    """Return the variation of a network whose neurons differ, in their thresholds and time constants.

    Args:
        net: the network.
        share: the standard deviation, as a fraction: of a threshold's mean distance from rest, of a time constant's value.
    """
    found = []
    for tag, group in net.simulation("study.require").groups.items():
        if not isinstance(group.spec.model, Neuron):
            continue
        for name, declaration in group.declarations.items():
            given = getattr(group.spec.model, name, None)
            if declaration.role not in DIFFER or isinstance(given, PerSample | PerChip):
                continue
            value = group.value(name).detach().double()
            rest = (
                group.value("v_rest").detach().double()
                if declaration.role == "threshold" and "v_rest" in group.declarations
                else 0
            )
            width = share * float((value - rest).abs().mean())
            if width > 0:
                found.append(Spread(tags=[tag], names=[name], d2d_abs=width))
    return found
