"""Curves: the accuracy of all dies against a property of the device. Each point is one run over the chip axis."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ..base.errors import RunError, ShipError
from ..base.statistics import Interval, mean_interval
from ..devices.array.write_verify import WriteVerify
from ..devices.device import Device
from ..devices.weights.mapping import Differential
from ..devices.weights.mapping import Mapping as DeviceMapping
from ..network.network import Network
from ..network.readout import Readout
from ..train.batches import check_again
from .chips import Spread, virtual_chips
from .measure import accuracy, summary


@dataclass(frozen=True)
class Curve:
    """Accuracies along a property: those of all dies, ``[chip]``, for each value of ``x``."""

    name: str
    unit: str
    x: tuple[float, ...]
    chips: tuple[Tensor, ...]

    def __repr__(self) -> str:
        return f"Curve({self.name}, {len(self.x)} points, {len(self.chips[0]) if self.chips else 0} chips)"

    @property
    def intervals(self) -> list[Interval]:
        """The mean over dies and its 95 % interval at each point; a single die has no interval."""
        return [mean_interval(v) if len(v) > 1 else Interval(float(v[0]), float(v[0]), float(v[0])) for v in self.chips]

    def table(self, title: str = "") -> Any:
        """Return a `rich` table, which prints as text."""
        from ..base.display.tables import PrintedTable

        table = PrintedTable(title=title or f"Accuracy against {self.name}")
        for column in (self.name, "mean", "95 % interval of the mean", "std", "worst chip", "best chip"):
            table.add_column(column, justify="right")
        for at, values in zip(self.x, self.chips, strict=True):
            label = f"{at:g} {self.unit}".strip()
            if len(values) == 1:
                table.add_row(label, f"{float(values[0]):.1%}", *[""] * 4)
                continue
            mean, worst, best, std, _ = summary(values)
            table.add_row(
                label, f"{mean.value:.1%}", f"{mean.low:.1%} to {mean.high:.1%}", f"{std:.1%}", f"{worst:.1%}", f"{best:.1%}"
            )
        return table

    def plot(self, *, lines: Mapping[str, float] | None = None, log: bool | None = None, title: str = "") -> Any:
        """Return a Matplotlib figure, see `ship.plot.accuracy`; the axis is logarithmic where all values are above 0."""
        from .. import plot

        log = min(self.x) > 0 if log is None else log
        label = f"{self.name} ({self.unit})" if self.unit else self.name
        return plot.accuracy(self.x, self.intervals, chips=self.chips, lines=lines, xlabel=label, log=log, title=title)


def sweep(
    build: Callable[[float], Network],
    values: Iterable[float],
    batches: Iterable[Sequence[Any]],
    *,
    readout: Readout | None = None,
    name: str = "value",
    unit: str = "",
) -> Curve:
    """Measure the accuracy of all dies for each value of a property.

    Args:
        build: function from a value to a network that is ready to be measured, e.g. made by `virtual_chips` and programmed.
        values: values of the property, in the order in which they are measured.
        batches: test data that can be gone through for each value.
        readout: function from the output to scores; default: the one that the network was trained with.
        name, unit: name and unit of the property.

    Raises:
        RunError: no values; what `build` and `accuracy` raise for the first value.

    Warns:
        UserWarning: an error at a later value, where the curve ends.
    """
    wanted = [float(value) for value in values]
    if not wanted:
        raise RunError("study.sweep: values", "must be at least one", got="none")
    return _measured("study.sweep", name, unit, wanted, batches, lambda value: accuracy(build(value), batches, readout=readout))


def _measured(where: str, name: str, unit: str, values: Sequence[float], batches: Any, at: Callable[[float], Tensor]) -> Curve:
    """Measure a curve point by point. An error after the first point ends it with a warning, and what was measured is kept."""
    if len(values) > 1:
        check_again(f"{where}: batches", batches)
    chips: list[Tensor] = []
    for value in values:
        try:
            chips.append(at(value).reshape(-1))
        except ShipError as error:
            if not chips:
                raise
            text = f"{where}: ends after {len(chips)} of {len(values)} points, before {name} {value:g} {unit}".rstrip()
            warnings.warn(f"{text}: {error}", UserWarning, stacklevel=3)
            break
    return Curve(name, unit, tuple(map(float, values[: len(chips)])), tuple(chips))


def drift_curve(
    net: Network,
    batches: Iterable[Sequence[Any]],
    times: Sequence[float],
    *,
    readout: Readout | None = None,
    verify: WriteVerify | None = None,
    kelvin: float | None = None,
    before: Callable[[Network], Any] | None = None,
) -> Curve:
    """Measure the accuracy against the time since the weights were written.

    They are written once, then left alone from each time to the next, so that every device keeps its own trajectory. The devices
    stay as they are at the last time.

    Args:
        net: a network with devices.
        batches: test data.
        times: times since writing in s, increasing, from 0 on.
        readout: function from the output to scores; default: the one that the network was trained with.
        verify: how the weights are written, see `Network.program`.
        kelvin: temperature (K) of devices with a thermal part.
        before: function that is called with the network before each measurement, e.g. ``lambda net: net.compensate()``.

    Raises:
        RunError: times that do not increase; what `Network.program` and `Network.wait` raise.
        ParameterError: the last time is beyond what a device's retention was made for: nothing is measured then.

    Warns:
        UserWarning: no device has a law of retention; an error at a later time, where the curve ends.
    """
    spans = [b - a for a, b in zip([0.0, *times], times, strict=False)]
    if not spans or spans[0] < 0 or any(span <= 0 for span in spans[1:]):
        raise RunError("study.drift_curve: times", "must increase, from 0 s on", got=repr(list(times)))
    net.program(verify=verify)
    devices = [group.hardware for group in net._ready("study.drift_curve").groups.values() if group.hardware is not None]
    if not any(hardware.ages for hardware in devices):
        warnings.warn(
            "study.drift_curve: nothing changes with time, for no device has a law of retention (retention=)",
            UserWarning,
            stacklevel=2,
        )
    for hardware in devices:
        hardware.array.aged(times[-1], kelvin=kelvin)
    left = iter(spans)

    def at(_: float) -> Tensor:
        net.wait(next(left), kelvin=kelvin)
        if before is not None:
            before(net)
        return accuracy(net, batches, readout=readout)

    return _measured("study.drift_curve", "time since writing", "s", times, batches, at)


def level_curve(
    net: Network,
    batches: Iterable[Sequence[Any]],
    levels: Sequence[int],
    *,
    chips: int = 32,
    device: Device | None = None,
    mapping: DeviceMapping | None = None,
    readout: Readout | None = None,
    verify: WriteVerify | None = None,
) -> Curve:
    """Measure the accuracy against the number of levels of a device, to which weights are rounded before they are written.

    A pair of n-level devices makes 2 n - 1 weights, see `ship.devices.weights.mapping`.

    Args:
        net: a trained network.
        batches: test data.
        levels: numbers of levels, at least 2; of an offset at least 3.
        chips: number of dies.
        device: device that holds the weights; default: an ideal device.
        mapping: how weights become conductances, with all but its levels; default: a differential pair.
        readout, verify: as in `drift_curve`.
    """

    def build(n: float) -> Network:
        own = replace(mapping or Differential(), levels=int(n))
        made = virtual_chips(net, chips, device=device or Device(), mapping=own)
        made.program(verify=verify)
        return made

    return sweep(build, levels, batches, readout=readout, name="levels of a device")


def spread_curve(
    net: Network,
    batches: Iterable[Sequence[Any]],
    fractions: Sequence[float],
    *,
    role: str | None = None,
    tags: Sequence[str] = (),
    names: Sequence[str] = (),
    chips: int = 32,
    readout: Readout | None = None,
) -> Curve:
    """Measure the accuracy against the variation from device to device of parameters chosen by role, group or name.

    ``fractions`` are values of ``d2d``; the parameters are the weights by default.
    """

    def build(fraction: float) -> Network:
        return virtual_chips(net, chips, vary=Spread(role=role, tags=tags, names=names, d2d=fraction))

    return sweep(build, fractions, batches, readout=readout, name=f"spread of {role or ', '.join(names) or 'weight'}")
