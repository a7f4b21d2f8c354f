"""Encoders: from numbers in [0, 1] or signals over time to events. ``[batch, unit]`` -> ``[batch, time, unit]``, SI units.

Randomness takes an explicit generator; torch's global one is never touched.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import ParameterError


def _unit_interval(where: str, x: Tensor) -> Tensor:
    x = x if x.is_floating_point() else x.float()
    bad = ~((x >= 0) & (x <= 1))
    if bool(bad.any()):
        raise ParameterError(f"{where}: x", "must lie in [0, 1]", got=f"{x[bad].flatten()[0].item():g}", fix="Scale the data first.")
    return x


def _positive(where: str, **values: float) -> None:
    for name, value in values.items():
        if not math.isfinite(value) or value <= 0:
            raise ParameterError(f"{where}: {name}", "must be a finite number above 0", got=f"{value:g}")


def _at_slots(slot: Tensor, active: Tensor, steps: int, dtype: torch.dtype) -> Tensor:
    """One event in ``slot [..., unit]`` of each active unit; those behind the end are not emitted: ``[..., time, unit]``."""
    hit = slot.unsqueeze(-2) == torch.arange(steps).unsqueeze(-1)
    return (hit & active.unsqueeze(-2)).to(dtype)


def latency(
    x: Tensor, *, steps: int, dt: float, tau: float = 20e-3, threshold: float = 0.0, jitter: float = 0.0, generator: torch.Generator | None = None
) -> Tensor:
    """Time to first spike: one spike at ``-tau ln x`` (s), none where ``x <= threshold``.

    Args:
        x: ``[batch, unit]`` in [0, 1].
        steps, dt: slots and their length, s.
        tau: time constant of the code, s.
        threshold: values up to it stay silent.
        jitter: standard deviation of Gaussian jitter of the times, s.
        generator: of the jitter.
    """
    x = _unit_interval("latency", x)
    _positive("latency", steps=steps, dt=dt, tau=tau)
    if jitter < 0:
        raise ParameterError("latency: jitter", "must be at least 0 s", got=f"{jitter:g}")
    time = -tau * torch.log(x.clamp(min=1e-30))
    if jitter:
        time = time + jitter * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    slot = torch.floor(time.clamp(min=0) / dt + 0.5 + 1e-6).long()
    return _at_slots(slot, (x > threshold) & (x > 0), steps, x.dtype)


def rate(x: Tensor, *, steps: int, dt: float, max_rate: float = 100.0, generator: torch.Generator | None = None) -> Tensor:
    """Poisson counts of mean ``x max_rate dt`` in each slot; ``max_rate`` in Hz, counts may exceed 1."""
    x = _unit_interval("rate", x)
    _positive("rate", steps=steps, dt=dt, max_rate=max_rate)
    mean = (x * max_rate * dt).unsqueeze(-2)
    return torch.poisson(mean.expand(*x.shape[:-1], steps, x.shape[-1]), generator=generator)


def regular_rate(x: Tensor, *, dt: float, max_rate: float = 100.0, steps: int | None = None) -> Tensor:
    """Deterministic rate code: an event each time the integral of ``x max_rate`` passes a whole number.

    Args:
        x: ``[batch, unit]`` with ``steps``, or a rate over time ``[batch, time, unit]``; in [0, 1].
        dt: s.
        max_rate: Hz.
        steps: slots, for an ``x`` that is constant.
    """
    x = _unit_interval("regular_rate", x)
    _positive("regular_rate", dt=dt, max_rate=max_rate)
    if steps is not None:
        x = x.unsqueeze(-2).expand(*x.shape[:-1], steps, x.shape[-1])
    total = torch.floor((x.double() * max_rate * dt).cumsum(-2) + 1e-9)
    return torch.diff(total, dim=-2, prepend=torch.zeros_like(total[..., :1, :])).to(x.dtype)


def interspike_interval(x: Tensor, *, steps: int, dt: float, shortest: float = 2e-3, longest: float = 50e-3, threshold: float = 0.0) -> Tensor:
    """Regular trains whose interval falls linearly from ``longest`` (x = 0) to ``shortest`` (x = 1), s; silent up to ``threshold``."""
    x = _unit_interval("interspike_interval", x)
    _positive("interspike_interval", steps=steps, dt=dt, shortest=shortest, longest=longest)
    if shortest > longest:
        raise ParameterError("interspike_interval", "shortest must not exceed longest", got=f"{shortest:g} > {longest:g}")
    interval = longest + (shortest - longest) * x.double()
    index = torch.arange(steps, dtype=torch.float64).unsqueeze(-1)
    # Event number m lies at m * interval: the count up to the end of slot k is floor((k + 1/2) dt / interval).
    passed = torch.floor((index + 0.5) * dt / interval.unsqueeze(-2) + 1e-9)
    events = torch.diff(passed, dim=-2, prepend=torch.zeros_like(passed[..., :1, :]))
    return (events * (x > threshold).unsqueeze(-2)).to(x.dtype)


def burst(x: Tensor, *, steps: int, dt: float, most: int = 5, shortest: float = 2e-3, longest: float = 10e-3) -> Tensor:
    """Bursts: ``ceil(most x)`` spikes from slot 0 on, at an interval that falls linearly from ``longest`` to ``shortest`` (s).

    Source: Guo et al., Front. Neurosci. 15:638474 (2021), sec. 2.1.4.
    """
    x = _unit_interval("burst", x)
    _positive("burst", steps=steps, dt=dt, most=most, shortest=shortest, longest=longest)
    if shortest > longest:
        raise ParameterError("burst", "shortest must not exceed longest", got=f"{shortest:g} > {longest:g}")
    number = torch.ceil(most * x.double() - 1e-9)
    interval = torch.where(number > 1, longest + (shortest - longest) * x.double(), torch.full_like(x, longest, dtype=torch.float64))
    events = torch.zeros(*x.shape[:-1], steps, x.shape[-1], dtype=x.dtype)
    for m in range(most):
        events = events + _at_slots(torch.floor(m * interval / dt + 0.5 + 1e-6).long(), number > m, steps, x.dtype)
    return events


def level_crossing(signal: Tensor, *, delta: float, bits: int = 1) -> Tensor:
    """Delta modulation: how many levels of height ``delta`` a signal crossed in each slot, up and down on separate channels.

    With one bit an event says "at least one level" and the reference follows by one; with more, the number of levels (at most
    ``2^bits - 1``) is coded binary on ``bits`` channels, the lowest bit first. The input is not changed.

    Args:
        signal: ``[batch, time, channel]`` or ``[time, channel]``.
        delta: height of a level, in the signal's unit.
        bits: per direction.

    Returns:
        ``[..., time, 2 * bits * channel]``: for each channel its up bits, then its down bits.
    """
    _positive("level_crossing", delta=delta, bits=bits)
    if not bool(torch.isfinite(signal).all()):
        raise ParameterError("level_crossing: signal", "must be finite", got="NaN or infinity")
    signal = signal if signal.is_floating_point() else signal.float()
    most = 2**bits - 1
    reference = signal[..., 0, :].clone()
    steps = []
    for k in range(signal.shape[-2]):
        levels = torch.trunc((signal[..., k, :] - reference) / delta + 1e-6 * torch.sign(signal[..., k, :] - reference)).clamp(-most, most)
        reference = reference + levels * delta
        steps.append(levels)
    levels = torch.stack(steps, -2)
    both = torch.stack([levels.clamp(min=0), (-levels).clamp(min=0)], -1).long()  # [..., time, channel, direction]
    coded = (both.unsqueeze(-1) >> torch.arange(bits)) & 1
    return coded.flatten(-3).to(signal.dtype)


def level_crossing_decode(events: Tensor, *, delta: float, bits: int = 1) -> Tensor:
    """The signal that `level_crossing` followed, from its events, starting at 0: ``[..., time, channel]``."""
    coded = events.unflatten(-1, (-1, 2, bits))
    levels = (coded * (2 ** torch.arange(bits, dtype=events.dtype))).sum(-1)
    return (levels[..., 0] - levels[..., 1]).cumsum(-2) * delta
