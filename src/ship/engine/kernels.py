"""The texts of the fused engine: drivers, and the functions that kernels call."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ..compiled import clear, contents, digest, folder, load, private_folder

__all__ = ["clear", "contents", "digest", "folder", "load", "machine", "maths", "private_folder"]


@lru_cache(maxsize=4)
def machine(dtype: torch.dtype) -> dict[str, Any]:
    """The drivers for one float type."""
    text = Path(__file__).with_name("machine.py").read_text()
    if dtype == torch.float64:
        text = text.replace("F = np.float32", "F = np.float64", 1)
    return load("machine", text)


@lru_cache(maxsize=2)
def maths(name: str = "maths") -> str:
    """The text of the functions that kernels call: ``maths`` for Numba, ``maths_triton`` for Triton."""
    return Path(__file__).with_name(f"{name}.py").read_text()
