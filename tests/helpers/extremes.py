"""Extreme values of what a model declares, as many cases at once: float32 against float64 then tells lost digits and overflows.

A case takes some parameters at their limits (from the declaration) or far from their defaults, and leaves the others. A new
model or part is covered as soon as it is exported.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping

import numpy as np
import torch

from ship.base.errors import ShipError
from ship.base.parameters import Parameter, Varied, declared
from ship.base.parameters.bag import Bag

FACTORS = (1e-6, 1e-3, 1e3, 1e6)
# Units whose values are subtracted from each other: float32 holds seven digits of the largest.
SHARED = {"V": (1e-3, 1e3), "ohm": (0.1, 10.0)}


def classes(module: object, kind: type | tuple[type, ...]) -> list[type]:
    """The finished classes of a kind that a module exports."""
    found = [getattr(module, name) for name in module.__all__]
    return [c for c in found if inspect.isclass(c) and issubclass(c, kind) and not inspect.isabstract(c)]


def default_of(declaration: Parameter, otherwise: float = 1.0) -> float:
    value = declaration.default
    value = value.nominal if isinstance(value, Varied) else value
    return float(value) if isinstance(value, int | float) else otherwise


def ends(declaration: Parameter, factors: tuple[float, ...] = FACTORS) -> list[float]:
    """The limits, values just inside of those that are not legal themselves, and multiples of the default."""
    default = default_of(declaration)
    scale = abs(default) if default and math.isfinite(default) else 1.0
    found = [limit for limit in (declaration.least, declaration.most) if limit is not None]
    factors = SHARED.get(declaration.unit, factors)
    found += [declaration.above + factors[0] * scale] if declaration.above is not None else []
    found += [declaration.below - factors[0] * scale] if declaration.below is not None else []
    found += [math.inf] if declaration.infinite else []
    found += [math.copysign(scale, default) * factor for factor in factors]
    found += [-scale] if declaration.least is None and declaration.above is None else []
    found += [0.0]
    # As float32, so that both types run with the same numbers.
    kept = torch.tensor(found, dtype=torch.float32)
    return kept[declaration.inside(kept)].double().tolist()


def cases(
    parameters: Mapping[str, Parameter],
    n: int,
    seed: int,
    legal: Callable[[Bag], None],
    changed: float = 0.4,
    factors: tuple[float, ...] = FACTORS,
) -> dict[str, torch.Tensor]:
    """``n`` cases, ``{name: [case]}`` in float64: extremes of one parameter at a time, and random ones in between.

    Args:
        parameters: declarations by name.
        n: how many.
        seed: of the random ones.
        legal: raises a `ShipError` for a case that is refused as a whole: it is left out.
        changed: of the parameters of a random case.
        factors: of the defaults.
    """
    rng = np.random.default_rng(seed)
    plain = {name: float(torch.tensor(default_of(p), dtype=torch.float32)) for name, p in parameters.items()}
    single = [plain] + [plain | {name: value} for name, p in parameters.items() for value in ends(p, factors)]
    rng.shuffle(single)
    made = []
    while len(made) < n:
        if single and len(made) % 2 == 0:
            drawn = single.pop()
        else:
            drawn = {
                k: float(rng.choice(ends(p, factors))) if rng.random() < changed else plain[k] for k, p in parameters.items()
            }
        try:
            legal(Bag({k: torch.tensor([v], dtype=torch.float64) for k, v in drawn.items()}))
        except ShipError:
            continue
        made.append(drawn)
    return {k: torch.tensor([case[k] for case in made], dtype=torch.float64) for k in parameters}


def declarations(cls: type) -> dict[str, Parameter]:
    return declared(cls)[0]


def worst(
    single: torch.Tensor, double: torch.Tensor, scale: torch.Tensor, values: Mapping[str, torch.Tensor]
) -> tuple[float, str]:
    """The largest difference over ``scale [case]``, and the case it belongs to, in words. Equal infinities are equal.

    Args:
        single, double: ``[..., case]`` in float32 and in float64.
        scale: what a difference is compared with.
        values: the parameters of the cases.
    """
    assert not torch.isnan(double).any(), _words(values, torch.isnan(double))
    assert not torch.isnan(single).any(), _words(values, torch.isnan(single))
    same = single.double() == double
    gap = torch.where(same, 0.0, (single.double() - double).abs() / scale)
    gap = gap.nan_to_num(nan=math.inf).reshape(-1, gap.shape[-1]).amax(0)
    return float(gap.max()), _words(values, gap == gap.max())


def _words(values: Mapping[str, torch.Tensor], bad: torch.Tensor) -> str:
    case = int(bad.reshape(-1, bad.shape[-1]).any(0).nonzero()[0])
    return ", ".join(f"{k}={float(v[case]):g}" for k, v in values.items())
