"""The checks of single kinds of parts: bounds, direction of pulses, passive currents, ages that add up."""

from __future__ import annotations

import torch
from torch import Tensor

from ...base.parameters.bag import Bag
from ...devices.contract import IV, Conductance, Endurance, Faults, Programming, ReadNoise, Retention, Thermal, Update
from ...devices.device import Device, Trajectory, Values, aged, conductance, written
from ...devices.memristor.memristor import Memristor
from ...devices.update.unmeasured import Unmeasured
from ..report import Outcome, failed, judged, passed, skipped
from .bench import N, PartBench, pulse
from .events import F64, G_MAX, G_MIN

VOLTAGES = (0.0, -3.0, -1.0, -0.3, -0.1, -1e-3, 1e-3, 0.1, 0.3, 1.0, 3.0)  # V
TRAINS = ((1.0, 1e-7), (-1.0, 1e-7), (2.0, 1e-6), (-2.0, 1e-6), (0.3, 1e-5), (-0.3, 1e-5))  # V, s
COUNTS = (1.0, 5.0, 100.0)
ROUNDING = 1e-9  # of the window
SMALL = 1e-6  # V
RESOLVED = 1e-4  # of the window, by what is integrated step by step


def _update(bench: PartBench) -> Update | None:
    """Return the part where it is a law of pulses that can be pulsed."""
    return bench.part if isinstance(bench.part, Update) and not isinstance(bench.part, Unmeasured) else None


NO_PULSES = "it is no law of pulses"


def no_pulse_no_change(bench: PartBench) -> Outcome:
    """Check that no pulses leave the state exactly as it is."""
    part = _update(bench)
    if part is None:
        return skipped(NO_PULSES)
    p, xi = bench.given()
    x = bench.at(p)
    for v, width in TRAINS:
        after = part.pulse(x, pulse(p.g_min, v, width, 0.0), p, xi)
        for name, a, b in zip(type(x)._fields, after, x, strict=True):
            if not torch.equal(a.expand_as(b), b):
                fix = "Use torch.where(pulse.n > 0, after, before), so that the state stays to the last bit."
                return failed(f"{name} changed by {float((a - b).abs().max()):.2g} at {v} V", "exactly as it was", fix)
    return passed("0 pulses: the same bits", "exactly as it was")


def within_window(bench: PartBench) -> Outcome:
    """Check that pulses never lead out of the window, and to numbers."""
    part = _update(bench)
    if part is None:
        return skipped(NO_PULSES)
    p, xi = bench.given()
    low, high = part.window(p)
    slack = 1e-6 * (high - low)
    for v, width in TRAINS:
        for n in COUNTS:
            g = part.conductance(part.pulse(bench.at(p), pulse(p.g_min, v, width, n), p, xi), p)
            bad = ~((g >= low - slack) & (g <= high + slack))
            if bool(bad.any()):
                i = int(bad.nonzero()[0])
                at = f"{n:g} pulses of {v} V lead to {float(g[i]):.4g} S"
                window = f"{float(low.expand_as(g)[i]):.4g} to {float(high.expand_as(g)[i]):.4g} S"
                fix = "Clip to p.g_min and p.g_max, or move by a fraction of the distance to the bound."
                return failed(at, f"within the window, {window}", fix)
    return passed(f"{len(TRAINS) * len(COUNTS)} trains", "within the window")


def pulses_move_one_way(bench: PartBench) -> Outcome:
    """Check that more pulses of one sign never lead back, and that the two signs lead opposite ways."""
    part = _update(bench)
    if part is None:
        return skipped(NO_PULSES)
    p, _ = bench.given(chance=False)
    low, high = part.window(p)
    slack = (RESOLVED if isinstance(part, Memristor) else ROUNDING) * (high - low)
    ways: dict[int, set[str]] = {1: set(), -1: set()}
    for v, width in TRAINS:
        x = bench.at(p)
        trains = [part.conductance(part.quiet(x, pulse(p.g_min, v, width, n), p), p) for n in (0.0, *COUNTS)]
        steps = torch.stack(trains).diff(dim=0)
        up, down = bool((steps > slack).any()), bool((steps < -slack).any())
        if up and down:
            text = f"pulses of {v} V raise the conductance here and lower it there"
            return failed(text, "one direction for each sign", "The sign of the step may depend on the voltage alone.")
        ways[1 if v > 0 else -1] |= ({"up"} if up else set()) | ({"down"} if down else set())
    if len(ways[1]) > 1 or len(ways[-1]) > 1 or (ways[1] and ways[1] == ways[-1] and not bench.asked.get("unipolar")):
        text = f"above 0 V: {', '.join(sorted(ways[1]))}; below: {', '.join(sorted(ways[-1]))}"
        fix = "Take the direction from the sign of pulse.v; for a device that goes one way for both signs pass unipolar=True."
        return failed(text, "opposite directions for opposite signs", fix)
    said = {sign: next(iter(way), "nowhere") for sign, way in ways.items()}
    return passed(f"above 0 V {said[1]}, below {said[-1]}", "one direction for each sign")


