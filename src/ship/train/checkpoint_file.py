"""Checkpoint files of a training: the network, the optimiser, the schedule and the progress, in one file."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..base.errors import FileError
from ..base.tensor_files import DAMAGE, read, write
from ..network.files.checks import check_values
from ..network.network import Network
from .checkpoint import (
    check_optimizer,
    check_progress,
    check_schedule,
    differences,
    network_identity,
    state_codec,
    trainer_identity,
)
from .progress import History, Progress


def write_checkpoint(
    path: str | os.PathLike[str], net: Network, optimizer: torch.optim.Optimizer, schedule: Any, progress: Progress
) -> None:
    """Write a checkpoint, atomically and with nothing executable in it.

    Raises:
        FileError: a state cannot be saved, or the file cannot be written.
    """
    tensors = {f"net/{k}": v for k, v in net.state_dict().items()}
    if progress.best is not None:
        tensors |= {f"best/{k}": v for k, v in progress.best.items()}
    codec = state_codec(tensors)
    structure = {
        "identity": _identity(net, optimizer, schedule),
        "trainer": {
            "epoch": progress.epoch,
            "trial": progress.trial,
            "history": vars(progress.history),
            "best": None if math.isinf(progress.best_score) else progress.best_score,
            "since_best": progress.since_best,
        },
        "optimizer": codec.encode("Trainer.save", optimizer.state_dict(), "optimizer"),
        "schedule": None if schedule is None else codec.encode("Trainer.save", schedule.state_dict(), "schedule"),
    }
    write(path, tensors, structure)


def read_checkpoint(path: str | os.PathLike[str], net: Network, optimizer: torch.optim.Optimizer, schedule: Any) -> Progress:
    """Load a checkpoint into a network, an optimiser and a schedule, and return the progress.

    Raises:
        FileError: the file is missing or damaged, or was written for another network or trainer; all of them are then unchanged.
    """
    tensors, structure = read(path)
    parts: list[Any] = [net, optimizer, *(() if schedule is None else (schedule,))]
    before = copy.deepcopy([part.state_dict() for part in parts])
    try:
        _check(structure, _identity(net, optimizer, schedule, structure))
        return _load(tensors, structure, net, optimizer, schedule)
    except BaseException as error:
        for part, state in zip(parts, before, strict=True):
            part.load_state_dict(state)
        if not isinstance(error, DAMAGE):
            raise
        got = str(error) if isinstance(error, FileError) else f"{type(error).__name__}: {error}"
        raise FileError(str(path), "is no checkpoint of this trainer", got=got.splitlines()[0].rstrip(".")) from error


def _identity(
    net: Network, optimizer: torch.optim.Optimizer, schedule: Any, structure: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the identity of a training, to be written or to be compared with that of a file's ``structure``."""
    theirs = None if structure is None else (structure.get("identity") or structure).get("network")
    return {
        "network": network_identity(net, theirs if isinstance(theirs, dict) else None),
        "trainer": trainer_identity(optimizer, schedule),
    }


def _check(structure: Mapping[str, Any], own: dict[str, Any]) -> None:
    """Check that a checkpoint was written for this network, optimiser and schedule, before anything is changed."""
    theirs = structure.get("identity")
    if theirs is None:  # format 1 has fewer entries
        theirs = {"network": structure["network"]}
        own = {"network": {name: own["network"].get(name) for name in theirs["network"]}}
    if found := differences(theirs, own):
        raise FileError("what it was made for", "must be what is here", got="; ".join(found[:3]))
    check_progress(structure["trainer"])


def _load(
    tensors: Mapping[str, Tensor], structure: Mapping[str, Any], net: Network, optimizer: torch.optim.Optimizer, schedule: Any
) -> Progress:
    """Load the states of a checkpoint and return the progress."""
    own, best = ({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)} for prefix in ("net/", "best/"))
    check_values(net, own)
    if best:
        check_values(net, best)
        net.load_state_dict(best)  # raises an error now, not after the training
    net.load_state_dict(own)
    codec = state_codec(dict(tensors))
    optimizer.load_state_dict(codec.decode("optimizer", structure["optimizer"]))
    check_optimizer(optimizer)
    if schedule is not None:
        saved = codec.decode("schedule", structure["schedule"])
        check_schedule(saved, schedule.state_dict())
        schedule.load_state_dict(saved)
    state = structure["trainer"]
    score = -math.inf if state["best"] is None else float(state["best"])
    return Progress(state["epoch"], state["trial"], History(**state["history"]), best or None, score, state["since_best"])
