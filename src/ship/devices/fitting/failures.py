"""Failures over cycles: windows that closed, states that were not reached, devices that stay there, and how long they lived.

A read is stuck on where the off state lies above the geometric mean of both medians, and stuck off where the on state lies below
it. Successive such reads are a run: one event. A device failed for good where a run of three or more reads lasts to its end.

Sources: Clopper & Pearson, Biometrika 26:404 (1934), for shares; Garwood, Biometrika 28:437 (1936), for rates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .report import Estimate

Array = np.ndarray
CLOSED = 2.0  # on/off below which a window counts as closed
GOOD = 3  # reads to the end from which on a device failed for good
LEAST = 3  # devices that failed, for a distribution of lifetimes


class Failures(NamedTuple):
    """What failed: rows for the summary, notes, a table by device, and settings of `Wear` for lifetimes that were measured."""

    summary: dict[str, Estimate]
    notes: list[str]
    table: dict[str, Any]
    lifetime: dict[str, Any]


def count(devices: Mapping[str, tuple[Array, Array, Array]]) -> Failures:
    """Count the failures of devices, each given as cycles in order, on and off conductances (S) of the same reads."""
    summary: dict[str, Estimate] = {}
    notes: list[str] = []
    rows = sum(len(x) for x, *_ in devices.values())
    if rows == 0:
        return Failures({}, ["no cycle has reads of both states: failures were not counted"], {}, {})
    closed = runs = 0
    stuck = {"on": 0, "off": 0}
    span, table, lives, failed = 0.0, {}, [], []
    for name, (x, on, off) in devices.items():
        border = math.sqrt(float(np.median(on)) * float(np.median(off)))
        bad = on < CLOSED * off
        high, low = off > border, on < border
        closed += int(bad.sum())
        stuck["on"] += int(high.sum())
        stuck["off"] += int(low.sum())
        own = _runs(bad)
        runs += len(own)
        span += float(x[-1] - x[0])
        ended = _end(high | low | bad)
        lives.append(float(x[ended]) if ended is not None else float(x[-1]))
        failed.append(ended is not None)
        table[name or "device"] = {
            "closed": int(bad.sum()),
            "stuck on": int(high.sum()),
            "stuck off": int(low.sum()),
            "runs": len(own),
            "longest run": max((b - a for a, b in own), default=0),
            "failed at cycle": lives[-1] if ended is not None else None,
        }
        if ended is not None:
            at = "on" if high[ended:].mean() >= low[ended:].mean() else "off"
            notes.append(f"{name or 'the device'} stays {at} from cycle {x[ended]:g} on")
    summary[f"rows with on/off below {CLOSED:g}"] = share(closed, rows)
    for state, k in stuck.items():
        if k:
            summary[f"rows stuck {state}"] = share(k, rows)
    if span > 0:
        summary["runs of closed rows per cycle"] = rate(runs, span)
        if runs:
            notes.append(
                f"{runs} runs of closed rows, seen only where both states were read: a lower limit of failures per cycle"
            )
    lifetime = _lifetimes(np.array(lives), np.array(failed), summary, notes) if len(devices) > 1 else {}
    return Failures(summary, notes, table, lifetime)


def share(k: int, n: int) -> Estimate:
    """Return a share with the interval of Clopper and Pearson."""
    from scipy import stats

    ends = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    return Estimate(k / n, float(ends.low), float(ends.high))


def rate(k: int, exposure: float) -> Estimate:
    """Return a rate of events with its exact Poisson interval."""
    from scipy import stats

    low = float(stats.chi2.ppf(0.025, 2 * k)) / 2 if k else 0.0
    return Estimate(k / exposure, low / exposure, float(stats.chi2.ppf(0.975, 2 * k + 2)) / 2 / exposure, "per cycle")


def _runs(bad: Array) -> list[tuple[int, int]]:
    """Return begin and end (behind it) of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], bad.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _end(bad: Array) -> int | None:
    """Return where the run begins that lasts to the end; None: the device lived."""
    own = _runs(bad)
    return own[-1][0] if own and own[-1][1] == len(bad) and own[-1][1] - own[-1][0] >= GOOD else None


def _lifetimes(lives: Array, failed: Array, summary: dict[str, Estimate], notes: list[str]) -> dict[str, Any]:
    """Fit a Weibull and a log-normal law to cycles to failure; those that lived are censored."""
    from scipy import stats

    from ...base.parameters import Varied

    k = int(failed.sum())
    summary["devices that failed for good"] = share(k, len(lives))
    if k < LEAST:
        if k:
            notes.append(f"{k} of {len(lives)} devices failed: too few for a distribution of lifetimes")
        return {}
    data = stats.CensoredData(uncensored=lives[failed], right=lives[~failed])
    shape, _, scale = stats.weibull_min.fit(data, floc=0)
    logs = stats.CensoredData(uncensored=np.log10(lives[failed]), right=np.log10(lives[~failed]))
    middle, sigma = stats.norm.fit(logs)
    summary["cycles to failure, Weibull scale"] = Estimate(float(scale), unit="cycles")
    summary["cycles to failure, Weibull shape"] = Estimate(float(shape))
    summary["cycles to failure, median"] = Estimate(float(10**middle), unit="cycles")
    summary["cycles to failure, sigma of log10"] = Estimate(float(sigma))
    return {"decades": Varied(float(middle), d2d_abs=float(sigma))}
