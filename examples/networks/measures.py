"""What the spikes of a population say: rates with intervals, irregularity of single units, and synchrony of all."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Spikes(NamedTuple):
    """The spikes of a population in a stretch of time."""

    time: NDArray[np.float64]  # s, from the beginning of the stretch, sorted
    unit: NDArray[np.int64]
    n: int  # units
    duration: float  # s


class Activity(NamedTuple):
    """Measures of the spikes of a population."""

    rate: float  # Hz, mean over units and time
    half_width: float  # Hz, of the 95 % interval of the mean over time
    cv: float  # coefficient of variation of intervals, mean over units: 0 for a clock, 1 for a Poisson process
    synchrony: float  # variance over mean of the number of spikes in all units within 1 ms: 1 for independent Poisson processes
    frequency: float  # Hz, of the largest peak of the spectrum of the population's activity

    def __str__(self) -> str:
        return (
            f"{self.rate:7.2f} +- {self.half_width:.2f} Hz, CV {self.cv:.2f}, synchrony {self.synchrony:.1f}, "
            f"peak at {self.frequency:.0f} Hz"
        )


def spikes(net, tag: str, skip: float, sample: int = 0) -> Spikes:
    """Take the spikes of a group that was monitored with ``events=True``, from ``skip`` seconds on."""
    record = net.records[tag].output
    of_sample = record.sample == sample
    time, unit = (x[of_sample].numpy() for x in (record.time, record.unit))
    kept = time >= skip - 1e-9
    order = np.argsort(time[kept], kind="stable")
    timeline = net.timeline()
    duration = len(timeline) * float(timeline[1] - timeline[0]) - skip
    return Spikes(time[kept][order].astype(np.float64) - skip, unit[kept][order].astype(np.int64), net[tag].n, duration)


def join(*parts: Spikes) -> Spikes:
    """Take several populations as one, their units numbered one population after the other."""
    offset = np.cumsum([0, *(part.n for part in parts)])
    time = np.concatenate([part.time for part in parts])
    unit = np.concatenate([part.unit + offset[i] for i, part in enumerate(parts)])
    order = np.argsort(time, kind="stable")
    return Spikes(time[order], unit[order], int(offset[-1]), parts[0].duration)


def activity(found: Spikes, blocks: int = 10) -> Activity:
    """Measure the spikes of a population.

    Args:
        found: the spikes.
        blocks: the number of equal stretches of time from whose rates the interval of the mean comes (Student's t): they must be
            longer than any oscillation.
    """
    from scipy.stats import t

    edges = np.linspace(0.0, found.duration, blocks + 1)
    rates = np.histogram(found.time, edges)[0] / (found.n * found.duration / blocks)
    half = float(t.ppf(0.975, blocks - 1)) * rates.std(ddof=1) / math.sqrt(blocks)
    counts = population(found, 1e-3)
    mean = counts.mean()
    fine = population(found, 0.5e-3)
    return Activity(
        rate=float(rates.mean()),
        half_width=float(half),
        cv=irregularity(found),
        synchrony=float(counts.var() / mean) if mean else math.nan,
        frequency=peak(fine - fine.mean(), 0.5e-3),
    )


def population(found: Spikes, width: float) -> NDArray[np.float64]:
    """Count the spikes of all units in stretches of ``width`` seconds."""
    n = round(found.duration / width)
    return np.histogram(found.time, n, (0.0, n * width))[0].astype(np.float64)


def irregularity(found: Spikes, least: int = 5) -> float:
    """Compute the coefficient of variation of intervals, the mean over the units that have at least ``least`` of them."""
    order = np.lexsort((found.time, found.unit))
    unit, interval = found.unit[order], np.diff(found.time[order])
    inside = unit[1:] == unit[:-1]
    owner, interval = unit[1:][inside], interval[inside]
    count = np.bincount(owner, minlength=found.n)
    kept = count >= least
    if not kept.any():
        return math.nan
    mean = np.bincount(owner, interval, found.n)[kept] / count[kept]
    square = np.bincount(owner, interval**2, found.n)[kept] / count[kept]
    return float(np.mean(np.sqrt(np.maximum(square - mean**2, 0.0)) / mean))


def peak(x: NDArray[np.float64], width: float, smooth: float = 0.2) -> float:
    """Find the frequency of the largest power, of spectra of half-overlapping stretches of ``smooth`` seconds (Welch)."""
    from scipy.signal import welch

    if not x.any():
        return math.nan
    f, power = welch(x, 1 / width, nperseg=min(len(x), round(smooth / width)))
    return float(f[1:][power[1:].argmax()])
