"""How often the 95 % intervals of fits hold the truth: known devices are measured by simulation, fitted, and counted.

    make coverage
    python benchmarks/coverage_table.py components iv --runs 300 --seed 0 --workers 2

Each line of the table is a parameter of a kind of measurement: the number of runs that gave an interval, the share of those in
which it held the truth, and the Wilson interval of that share. Runs are split into pieces of 20, each with its own seed, so that
a table does not depend on the number of processes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

import ship
from ship.base.statistics import Interval, wilson
from ship.devices.fitting.components import components as split
from ship.devices.fitting.correlated import correlated
from ship.devices.fitting.noise import estimate_noise
from ship.devices.fitting.relevance import no_trend

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tests" / "helpers")]
from known_devices import loops, switching  # noqa: E402

PIECE = 20  # runs


class Row(NamedTuple):
    """A line of the table: in how many runs the interval held the truth, of those that gave one."""

    kind: str
    parameter: str
    covered: int
    runs: int


class Tally:
    """Counts of intervals that hold the truth, by parameter."""

    def __init__(self, kind: str):
        self.kind = kind
        self.counts: dict[str, list[int]] = {}

    def add(self, parameter: str, estimate: Interval | None, truth: float) -> None:
        """Count an interval; None, or one without ends, is no interval."""
        count = self.counts.setdefault(parameter, [0, 0])
        if estimate is not None and not np.isnan(estimate.low):
            count[0] += int(estimate.low <= truth <= estimate.high)
            count[1] += 1

    def rows(self) -> list[Row]:
        """Return the lines of the table."""
        return [Row(self.kind, name, *count) for name, count in self.counts.items()]


def components(runs: int, seed: int) -> list[Row]:
    """Variance components at 3, 10 and 50 devices with 1, 3 and 20 cycles, equal and unequal, and correlations."""
    rng, tally = np.random.default_rng(seed), Tally("components")
    for run in range(runs):
        for k, n in ((3, 1), (3, 3), (3, 20), (10, 1), (10, 3), (10, 20), (50, 1), (50, 3), (50, 20)):
            for between, equal in ((1.0, True), (0.2, True), (1.0, False)):
                if n == 1 and not equal:
                    continue
                size = np.full(k, n) if equal else rng.integers(1, 2 * n, k)
                y = np.repeat(between * rng.standard_normal(k), size) + 0.5 * rng.standard_normal(size.sum())
                found = split(np.exp(y), np.repeat(np.arange(k), size).astype(str), log=True, seed=run)
                whole = np.hypot(between, 0.5) if n == 1 else between
                name = f"{k} devices x {n if equal else f'1 to {2 * n - 1}'} cycles, d2d/c2c {2 * between:g}"
                tally.add(f"{name}: median", found.centre, 1.0)
                tally.add(f"{name}: d2d", found.d2d, whole)
                tally.add(f"{name}: c2c", found.c2c, 0.5)
        y, label = _correlated(10, 5, 0.7, -0.4, rng)
        both = correlated({"a": y[:, 0], "b": y[:, 1]}, label, seed=run)
        tally.add("correlation between 10 devices", (both.between or {}).get(("a", "b")), 0.7)
        tally.add("correlation within 10 devices x 5 cycles", (both.within or {}).get(("a", "b")), -0.4)
        x = np.geomspace(1, 1e6, 100)
        trend = no_trend(x, np.exp(0.02 * np.log10(x) + 0.1 * rng.standard_normal(100)), 0.05)
        tally.add("trend a decade", trend.estimate, np.expm1(0.02))
    return tally.rows()


def _correlated(k: int, n: int, between: float, within: float, rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    d = rng.multivariate_normal([0, 0], [[1, between], [between, 1]], k)
    c = 0.5 * rng.multivariate_normal([0, 0], [[1, within], [within, 1]], (k, n))
    return (d[:, None] + c).reshape(-1, 2), np.repeat(np.arange(k), n).astype(str).tolist()


def noise(runs: int, seed: int) -> list[Row]:
    """The noise of a curve from the data alone: its size beside that of the estimate, by its degrees of freedom."""
    from scipy import stats

    rng, tally = np.random.default_rng(seed), Tally("noise")
    for _ in range(runs):
        for n in (20, 100, 1000):
            x = np.linspace(0, 1, n)
            y = np.exp(-2 * x)
            for name, size in (("additive", np.full(n, 0.01)), ("relative", 0.03 * y)):
                found = estimate_noise(x, y + size * rng.standard_normal(n))
                if found is None:
                    continue
                square = float((found.sigma(y) ** 2).mean() / (size**2).mean())
                ends = square * found.df / stats.chi2.ppf([0.975, 0.025], found.df)
                tally.add(f"{name}, {n} points: variance", Interval(square, *ends), 1.0)
    return tally.rows()


def statistics(runs: int, seed: int) -> list[Row]:
    """Switching statistics: log-normal voltages, some of them beyond the sweep, and states, of one and of several devices."""
    rng, tally = np.random.default_rng(seed), Tally("statistics")
    for run in range(runs):
        known = switching(rng)
        found = ship.fit(known.rows, "statistics", unit=known.units, columns={r: r for r in known.rows}, seed=run, replicates=100)
        laws = {f.name: f.parameters for f in found.ranking}
        for name, median, sigma in (("v_set", 1.2, 0.15), ("v_reset", 0.9, 0.2), ("on", 1e-4, 0.1), ("off", 1e-6, 0.8)):
            law = laws.get(f"{name}: log-normal", {})
            tally.add(f"{name}: median of the log-normal", law.get("median"), median)
            tally.add(f"{name}: sigma of ln", law.get("sigma of ln"), sigma)
        for parameter, value in known.truth.items():
            tally.add(parameter, found.summary.get(parameter), value)
        k = 8
        d2d, label = np.repeat(0.3 * rng.standard_normal(k), 10), np.repeat(np.arange(k), 10).astype(str).tolist()
        several = 1e-5 * np.exp(d2d + 0.2 * rng.standard_normal(10 * k))
        data = {"g_on": several, "g_off": several / 50 * np.exp(0.4 * rng.standard_normal(10 * k)), "device": label}
        found = ship.fit(data, "statistics", unit="S", seed=run, replicates=100)
        tally.add("ln on, d2d of 8 devices x 10 cycles", found.summary.get("ln on, d2d"), 0.3)
        tally.add("ln on, c2c of 8 devices x 10 cycles", found.summary.get("ln on, c2c"), 0.2)
    return tally.rows()


def iv(runs: int, seed: int) -> list[Row]:
    """Loops of one device over 12 cycles, and of 6 devices over 5 cycles, with scatter of both states and both voltages."""
    rng, tally = np.random.default_rng(seed), Tally("iv")
    for run in range(runs):
        for k, n in ((1, 12), (6, 5)):
            known = loops(rng, k, n)
            found = ship.fit(known.rows, "iv", unit=known.units, seed=run, replicates=100, **known.options)
            name = f"{k} device{'s' * (k > 1)} x {n} cycles"
            for parameter, value in known.truth.items():
                tally.add(f"{name}: {parameter}", found.summary.get(parameter), value)
            law = {f.name: f.parameters for f in found.ranking}
            tally.add(f"{name}: ohmic G, on", law.get("ohmic", {}).get("G, on"), 1e-4)
            tally.add(f"{name}: sinh b, off", law.get("sinh", {}).get("b, off"), 1.5)
    return tally.rows()


def pulses(runs: int, seed: int) -> list[Row]:
    """Trains of pulses, see `coverage_pulses`."""
    from coverage_pulses import CASES, covered

    counts: dict[str, list[int]] = {}
    for case in CASES:
        read = f"{case.relative:.0%}" if case.relative else f"{case.additive * 1e6:g} uS"
        for run in range(runs):
            for name, inside in covered(case, seed + run).items():
                count = counts.setdefault(f"{case.law}, {case.devices} x {case.pulses}, {case.step:g}, {read}: {name}", [0, 0])
                count[0] += int(inside)
                count[1] += 1
    return [Row("pulses", name, *count) for name, count in counts.items()]


def trends(runs: int, seed: int) -> list[Row]:
    """Retention and endurance, see `coverage_trends`."""
    from coverage_trends import trends as simulated

    return [Row(*row) for row in simulated(runs, seed)]


KINDS: dict[str, Callable[[int, int], list[Row]]] = {f.__name__: f for f in (components, noise, statistics, iv, pulses, trends)}


def _piece(task: tuple[str, int, int]) -> list[Row]:
    import torch

    torch.set_num_threads(1)
    kind, runs, seed = task
    return KINDS[kind](runs, seed)


def measured(kinds: Iterable[str], runs: int, seed: int, workers: int = 1) -> list[Row]:
    """Return the lines of the table; a piece of runs has the seed ``100 000 seed + its first run``."""
    tasks = [(k, min(PIECE, runs - a), 100_000 * seed + a) for k in kinds for a in range(0, runs, PIECE)]
    total: dict[tuple[str, str], list[int]] = {}
    for rows in _mapped(tasks, workers):
        for row in rows:
            count = total.setdefault((row.kind, row.parameter), [0, 0])
            count[0] += row.covered
            count[1] += row.runs
    return [Row(*name, *count) for name, count in total.items()]


def _mapped(tasks: list[tuple[str, int, int]], workers: int) -> Iterator[list[Row]]:
    if workers == 1:
        yield from map(_piece, tasks)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_piece, tasks)


def table(rows: Iterable[Row]) -> str:
    """Return the table as text; a line is marked where its Wilson interval does not reach 93 to 97 %."""
    made = [f"{'kind':12} {'parameter':58} {'runs':>6}  coverage"]
    for row in rows:
        if not row.runs:
            made.append(f"{row.kind:12} {row.parameter:58} {0:6}  no interval")
            continue
        share = wilson(row.covered, row.runs)
        mark = "  < 93 %" if share.high < 0.93 else "  > 97 %" if share.low > 0.97 else ""
        made.append(
            f"{row.kind:12} {row.parameter:58} {row.runs:6}  {share.value:5.1%} [{share.low:.1%}, {share.high:.1%}]{mark}"
        )
    return "\n".join(made)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="How often the 95 % intervals of fits hold the truth.")
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(KINDS)}; all by default")
    parser.add_argument("--runs", type=int, default=200, help="measurements of each kind (200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the simulations (0)")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    given = parser.parse_args()
    if unknown := set(given.kinds) - set(KINDS):
        parser.error(f"no kind {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    print(f"runs: {given.runs}, seed: {given.seed}", flush=True)
    for kind in given.kinds or KINDS:
        print(table(measured([kind], given.runs, given.seed, given.workers)), flush=True)


if __name__ == "__main__":
    main()
