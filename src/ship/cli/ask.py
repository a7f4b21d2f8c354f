"""The question end to end: would a network whose weights sit in this device do its task, and how well?

A network learns a task in floating point, by default that of the embedded digits, or is one of the user's own (`asked_network`);
its weights are written to differential pairs of the device on virtual chips, in each way that the device allows, and the accuracy
of every chip is measured on samples that were never shown (`ship.study.conditions`).

Where a part of the device is not known, the answer says which. On request a layer of weights learns
on the chips themselves, by pulses. Several devices are compared.
"""

from __future__ import annotations

import contextlib
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
from ..study.tasks import Task
from ..study.ways import has_pulses, refused, unknown
from ..train import Mean, PulseOptimizer, Trainer
from . import answer
from .answer_page import answer_page
from .asked_network import Subject, remarks, whole
from .provenance import how_made

W_MAX = 2.0  # V, of the layer that learns on the chips
LEARNED = "learned on chip"
THREADS = 1  # this network is too small to share: with two threads and other work on both cores it took seven times as long


def ask(
    devices: Sequence[Device],
    out: Path,
    subject: Subject | None = None,
    *,
    chips: int = 32,
    limits: int = 16,
    learn: bool = False,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Answer the question for a device, or for several: print tables and a JSON line for each device, and draw figures.

    Args:
        devices: devices that were fitted, loaded or made by hand.
        out: folder for the figures; of several devices, for a folder each and ``devices.md`` as well.
        subject: the task and the network; default: the digits and their network.
        chips: number of virtual chips, at least 2.
        limits: number of chips on which one property at a time is made ideal; 0: what limits is left out.
        learn: whether a layer learns on the chips as well.
        progress: whether to say what is done, and to draw progress bars, where standard error is a terminal.

    The time that it takes grows with the epochs, with ``chips`` in each condition that is measured, and with ``learn``.

    Raises:
        RunError: fewer than two chips, or two devices of one name.
        GraphError: the network does not fit the task.
    """
    subject = subject or Subject()
    with threads(THREADS) if subject.small else contextlib.nullcontext():
        return _asked(devices, out, subject, chips, limits, learn, progress)


def _asked(
    devices: Sequence[Device], out: Path, subject: Subject, chips: int, limits: int, learn: bool, progress: bool
) -> list[dict[str, Any]]:
    from rich.console import Console

    started, console, stages = time.perf_counter(), Console(), Stages(progress)
    out.mkdir(parents=True, exist_ok=True)
    task = subject.task()
    net, exact, total = subject.trained_network(task, stages, progress)
    console.print(
        f"Network in floating point: {exact.value:.1%} of {total} held-out samples of the task {task.name} "
        f"(95 % interval {exact.low:.1%} to {exact.high:.1%})"
    )
    for line in remarks(task):
        console.print(line, highlight=False, soft_wrap=True)
    found = compare(net, devices, task.held_out(), chips=chips, limits=limits, stage=stages.stage)
    results = []
    for conditions in found.devices:
        lines = {f"floating point, {exact.value:.1%}": exact.value}
        rows = list(conditions.rows)
        if learn:
            with stages.stage(f"let a layer learn on {chips} chips"):
                row, floating = _learned_row(conditions.device, chips, subject.seed, task)
            rows.append(row)
            if floating is not None:
                lines[f"one layer, floating point, {floating:.1%}"] = floating
        place = out if len(devices) == 1 else out / answer.safe(conditions.device.name)
        answer.show(console, conditions, rows, exact, place, lines)
        seconds = time.perf_counter() - started
        asked = {"task": task.name, "network": subject.said, "samples": total, "notes": list(remarks(task))}
        results.append(answer.numbers(conditions, rows, exact, subject.seed, seconds) | asked)
        place.mkdir(parents=True, exist_ok=True)
        page = answer_page(conditions, rows, exact, lines, results[-1], how_made())
        console.print(f"Written: {page.write(place / 'answer.html')}", soft_wrap=True)
    if len(devices) > 1:
        _compared(console, found, exact, out)
    for result in results:
        print(json.dumps(result))
    return results


def _compared(console: Any, found: Comparison, exact: Interval, out: Path) -> None:
    console.print(found.table(f"{len(found.devices)} devices; floating point: {exact.value:.1%}"))
    write_whole(out / "devices.md", found.markdown().encode())
    console.print(f"Written: {out / 'devices.md'}")


def _learned_row(device: Device, chips: int, seed: int, made: Task) -> tuple[Row, float | None]:
    """Let a layer learn on the chips, where it is known how pulses move the device."""
    if not has_pulses(device):
        return Row(LEARNED, None, unknown(device, "update")), None
    try:
        values, floating = learned(device, chips, seed, made)
    except ShipError as error:
        return Row(LEARNED, None, refused(error)), None
    return Row(
        LEARNED, values, f"one layer of {made.channels * len(made.classes)} weights; in floating point {floating:.1%}"
    ), floating


def learned(device: Device, chips: int, seed: int, made: Task, epochs: int = 5, rate: float = 3.0) -> tuple[Tensor, float]:
    """Let one layer of weights learn on the chips, by gradient descent in pulses, and the same layer in floating point."""

    def build(**on_devices: Any) -> Network:
        net = Network()
        net.add(SpikeInput, "in", n=made.channels)
        net.add(LeakyIntegrator, "out", n=len(made.classes), tau=20e-3, output=True)
        net.add(ExpSynapse, "syn", source="in", target="out", tau=5e-3, weight=Normal(0.0, 0.05), **on_devices)
        net.init(dt=made.dt, seed=seed, chips=chips if on_devices else None)
        return net

    def train(net: Network, optimizer: torch.optim.Optimizer) -> Tensor:
        trainer = Trainer(net, optimizer=optimizer, readout=Mean(tail=made.readout.tail))
        order = data.Batches(whole(made), made.train.labels, 64, encode=made.encode, shuffle=True, seed=seed)
        trainer.fit(order, epochs=epochs, progress=False)
        return accuracy(net, made.held_out(), readout=Mean(tail=made.readout.tail))

    plain = build()
    floating = float(train(plain, torch.optim.SGD(plain.parameters(), rate)))
    net = build(device=device, mapping=Differential(w_max=W_MAX), learning=Pulsing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it starts from weights near 0
        net.program(verify=OpenLoop())
    return train(net, PulseOptimizer(net, rate)), floating
