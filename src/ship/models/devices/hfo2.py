"""HfO2 resistive memory: writing of levels, and the drift of what was written.

Conductances are in siemens at the interface; the fit has its constants in microsiemens and stays in them inside. With w the
conductance as written (uS), L = log10(t / 1 s), t counted from writing:

mean     ``mu = (0.2302 w - 15.24) L + 0.9546 w + 4.82`` for w < 64.41, else ``mu = w - 0.4129 L``
spread   ``cv = (1.047 s - 0.006294) L - 0.01677 s + 0.005473``, ``s = 0.005127 + 0.85543 / (w - 38.72)``
device   ``g = mu (1 + cv xi)``, ``xi`` standard normal, drawn once per device: each keeps its quantile at every t

What the fit does not say by itself, and what is done about it:

- Valid for 10 s <= t <= 1e4 s and levels of 50 to 120 uS (accepted: 45 to 125, which leaves 3 sigma to writing from 7 levels on). Outside:
  an error, unless ``extrapolate=True``. The fit has a pole at 38.72 uS and negative spreads below it: always an error.
- t = 0 means as written, ``g = w``. Extrapolated times up to 0.83 s also mean as written, the rule of the publication; just above,
  the spread of the fit is negative (50 uS: up to 0.886 s) and 0 is taken. From 50 uS, ``mu(1 s)`` is 52.55.
- The mean jumps up by 1.90 uS where w falls through 64.41. That is the published law and the default, because published results are to be
  reproduced. ``HfO2(continuous=True)`` takes the smaller of the two branches at every w instead: continuous, equal to the published
  law at 64.41 and above and wherever the mean has already fallen (below 54.1 uS at 10 s, below 62.2 uS at 1e4 s), lower by at most
  1.90 uS between. It is the one for gradients and for curves over g.
- ``g`` below 0 (xi < -3.1 at 50 uS and 1e4 s) is set to 0.

Source: fit of Fig. 4 in Esmanhotto et al., Adv. Intell. Syst. 2022, 10.1002/aisy.202200145, as used in sec. 4.2.2 of Gemo, Spiga &
Brivio, Front. Neurosci. 17:1270090 (2024). Writing: ibid., sec. 4.2.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import ParameterError

MICRO = 1e6  # uS per S
ROUNDING = 1e-6  # relative slack of limits: what float32 makes of a value on the limit


@dataclass(frozen=True)
class HfO2:
    """Constants of the device: the fit (uS, decades of t), its range, and how levels are written."""

    split: float = 64.41  # uS, below it the mean follows the lower branch
    slope_gain: float = 0.2302  # per decade
    slope_offset: float = -15.24  # uS per decade
    level_gain: float = 0.9546
    level_offset: float = 4.82  # uS
    high_slope: float = -0.4129  # uS per decade, upper branch
    pole: float = 38.72  # uS, where the spread diverges
    s_offset: float = 0.005127
    s_gain: float = 0.85543  # uS
    cv_slope_gain: float = 1.047  # per decade
    cv_slope_offset: float = -0.006294  # per decade
    cv_gain: float = -0.01677
    cv_offset: float = 0.005473
    continuous: bool = False  # the smaller of the branches instead of a jump at the split

    g_min: float = 50e-6  # S, lowest level, and the idle partner of a differential pair
    g_max: float = 120e-6  # S, highest level
    margin: float = 5e-6  # S, how far from [g_min, g_max] the drift of a written device may start
    t_low: float = 10.0  # s, the fit holds from here
    t_high: float = 1e4  # s, to here
    t_start: float = 0.83  # s, extrapolated times up to here mean as written
    sigmas: float = 6.0  # standard deviations of writing in (g_max - g_min) / levels

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ParameterError: the levels or times are not in order, or ``sigmas`` is not above 0.
        """
        if not self.pole / MICRO < self.g_min - self.margin <= self.g_max - self.margin:
            raise ParameterError("HfO2", "g_min - margin must be above the pole, and g_min not above g_max", got=f"g_min={self.g_min}, g_max={self.g_max}")
        if not 0 < self.t_start <= self.t_low < self.t_high:
            raise ParameterError("HfO2", "times must be 0 < t_start <= t_low < t_high", got=(self.t_start, self.t_low, self.t_high))
        if not self.sigmas > 0:
            raise ParameterError("HfO2.sigmas", "must be above 0", got=self.sigmas)


DEVICE = HfO2()


def drift_mean(g0: Tensor, t: Tensor | float, *, device: HfO2 = DEVICE, extrapolate: bool = False) -> Tensor:
    """Mean conductance (S) of devices written to ``g0``, at ``t`` after writing.

    Args:
        g0: conductance as written (S), any shape.
        t: time since writing (s), broadcast against ``g0``; 0 means as written.
        device: the constants.
        extrapolate: accept times and levels outside the range of the fit.

    Returns:
        S, in the broadcast shape.

    Raises:
        ParameterError: t or g0 outside the range of the fit, see the module.
    """
    w, decades, fresh = _checked(g0, t, device, extrapolate)
    return torch.where(fresh, w, _mean(w, decades, device)) / MICRO


