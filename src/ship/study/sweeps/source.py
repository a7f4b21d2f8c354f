"""The function of a sweep: what tells it from another one, and how it reaches the processes that call it.

Results are only good for the function that gave them, so a sweep keeps the SHA-256 of its source: that of the function and of all
that it uses of its own file (functions, classes, constants, imports), and so on from there. Comments and the rest of the file may
change. What it imports from other files is not followed.

A function reaches another process by its source, never pickled: one of an installed package is imported there by name, one of a
script or of a user's file by the text of that file, which is run there as Python imports a file.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.abc
import importlib.util
import inspect
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ...base.errors import FileError, RunError

_loading = threading.Lock()


class Source(NamedTuple):
    """Where a function stands, in plain words that any process understands."""

    name: str  # of the function
    module: str  # by which it is imported; empty where it stands in a file of its own, or nowhere
    file: str  # the path of its file; empty where there is none
    text: str  # of that file; empty where the module is imported by name
    sha256: str  # of the function and what it uses of its file

    @property
    def travels(self) -> bool:
        """Whether another process can find the function."""
        return bool(self.module or self.text)


def source_of(where: str, fn: Callable[..., Any]) -> Source:
    """Return where a function stands, and the SHA-256 of its source.

    Raises:
        RunError: what is given is no function written in Python.
    """
    made = inspect.unwrap(fn)
    if not inspect.isfunction(made):
        rule = "must be a function written in Python"
        raise RunError(where, rule, got=repr(fn)[:80], fix="Write a function that calls it.")
    name, module = made.__qualname__, sys.modules.get(made.__module__)
    file = getattr(module, "__file__", None) if module is not None else None
    text = _text(file)
    reachable = name.isidentifier() and getattr(module, name, None) is fn and text
    if not reachable:
        return Source(name, "", "", "", _digest(_own_text(made)))
    digest = _digest(used(text, name))
    imported = _import_name(module)
    return Source(name, imported, str(file), "" if imported else text, digest)


def function_of(source: Source) -> Callable[..., Any]:
    """Return the function that stands at a source, in this process; its file is run once in a process.

    Raises:
        FileError: the module is not there, its file raises an error, or has no such function.
    """
    with _loading:  # workers may have several threads
        module = importlib.import_module(source.module) if source.module else _module(source)
    found = getattr(module, source.name, None)
    if not callable(found):
        raise FileError(source.file or source.module, f"has no function {source.name!r}")
    return found  # type: ignore[no-any-return]


def used(text: str, name: str) -> str:
    """Return the source of a function and of all that it uses of its file, directly or not, without comments."""
    tree = ast.parse(text)
    bound: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for each in _binds(statement):
            bound.setdefault(each, []).append(statement)
    wanted, found = [name], {name}
    while wanted:
        for statement in bound.get(wanted.pop(), ()):
            names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} & bound.keys()
            wanted += sorted(names - found)
            found |= names
    kept = [s for s in tree.body if found & set(_binds(s))]
    return "\n".join(ast.unparse(statement) for statement in kept)


def _binds(statement: ast.stmt) -> list[str]:
    """Return the names that a statement at the top of a file gives a meaning."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in statement.names]
    inside = [node for node in ast.walk(statement) if not isinstance(node, ast.expr_context)]
    names = [node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del)]
    nested = [node for node in inside if isinstance(node, ast.stmt) and node is not statement]
    return names + [each for node in nested for each in _binds(node)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(file: str | None) -> str:
    try:
        return Path(file).read_text(encoding="utf-8") if file else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _own_text(fn: Any) -> str:
    """Return the source of a function that no file holds at its top: its lines, or its compiled code where there are none."""
    try:
        return textwrap.dedent(inspect.getsource(fn))
    except (OSError, TypeError):
        code = fn.__code__
        return f"{code.co_code.hex()} {code.co_names} {[c for c in code.co_consts if not inspect.iscode(c)]}"


def _import_name(module: Any) -> str:
    """Return the name by which any process can import a module; empty for a script, and for a file outside of packages."""
    spec = getattr(module, "__spec__", None)
    name = getattr(spec, "name", "") or ""
    return name if "." in name else ""


class _Text(importlib.abc.SourceLoader):
    """A loader that takes the text of a module from memory, and keeps no compiled code of it."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def get_filename(self, fullname: str) -> str:
        return self.source.file

    def get_data(self, path: str | bytes) -> bytes:
        if str(path) != self.source.file:
            raise OSError(f"no such file: {path!r}")  # no compiled code
        return self.source.text.encode()


def _module(source: Source) -> Any:
    """Run the text of a file as a module, once in a process; its folder is searched for what it imports, as of a script."""
    name = f"ship_sweep_{hashlib.sha256((source.file + source.text).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, source.file, loader=_Text(source))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    folder = str(Path(source.file).parent)
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises
        del sys.modules[name]
        raise FileError(source.file, "raises an error when it is imported", got=f"{type(error).__name__}: {error}") from error
    return module
