"""The requirement on a device: the value of a non-ideality at which the accuracy has fallen by a given amount.

The mean accuracy over dies is measured on a grid of values. Between the last point above the target accuracy and the first one
below it, counted from the better end, the interval is halved a few times; the required value is where the straight line between
these points meets the target. All points have the same dies (the same random numbers), so that the confidence interval comes from
resampled dies: each resample has its own curve and its own crossing.

Source: Efron & Tibshirani, *An Introduction to the Bootstrap* (1993), ch. 13 (percentile interval).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict, Unpack

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
WHERE = "study.requirement"


class SearchOptions(TypedDict, total=False):
    """The options of a `Search` beside its range."""

    points: int
    refine: int
    log: bool
    whole: bool
    name: str
    unit: str


@dataclass(frozen=True)
class Search:
    """The values among which the required one is sought. A coordinate is a value, or its logarithm.

    Args:
        low, high: the range of the values.
        points: the number of values on the first grid, at least 2.
        refine: the number of times that the interval with the required value is halved.
        log: whether coordinates are logarithmic; ``low`` must then be above 0.
        whole: whether values are whole numbers, such as numbers of levels.
        name, unit: the name and the unit of the value.

    Raises:
        RunError: the range is empty, or there are too few points.
    """

    low: float
    high: float
    points: int = 5
    refine: int = 3
    log: bool = True
    whole: bool = False
    name: str = "value"
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise RunError(WHERE, "low must be below high", got=f"low={self.low:g}, high={self.high:g}")
        if self.log and not self.low > 0:
            raise RunError(f"{WHERE}: low", "must be above 0 on a logarithmic axis", got=f"{self.low:g}", fix="Use log=False.")
        _check_least("points", self.points, 2)
        _check_least("refine", self.refine, 0)

    def coordinate(self, value: float) -> float:
        """Return the coordinate of a value."""
        return math.log(value) if self.log else float(value)

    def at(self, z: float) -> float:
        """Return the value at a coordinate."""
        return math.exp(z) if self.log else float(z)

    def allowed(self, z: float) -> float:
        """Return the value at a coordinate, rounded where values are whole numbers."""
        return float(round(self.at(z))) if self.whole else self.at(z)

    def grid(self) -> list[float]:
        """Return the values of the first grid, each once."""
        ends = self.coordinate(self.low), self.coordinate(self.high)
        return list(dict.fromkeys(self.allowed(z) for z in np.linspace(*ends, self.points)))

    def between(self, a: float, b: float) -> float:
        """Return the value halfway between two others, in coordinates."""
        return self.allowed((self.coordinate(a) + self.coordinate(b)) / 2)


class Requirement(NamedTuple):
    """The required value, and the curve from which it was read."""

    name: str
    unit: str
    value: float  # where the mean accuracy meets the target; NaN if it does not in the range
    low: float  # 95 % interval over dies; an end beyond the range is infinite
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
    device: Device | None = None,
    verify: WriteVerify | None = None,
    readout: Readout | None = None,
    seed: int = 0,
    **search: Unpack[SearchOptions],
) -> Requirement:
    """Find the value of one non-ideality at which the accuracy falls by ``drop``.

    Args:
        net: a trained network, whose accuracy as it is gives the baseline.
        batches: test data; their own sampling error is not part of the interval.
        make: a function from a value to a device, to a mapping (used with ``device``), or to a network ready to be measured.
        low, high: the range of the value; either end may be the better one.
        drop: the fall in accuracy, as a fraction of 1: 0.02 for two points.
        chips: the number of dies at each point.
        device: the device used with a mapping; None for an ideal one.
        verify: the settings of closed-loop programming; None for one shot.
        readout: the map from output to scores; None for the one that the network was trained with.
        seed: the seed of the resampling.
        search: the options of a `Search`, as keywords: ``points=5``, the number of values on the first grid, at least 2;
            ``refine=3``, the number of times that the interval with the required value is halved; ``log=True``, whether values
            are spaced and interpolated logarithmically, for ``low`` above 0; ``whole=False``, whether values are whole numbers,
            such as numbers of levels; ``name="value"`` and ``unit=""`` of the value.

    Returns:
        The value with its interval. If the target is not met in the range, the result says so instead of a number.

    Raises:
        RunError: the range is empty, the drop outside (0, 1), there are too few points or dies, or one pass uses the batches up.
    """
    seek = Search(low, high, **search)
    if not 0 < drop < 1:
        raise RunError(f"{WHERE}: drop", "must lie between 0 and 1: 0.02 for two points", got=f"{drop:g}")
    _check_least("chips", chips, 2)
    check_again(f"{WHERE}: batches", batches)

    def at(value: float) -> Tensor:
        made = make(int(value) if seek.whole else value)
        if not isinstance(made, Network):
            held, mapping = (made, None) if isinstance(made, Device) else (device or Device(), made)
            made = virtual_chips(net, chips, device=held, mapping=mapping)
            made.program(verify=verify)
        return accuracy(made, batches, readout=readout)

    measured = {value: at(value) for value in seek.grid()}
    baseline = float(accuracy(net, batches, readout=readout).mean())
    target = baseline - drop
    _refine(seek, measured, target, at)
    x = sorted(measured)
    table = torch.stack([measured[v] for v in x])
    interval, bracketed = _interval([seek.coordinate(v) for v in x], table, target, seed)
    value, least, most = (seek.at(z) if math.isfinite(z) else z for z in interval)
    curve = Curve(seek.name, seek.unit, tuple(x), tuple(measured[v] for v in x))
    return Requirement(seek.name, seek.unit, value, least, most, bracketed, baseline, target, curve)


def _refine(seek: Search, measured: dict[float, Tensor], target: float, at: Callable[[float], Tensor]) -> None:
    """Measure values between the two points that enclose the target, and add them to ``measured``."""
    for _ in range(seek.refine):
        bracket = _bracket(measured, target)
        if bracket is None:
            break
        middle = seek.between(*bracket)
        if middle in measured:
            break
        measured[middle] = at(middle)


def _ordered(z: Sequence[float], means: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return points in the order from the better end to the worse one."""
    x, y = np.asarray(z, dtype=np.float64), np.asarray(means, dtype=np.float64)
    return (x, y) if y[..., 0].mean() >= y[..., -1].mean() else (x[::-1], y[..., ::-1])


