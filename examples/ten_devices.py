"""Ten devices that differ in one property each, or in what was measured of them: what is left of a network, and what limits it.

The digits network of ``ship ask`` is trained in floating point and written to 32 virtual chips of each device, in each way in
which that device can be written; then one property at a time is made ideal on 16 of these chips (`ship.study.compare`). Six
devices are made by hand from one, two come from I-V loops, one from pulses, and one drifts. A second table has the number of
levels, whose price the accuracy hides and the error of the weights shows.

``python examples/ten_devices.py`` takes about two minutes on one core, prints both tables and keeps them in ten-devices/;
``python examples/ten_devices.py --quick`` trains for two epochs, and takes two chips and four devices.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import ship
from ship import data
from ship.devices import AdditiveNoise, Bounded, PowerDrift
from ship.study import compare, task

G_MAX = 100e-6  # S
LEVELS = (2, 4, 8, 16, 32, 64, 1000)


def made(name: str, ratio: float = 113.0, levels: int = 1000, spread: float = 0.0, **parts: object) -> ship.Device:
    """Make a device of equal pulses: on/off ratio, levels from end to end, and the spread of its steps from device to device."""
    step = ship.Varied(1 / (levels - 1), d2d=spread) if spread else 1 / (levels - 1)
    return ship.Device(name=name, g_min=G_MAX / ratio, g_max=G_MAX, update=Bounded(alpha_p=step, alpha_d=step), **parts)


def from_loops(cycles: int = 40, seed: int = 0) -> ship.Device:
    """Measure I-V loops of a device with two states, 80 and 4 uS, that scatter by 10 and 40 %, and fit them: no law of pulses."""
    rng = np.random.default_rng(seed)
    v = 1.5 * np.r_[np.linspace(0, 1, 60), np.linspace(1, 0, 60)]
    sweeps = []
    for cycle in range(1, cycles + 1):
        on, off, after = (g * np.exp(s * rng.standard_normal()) for g, s in ((80e-6, 0.1), (4e-6, 0.4), (4e-6, 0.4)))
        for sign, switches, before, later in ((1, 0.9, off, on), (-1, 0.8, on, after)):
            switched = np.maximum.accumulate(v >= switches + 0.05 * rng.standard_normal())
            current = np.where(switched, later, before) * v * (1 + 0.01 * rng.standard_normal(len(v)))
            sweeps.append([sign * v, sign * current, np.full(len(v), cycle)])
    columns = np.concatenate(sweeps, axis=1)
    unit = {"voltage": "V", "current": "A"}
    found = ship.fit(dict(zip(("voltage", "current", "cycle"), columns, strict=True)), "iv", unit=unit, replicates=50)
    return replace(found.device, name="I-V loops alone")


def from_pulses() -> ship.Device:
    """Fit the file of pulses of the tutorial: 50 up and 50 down."""
    with tempfile.TemporaryDirectory() as folder:
        path = data.example_pulses(Path(folder) / "pulses.csv")
        return replace(ship.fit(path, unit="uS", replicates=50).device, name="fitted pulses")


def ten() -> list[ship.Device]:
    """Make the ten devices."""
    loops, noise = from_loops(), AdditiveNoise(sigma=10e-6)
    return [
        made("reference"),
        made("16 levels", levels=16),
        made("on/off 2.3", ratio=2.3),
        made("steps spread 30 %", spread=0.3),
        made("read noise 10 uS", noise=noise),
        made("on/off 2.3, read noise 10 uS", ratio=2.3, noise=noise),
        made("drift", retention=PowerDrift(nu=ship.Varied(0.1, d2d_abs=0.05))),
        loops,
        replace(ship.devices.assume(loops, update="gong_2018"), name="I-V loops, pulse law assumed"),
        from_pulses(),
    ]


def by_levels(reader: ship.Network, test: data.Batches, levels: tuple[int, ...], chips: int) -> str:
    """Make the table of the number of levels; the tops of the windows spread by 2 %, so that chips differ."""
    top = ship.Varied(G_MAX, d2d=0.02)
    devices = [replace(made(f"{n} levels", levels=n), g_max=top) for n in levels]
    lines = ["| levels from end to end | weights of a pair | accuracy by pulses | weight error |", "| --: | --: | --: | --: |"]
    for n, found in zip(levels, compare(reader, devices, test, chips=chips, limits=0).devices, strict=True):
        row = found.row("by pulses")
        value, low, high = row.summary.mean
        lines.append(f"| {n} | {2 * n - 1} | {value:.1%} ({low:.1%} to {high:.1%}) | {row.off:.2%} |")
    return "\n".join(lines) + "\n"


def main(quick: bool) -> None:
    started = time.perf_counter()
    torch.set_num_threads(1)  # the network is too small to share
    digits = task("digits", seed=0)
    reader = digits.network(0)
    trainer = digits.fit(reader, seed=0, epochs=2 if quick else 40)
    test = digits.held_out()
    matrix = trainer.evaluate(test)
    devices, chips = ten(), 2 if quick else 32
    found = compare(reader, devices[1:2] + devices[-3:] if quick else devices, test, chips=chips, limits=0 if quick else 16)
    tables = found.markdown(), by_levels(reader, test, LEVELS[1:2] if quick else LEVELS, chips)
    print(f"Floating point: {matrix.accuracy:.1%} of {matrix.total} held-out digits; {chips} virtual chips of each device.\n")
    print("\n".join(tables))
    if not quick:
        folder = Path("ten-devices")
        folder.mkdir(exist_ok=True)
        (folder / "devices.md").write_text(tables[0])
        (folder / "levels.md").write_text(tables[1])
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main("--quick" in sys.argv)
