"""The question end to end: would a network whose weights sit in this device read digits, and how well?

A network learns handwritten digits (`ship.study.tasks`) in floating point; its weights are written to differential pairs of the
device on virtual chips, in each way that the device allows, and the accuracy of every chip is measured on digits that were
never shown (`ship.study.conditions`).

Where a part of the device is not known, the answer says which. On request a layer of weights learns
on the chips themselves, by pulses. Several devices are compared.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import data
from ..base.atomic_write import write_whole
from ..base.display.stages import Stages
from ..base.errors import ShipError
from ..base.parameters import Normal
from ..base.statistics import Interval
from ..base.threads import threads
from ..devices.array.open_loop import OpenLoop
from ..devices.device import Device
from ..devices.weights.mapping import Differential
from ..devices.weights.pulsing import Pulsing
from ..models import ExpSynapse, LeakyIntegrator, SpikeInput
from ..network.network import Network
from ..study import Comparison, Row, accuracy, compare
from ..study.tasks import Task, task
from ..study.ways import has_pulses, refused, unknown
from ..train import Mean, PulseOptimizer, Trainer, wilson
from . import answer

W_MAX = 2.0  # V, of the layer that learns on the chips
LEARNED = "learned on chip"
THREADS = 1  # this network is too small to share: with two threads and other work on both cores it took seven times as long


def ask(
    devices: Sequence[Device],
    out: Path,
    *,
    chips: int = 32,
    seed: int = 0,
    epochs: int = 40,
    limits: int = 16,
    learn: bool = False,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Answer the question for a device, or for several: print tables and a JSON line for each device, and draw figures.

    Args:
        devices: devices that were fitted, loaded or made by hand.
        out: folder for the figures; of several devices, for a folder each and ``devices.md`` as well.
        chips: number of virtual chips, at least 2.
        seed: seed of split, weights, order and devices.
        epochs: number of epochs of training in floating point.
        limits: number of chips on which one property at a time is made ideal; 0: what limits is left out.
        learn: whether a layer learns on the chips as well.
        progress: whether to say what is done, and to draw progress bars, where standard error is a terminal.

    The time that it takes grows with ``epochs``, with ``chips`` in each condition that is measured, and with ``learn``.

    Raises:
        RunError: fewer than two chips, or two devices of one name.
    """
    with threads(THREADS):
        return _asked(devices, out, chips, seed, epochs, limits, learn, progress)


def _asked(
    devices: Sequence[Device], out: Path, chips: int, seed: int, epochs: int, limits: int, learn: bool, progress: bool
) -> list[dict[str, Any]]:
    from rich.console import Console

    started, console, stages = time.perf_counter(), Console(), Stages(progress)
    out.mkdir(parents=True, exist_ok=True)
    digits = task("digits", seed=seed)
    net = digits.network(seed)
    with stages.stage(f"train a network in floating point, {epochs} epochs"):
        trainer = digits.fit(net, seed=seed, epochs=epochs, progress=progress)
    test = digits.held_out()
    matrix = trainer.evaluate(test)
    exact = wilson(matrix.correct, matrix.total)
    console.print(
        f"Network in floating point: {exact.value:.1%} of {matrix.total} held-out digits "
        f"(95 % interval {exact.low:.1%} to {exact.high:.1%})"
    )
    found = compare(net, devices, test, chips=chips, limits=limits, stage=stages.stage)
    results = []
    for conditions in found.devices:
        lines = {f"floating point, {exact.value:.1%}": exact.value}
        rows = list(conditions.rows)
        if learn:
            with stages.stage(f"let a layer learn on {chips} chips"):
                row, floating = _learned_row(conditions.device, chips, seed, digits)
            rows.append(row)
            if floating is not None:
                lines[f"one layer, floating point, {floating:.1%}"] = floating
        place = out if len(devices) == 1 else out / answer.safe(conditions.device.name)
        answer.show(console, conditions, rows, exact, place, lines)
        results.append(answer.numbers(conditions, rows, exact, seed, time.perf_counter() - started))
    if len(devices) > 1:
        _compared(console, found, exact, out)
    for result in results:
        print(json.dumps(result))
    return results


def _compared(console: Any, found: Comparison, exact: Interval, out: Path) -> None:
    console.print(found.table(f"{len(found.devices)} devices; floating point: {exact.value:.1%}"))
    write_whole(out / "devices.md", found.markdown().encode())
    console.print(f"Written: {out / 'devices.md'}")


def _learned_row(device: Device, chips: int, seed: int, digits: Task) -> tuple[Row, float | None]:
    """Let a layer learn on the chips, where it is known how pulses move the device."""
    if not has_pulses(device):
        return Row(LEARNED, None, unknown(device, "update")), None
    try:
        values, floating = learned(device, chips, seed, digits)
    except ShipError as error:
        return Row(LEARNED, None, refused(error)), None
    return Row(LEARNED, values, f"one layer of 640 weights; in floating point {floating:.1%}"), floating


def learned(device: Device, chips: int, seed: int, digits: Task, epochs: int = 5, rate: float = 3.0) -> tuple[Tensor, float]:
    """Let one layer of weights learn on the chips, by gradient descent in pulses, and the same layer in floating point."""

    def build(**on_devices: Any) -> Network:
        net = Network()
        net.add(SpikeInput, "in", n=64)
        net.add(LeakyIntegrator, "out", n=10, tau=20e-3, output=True)
        net.add(ExpSynapse, "syn", source="in", target="out", tau=5e-3, weight=Normal(0.0, 0.05), **on_devices)
        net.init(dt=digits.dt, seed=seed, chips=chips if on_devices else None)
        return net

    def train(net: Network, optimizer: torch.optim.Optimizer) -> Tensor:
        trainer = Trainer(net, optimizer=optimizer, readout=Mean(tail=digits.readout.tail))
        assert isinstance(digits.train.x, Tensor)
        order = data.Batches(digits.train.x, digits.train.labels, 64, encode=digits.encode, shuffle=True, seed=seed)
        trainer.fit(order, epochs=epochs, progress=False)
        return accuracy(net, digits.held_out(), readout=Mean(tail=digits.readout.tail))

    plain = build()
    floating = float(train(plain, torch.optim.SGD(plain.parameters(), rate)))
    net = build(device=device, mapping=Differential(w_max=W_MAX), learning=Pulsing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it starts from weights near 0
        net.program(verify=OpenLoop())
    return train(net, PulseOptimizer(net, rate)), floating
