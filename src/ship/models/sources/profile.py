"""A quantity as a function of time: points in a table, with exact means over slots, or a function that is integrated.

Between points a table is linear, or holds the last value (``steps``); before the first point it has the first value, after the
last one the last value, or it repeats. Means over slots follow from its integral, which is a closed form. A function is
integrated with the eight nodes of Gauss and Legendre: exact for polynomials up to degree 15, and to 1e-12 for a sine of up to a
quarter of a period in a slot.

Source of nodes and weights: Abramowitz & Stegun (1964), 25.4.29 (from `numpy.polynomial.legendre.leggauss`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import numbers

NODES = 8
Profile = Sequence[tuple[float, float]] | Callable[[Tensor], Tensor] | Tensor


class Table(NamedTuple):
    """Points in time with the integral up to each of them."""

    time: Tensor  # s, [point]
    value: Tensor  # [point]
    slope: Tensor  # 1/s, [point], from each point on
    integral: Tensor  # s, [point], from the first point to each


def table(where: str, points: Any, steps: bool, repeats: bool) -> Table:
    """Make a table of points ``[(seconds, value), ...]``.

    Raises:
        ParameterError: the points are not pairs of finite numbers, times do not rise, a value is negative, or a table that
            repeats does not start at 0 s or has no length.
    """
    fix = "E.g. profile=[(0.0, 1.0), (0.5, 2.0)]."
    got = numbers(where, points).double()
    if got.ndim != 2 or got.shape[1] != 2 or not len(got):
        raise ParameterError(
            where, "must be points (seconds, value), or a function of time", got=f"shape {list(got.shape)}", fix=fix
        )
    time, value = got.T.contiguous().unbind(0)
    if not bool(torch.isfinite(got).all()) or bool((value < 0).any()):
        raise ParameterError(where, "must have finite times, and values of at least 0", got=f"{got.tolist()}"[:80], fix=fix)
    if bool((time.diff() <= 0).any()):
        raise ParameterError(where, "times must rise from point to point", got=f"{time.tolist()}"[:80])
    if repeats and (len(time) < 2 or float(time[0]) != 0.0):
        raise ParameterError(
            where, "a profile that repeats must begin at 0 s and end later", got=f"{time.tolist()}"[:80], fix=fix
        )
    gaps, none = time.diff(), time.new_zeros(1)
    slope = torch.cat([none.expand(len(gaps)) if steps else value.diff() / gaps, none])
    area = gaps * (value[:-1] if steps else (value[:-1] + value[1:]) / 2)
    return Table(time, value, slope, torch.cat([none, area.cumsum(0)]))


def table_integral(of: Table, t: Tensor, repeats: bool) -> Tensor:
    """Return the integral of a table from its first point to t (s)."""
    rounds = torch.zeros_like(t)
    if repeats:
        period = of.time[-1]
        rounds = torch.floor(t / period)
        t = t - rounds * period
    i = (torch.searchsorted(of.time, t.contiguous(), right=True) - 1).clamp(min=0)
    late = t - of.time[i]  # below 0 before the first point, whose value holds there
    within = of.value[i] * late + torch.where(late > 0, of.slope[i] / 2 * late * late, 0.0)
    return rounds * of.integral[-1] + of.integral[i] + within


def function_mean(where: str, function: Callable[[Tensor], Tensor], start: Tensor, stop: Tensor) -> Tensor:
    """Return the mean of a function of time (s) from ``start`` to ``stop``.

    Raises:
        ParameterError: the function does not give a finite number of at least 0 for each time.
    """
    nodes, weights = (torch.as_tensor(v, device=start.device) for v in np.polynomial.legendre.leggauss(NODES))
    times = start.unsqueeze(-1) + (stop - start).unsqueeze(-1) * (nodes + 1) / 2
    value = torch.as_tensor(function(times), dtype=torch.float64)
    if value.shape not in (times.shape, ()):
        raise ParameterError(where, "must give a number for each time", got=f"shape {list(value.shape)} for {list(times.shape)}")
    value = value.expand(times.shape)
    low, high = (float(v) for v in torch.aminmax(value))
    if not (low >= 0 and high < math.inf):
        raise ParameterError(where, "must give finite numbers of at least 0", got=f"values from {low:g} to {high:g}")
    return (value * weights).sum(-1) / 2
