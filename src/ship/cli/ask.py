"""The question end to end: would a network whose weights sit in this device read digits, and how well?

A network learns handwritten digits (`cli.digits`) in floating point; its weights are written to differential pairs of the device
on virtual chips; the accuracy of every chip is measured on digits that were never shown. Where the device drifts, it is measured
again after waiting. On request a layer of weights learns on the chips themselves, by pulses.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import data, plot
from ..base.atomic_write import write_figure
from ..base.errors import RunError
from ..base.parameters import Normal
from ..devices.array.array import DeviceArray
from ..devices.array.write_verify import WriteVerify, Written
from ..devices.device import Device
from ..devices.weights.mapping import Differential
from ..devices.weights.pulsing import Pulsing
from ..models import ExpSynapse, LeakyIntegrator, SpikeInput
from ..network.network import Network
from ..study import accuracy, summary, virtual_chips, yield_at
from ..train import Max, Mean, PulseOptimizer, Trainer, wilson
from . import digits as task

WAITS = (3600.0, 86400.0, 30 * 86400.0)  # s
W_MAX = 2.0  # V, of the layer that learns on the chips
TOLERANCE = 0.02  # of a write, as a fraction of the window
MOST_READS = 100  # that a verification averages
GOOD = 0.95  # a chip is good at this share of the accuracy in floating point


class Row(NamedTuple):
    """The accuracies of the chips in one condition."""

    name: str
    chips: Tensor  # accuracy of each, [chip]


class Stages:
    """Messages of what is being done and how long it took, on standard error, where that is a terminal."""

    def __init__(self, show: bool = True) -> None:
        self.show = show and sys.stderr.isatty()

    @contextlib.contextmanager
    def stage(self, what: str) -> Iterator[None]:
        """Announce a stage around its work, and say how long it took."""
        start = time.perf_counter()
        if self.show:
            print(f"{what} ...", file=sys.stderr, flush=True)
        yield
        if self.show:
            print(f"{what}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)


def ask(
    device: Device,
    out: Path,
    *,
    chips: int = 64,
    seed: int = 0,
    epochs: int = 40,
    learn: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Answer the question for a device: print a table and a JSON line, and draw a figure.

    Args:
        device: a device that was fitted, loaded or made by hand.
        out: folder for the figure.
        chips: number of virtual chips, at least 2.
        seed: seed of split, weights, order and devices.
        epochs: number of epochs of training in floating point.
        learn: whether a layer learns on the chips as well.
        progress: whether to say what is done, and to draw progress bars, where standard error is a terminal.

    The time that it takes grows with ``epochs``, with ``chips`` in each condition that is measured, with the reads that the noise
    of the device asks for, and with ``learn``; it depends on how many cores are free.

    Raises:
        RunError: fewer than two chips.
    """
    from rich.console import Console

    if chips < 2:
        raise RunError("ask: chips", "must be at least 2, for an interval", got=str(chips))
    started, console, stages = time.perf_counter(), Console(), Stages(progress)
    out.mkdir(parents=True, exist_ok=True)
    digits = data.digits(seed=seed)
    with stages.stage(f"train a network in floating point, {epochs} epochs"):
        net, trainer = task.train(digits, seed, epochs, progress)
    test = task.held_out(digits)
    matrix = trainer.evaluate(test)
    exact = wilson(matrix.correct, matrix.total)
    console.print(
        f"Network in floating point: {exact.value:.1%} of {matrix.total} held-out digits "
        f"(95 % interval {exact.low:.1%} to {exact.high:.1%})"
    )
    rows, written, said = on_chips(net, device, chips, test, stages)
    lines = {f"floating point, {exact.value:.1%}": exact.value}
    if learn:
        with stages.stage(f"let a layer learn on {chips} chips"):
            row, floating = learned(device, chips, seed, digits)
        rows.append(row)
        lines[f"one layer, floating point, {floating:.1%}"] = floating
        console.print(f"One layer of 640 weights, trained in floating point: {floating:.1%}")
    console.print(_table(device, chips, rows, exact.value))
    for line in said + _effort(device, written):
        console.print(line)
    figure = plot.accuracy(
        [r.name for r in rows],
        [summary(r.chips).mean for r in rows],
        chips=[r.chips for r in rows],
        lines=lines,
        title=f"{device.name}: {chips} virtual chips",
    )
    write_figure(out / "chips.png", figure)
    result = {
        "device": device.name,
        "chips": chips,
        "seed": seed,
        "floating_point": [round(v, 4) for v in exact],
        "conditions": {r.name: _numbers(r.chips, exact.value) for r in rows},
        "seconds": round(time.perf_counter() - started, 1),
    }
    print(json.dumps(result))
    return result


