"""The cache on disk of compiled texts, which are named by their hash.

The folder is ``$SHIP_CACHE``, or ``ship`` in the user's cache folder. Its contents are code, so a folder that others can write to
is never used; kernels are then compiled afresh in each process.
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

KINDS = ("kernel", "machine", "scan", "products", "philox_numba", "signal_scan", "pulses", "conjugate_gradient")  # kinds of text
VERSION = 2  # counts changes in the layout of kernels, of their tables and of the cache


def folder() -> Path:
    """Return the cache folder, whether it exists or not."""
    given = os.environ.get("SHIP_CACHE")
    if given:
        return Path(given).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("ship", appauthor=False, opinion=False)


def make_inside(path: Path) -> None:
    """Make a folder of the cache, whose own folder nobody else may enter: kernels are kept in it, too.

    Raises:
        OSError: it cannot be made.
    """
    root = folder()
    if path.is_relative_to(root):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.mkdir(parents=True, exist_ok=True)


def private_folder() -> Path | None:
    """Return the cache folder and make it if need be; None, with a warning, if anyone else can enter it."""
    path = folder()
    try:
        make_inside(path)
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
    """Return the name of a kernel on disk: a hash of its text and of the versions of the packages that compile it."""
    import llvmlite
    import numba
    import numpy

    key = "\n".join([str(VERSION), numba.__version__, llvmlite.__version__, numpy.__version__, text])
    return hashlib.sha256(key.encode()).hexdigest()[:24]


@lru_cache(maxsize=1)
def available() -> bool:
    """Return whether Numba is installed."""
    return importlib.util.find_spec("numba") is not None


def load(kind: str, text: str) -> dict[str, Any]:
    """Execute a text of the library and return the names that it defines; its Numba functions are compiled or taken from disk.

    The text sees ``njit``, ``cfunc`` and ``CACHE``, which says whether compiled code is kept.
    """
    return _load(kind, text)


@lru_cache(maxsize=16)
def text_of(path: Path) -> str:
    """Return the text of a file of the library, read once per process."""
    return path.read_text()


def load_file(path: Path) -> dict[str, Any]:
    """Load a file of the library as a text; the name of the file is its kind."""
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
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # Triton reads functions from here
    from . import numba_loader  # imports Numba

    module = ModuleType(f"ship_{name[:-3]}")
    module.__dict__.update({"__file__": file, "CACHE": where is not None, "njit": numba_loader.njit, "cfunc": numba_loader.cfunc})
    sys.modules[module.__name__] = module  # Numba looks the module up when it loads compiled code
    exec(compile(text, file, "exec"), module.__dict__)
    return module.__dict__


def _write(where: Path, text: str) -> None:
    """Write a text completely or not at all, so that several processes can do it at the same time."""
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
        except FileExistsError:  # another process was first
            pass
        except OSError:  # the disk has no links
            os.replace(temporary, where)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def contents() -> list[tuple[str, int]]:
    """Return name and size in bytes of each file in the cache folder."""
    path = folder()
    ours = [p for kind in KINDS for p in path.rglob(f"{kind}_*")] if path.is_dir() else []
    return sorted((str(p.relative_to(path)), p.stat().st_size) for p in ours if p.is_file())


def clear() -> int:
    """Remove all kernels from the cache folder; return the number of removed files."""
    found, path = contents(), folder()
    for name, _ in found:
        (path / name).unlink(missing_ok=True)
    return len(found)
