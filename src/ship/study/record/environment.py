"""Where a run took place: versions, platform, threads. Numbers may differ in their last digits between two such places."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

import torch

PACKAGES = ("torch", "numpy", "scipy", "numba")


def environment() -> dict[str, Any]:
    """Return versions of SHIP, Python and the packages that compute, the platform, the instructions of its CPU, and threads."""
    from ... import __version__

    versions = {"ship": __version__, "python": platform.python_version()}
    versions |= {name: found for name in PACKAGES if (found := _version(name)) is not None}
    return {
        "versions": versions,
        "platform": platform.platform(),
        "cpu": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "threads": torch.get_num_threads(),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
