"""The texts of the fused engine: drivers, and the functions that kernels call."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ..compiled import clear, contents, digest, folder, load, private_folder

__all__ = ["clear", "contents", "digest", "folder", "load", "machine", "maths", "private_folder"]


@lru_cache(maxsize=8)
def drivers(name: str, dtype: torch.dtype) -> dict[str, Any]:
    """The drivers in one of our texts, for one float type."""
    text = Path(__file__).with_name(f"{name}.py").read_text()
    if dtype == torch.float64:
        text = text.replace("F = np.float32", "F = np.float64", 1)
    return load("machine", text)


def machine(dtype: torch.dtype) -> dict[str, Any]:
    """The drivers of tapes."""
    return drivers("machine", dtype)


@lru_cache(maxsize=2)
def maths(name: str = "maths") -> str:
    """The text of the functions that kernels call: ``maths`` for Numba, ``maths_triton`` for Triton."""
    return Path(__file__).with_name(f"{name}.py").read_text()
