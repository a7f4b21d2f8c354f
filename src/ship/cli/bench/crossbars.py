"""SHIP's side of the cases of crossbars: exact and approximate solutions, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...crossbar import Crossbar, approximate, currents, effective
from .networks import versions as versions

Arrays = Mapping[str, Any]
Work = dict[str, Any]


def _given(data: Arrays) -> tuple[Tensor, Tensor, Crossbar]:
    """Conductances ``[chip, row, column]``, voltages ``[chip, row]`` and the wires."""
    wires = Crossbar(data["r_row"], data["r_col"], data["r_driver"], data["r_sense"])
    return torch.from_numpy(data["G"]), torch.from_numpy(data["v"]), wires


def _total(matrix: Tensor, v: Tensor) -> float:
    return float((v[:, None] @ matrix).sum())


def crossbar_currents(data: Arrays, size: Arrays) -> Work:
    G, v, wires = _given(data)
    return {"forward": lambda: currents(G, v, wires), "check": lambda out: float(out.sum())}


def crossbar_matrix(data: Arrays, size: Arrays) -> Work:
    G, v, wires = _given(data)
    return {"forward": lambda: effective(G, wires), "check": lambda out: _total(out, v)}


def crossbar_approximate(data: Arrays, size: Arrays) -> Work:
    G, v, wires = _given(data)
    return {"forward": lambda: approximate(G, wires, probes=size["probes"]), "check": lambda out: _total(out.matrix, v)}


def crossbar_currents_gradient(data: Arrays, size: Arrays) -> Work:
    G, v, wires = _given(data)
    G.requires_grad_()
    return {
        "forward": lambda: currents(G, v, wires),
        "backward": lambda out: torch.autograd.grad(out.sum(), G),
        "check": lambda out: float(out.detach().sum()),
    }


def crossbar_matrix_gradient(data: Arrays, size: Arrays) -> Work:
    G, v, wires = _given(data)
    G.requires_grad_()
    return {
        "forward": lambda: effective(G, wires),
        "backward": lambda out: torch.autograd.grad(out.sum(), G),
        "check": lambda out: _total(out.detach(), v),
    }
