"""The settings of a network: the arguments of `Network.init` that stay in force until the next one."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, TypedDict

import torch

from ..base.checks import is_whole
from ..base.clock import check_dt
from ..base.errors import RunError
from ..base.temperature import check_kelvin


class Settings(TypedDict, total=False):
    """The settings of the last `Network.init`; empty before the first one."""

    dt: float  # s
    seed: int
    chips: int | list[int] | None
    variation: bool
    dtype: torch.dtype
    engine: str  # as it was asked for
    temperature: float | None  # K


def check_settings(
    where: str,
    *,
    dt: float,
    seed: int,
    chips: int | Sequence[int] | None,
    variation: bool,
    dtype: torch.dtype | None,
    engine: str,
    temperature: float | None,
) -> Settings:
    """Check the arguments of `Network.init`, and bring them into one form.

    Raises:
        RunError, ParameterError: a value that is not allowed.
    """
    check_dt(where, dt)
    if not is_whole(seed):
        raise RunError(f"{where}: seed", "must be a whole number, at least 0", got=repr(seed))
    counted = _chips(where, chips)
    dtype = dtype or torch.get_default_dtype()
    if dtype not in (torch.float32, torch.float64):
        raise RunError(f"{where}: dtype", "must be torch.float32 or torch.float64", got=str(dtype))
    kelvin = None if temperature is None else check_kelvin(f"{where}: temperature", temperature)
    return {
        "dt": float(dt),
        "seed": int(seed),
        "chips": counted,
        "variation": variation,
        "dtype": dtype,
        "engine": engine,
        "temperature": kelvin,
    }


def _chips(where: str, chips: Any) -> int | list[int] | None:
    """Bring the chips asked for into one form: None, a number of chips, or a list of die ids."""
    if chips is None:
        return None
    if is_whole(chips, 1):
        return int(chips)
    ids = [] if isinstance(chips, str | Real) else list(chips)
    if not ids or any(not is_whole(d) or d >= 2**62 for d in ids) or len(set(ids)) != len(ids):
        raise RunError(f"{where}: chips", "must be None, a number of chips, or a list of different die ids", got=repr(chips))
    return [int(d) for d in ids]


def die_ids(settings: Settings) -> list[int]:
    """Return the ids of the dies: 0 alone without a chip axis, and 0 to K - 1 for K chips."""
    chips = settings["chips"]
    if isinstance(chips, list):
        return chips
    return list(range(1 if chips is None else chips))


def deciding(settings: Settings) -> dict[str, Any]:
    """Return the settings that decide results, as plain values: a snapshot belongs to networks that share them."""
    return {
        "dt": settings["dt"],
        "seed": settings["seed"],
        "variation": settings["variation"],
        "chips": None if settings["chips"] is None else die_ids(settings),
        "dtype": str(settings["dtype"]).removeprefix("torch."),
    }
