"""The command ``ship check``: the conformance kit on the classes of a user's own file.

The file is imported, as Python would import it: it is the user's own code, and runs because the user asks for it. Every
model, rule and part of a device that is defined in it is checked. A dictionary ``check_settings`` in the file, from the name of
a class to keyword arguments of the check, says what the kit cannot know:
``check_settings = {"QIF": {"drive": {"charge": 400.0}}}``.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ..base.errors import FileError, ShipError, suggest
from ..models.contract import Model, Rule
from ..testing import Report, check_device_part, check_model, check_rule
from ..testing.devices.events import PARTS


def run(path: Path, names: Sequence[str] = (), skip: Sequence[str] = ()) -> bool:
    """Check the classes of a file, print a table for each, and return whether all passed.

    Args:
        path: a Python file.
        names: the classes to check; none: all that are defined in the file.
        skip: names of checks to leave out.

    Raises:
        FileError: no such file, an error inside it, or nothing in it to check.
        ShipError: a class that is not there.
    """
    module = imported(path)
    found = checkable(module)
    if not found:
        kinds = "ship.Neuron, ship.Synapse, ship.Rule, ship.devices.Update"
        raise FileError(str(path), "defines no model, rule or part of a device", fix=f"They are classes made from {kinds}, ...")
    for name in names:
        if name not in found:
            raise ShipError(f"ship check {path}", f"no class named {name!r}", fix=suggest(name, found))
    told = _told(path, module, found)
    good = True
    for name in names or found:
        report = checked(found[name], skip, told.get(name, {}))
        print(report, end="\n\n", flush=True)
        good &= report.ok
    return good


def imported(path: Path) -> ModuleType:
    """Import a Python file by its path.

    Raises:
        FileError: there is none, or it raises an error.
    """
    if not path.is_file() or path.suffix != ".py":
        rule = "is no file" if not path.exists() else "is no Python file (.py)"
        raise FileError(str(path), rule, fix="Give the path of a Python file, e.g. mine.py.")
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    kept = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses look their module up
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises
        if kept is not None:
            sys.modules[name] = kept
        raise FileError(str(path), "raises an error when it is imported", got=f"{type(error).__name__}: {error}") from error
    finally:
        sys.path.pop(0)
    return module


def checkable(module: ModuleType) -> dict[str, type]:
    """Return the finished models, rules and parts of devices that a module defines itself, by name."""
    classes = {k: v for k, v in vars(module).items() if inspect.isclass(v) and v.__module__ == module.__name__}
    return {k: v for k, v in classes.items() if issubclass(v, (Model, *PARTS)) and not inspect.isabstract(v)}


def checked(cls: type, skip: Sequence[str], settings: Mapping[str, Any]) -> Report:
    """Run the checks of a class's kind; names to skip that its kind does not have are left aside."""
    from ..testing.check import MODEL_CHECKS, PART_CHECKS, RULE_CHECKS

    check: Callable[..., Report]
    checks: Sequence[tuple[str, Any]]
    if issubclass(cls, Rule):
        check, checks = check_rule, RULE_CHECKS
    elif issubclass(cls, Model):
        check, checks = check_model, MODEL_CHECKS
    else:
        check, checks = check_device_part, PART_CHECKS
    names = {name for name, _ in (*MODEL_CHECKS, *RULE_CHECKS, *PART_CHECKS)}
    for name in skip:
        if name not in names:
            raise ShipError("ship check --skip", f"there is no check named {name!r}", fix=suggest(name, names))
    own = {name for name, _ in checks}
    given = dict(settings)
    left_out = (*given.pop("skip", ()), *(name for name in skip if name in own))
    return check(cls, skip=left_out, **given)


def _told(path: Path, module: ModuleType, found: Mapping[str, type]) -> dict[str, dict[str, Any]]:
    """Return what the file says of its classes.

    Raises:
        FileError: it speaks of a class that is not there.
    """
    told = getattr(module, "check_settings", {})
    if not isinstance(told, dict) or not all(isinstance(v, dict) for v in told.values()):
        rule = "must be a dictionary of dictionaries, by the name of a class"
        raise FileError(f"{path}: check_settings", rule, got=repr(told)[:80])
    for name in told:
        if name not in found:
            raise FileError(f"{path}: check_settings", f"no class named {name!r}", fix=suggest(str(name), found))
    return told
