"""How large an input a model needs, found by trying all sizes at once, and how long a slot it needs, from its time constants."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..base.parameters import declared
from ..models.contract import Model, Neuron, Source
from .bench import STEPS, Bench, Drive, nominal, watched
from .networks import MODEL, build

LONGEST = 1e-3  # s, of a slot
PARTS = 20  # of the shortest time constant that a slot is
BASE = {"V": 1.0, "A": 1e-9, "S": 1e-8}  # V on a membrane, A, S: what lies in the middle of the sizes that are tried
FACTORS = (0.0, *(10 ** (k / 4) for k in range(-24, 25)))
OFTEN = (5, STEPS // 2)  # spikes in a run that works


def time_constants(bench: Bench) -> dict[str, float]:
    """Return what the model declares as a time constant, and the products of its resistances and capacitances, s."""
    sizes = {k: (p, nominal(p)) for k, p in bench.parameters.items()}
    known = {k: (p, abs(v)) for k, (p, v) in sizes.items() if v is not None and v and math.isfinite(v)}
    found = {k: v for k, (p, v) in known.items() if p.role == "time constant" and p.unit == "s"}
    farads = {k: v for k, (p, v) in known.items() if p.unit == "F"}
    siemens = {k: v for k, (p, v) in known.items() if p.unit == "S"} | {
        k: 1 / v for k, (p, v) in known.items() if p.unit == "ohm"
    }
    if not issubclass(bench.model, Source | Neuron):
        return found
    return found | {f"{c}/{g}": farads[c] / siemens[g] for c in farads for g in siemens}


def slot_for(bench: Bench) -> float:
    """Return the slot (s) that the model is looked at with: a twentieth of its shortest time constant, at most 1 ms."""
    return min([LONGEST, *(tau / PARTS for tau in time_constants(bench).values())])


def prepared(
    model: type[Model],
    settings: Mapping[str, Any],
    dt: float | None,
    drive: Mapping[str, float] | float | None,
    seed: int,
    asked: Mapping[str, Any],
) -> Bench:
    """Return the bench of a model: settings sorted, a slot and the size of every input chosen where they are not given."""
    parameters, options = declared(model)
    values = {k: v for k, v in settings.items() if k in parameters}
    bench = Bench(model, values, {k: v for k, v in settings.items() if k in options}, seed=seed, asked=asked)
    bench = replace(bench, dt=slot_for(bench) if dt is None else dt)
    if drive is None:
        return driven(bench)
    sizes = dict.fromkeys(model.ports, drive) if isinstance(drive, int | float) else dict(drive)
    return replace(bench, drive={k: Drive(sizes.get(k, 0.0), sizes.get(k, 0.0) / 4) for k in model.ports})


def driven(bench: Bench) -> Bench:
    """Return the bench with the size of every input, and how long it stays quiet under the calm one."""
    ports = list(bench.model.ports)
    if not ports:
        return bench
    found = {port: _tried(bench, port) for port in ports}
    active = {port: size for port, (size, _) in found.items() if size is not None}
    moved = [
        abs(float(move[_nearest(move, None, active[port].calm / base_of(bench, port))]))
        for port, (_, move) in found.items()
        if port in active
    ]
    wanted = max(moved, default=0.0) or _scale(bench)
    drive = {}
    for port, (size, move) in found.items():
        alike = FACTORS[_nearest(move, wanted)] * base_of(bench, port)
        drive[port] = Drive(alike, alike) if size is None else size
    drive = {k: Drive(size.strong, size.calm / len(ports)) for k, size in drive.items()}
    for _ in range(3):  # what inhibits may be so strong that nothing spikes
        if not active or bool((replace(bench, drive=drive).go(batch=1)[f"{MODEL}.output"] != 0).any()):
            break
        drive = {k: size if k in active else Drive(size.strong / 10, size.calm / 10) for k, size in drive.items()}
    return replace(bench, drive=drive, calm_steps=_quiet(replace(bench, drive=drive)))


def base_of(bench: Bench, port: str) -> float:
    """Return the size in the middle of those that are tried for a port: of a charge the size of a level, per second."""
    declared_port = bench.model.ports[port]
    base = BASE.get(declared_port.unit, 1.0)
    return base / (PARTS * bench.dt) if declared_port.kind == "charge" else base


def _tried(bench: Bench, port: str) -> tuple[Drive | None, Tensor]:
    """Return the sizes with which one port alone makes the model spike (None: it does not), and how far each moves its state."""
    base, n = base_of(bench, port), len(FACTORS)
    gains: dict[str, float | Tensor] = dict.fromkeys(bench.model.ports, 0.0)
    gains[port] = torch.tensor(FACTORS, dtype=torch.float64) * base
    net = build(bench.model, n, bench.values, bench.options, gains)
    net.init(dt=bench.dt, dtype=torch.float64, engine="reference", seed=bench.seed)
    net.monitor(MODEL, "output", *getattr(bench.model.states, "_fields", ())[:1])
    x = {tag: torch.zeros(1, STEPS, n, dtype=torch.float64) for tag in (f"{MODEL}_{name}" for name in bench.model.ports)}
    for name, each in x.items():
        each[:, :: 4 if bench.model.ports[name.removeprefix(f"{MODEL}_")].kind == "events" else 1] = 1.0
    found = list(watched(net, x, steps=STEPS).values())
    move = (found[-1] - found[-1][..., :1]).abs().amax((0, 1))
    if not bench.spiking:
        return None, move
    spikes = found[0].sum((0, 1))
    fired = spikes > (spikes[0] + 3 if bench.noisy else spikes[0])
    if not bool(fired.any()):
        return None, move
    first = int(fired.nonzero()[0])
    often = ((spikes >= OFTEN[0]) & (spikes <= OFTEN[1]) & fired).nonzero()
    strong = int(often[0]) if len(often) else first
    return Drive(FACTORS[strong] * base, FACTORS[first] * base / 4), move


def _nearest(move: Tensor, wanted: float | None, factor: float = 0.0) -> int:
    """Return the number of the size whose movement is nearest to one wanted, or that is nearest to a factor of the base."""
    if wanted is None:
        return min(range(1, len(FACTORS)), key=lambda i: abs(math.log(FACTORS[i] / max(factor, 1e-30))))
    middle = len(FACTORS) // 2
    sound = [i for i in range(1, len(FACTORS)) if math.isfinite(float(move[i])) and float(move[i]) > 0]
    if not sound or wanted <= 0:
        return middle
    aim = min(wanted, 0.2 * max(float(move[i]) for i in sound))  # well below where it saturates
    return min(sound, key=lambda i: (round(abs(math.log(float(move[i]) / aim)), 1), abs(i - middle)))


def _scale(bench: Bench) -> float:
    """Return the size of the first state, from the parameters that have its unit; 1 where none has."""
    states = bench.model.states
    unit = states[0].unit if states else ""
    alike = [abs(v) for p in bench.parameters.values() if p.unit == unit and (v := nominal(p)) is not None and math.isfinite(v)]
    return max(alike, default=0.0) or 1.0


def _quiet(bench: Bench) -> int:
    """Return for how many slots the calm input causes no spike: half of the time to the first one where there is one."""
    if not bench.spiking:
        return bench.steps
    spikes = bench.go(calm=True)[f"{MODEL}.output"].sum((0, 2)).nonzero()
    return int(spikes[0]) // 2 if len(spikes) else bench.steps
