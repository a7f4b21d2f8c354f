"""Do 95 % intervals of pulse fits cover the truth? Devices of known parameters are simulated and fitted."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import torch

import ship
from ship.devices import AdditiveNoise, Bounded, NonlinearPulses, RelativeNoise


class Case(NamedTuple):
    """What is simulated: a law with its truth by the names of the fit, noises, devices, and pulses each way."""

    law: str
    truth: dict[str, float]
    step: float  # of the window
    additive: float  # S
    relative: float
    devices: int
    pulses: int
    spread: float = 0.0  # of alpha, over devices


SOFT = {"g_min": 10e-6, "g_max": 90e-6, "alpha_p": 0.03, "alpha_d": 0.05}
POWER = {"g_min": 10e-6, "g_max": 90e-6, "alpha_p": 0.03, "alpha_d": 0.05, "gamma_p": 1.5, "gamma_d": 2.0}
LONG = {"g_min": 10e-6, "g_max": 90e-6, "alpha_p": 0.003, "alpha_d": 0.005}
HARD = {"g_min": 10e-6, "g_max": 90e-6, "alpha_p": 0.015, "alpha_d": 0.017}
CURVED = {"g_min": 10e-6, "g_max": 90e-6, "k_p": 3.0, "k_d": 5.0}
CASES = (
    Case("soft", SOFT, 0.004, 1.6e-6, 0.0, 1, 100),
    Case("soft", SOFT, 0.0, 1.6e-6, 0.0, 1, 100),
    Case("soft", SOFT, 0.002, 0.0, 0.02, 1, 100),
    Case("power", POWER, 0.002, 0.8e-6, 0.0, 1, 100),
    Case("hard", HARD, 0.002, 0.8e-6, 0.0, 1, 100),
    Case("exponential", CURVED, 0.002, 0.8e-6, 0.0, 1, 100),
    Case("soft", LONG, 0.001, 1.6e-6, 0.0, 1, 1000),
    Case("soft", SOFT, 0.003, 0.8e-6, 0.0, 12, 60, 0.2),
)


def _device(case: Case) -> ship.Device:
    own = {k: v for k, v in case.truth.items() if not k.startswith("g_m")}
    if case.law == "exponential":
        from ship.devices.fitting.to_device import _nonlinearity

        update = NonlinearPulses(
            nl_up=_nonlinearity(own["k_p"], 0.0),
            nl_down=_nonlinearity(own["k_d"], 0.0),
            pulses_up=float(case.pulses),
            pulses_down=float(case.pulses),
            noise=case.step,
        )
    else:
        gamma = {"hard": 0.0, "soft": 1.0}.get(case.law, 0.0)
        alphas = {k: ship.Varied(v, d2d=case.spread) if case.spread else v for k, v in own.items() if k.startswith("alpha")}
        update = Bounded(**alphas, gamma_p=own.get("gamma_p", gamma), gamma_d=own.get("gamma_d", gamma), noise=case.step)
    noise = RelativeNoise(sigma=case.relative) if case.relative else AdditiveNoise(sigma=case.additive)
    return ship.Device(g_min=case.truth["g_min"], g_max=case.truth["g_max"], update=update, noise=noise)


def _measured(case: Case, seed: int) -> dict[str, np.ndarray]:
    array = ship.DeviceArray(_device(case), case.devices, dtype=torch.float64, seed=seed)
    array.write(case.truth["g_min"] + 0.05 * (case.truth["g_max"] - case.truth["g_min"]))
    seen = []
    for v in [1.0] * case.pulses + [-1.0] * case.pulses:
        array.pulse(v)
        seen.append(array.read())
    g = torch.stack(seen).numpy().T
    n = case.pulses
    return {
        "conductance": g.ravel(),
        "polarity": np.tile(np.repeat([1, -1], n), case.devices),
        "device": np.repeat(np.arange(case.devices), 2 * n),
    }


def covered(case: Case, seed: int) -> dict[str, bool]:
    """Simulate and fit one data set; say of each parameter whether its interval covers the truth (not of those left open)."""
    with torch.no_grad():
        found = ship.fit(_measured(case, seed), "pulses", unit="S", seed=seed)
    fitted = next(f for f in found.ranking if f.name == case.law)
    truth = dict(case.truth) | {"step noise": case.step}
    if case.additive:
        truth["read noise"] = case.additive / (case.truth["g_max"] - case.truth["g_min"])
    elif "relative read noise" in fitted.parameters:
        truth["relative read noise"] = case.relative
    if case.spread:
        truth |= {"alpha_p, over devices": case.spread, "alpha_d, over devices": case.spread}
    return {
        name: bool(fitted.parameters[name].low <= value <= fitted.parameters[name].high)
        for name, value in truth.items()
        if name in fitted.parameters and name not in fitted.open
    }


def pulses(runs: int = 100, seed: int = 0, cases: tuple[Case, ...] = CASES) -> list[dict[str, object]]:
    """Return for each case how often the 95 % intervals of its parameters cover the truth, over so many data sets."""
    rows: list[dict[str, object]] = []
    for case in cases:
        start, inside = time.perf_counter(), defaultdict(list)
        for k in range(runs):
            for name, value in covered(case, seed + k).items():
                inside[name].append(value)
        rows.append(
            {
                "case": f"{case.law}, {case.devices} device(s), {case.pulses} pulses, step {case.step:g}, "
                f"read {f'{case.relative:.0%}' if case.relative else f'{case.additive:g} S'}",
                "coverage": float(np.mean([v for values in inside.values() for v in values])),
                "by parameter": {name: round(float(np.mean(values)), 3) for name, values in inside.items()},
                "intervals": sum(len(v) for v in inside.values()),
                "seconds a fit": (time.perf_counter() - start) / runs,
            }
        )
    return rows


if __name__ == "__main__":
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    for row in pulses(runs):
        print(row)