def crossing(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], target: float) -> float:
    """Return where a curve, from its better end on, first falls below the target, with straight lines between points.

    The result is infinite, with the sign of the end beyond which the crossing lies, for a curve that begins below the target or
    stays above it.
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
    """Return the last value above the target and the first one below it; None if there are none."""
    values = sorted(measured)
    x, y = _ordered(values, [float(measured[v].mean()) for v in values])
    below = np.flatnonzero(y < target)
    return None if not len(below) or below[0] == 0 else (float(x[below[0] - 1]), float(x[below[0]]))


def _interval(z: Sequence[float], table: Tensor, target: float, seed: int) -> tuple[Interval, bool]:
    """Return the crossing of the mean curve with its percentile interval over dies, and whether it lies in the range.

    ``table [value, chip]`` has the accuracies.
    """
    x, rows = _ordered(z, table.T.numpy())
    value = crossing(x, rows.mean(0), target)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(rows), size=(RESAMPLES, len(rows)))
    crossings = [crossing(x, rows[index].mean(0), target) for index in chosen]
    low, high = np.quantile(crossings, [0.025, 0.975], method="inverted_cdf")
    bracketed = math.isfinite(value)
    return Interval(value if bracketed else math.nan, float(low), float(high)), bracketed


def _check_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise RunError(f"{WHERE}: {name}", f"must be at least {least}", got=str(value))
