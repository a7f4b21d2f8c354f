"""The coverage of the 95 % intervals of retention and endurance: devices of known laws are measured, fitted, and counted.

``trends(runs, seed)`` returns rows of (kind, parameter, covered, runs). As a script it prints them with Wilson's interval::

    python benchmarks/coverage_trends.py [runs] [seed]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import ship

Array = np.ndarray
Row = tuple[str, str, int, int]
Truth = dict[tuple[str, str], float]  # (law, parameter); law "": of the summary
UNITS = {"time": "s", "conductance": "S"}


def flicker(n: int, rng: np.random.Generator) -> Array:
    """Return 1/f noise of driving noise 1 that has gone on for ten times as long (Kasdin 1995, eq. 104)."""
    h = np.cumprod(np.append(1.0, (np.arange(1, n) - 0.5) / np.arange(1, n)))
    return np.convolve(h, rng.standard_normal(n))[:n]


def power(rng: np.random.Generator) -> tuple[dict[str, Any], Truth]:
    """A curve that falls by a power law, relative noise of 1 %."""
    t = np.geomspace(1, 1e4, 30)
    g = 50e-6 * t**-0.05 * np.exp(0.01 * rng.standard_normal(30))
    return {"time": t, "conductance": g}, {("power", "nu"): 0.05, ("power", "y0"): 50e-6, ("", "change a decade"): 10**-0.05 - 1}


def short(rng: np.random.Generator) -> tuple[dict[str, Any], Truth]:
    """Eight points of a power law that rises."""
    t = np.geomspace(1, 1e3, 8)
    return {"time": t, "conductance": 20e-6 * t**0.03 * np.exp(0.005 * rng.standard_normal(8))}, {("power", "nu"): -0.03}


def logarithmic(rng: np.random.Generator) -> tuple[dict[str, Any], Truth]:
    """Two levels that fall by 2 uS a decade, additive noise of 0.3 uS."""
    t = np.geomspace(1, 1e4, 40)
    levels = [g0 - 2e-6 * np.log10(t) + 0.3e-6 * rng.standard_normal(40) for g0 in (20e-6, 90e-6)]
    columns = {"time": np.tile(t, 2), "conductance": np.concatenate(levels), "level": np.repeat([0, 1], 40)}
    return columns, {("logarithmic", "b, mean"): 2e-6, ("logarithmic", "y0[1]"): 90e-6, ("logarithmic", "y0[0]"): 20e-6}


def exponential(rng: np.random.Generator) -> tuple[dict[str, Any], Truth]:
    """A relaxation with a time constant of 60 s within 300 s, additive noise of 0.2 uS."""
    t = np.linspace(1, 300, 60)
    g = 5e-6 + 20e-6 * np.exp(-t / 60) + 0.2e-6 * rng.standard_normal(60)
    truth = {("exponential", "tau"): 60.0, ("exponential", "y_inf"): 5e-6, ("exponential", "y0"): 25e-6}
    return {"time": t, "conductance": g}, truth


def devices(rng: np.random.Generator) -> tuple[dict[str, Any], Truth]:
    """Eight devices whose exponents are 0.05 +- 0.01, relative noise of 1 %."""
    t, n = np.geomspace(1, 1e4, 20), 8
    nu = 0.05 + 0.01 * rng.standard_normal(n)
    g = 50e-6 * t[None] ** -nu[:, None] * np.exp(0.01 * rng.standard_normal((n, 20)))
    columns = {"time": np.tile(t, n), "conductance": g.ravel(), "device": np.repeat(np.arange(n), 20)}
    return columns, {("power", "nu, mean"): 0.05, ("power", "nu, d2d"): 0.01}


def cycles(rng: np.random.Generator) -> tuple[dict[str, Any], Truth]:
    """Six devices, five writes each: exponents of 0.05, 0.01 from device to device and 0.006 from write to write."""
    t, n, m = np.geomspace(1, 1e4, 20), 6, 5
    nu = (0.05 + 0.01 * rng.standard_normal((n, 1)) + 0.006 * rng.standard_normal((n, m))).ravel()
    g = 50e-6 * t[None] ** -nu[:, None] * np.exp(0.01 * rng.standard_normal((n * m, 20)))
    columns = {"time": np.tile(t, n * m), "conductance": g.ravel(), "device": np.repeat(np.arange(n), m * 20)}
    columns["cycle"] = np.tile(np.repeat(np.arange(m), 20), n)
    return columns, {("power", "nu, mean"): 0.05, ("power", "nu, d2d"): 0.01, ("power", "nu, c2c"): 0.006}


def reads(rng: np.random.Generator) -> tuple[dict[str, Any], Truth]:
    """600 reads in a row, white noise of 1 % and 1/f noise of 0.4 % on a power law."""
    t = 0.05 * np.arange(1, 601)
    g = 90e-6 * (t / t[0]) ** -0.004 * np.exp(0.01 * rng.standard_normal(600) + 0.004 * flicker(600, rng))
    return {"time": t, "conductance": g}, {("power", "nu"): 0.004, ("", "change a decade"): 10**-0.004 - 1}


def white_reads(rng: np.random.Generator) -> tuple[dict[str, Any], Truth]:
    """300 reads in a row, white noise of 1 % on a power law."""
    t = 0.05 * np.arange(1, 301)
    g = 90e-6 * (t / t[0]) ** -0.004 * np.exp(0.01 * rng.standard_normal(300))
    return {"time": t, "conductance": g}, {("power", "nu"): 0.004, ("", "scatter of a read (white)"): 0.01}


def wear(rng: np.random.Generator) -> tuple[dict[str, Any], Truth]:
    """Both states at 25 cycles, log-normal scatter of 5 % and 20 %."""
    n = np.geomspace(1, 1e6, 25).round()
    on, off = 1e-4 * n**-0.02 * np.exp(0.05 * rng.standard_normal(25)), 1e-5 * n**0.04 * np.exp(0.2 * rng.standard_normal(25))
    return {"cycle": n, "on": on, "off": off}, {("power", "nu[on]"): 0.02, ("power", "nu[off]"): -0.04}


def many_cycles(rng: np.random.Generator) -> tuple[dict[str, Any], Truth]:
    """Both states at 2000 cycles in equal steps, log-normal scatter of 10 % and 70 %, 2 % of resets fail."""
    n = 100.0 * np.arange(1, 2001)
    on, off = 1e-4 * np.exp(0.1 * rng.standard_normal(2000)), 1e-5 * np.exp(0.7 * rng.standard_normal(2000))
    off = np.where(rng.uniform(size=2000) < 0.02, 0.8 * on, off)
    truth = {("", "on, median"): 1e-4, ("power", "nu[on]"): 0.0, ("power", "nu[off]"): 0.0}
    return {"cycle": n, "on": on, "off": off}, truth


def cycled_devices(rng: np.random.Generator) -> tuple[dict[str, Any], Truth]:
    """Eight devices at 20 cycles each, exponents of the on state 0.03 +- 0.01, log-normal scatter of 5 %."""
    n, m = np.geomspace(1, 1e6, 20).round(), 8
    nu = 0.03 + 0.01 * rng.standard_normal((m, 1))
    on = 1e-4 * n**-nu * np.exp(0.05 * rng.standard_normal((m, 20)))
    off = 1e-5 * np.exp(0.05 * rng.standard_normal((m, 20)))
    columns = {"cycle": np.tile(n, m), "on": on.ravel(), "off": off.ravel(), "device": np.repeat(np.arange(m), 20)}
    return columns, {("power", "on: nu, mean"): 0.03, ("power", "on: nu, d2d"): 0.01}


RETENTION = (power, short, logarithmic, exponential, devices, cycles, reads, white_reads)
ENDURANCE = (wear, many_cycles, cycled_devices)
CASES: dict[str, tuple[Callable[[np.random.Generator], tuple[dict[str, Any], Truth]], ...]] = {
    "retention": RETENTION,
    "endurance": ENDURANCE,
}


def trends(runs: int, seed: int = 0, names: Sequence[str] | None = None) -> list[Row]:
    """Return (kind, parameter, covered, runs that gave an interval) for each parameter of the cases, or of those named.

    Each case and run has random numbers of its own, so that what chance does to one case it does not do to all.
    """
    rows = []
    every = [(kind, case) for kind, cases in CASES.items() for case in cases]
    for place, (kind, case) in enumerate(every):
        if names is not None and case.__name__ not in names:
            continue
        counts: dict[tuple[str, str], list[int]] = {}
        for run in range(runs):
            columns, truth = case(np.random.default_rng([seed, run, place]))
            unit: Any = UNITS if kind == "retention" else "S"
            found = ship.fit(columns, kind, unit=unit, replicates=20)
            for (law, name), value in truth.items():
                count = counts.setdefault((law, name), [0, 0])
                estimate = next((e for e in _estimates(found, law, name) if not np.isnan(e.low)), None)
                if estimate is not None:
                    count[0] += int(estimate.low <= value <= estimate.high)
                    count[1] += 1
        rows += [(kind, f"{case.__name__}: {name}", *count) for (_, name), count in counts.items()]
    return rows


def _estimates(found: Any, law: str, name: str) -> Iterator[Any]:
    """Yield the estimate of a parameter of a law, or of a row of the summary."""
    if not law:
        if name in found.summary:
            yield found.summary[name]
        return
    yield from (f.parameters[name] for f in found.ranking if f.name == law and name in f.parameters)


def main(runs: int = 200, seed: int = 0) -> None:
    """Print the table."""
    from ship.base.statistics import wilson

    for kind, name, covered, total in trends(runs, seed):
        if not total:
            print(f"{kind:10} {name:40} no interval")
            continue
        ends = wilson(covered, total)
        print(f"{kind:10} {name:40} {covered / total:7.1%}  [{ends.low:.1%}, {ends.high:.1%}]")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:3]))
