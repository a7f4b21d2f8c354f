"""What dt does: convergence with the order that is measured, a change of dt within a run, time constants in seconds."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ..bench import Bench, Drive, Runs, named
from ..drive import PARTS, time_constants
from ..networks import MODEL, TARGET
from ..report import Outcome, failed, judged, passed, skipped

REFINED = (1, 2, 4)  # parts of a slot
FINEST = 4
SEEN = 8  # slots from one comparison to the next
EXACT = 1e-9  # of the largest value: a difference that is rounding, in float64
LEAST_ORDER = 0.7  # measured at finite dt: an order of 1 is seen as 0.7 or more
SLACK = 0.35  # between a stated order and the measured one
SETTLED = 0.5  # of the largest value: what halving dt may change at most
SHORTEST = 2 * SEEN  # slots without a spike that a comparison takes
APART = 10.0  # between a declared time constant and a measured one: more is a slip of units


class Order(NamedTuple):
    """How one variable converges: its differences from dt to dt / 2, and the order that they show."""

    name: str
    gaps: tuple[float, ...]  # of the largest value, from the coarsest pair on

    @property
    def exact(self) -> bool:
        """Whether what is left is rounding."""
        return max(self.gaps) < EXACT

    @property
    def order(self) -> float:
        """The order at the finest pair; infinite where it is exact."""
        first, last = self.gaps[-2], self.gaps[-1]
        if self.exact or last < EXACT / 100:
            return math.inf
        return math.log2(max(first, 1e-300) / last)


def at_coarse_times(bench: Bench, found: Runs, refine: int, steps: int) -> Runs:
    """Return what was watched at common times, for a slot that is cut into ``refine`` parts.

    A neuron that emits at the end of a slot shows its state at that end. Outputs of a slot are no function of time; states and
    the voltage of the target are.
    """
    late = bench.options.get("emit_order") == "after"
    places = torch.arange(SEEN, steps, SEEN)
    places = places * refine - 1 if late else places * refine
    return {k: v[:, places] for k, v in found.items() if not k.endswith(".output")}


def measured(bench: Bench) -> list[Order]:
    """Return the order of every state, for an input that is the same function of time."""
    steps, found = bench.calm_steps, []
    for refine in REFINED:
        net = bench.ready(calm=True, refine=refine)
        x = bench.signals(net, batch=2, steps=steps, refine=refine)
        found.append(at_coarse_times(bench, bench.run(net, x, batch=2, steps=steps * refine), refine, steps))
    return orders_of(found)


def orders_of(found: list[Runs]) -> list[Order]:
    """Return the order of everything that was watched at common times with slots that are halved from run to run."""
    orders = []
    for name, finest in found[-1].items():
        scale = float((finest - finest[:, :1]).abs().max()) or float(finest.abs().max()) or 1.0
        gaps = [float((a[name] - b[name]).abs().max()) / scale for a, b in itertools.pairwise(found)]
        orders.append(Order(name, tuple(gaps)))
    return orders


def settled(bench: Bench) -> Bench:
    """Return the bench with a slot short enough for some slots without a spike; itself where it has them."""
    for part in (1, 8, 64):
        if bench.calm_steps >= SHORTEST:
            return bench
        shorter = bench.calm_steps * part or 1
        bench = replace(bench, dt=bench.dt / 8, calm_steps=min(bench.steps, shorter * 8)) if part else bench
    return bench


def converges(bench: Bench) -> Outcome:
    """Check that smaller slots lead to one solution, and measure how fast."""
    asked = bench.asked.get("order")
    if bench.noisy:
        return skipped("it draws noise: see the check of its statistics")
    whole = _converged(settled(bench), asked)
    ports = bench.drive if len(bench.drive) > 1 and whole.verdict == "pass" else ()
    for port in ports:
        alone = replace(bench, drive={k: size if k == port else Drive(0.0, 0.0) for k, size in bench.drive.items()})
        found = _converged(settled(alone), asked)
        if found.verdict == "fail":
            return found._replace(seen=f"through {port} alone: {found.seen}")
    return whole


def _converged(bench: Bench, asked: float | None) -> Outcome:
    """Return what `converges` finds with the inputs of the bench."""
    if bench.calm_steps < SHORTEST:
        return skipped("it spikes by itself at once")
    orders = measured(bench)
    least = LEAST_ORDER if asked is None else asked - SLACK
    if orders and not good(orders, least):  # the slot may be too long for the order to show
        orders = measured(replace(bench, dt=bench.dt / 4))
    if not orders or (not bench.model.states and TARGET not in (o.name.split(".")[0] for o in orders)):
        return skipped("it has no state that moves in time")
    should = "order 1 or more" if asked is None else f"order {asked:g}"
    worst = min(orders, key=lambda o: o.order)
    if any(not all(map(math.isfinite, o.gaps)) for o in orders):
        return failed("values are not finite", should, "Look at the check of extreme parameters, or pass a smaller dt=.")
    seen = named_orders(orders)
    if good(orders, least):
        return passed(seen, should)
    far = max(orders, key=lambda o: o.gaps[-1])
    if worst.order >= least:
        fix = "The solution vanishes or grows with dt: look for a factor of dt too many or too few (a charge has its dt already)."
        return failed(f"{named(far.name)} does not settle: halving dt changes it by {far.gaps[-1]:.0%}", should, fix)
    ignored = _ignores_dt(bench, [o.name for o in orders if o.order < least])
    if ignored:
        fix = "What happens in a slot must depend on dt: return it from discretise, e.g. lost = -torch.expm1(-dt / p.tau)."
        return failed(f"dt is ignored: {', '.join(map(named, ignored))} the same slot by slot at dt and dt / 2", should, fix)
    fix = (
        "Halving dt must at least halve the error. A part of the change in a slot does not shrink with dt: look at every term of "
        "evolve, advance or step, and at the units of what it adds (a charge is the integral over the slot, a level is not)."
    )
    gaps = ", ".join(f"{gap:.2g}" for gap in worst.gaps)
    text = f"{named(worst.name)} order {worst.order:.2f} (differences {gaps} for dt = {bench.dt:.3g} s and halves)"
    return failed(text, should, fix)


def named_orders(orders: list[Order]) -> str:
    """Return the orders in words."""
    return ", ".join(f"{named(o.name)} {'exact' if math.isinf(o.order) else f'order {o.order:.2f}'}" for o in orders)


def good(orders: list[Order], least: float = LEAST_ORDER) -> bool:
    """Return whether all variables converge with the order, to something that smaller slots no longer change much."""
    return all(o.order >= least and o.gaps[-1] <= SETTLED for o in orders)


def _ignores_dt(bench: Bench, names: list[str]) -> list[str]:
    """Return which variables are the same slot by slot whatever dt is, though they move."""
    found = []
    for refine in (1, 2):
        net = bench.ready(calm=True, refine=refine)
        found.append(bench.run(net, bench.signals(net, batch=2, steps=bench.calm_steps), batch=2, steps=bench.calm_steps))
    moves = [name for name in names if bool((found[0][name] != found[0][name][:, :1]).any())]
    return [name for name in moves if name.startswith(MODEL) and torch.equal(found[0][name], found[1][name])]


def dt_may_change(bench: Bench) -> Outcome:
    """Check that a run in which dt changes is as near to the solution as one with the longer dt all through."""
    if bench.noisy:
        return skipped("it draws noise, which is another one for another dt")
    bench = settled(bench)
    steps = bench.calm_steps // 2 // SEEN * SEEN
    if steps < SEEN:
        return skipped("it spikes by itself at once")
    if not bench.model.states:
        return skipped("it has no state")
    net = bench.ready(calm=True)
    coarse_x = bench.signals(net, batch=2, steps=2 * steps)
    fine_x = bench.signals(net, batch=2, steps=2 * steps, refine=2)
    mixed_x = {k: torch.cat([coarse_x[k][:, :steps], fine_x[k][:, 2 * steps :]], 1) for k in coarse_x}
    programme = [(bench.dt, steps), (bench.dt / 2, 2 * steps)]
    coarse = bench.run(net, coarse_x, batch=2, steps=2 * steps)
    mixed = bench.run(net, mixed_x, batch=2, steps=None, dt=programme)
    finest = bench.run(
        bench.ready(calm=True, refine=FINEST),
        bench.signals(net, batch=2, steps=2 * steps, refine=FINEST),
        batch=2,
        steps=2 * FINEST * steps,
    )
    worst, bad = 0.0, ""
    for name in (k for k in coarse if not k.endswith(".output")):
        late = bench.options.get("emit_order") == "after"
        places = torch.arange(steps + SEEN, 2 * steps, SEEN) - int(late)  # in slots of the longer dt
        then = (places + int(late) - steps) * 2 + steps - int(late)
        truth = finest[name][:, (places + int(late)) * FINEST - int(late)]
        scale = float((finest[name] - finest[name][:, :1]).abs().max()) or 1.0
        allowed = 1.5 * float((coarse[name][:, places] - truth).abs().max()) + EXACT * scale
        off = float((mixed[name][:, then] - truth).abs().max()) / allowed
        if not off <= max(worst, 1.0):
            worst, bad = off, name
    fix = "A state must be a quantity at a time (V, S, A), not one per slot; what depends on dt belongs into discretise."
    seen = (
        f"{named(bad)} is {worst:.3g} times further off than with the longer dt" if bad else "no further off than the longer dt"
    )
    return judged(not bad, seen, "dt halved in mid-run: no worse than before", fix)


def seconds_are_seconds(bench: Bench) -> Outcome:
    """Check that something relaxes with each declared time constant: a slip of units (ms for s) shows as 1000 times."""
    taus = {k: tau for k, tau in time_constants(bench).items() if "/" not in k}
    if not taus or not bench.model.states:
        return skipped("no state, or no parameter with the role time constant")
    wrong: list[str] = []
    right: list[str] = []
    silent: list[str] = []
    for name, tau in taus.items():
        rates = relaxations(bench, tau)
        if rates is None or not rates.numel():
            silent.append(name)
            continue
        if not matters(bench, name, tau):
            silent.append(name)
            continue
        ratio = torch.log((1 / rates) / tau).abs()
        nearest = float((1 / rates)[ratio.argmin()])
        good = float(ratio.min()) <= math.log(APART)
        (right if good else wrong).append(f"{name}: declared {tau:.3g} s, measured {nearest:.2g} s")
    should = f"something relaxes within {APART:g} times of each declared time constant"
    if wrong:
        fix = "All parameters are SI: a time constant of 20 ms is 20e-3 with the unit s; look for a factor of 1000 (ms for s)."
        return failed("; ".join(wrong), should, fix)
    if silent and not right:
        return skipped(f"nothing was seen to relax ({', '.join(silent)})")
    return passed("; ".join(right), should)


def matters(bench: Bench, name: str, tau: float) -> bool:
    """Return whether twice the time constant makes any difference in what `relaxations` looks at."""
    found = [_short_input(replace(bench, values={**bench.values, name: size}), tau)[0] for size in (tau, 2 * tau)]
    return any(not torch.equal(found[0][k], found[1][k]) for k in found[0] if k.startswith(MODEL))


def relaxations(bench: Bench, tau: float) -> Tensor | None:
    """Return the rates (1/s) with which states return after a short input, looked at over 10 ``tau`` in slots of ``tau / 20``.

    A rate is that of the distance from the same run without the input. None where no input moves a state that returns. Where it
    is over within one slot, the rate is that of a thousandth left after a slot, at least.
    """
    driven, still = _short_input(bench, tau)
    if not driven:
        return None
    steps, dt = 10 * PARTS, tau / PARTS
    rates = []
    for name, values in driven.items():
        if not name.startswith(MODEL) or name.endswith(".output"):
            continue
        away = (values - still[name]).abs().reshape(steps, -1)[2:]
        top = away.amax(0)
        kept = away[:, top > 0]
        if not kept.numel():
            continue
        before, after = kept[:-1], kept[1:]
        falls = (before > 1e-9 * top[top > 0]) & (after < before)
        rate = torch.log(before / after.clamp(min=1e-300)) / dt
        rates.append(rate[falls].clamp(max=math.log(1000) / dt))
        stuck = (before > 1e-9 * top[top > 0]) & (after == before)
        if bool(stuck.all()):
            rates.append(torch.full((1,), 1e-9 / tau, dtype=values.dtype))
    return torch.cat(rates) if rates else None


def _short_input(bench: Bench, tau: float) -> tuple[Runs, Runs]:
    """Return a run over 10 ``tau`` in slots of ``tau / 20`` with an input in its first two slots, and one without it.

    Both are empty where the model takes no input.
    """
    steps, dt = 10 * PARTS, tau / PARTS
    ports = bench.model.ports if bench.drive else {}
    scaled = {k: replace(d, calm=d.calm * (bench.dt / dt if ports[k].kind == "charge" else 1)) for k, d in bench.drive.items()}
    near = replace(bench, dt=dt, drive=scaled)
    net = near.ready(1, calm=True)
    x = near.signals(net, batch=1, steps=steps)
    if not x:
        return {}, {}
    x = {k: torch.cat([torch.ones_like(v[:, :2]), torch.zeros_like(v[:, 2:])], 1) for k, v in x.items()}
    driven = near.run(net, x, batch=1, steps=steps)
    return driven, near.run(net, {k: torch.zeros_like(v) for k, v in x.items()}, batch=1, steps=steps)
