"""How good must the device be: the value of a non-ideality at which the accuracy has fallen by so much.

The mean accuracy over dies is measured on a grid, from the end where it is best to the other; where it falls below the target,
the interval is halved a few times. The value is where the straight line between the last point above the target and the first one
below meets it. All points have the same dies (the same random numbers), so that the confidence interval is that of resampled
dies: each resample has a curve and a crossing of its own.

Source: Efron & Tibshirani, *An Introduction to the Bootstrap* (1993), ch. 13 (percentile interval).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..base.errors import RunError
from ..base.statistics import Interval
from ..devices.array.write_verify import WriteVerify
from ..devices.device import Device
from ..devices.weights.mapping import Mapping as DeviceMapping
from ..network.network import Network
from ..network.readout import Readout
from ..train.batches import check_again
from .chips import virtual_chips
from .curves import Curve
from .measure import accuracy

RESAMPLES = 2000


class Requirement(NamedTuple):
    """The answer, and the curve it was read from."""

    name: str
    unit: str
    value: float  # where the mean accuracy meets the target; NaN where it does not in the range
    low: float  # 95 % interval over dies; infinite at an end that lies beyond the range
    high: float
    bracketed: bool
    baseline: float  # accuracy without the non-ideality
    target: float  # baseline minus drop
    curve: Curve

    def __str__(self) -> str:
        name, unit = self.name, f" {self.unit}" if self.unit else ""
        x, means = self.curve.x, [float(v.mean()) for v in self.curve.chips]
        if self.bracketed:
            return (
                f"{name}: {self.value:.3g}{unit} (95 % interval over dies {self.low:.3g} to {self.high:.3g}) brings the accuracy "
                f"from {self.baseline:.1%} to {self.target:.1%}"
            )
        if min(means) >= self.target:
            return f"{name}: not bracketed; from {x[0]:g} to {x[-1]:g}{unit} the accuracy stays above {self.target:.1%}"
        return f"{name}: not bracketed; from {x[0]:g} to {x[-1]:g}{unit} the accuracy is nowhere above {self.target:.1%}"

    def __repr__(self) -> str:
        return str(self)


def requirement(
    net: Network,
    batches: Iterable[Sequence[Any]],
    make: Callable[[float], Device | DeviceMapping | Network],
    low: float,
    high: float,
    *,
    drop: float = 0.02,
    chips: int = 32,
    points: int = 5,
    refine: int = 3,
    log: bool = True,
    whole: bool = False,
    device: Device | None = None,
    verify: WriteVerify | None = None,
    readout: Readout | None = None,
    name: str = "value",
    unit: str = "",
    seed: int = 0,
) -> Requirement:
    """Find the value of one non-ideality at which the accuracy falls by ``drop``.

    Args:
        net: a trained network; its accuracy as it is gives the baseline.
        batches: test data; its own sampling error is not in the interval.
        make: from a value to a device, to a mapping (with ``device``), or to a network that is ready to be measured.
        low, high: range of the value. Which end is the better one is found out.
        drop: in accuracy, as a fraction of 1: 0.02 for two points.
        chips: dies of each point.
        points: of the first grid, at least 2.
        refine: halvings of the interval in which the target is met.
        log: space and interpolate logarithmically; needs ``low`` above 0.
        whole: values are whole numbers, e.g. of levels.
        device: for a mapping; default: an ideal device.
        verify: how weights are written.
        readout: from output to scores; default: the one that the network was trained with.
        name, unit: of the value.
        seed: of the resampling.

    Returns:
        The value with its interval; where the target is not met in the range, that is said instead of a number.

    Raises:
        RunError: an empty range, a drop outside (0, 1), too few points or dies; batches that are used up by one pass.
    """
    _check(low, high, drop, chips, points, refine, log)
    check_again("study.requirement: batches", batches)

    def at(value: float) -> Tensor:
        made = make(int(value) if whole else value)
        if not isinstance(made, Network):
            held, mapping = (made, None) if isinstance(made, Device) else (device or Device(), made)
            made = virtual_chips(net, chips, device=held, mapping=mapping)
            made.program(verify=verify)
        return accuracy(made, batches, readout=readout)

    to, back = (math.log, math.exp) if log else (float, float)

    def value_of(z: float) -> float:
        return float(round(back(z))) if whole else back(z)

    found = {value_of(z): None for z in np.linspace(to(low), to(high), points)}
    measured = {value: at(value) for value in found}
    baseline = float(accuracy(net, batches, readout=readout).mean())
    target = baseline - drop
    for _ in range(refine):
        bracket = _bracket(measured, target)
        if bracket is None:
            break
        middle = value_of((to(bracket[0]) + to(bracket[1])) / 2)
        if middle in measured:
            break
        measured[middle] = at(middle)
    x = sorted(measured)
    table = torch.stack([measured[v] for v in x])
    interval, bracketed = _interval([to(v) for v in x], table, target, seed)
    value, least, most = (back(z) if math.isfinite(z) else z for z in interval)
    return Requirement(
        name, unit, value, least, most, bracketed, baseline, target, Curve(name, unit, tuple(x), tuple(measured[v] for v in x))
    )


def _ordered(z: Sequence[float], means: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Points from the better end to the worse one."""
    x, y = np.asarray(z, dtype=np.float64), np.asarray(means, dtype=np.float64)
    return (x, y) if y[..., 0].mean() >= y[..., -1].mean() else (x[::-1], y[..., ::-1])


