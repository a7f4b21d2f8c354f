"""The checks that all parts share: declarations, pure functions, devices on their own, float32, extremes, spread."""

from __future__ import annotations

import math
from dataclasses import fields

import torch
from torch import Tensor

from ...base.parameters.bag import Bag
from ...devices.contract import Faults, ReadNoise
from ...devices.update.unmeasured import Unmeasured
from ..compare import worst_gap
from ..models.plain import declaration_outcome, kept_outcome
from ..report import Outcome, failed, judged, passed, skipped
from ..spy import Spy
from .bench import SPREAD, PartBench
from .events import F32, F64, given_to, happens, part_at_extremes

MANY, LIKELY, FINE = 200, 5.0, 2e-3  # devices; standard errors; a spread over which nearly all laws are straight


def declared_well(bench: PartBench) -> Outcome:
    """Check the declarations of a part."""
    return declaration_outcome(type(bench.part))


def responds(bench: PartBench) -> Outcome:
    """Check that the part does something: that what comes out depends on what happens."""
    part = bench.part
    if isinstance(part, Unmeasured):
        return skipped("it refuses pulses, as it says")
    found = happens(part, {}, F64, given=bench.given())
    values = list(found.values())
    low, high = bench.window
    moves = any(float((v - values[0]).abs().max()) > 1e-9 * max(abs(high - low), 1e-30) for v in values[1:]) or len(values) < 2
    if isinstance(part, Faults | ReadNoise):
        return passed(f"{len(values)} events")
    fix = "It did not respond: pulses, ages or voltages leave everything as it is. Pass settings with which it acts."
    return judged(
        moves, f"{len(values)} events, " + ("all the same" if not moves else "which differ"), "what happens matters", fix
    )


def pure(bench: PartBench) -> Outcome:
    """Check that no function changes its arguments."""
    part, spy = type(bench.part)(**_settings(bench)), Spy()
    spy.watch(part)
    happens(part, {}, F64, given=bench.given())
    seen = "; ".join(f"{name} changed {label} in place" for name, label in spy.changed.items())
    fix = "Return new tensors: torch.where(...), state._replace(...); no +=, no functions that end in _."
    return judged(not seen, seen or f"{len(spy.calls)} calls, no argument changed", "arguments stay what they are", fix)


def _settings(bench: PartBench) -> dict[str, object]:
    return {f.name: getattr(bench.part, f.name) for f in fields(bench.part)}


def nothing_hidden(bench: PartBench) -> Outcome:
    """Check that nothing is kept on the part or its class, and that the same happens twice."""
    other = bench.given(n=7)  # other devices than those that were looked at before
    outcome = kept_outcome(bench.part, lambda: (None for _ in happens(bench.part, {}, F64, given=other)))
    given = bench.given()
    first = happens(bench.part, {}, F64, given=given)
    size, name = worst_gap(happens(bench.part, {}, F64, given=given), first)
    if outcome.verdict == "pass" and size > 0:
        fix = "Random numbers come as xi; nothing else may differ from call to call."
        return failed(f"{name}: another value at the second time ({size:.2g})", "the same bits each time", fix)
    return outcome


def devices_on_their_own(bench: PartBench) -> Outcome:
    """Check that a device among others, with its own parameters, is what it is alone; and that leading axes broadcast."""
    p, xi = bench.given(n=6, spread=SPREAD)
    together = happens(bench.part, {}, F64, given=(p, xi))
    fix = "Functions are pointwise: no mean, sum, max or index over devices; parameters come from p, each device its own."
    should = "each device as it is alone"
    for i in (0, 5):
        alone = happens(bench.part, {}, F64, given=(_only(p, i), tuple(x[i : i + 1] for x in xi)))
        size, name = worst_gap(alone, {k: v.expand(6)[i : i + 1] for k, v in together.items()})
        if size > 1e-9:
            return failed(f"{name}: differs by {size:.2g} from the device alone", should, fix)
    shaped = happens(bench.part, {}, F64, given=(_reshaped(p), tuple(x.reshape(2, 3) for x in xi)))
    size, name = worst_gap(
        {k: v.expand(2, 3).reshape(6) for k, v in shaped.items()}, {k: v.expand(6) for k, v in together.items()}
    )
    return judged(
        size <= 1e-9, "6 devices, in any shape" if size <= 1e-9 else f"{name}: differs by {size:.2g} in [2, 3]", should, fix
    )


