"""Encoders: from numbers in [0, 1], or signals over time, to events. ``[..., unit]`` -> ``[..., time, unit]``, SI units.

A time t becomes slot t / dt, rounded half up, as everywhere in SHIP; what falls behind the last slot is not emitted. The result
has the dtype and device of ``x`` (float32 for integers). Randomness takes an explicit generator, never torch's global one.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from ..base.clock import FUZZ, nearest_slots
from ..base.errors import ParameterError

# A level counts as crossed from this fraction of its height on: a float32 signal near 1 with delta = 0.01 is off by 1e-5 levels.
LEVEL_FUZZ = 1e-4


def _tensor(where: str, name: str, x: Tensor, least_ndim: int) -> Tensor:
    if not isinstance(x, Tensor):
        raise ParameterError(f"{where}: {name}", "must be a tensor", got=type(x).__name__, fix="Use torch.as_tensor.")
    if x.is_complex():
        raise ParameterError(f"{where}: {name}", "must be real numbers", got=str(x.dtype))
    if x.ndim < least_ndim:
        raise ParameterError(f"{where}: {name}", f"must have at least {least_ndim} axes", got=f"shape {list(x.shape)}")
    return x if x.is_floating_point() else x.float()


def _unit_interval(where: str, x: Tensor, least_ndim: int = 1) -> Tensor:
    x = _tensor(where, "x", x, least_ndim)
    bad = ~((x >= 0) & (x <= 1))  # true for NaN too
    if bool(bad.any()):
        raise ParameterError(f"{where}: x", "must lie in [0, 1]", got=f"{x[bad][0].item():g}", fix="Scale the data first.")
    return x


def _number(where: str, name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ParameterError(f"{where}: {name}", "must be a finite number", got=repr(value))
    return value


def _positive(where: str, unit: str = "", **values: float) -> None:
    for name, value in values.items():
        if _number(where, name, value) <= 0:
            raise ParameterError(f"{where}: {name}", f"must be above 0{unit and ' ' + unit}", got=f"{value:g}")


def _whole(where: str, **values: int) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ParameterError(f"{where}: {name}", "must be a whole number, at least 1", got=repr(value))


def _threshold(where: str, threshold: float) -> None:
    if not 0 <= _number(where, "threshold", threshold) < 1:
        raise ParameterError(f"{where}: threshold", "must be at least 0 and below 1", got=f"{threshold:g}")


def _generator(where: str, generator: torch.Generator | None) -> None:
    if not isinstance(generator, torch.Generator):
        got = "none" if generator is None else type(generator).__name__
        raise ParameterError(
            f"{where}: generator", "must be a torch.Generator", got=got, fix="E.g. torch.Generator().manual_seed(0)."
        )


def _interval(where: str, x: Tensor, t_min: float, t_max: float, scale: str) -> Tensor:
    """Compute the seconds between spikes, float64: ``t_max`` at x = 0, ``t_min`` at x = 1."""
    _positive(where, "s", t_min=t_min, t_max=t_max)
    if t_min > t_max:
        raise ParameterError(f"{where}: t_min", f"must not exceed t_max = {t_max:g} s", got=f"{t_min:g}")
    if scale not in ("linear", "log"):
        raise ParameterError(f"{where}: scale", "must be 'linear' or 'log'", got=repr(scale))
    value = x.double()
    return t_max - (t_max - t_min) * value if scale == "linear" else t_max * (t_min / t_max) ** value


def _at_slots(slot: Tensor, active: Tensor, steps: int) -> Tensor:
    """One event in ``slot [..., unit]`` of each active unit: ``[..., time, unit]``, boolean."""
    return (slot.unsqueeze(-2) == torch.arange(steps, device=slot.device).unsqueeze(-1)) & active.unsqueeze(-2)


def _new_events(total: Tensor) -> Tensor:
    """Events of each slot from their running total ``[..., time, unit]``."""
    return torch.diff(total, dim=-2, prepend=torch.zeros_like(total[..., :1, :]))


def latency(
    x: Tensor,
    *,
    steps: int,
    dt: float,
    tau: float = 20e-3,
    threshold: float = 0.0,
    jitter: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Encode values as times to a first spike: one spike at ``-tau ln x`` (s), so at 0 for x = 1; none for ``x <= threshold``.

    Args:
        x: ``[..., unit]`` in [0, 1].
        steps: number of slots.
        dt: time step, s.
        tau: time constant of the code, s.
        threshold: values up to it stay silent. ``exp(-steps dt / tau)`` is the smallest value whose spike falls into the run.
        jitter: standard deviation of Gaussian jitter of the times, s; times before 0 become 0.
        generator: generator of the jitter.

    Returns:
        ``[..., time, unit]``, 0 or 1.

    Raises:
        ParameterError: a value out of its limits, NaN, or jitter without a generator.
    """
    x = _unit_interval("latency", x)
    _whole("latency", steps=steps)
    _positive("latency", "s", dt=dt, tau=tau)
    _threshold("latency", threshold)
    if _number("latency", "jitter", jitter) < 0:
        raise ParameterError("latency: jitter", "must be at least 0 s", got=f"{jitter:g}")
    time = -tau * torch.log(x.double())  # infinite at 0: behind any last slot
    if jitter:
        _generator("latency", generator)
        time = time + jitter * torch.randn(x.shape, generator=generator, dtype=torch.float64, device=x.device)
    return _at_slots(nearest_slots(time.clamp(min=0), dt), x > threshold, steps).to(x.dtype)


