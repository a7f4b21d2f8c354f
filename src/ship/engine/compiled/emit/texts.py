"""The texts that the compiled engine gives to Numba: drivers, and the functions that kernels call."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ....base.native.cache import clear, contents, digest, folder, load, private_folder, text_of
from ....base.random.philox import words_text

__all__ = ["clear", "contents", "digest", "drivers", "folder", "helpers", "load", "part", "private_folder"]

DRIVERS = {  # each with the texts that it is made of
    "alone": ("records", "floats", "memory", "alone"),
    "loop": ("records", "floats", "memory", "sums", "loop"),
    "plastic": ("records", "floats", "memory", "sums", "learning", "loop"),
    "plastic edges": ("records", "floats", "memory", "sums", "edge_learning", "learning", "loop"),
    "pulses and edges": ("records", "floats", "memory", "sums", "philox", "pulses", "edge_learning", "learning", "loop"),
    "pulses": ("records", "floats", "memory", "sums", "philox", "pulses", "learning", "loop"),
    "gradients": ("records", "floats", "memory", "sums", "gradients", "loop"),
    "grid": ("records", "floats", "memory", "tiles", "grid"),
    "edge grid": ("records", "floats", "memory", "tiles", "edge_grid"),
    "events": ("floats", "events"),
    "edges": ("edges",),
}


@lru_cache(maxsize=16)
def drivers(name: str, dtype: torch.dtype) -> dict[str, Any]:
    """Return the drivers of a kind by name, compiled for one float type when they are first called."""
    text = "\n\n".join(words_text() if one == "philox" else part(f"drivers/{one}") for one in DRIVERS[name])
    if dtype == torch.float64:
        text = text.replace("F = np.float32", "F = np.float64", 1)
    return load("machine", text)


def part(name: str) -> str:
    """Return the text of a file of this folder."""
    return text_of(Path(__file__).parent / f"{name}.py")


def helpers() -> str:
    """Return the text of the functions that kernels for the CPU call."""
    return "\n\n".join([part("maths_numba"), part("memory_access")])
