"""Numbers: float32 beside float64, extreme parameters, the bounds that states declare, inputs that should raise the output."""

from __future__ import annotations

import torch

from ..bench import BATCH, Bench, named, signals, start, watched
from ..compare import gap
from ..extremes import ROUNDING as REMAINDERS
from ..extremes import model_at_extremes
from ..networks import MODEL, build
from ..report import Outcome, failed, judged, passed, skipped

F32, F64 = torch.float32, torch.float64
SINGLE = 1e-3  # of the largest value: a hundred slots of ten operations, each rounded by 6e-8 of numbers up to 10 times as large
DTS = (1e-6, 1e-3, 1.0)  # s
ROUNDING = 1e-9


def single_is_near_double(bench: Bench) -> Outcome:
    """Check that float32 gives what float64 gives, where nothing spikes."""
    steps = bench.calm_steps or bench.steps
    found = {}
    for dtype in (F64, F32):
        net = bench.ready(calm=True, dtype=dtype)
        found[dtype] = bench.run(net, bench.signals(net, steps=steps), batch=BATCH, steps=steps)
    wrong = [k for k, v in found[F32].items() if v.dtype != F32 and v.is_floating_point()]
    if wrong:
        fix = "A tensor of another type got in: make new ones with torch.zeros_like(x), torch.full_like(x, value)."
        return failed(f"{named(wrong[0])} is {found[F32][wrong[0]].dtype}", "float32 in a float32 network", fix)
    size, name = max((gap(found[F32][k], found[F64][k]), k) for k in found[F64] if k not in REMAINDERS)
    fix = "Differences of near numbers belong into discretise, which works in float64: torch.expm1(-dt / p.tau), not 1 - exp."
    return judged(size <= SINGLE, f"largest difference {size:.2g} ({named(name)})", f"below {SINGLE:g} of the largest value", fix)


def sound_at_extremes(bench: Bench) -> Outcome:
    """Check that parameters at their limits and far from their defaults give numbers, the same in float32, or are refused."""
    own = {k: p for k, p in bench.parameters.items() if k != "weight"}
    if not own:
        return skipped("it has no parameters")
    error, where = model_at_extremes(bench.model, own, bench.options, DTS, n=48)
    fix = (
        "Write the limit out with torch.where, or declare a limit (above=, least=, ...), or refuse it in check() with the reason."
    )
    if "float32" in where:
        fix = "Differences of near numbers lose digits: -torch.expm1(-x) for 1 - exp(-x), torch.log1p(x) for log(1 + x)."
    seen = where if where else f"48 cases at 3 slots from 1 us to 1 s; largest difference {error:.1g}"
    return judged(not where, seen, "numbers, in float32 near float64, or an error", fix)


def states_within_bounds(bench: Bench) -> Outcome:
    """Check that states stay within the bounds that they declare, under inputs up to a hundred times the usual ones."""
    states = bench.model.states._asdict() if bench.model.states else {}
    bounds = {k: s for k, s in states.items() if s.least is not None or s.most is not None}
    if not bounds:
        return skipped("no state declares least= or most=")
    for factor in (1.0, 100.0):
        gains = {port: size.strong * factor for port, size in bench.drive.items()}
        net = build(bench.model, 3, bench.values, bench.options, gains)
        start(net, bench.dt)
        x = {k: v * factor if not bench.drive else v for k, v in signals(net, batch=2, steps=bench.steps).items()}
        found = watched(net, x, steps=bench.steps, batch=2)
        for name, state in bounds.items():
            value = found[f"{MODEL}.{name}"]
            for limit, over in ((state.least, True), (state.most, False)):
                if limit is None:
                    continue
                wall = net[MODEL].value(limit) if isinstance(limit, str) else torch.tensor(float(limit), dtype=F64)
                beyond = (wall - value if over else value - wall).max()
                if not float(beyond) <= ROUNDING * float(wall.abs().max().clamp(min=1e-30)) + 1e-300:
                    reached = float(value.min() if over else value.max())
                    text = f"{name} reaches {reached:.6g}, beyond {limit} ({float(wall.flatten()[0]):.6g})"
                    fix = "Move a state towards its bound by a fraction of the distance to it (at most 1), or clamp it."
                    return failed(text, "states stay within what they declare", fix)
    return passed(", ".join(bounds), "states stay within what they declare")


def rises_with(bench: Bench) -> Outcome:
    """Check that more of an input makes more output, for the ports that were named."""
    ports = bench.asked.get("rises", ())
    if not ports:
        return skipped("asked for with rises=(port, ...)")
    factors = torch.tensor([0.5, 0.7, 1.0, 1.4, 2.0], dtype=F64)
    for port in ports:
        gains: dict[str, float | torch.Tensor] = dict.fromkeys(bench.drive, 0.0)
        gains[port] = bench.drive[port].strong * factors
        net = build(bench.model, len(factors), bench.values, bench.options, gains)
        start(net, bench.dt)
        x = {k: v[..., :1].expand_as(v) for k, v in signals(net, batch=1, steps=bench.steps).items()}
        total = watched(net, x, steps=bench.steps)[f"{MODEL}.output"].sum((0, 1))
        if not bool((total.diff() >= -ROUNDING * total.abs().max()).all()) or not bool(total[-1] > total[0]):
            text = f"{port}: " + ", ".join(f"{v:.3g}" for v in total.tolist()) + " for 0.5 to 2 times the input"
            return failed(text, "output rises with the input", f"Look at the sign of what {port} adds.")
    return passed(", ".join(ports), "output rises with the input")