def drift_std(g0: Tensor, t: Tensor | float, *, device: HfO2 = DEVICE, extrapolate: bool = False) -> Tensor:
    """Standard deviation (S) over devices written to ``g0``; 0 at t = 0. Arguments and errors as in `drift_mean`."""
    w, decades, fresh = _checked(g0, t, device, extrapolate)
    std = _mean(w, decades, device) * _cv(w, decades, device)
    return torch.where(fresh, torch.zeros_like(std), std) / MICRO


def drifted(g0: Tensor, t: Tensor | float, xi: Tensor, *, device: HfO2 = DEVICE, extrapolate: bool = False) -> Tensor:
    """Conductance (S) of each device at ``t``: N(mean, std), differentiable with respect to g0, t and xi.

    Always computed from the conductance as written, so evaluations at several t do not compound. A device is its ``xi``: keep it.

    Args:
        g0: conductance as written (S), any shape.
        t: time since writing (s), broadcast against ``g0``; 0 means as written.
        xi: standard normal deviate of each device, broadcast against ``g0``. A network's weights need independent ones per group.
        device: the constants.
        extrapolate: accept times and levels outside the range of the fit.

    Returns:
        S, at least 0, in the broadcast shape.

    Raises:
        ParameterError: t or g0 outside the range of the fit, see the module.
    """
    w, decades, fresh = _checked(g0, t, device, extrapolate)
    g = _mean(w, decades, device) * (1 + _cv(w, decades, device) * xi)
    return torch.where(fresh, w, g.clamp(min=0.0)) / MICRO


def quantise(w: Tensor, levels: int, *, w_max: Tensor | float | None = None) -> Tensor:
    """The nearest of ``levels`` values evenly spaced on [-w_max, w_max], both ends included; the upper one at equal distance.

    The gradient goes straight through (1 inside the range, 0 outside); rounding has none of its own.

    Args:
        w: weights, any shape and unit.
        levels: how many, at least 2. With an even number 0 is no level, and a weight of 0 becomes the smallest positive one.
        w_max: end of the range, in the unit of ``w``; default the largest ``|w|``. Weights beyond it become the last level.

    Returns:
        Weights on the grid, in the shape of ``w``. Weights that are all 0 stay 0 where ``w_max`` is not given.

    Raises:
        ParameterError: fewer than 2 levels, ``w_max`` not above 0, or a weight that is not finite.
    """
    _check_levels("quantise", levels)
    _check("quantise", "w", torch.isfinite(w), "must be finite", w)
    if w_max is None:
        if not bool((w != 0).any()):
            return w.clone()
        w_max = w.detach().abs().max()
    high = _positive("quantise", "w_max", w_max, w)
    return _snap(w, levels, -high, high)


def programmed(
    target: Tensor, xi: Tensor, levels: int, g_min: float | None = None, g_max: float | None = None, *, device: HfO2 = DEVICE
) -> Tensor:
    """Conductance (S) after writing: the nearest level, and the scatter of the write: N(level, sigma), sigma = (g_max - g_min) / levels / 6.

    Args:
        target: wanted conductance (S), any shape, within [g_min, g_max].
        xi: standard normal deviate of each write, broadcast against ``target``; a new one for each write, and not the one of the drift.
        levels: how many, evenly spaced from g_min to g_max, at least 2.
        g_min: lowest level (S); default the device's.
        g_max: highest level (S); default the device's.
        device: the constants; ``device.sigmas`` is the 6.

    Returns:
        S, at least 0; straight-through gradient to ``target``.

    Raises:
        ParameterError: fewer than 2 levels, g_min not below g_max, or a target outside of them.
    """
    low, high = _levels_range("programmed", g_min, g_max, device)
    _check_levels("programmed", levels)
    inside = (target >= low * (1 - ROUNDING)) & (target <= high * (1 + ROUNDING))
    _check("programmed", "target", inside, f"must be from {low:g} to {high:g} S", target)
    level = _snap(target, levels, target.new_tensor(low), target.new_tensor(high))
    return (level + xi * ((high - low) / levels / device.sigmas)).clamp(min=0.0)


def to_pair(
    w: Tensor, w_max: Tensor | float, g_min: float | None = None, g_max: float | None = None, *, device: HfO2 = DEVICE
) -> tuple[Tensor, Tensor]:
    """A signed weight as two conductances: |w| / w_max maps to g_min..g_max on the device of its sign, the partner stays at g_min.

    Args:
        w: weights, any shape and unit.
        w_max: the weight that g_max stands for, in the unit of ``w``; a number or a tensor that broadcasts.
        g_min: conductance of a weight of 0 (S); default the device's.
        g_max: conductance of w_max (S); default the device's.
        device: the constants.

    Returns:
        ``(g_plus, g_minus)`` in S, in the shape of ``w``.

    Raises:
        ParameterError: a weight beyond w_max or not finite, w_max not above 0, or g_min not below g_max.
    """
    low, high = _levels_range("to_pair", g_min, g_max, device)
    top = _positive("to_pair", "w_max", w_max, w)
    _check("to_pair", "w", w.abs() <= top * (1 + ROUNDING), "must be from -w_max to w_max", w, fix="Clip the weights, or raise w_max.")
    # maximum splits its gradient at a tie, so that a weight of exactly 0 keeps slope 1 through the pair (relu: 0, clamp: 2).
    zero = torch.zeros_like(w)
    scale = (high - low) / top
    return low + torch.maximum(w, zero) * scale, low + torch.maximum(-w, zero) * scale


