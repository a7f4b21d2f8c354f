"""The spelling of a remedy for its reader: as arguments of `ship.fit`, or as options of the command ``ship``.

Python says ``columns={'up': 'G (uS)'}``, the command ``--column 'up=G (uS)'``. What raises an error does not know who called;
the command says so once, for all that happens within it.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
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
        return " ".join(f"{option} {_quoted(f'{key}={_joined(item)}')}" for key, item in value.items())
    if isinstance(value, tuple | list):
        return " ".join([option, *map(str, value)])
    return option if value is None or value is True else f"{option} {_quoted(str(value))}"


def _joined(item: object) -> str:
    return ",".join(map(str, item)) if isinstance(item, tuple | list) else str(item)


def _quoted(text: str) -> str:
    """Quote a word for the shell, where it needs it."""
    return text if re.fullmatch(r"[\w@%+=:,./-]+", text) else shlex.quote(text)


def call(name: str, sources: Sequence[object], options: Mapping[str, object]) -> str:
    """Spell a whole call, ``ship.fit('a.csv', unit='uS')`` or ``ship fit a.csv --unit uS``.

    Args:
        name: the name of the function and of the command.
        sources: the files, or what stands for them.
        options: the arguments; those that are None or empty are left out.
    """
    said = {key: value for key, value in options.items() if value not in (None, {}, (), "")}
    if _command.get():
        return " ".join(["ship", name, *(_quoted(str(each)) for each in sources), *(argument(k, v) for k, v in said.items())])
    files = repr(str(sources[0])) if len(sources) == 1 else repr([str(each) for each in sources])
    return f"ship.{name}({', '.join([files, *(argument(k, v) for k, v in said.items())])})"
