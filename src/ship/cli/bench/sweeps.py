"""SHIP's side of the case of a sweep: many short runs, by as many processes as there are cores."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...models import LIF, ImpulseSynapse, PoissonSource
from ...network.network import Network
from ...study import grid
from ...study.sweeps.journal import Journal
from .networks import hertz
from .networks import versions as versions

Arrays = Mapping[str, Any]
Work = dict[str, Any]


def short_run(tau: float, seed: int, size: Arrays) -> float:
    """Return the mean rate (Hz) of LIF neurons that are driven by Poisson sources, in one run without gradients."""
    net = Network()
    net.add(PoissonSource, "in", n=size["n"], rate=20.0)
    net.add(LIF, "out", n=size["n"], tau=float(tau), output=True)
    net.add(ImpulseSynapse, "in>out", source="in", target="out", weight=2.0 / size["n"])
    net.init(dt=size["dt"], seed=int(seed))
    with torch.no_grad():
        return hertz(net.run(batch=1, steps=size["steps"]), size["dt"])


def point(tau: float, n: int, steps: int, dt: float, seed: int) -> float:
    """Do one run of the sweep."""
    return short_run(tau, seed, {"n": n, "steps": steps, "dt": dt})


def sweep(data: Arrays, size: Arrays) -> Work:
    seeds, same = data["seeds"].tolist(), {name: size[name] for name in ("n", "steps", "dt")}
    busy: list[float] = []

    def forward() -> float:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            table = grid(point, {"tau": data["tau"]}, seeds, fixed=same, folder=folder, workers=size["workers"], progress=False)
            wall = time.perf_counter() - start
            with Journal(Path(folder)) as journal:
                used = sum(entry["cpu"] for entry in journal.points.values())
        busy.append(used / (wall * max(1, size["workers"])))
        return float(table["value"].mean())

    rate = {name: lambda out: out for name in ("rate", "check")}
    warm = {"warm": lambda: short_run(data["tau"][0], 0, size)}
    return {"forward": forward, "busy": lambda out: sorted(busy)[len(busy) // 2], **rate, **warm}
