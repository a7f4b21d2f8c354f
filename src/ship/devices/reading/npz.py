"""Arrays of an NPZ file, each read when it is asked for, once it is known what it declares to be."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...base.errors import FileError
from . import limits
from .container import Container, damaged

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
PLAIN = "Save plain arrays of numbers or text."


class Arrays(Mapping[str, Any]):
    """The arrays of an NPZ file by name; only arrays that are asked for are read."""

    def __init__(self, name: str, data: bytes) -> None:
        """Read the names of the arrays.

        Raises:
            FileError: it is no NPZ file.
        """
        self.name, self._container = name, Container(name, data)
        self._members = {m.removesuffix(".npy"): m for m in self._container.sizes if m.endswith(".npy")}
        self._read: dict[str, np.ndarray] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __getitem__(self, name: str) -> np.ndarray:
        """Read one array.

        Raises:
            KeyError: there is none of that name.
            FileError: it is damaged, holds objects, or has another size than it declares.
        """
        if name not in self._read:
            data = self._container.read(self._members[name], limits.ARRAY)
            self._read[name] = _array(f"{self.name}: {name}", data)
        return self._read[name]


def _array(where: str, data: bytes) -> np.ndarray:
    file = io.BytesIO(data)
    with damaged(where, "no array", PLAIN):
        version = np.lib.format.read_magic(file)
        if version not in HEADERS:
            raise FileError(where, "is damaged, or holds records", got=f"version {version}", fix=PLAIN)
        shape, by_column, dtype = HEADERS[version](file)
    if dtype.hasobject or dtype.kind == "V":
        raise FileError(where, "is damaged, or holds objects", got=str(dtype), fix=PLAIN)
    declared, there = math.prod(shape) * dtype.itemsize, len(data) - file.tell()
    if declared != there or not declared:
        raise FileError(where, f"is damaged, or empty: {declared} bytes are declared", got=f"{there} bytes")
    with damaged(where, "no array", PLAIN):
        flat: np.ndarray = np.frombuffer(data, dtype, offset=file.tell())
        return flat.reshape(shape, order="F" if by_column else "C")