def pulses_add_up(bench: PartBench) -> Outcome:
    """Check that 3 pulses and then 5 are 8 pulses, without chance."""
    part = _update(bench)
    if part is None:
        return skipped(NO_PULSES)
    p, _ = bench.given(chance=False)
    low, high = part.window(p)
    span = (high - low).clamp(min=1e-30)
    worst, where = 0.0, ""
    for v, width in TRAINS:
        first = part.quiet(bench.at(p), pulse(p.g_min, v, width, 3.0), p)
        parts = part.conductance(part.quiet(first, pulse(p.g_min, v, width, 5.0), p), p)
        whole = part.conductance(part.quiet(bench.at(p), pulse(p.g_min, v, width, 8.0), p), p)
        worst, where = max((worst, where), (float(((parts - whole).abs() / span).max()), f"{v} V"))
    close = RESOLVED if isinstance(part, Memristor) else 1e-6
    fix = "n equal pulses back to back are one event: use the closed form of n pulses, or step through them."
    seen = f"off by {worst:.1g} of the window" + (f" at {where}" if worst > close else "")
    return judged(worst <= close, seen, "3 pulses, then 5, are 8", fix)


def state_and_conductance_agree(bench: PartBench) -> Outcome:
    """Check that ``place`` and ``conductance`` are inverse to each other."""
    if not isinstance(bench.part, Update):
        return skipped(NO_PULSES)
    p, _ = bench.given(spread=0.02)
    low, high = bench.part.window(p)
    g = low + torch.linspace(0, 1, N, dtype=F64) * (high - low)
    again = bench.part.conductance(bench.at(p), p)
    off = float(((again - g).abs() / (high - low)).max())
    few = max((state.inner for state in bench.part.states), default=0)  # domains, each of which is up or down
    close = 2 / few if few else 1e-6
    fix = "place(g) must return the state whose conductance() is g, all over the window."
    return judged(off <= close, f"off by {off:.1g} of the window", "conductance(place(g)) is g", fix)


def passive(bench: PartBench) -> Outcome:
    """Check that the current is 0 at 0 V and has the sign of the voltage: a memory device delivers no energy."""
    part = bench.part
    if not isinstance(part, Update | IV):
        return skipped("it has no current")
    p, _ = bench.given(spread=0.02)
    fix = "A device is passive: i must have the sign of v (i v >= 0), and be 0 at 0 V. Look at signs and at offsets."
    if isinstance(part, Update):
        currents = [part.current(bench.at(p), torch.full_like(p.g_min, v), p) for v in VOLTAGES]
    else:
        g = bench.across(p)
        currents = [part.current(g, torch.full_like(g, v), p) for v in VOLTAGES]
    for v, i in zip(VOLTAGES, currents, strict=True):
        power = i * v
        if not bool(torch.isfinite(i).all()):
            return failed(f"the current at {v} V is not a number", "a finite current", fix)
        if v == 0 and bool((i != 0).any()):
            return failed(f"{float(i.abs().max()):.2g} A at 0 V", "0 A at 0 V", fix)
        if bool((power < 0).any()):
            text = f"an active device: {float(i[power < 0][0]):.3g} A at {v} V"
            return failed(text, "current of the sign of the voltage", fix)
    return passed(f"{len(VOLTAGES)} voltages from {min(VOLTAGES):g} to {max(VOLTAGES):g} V", "i v >= 0, and 0 A at 0 V")


