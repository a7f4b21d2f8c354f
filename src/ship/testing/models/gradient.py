"""Gradients against finite differences, and the two engines against each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from ...network.network import Network
from ..bench import Bench, named, start, watch
from ..compare import gradients, recorded, states, worst_gap
from ..networks import MODEL
from ..report import Outcome, failed, judged, passed, skipped

STEPS = 40
H = 1e-5  # of a parameter; central differences are then exact to some 1e-9
CLOSE = 2e-3  # of a derivative
ROUNDING = 1e-7  # of the loss, divided by H: what a central difference cannot see
SAME, SMOOTH = 1e-12, 1e-9  # values and gradients of two engines, of the largest, in float64


def _run(net: Network, bench: Bench, steps: int) -> dict[str, Tensor]:
    x = bench.signals(net, batch=2, steps=steps)
    net.run(x or None, steps=steps, reset_persistent=True, batch=None if x else 2)
    return {k: v for k, v in recorded(net).items() if not k.endswith("/time")}


def _loss(found: dict[str, Tensor], scales: dict[str, float]) -> Tensor:
    """A number with a seeded weight for every value that was watched; each variable counts in units of its largest value."""
    total = torch.zeros((), dtype=torch.float64)
    for i, name in enumerate(sorted(scales)):
        value = found[name]
        weight = torch.as_tensor(np.random.default_rng(i).uniform(0.5, 1.5, tuple(value.shape)))
        total = total + (weight * value / scales[name]).sum() / value.numel()
    return total


def _scales(found: dict[str, Tensor]) -> dict[str, float]:
    return {k: float(v.detach().abs().max()) or 1.0 for k, v in found.items()}


def gradients_are_slopes(bench: Bench) -> Outcome:
    """Check the gradient of a run without spikes to every parameter against central differences."""
    steps = min(STEPS, bench.calm_steps)
    if steps < 4:
        return skipped("it spikes by itself at once: its gradients go through the surrogate")
    net = bench.network(calm=True)
    net.set(MODEL, trainable=True)
    start(net, bench.dt, seed=bench.seed)
    watch(net, detach=False)
    trained = {k: p for k, p in net.named_parameters() if p.requires_grad}
    if not trained:
        return skipped("no parameter has a gradient")
    found = _run(net, bench, steps)
    if bench.spiking and bool((found[f"{MODEL}.output"] != 0).any()):
        return skipped("it spikes: its gradients go through the surrogate")
    scales = {k: v for k, v in _scales(found).items() if not (bench.spiking and k.endswith(".output"))}
    loss = _loss(found, scales)
    if not loss.requires_grad:
        return failed(
            "no gradient arrives at any parameter", "gradients flow", "Something detaches: .detach(), .item(), .data, float()."
        )
    loss.backward()
    level = abs(float(loss.detach()))
    wrong, largest, seen = "", 0.0, 0
    for name, p in trained.items():
        short = name.rsplit(".", 1)[-1].rsplit("/", 1)[-1]
        given = 0.0 if p.grad is None else float((p.grad * p.detach()).sum())
        slope = _slope(lambda: float(_loss(_run(net, bench, steps), scales)), p)
        if slope is None:
            continue
        seen += 1
        tolerance = CLOSE * max(abs(given), abs(slope)) + ROUNDING * level
        off = abs(given - slope)
        largest = max(largest, off / max(abs(slope), 1e-300) if off > ROUNDING * level else 0.0)
        if not off <= tolerance and not wrong:
            wrong = f"{short}: gradient {given:.6g}, finite difference {slope:.6g} (per relative change)"
    fix = (
        "No detach, item, round or float() on the way, and custom autograd functions must return the derivative. "
        "Where the equation has a step by intention, leave the check out: skip=('gradients',)."
    )
    return judged(not wrong, wrong or f"within {largest:.1g} (parameters: {seen})", "the slope of the run", fix)


@torch.no_grad()
def _slope(value: Callable[[], float], p: Tensor) -> float | None:
    """Return the derivative to a relative change of a parameter; None where it is at a value that has none (0, infinite)."""
    kept = p.detach().clone()
    if not bool(torch.isfinite(kept).all()) or not bool((kept != 0).any()):
        return None
    ends = []
    for side in (1 + H, 1 - H):
        p.copy_(kept * side)
        ends.append(value())
    p.copy_(kept)
    slope = (ends[0] - ends[1]) / (2 * H)
    return slope if math.isfinite(slope) else None


def engines_agree(bench: Bench) -> Outcome:
    """Check that compiled kernels give what plain PyTorch gives: outputs, states, and gradients."""
    if find_spec("numba") is None:
        return skipped("Numba is not installed: there are no kernels")
    found = {engine: _both_ways(bench, engine) for engine in ("reference", "fused")}
    (values, left, grads), (got, got_left, got_grads), why = *(f[:3] for f in found.values()), found["fused"][3]
    for what, tolerance, a, b in (
        ("", SAME, got, values),
        ("final state ", SAME, got_left, left),
        ("gradient of ", SMOOTH, got_grads, grads),
    ):
        size, name = worst_gap(a, b)  # type: ignore[arg-type]
        if size > tolerance:
            fix = (
                "The functions must be pure and pointwise (torch.where, no axis named); net.explain() says what runs as a kernel."
            )
            label = named(name) if "." in name and not what else name
            return failed(f"{what}{label} differs by {size:.2g} of its largest value", "the same on both engines", fix)
    return passed(
        f"runs slot by slot: {why}" if why else "runs as a kernel; values and gradients the same", "the same on both engines"
    )


def _both_ways(bench: Bench, engine: str) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor | None], str]:
    """Return values, final states, gradients, and why the model does not run as a kernel (empty where it does)."""
    net = bench.network()
    if bench.parameters:
        net.set(MODEL, trainable=True if not bench.asked.get("rule") else None)
    start(net, bench.dt, engine=engine, seed=bench.seed)
    watch(net, detach=False)
    values = _run(net, bench, bench.steps)
    scales = _scales(values)
    loss = _loss(values, scales)
    if loss.requires_grad:
        loss.backward()
    plan = net.schedule()
    said = net.simulation().engines(plan).get(MODEL, "") if engine == "fused" else ""
    why = said if "slot by slot" in said else ""
    why = why.split(":", 1)[-1].strip() if ":" in why else why
    return {k: v.detach() for k, v in values.items()}, states(net), gradients(net), why
