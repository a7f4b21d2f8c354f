"""The files of measurements that laboratories published, for the tests that need them."""

from pathlib import Path

import pytest

import lab


def published(name: str) -> Path:
    """The path of a published file; the test is skipped where ``SHIP_DATA`` does not hold it."""
    where = lab.folder()
    if where is None or not (where / name).exists():
        pytest.skip(f"SHIP_DATA does not hold lab/{name}")
    return where / name