def slope_is_the_conductance(bench: PartBench) -> Outcome:
    """Check that the current at a small voltage is the conductance times the voltage."""
    part = bench.part
    if not isinstance(part, Update | IV):
        return skipped("it has no current")
    p, _ = bench.given()
    g = part.conductance(bench.at(p), p) if isinstance(part, Update) else bench.across(p)
    v = torch.full_like(g, SMALL)
    i = part.current(bench.at(p), v, p) if isinstance(part, Update) else part.current(g, v, p)
    off = float(((i / SMALL - g).abs() / g.abs().clamp(min=1e-12)).max())
    fix = "conductance() is that of a small voltage: the slope of current() at 0 V."
    return judged(off <= 0.01, f"i / v at {SMALL:g} V is off by {off:.1%}", "the conductance at a small voltage", fix)


def rests_add_up(bench: PartBench) -> Outcome:
    """Check that resting for a and then for b is resting for a + b."""
    part = bench.part
    if not isinstance(part, Update) or type(part).rest is Update.rest:
        return skipped("it does not change at rest")
    p, _ = bench.given()
    x = bench.at(p)
    low, high = part.window(p)
    worst = 0.0
    for a, b in ((1e-6, 3e-6), (1e-3, 2e-3), (0.5, 2.0)):
        first, second, both = (torch.full_like(p.g_min, s) for s in (a, b, a + b))
        two = part.conductance(part.rest(part.rest(x, first, p), second, p), p)
        one = part.conductance(part.rest(x, both, p), p)
        worst = max(worst, float(((two - one).abs() / (high - low)).max()))
    fix = "Use the closed form of the time, or integrate the equation: no step may depend on how the time is cut."
    return judged(worst <= RESOLVED, f"off by {worst:.1g} of the window", "rest(a), then rest(b), is rest(a + b)", fix)


def ages_add_up(bench: PartBench) -> Outcome:
    """Check that a device is as written at age 0, and that waiting a and then b is waiting a + b."""
    part = bench.part
    if not isinstance(part, Retention):
        return skipped("it is no law of retention")
    p, xi = bench.given()
    g = bench.across(p)
    low, high = max(G_MIN, part.g_range[0]), min(G_MAX, part.g_range[1])
    g = low + (g - g.min()) / (g.max() - g.min()) * (high - low)
    start = float(((part.drift(g, torch.zeros_like(g), p, xi) - g).abs() / g).max())
    if start > 1e-9:
        fix = "drift() counts the age from the write: it returns g itself at age 0."
        return failed(f"at age 0 off by {start:.2g} of what was written", "as written at age 0", fix)
    spans = [s for s in ((10.0, 90.0), (1.0, 999.0), (100.0, 1e4)) if sum(s) <= part.oldest]
    for a, b in spans:
        both = _waited(bench, g, p, xi, (a, b))
        once = _waited(bench, g, p, xi, (a + b,))
        off = float(((both - once).abs() / g).max())
        if not off <= 1e-9:
            text = f"{a:g} s and then {b:g} s differ by {off:.2g} from {a + b:g} s"
            return failed(
                text, "waiting a, then b, is waiting a + b", "drift() is a function of g, the age and p alone: keep nothing."
            )
        later = part.drift(g, torch.full_like(g, a + b), p, xi)
        if not bool(torch.isfinite(later).all()) or bool((later < 0).any()):
            return failed(
                f"{float(later.min()):.3g} S after {a + b:g} s", "0 S or more", "Clamp at 0 S: no conductance is negative."
            )
    return passed(f"age 0 and {len(spans)} waits cut in two", "waiting a, then b, is waiting a + b")


def _waited(bench: PartBench, g: Tensor, p: Bag, xi: tuple[Tensor, ...], spans: tuple[float, ...]) -> Tensor:
    """Return what is there after waits, of a device whose other parts are ideal, looked at after each."""
    part = bench.part
    assert isinstance(part, Retention)
    device, zero = Device(retention=part), torch.zeros_like(g)
    window = {"g_min": zero, "g_max": torch.ones_like(g)}  # so wide that writing clips nothing
    values = Values({"": window, "update": {}, "retention": vars(p)}, {})
    trajectory = written(device, values, Trajectory(Conductance(g), zero, zero, xi, ()), g, (), xi)
    found = g
    for seconds in spans:
        trajectory = aged(device, values, trajectory, seconds)
        found = conductance(device, values, trajectory)
    return found


def kind_holds(bench: PartBench) -> Outcome:
    """Check what the contract says of the remaining kinds: reads, writes, faults, wear, temperature, curves."""
    part = bench.part
    for kind, check in CONTRACTS.items():
        if isinstance(part, kind):
            return check(bench)
    return skipped("see the checks of pulses and ages")