def _only(p: Bag, i: int) -> Bag:
    return Bag({k: v[..., i : i + 1] if v.ndim and v.shape[-1] == 6 else v for k, v in vars(p).items()})


def _reshaped(p: Bag) -> Bag:
    return Bag({k: v.reshape(*v.shape[:-1], 2, 3) if v.ndim and v.shape[-1] == 6 else v for k, v in vars(p).items()})


def single_is_near_double(bench: PartBench) -> Outcome:
    """Check that float32 gives what float64 gives, and float32."""
    p, xi = bench.given()
    wanted = happens(bench.part, {}, F64, given=(p, xi))
    if not wanted:
        return skipped("nothing can happen to it")
    single = Bag({k: v.to(F32) for k, v in vars(p).items()})
    found = happens(bench.part, {}, F32, given=(single, tuple(x.to(F32) for x in xi)))
    wrong = [k for k, v in found.items() if v.dtype != F32]
    if wrong:
        return failed(f"{wrong[0]}: {found[wrong[0]].dtype}", "float32 from float32", "Make tensors with torch.zeros_like(x).")
    low, high = bench.window
    size, name = max((_off(found[k], v, high - low), k) for k, v in wanted.items())
    fix = "Add steps rather than subtract near numbers; see ship.devices.update.gaps."
    return judged(size <= 1e-3, f"largest difference {size:.1g} ({name})", "below 0.001 of the window or the value", fix)


def _off(a: Tensor, b: Tensor, span: float) -> float:
    found = float(((a.double() - b).abs() / b.abs().clamp(min=abs(span))).max())
    return math.inf if math.isnan(found) else found


def sound_at_extremes(bench: PartBench) -> Outcome:
    """Check that parameters at their limits and far from their defaults give numbers, the same in float32, or are refused."""
    error, where = part_at_extremes(bench.part, n=48)
    fix = (
        "Write the limit out with torch.where, or declare a limit (above=, least=, ...), or refuse it in check() with the reason."
    )
    return judged(not where, where or f"largest difference {error:.1g}", "numbers, in float32 near float64, or an error", fix)


def spreads_as_declared(bench: PartBench) -> Outcome:
    """Check that a small spread from device to device spreads what happens as far as the slopes of the functions say."""
    drawn = bench.values(MANY, FINE)
    varied = [k for k, v in drawn.items() if float(v.std()) > 0]
    if not varied:
        return skipped("no parameter is well inside its limits")
    seen = _without_chance(bench, drawn)
    base = bench.values(1)
    middle = _without_chance(bench, base)
    up, down = ([_without_chance(bench, base | {k: base[k] * far}) for k in varied] for far in (1 + FINE, 1 - FINE))
    should = f"{FINE:.1%} from device to device spreads as the slopes say"
    good = 0
    for name, value in middle.items():
        ups, downs = (torch.cat([side[name].reshape(-1)[:1] for side in sides]) for sides in (up, down))
        slopes, size = (ups - downs) / 2, abs(float(value))
        wanted, found = float(slopes.norm()), float(seen[name].expand(MANY).std())
        curved = float((ups + downs - 2 * value).norm())  # where bounds cut in, slopes say nothing
        if not 1e-6 * size < wanted < 0.3 * size or curved > 0.1 * wanted:
            continue
        if abs(found / wanted - 1) > LIKELY / math.sqrt(2 * MANY) + 0.1:
            fix = "Read parameters from p, each device its own: no mean, no first value; and add no spread in the part."
            return failed(f"{name}: spread {found:.3g} in the place of {wanted:.3g}", should, fix)
        good += 1
    return (
        passed(f"{good} events (parameters: {len(varied)})", should)
        if good
        else skipped("no event moves smoothly with a parameter")
    )


def _without_chance(bench: PartBench, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what happens in the middle of the window to devices with these parameters, with random numbers of 0."""
    p, xi = given_to(bench.part, values, F64, 1)
    return happens(bench.part, {}, F64, places=(0.37,), given=(p, tuple(map(torch.zeros_like, xi))))