def crossing(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], target: float) -> float:
    """Where a curve, from its better end on, first falls below the target: straight lines between points. Infinite, in the
    direction of the end beyond which it lies, where it does not: it begins below, or stays above.
    """
    up = 1.0 if x[-1] >= x[0] else -1.0
    below = np.flatnonzero(y < target)
    if not len(below):
        return up * math.inf
    i = int(below[0])
    if i == 0:
        return -up * math.inf
    return float(x[i - 1] + (x[i] - x[i - 1]) * (y[i - 1] - target) / (y[i - 1] - y[i]))


def _bracket(measured: dict[float, Tensor], target: float) -> tuple[float, float] | None:
    values = sorted(measured)
    x, y = _ordered(values, [float(measured[v].mean()) for v in values])
    below = np.flatnonzero(y < target)
    return None if not len(below) or below[0] == 0 else (float(x[below[0] - 1]), float(x[below[0]]))


def _interval(z: Sequence[float], table: Tensor, target: float, seed: int) -> tuple[Interval, bool]:
    """The crossing of the mean curve and its percentile interval over dies; ``table [value, chip]``."""
    x, rows = _ordered(z, table.T.numpy())
    value = crossing(x, rows.mean(0), target)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(rows), size=(RESAMPLES, len(rows)))
    found = [crossing(x, rows[index].mean(0), target) for index in chosen]
    low, high = np.quantile(found, [0.025, 0.975], method="inverted_cdf")
    bracketed = math.isfinite(value)
    return Interval(value if bracketed else math.nan, float(low), float(high)), bracketed


def _check(low: float, high: float, drop: float, chips: int, points: int, refine: int, log: bool) -> None:
    where = "study.requirement"
    if not low < high:
        raise RunError(where, "low must be below high", got=f"low={low:g}, high={high:g}")
    if log and not low > 0:
        raise RunError(f"{where}: low", "must be above 0 on a logarithmic axis", got=f"{low:g}", fix="Use log=False.")
    if not 0 < drop < 1:
        raise RunError(f"{where}: drop", "must lie between 0 and 1: 0.02 for two points", got=f"{drop:g}")
    for name, value, least in (("chips", chips, 2), ("points", points, 2), ("refine", refine, 0)):
        if value < least:
            raise RunError(f"{where}: {name}", f"must be at least {least}", got=str(value))
