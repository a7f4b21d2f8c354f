"""One group of a neuron under a level, and what is asked of it: spike times, rates, states."""

from __future__ import annotations

from typing import Any

import torch

import ship

F64 = torch.float64


def driven(
    model: type,
    level: Any,
    duration: float,
    *,
    dt: float = 1e-4,
    watch: tuple[str, ...] = (),
    engine: str = "reference",
    seed: int = 0,
    **keywords: Any,
) -> tuple[torch.Tensor, Any]:
    """Run one unit for each level: the spikes ``[time, unit]``, and the record of the states in ``watch``.

    The level goes into the port for charge (V/s) or for a current (A); ``level`` is a number, ``[unit]`` or ``[time, unit]``.
    """
    level = torch.atleast_1d(torch.as_tensor(level, dtype=F64))
    steps = round(duration / dt)
    port = "charge" if "charge" in model.ports else "current"
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=level.shape[-1])
    net.add(model, "cell", n=level.shape[-1], output=True, **keywords)
    net.add(ship.Link, "link", source="i", target="cell", port=port)
    net.init(dt=dt, dtype=F64, engine=engine, seed=seed)
    if watch:
        net.monitor("cell", *watch)
    with torch.no_grad():
        out = net.run(level.expand(1, steps, level.shape[-1]))
    return out[0], net.records["cell"] if watch else None


def times(spikes: torch.Tensor, dt: float, unit: int = 0) -> torch.Tensor:
    """The spike times (s) of a unit."""
    return spikes[:, unit].nonzero().flatten().to(F64) * dt


def last_rate(spikes: torch.Tensor, dt: float, unit: int = 0) -> float:
    """One over the last interval (Hz); 0 where there is none."""
    at = times(spikes, dt, unit)
    return float(1 / (at[-1] - at[-2])) if len(at) > 1 else 0.0


def mean_rate(spikes: torch.Tensor, dt: float, unit: int = 0) -> float:
    """One over the mean of all intervals (Hz); 0 where there is none."""
    at = times(spikes, dt, unit)
    return float((len(at) - 1) / (at[-1] - at[0])) if len(at) > 1 else 0.0