def on_chips(
    net: Network, device: Device, chips: int, test: data.Batches, stages: Stages
) -> tuple[list[Row], dict[str, Written], list[str]]:
    """Write a trained network to chips, and measure them as written, and after waiting where the device drifts."""

    def measured(name: str) -> Row:
        with stages.stage(f"measure {chips} chips: {name}"):
            return Row(name, accuracy(made, test, readout=readout))

    made = virtual_chips(net, chips, device=device, mapping=Differential())
    readout, rows, said = Max(tail=task.TAIL), [], []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        if device.programming is not None:
            made.program()
            rows.append(measured("one shot"))
        verify = closed_loop(device)
        with stages.stage(f"write {chips} chips, with verification"):
            written = made.program(verify=verify)
    said += [f"Note: {w.message}" for w in caught]
    name = "write-verify" if verify.by == "rewrite" else "pulses, verified"
    rows.append(measured(name))
    if float(rows[-1].chips.std()) == 0:
        said.append("All chips are alike: the device has no spread and no noise, so the interval says nothing about real chips.")
    if verify.reads > 1:
        said.append(f"A verification averages {verify.reads} reads: one read is too noisy to tell 2 % of the window.")
    passed = 0.0
    oldest = 0.0 if device.retention is None else device.retention.oldest
    for wait in WAITS:
        if wait > oldest:
            said += [f"The retention of the device is not valid beyond {oldest:g} s."] if oldest else []
            break
        made.wait(wait - passed)
        passed = wait
        rows.append(measured(f"after {_span(wait)}"))
    return rows, written, said


def closed_loop(device: Device) -> WriteVerify:
    """Choose how a device is best written: by trains of pulses, or by writes where it has a law for these, with enough reads."""
    array = DeviceArray(replace(device, faults=None), 512, variation=False)
    low, high = array.window()
    array.write((low + high) / 2)
    noise = float(((array.read() - array.conductance()) / (high - low)).std()) if array.device.noise is not None else 0.0
    reads = min(MOST_READS, max(1, math.ceil((2 * noise / TOLERANCE) ** 2)))
    return WriteVerify(TOLERANCE, most=30, by="train" if array.device.programming is None else "rewrite", reads=reads)


def learned(device: Device, chips: int, seed: int, digits: data.Split, epochs: int = 5, rate: float = 3.0) -> tuple[Row, float]:
    """Let one layer of weights learn on the chips, by gradient descent in pulses, and the same layer in floating point."""

    def build(**on_devices: Any) -> Network:
        net = Network()
        net.add(SpikeInput, "in", n=64)
        net.add(LeakyIntegrator, "out", n=10, tau=20e-3, output=True)
        net.add(ExpSynapse, "syn", source="in", target="out", tau=5e-3, weight=Normal(0.0, 0.05), **on_devices)
        net.init(dt=task.DT, seed=seed, chips=chips if on_devices else None)
        return net

    def train(net: Network, optimizer: torch.optim.Optimizer) -> Tensor:
        trainer = Trainer(net, optimizer=optimizer, readout=Mean(tail=task.TAIL))
        order = data.Batches(digits.x, digits.labels, 64, encode=task.encode, shuffle=True, seed=seed)
        trainer.fit(order, epochs=epochs, progress=False)
        return accuracy(net, task.held_out(digits), readout=Mean(tail=task.TAIL))

    plain = build()
    floating = float(train(plain, torch.optim.SGD(plain.parameters(), rate)))
    net = build(device=device, mapping=Differential(w_max=W_MAX), learning=Pulsing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it starts from weights near 0
        net.program()
    return Row("learned on chip", train(net, PulseOptimizer(net, rate))), floating


def _numbers(chips: Tensor, exact: float) -> dict[str, Any]:
    mean, worst, best, std, _ = summary(chips)
    return {
        "mean": [round(v, 4) for v in mean],
        "worst": round(worst, 4),
        "best": round(best, 4),
        "std": round(std, 4),
        "yield": [round(v, 4) for v in yield_at(chips, GOOD * exact)],
    }


def _table(device: Device, chips: int, rows: list[Row], exact: float) -> Any:
    from rich.table import Table

    table = Table(title=f"{device.name}, {chips} virtual chips")
    for column in (
        "weights",
        "mean",
        "95 % interval",
        "worst",
        "best",
        f"yield at {GOOD * exact:.1%}",
    ):
        table.add_column(column, justify="right")
    for row in rows:
        found = _numbers(row.chips, exact)
        value, low, high = found["mean"]
        share, least, most = found["yield"]
        table.add_row(
            row.name,
            f"{value:.1%}",
            f"{low:.1%} to {high:.1%}",
            f"{found['worst']:.1%}",
            f"{found['best']:.1%}",
            f"{share:.0%} ({least:.0%} to {most:.0%})",
        )
    return table


def _effort(device: Device, written: dict[str, Written]) -> list[str]:
    """Say how many pulses and how much energy writing took."""
    n = sum(w.pulses.numel() for w in written.values())
    pulses = sum(float(w.pulses.double().sum()) for w in written.values()) / n
    failed = sum(float(w.failed.double().sum()) for w in written.values()) / n
    energy = sum(float(w.energy.double().sum()) for w in written.values()) / n
    nominal = DeviceArray(device, 1, variation=False).values.of("")
    volts = f"{float(nominal.v_set):g} V and {float(nominal.v_reset):g} V for {float(nominal.t_write):g} s"
    return [
        f"Writing took {pulses:.1f} pulses for a device; {failed:.2%} of them missed their target by more than {TOLERANCE:.0%} "
        f"of the window. With pulses of {volts}, as the device says, that is {energy:.2g} J in a device."
    ]


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400.0), ("h", 3600.0)):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
