"""Extreme values of what a model declares, as many cases at once: float32 against float64 then tells lost digits and overflows.

A case takes some parameters at their limits (from the declaration) or far from their defaults, and leaves the others. A new
model or part is covered as soon as it is exported.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.errors import ShipError
from ..base.parameters import Parameter, Varied, declared, per_sample
from ..base.parameters.bag import Bag
from ..models import CurrentInput, SpikeInput
from ..models.contract import Model, Rule, Source, SpikingNeuron
from ..network.network import Network
from .networks import MODEL, TARGET, build

FACTORS = (1e-6, 1e-3, 1e3, 1e6)
# Units whose values are subtracted from each other: float32 holds seven digits of the largest.
SHARED = {"V": (1e-3, 1e3), "ohm": (0.1, 10.0)}


def classes(module: ModuleType, kind: type | tuple[type, ...]) -> list[type]:
    """Return the finished classes of a kind that a module exports."""
    found = [getattr(module, name) for name in module.__all__]
    return [c for c in found if inspect.isclass(c) and issubclass(c, kind) and not inspect.isabstract(c)]


def default_of(declaration: Parameter, otherwise: float = 1.0) -> float:
    """Return the default as a number, or another one where it is none."""
    value = declaration.default
    value = value.nominal if isinstance(value, Varied) else value
    return float(value) if isinstance(value, int | float) else otherwise


def ends(declaration: Parameter, factors: tuple[float, ...] = FACTORS) -> list[float]:
    """Return the limits, values just inside of those that are not legal themselves, and multiples of the default."""
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
) -> dict[str, Tensor]:
    """Return ``n`` cases, ``{name: [case]}`` in float64: extremes of one parameter at a time, and random ones in between.

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
    made: list[dict[str, float]] = []
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
    """Return the parameters that a class declares."""
    return declared(cls)[0]


