"""Files of tensors and a JSON structure in the safetensors format, with a checksum over the whole file. Nothing in such a file
can be executed.

The structure is the entry ``ship`` of the header. It begins with the SHA-256 of the file, computed with 64 zeros in the place of
the digest, so that any changed byte is an error. Files of format 1, written before there was a checksum, are still read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .atomic_write import regular_file, write_whole
from .errors import FileError

FORMAT = 2
OLD = 1  # the format without a checksum
MOST_HEADER = 16 * 2**20  # bytes; the header holds names and shapes of the tensors, and the structure
ZEROS = "0" * 64
DIGEST = re.compile(rb'\{\\"sha256\\": \\"([0-9a-f]{64})\\"')  # the structure is a string inside of JSON
# The errors that foreign content can raise in code that expects a file of this library; they are listed one by one, so that bugs
# of other kinds are still seen.
DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, AssertionError, MemoryError)


def write(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], structure: Mapping[str, Any]) -> None:
    """Write tensors and a JSON structure to one file, atomically.

    Raises:
        FileError: the folder is missing or not writable, or the structure is too large.
    """
    from safetensors.torch import save as to_bytes

    content = {"sha256": ZEROS, "format": FORMAT} | dict(structure)
    data = bytearray(to_bytes(_apart(tensors), metadata={"ship": json.dumps(content)}))
    if (size := 8 + int.from_bytes(data[:8], "little")) > MOST_HEADER:
        rule = f"names, shapes and structure must take at most {MOST_HEADER >> 20} MiB"
        raise FileError(str(path), rule, got=f"{size / 2**20:.1f} MiB", fix="Save fewer groups.")
    found = DIGEST.search(data, 0, size)
    assert found is not None
    data[slice(*found.span(1))] = hashlib.sha256(data).hexdigest().encode()
    write_whole(path, data)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors on the CPU, each in separate memory: the format cannot express shared memory."""
    taken: set[int] = set()
    made = {}
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        place = value.untyped_storage().data_ptr()
        made[name] = value.clone() if place in taken else value
        taken.add(place)
    return made


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the structure of a file.

    Raises:
        FileError: the file is missing, damaged, truncated, or was not written by this library.
    """
    from safetensors import SafetensorError, safe_open

    path = regular_file(path)
    damaged = "is damaged, truncated, or not a file of SHIP"
    try:
        stated, actual = _digests(path)
        if stated is not None and stated != actual:
            raise FileError(str(path), damaged, got="another checksum than the one it states", fix="Use a copy that is whole.")
        with safe_open(str(path), framework="pt") as file:
            text = (file.metadata() or {}).get("ship")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except FileError:
        raise
    except (SafetensorError, OSError, *DAMAGE) as error:
        raise FileError(str(path), damaged, got=str(error)) from error
    try:
        structure = json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise FileError(str(path), "has no readable structure: it was not written by SHIP") from error
    found = structure.get("format") if isinstance(structure, dict) else None
    if isinstance(found, bool) or found not in (OLD, FORMAT):
        raise FileError(str(path), f"must have format {FORMAT}", got=repr(found), fix="Use the version of SHIP that wrote it.")
    if found == FORMAT and stated is None:
        raise FileError(str(path), damaged, got="no checksum")
    structure.pop("sha256", None)
    return tensors, structure


def _digests(path: Path) -> tuple[str | None, str]:
    """Return the checksum that a file states (None if it states none) and the one that it has."""
    with path.open("rb") as file:
        head = file.read(8)
        size = int.from_bytes(head, "little")
        if size > MOST_HEADER:
            raise FileError(str(path), f"must have a header of at most {MOST_HEADER >> 20} MiB", got=f"{size / 2**20:.1f} MiB")
        header = bytearray(file.read(size))
        found = DIGEST.search(header)
        stated = None if found is None else found[1].decode()
        if found is not None:
            header[slice(*found.span(1))] = ZEROS.encode()
        digest = hashlib.sha256(head + header)
        while block := file.read(2**20):
            digest.update(block)
    return stated, digest.hexdigest()


def tensor_digest(value: Tensor) -> str:
    """Return a text that identifies a tensor: its type, its shape, and a digest of its numbers."""
    flat = value.detach().cpu().contiguous()
    numbers = hashlib.sha256(flat.view(-1).view(torch.uint8).numpy().tobytes()).hexdigest()[:16] if flat.numel() else ""
    return f"{flat.dtype} {list(flat.shape)} {numbers}".removeprefix("torch.")