def _programming(bench: PartBench) -> Outcome:
    part = bench.part
    assert isinstance(part, Programming)
    p, xi = bench.given(chance=False)
    g = bench.across(p)
    exact = part.write(g, p, xi)
    falls = float((-exact.diff()).max()) / float(g.max())
    fix = "Without chance a higher target must not leave a lower conductance."
    return judged(falls <= ROUNDING, f"falls by at most {max(falls, 0):.1g}", "rises with the target, without chance", fix)


def _reading(bench: PartBench) -> Outcome:
    part = bench.part
    assert isinstance(part, ReadNoise)
    if not part.white:
        return skipped("its noise is slow: it need not be in proportion to its number")
    p, xi = bench.given()
    g = bench.across(p)
    none, once, twice = (part.read(g, g, torch.ones_like(g), p, tuple(k * z for z in xi)) for k in (0.0, 1.0, 2.0))
    off = float((twice - none - 2 * (once - none)).abs().max()) / float((once - none).abs().max().clamp(min=1e-30))
    fix = "White noise is in proportion to one normal number: read() adds xi[0] times a standard deviation."
    return judged(off <= 1e-9, f"off by {off:.1g}", "twice the number, twice the deviation", fix)


def _curve(bench: PartBench) -> Outcome:
    part = bench.part
    assert isinstance(part, IV)
    p, _ = bench.given()
    g = bench.across(p)
    i = torch.stack([part.current(g, torch.full_like(g, v), p) for v in torch.linspace(-2, 2, 41, dtype=F64).tolist()])
    fall = float((-i.diff(dim=0)).max())
    fix = "The current must rise with the voltage; a negative differential resistance belongs into a state of the device."
    return judged(fall <= 1e-12 * float(i.abs().max()), f"falls by at most {max(fall, 0):.2g} A", "rises with the voltage", fix)


def _faults(bench: PartBench) -> Outcome:
    part = bench.part
    assert isinstance(part, Faults)
    p, xi = bench.given(n=2000)
    g = bench.across(p, 2000)
    found = part.broken(g, p, xi)
    good = bool(torch.isfinite(found).all()) and bool((found >= 0).all())
    broken = float((found != g).double().mean())
    fix = "A broken device has a conductance of 0 S or more, and a sound one exactly what it had."
    return judged(good, f"{broken:.1%} of devices broken", "0 S or more, sound devices untouched", fix)


def _wear(bench: PartBench) -> Outcome:
    part = bench.part
    assert isinstance(part, Endurance)
    p, _ = bench.given()
    low, high = p.g_min, p.g_max
    fix = "window() narrows the window: as made after 0 cycles, never inside out, never wider."
    last = (low, high)
    for cycles in (0.0, 1.0, 1e3, 1e6, 1e9, 1e12):
        a, b = part.window(low, high, torch.full_like(low, cycles), p)
        if cycles == 0 and not (torch.equal(a.expand_as(low), low) and torch.equal(b.expand_as(high), high)):
            return failed("another window after 0 cycles", "as made", fix)
        slack = ROUNDING * (high - low)
        if bool((a > b + slack).any()) or bool((b - a > last[1] - last[0] + slack).any()):
            return failed(f"{float(a[0]):.3g} to {float(b[0]):.3g} S after {cycles:g} cycles", "narrower with every cycle", fix)
        last = (a, b)
    return passed("0 to 1e12 cycles", "narrower with every cycle")


def _thermal(bench: PartBench) -> Outcome:
    part = bench.part
    assert isinstance(part, Thermal)
    p, _ = bench.given()
    speeds = torch.stack([part.speed(torch.full_like(p.g_min, k), p) for k in (200.0, 250.0, 300.0, 350.0, 400.0)])
    good = bool((speeds > 0).all()) and bool((speeds.diff(dim=0) >= 0).all())
    fix = "Ageing is faster where it is hotter, and its speed is above 0."
    return judged(good, f"{float(speeds.min()):.2g} to {float(speeds.max()):.2g} from 200 to 400 K", "above 0, rising", fix)


CONTRACTS = {
    Programming: _programming,
    ReadNoise: _reading,
    IV: _curve,
    Faults: _faults,
    Endurance: _wear,
    Thermal: _thermal,
}
