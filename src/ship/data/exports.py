"""Raw exports as instruments write them, of virtual devices: what a measurement looks like before anyone has tidied it up."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ..base.parameters import Varied
from ..devices import Device
from ..devices.array.array import DeviceArray
from ..devices.parts.programming import TwoStateProgramming
from ..devices.parts.read_noise import RelativeNoise
from ..devices.update.nonlinear import NonlinearPulses
from .example import example_device

FORWARD = ["Test title,Plasticity 50 x 50", "Instrument,virtual tester", "Operator,seed {seed}", "Compliance (A),1.0000E-03", ""]
LOOP = ["Test: IV loop, 0 / {reach} / 0 / -{reach} / 0 V", "Instrument: virtual tester, seed {seed}", "Compliance: {limit} A", ""]
REACH, POINTS, LIMIT = 2.0, 50, 300e-6  # V, samples from 0 to it, A


def exported_device() -> Device:
    """The device that `example_export` measures: `example_device`, with a spread of both branches and pulses of a microsecond."""
    update = NonlinearPulses(
        nl_up=Varied(1.2, d2d_abs=0.2), nl_down=Varied(3.0, d2d_abs=0.3), pulses_up=50.0, pulses_down=50.0, noise=0.003
    )
    return replace(example_device(), update=update, v_set=1.4, v_reset=-1.6, t_write=1e-6, v_read=0.2)


def example_export(path: str | os.PathLike[str], *, devices: int = 5, pulses: int = 50, seed: int = 0) -> Path:
    """Write the raw export of a tester: currents at a read voltage after each pulse, of several devices, under a preamble.

    Each device gets ``pulses`` pulses up and as many down. The columns are the number of the row, the device, the pulse's
    voltage (V) and width (us), the read voltage (V) and the current (A). The numbers depend on ``seed`` alone.

    Args:
        path: path of the CSV file.
        devices: number of devices, all `exported_device` with a spread of their own.
        pulses: number of pulses of each polarity.
        seed: seed of the devices and of their noise.

    Returns:
        The path, for `ship.look` and `ship.fit`.
    """
    device = exported_device()
    array = DeviceArray(device, devices, seed=seed)
    reads = []
    for volt in (device.v_set, device.v_reset):
        for _ in range(pulses):
            array.pulse(volt)
            reads.append((float(volt), (array.read() * device.v_read).flatten().tolist()))
    rows: list[list[object]] = []
    for k in range(devices):
        for volt, current in reads:
            rows.append([len(rows) + 1, f"D{k + 1}", f"{volt:.2f}", "1.0", f"{device.v_read:.2f}", f"{current[k]:.4E}"])
    heads = ["No.", "Device", "Vpulse (V)", "Width (us)", "Vread (V)", "Iread (A)"]
    preamble = [line.format(seed=seed) for line in FORWARD]
    return _written(path, preamble, [heads, *rows], ",", ["", f"Finished,{len(rows)} reads"])


def looped_device() -> Device:
    """The device that `example_loops` measures: two states of 2 and 200 uS that scatter from write to write, 1.2 and -1.0 V."""
    scatter = TwoStateProgramming(sigma_off=0.4, sigma_on=0.1)
    return Device(name="loops", g_min=2e-6, g_max=200e-6, programming=scatter, noise=RelativeNoise(sigma=0.01), v_set=1.2)


def example_loops(path: str | os.PathLike[str], *, cycles: int = 30, seed: int = 0) -> Path:
    """Write the raw export of current-voltage loops of one device, 0, 2, 0, -2, 0 V, with a compliance of 0.3 mA.

    The states are those of `looped_device`, the voltages at which it switches scatter by 0.1 V. Columns are the cycle, the
    voltage (V) and the current (A), parted by tabs. The numbers depend on ``seed`` alone.

    Args:
        path: path of the text file.
        cycles: number of loops.
        seed: seed of the device, its writes and its noise.

    Returns:
        The path, for `ship.look` and `ship.fit`.
    """
    device = looped_device()
    array = DeviceArray(device, 1, seed=seed)
    dice = torch.Generator().manual_seed(seed)
    half = [REACH * k / POINTS for k in (*range(POINTS), *range(POINTS, -1, -1))]
    array.write(device.g_min)
    rows: list[Sequence[object]] = []
    for cycle in range(1, cycles + 1):
        for top, volt in ((REACH, device.v_set), (-REACH, device.v_reset)):
            switch = abs(float(volt)) + 0.1 * float(torch.randn((), generator=dice))
            switched = False
            for v in half:
                if v >= switch and not switched:
                    array.write(device.g_max if top > 0 else device.g_min)
                    switched = True
                current = math.copysign(v, top) * float(array.read())
                rows.append([cycle, f"{math.copysign(v, top):.2f}", f"{min(current, LIMIT):.4E}"])
    preamble = [line.format(reach=REACH, seed=seed, limit=LIMIT) for line in LOOP]
    return _written(path, preamble, [["Cycle", "Voltage (V)", "Current (A)"], *rows], "\t", [])


def _written(
    path: str | os.PathLike[str], preamble: list[str], rows: Iterable[Sequence[object]], separator: str, footer: list[str]
) -> Path:
    """Write lines and rows of cells to a text file, and return its path."""
    where = Path(path)
    where.write_text("\n".join([*preamble, *(separator.join(map(str, row)) for row in rows), *footer]) + "\n")
    return where
