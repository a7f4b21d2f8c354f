"""What a function of a sweep returns, as JSON that gives back every bit, and what is told of a point that failed."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ...base.errors import RunError

LARGEST = 2**24  # bytes of one array: results are kept in memory and in a journal, big ones belong into files of their own
WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
KINDS = "biuf"


def to_plain(where: str, result: Any) -> dict[str, Any]:
    """Return the results of a point by name, in words of JSON; a lone number or array is called ``value``.

    Raises:
        RunError: what is neither a number nor an array of numbers, or a table of these by name; an array that is too large.
    """
    table = result if isinstance(result, Mapping) else {"value": result}
    if not table:
        raise RunError(where, "must return at least one result", got="an empty table")
    return {str(name): _encoded(f"{where}: {name!r}", value) for name, value in table.items()}


def from_plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return results by name as numbers and arrays, from the words of JSON."""
    return {name: _decoded(value) for name, value in values.items()}


def _encoded(where: str, value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, list | tuple):
        value = np.asarray(value)
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"number": str(value)}
    if not isinstance(value, np.ndarray) or value.dtype.kind not in KINDS:
        rule = "must be a number, an array of numbers, or a table of these by name"
        raise RunError(where, rule, got=type(value).__name__)
    if value.nbytes > LARGEST:
        rule = f"must be at most {LARGEST >> 20} MiB"
        raise RunError(where, rule, got=f"{value.nbytes / 2**20:.0f} MiB", fix="Return a summary; write the rest to a file.")
    little = value.astype(value.dtype.newbyteorder("<"))
    return {"dtype": little.dtype.str, "shape": list(little.shape), "base64": base64.b64encode(little.tobytes()).decode()}


def _decoded(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "number" in value:
        return WORDS[value["number"]]
    array = np.frombuffer(base64.b64decode(value["base64"]), np.dtype(value["dtype"])).reshape(value["shape"])
    return array.astype(array.dtype.newbyteorder("="))
