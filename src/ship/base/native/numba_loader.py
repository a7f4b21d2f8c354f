# mypy: allow-untyped-calls
"""Numba's decorators, which `compiled` gives to our texts. What was compiled before is loaded without what only compiling needs.

Before it loads machine code Numba imports its implementations of everything (some 190 modules) and compiles its runtime, as if it
were to compile: 45 MB and 0.7 s in every process. Machine code needs neither: of the runtime it calls C functions by name.
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

KNOWN = (0, 68)  # the newest Numba whose way of loading was compared with ours (the oldest: 0.60); later ones load as they do


@lru_cache(maxsize=1)
def name_runtime() -> None:
    """Tell the linker where the functions of Numba's runtime are, as `numba.core.runtime.nrt` does."""
    for name, address in runtime.c_helpers.items():
        binding.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


class Unkept(NullCache):
    """For functions that are compiled in every process."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """None: it must be compiled."""
        PATIENCE.start()

    def save_overload(self, sig: Any, data: Any) -> None:
        """It was compiled."""
        PATIENCE.stop()


class Place:
    """Where Numba keeps what it compiles from one of our texts: beside it, in the folder that was found to be the user's alone,
    whatever ``NUMBA_CACHE_DIR`` says. The name of a text is its digest, and so says what the code is of.
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


class Beside(CompileResultCacheImpl):
    """How Numba keeps a function, in a `Place`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._locator = Place(function)
        name = f"{self._locator.text.stem}.{function.__qualname__}"
        self._filename_base = self.get_filename_base(name, getattr(sys, "abiflags", ""))


class CachedFunction(FunctionCache):
    """What Numba keeps on disk of one function. What cannot be read is compiled again, what cannot be written is not kept."""

    _impl_class = Beside

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The machine code for some types; None where it must be compiled."""
        found = self._found(sig, target_context)
        if found is None:
            PATIENCE.start()
        return found

    def _found(self, sig: Any, target_context: Any) -> Any:
        try:
            if numba.version_info.short <= KNOWN:
                name_runtime()
                with self._guard_against_spurious_io_errors():
                    found = self._load_overload(sig, target_context)
                    if found is not None:
                        return found
            return super().load_overload(sig, target_context)
        except Exception as error:  # files that were cut raise whatever pickle, zlib and LLVM do
            self._complain(f"damaged, and compiled again: {type(error).__name__}: {error}")
            self._forget()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep machine code."""
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
        """Remove the list of what is kept of the function: the next save begins a new one."""
        with contextlib.suppress(OSError):
            os.unlink(self._cache_file._index_path)


def njit(*, cache: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit`."""

    def decorate(function: Callable[..., Any]) -> Any:
        made: Any = numba.njit(**options)(function)
        made._cache = CachedFunction(function) if cache else Unkept()
        return made

    return decorate


class LazyCFunc:
    """A C function that is compiled when its address is first wanted."""

    def __init__(self, made: Any) -> None:
        self.made = made

    @cached_property
    def address(self) -> int:
        self.made.compile()
        return int(self.made.address)


def cfunc(signature: Any, *, cache: bool = False, late: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.cfunc`, or `LazyCFunc`."""

    def decorate(function: Callable[..., Any]) -> Any:
        made: Any = CFunc(function, normalize_signature(signature), locals={}, options=options)
        made._cache = CachedFunction(function) if cache else Unkept()
        if late:
            return LazyCFunc(made)
        made.compile()
        return made

    return decorate
