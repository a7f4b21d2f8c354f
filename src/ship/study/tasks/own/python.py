"""A task of a Python file: its function ``task()`` is called. The file is the user's own code, and is run as such."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....base.errors import FileError, RunError, ShipError, suggest
from ..task import Task


def run(path: Path, given: Mapping[str, Any], options: Mapping[str, Any]) -> Task:
    """Run a file, and make the task of its function ``task``.

    Args:
        path: the file. Do not give one that you would not run with Python: what stands in it happens.
        given: arguments that the function gets if it takes them.
        options: arguments that it must take.

    Raises:
        FileError: the file has no function ``task``, or the function returns something else than a `Task`.
        RunError: the function does not take an option, or the code of the file raises an error, which is the cause of this one.
    """
    module = _module(path)
    function = getattr(module, "task", None)
    if not callable(function):
        raise FileError(str(path), "must have a function task() that returns a ship.study.Task", got=_functions(module))
    names = inspect.signature(function).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in names.values())
    for option in options:
        if option not in names and not takes_all:
            raise RunError(f"{path}: task()", f"takes no argument {option!r}", fix=suggest(option, names))
    arguments = {**{k: v for k, v in given.items() if k in names}, **options}
    made = _guarded(f"{path}: task()", lambda: function(**arguments))
    if not isinstance(made, Task):
        raise FileError(f"{path}: task()", "must return a ship.study.Task", got=type(made).__name__)
    return made


def _module(path: Path) -> Any:
    name = f"ship_task_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileError(str(path), "must be a Python file")
    module, loader = importlib.util.module_from_spec(spec), spec.loader
    sys.modules[name] = module  # a dataclass of the file looks for its module there
    _guarded(str(path), lambda: loader.exec_module(module))
    return module


def _guarded(where: str, call: Any) -> Any:
    try:
        return call()
    except ShipError:
        raise
    except Exception as error:
        fix = "The error of your code stands above."
        raise RunError(where, f"raised {type(error).__name__}: {error}", fix=fix) from error


def _functions(module: Any) -> str:
    names = [name for name, value in vars(module).items() if inspect.isfunction(value) and not name.startswith("_")]
    return "functions " + ", ".join(names) if names else "no function"
