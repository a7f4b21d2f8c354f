"""All that can happen to devices with a part, as numbers: what a part makes of pulses, writes, ages and reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...base.parameters.bag import Bag
from ...devices.contract import IV, Endurance, Faults, Part, Programming, Pulse, ReadNoise, Retention, Thermal, Update, Xi
from ...devices.memristor.memristor import Memristor
from ...devices.memristor.ode import at_most
from ...devices.update.unmeasured import Unmeasured
from ..extremes import FACTORS, cases, declarations, worst

F32, F64 = torch.float32, torch.float64
PARTS = (Update, Programming, Retention, ReadNoise, IV, Faults, Endurance, Thermal)
G_MIN, G_MAX = 1e-6, 100e-6  # S, the window of the device
PULSES = ((1.0, 1e-8, 0.0), (1.0, 1e-8, 1.0), (-1.0, 1e-8, 1.0), (1.0, 1e-6, 300.0), (-1.0, 1e-6, 300.0), (0.3, 1e-4, 1.0))
AGES = (0.0, 3e-9, 1.0, 30.0, 1e4)  # s
PLACES = (0.0, 0.37, 1.0)  # in the window
ORBITS = (0.1, 10.0)  # factors for memristors, whose speeds are exponentials of most of their parameters
LONGEST = 400  # steps of an orbit
# float32 against float64: some ten operations, each rounded by 6e-8 of numbers up to 10^3 times the result
CLOSE = 1e-3
# Of a memristor: the state is resolved to 1e-6 of its range (`flow`), and the resistance falls by up to 16,000 times along it.
CLOSE_ORBIT = 2e-2
Values = Mapping[str, Tensor]


def given_to(part: Part, values: Values, dtype: torch.dtype, n: int = 96, seed: int = 5) -> tuple[Bag, Xi]:
    """Return what the functions of a part are called with: its parameters in a window, and random numbers for an event.

    Args:
        part: the part.
        values: its parameters, ``[case]``.
        dtype: the float type; the numbers are the same for both.
        n: the number of devices where there are no parameters.
        seed: of the random numbers.
    """
    n = len(next(iter(values.values()))) if values else n
    p = {"g_min": torch.full((n,), G_MIN, dtype=F64), "g_max": torch.full((n,), G_MAX, dtype=F64)} | dict(values)
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(n, dtype=F64, generator=generator).to(dtype) for _ in range(part.normals + part.frozen)]
    bag = Bag({k: v.to(dtype) for k, v in p.items()})
    if isinstance(part, Update):
        bag.__dict__["g_min"], bag.__dict__["g_max"] = part.window(bag)
    if part.frozen and not isinstance(part, Faults):
        bag.__dict__["frozen"] = torch.stack(drawn[part.normals :])
        drawn = drawn[: part.normals]
    return bag, tuple(drawn)


def happens(
    part: Part,
    values: Values,
    dtype: torch.dtype,
    pulses: Sequence[tuple[float, float, float]] = PULSES,
    places: Sequence[float] = PLACES,
    given: tuple[Bag, Xi] | None = None,
) -> dict[str, Tensor]:
    """Return what a part makes of devices over the whole window: ``{event: [case]}``."""
    p, xi = given_to(part, values, dtype) if given is None else given
    low, high = torch.broadcast_tensors(p.g_min, p.g_max)

    def number(x: float) -> Tensor:
        return torch.full_like(low, x)

    found: dict[str, Tensor] = {}
    for at in places:
        g = low + at * (high - low)
        if isinstance(part, Update):
            found |= {f"{k} at {at}": v for k, v in pulsed(part, g, p, xi, number, pulses).items()}
        elif isinstance(part, Programming):
            found[f"write {at}"] = part.write(g, p, xi)
        elif isinstance(part, Retention):
            found |= {f"drift {at} {age}": part.drift(g, number(age), p, xi) for age in AGES if age <= part.oldest}
        elif isinstance(part, ReadNoise):
            found |= {f"read {at} {age}": part.read(g, g, number(age), p, xi) for age in AGES}
        elif isinstance(part, IV):
            found |= {f"current {at} {v}": part.current(g, number(v), p) for v in (0.0, 1e-3, -0.5, 2.0)}
        elif isinstance(part, Faults):
            found[f"fault {at}"] = part.broken(g, p, xi)
        elif isinstance(part, Endurance):
            for cycles in (0.0, 1.0, 1e5, 1e12):
                found |= dict(zip((f"low {cycles}", f"high {cycles}"), part.window(low, high, number(cycles), p), strict=True))
        elif isinstance(part, Thermal):
            found |= {f"speed {kelvin}": part.speed(number(kelvin), p) for kelvin in (250.0, 300.0, 400.0)}
    return found


def placed(part: Update, g: Tensor, p: Bag) -> Any:
    """Return the state of devices that were written to ``g`` (S)."""
    states = part.states

    def start(state: Any) -> Tensor:
        value = getattr(p, state.initial) if isinstance(state.initial, str) else torch.full_like(g, state.initial)
        return value.expand(*(state.inner,) * bool(state.inner), *g.shape)

    return part.place(g, type(states)(*map(start, states)), p)


def pulsed(
    part: Update,
    g: Tensor,
    p: Bag,
    xi: Xi,
    number: Callable[[float], Tensor],
    pulses: Sequence[tuple[float, float, float]],
) -> dict[str, Tensor]:
    """Return the conductances after pulses on devices that were written to ``g`` (S)."""
    found: dict[str, Tensor] = {}
    x = placed(part, g, p)
    for v, width, n in pulses if not isinstance(part, Unmeasured) else ():
        after = part.pulse(x, Pulse(number(v), number(width), number(n)), p, xi)
        found[f"{n:g} pulses of {v} V, {width} s"] = part.conductance(after, p)
    return found


def _possible(part: Part) -> Callable[[Bag], None]:
    """Refuses what the part refuses; of memristors also speeds that are not finite and orbits of very many steps."""

    def check(p: Bag) -> None:
        part.check("case", given_to(part, vars(p), F64)[0])
        if isinstance(part, Memristor):
            happens(part, vars(p), F32, PULSES[3:5], (0.37,))

    return check


def part_at_extremes(part: Part, n: int = 96) -> tuple[float, str]:
    """Return the largest difference of float32 from float64 at extremes of the parameters of a part.

    Returns:
        The difference relative to the window or the value, and where it is too large, in words; empty where all is well.
    """
    orbit, own = isinstance(part, Memristor), declarations(type(part))
    with at_most(LONGEST):
        values = cases(own, min(n, 24) if orbit else n, 7, _possible(part), factors=ORBITS if orbit else FACTORS)
    p, _ = given_to(part, values, F64)
    span = p.g_max - p.g_min
    places = (0.05, 0.37) if orbit else PLACES  # at an end an orbit may have no direction
    with at_most(10 * LONGEST):
        single, truth = (happens(part, values, dtype, places=places) for dtype in (F32, F64))
    close, largest = CLOSE_ORBIT if orbit else CLOSE, 0.0
    for event, wanted in truth.items():
        if bool(torch.isnan(wanted).any()) or bool(torch.isnan(single[event]).any()):
            return float("inf"), f"{event}: not a number"
        scale = torch.maximum(wanted.abs(), span.expand_as(wanted))
        error, case = worst(single[event], wanted, scale, values or {"": span})
        largest = max(largest, error)
        if error > close:
            return error, f"{event}: off by {error:.2g} in float32 at {case}"
    return largest, ""