def worst(single: Tensor, double: Tensor, scale: Tensor, values: Mapping[str, Tensor]) -> tuple[float, str]:
    """Return the largest difference over ``scale [case]``, and the case it belongs to, in words. Equal infinities are equal.

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


def _words(values: Mapping[str, Tensor], bad: Tensor) -> str:
    case = int(bad.reshape(-1, bad.shape[-1]).any(0).nonzero()[0])
    return ", ".join(f"{k}={float(v[case]):g}" for k, v in values.items())


# -- models at their extremes --------------------------------------------------------------------------------------------------

F32, F64 = torch.float32, torch.float64
SLOTS = 12
# float32 against float64: a dozen slots of some ten operations, each rounded by 6e-8 of numbers up to 10^3 times the result
CLOSE = 1e-3
LEVEL = {"V": 30.0, "S": 1e-8, "A": 1e-9}  # V/s, S, A: what a port is given
ROUNDING = (f"{MODEL}.rest", f"{MODEL}.phase")  # what is left of others: of large counts it depends on the float type
FLOOR = {"A": 1e-9}  # what a state is compared with, where it is less: the current that it adds to


def model_at_extremes(
    cls: type[Model],
    parameters: Mapping[str, Parameter],
    options: Mapping[str, Any],
    dts: Sequence[float],
    n: int = 96,
    engines: Sequence[str] = ("reference",),
) -> tuple[float, str]:
    """Run a model in float32 and in float64 at extremes of its parameters, and compare.

    Args:
        cls: the model (or rule).
        parameters: declarations of those that take extreme values.
        options: its options.
        dts: the slots, s.
        n: the number of cases for each dt.
        engines: those that float32 runs on; float64 runs on the reference engine.

    Returns:
        The largest difference, relative to the largest value of a case, and where it is too large: the variable, the case and dt
        in words; empty where all is well.
    """
    worst_error = 0.0
    for dt in dts:
        values = cases(parameters, n, 7, _legal(cls, options, dt, n))
        truth = run_case(cls, values, options, dt, F64, "reference")
        for engine in engines:
            error, where = compared(cls, run_case(cls, values, options, dt, F32, engine), truth, values)
            worst_error = max(worst_error, error)
            if where:
                return error, f"{where} (dt = {dt:g} s)"
    return worst_error, ""


def run_case(
    cls: type[Model], values: Mapping[str, Tensor], options: Mapping[str, Any], dt: float, dtype: torch.dtype, engine: str
) -> dict[str, Tensor]:
    """Return outputs, states, what the target makes of it, and weights: ``{name: [time, case]}``."""
    n = len(next(iter(values.values())))
    samples = issubclass(cls, Source)  # what the units of a source have in common may depend on all of them
    net = build(cls, 1 if samples else n, {k: per_sample(v) if samples else v for k, v in values.items()}, options)
    net.init(dt=dt, dtype=dtype, engine=engine)
    watched: dict[str, list[str]] = {}
    for tag in (tag for tag in (MODEL, TARGET) if tag in net.tags):
        model = net[tag].model
        watched[tag] = ["output", *(model.states._fields if model.states and net[tag].side != "connection" else ())]
        watched[tag] += ["margin"] if isinstance(model, SpikingNeuron) else []
        net.monitor(tag, *watched[tag])
    net.run(_inputs(net, dtype), steps=SLOTS)
    found = {f"{tag}.{name}": getattr(net.records[tag], name) for tag, names in watched.items() for name in names}
    if samples:
        found = {k: v.movedim(0, -1).squeeze(-2) for k, v in found.items()}
    if issubclass(cls, Rule):
        found["weight"] = net[MODEL].plastic_weight[0]
    return {k: v.reshape(-1, n) for k, v in found.items() if v.shape[-1] == n}


def _inputs(net: Network, dtype: torch.dtype) -> dict[str, Tensor] | None:
    """Some spikes and steady levels for all inputs."""
    x = {}
    for tag, spec in net.specs.items():
        if isinstance(spec.model, SpikeInput):
            x[tag] = torch.zeros(1, SLOTS, net[tag].n, dtype=dtype)
            x[tag][0, (0, 3, 4)] = torch.tensor([1.0, 2.0, 1.0], dtype=dtype).unsqueeze(-1)
        elif isinstance(spec.model, CurrentInput):
            level = 0.7  # V, where it goes into no port: what a connection of levels takes
            if f"{tag}_link" in net.tags:
                link = net.specs[f"{tag}_link"]
                level = LEVEL.get(net.specs[link.target[0]].model.ports[link.port or ""].unit, 1.0)
            x[tag] = torch.full((1, SLOTS, net[tag].n), level, dtype=dtype)
    return x or None


def _legal(cls: type[Model], options: Mapping[str, Any], dt: float, n: int) -> Callable[[Bag], None]:
    """Refuses what the model refuses, dead times that float32 cannot count, long lags, weights whose limits are crossed."""

    def check(p: Bag) -> None:
        cls(**options).check("case", Bag(vars(p) | {"n_units": torch.tensor(n)}))
        if float(getattr(p, "lag", torch.zeros(1))) / dt >= 16:  # slots
            raise ShipError("case", "is refused")
        dead, low, high = (getattr(p, name, torch.tensor([v])) for name, v in (("t_ref", 0.0), ("w_min", 0.0), ("w_max", 1.0)))
        if float(dead) / dt > 2**23 or bool(low > high):
            raise ShipError("case", "is refused")

    return check


def _decided(truth: Mapping[str, Tensor]) -> Tensor:
    """The cases in which no unit comes so close to its threshold that float32 cannot tell on which side it is."""
    clear = torch.ones(next(iter(truth.values())).shape[-1], dtype=torch.bool)
    for name, margin in truth.items():
        if name.endswith(".margin"):
            first = next(
                (v for k, v in truth.items() if k.startswith(name[:2]) and not k.endswith((".output", ".margin"))), margin
            )
            clear &= margin.abs().amin(0) > 1e-5 * (first.abs().amax(0) + margin.abs().amax(0))
    return clear


def compared(
    cls: type[Model], one: Mapping[str, Tensor], truth: Mapping[str, Tensor], values: Mapping[str, Tensor]
) -> tuple[float, str]:
    """Return the largest difference of a float32 run from the true one, and where it is too large, in words (else empty)."""
    units = {f"{MODEL}.{k}": s.unit for k, s in zip(cls.states._fields, cls.states, strict=True)} if cls.states else {}
    units[f"{TARGET}.w"] = "A"  # of an AdEx as the target
    for run in (truth, one):
        for name, value in run.items():
            if not name.endswith(".margin") and bool(torch.isnan(value).any()):
                return math.inf, f"{name.split('.')[-1]} is not a number at {_words(values, torch.isnan(value))}"
    clear = _decided(truth)
    if int(clear.sum()) <= len(clear) / 2:
        return math.inf, "most cases end so near the threshold that nothing can be told"
    kept, largest = {k: v[clear] for k, v in values.items()}, 0.0
    for name, wanted in truth.items():
        if name.endswith(".margin") or name in ROUNDING:  # of a spike a margin says only that there is one
            continue
        scale = wanted.abs().amax(0).clamp(min=FLOOR.get(units.get(name, ""), 1e-30))
        error, case = worst(one[name][:, clear], wanted[:, clear], scale[clear], kept)
        largest = max(largest, error)
        if error > CLOSE:
            return error, f"{name.split('.')[-1]} is off by {error:.2g} in float32 at {case}"
    return largest, ""
