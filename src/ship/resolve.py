"""From what a user gave to tensors, checked against shape and limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from . import random
from .errors import ParameterError, ShipError
from .parameters import Distribution, Parameter, PerChip, PerSample, Value, Varied, to_tensor


class Resolved(NamedTuple):
    """A parameter with its tensors, before it becomes a `torch.nn.Parameter` or a buffer."""

    nominal: Tensor  # trailing axes only, or [chip, 1, ...] / [1, batch, ...]
    deviate: Tensor | None  # [chip, 1, ...], standard normal, frozen
    spread: tuple[float, float]  # (d2d, d2d_abs), see `varied`
    redrawn: int  # how many draws fell outside the limits
    cycle: tuple[float, float] = (0.0, 0.0)  # (c2c, c2c_abs), drawn anew at each event


MAX_REDRAWS = 100


def resolve(
    where: str,
    declaration: Parameter,
    value: Value,
    shape: tuple[int, ...],
    key: int,
    dies: Sequence[int],
    variation: bool,
    event: str | None = None,
) -> Resolved:
    """Turn what a user gave into tensors, checked against shape and limits.

    Args:
        where: the name for errors, e.g. ``"LIF 'hid'.tau"``.
        declaration: the parameter's declaration.
        value: what the user gave.
        shape: full trailing shape, ``(n,)`` or ``(pre, post)``.
        key: of the counter-based draws.
        dies: the die id of each chip.
        variation: whether `Varied` deviates are drawn.
        event: what draws the parameter anew from cycle to cycle; None: nothing does, and ``c2c`` is an error.

    Raises:
        ParameterError: wrong shape, NaN, out of limits, an illegal spread.
    """
    if isinstance(value, Varied):
        return _resolve_varied(where, declaration, value, shape, key, dies, variation, event)
    if isinstance(value, PerSample | PerChip):
        name, lead = ("per_sample", 0) if isinstance(value, PerSample) else ("per_chip", 1)
        tensor = value.value
        if tensor.ndim == 0:
            raise ParameterError(where, f"{name} needs a leading axis", got="a single number", fix="Give one value for each.")
        if lead and tensor.shape[0] != len(dies):
            raise ParameterError(
                where,
                f"per_chip must have one value for each of {len(dies)} chips",
                got=f"{tensor.shape[0]}",
                fix="Give as many values as chips in init(chips=...).",
            )
        _check_shape(where, tuple(tensor.shape[1:]), shape)
        _check_limits(where, declaration, tensor)
        trailing = tensor.shape[1:] if tensor.ndim > 1 else (1,)
        axes = (tensor.shape[0], 1) if lead else (1, tensor.shape[0])
        tensor = tensor.reshape(*axes, *(1,) * (len(shape) - len(trailing)), *trailing)
        if declaration.per == "connection":
            tensor = tensor.expand(*axes, *shape).clone()
        return Resolved(tensor, None, (0.0, 0.0), 0)
    if isinstance(value, Distribution):
        tensor, redrawn = _redraw(where, declaration, lambda attempt: value.draw(key, shape, attempt))
        return Resolved(tensor, None, (0.0, 0.0), redrawn)
    tensor = _call(where, value, shape, key) if callable(value) and not isinstance(value, Tensor) else to_tensor(where, value)
    _check_shape(where, tuple(tensor.shape), shape)
    _check_limits(where, declaration, tensor)
    if declaration.per == "connection":
        tensor = tensor.expand(shape).clone()
    return Resolved(tensor, None, (0.0, 0.0), 0)


def _resolve_varied(
    where: str,
    declaration: Parameter,
    value: Varied,
    shape: tuple[int, ...],
    key: int,
    dies: Sequence[int],
    variation: bool,
    event: str | None,
) -> Resolved:
    cycle = (value.c2c, value.c2c_abs)
    if any(cycle) and event is None:
        raise ParameterError(
            where,
            "c2c needs a model that declares the event which draws anew (a write, a pulse)",
            got=f"c2c={value.c2c or value.c2c_abs}",
            fix="Use d2d= or d2d_abs= for variation from device to device.",
        )
    nominal, _, _, redrawn, _ = resolve(where, declaration, value.nominal, shape, key, dies, variation)
    for name in ("d2d", "c2c"):
        if getattr(value, name) and bool((nominal == 0).all()):
            raise ParameterError(
                where,
                f"{name} is a fraction of the nominal value, which is zero",
                got=f"{name}={getattr(value, name)}",
                fix=f"Use {name}_abs=, in the parameter's unit.",
            )
    if not variation:
        return Resolved(nominal, None, (0.0, 0.0), redrawn)
    if not (value.d2d or value.d2d_abs):
        return Resolved(nominal, None, (0.0, 0.0), redrawn, cycle)
    spread = (value.d2d, value.d2d_abs)
    per_die = nominal.ndim > len(shape) and nominal.shape[0] == len(dies)

    def deviate(c: int, die: int) -> tuple[Tensor, int]:
        base = nominal[c if per_die else 0].double() if nominal.ndim > len(shape) else nominal.double()
        # Stream 0 belongs to the nominal.
        return _redraw(
            where,
            declaration,
            lambda attempt: random.draw_normal(key, die + 1, shape, attempt=attempt),
            lambda xi: varied(base, xi, spread),
        )

    draws = [deviate(c, die) for c, die in enumerate(dies)]
    return Resolved(nominal, torch.stack([xi for xi, _ in draws]).unsqueeze(1), spread, redrawn + sum(n for _, n in draws), cycle)


def correlated(
    where: str,
    parts: Sequence[tuple[Parameter, Tensor, tuple[float, float], int]],
    factor: Tensor,
    shape: tuple[int, ...],
    dies: Sequence[int],
) -> tuple[list[Tensor], int]:
    """Deviates of several parameters that vary together, ``[chip, 1, ...]`` each, and how many draws were drawn again.

    Args:
        where: the name for errors.
        parts: for each its declaration, nominal, spread (d2d, d2d_abs) and key.
        factor: lower triangular, ``factor @ factor.T`` is the matrix of correlations.
        shape: full trailing shape.
        dies: the die id of each chip.

    Raises:
        ParameterError: no draw within the limits.
    """
    made: list[list[Tensor]] = []
    redrawn = 0
    for die in dies:
        kept: list[Tensor] = []
        bad = torch.ones(shape, dtype=torch.bool)
        for attempt in range(MAX_REDRAWS):
            raw = torch.stack([random.draw_normal(key, die + 1, shape, attempt=attempt) for *_, key in parts])
            mixed = torch.einsum("ij,j...->i...", factor, raw)
            kept = list(mixed) if not kept else [torch.where(bad, new, old) for new, old in zip(mixed, kept, strict=True)]
            bad = torch.zeros(shape, dtype=torch.bool)
            for (declaration, nominal, spread, _), xi in zip(parts, kept, strict=True):
                bad = bad | ~declaration.inside(varied(nominal.double(), xi, spread)).expand(shape)
            if not bool(bad.any()):
                break
            redrawn += int(bad.sum())
        else:
            raise ParameterError(
                where,
                f"correlated parameters must keep their limits, but {MAX_REDRAWS} draws in a row fell outside",
                got="the spreads given",
                fix="Use narrower spreads.",
            )
        made.append(kept)
    return [torch.stack(list(of_one)).unsqueeze(1) for of_one in zip(*made, strict=True)], redrawn


def varied(nominal: Tensor, deviate: Tensor, spread: tuple[float, float]) -> Tensor:
    """``nominal * (1 + d2d * xi) + d2d_abs * xi``: the fraction follows a nominal that is trained."""
    return nominal * (1 + spread[0] * deviate) + spread[1] * deviate


def _redraw(
    where: str, declaration: Parameter, draw: Callable[[int], Tensor], becomes: Callable[[Tensor], Tensor] = lambda x: x
) -> tuple[Tensor, int]:
    """Draw until every value keeps the limits: whole attempts are drawn, so a value depends on its own index alone."""
    value, count = draw(0), 0
    for attempt in range(1, MAX_REDRAWS):
        bad = ~declaration.inside(becomes(value))
        bad = (bad.flatten(0, bad.ndim - value.ndim - 1).any(0) if bad.ndim > value.ndim else bad).expand(value.shape)
        if not bool(bad.any()):
            return value, count
        count += int(bad.sum())
        value = torch.where(bad, draw(attempt), value)
    raise ParameterError(
        where,
        f"{declaration.rule}, but {MAX_REDRAWS} draws in a row fell outside",
        got="the distribution given",
        fix="Use a narrower spread or a distribution within the limits.",
    )


def _call(where: str, value: Callable[..., Any], shape: tuple[int, ...], key: int) -> Tensor:
    generator = torch.Generator().manual_seed(key & 0x7FFF_FFFF_FFFF_FFFF)
    try:
        made = value(shape, generator)
    except ShipError:
        raise
    except Exception as error:
        raise ParameterError(
            where,
            "the callable given failed",
            got=f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}",
            fix="It is called as f(shape, generator) and returns a tensor.",
        ) from error
    return to_tensor(where, made)


def _check_shape(where: str, got: tuple[int, ...], full: tuple[int, ...]) -> None:
    """Trailing axes must equal those of the parameter, or be 1, or be absent."""
    fits = len(got) <= len(full) and all(g in (1, f) for g, f in zip(reversed(got), reversed(full), strict=False))
    if not fits:
        names = "[pre, post]" if len(full) == 2 else "[unit]"
        raise ParameterError(
            where,
            f"must be one number or have the shape {names} = {list(full)}",
            got=f"shape {list(got)}",
            fix="Use ship.per_sample(...) or ship.per_chip(...) for a leading axis.",
        )


def _check_limits(where: str, declaration: Parameter, value: Tensor) -> None:
    bad = ~declaration.inside(value.detach())
    if bool(bad.any()):
        worst = cast(float, value.detach()[bad].flatten()[0].item())
        nan = "must not be NaN" if math.isnan(worst) else declaration.rule
        raise ParameterError(
            where, nan, got=f"{worst:g}" + (f" ({int(bad.sum())} of {value.numel()} values)" if value.numel() > 1 else "")
        )
