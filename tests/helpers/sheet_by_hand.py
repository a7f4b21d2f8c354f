"""A requirement sheet whose numbers are made up, for tests of how it is shown: nothing in it was measured."""

import math

from ship.base.statistics import Interval
from ship.study.sheet import KINDS, Axis, Close, Mark, Pair, Point, Remedy, Sheet

REQUIRED = {  # axis -> required value, mark, where from
    "spread": (0.11, 0.23, "measured", "d2d of chips.csv, rows 2 to 4001"),
    "scatter": (0.072, 0.05, "assumed", "gong_2018, by the user; as written with pulses, by the same error of the weights"),
    "levels": (11.0, 10_000.0, "measured", "at least; counts of pulses are whole; by the same error of the weights"),
    "asymmetry": (0.19, 0.04, "measured", "pulses of run.csv; rewritten by counts of the nominal curve up"),
    "nonlinearity": (0.14, 0.16, "measured", "pulses of run.csv; of the nominal curve up"),
    "drift": (0.42, math.nan, "missing", "the retention was not measured"),
    "stuck_low": (0.049, 0.0, "measured", "faults of yield.csv"),
    "stuck_high": (0.0061, math.nan, "missing", "the faults were not measured"),
    "read_noise": (0.62, 0.02, "measured", "noise of read.csv, by the same error of the weights in one read"),
    "mismatch": (0.08, math.nan, "none", "not a property of the device, but of the neurons: nothing says what it is"),
    "line": (14.0, math.nan, "none", "not a property of the device, but of the array: nothing says what it is"),
}
G_MAX = 1e-4


def axis(name, *, device=True):
    """An axis by hand; the on/off ratio has no requirement."""
    kind = KINDS[name]
    seek = kind.search(1 / G_MAX if name == "line" else 1.0)
    value, has, status, text = REQUIRED.get(name, (math.nan, 12.0, "measured", "g_min and g_max of loop.csv"))
    required = Interval(value, 0.85 * value, 1.2 * value) if value == value else Interval(math.nan)
    found = "bracketed" if value == value else "never"
    at = [seek.low * (seek.high / seek.low) ** (i / 5) for i in range(6)]
    curve = tuple(Point(x, _accuracy(kind, x, value), 8 if i in (0, 5) else 32) for i, x in enumerate(at))
    ratio = Interval(math.nan)
    if has == has and value == value:
        times = sorted(kind.ratio(has, end) for end in (required.low, required.high))
        ratio = Interval(kind.ratio(has, value), *times)
    mark = Mark(has, status, text, ratio) if device else Mark(text="no device was given")
    lone = "" if kind.random else "All chips are alike, so one stands for them; the interval is over test samples."
    ends = (seek.low, seek.high)
    return Axis(
        name, kind.title, kind.unit, "less" if kind.less else "more", kind.means, required, found, *ends, lone, curve, mark
    )


def _accuracy(kind, x, required):
    fall = 0.02 * kind.ratio(x, required) ** 2 if required == required else 0.001
    value = 0.1 + 0.886 * math.exp(-fall / 0.886)
    return Interval(value, value - 0.1 * fall / (1 + fall) - 0.002, value + 0.1 * fall / (1 + fall) + 0.002)


def sheet(*, device="my_oxide", pair=True, remedies=True):
    """A sheet of all axes, on which the spread from device to device fails first."""
    axes = tuple(axis(name, device=bool(device)) for name in KINDS)
    points = tuple(
        Point(s, Interval(0.986 - 0.04 * s**2, 0.98 - 0.04 * s**2, 0.99 - 0.04 * s**2), 16) for s in (0.4, 0.7, 1.0, 1.3)
    )
    close = (Close("spread", "stuck_high", 0.031), Close("spread", "scatter", 0.026), Close("scatter", "stuck_low", 0.024))
    worst = Pair("spread", "stuck_high", Interval(0.61, 0.55, 0.68), "bracketed", (0.067, 0.0037), points, 0.7, close)
    before = Interval(0.871, 0.84, 0.895)
    mended = (
        Remedy("write and verify", "to 1 % of the window, at most 40 times", before, Interval(0.981, 0.972, 0.988), "yes", 32),
        Remedy("compensation", "one factor a group, from the sum of its reads", before, Interval(0.889, 0.86, 0.91), "no", 32),
        Remedy("repair", "refused: no second device", before, Interval(math.nan), "no", 32),
        Remedy("hardware-aware training", "with noise of 0.05", before, Interval(0.966, 0.955, 0.976), "undecided", 32),
    )
    return Sheet(
        device=device,
        drop=0.02,
        chips=32,
        samples=359,
        seed=0,
        g_max=G_MAX,
        baseline=Interval(0.986, 0.968, 0.994),
        axes=axes,
        pair=worst if pair else None,
        fails="spread" if device else "",
        remedies=mended if device and remedies else (),
        notes=("On each axis all other imperfections are ideal.", "Intervals (95 %) are over chips and test samples."),
        seconds=(("spread", 11.5), ("levels", 3.25)),
        task="digits",
        network="the network of the task 'digits'",
    )
