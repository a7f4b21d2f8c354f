"""Public names that a package loads when they are first used, so that `import ship` stays light (PEP 562).

A package says once where each of these names is, and type checkers read the imports under ``TYPE_CHECKING``::

    if TYPE_CHECKING:
        from .neurons.lif import LIF as LIF
    else:
        __getattr__, __dir__, __all__ = later(__name__, {"LIF": "neurons.lif"})

A name is guarded when it is loaded, as `boundary.guard` does with those that a package imports at once.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import Any

from .boundary import guard_name


def later(
    package: str, names: Mapping[str, str], *, packages: Collection[str] = (), leave: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return the ``__getattr__``, the ``__dir__`` and the ``__all__`` of a package that loads names when they are first used.

    All public names are these and the ones that the package has imported by now, without modules.

    Args:
        package: the name of the package.
        names: the module of each name, as a path from the package: ``{"LIF": "neurons.lif"}``.
        packages: packages in this one that are loaded as a whole when they are first used.
        leave: classes whose constructors stay unchecked, as in `boundary.guard`.
    """

    def load(name: str) -> Any:
        if name in packages:
            return importlib.import_module(f"{package}.{name}")
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        value = getattr(importlib.import_module(f"{package}.{names[name]}"), name)
        setattr(sys.modules[package], name, value)
        guard_name(package, name, leave=leave)
        return getattr(sys.modules[package], name)

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *names, *packages})

    here = {name for name, value in vars(sys.modules[package]).items() if name[0] != "_" and not isinstance(value, ModuleType)}
    return load, listed, sorted({*here, *names})
