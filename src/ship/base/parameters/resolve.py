"""Turn the values that a user gave into tensors, checked against shape and limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from .. import random
from ..errors import ParameterError, ShipError
from .declare import Parameter
from .values import Distribution, PerChip, PerSample, Value, Varied, numbers, to_tensor


class Resolved(NamedTuple):
    """The tensors of a parameter, before they become a `torch.nn.Parameter` or a buffer."""

    nominal: Tensor  # trailing axes only, or [chip, 1, ...] / [1, batch, ...]; may share memory with the user's value
    deviate: Tensor | None  # [chip, 1, ...], frozen; standard normal where there is no trend
    spread: tuple[float, float]  # (d2d, d2d_abs), see `varied`; with a trend each is the root sum of squares of spread and trend
    redrawn: int  # the number of draws that fell outside the limits
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
    place: Sequence[Tensor] | None = None,
) -> Resolved:
    """Turn the value that a user gave into tensors, checked against shape and limits.

    Args:
        where: the name that errors begin with, e.g. ``"LIF 'hid'.tau"``.
        declaration: the parameter's declaration.
        value: the user's value.
        shape: the full trailing shape, ``(n,)`` or ``(pre, post)``.
        key: the key of the counter-based draws.
        dies: the die id of each chip.
        variation: whether `Varied` deviates are drawn.
        event: the event that draws the parameter anew from cycle to cycle; None if there is none, so that ``c2c`` is an error.
        place: coordinates on the die, from -1/2 to 1/2, broadcastable to ``shape``; None for those of its last two axes.

    Raises:
        ParameterError: the value has a wrong shape, is NaN or out of its limits, or its spread is not allowed.
    """
    if isinstance(value, Varied):
        return _resolve_varied(
            where, declaration, value, shape, key, dies, variation, event, places(shape) if place is None else place
        )
    if isinstance(value, PerSample | PerChip):
        name, lead = ("per_sample", 0) if isinstance(value, PerSample) else ("per_chip", 1)
        tensor = value.value
        if tensor.ndim == 0:
            raise ParameterError(where, f"{name} needs a leading axis", got="a single number", fix="Give one value for each.")
        if not lead and tensor.shape[0] == 0:
            raise ParameterError(where, "per_sample needs at least one value", got="none")
        if lead and tensor.shape[0] != len(dies):
            raise ParameterError(
                where,
                f"per_chip must have one value for each of {len(dies)} chips",
                got=f"{tensor.shape[0]}",
                fix="Give as many values as chips in init(chips=...).",
            )
        _check_shape(where, tuple(tensor.shape[1:]), shape)
        check_limits(where, declaration, tensor)
        trailing = tensor.shape[1:] if tensor.ndim > 1 else (1,)
        axes = (tensor.shape[0], 1) if lead else (1, tensor.shape[0])
        tensor = tensor.reshape(*axes, *(1,) * (len(shape) - len(trailing)), *trailing)
        if declaration.per == "connection":
            tensor = tensor.expand(*axes, *shape)
        return Resolved(tensor, None, (0.0, 0.0), 0)
    if isinstance(value, Distribution):
        tensor, redrawn = _redraw(where, declaration, lambda attempt: value.draw(key, shape, attempt))
        return Resolved(tensor, None, (0.0, 0.0), redrawn)
    tensor = _call(where, value, shape, key) if callable(value) and not isinstance(value, Tensor) else numbers(where, value)
    _check_shape(where, tuple(tensor.shape), shape)
    check_limits(where, declaration, tensor)
    if declaration.per == "connection":
        tensor = tensor.expand(shape)
    return Resolved(tensor, None, (0.0, 0.0), 0)


def places(shape: tuple[int, ...], sizes: Sequence[tuple[int, Tensor]] = ()) -> list[Tensor]:
    """Return coordinates on the die for the last two axes of a shape.

    They run from -1/2 (the first index) to 1/2 (the last); an axis of length 1 lies at 0.

    Args:
        shape: the shape of the parameter.
        sizes: the length of each axis with the index ``[edge]`` along it, used instead of ``shape`` for edges.
    """

    def along(n: int, index: Tensor) -> Tensor:
        return index.double() / (n - 1) - 0.5 if n > 1 else 0.0 * index.double()

    if sizes:
        return [along(n, index) for n, index in sizes]
    axes = range(max(len(shape) - 2, 0), len(shape))
    return [along(shape[i], torch.arange(shape[i])).reshape(-1, *(1,) * (len(shape) - 1 - i)) for i in axes]


def _trend(key: int, die: int, attempt: int, shape: tuple[int, ...], place: Sequence[Tensor]) -> Tensor:
    """Draw a plane over the die; its slopes have standard deviation 1."""
    # Chips count from 0 on and streams of deviates from 1: the negative ones are free.
    slopes = random.draw_normal(key, -1 - die, (2,), attempt=attempt)
    plane = torch.zeros(shape, dtype=torch.float64)
    for slope, axis in zip(slopes, place, strict=False):
        plane = plane + slope * axis
    return plane


def _check_varied(where: str, value: Varied, nominal: Tensor, event: str | None) -> None:
    if (value.c2c or value.c2c_abs) and event is None:
        raise ParameterError(
            where,
            "c2c needs a model that declares the event which draws anew (a write, a pulse)",
            got=f"c2c={value.c2c or value.c2c_abs}",
            fix="Use d2d= or d2d_abs= for variation from device to device.",
        )
    for name in ("d2d", "c2c", "gradient"):
        if getattr(value, name) and bool((nominal == 0).all()):
            raise ParameterError(
                where,
                f"{name} is a fraction of the nominal value, which is zero",
                got=f"{name}={getattr(value, name)}",
                fix=f"Use {name}_abs=, in the parameter's unit.",
            )


def _resolve_varied(
    where: str,
    declaration: Parameter,
    value: Varied,
    shape: tuple[int, ...],
    key: int,
    dies: Sequence[int],
    variation: bool,
    event: str | None,
    place: Sequence[Tensor],
) -> Resolved:
    nominal, _, _, redrawn, _ = resolve(where, declaration, value.nominal, shape, key, dies, variation)
    _check_varied(where, value, nominal, event)
    if not variation:
        return Resolved(nominal, None, (0.0, 0.0), redrawn)
    cycle = (value.c2c, value.c2c_abs)
    # One deviate holds both the spread and the trend: (own xi + slope plane) / spread.
    spread = (math.hypot(value.d2d, value.gradient), math.hypot(value.d2d_abs, value.gradient_abs))
    if not any(spread):
        return Resolved(nominal, None, (0.0, 0.0), redrawn, cycle)
    slope = (value.gradient or value.gradient_abs) / max(spread)
    own = (value.d2d or value.d2d_abs) / max(spread) if slope else 1.0
    per_die = nominal.ndim > len(shape) and nominal.shape[0] == len(dies)

    def deviate(c: int, die: int) -> tuple[Tensor, int]:
        base = nominal[c if per_die else 0].double() if nominal.ndim > len(shape) else nominal.double()

        def becomes(xi: Tensor) -> Tensor:
            return varied(base, xi, spread)

        def independent(attempt: int) -> Tensor:  # stream 0 belongs to the nominal
            return random.draw_normal(key, die + 1, shape, attempt=attempt)

        if not slope:
            return _redraw(where, declaration, independent, becomes)
        plane, whole = _redraw(
            where, declaration, lambda attempt: slope * _trend(key, die, attempt, shape, place), becomes, whole=True
        )
        if not own:
            return plane, whole
        made, single = _redraw(where, declaration, lambda attempt: own * independent(attempt) + plane, becomes)
        return made, whole + single

    draws = [deviate(c, die) for c, die in enumerate(dies)]
    return Resolved(nominal, torch.stack([xi for xi, _ in draws]).unsqueeze(1), spread, redrawn + sum(n for _, n in draws), cycle)


def correlated(
    where: str,
    parts: Sequence[tuple[Parameter, Tensor, tuple[float, float], int]],
    factor: Tensor,
    shape: tuple[int, ...],
    dies: Sequence[int],
) -> tuple[list[Tensor], int]:
    """Draw the deviates of several parameters that vary together.

    Args:
        where: the name that errors begin with.
        parts: the declaration, nominal, spread (d2d, d2d_abs) and key of each parameter.
        factor: a lower triangular matrix; ``factor @ factor.T`` is the matrix of correlations.
        shape: the full trailing shape.
        dies: the die id of each chip.

    Returns:
        The deviates, ``[chip, 1, ...]`` for each parameter, and how many draws were repeated.

    Raises:
        ParameterError: no draw was within the limits.
    """
    made: list[list[Tensor]] = []
    redrawn = 0
    for die in dies:
        kept: list[Tensor] = []
        bad, failed = torch.ones(shape, dtype=torch.bool), 0
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
            if attempt + 1 == MAX_REDRAWS or _hopeless(int(bad.sum()), bad.numel(), attempt + 1):
                failed = attempt + 1
                break
        if failed:
            raise ParameterError(
                where,
                f"correlated parameters must keep their limits, but {failed} draws in a row fell outside",
                got="the spreads given",
                fix="Use narrower spreads.",
            )
        made.append(kept)
    return [torch.stack(list(of_one)).unsqueeze(1) for of_one in zip(*made, strict=True)], redrawn


def varied(nominal: Tensor, deviate: Tensor, spread: tuple[float, float]) -> Tensor:
    """Return ``nominal (1 + d2d xi)``, ``nominal + d2d_abs xi``, or with both ``nominal + sqrt((d2d nominal)^2 + d2d_abs^2) xi``.

    One deviate serves both, because the sum of two independent normal numbers is normal. The fraction follows a nominal that is
    trained.
    """
    fraction, absolute = spread
    if not absolute:
        return nominal * (1 + fraction * deviate)
    if not fraction:
        return nominal + absolute * deviate
    return nominal + ((fraction * nominal).square() + absolute * absolute).sqrt() * deviate


def _redraw(
    where: str,
    declaration: Parameter,
    draw: Callable[[int], Tensor],
    becomes: Callable[[Tensor], Tensor] = lambda x: x,
    *,
    whole: bool = False,
) -> tuple[Tensor, int]:
    """Draw until every value is within the limits; return the values and how many draws fell outside.

    Each attempt draws all values, so that a value depends on its own index alone. With ``whole`` all values are replaced if one
    is outside, because they depend on each other.
    """
    value, count, draws = draw(0), 0, MAX_REDRAWS
    for attempt in range(1, MAX_REDRAWS):
        made = becomes(value)
        if declaration.all_inside(made):
            return value, count
        bad = ~declaration.inside(made)
        bad = (bad.flatten(0, bad.ndim - value.ndim - 1).any(0) if bad.ndim > value.ndim else bad).expand(value.shape)
        outside = int(bad.sum())
        count += outside
        if not whole and _hopeless(outside, bad.numel(), attempt):
            draws = attempt
            break
        value = draw(attempt) if whole else torch.where(bad, draw(attempt), value)
    raise ParameterError(
        where,
        f"{declaration.rule}, but {draws} draws in a row fell outside",
        got="the distribution given",
        fix="Use a narrower spread or a distribution within the limits.",
    )


def _hopeless(outside: int, n: int, draws: int) -> bool:
    """Return whether redrawing should stop early.

    After ``draws`` attempts ``outside`` of ``n`` values are still outside their limits. If more than 20 are expected to remain
    after `MAX_REDRAWS`, the chance that all come within is below exp(-20).
    """
    return draws >= 8 and n * (outside / n) ** (MAX_REDRAWS / draws) > 20


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
    return numbers(where, made)


def fits(got: tuple[int, ...], full: tuple[int, ...]) -> bool:
    """Return whether each trailing axis equals that of a full shape, or is 1, or is absent."""
    return len(got) <= len(full) and all(g in (1, f) for g, f in zip(reversed(got), reversed(full), strict=False))


def trailing(where: str, value: Value) -> tuple[int, ...]:
    """Return the trailing axes of a user's value; a number, a distribution and a callable have none.

    Raises:
        ParameterError: the value is not numeric and does not make numbers.
    """
    if isinstance(value, Varied):
        return trailing(where, value.nominal)
    if isinstance(value, PerSample | PerChip):
        return tuple(value.value.shape[1:])
    if isinstance(value, Distribution) or (callable(value) and not isinstance(value, Tensor)):
        return ()
    return tuple(to_tensor(where, value).shape)


def _check_shape(where: str, got: tuple[int, ...], full: tuple[int, ...]) -> None:
    """Check that the trailing axes of a value fit those of its parameter."""
    if not fits(got, full):
        names = "[pre, post]" if len(full) == 2 else "[unit]"
        raise ParameterError(
            where,
            f"must be one number or have the shape {names} = {list(full)}",
            got=f"shape {list(got)}",
            fix=("A vector counts per target unit; [pre, 1] is one for each source unit. " if len(full) == 2 else "")
            + "Use ship.per_sample(...) or ship.per_chip(...) for a leading axis.",
        )


def check_limits(where: str, declaration: Parameter, value: Tensor) -> None:
    """Check that all values are within the limits of a parameter.

    Raises:
        ParameterError: a value is outside, or NaN.
    """
    if not declaration.all_inside(value.detach()):
        bad = ~declaration.inside(value.detach())
        worst = cast(float, value.detach()[bad].flatten()[0].item())
        nan = "must not be NaN" if math.isnan(worst) else declaration.rule
        raise ParameterError(
            where, nan, got=f"{worst:g}" + (f" ({int(bad.sum())} of {value.numel()} values)" if value.numel() > 1 else "")
        )
