# mypy: allow-untyped-calls
"""Numba's decorators, as `cache` hands them to the texts of the library, which load compiled code without preparing to compile.

Before it loads machine code Numba imports its implementations of everything (some 190 modules) and compiles its runtime, as if it
were to compile: 45 MB and 0.7 s in every process. Machine code needs neither: it calls C functions of the runtime by name.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numba
import numba.core.runtime._nrt_python as runtime
from llvmlite import binding
from numba.core.caching import CompileResultCacheImpl, FunctionCache, NullCache
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature

from ..errors import warn_once
from .patience import PATIENCE

KNOWN = (0, 68)  # the newest Numba whose loading was compared with this one (the oldest is 0.60); later ones load by themselves


@lru_cache(maxsize=1)
def name_runtime() -> None:
    """Tell the linker the addresses of the functions of Numba's runtime, as `numba.core.runtime.nrt` does."""
    for name, address in runtime.c_helpers.items():
        binding.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


class NoCache(NullCache):
    """The cache of functions that are compiled anew in every process: it keeps nothing, and reports long compilation."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return None, so that the function is compiled."""
        PATIENCE.start()

    def save_overload(self, sig: Any, data: Any) -> None:
        """Stop the clock of the compilation that has ended."""
        PATIENCE.stop()


class TextLocator:
    """Numba's locator for the machine code of one text: a folder beside the text, which was found to be the user's alone.

    ``NUMBA_CACHE_DIR`` is ignored. The name of a text contains its digest, and so serves as Numba's stamp of the source.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.text = Path(inspect.getfile(function))
        self.line = function.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        return str(self.text.parent / "__pycache__")

    def ensure_cache_path(self) -> None:
        os.makedirs(self.get_cache_path(), exist_ok=True)

    def get_source_stamp(self) -> str:
        return self.text.name

    def get_disambiguator(self) -> str:
        return str(self.line)


class TextCacheImpl(CompileResultCacheImpl):
    """Numba's cache implementation with a `TextLocator`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._locator = TextLocator(function)
        name = f"{self._locator.text.stem}.{function.__qualname__}"
        self._filename_base = self.get_filename_base(name, getattr(sys, "abiflags", ""))


class CachedFunction(FunctionCache):
    """Numba's cache on disk for one function: code that cannot be read is compiled again, and a failed write is not an error."""

    _impl_class = TextCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code for some types; None where it must be compiled."""
        code = self._load(sig, target_context)
        if code is None:
            PATIENCE.start()
        return code

    def _load(self, sig: Any, target_context: Any) -> Any:
        try:
            if numba.version_info.short <= KNOWN:
                name_runtime()
                with self._guard_against_spurious_io_errors():
                    found = self._load_overload(sig, target_context)
                    if found is not None:
                        return found
            return super().load_overload(sig, target_context)
        except Exception as error:  # truncated files raise whatever pickle, zlib and LLVM raise
            self._complain(f"damaged, and compiled again: {type(error).__name__}: {error}")
            self._forget()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write machine code to disk; warn where that fails."""
        PATIENCE.stop()
        try:
            super().save_overload(sig, data)
        except Exception as error:  # a full disk, a quota, a folder that is gone
            self._complain(f"not kept: {error}")
            self._forget()
            self.disable()

    def _complain(self, what: str) -> None:
        folder = Path(self.cache_path).parent
        warn_once(folder, f"kernels are {what} ({folder})")

    def _forget(self) -> None:
        """Remove the index of the function's saved code; the next save begins a new one."""
        with contextlib.suppress(OSError):
            os.unlink(self._cache_file._index_path)


def njit(*, cache: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a function as `numba.njit` does, with the cache of this module."""

    def decorate(function: Callable[..., Any]) -> Any:
        made: Any = numba.njit(**options)(function)
        made._cache = CachedFunction(function) if cache else NoCache()
        return made

    return decorate


class LazyCFunc:
    """A C function that is compiled when its address is first wanted."""

    def __init__(self, made: Any) -> None:
        self.made = made

    @cached_property
    def address(self) -> int:
        """The address of the compiled function; the first read compiles it."""
        self.made.compile()
        return int(self.made.address)


def cfunc(signature: Any, *, cache: bool = False, late: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a function as `numba.cfunc` does, with the cache of this module; with ``late`` return a `LazyCFunc`."""

    def decorate(function: Callable[..., Any]) -> Any:
        made: Any = CFunc(function, normalize_signature(signature), locals={}, options=options)
        made._cache = CachedFunction(function) if cache else NoCache()
        if late:
            return LazyCFunc(made)
        made.compile()
        return made

    return decorate