def rate(
    x: Tensor,
    *,
    steps: int,
    dt: float,
    max_rate: float = 100.0,
    threshold: float = 0.0,
    counts: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Encode values as Poisson spike trains of rate ``x max_rate``.

    Args:
        x: ``[..., unit]`` in [0, 1].
        steps: number of slots.
        dt: time step, s.
        max_rate: rate for x = 1, Hz.
        threshold: values up to it stay silent.
        counts: True gives the counts of a Poisson process, of mean ``x max_rate dt`` at any rate; False gives 0 or 1, "at least
            one event", of probability ``1 - exp(-x max_rate dt)``, which saturates where the mean is not small.
        generator: generator of the trains; required.

    Returns:
        ``[..., time, unit]``.

    Raises:
        ParameterError: a value out of its limits, NaN, or no generator.
    """
    x = _unit_interval("rate", x)
    _whole("rate", steps=steps)
    _positive("rate", "s", dt=dt)
    _positive("rate", "Hz", max_rate=max_rate)
    _threshold("rate", threshold)
    _generator("rate", generator)
    mean = (torch.where(x > threshold, x, torch.zeros_like(x)) * max_rate * dt).unsqueeze(-2)
    events = torch.poisson(mean.expand(*x.shape[:-1], steps, x.shape[-1]), generator=generator)
    return events if counts else events.clamp(max=1)


def regular_rate(x: Tensor, *, dt: float, max_rate: float = 100.0, steps: int | None = None) -> Tensor:
    """Encode values as regular rates: an event each time the integral of ``x max_rate`` passes a whole number.

    Args:
        x: ``[..., unit]`` with ``steps``, or without them a rate over time ``[..., time, unit]``; in [0, 1].
        dt: time step, s.
        max_rate: rate for x = 1, Hz; above 1 / dt a slot may hold several events.
        steps: number of slots, for an ``x`` that is constant.

    Returns:
        Counts ``[..., time, unit]``: after k slots, ``floor(sum(x) max_rate dt)`` in all.

    Raises:
        ParameterError: a value out of its limits, or NaN.
    """
    x = _unit_interval("regular_rate", x, 2 if steps is None else 1)
    _positive("regular_rate", "s", dt=dt)
    _positive("regular_rate", "Hz", max_rate=max_rate)
    if steps is not None:
        _whole("regular_rate", steps=steps)
        x = x.unsqueeze(-2).expand(*x.shape[:-1], steps, x.shape[-1])
    # A float32 x lies up to 2^-24 of itself below the number meant: 0.7 at 100 Hz for 0.1 s would give 6 events, not 7.
    total = torch.floor((x.double() * max_rate * dt).cumsum(-2) * (1 + 2.0**-23))
    return _new_events(total).to(x.dtype)


def interspike_interval(
    x: Tensor,
    *,
    steps: int,
    dt: float,
    t_min: float = 2e-3,
    t_max: float = 50e-3,
    threshold: float = 0.0,
    scale: Literal["linear", "log"] = "linear",
) -> Tensor:
    """Encode values as regular trains whose interval falls from ``t_max`` at x = 0 to ``t_min`` at x = 1; the first spike comes
    after one interval.

    Args:
        x: ``[..., unit]`` in [0, 1].
        steps: number of slots.
        dt: time step, s.
        t_min, t_max: the shortest and the longest interval, s.
        threshold: values up to it stay silent.
        scale: the interval is ``t_max - (t_max - t_min) x``, or ``t_max (t_min / t_max)^x`` for ``"log"``.

    Returns:
        Counts ``[..., time, unit]``; event m lies in slot m interval / dt, so single intervals differ from the exact one by
        less than dt and their mean does not.

    Raises:
        ParameterError: a value out of its limits, or NaN.
    """
    where = "interspike_interval"
    x = _unit_interval(where, x)
    _whole(where, steps=steps)
    _positive(where, "s", dt=dt)
    _threshold(where, threshold)
    slots = (_interval(where, x, t_min, t_max, scale) / dt).unsqueeze(-2)
    k = torch.arange(steps, dtype=torch.float64, device=x.device).unsqueeze(-1)
    # floor(m slots + 1/2 + fuzz) <= k holds for all whole m below (k + 1/2 - fuzz) / slots.
    total = torch.ceil((k + 0.5 - FUZZ) / slots) - 1
    return (_new_events(total) * (x > threshold).unsqueeze(-2)).to(x.dtype)


def burst(
    x: Tensor, *, steps: int, dt: float, max_spikes: int = 5, t_min: float = 2e-3, t_max: float = 10e-3, threshold: float = 0.0
) -> Tensor:
    """Encode values as bursts: ``ceil(max_spikes x)`` spikes from slot 0 on, ``t_max - (t_max - t_min) x`` seconds apart.

    Args:
        x: ``[..., unit]`` in [0, 1].
        steps: number of slots; spikes behind them are lost.
        dt: time step, s.
        max_spikes: number of spikes for x = 1.
        t_min, t_max: the shortest and the longest interval, s.
        threshold: values up to it stay silent.

    Returns:
        Counts ``[..., time, unit]``, above 1 only where intervals are shorter than dt.

    Raises:
        ParameterError: a value out of its limits, or NaN.

    Source: Guo et al., Front. Neurosci. 15:638474 (2021), section on burst coding.
    """
    x = _unit_interval("burst", x)
    _whole("burst", steps=steps, max_spikes=max_spikes)
    _positive("burst", "s", dt=dt)
    _threshold("burst", threshold)
    interval = _interval("burst", x, t_min, t_max, "linear")
    # The fuzz keeps a float32 0.2, which lies above 0.2, at 1 spike of 5 and not at 2.
    number = torch.ceil(max_spikes * x.double() - FUZZ).clamp(min=1) * (x > threshold)
    events = torch.zeros(*x.shape[:-1], steps, x.shape[-1], dtype=x.dtype, device=x.device)
    for m in range(max_spikes):
        events += _at_slots(nearest_slots(m * interval, dt), number > m, steps)
    return events


def level_crossing(signal: Tensor, *, delta: float, bits: int = 1) -> Tensor:
    """Encode a signal by delta modulation: the levels of height ``delta`` that it crosses in each slot.

    Levels up and down are on separate channels. A reference starts at the signal's first value and follows it in whole levels, at
    most ``2^bits - 1`` a slot. One bit says "a level"; several bits code the number of levels in binary, lowest bit first. What a
    fast slot could not say, the next ones catch up.

    Args:
        signal: ``[batch, time, channel]`` or ``[time, channel]``; it is not changed.
        delta: height of a level, in the signal's unit.
        bits: number of channels per direction, 1 to 16.

    Returns:
        ``[..., time, 2 bits channel]``, 0 or 1: for each channel its up bits, then its down bits.

    Raises:
        ParameterError: a value out of its limits, NaN or infinity, no slots.
    """
    signal = _tensor("level_crossing", "signal", signal, 2)
    _positive("level_crossing", delta=delta)
    _bits("level_crossing", bits)
    if not bool(torch.isfinite(signal).all()):
        raise ParameterError("level_crossing: signal", "must be finite", got="NaN or infinity")
    if signal.shape[-2] == 0:
        raise ParameterError("level_crossing: signal", "must have at least one slot", got=f"shape {list(signal.shape)}")
    most = 2**bits - 1
    height = (
        signal.double() - signal[..., :1, :].double()
    ) / delta  # in levels; float64 and whole references: errors do not add up
    at, steps = torch.zeros_like(height[..., 0, :]), []
    for k in range(height.shape[-2]):
        gap = height[..., k, :] - at
        levels = torch.trunc(gap + LEVEL_FUZZ * torch.sign(gap)).clamp(-most, most)
        at = at + levels
        steps.append(levels)
    crossed = torch.stack(steps, -2)
    both = torch.stack([crossed.clamp(min=0), (-crossed).clamp(min=0)], -1).long()  # [..., time, channel, direction]
    coded = (both.unsqueeze(-1) >> torch.arange(bits, device=signal.device)) & 1
    return coded.flatten(-3).to(signal.dtype)


def level_crossing_decode(events: Tensor, *, delta: float, bits: int = 1, start: float | Tensor = 0.0) -> Tensor:
    """Decode events of `level_crossing` to the reference that it followed.

    Args:
        events: ``[..., time, 2 bits channel]``.
        delta: height of a level, in the signal's unit.
        bits: number of channels per direction.
        start: the signal's first value, a number or ``[..., channel]``.

    Returns:
        ``[..., time, channel]``: within ``delta`` of the signal where that moved less than ``2^bits - 1`` levels a slot.

    Raises:
        ParameterError: a value out of its limits, or a number of channels that ``bits`` does not divide.
    """
    events = _tensor("level_crossing_decode", "events", events, 2)
    _positive("level_crossing_decode", delta=delta)
    _bits("level_crossing_decode", bits)
    if events.shape[-1] % (2 * bits):
        raise ParameterError(
            "level_crossing_decode: events",
            f"must have a multiple of {2 * bits} channels",
            got=str(events.shape[-1]),
            fix="Check bits.",
        )
    coded = events.reshape(*events.shape[:-1], -1, 2, bits)
    levels = (coded * (2 ** torch.arange(bits, device=events.device)).to(events.dtype)).sum(-1)
    first = torch.as_tensor(start, dtype=events.dtype, device=events.device)
    wanted = (*levels.shape[:-3], levels.shape[-2])
    if first.ndim and tuple(first.shape) not in (wanted, wanted[-1:]):
        raise ParameterError(
            "level_crossing_decode: start",
            f"must be a number or {list(wanted)}",
            got=f"shape {list(first.shape)}",
            fix="Use signal[..., 0, :].",
        )
    return (first.unsqueeze(-2) if first.ndim else first) + (levels[..., 0] - levels[..., 1]).cumsum(-2) * delta


def _bits(where: str, bits: int) -> None:
    _whole(where, bits=bits)
    if bits > 16:
        raise ParameterError(f"{where}: bits", "must be at most 16", got=str(bits))
