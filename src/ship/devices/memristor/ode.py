"""Integration of ``dx/dt = f(x)`` over a time that differs from device to device, each with steps of its own.

Dormand-Prince 5(4). A step of h is accepted where the two orders agree to ``tolerance`` of the state's range, and left out where
they do not; the next one is ``0.9 h e^(-1/5)`` long, a fifth to five times h, e the disagreement over the tolerance. States stay
between their bounds: f is taken at the nearest state inside, so that an orbit which runs into a hard bound ends exactly there,
and one that approaches a soft bound (f = 0 on it) is resolved. A device within the tolerance of the bound that it moves towards,
or with f = 0, is done.

Steps are chosen without gradient; the result is differentiable in the start, the time and whatever f depends on.

Source: Dormand & Prince, J. Comp. Appl. Math. 6:19 (1980); step control as in Hairer, Norsett & Wanner, *Solving Ordinary
Differential Equations I*, sec. II.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor

from ...base.errors import RunError

States = tuple[Tensor, ...]
Rate = Callable[[States], States]
MOST = 20_000  # steps
_most: ContextVar[int | None] = ContextVar("_most", default=None)
STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)  # fifth minus fourth order


@contextmanager
def at_most(steps: int) -> Iterator[None]:
    """Integrate within this context in so many steps at most, in the place of `MOST`."""
    token = _most.set(steps)
    try:
        yield
    finally:
        _most.reset(token)


class Box(NamedTuple):
    """Bounds of the states, and what counts as small in each."""

    low: States
    high: States
    small: States

    def inside(self, x: States) -> States:
        return tuple(torch.minimum(torch.maximum(a, lo), hi) for a, lo, hi in zip(x, self.low, self.high, strict=True))


def accuracy(dtype: torch.dtype) -> float:
    """The error of one step that is accepted, as a fraction of the range: 1e-9, in single precision 1e-6."""
    return max(1e-9, 8 * torch.finfo(dtype).eps)


def flow(rate: Rate, x: States, seconds: Tensor, low: States, high: States, tolerance: float | None = None) -> States:
    """The state after ``seconds``.

    Args:
        rate: dx/dt for a tuple of states; pointwise, finite between the bounds.
        x: the states at the start; they and all that follows broadcast.
        seconds: s, at least 0, for each device.
        low, high: bounds of each state.
        tolerance: accepted error of a step, as a fraction of ``high - low``; default `accuracy`.

    Raises:
        RunError: more than 20,000 steps, or a speed at the start that is not finite.
    """
    start = rate(x)
    if not all(bool(torch.isfinite(f).all()) for f in start):
        raise RunError("pulse", "the state must move at a finite speed", got="infinity", fix="Check voltage and parameters.")
    shape = torch.broadcast_shapes(seconds.shape, *(a.shape for a in (*x, *start)))
    part = accuracy(x[0].dtype) if tolerance is None else tolerance
    box = Box(low, high, tuple(((hi - lo) * part).detach() for lo, hi in zip(low, high, strict=True)))
    x, left = tuple(a.expand(shape) for a in x), seconds.to(x[0].dtype).expand(shape)
    size = _first(rate(x), left, box)
    most = _most.get() or MOST
    for _ in range(most):
        step = torch.where(size < left, size, left)  # not `minimum`, which halves the gradient where they are equal
        new, error = _step(rate, x, step, box)
        fine = error <= 1
        x = tuple(torch.where(fine, a, b) for a, b in zip(box.inside(new), x, strict=True))
        left = torch.where(fine, left - step, left)
        left = torch.where(_arrived(rate, x, box), torch.zeros_like(left), left)
        if not bool((left > 0).any()):
            return x
        factor = 0.9 * error.clamp(min=1e-10).pow(-0.2)
        size = (step * torch.nan_to_num(factor, nan=0.2, posinf=5.0).clamp(0.2, 5.0)).detach()
    raise RunError("pulse", f"must take at most {most} steps", got=f"{float(left.max()):g} s left", fix="Use shorter pulses.")


def _first(f: States, left: Tensor, box: Box) -> Tensor:
    """The first step (s): a hundredth of the range at the speed of the start."""
    size = left.detach()
    for g, lo, hi in zip(f, box.low, box.high, strict=True):
        speed = g.detach().abs()
        whole = 0.01 * (hi - lo).detach() / torch.where(speed > 0, speed, torch.ones_like(speed))
        size = torch.where(speed > 0, torch.minimum(size, whole), size)
    return size


def _step(rate: Rate, x: States, h: Tensor, box: Box) -> tuple[States, Tensor]:
    """One step, and the error over the tolerance."""
    slopes = [rate(x)]
    new = x
    for weights in STAGES:
        new = tuple(a + h * sum(w * s[i] for w, s in zip(weights, slopes, strict=True) if w) for i, a in enumerate(x))
        slopes.append(rate(box.inside(new)))
    error = torch.zeros_like(h)
    for i, small in enumerate(box.small):
        gap = h * sum(w * s[i] for w, s in zip(ERROR, slopes, strict=True) if w)
        error = torch.maximum(error, gap.abs() / small)
    return new, error.detach()


def _arrived(rate: Rate, x: States, box: Box) -> Tensor:
    """Where nothing moves any more: every state stands still, or is at the bound that it moves to."""
    done = torch.ones_like(x[0], dtype=torch.bool)
    with torch.no_grad():
        for a, f, lo, hi, small in zip(x, rate(x), box.low, box.high, box.small, strict=True):
            done = done & ((f == 0) | (torch.where(f > 0, hi - a, a - lo) <= small))
    return done
