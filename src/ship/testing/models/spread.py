"""Statistics: what varies from unit to unit spreads as far as the equation says, and noise does not depend on dt."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..bench import Bench, Runs, named
from ..networks import MODEL
from ..report import Outcome, failed, judged, passed, skipped

SPREAD = 2e-3  # of each parameter: over this nearly all equations are straight
MANY = 240  # units: the standard deviation of their standard deviation is 4.6 %
LIKELY = 5.0  # standard errors
NOISY = 600  # units or samples
LESS_EXACT = 0.15  # of a spread: what the order of dt may leave


def spreads_as_declared(bench: Bench) -> Outcome:
    """Check that a spread of 0.2 % of every parameter spreads the states as far as their slopes say."""
    if bench.noisy:
        return skipped("its noise spreads units anyway")
    spread = bench.varied(SPREAD)
    if not spread:
        return skipped("no parameter is well inside its limits")
    steps = min(bench.calm_steps or bench.steps, 40)
    if bench.spiking and bench.calm_steps < 4:
        return skipped("it spikes by itself at once")
    net = bench.ready(MANY, calm=True, values=spread)
    drawn = _ends(bench.run(net, _same(bench, net, steps), batch=1, steps=steps), MANY)
    base = _alone(bench, {}, steps)
    stepped = [_alone(bench, {k: v.nominal * (1 + SPREAD / 10)}, steps) for k, v in spread.items()]
    good: list[str] = []
    wrong: list[str] = []
    for name, value in base.items():
        wanted = float(torch.cat([(each[name] - value) * 10 for each in stepped]).norm())
        seen = float(drawn[name].std())
        if wanted <= 1e-7 * float(value.abs().max()):
            continue
        ratio = seen / wanted
        # beyond the statistical error: what is curved within the spread
        close = abs(ratio - 1) < LIKELY / math.sqrt(2 * MANY) + 0.05
        (good if close else wrong).append(f"{named(name)}: {seen:.3g} in the place of {wanted:.3g}")
    should = f"{SPREAD:.1%} from unit to unit spreads states as their slopes say"
    if wrong:
        fix = "Read parameters from p, each unit its own: no mean, no max, no first value; and add no spread in the model."
        return failed("; ".join(wrong), should, fix)
    return (
        passed("; ".join(f"{g.split(':')[0]} as it should" for g in good), should) if good else skipped("no parameter moves it")
    )


def _alone(bench: Bench, values: dict[str, float], steps: int) -> dict[str, Tensor]:
    """Return the last values of one unit with some parameters of its own."""
    net = bench.ready(1, calm=True, values=values)
    return _ends(bench.run(net, _same(bench, net, steps), batch=1, steps=steps), 1)


def _same(bench: Bench, net: object, steps: int) -> Runs:
    """Return inputs that are the same for all units."""
    x = bench.signals(net, batch=1, steps=steps)  # type: ignore[arg-type]
    return {k: v[..., :1].expand_as(v) for k, v in x.items()}


def _ends(found: Runs, n: int) -> dict[str, Tensor]:
    """Return the last value of every variable of a model, by unit."""
    return {k: v[0, -1].reshape(-1) for k, v in found.items() if v.shape[-1] == n and v[0, -1].numel() == n}


def noise_is_the_same_at_any_dt(bench: Bench) -> Outcome:
    """Check that mean and spread over many units, after the same time, do not depend on dt."""
    if not bench.noisy:
        return skipped("it draws no noise")
    steps, found = bench.steps // 2, []
    for refine in (1, 4):
        net = bench.ready(NOISY, calm=True, refine=refine)
        x = bench.signals(net, batch=1, steps=steps, refine=refine)
        x = {k: v[..., :1].expand_as(v) for k, v in x.items()}
        run = bench.run(net, x, batch=1, steps=steps * refine)
        ends = _ends({k: v for k, v in run.items() if k.startswith(MODEL) and not k.endswith(".output")}, NOISY)
        output = run[f"{MODEL}.output"]
        adds_up = getattr(net[MODEL].model, "emits", "charge") != "values"  # events and charges; of a level the mean
        counted = output[0].sum(0) if adds_up else output[0].mean(0)
        found.append({**ends, f"{MODEL}.output": counted.reshape(-1)})
    wrong: list[str] = []
    seen: list[str] = []
    for name, coarse in found[0].items():
        fine = found[1][name]
        n = coarse.numel()
        mean, sd = (float(coarse.mean()), float(fine.mean())), (float(coarse.std()), float(fine.std()))
        size = max(sd)
        if size == 0:
            continue
        off = abs(mean[0] - mean[1]) > (LIKELY * math.sqrt(2 / n) + LESS_EXACT) * size
        off = off or abs(sd[0] - sd[1]) > (LIKELY / math.sqrt(n) + LESS_EXACT) * size
        text = f"{named(name)} {mean[0]:.3g} +- {sd[0]:.3g} at dt, {mean[1]:.3g} +- {sd[1]:.3g} at dt / 4"
        (wrong if off else seen).append(text)
    fix = "Scale noise in discretise: a normal number per slot times sqrt(dt), a probability 1 - exp(-rate dt), a count rate dt."
    should = "the same statistics at any dt"
    if not wrong and not seen:
        return failed("nothing varies", should, "Use x.NAME of noise = {'NAME': 'normal'} in the functions.")
    return judged(not wrong, "; ".join(wrong or seen), should, fix)