def from_pair(
    g_plus: Tensor,
    g_minus: Tensor,
    w_max: Tensor | float,
    g_min: float | None = None,
    g_max: float | None = None,
    *,
    device: HfO2 = DEVICE,
) -> Tensor:
    """The weight that two conductances stand for, ``(g_plus - g_minus) / (g_max - g_min) * w_max``: the inverse of `to_pair`.

    Conductances that drifted or scattered out of [g_min, g_max] are taken as they are. Arguments and errors as in `to_pair`.
    """
    low, high = _levels_range("from_pair", g_min, g_max, device)
    return (g_plus - g_minus) * (_positive("from_pair", "w_max", w_max, g_plus) / (high - low))


def _mean(w: Tensor, decades: Tensor, d: HfO2) -> Tensor:
    lower = (d.slope_gain * w + d.slope_offset) * decades + d.level_gain * w + d.level_offset
    upper = w + d.high_slope * decades
    return torch.minimum(lower, upper) if d.continuous else torch.where(w < d.split, lower, upper)


def _cv(w: Tensor, decades: Tensor, d: HfO2) -> Tensor:
    s = d.s_offset + d.s_gain / (w - d.pole)
    return ((d.cv_slope_gain * s + d.cv_slope_offset) * decades + d.cv_gain * s + d.cv_offset).clamp(min=0.0)


def _checked(g0: Tensor, t: Tensor | float, d: HfO2, extrapolate: bool) -> tuple[Tensor, Tensor, Tensor]:
    """What was written (uS), log10 of the time (0 decades stand in where it is fresh), and where it is as written."""
    time = torch.as_tensor(t, dtype=g0.dtype, device=g0.device)
    low, high = (d.g_min - d.margin) * (1 - ROUNDING), (d.g_max + d.margin) * (1 + ROUNDING)
    hint = "extrapolate=True accepts it."
    if extrapolate:
        _check("HfO2 drift", "t", (time >= 0) & torch.isfinite(time), "must be at least 0 s and finite", time)
        fresh = time <= d.t_start
    else:
        fresh = time == 0
        valid = fresh | ((time >= d.t_low * (1 - ROUNDING)) & (time <= d.t_high * (1 + ROUNDING)))
        _check("HfO2 drift", "t", valid, f"must be 0 s (as written) or from {d.t_low:g} to {d.t_high:g} s", time, fix=hint)
        _check("HfO2 drift", "g0", (g0 >= low) & (g0 <= high), f"must be from {low:.3g} to {high:.3g} S", g0, fix=hint)
    w = g0 * MICRO
    _check("HfO2 drift", "g0", (w > d.pole) & torch.isfinite(w), f"must be above {d.pole / MICRO:.4g} S, where the fit has a pole", g0)
    # The logarithm of 0 would put NaN into the gradient even where it is not chosen.
    return w, torch.log10(torch.where(fresh, torch.ones_like(time), time)), fresh


def _snap(x: Tensor, levels: int, low: Tensor, high: Tensor) -> Tensor:
    """The nearest level in value, ``x`` (clipped to the range) in gradient."""
    step = (high - low) / (levels - 1)
    inside = torch.minimum(torch.maximum(x, low), high)
    level = low + torch.floor((inside.detach() - low) / step + 0.5) * step
    return level + (inside - inside.detach())


def _check(where: str, name: str, ok: Tensor, rule: str, values: Tensor, *, fix: str = "") -> None:
    """Raise with the first offending value. Written so that NaN, which compares false, is an offence."""
    if not bool(ok.all()):
        worst = values.expand(ok.shape)[~ok].flatten()[0].item()
        raise ParameterError(f"{where}: {name}", rule, got=f"{worst:g}", fix=fix)


def _check_levels(where: str, levels: int) -> None:
    if levels != int(levels) or levels < 2:
        raise ParameterError(f"{where}: levels", "must be a whole number, at least 2", got=levels)


def _positive(where: str, name: str, value: Tensor | float, like: Tensor) -> Tensor:
    tensor = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    _check(where, name, (tensor > 0) & torch.isfinite(tensor), "must be above 0 and finite", tensor)
    return tensor


def _levels_range(where: str, g_min: float | None, g_max: float | None, device: HfO2) -> tuple[float, float]:
    low, high = device.g_min if g_min is None else g_min, device.g_max if g_max is None else g_max
    if not 0 <= low < high:
        raise ParameterError(f"{where}: g_min, g_max", "must be 0 <= g_min < g_max", got=f"{low:g}, {high:g}")
    return low, high
