"""The spelling of a remedy for its reader: as arguments of `ship.fit`, or as options of the command ``ship``.

Python says ``columns={'up': 'G (uS)'}``, the command ``--column 'up=G (uS)'``. What raises an error does not know who called;
the command says so once, for all that happens within it.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

ONE = {"columns": "column"}  # an argument that takes a mapping is an option that is given once for each entry
_command: ContextVar[bool] = ContextVar("command", default=False)


@contextlib.contextmanager
def for_command() -> Iterator[None]:
    """Spell remedies as options of the command within this context."""
    token = _command.set(True)
    try:
        yield
    finally:
        _command.reset(token)


def assumption(name: str, value: str) -> str:
    """Spell how to assume a part of a device: ``--assume update=gong_2018``, or a call of `ship.devices.assume`.

    Args:
        name: the name of the part.
        value: the device of the library that it is taken from.
    """
    if _command.get():
        return f"--assume {shlex.quote(f'{name}={value}')}"
    return f"ship.devices.assume(device, {name}={value!r})"


def argument(name: str, value: object = None) -> str:
    """Spell an argument, ``unit='uS'`` or ``--unit uS``; without a value ``unit=`` or ``--unit``.

    Args:
        name: the name of the argument in Python.
        value: the value it should have: text, a number, True, or a mapping of text.
    """
    if not _command.get():
        return f"{name}=" if value is None else f"{name}={value!r}"
    option = "--" + ONE.get(name, name).replace("_", "-")
    if isinstance(value, Mapping):
        return " ".join(f"{option} {shlex.quote(f'{key}={item}')}" for key, item in value.items())
    if isinstance(value, tuple | list):
        return " ".join([option, *map(str, value)])
    return option if value is None or value is True else f"{option} {shlex.quote(str(value))}"
