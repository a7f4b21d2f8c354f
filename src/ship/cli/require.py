"""How good must the devices be? The requirement sheet of a task and a network, with a device marked on it, as table and file."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..base.display.stages import Stages
from ..base.errors import ShipError
from ..base.threads import threads
from ..devices.device import Device
from ..network.network import Network
from ..study.sheet import Sheet, require
from ..study.tasks import Task
from ..train import Perturb
from .ask import THREADS
from .asked import devices_of
from .asked_network import Subject, remarks
from .provenance import how_made

WIDE = 120  # columns of a table that is not printed on a terminal
SHARE = 4  # a quarter of the epochs is trained again with noise


def run(
    subject: Subject,
    files: Sequence[Path],
    reading: Mapping[str, Any],
    out: Path,
    *,
    search: Mapping[str, Any],
    progress: bool = True,
) -> Sheet:
    """Make the sheet, print it, and write it.

    Args:
        subject: the task and the network.
        files: the device that is marked; none: none is.
        reading: how its files are read, see `cli.asked.devices_of`.
        out: folder for ``require.json`` and ``require.html``, and for what was fitted.
        search: drop, chips, axes, pair and wait, as for `ship.study.require`.
        progress: whether to say what is done, and to draw progress bars, where standard error is a terminal.

    Raises:
        ShipError: several devices, a network that does not fit, or what a file is refused for.
    """
    from rich.console import Console

    console, stages = Console(), Stages(progress)
    if not console.is_terminal:
        console = Console(width=WIDE)
    out.mkdir(parents=True, exist_ok=True)
    device = _device(subject, files, reading, out, stages)
    with threads(THREADS) if subject.small else contextlib.nullcontext():
        task = subject.task()
        net, _, _ = subject.trained_network(task, stages, progress)
        again = _again(task, subject)
        found = require(net, task.held_out(), device=device, seed=subject.seed, retrain=again, stages=stages, **search)
    found = replace(found, task=task.name, network=subject.said, notes=(*found.notes, *remarks(task)))
    console.print(found.table())
    for line in found.lines():
        console.print(line, highlight=False, soft_wrap=True)
    written = found.save(out / "require.json"), found.page(how_made()).write(out / "require.html")
    console.print(f"Written: {', '.join(map(str, written))}", soft_wrap=True)
    return found


def _device(subject: Subject, files: Sequence[Path], reading: Mapping[str, Any], out: Path, stages: Stages) -> Device | None:
    """Return the device that is marked, if any."""
    if not files:
        return None
    with stages.stage("read the device"):
        devices = devices_of(files, seed=subject.seed, out=out, **reading)
    if len(devices) > 1:
        names = ", ".join(device.name for device in devices)
        raise ShipError("ship require", "marks one device", got=names, fix="Ask about each of them, with an --out of its own.")
    return devices[0]


def _again(task: Task, subject: Subject) -> Any:
    """Return what trains a copy of the network for a quarter of the epochs more, with noise."""
    epochs = max(1, (subject.epochs or task.recipe.epochs) // SHARE)

    def retrain(net: Network, noise: Sequence[Perturb]) -> Network:
        learnt = copy.deepcopy(net)
        task.fit(learnt, seed=subject.seed, epochs=epochs, perturb=noise)
        return learnt

    return retrain
