"""A small measurement to try things with. A virtual device makes it, so that nothing has to be fetched."""

from __future__ import annotations

import os
from pathlib import Path

from ..base.parameters import Varied
from ..devices import Device
from ..devices.array.array import DeviceArray
from ..devices.parts.read_noise import AdditiveNoise
from ..devices.update.nonlinear import NonlinearPulses


def example_device() -> Device:
    """The device that `example_pulses` measures: 1 to 20 uS in 50 pulses, faster at first, with noise in every pulse and read."""
    update = NonlinearPulses(nl_up=Varied(1.2, d2d_abs=0.2), nl_down=3.0, pulses_up=50.0, pulses_down=50.0, noise=0.003)
    return Device(name="example", g_min=1e-6, g_max=20e-6, update=update, noise=AdditiveNoise(sigma=0.2e-6))


def example_pulses(path: str | os.PathLike[str], *, pulses: int = 50, seed: int = 0) -> Path:
    """Write a synthetic measurement to a file: conductances (uS) that a probe station would read after each pulse up, then down.

    The columns are ``G_up`` and ``G_down``, of one `example_device`, and the numbers depend on ``seed`` alone.

    Args:
        path: path of the CSV file.
        pulses: number of pulses of each polarity.
        seed: seed of the device and of its noise.

    Returns:
        The path, for `ship.fit`.
    """
    array = DeviceArray(example_device(), 1, seed=seed)
    columns = []
    for volt in (1.0, -1.0):
        column = []
        for _ in range(pulses):
            array.pulse(volt)
            column.append(1e6 * float(array.read()))
        columns.append(column)
    rows = ["G_up,G_down", *(f"{up:.4f},{down:.4f}" for up, down in zip(*columns, strict=True))]
    where = Path(path)
    where.write_text("\n".join(rows) + "\n")
    return where
