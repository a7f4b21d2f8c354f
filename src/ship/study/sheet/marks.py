"""Where a device stands on the axes of a requirement sheet, each with its origin; what was not measured has no value.

Direct    on/off ratio: of the nominal window. Stuck devices: the fractions of its faults. Non-linearity: the largest distance of
          the nominal curve of pulses up (to 99 % of the window) from the straight line between its ends.
By error  spread, scatter, read noise, drift, levels and asymmetry: the value on the axis that makes the same error of the weights
          of this network (`weight_error`) as the device's own property does, all else of the device ideal. So a law of whatever
          form has a place on the axis; the network's weights decide which conductances count. A device that is written by pulses
          gets the counts of its nominal curve, without rounding (rounding is the levels).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ...base import random
from ...base.errors import ShipError
from ...devices import device as physics
from ...devices.array.array import DeviceArray
from ...devices.array.write_verify import Curves
from ...devices.contract import Pulse
from ...devices.device import Device
from ...devices.parts.faults import Stuck
from ...devices.parts.programming import LevelProgramming
from ...devices.provenance import Origin
from ...devices.weights.mapping import Differential
from ...devices.weights.synapse import SynapseDevices
from ...network.network import Network
from .. import idealise, ways
from ..chips import virtual_chips
from ..measure import weight_error
from .axes import KINDS
from .findings import Mark
from .imperfections import Imperfections, imperfect, shuffled

CHIPS = 4  # on which an error of weights is measured: it is a mean over all weights
TINY = 1e-5  # of full scale: an error below it is none
MOST_LEVELS = 10_000
TOP = 0.99  # of the window, up to which a curve of pulses is followed
FACT = {
    "spread": "d2d",
    "scatter": "c2c",
    "levels": "update",
    "nonlinearity": "update",
    "asymmetry": "update",
    "drift": "retention",
    "stuck_low": "faults",
    "stuck_high": "faults",
    "read_noise": "noise",
}


@dataclass(frozen=True)
class Bench:
    """What marks are found with.

    Args:
        net: the trained network.
        device: the device.
        g_max: S, of the window of the axes.
        seed: the seed of the chips.
        wait: s, after which drift is read.
    """

    net: Network
    device: Device
    g_max: float
    seed: int
    wait: float

    def error(self, made: Network) -> float:
        """Return the error of the weights of chips, a fraction of full scale."""
        return float(weight_error(made).square().mean().sqrt())

    def of(self, values: Imperfections) -> float:
        """Return the error of the weights of chips with imperfections."""
        return self.error(imperfect(self.net, CHIPS, values, g_max=self.g_max, seed=self.seed))

    def only(self, *names: str) -> Device:
        """Return the device with some of its properties, all others ideal (`ship.study.idealise`), and without drift."""
        made = replace(self.device, retention=None, origins={})
        for name in ("spread", "scatter", "read noise", "faults"):
            if name not in names:
                made = idealise.without(made, name) or made
        return replace(made, endurance=None)

    @property
    def way(self) -> str:
        """The way of writing that is not checked, and so shows most of the device; empty: there is none."""
        order = (ways.LEVELS, ways.PULSES, ways.ONE_SHOT) if ways.two_states(self.device) else (ways.PULSES, ways.ONE_SHOT)
        return next((way for way in order if not ways.lacks(self.device, way)), "")

    def written(self, device: Device, way: str, *, whole: bool = False) -> Network:
        """Return chips of a device, written in a way."""
        made = virtual_chips(self.net, CHIPS, device=device, mapping=ways.mapping_for(self.net, way), seed=self.seed)
        ways.write(made, way, whole=whole)
        return made


def mark(name: str, bench: Bench) -> Mark:
    """Find where a device stands on an axis.

    Args:
        name: the name of the axis.
        bench: device and network.
    """
    kind = KINDS[name]
    if kind.of != "device":
        return Mark(status="none", text=f"not a property of the device, but of the {kind.of}: nothing says what it is")
    origin = _origin(name, bench.device)
    if origin.status == "missing":
        return Mark(status="missing", text=origin.where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            value, text = _FOUND[name](bench)
        except ShipError as error:
            return Mark(status=origin.status, text=f"{origin.where}; cannot be told: {error}")
    return Mark(value, origin.status, "; ".join(part for part in (origin.where, text) if part))


def _origin(name: str, device: Device) -> Origin:
    if name == "on_off":
        ends = [device.origin_of(end) for end in ("g_min", "g_max")]
        return max(ends, key=lambda origin: ("measured", "assumed", "missing").index(origin.status))
    if name == "levels" and not ways.has_pulses(device) and device.programming is not None:
        return device.origin_of("programming")
    return device.origin_of(FACT[name])


def _added(bench: Bench, name: str) -> tuple[float, str]:
    """Return the error that one property adds to that of the way of writing alone."""
    way = bench.way
    if not way:
        return math.nan, "it is not known how the device is written, so its effect is not known"
    none, some = (bench.error(bench.written(bench.only(*names), way)) for names in ((), (name,)))
    return _root(some, none), f"as written {way}, by the same error of the weights"


def _root(some: float, none: float) -> float:
    error = math.sqrt(max(0.0, some**2 - none**2))
    return error if error > TINY else 0.0


def _linear(name: str, at: float) -> Callable[[Bench, float], float]:
    """Return what turns an error of weights into a value of an axis on which it is in proportion to the value."""

    def value(bench: Bench, error: float) -> float:
        return at * error / bench.of(Imperfections().with_(**{name: at})) if error else 0.0

    return value


def _by_property(axis: str, property_: str, at: float) -> Callable[[Bench], tuple[float, str]]:
    convert = _linear(axis, at)

    def found(bench: Bench) -> tuple[float, str]:
        error, text = _added(bench, property_)
        return (error if math.isnan(error) else convert(bench, error)), text

    return found


def _read_noise(bench: Bench) -> tuple[float, str]:
    if bench.device.noise is None:
        return 0.0, ""
    quiet = bench.only("read noise")
    error = _root(*(_exact(bench, device) for device in (quiet, replace(quiet, noise=None))))
    return _linear("read_noise", 0.05)(bench, error), "by the same error of the weights in one read"


def _exact(bench: Bench, device: Device, wait: float = 0.0) -> float:
    """Return the error of weights that were written exactly."""
    made = virtual_chips(bench.net, CHIPS, device=replace(device, programming=None), mapping=Differential(), seed=bench.seed)
    made.program()
    if wait:
        made.wait(wait)
    return bench.error(made)


def _drift(bench: Bench) -> tuple[float, str]:
    law = bench.device.retention
    if law is None:
        return 0.0, ""
    wait = min(bench.wait, law.oldest)
    error = _exact(bench, replace(bench.only(), retention=law), wait)
    short = "" if wait == bench.wait else f", up to where its law is valid; {bench.wait:g} s were asked for"
    return _linear("drift", 0.05)(
        bench, error if error > TINY else 0.0
    ), f"after {wait:g} s{short}, by the same error of the weights"


def _on_off(bench: Bench) -> tuple[float, str]:
    return idealise.ratio(bench.device), ""


def _levels(bench: Bench) -> tuple[float, str]:
    device = bench.device
    if ways.two_states(device) or (ways.writes_two(device) and not ways.has_pulses(device)):
        return 2.0, "two states"
    if isinstance(device.programming, LevelProgramming) and device.programming.of == "device":
        return float(device.programming.levels), "levels of its writes"
    if not ways.has_pulses(device):
        return math.nan, "any conductance of its window can be written, so it has no levels"
    quiet = bench.only()
    error = _root(*(bench.error(bench.written(quiet, ways.PULSES, whole=whole)) for whole in (True, False)))
    text = "counts of pulses are whole; by the same error of the weights"
    if not error:
        return float(MOST_LEVELS), f"at least; {text}"
    last = 64.0
    counts = [float(n) for n in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, last)]
    errors = [bench.of(Imperfections(levels=n)) for n in counts]
    if error < errors[-1]:  # rounding errors are in proportion to the distance of two levels
        return min(float(MOST_LEVELS), 1 + (last - 1) * errors[-1] / error), text
    return _inverse(counts, errors, error), text


def _inverse(values: Sequence[float], errors: Sequence[float], error: float) -> float:
    """Return the value at which an axis makes an error, on straight lines of the logarithms; beyond the ends, the ends."""
    order = np.argsort(errors)
    at = np.interp(math.log(error), np.log(np.array(errors)[order]), np.log(np.array(values)[order]))
    return float(np.exp(at))


def _nonlinearity(bench: Bench) -> tuple[float, str]:
    if not ways.has_pulses(bench.device):
        return math.nan, "it is not moved by pulses"
    u, count = _curve(bench.only())
    return float((count / count[-1] - u / u[-1]).abs().max()), "of the nominal curve up"


def _curve(device: Device) -> tuple[Tensor, Tensor]:
    """Return shares of the window, and how many pulses take the nominal device there."""
    array = DeviceArray(replace(device, correlated=(), origins={}), 1, variation=False, dtype=torch.float64)
    low, high = array.window()
    u = torch.linspace(0.0, TOP, 200, dtype=torch.float64)
    return u, Curves(array.device, array.values, low).from_bottom(low + u * (high - low))


def _asymmetry(bench: Bench) -> tuple[float, str]:
    if not ways.has_pulses(bench.device):
        return math.nan, "it is not moved by pulses"
    made = virtual_chips(
        bench.net, CHIPS, device=replace(bench.only(), programming=None), mapping=Differential(), seed=bench.seed
    )
    made.program()
    for tag, group in made.simulation("study.require").groups.items():
        if group.hardware is not None:
            _rewrite(group.hardware, random.key(bench.seed, tag, "weights before"))
    error = bench.error(made)
    text = "rewritten from other weights by counts of the nominal curve up, by the same error of the weights"
    if error < TINY:
        return 0.0, text
    values = [0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 0.99]
    errors = [bench.of(Imperfections(asymmetry=b)) for b in values]
    return (values[0] * error / errors[0] if error < errors[0] else _inverse(values, errors, error)), text


def _rewrite(hardware: SynapseDevices, key: int) -> None:
    """Move devices from the states of other weights to their own, by as many pulses as would do so on the curve up."""
    array, view = hardware.array, hardware.view
    with torch.no_grad():
        goal = hardware.goal(hardware.wanted).expand(array.full_shape)
        top = view.low + TOP * (view.high - view.low)
        goal = goal.clamp(max=top)
        before = shuffled(goal, key, array.die_ids, len(hardware.pairs))
        array.write_(before, None)
        curves = Curves(array.device, array.nominal, goal)
        count = curves.from_bottom(goal) - curves.from_bottom(before)
        p, own, t = array.values, array.values.of(""), array.trajectory
        v, size, still = torch.where(count > 0, own.v_set, own.v_reset), count.abs(), torch.zeros_like(count)
        xi = (still,) * physics.draws(array.device, p.cycles, "update")
        ends = [
            array.device.update.conductance(
                physics.pulsed(array.device, p, t, Pulse(v, own.t_write, n), xi, t.kept).x, p.of("update")
            )
            for n in (size.floor(), size.floor() + 1)
        ]
        array.write_(ends[0] + (size - size.floor()) * (ends[1] - ends[0]), None)
    hardware.changed()


def _stuck(name: str) -> Callable[[Bench], tuple[float, str]]:
    def found(bench: Bench) -> tuple[float, str]:
        faults = bench.device.faults
        if faults is None:
            return 0.0, ""
        if not isinstance(faults, Stuck):
            return math.nan, f"its faults are of the kind {type(faults).__name__}, which has no such fraction"
        values = DeviceArray(replace(bench.device, origins={}), 1, variation=True).values.of("faults")
        opened = float(values.open.mean())
        text = f"and {opened:.2g} of the devices are open, which is not on this axis" if opened else ""
        return float(getattr(values, name).mean()), text

    return found


_FOUND: dict[str, Callable[[Bench], tuple[float, str]]] = {
    "spread": _by_property("spread", "spread", 0.05),
    "scatter": _by_property("scatter", "scatter", 0.05),
    "on_off": _on_off,
    "levels": _levels,
    "asymmetry": _asymmetry,
    "nonlinearity": _nonlinearity,
    "drift": _drift,
    "stuck_low": _stuck("low"),
    "stuck_high": _stuck("high"),
    "read_noise": _read_noise,
}
