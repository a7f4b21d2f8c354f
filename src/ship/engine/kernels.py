"""The texts of the fused engine: drivers, and the functions that kernels call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..compiled import clear, contents, digest, folder, load, private_folder, text_of

__all__ = ["clear", "contents", "digest", "folder", "load", "machine", "maths", "private_folder"]


def drivers(name: str, dtype: torch.dtype) -> dict[str, Any]:
    """The drivers in one of our texts, for one float type."""
    text = text_of(Path(__file__).with_name(f"{name}.py"))
    if dtype == torch.float64:
        text = text.replace("F = np.float32", "F = np.float64", 1)
    return load("machine", text)


def machine(dtype: torch.dtype) -> dict[str, Any]:
    """The drivers of tapes."""
    return drivers("machine", dtype)


def maths(name: str = "maths") -> str:
    """The text of the functions that kernels call: ``maths`` for Numba, ``maths_triton`` for Triton."""
    return text_of(Path(__file__).with_name(f"{name}.py"))
