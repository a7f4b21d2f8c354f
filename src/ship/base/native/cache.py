"""Compiled texts, kept on disk by their hash.

The folder is ``$SHIP_CACHE``, or ``ship`` in the user's cache folder. What lies there is code: a folder that others can write is
never used, kernels are then compiled afresh in each process.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import linecache
import os
import stat
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import warn_once

KINDS = ("kernel", "machine", "scan", "products", "philox_numba", "signal_scan", "pulses", "conjugate_gradient")  # of texts
VERSION = 2  # of the layout of kernels and tables, and of what is kept of them


def folder() -> Path:
    """Return the folder in which kernels are kept."""
    given = os.environ.get("SHIP_CACHE")
    if given:
        return Path(given).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("ship", appauthor=False, opinion=False)


def private_folder() -> Path | None:
    """The folder, made if need be; None, with a warning, where it is not the user's alone."""
    path = folder()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        warn_once(path, f"kernels are not kept: {path}: {error.strerror or error}")
        return None
    if os.name == "posix" and (not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077):
        rule = "must be a folder of yours that nobody else can enter (chmod 700), or set SHIP_CACHE"
        warn_once(path, f"kernels are not kept: {path} {rule}")
        return None
    return path


def digest(text: str) -> str:
    """What names a kernel on disk: its text, with the versions of what compiles it."""
    import llvmlite
    import numba
    import numpy

    key = "\n".join([str(VERSION), numba.__version__, llvmlite.__version__, numpy.__version__, text])
    return hashlib.sha256(key.encode()).hexdigest()[:24]


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether Numba is there to compile with."""
    return importlib.util.find_spec("numba") is not None


def load(kind: str, text: str) -> dict[str, Any]:
    """The names that a text of ours defines, its Numba functions compiled or taken from disk. The text is given ``njit``,
    ``cfunc`` and, whether compiled code is kept, ``CACHE``.
    """
    return _load(kind, text)


@lru_cache(maxsize=16)
def text_of(path: Path) -> str:
    """The text of a file of the library."""
    return path.read_text()


def load_file(path: Path) -> dict[str, Any]:
    """`load` of a file of the library; its name says the kind."""
    return load(path.stem, text_of(path))


@lru_cache(maxsize=512)
def _load(kind: str, text: str) -> dict[str, Any]:
    path = private_folder()
    name = f"{kind}_{digest(text)}.py"
    where = None if path is None else path / name
    if where is not None:
        try:
            _write(where, text)
        except OSError as error:
            warn_once(where.parent, f"kernels are not kept: {where.parent}: {error.strerror or error}")
            where = None
    file = str(where or f"<{name}>")
    if where is None:
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # Triton looks for the text of a function
    from . import numba_loader  # imports Numba

    module = ModuleType(f"ship_{name[:-3]}")
    module.__dict__.update({"__file__": file, "CACHE": where is not None, "njit": numba_loader.njit, "cfunc": numba_loader.cfunc})
    sys.modules[module.__name__] = module  # Numba looks it up when it loads compiled code
    exec(compile(text, file, "exec"), module.__dict__)
    return module.__dict__


def _write(where: Path, text: str) -> None:
    """At once or not at all, so that several processes can do it."""
    data = text.encode()
    if where.exists() and where.read_bytes() == data:
        return
    handle, temporary = tempfile.mkstemp(dir=where.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if where.exists() and where.read_bytes() != data:
            os.replace(temporary, where)
            return
        try:
            os.link(temporary, where)
        except FileExistsError:  # who comes first wins
            pass
        except OSError:  # no links on this disk
            os.replace(temporary, where)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def contents() -> list[tuple[str, int]]:
    """Name and bytes of each file in the folder."""
    path = folder()
    ours = [p for kind in KINDS for p in path.rglob(f"{kind}_*")] if path.is_dir() else []
    return sorted((str(p.relative_to(path)), p.stat().st_size) for p in ours if p.is_file())


def clear() -> int:
    """Remove all kernels; returns how many files went."""
    found, path = contents(), folder()
    for name, _ in found:
        (path / name).unlink(missing_ok=True)
    return len(found)
