"""Scatter in two parts: from device to device, and from cycle to cycle within a device.

With a measured value ``y_ij`` of cycle j on device i, ``y_ij = m + d_i + c_ij``, where d and c are independent with standard
deviations ``d2d`` and ``c2c``. A label of a column says which rows are one device; without one, nothing can be said of d2d.

Source: Searle, Casella & McCulloch, Variance Components (1992), sec. 3.6 (the analysis of variance for unequal groups).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .report import Estimate
from .solve import interval

Array = np.ndarray
LEAST = 3  # devices (or cycles of one device) from which on a spread is estimated


class Components(NamedTuple):
    """The centre and the two parts of the scatter of a quantity; None: it was not measured.

    In logarithmic scale ``centre`` is the median in the unit of the quantity, and the scatters are standard deviations of its
    natural logarithm.
    """

    centre: Estimate
    d2d: Estimate | None
    c2c: Estimate | None
    log: bool
    devices: int


def components(
    values: Array,
    devices: Sequence[str] | None,
    *,
    log: bool = False,
    unit: str = "",
    seed: int = 0,
    replicates: int = 200,
) -> Components:
    """Split the scatter of values into its parts, with intervals from devices, and cycles within them, drawn again.

    Args:
        values: the values, ``[row]``; above 0 (or all below) where ``log``.
        devices: the device of each row; None: no label says which rows are one device, and all scatter counts as c2c.
        log: whether the scatter is that of the logarithm.
        unit: the unit of the values, for texts.
        seed: the seed of the replicates.
        replicates: the number of replicates.
    """
    sign = -1.0 if log and float(np.median(values)) < 0 else 1.0
    y = np.log(sign * values) if log else np.asarray(values, dtype=float)
    groups = _groups(y, devices)
    rng = np.random.default_rng(seed)
    found = _split(groups)
    again = np.array([_split(_drawn(groups, rng)) for _ in range(replicates)])
    few = len(groups) < LEAST
    many = max(len(g) for g in groups) >= LEAST

    def back(x: Array | float) -> Array:
        return np.asarray(sign * np.exp(x) if log else x)

    ends = sorted(float(v) for v in back(np.array(interval(again[:, 0]))))
    centre = Estimate(float(back(found[0])), ends[0], ends[1], unit)
    own = "" if log else unit
    d2d = None if devices is None or few else Estimate(found[1], *interval(again[:, 1]), own)
    c2c = Estimate(found[2], *interval(again[:, 2]), own) if many else None
    return Components(centre, d2d, c2c, log, 0 if devices is None else len(groups))


def _groups(y: Array, devices: Sequence[str] | None) -> list[Array]:
    if devices is None:
        return [y]
    labels = np.asarray(devices, dtype=str)
    return [y[labels == label] for label in dict.fromkeys(labels.tolist())]


def _drawn(groups: list[Array], rng: np.random.Generator) -> list[Array]:
    picked = [groups[k] for k in rng.integers(0, len(groups), len(groups))]
    return [g[rng.integers(0, len(g), len(g))] for g in picked]


def _split(groups: list[Array]) -> tuple[float, float, float]:
    """Return the mean of devices, and both standard deviations by the analysis of variance."""
    n = np.array([len(g) for g in groups], dtype=float)
    means = np.array([g.mean() for g in groups])
    within_df = float((n - 1).sum())
    within = sum(float(((g - g.mean()) ** 2).sum()) for g in groups) / within_df if within_df > 0 else 0.0
    between = 0.0
    if len(groups) > 1:
        grand = float((n * means).sum() / n.sum())
        n0 = (n.sum() - float((n**2).sum() / n.sum())) / (len(groups) - 1)
        between = (float((n * (means - grand) ** 2).sum()) / (len(groups) - 1) - within) / n0
    return float(means.mean()), math.sqrt(max(between, 0.0)), math.sqrt(within)
